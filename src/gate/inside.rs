//! The gate's look at the catalog inside the client's open pipeline.
//!
//! A Sync there would commit what the pipeline has done so far, so the look ends with a Flush, once
//! everything before it has been answered and nothing has failed. It depends on the transaction:
//!
//! - In one that BEGIN opened it stands behind a savepoint, as between pipelines. An error in it is
//!   taken back, and the client's pipeline goes on.
//! - In the implicit one there are no savepoints: an error would be the pipeline's. So what could
//!   fail is found out first (encoding, privileges, `statement_timeout`), with SHOW, which asks for
//!   neither; and where the look fails all the same, the client gets the error with a word on what
//!   it comes from, and none is taken inside a pipeline of that session again.
//! - Where nothing has been bound yet there is nothing to lose: an own Sync, and the look stands
//!   outside.
//!
//! A look takes the transaction's snapshot, after which its isolation level cannot be set, and its
//! Executes make a pipeline of the batch, in which not everything runs. So it is taken only where a
//! query has run before it, or something has, and what it is taken for takes a snapshot itself.

use bytes::{BufMut, Bytes, BytesMut};

use super::backend::Heard;
use super::look::{Looked, Looking, SAVEPOINT, close, run, undo};
use super::owed::{Owed, Own};
use super::{CopyIn, Fence, Gate, Next};
use crate::protocol::error_response::field;
use crate::protocol::frame::backend;
use crate::protocol::message::sync;
use crate::protocol::{Fields, message};
use crate::session::Block;
use crate::sql::Judgement;
use crate::sql::catalog::Row;

/// How far the open transaction has got, by the answers to its Executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Progress {
    /// Nothing in it is known to have run, or what has may have ended it.
    #[default]
    Nothing,
    /// Something has.
    Ran,
    /// A query has: the transaction has its snapshot.
    Queried,
}

impl Progress {
    /// Once an Execute was answered by this CommandComplete. Statements that run in no block end the
    /// transaction that they run in; their tags are not among those known here.
    pub(super) fn after(self, body: &[u8]) -> Progress {
        let tag = body.split(|byte| *byte == 0).next().unwrap_or_default();
        let word = tag.split(|byte| *byte == b' ').next().unwrap_or_default();
        match word {
            b"SELECT" | b"INSERT" | b"UPDATE" | b"DELETE" | b"MERGE" => Progress::Queried,
            b"SET" | b"RESET" | b"SHOW" | b"EXPLAIN" | b"FETCH" | b"COPY" | b"LOCK"
            | b"SAVEPOINT" | b"RELEASE" | b"DEALLOCATE" => self.max(Progress::Ran),
            // they may have ended the transaction and begun another
            b"DO" | b"CALL" => Progress::Ran,
            b"CREATE" => match tag {
                b"CREATE FUNCTION" | b"CREATE PROCEDURE" | b"CREATE VIEW" | b"CREATE TABLE"
                | b"CREATE TRIGGER" | b"CREATE TYPE" | b"CREATE DOMAIN" => Progress::Queried,
                _ => Progress::Nothing,
            },
            _ => Progress::Nothing,
        }
    }
}

/// How far a look has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// It stands outside pipelines, or ends with a Sync of its own.
    #[default]
    Outside,
    /// Behind a savepoint, which is there or not yet.
    Savepoint { set: bool },
    /// The settings are asked for.
    Settings,
    /// The privileges are.
    Privileges,
    /// The catalog is read.
    Reading,
    /// It is given up; what was set for it is set back.
    GivingUp,
}

/// A look in an implicit transaction gets this much time at least, in milliseconds.
const TIME: u64 = 10_000;

/// What a look reads.
pub(super) const RELATIONS: [&str; 30] = [
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_cast",
    "pg_class",
    "pg_constraint",
    "pg_depend",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_language",
    "pg_namespace",
    "pg_opclass",
    "pg_opfamily",
    "pg_operator",
    "pg_partitioned_table",
    "pg_policy",
    "pg_proc",
    "pg_range",
    "pg_rewrite",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_type",
];

const SETTINGS: [&str; 3] =
    ["SHOW transaction_isolation", "SHOW client_encoding", "SHOW statement_timeout"];

/// What the client is told of an error in a look.
const CONTEXT: &[u8] =
    b"the look at the catalog that pgauthority takes before a statement of an open pipeline\0";

/// A text's first statement takes the transaction's snapshot as soon as it is parsed.
pub(super) fn takes_snapshot(judgement: &Judgement) -> bool {
    judgement.statements.first().is_some_and(|first| {
        matches!(first.tag, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "CALL")
    })
}

impl Gate {
    /// A look for the message at the front, once what is on its way has been answered; `None`: there
    /// is no room for one. `queries`: the message takes a snapshot itself.
    pub(super) fn look_inside(&mut self, queries: bool) -> Option<Next> {
        let lookups = self.lookups.as_ref()?;
        if lookups.barred || lookups.fails_inside || self.state.is_failed() {
            return None;
        }
        if self.fence != Fence::No || self.copy != CopyIn::No {
            return None;
        }
        if !self.owed.is_empty() {
            return Some(self.flush_and_wait());
        }
        let room = match (self.state.block(), self.progress) {
            (Block::Explicit, progress) => {
                !self.state.is_lost() && (queries || progress == Progress::Queried)
            }
            (Block::None, Progress::Nothing) => !self.bound,
            (_, Progress::Nothing) => false,
            (_, Progress::Ran) => queries,
            (_, Progress::Queried) => true,
        };
        let private = self.progress != Progress::Nothing || self.state.block() != Block::None;
        room.then_some(Next::Catalog { private })
    }

    /// What may have taken back by now what only this session sees is answered first: an unanswered
    /// pipeline may have failed, and COMMIT is a rollback where it has.
    pub(super) fn settle_own(&mut self) -> Option<Next> {
        let own = self.lookups.as_ref().is_some_and(|known| known.private && known.uncommitted);
        let copying = matches!(self.copy, CopyIn::Open { .. });
        if !own || self.boundaries == 0 || self.skipping || copying {
            return None;
        }
        Some(if self.open { self.flush_and_wait() } else { Next::Wait })
    }

    /// The messages of a look inside the open pipeline: the first of them, where it takes several
    /// turns.
    pub(super) fn begin_inside(&mut self, queries: &[&'static str]) -> Bytes {
        if let Some(lookups) = &mut self.lookups {
            lookups.under_way = Looking { queries: queries.to_vec(), ..Looking::default() };
        }
        if self.state.block() != Block::Explicit {
            return self.ask_inside(Stage::Settings, &SETTINGS.map(|text| (text, true)));
        }
        let mut texts = vec![
            (SAVEPOINT, false),
            ("SET LOCAL statement_timeout = 0", false),
            ("SET LOCAL client_encoding = 'UTF8'", false),
        ];
        texts.extend(queries.iter().map(|query| (*query, true)));
        texts.extend(undo(true).iter().map(|text| (*text, false)));
        self.ask_inside(Stage::Savepoint { set: false }, &texts)
    }

    /// Statements inside the pipeline; those with `true` give a result each.
    fn ask_inside(&mut self, stage: Stage, texts: &[(&str, bool)]) -> Bytes {
        let mut out = BytesMut::new();
        for (text, _) in texts {
            run(&mut out, text);
        }
        close(&mut out);
        message::flush(&mut out);
        if let Some(lookups) = &mut self.lookups {
            let under_way = &mut lookups.under_way;
            under_way.stage = stage;
            under_way.closes = 2 * texts.len() + 2;
            under_way.collecting = texts.iter().rev().map(|(_, collect)| *collect).collect();
        }
        self.owe(Owed::Own(Own::Inside));
        out.freeze()
    }

    /// A message of the server's that answers a look inside the pipeline.
    pub(super) fn hear_inside(&mut self, kind: u8, body: &[u8]) -> Heard {
        if kind == backend::ERROR_RESPONSE {
            return self.failed_inside(body);
        }
        self.hear_look(kind, body);
        let Some(lookups) = &mut self.lookups else { return Heard::Absorb };
        let under_way = &mut lookups.under_way;
        match kind {
            backend::COMMAND_COMPLETE if under_way.stage == Stage::Savepoint { set: false } => {
                under_way.stage = Stage::Savepoint { set: true };
            }
            backend::CLOSE_COMPLETE => under_way.closes = under_way.closes.saturating_sub(1),
            _ => return Heard::Absorb,
        }
        if under_way.closes > 0 {
            return Heard::Absorb;
        }
        self.pop();
        self.answered_inside()
    }

    /// A turn has been answered.
    fn answered_inside(&mut self) -> Heard {
        let Some(lookups) = &mut self.lookups else { return Heard::Absorb };
        let under_way = &mut lookups.under_way;
        let results = std::mem::take(&mut under_way.results);
        let results = (!std::mem::take(&mut under_way.failed)).then_some(results);
        match under_way.stage {
            Stage::Settings => self.settings_told(&results.unwrap_or_default()),
            Stage::Privileges => {
                let may = results.is_some_and(|results| value(&results, 0) == Some(b"t"));
                lookups.may_read = may;
                if may { Heard::Send(self.read_inside()) } else { self.give_up_inside() }
            }
            Stage::GivingUp => Heard::Absorb,
            Stage::Outside | Stage::Savepoint { .. } | Stage::Reading => {
                Heard::Looked(Looked { results, private: true })
            }
        }
    }

    fn settings_told(&mut self, results: &[Vec<Row>]) -> Heard {
        let Some(lookups) = &mut self.lookups else { return Heard::Absorb };
        let timeout = value(results, 2).and_then(|text| std::str::from_utf8(text).ok());
        let told = (value(results, 0), value(results, 1), timeout.and_then(milliseconds));
        let (Some(isolation), Some(b"UTF8"), Some(time)) = told else {
            lookups.barred = true;
            return Heard::Absorb;
        };
        if !isolation.starts_with(b"read ") {
            // nothing newer is to be had: nothing is read
            let results = Some(vec![vec![vec![Some(isolation.to_vec())]]]);
            return Heard::Looked(Looked { results, private: true });
        }
        let short = (1..TIME).contains(&time);
        lookups.under_way.timeout = timeout.filter(|_| short).map(Into::into);
        if lookups.may_read {
            return Heard::Send(self.read_inside());
        }
        let names = RELATIONS.map(|name| format!("pg_catalog.{name}")).join(",");
        let privileges = format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.unnest('{{{names}}}'::pg_catalog.text[]) AS x(name) \
             WHERE NOT pg_catalog.has_table_privilege(x.name, 'SELECT'))"
        );
        let mut texts = vec![(&*privileges, true)];
        let more_time = format!("SET LOCAL statement_timeout = {TIME}");
        if short {
            texts.insert(0, (&more_time, false));
        }
        Heard::Send(self.ask_inside(Stage::Privileges, &texts))
    }

    fn read_inside(&mut self) -> Bytes {
        let Some(lookups) = &mut self.lookups else { return Bytes::new() };
        let queries = std::mem::take(&mut lookups.under_way.queries);
        let back = lookups.under_way.timeout.take().map(set_timeout);
        let more_time = format!("SET LOCAL statement_timeout = {TIME}");
        let mut texts: Vec<(&str, bool)> = queries.iter().map(|query| (*query, true)).collect();
        if let Some(back) = &back {
            texts.insert(0, (&more_time, false));
            texts.push((back, false));
        }
        self.ask_inside(Stage::Reading, &texts)
    }

    /// There is no look to be had here: the message is judged as it is without one.
    fn give_up_inside(&mut self) -> Heard {
        let Some(lookups) = &mut self.lookups else { return Heard::Absorb };
        lookups.barred = true;
        match lookups.under_way.timeout.take().map(set_timeout) {
            Some(back) => Heard::Send(self.ask_inside(Stage::GivingUp, &[(&back, false)])),
            None => Heard::Absorb,
        }
    }

    /// The look has failed. Behind a savepoint that is nothing to the client: a Sync, and it is
    /// undone. Else its pipeline has failed with it.
    fn failed_inside(&mut self, body: &[u8]) -> Heard {
        let Some(lookups) = &mut self.lookups else { return Heard::Absorb };
        let stage = std::mem::take(&mut lookups.under_way.stage);
        if stage == (Stage::Savepoint { set: true }) {
            lookups.under_way.failed = true;
            self.pop();
            self.owe_boundary(Owed::Own(Own::Look { private: true }));
            let mut out = BytesMut::new();
            sync(&mut out);
            return Heard::Send(out.freeze());
        }
        lookups.fails_inside = true;
        lookups.under_way = Looking::default();
        self.error_came();
        Heard::Replace(with_context(body))
    }
}

fn set_timeout(value: Box<str>) -> String {
    format!("SET LOCAL statement_timeout = '{value}'")
}

/// The one value of a result.
fn value(results: &[Vec<Row>], at: usize) -> Option<&[u8]> {
    results.get(at)?.first()?.first()?.as_deref()
}

/// A time as the server shows it, "0" or a number with its unit (manual, "Parameter Names and
/// Values").
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// The server's error, with a word on what it comes from.
fn with_context(body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + CONTEXT.len() + 8);
    message::frame(&mut out, backend::ERROR_RESPONSE, |out| {
        let own = [field::POSITION, field::INTERNAL_POSITION, field::INTERNAL_QUERY, field::WHERE];
        for (letter, text) in Fields::new(body).filter(|(letter, _)| !own.contains(letter)) {
            out.put_u8(letter);
            message::put_cstring(out, text);
        }
        out.put_u8(field::WHERE);
        out.put_slice(CONTEXT);
        out.put_u8(0);
    });
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::catalog::Catalog;

    #[test]
    fn the_privileges_asked_for_are_those_on_what_is_read() {
        let texts = [Catalog::VERSION_QUERY, Catalog::QUERY].join(" ");
        let words = texts.split(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c)));
        let mut read: Vec<&str> = words.filter_map(|w| w.strip_prefix("pg_catalog.pg_")).collect();
        let listed = |name: &&str| RELATIONS.iter().any(|one| one[3..] == **name);
        read.retain(|name| texts.contains(&format!("pg_catalog.pg_{name} AS")));
        assert!(read.len() > 40);
        assert_eq!(read.iter().find(|name| !listed(name)), None);
    }

    #[test]
    fn times_are_read_as_the_server_shows_them() {
        for (text, time) in [
            ("0", Some(0)),
            ("1ms", Some(1)),
            ("2s", Some(2000)),
            ("1min", Some(60_000)),
            ("1h", Some(3_600_000)),
            ("24d", Some(2_073_600_000)),
            ("1 year", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), time, "{text}");
        }
    }

    #[test]
    fn what_ends_a_transaction_is_no_progress() {
        for (tag, progress) in [
            (&b"SELECT 1\0"[..], Progress::Queried),
            (b"SET\0", Progress::Ran),
            (b"CREATE FUNCTION\0", Progress::Queried),
            (b"VACUUM\0", Progress::Nothing),
            (b"CREATE INDEX\0", Progress::Nothing),
            (b"CREATE DATABASE\0", Progress::Nothing),
            (b"COMMIT\0", Progress::Nothing),
            (b"PREPARE TRANSACTION\0", Progress::Nothing),
            (b"DISCARD ALL\0", Progress::Nothing),
        ] {
            assert_eq!(Progress::default().after(tag), progress);
        }
        assert_eq!(Progress::Queried.after(b"SET\0"), Progress::Queried);
        assert_eq!(Progress::Queried.after(b"CALL\0"), Progress::Ran);
    }
}
