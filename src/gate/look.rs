//! The gate's own look at the catalog, on the session's own connection.
//!
//! It is a pipeline of the extended protocol under names of the proxy's own: a Query would drop the
//! client's unnamed statement. Outside a transaction block it is a transaction of its own; inside
//! one it stands in a savepoint that is rolled back to, and what it sees, which may be uncommitted,
//! serves this session alone. Inside a pipeline see [`super::inside`].

use bytes::{Bytes, BytesMut};

use super::Gate;
use super::inside::{Progress, Stage};
use super::owed::{Owed, Own};
use crate::protocol::message::sync;
use crate::protocol::{body, frame, message};
use crate::session::Block;
use crate::sql::catalog::Row;

/// What came of a look.
#[derive(Debug)]
pub struct Looked {
    /// The rows of each query asked; `None`: one failed.
    pub results: Option<Vec<Vec<Row>>>,
    /// It was taken inside a transaction block: it may show what nobody else sees.
    pub private: bool,
}

/// A look under way.
#[derive(Debug, Default)]
pub(super) struct Looking {
    pub(super) results: Vec<Vec<Row>>,
    /// Whether each statement still to be bound gives a result, the last one first.
    pub(super) collecting: Vec<bool>,
    pub(super) failed: bool,
    /// How often undoing it was tried in vain.
    pub(super) undone: u8,
    /// Where it stands, and how far it is; then what only looks inside a pipeline need: CloseCompletes
    /// still to come, what is to be read, and the `statement_timeout` to be set again.
    pub(super) stage: Stage,
    pub(super) closes: usize,
    pub(super) queries: Vec<&'static str>,
    pub(super) timeout: Option<Box<str>>,
}

impl Gate {
    /// The messages of a look: each of `queries` gives one result. They go to the server at once,
    /// and nothing else until [`Answer::Looked`](super::Answer::Looked).
    pub fn look(&mut self, queries: &[&'static str]) -> Bytes {
        let mut out = BytesMut::new();
        if self.open {
            if self.state.block() != Block::None || self.progress != Progress::Nothing {
                return self.begin_inside(queries);
            }
            sync(&mut out);
            self.owe_boundary(Owed::Own(Own::Aside));
        }
        let private = self.state.block() != Block::None;
        let mut collecting = Vec::new();
        let mut ask = |text: &str, collect: bool| {
            run(&mut out, text);
            collecting.push(collect);
        };
        let first = if private { SAVEPOINT } else { BEGIN };
        ask(first, false);
        ask("SET LOCAL statement_timeout = 0", false);
        if !private {
            ask(NO_TRANSACTION_TIMEOUT, false);
        }
        ask("SET LOCAL client_encoding = 'UTF8'", false);
        for query in queries {
            ask(query, true);
        }
        for text in undo(private) {
            ask(text, false);
        }
        close(&mut out);
        sync(&mut out);
        if let Some(lookups) = &mut self.lookups {
            collecting.reverse();
            lookups.under_way = Looking { collecting, ..Looking::default() };
        }
        self.owe_boundary(Owed::Own(Own::Look { private }));
        out.freeze()
    }

    /// A message of the server's that answers the look.
    pub(super) fn hear_look(&mut self, kind: u8, body: &[u8]) {
        let Some(lookups) = &mut self.lookups else { return };
        let under_way = &mut lookups.under_way;
        match kind {
            frame::backend::BIND_COMPLETE => {
                let collects = under_way.collecting.pop() == Some(true);
                if collects {
                    under_way.results.push(Vec::new());
                }
            }
            frame::backend::DATA_ROW => match (row(body), under_way.results.last_mut()) {
                (Some(row), Some(rows)) => rows.push(row),
                _ => under_way.failed = true,
            },
            frame::backend::ERROR_RESPONSE => under_way.failed = true,
            _ => {}
        }
    }

    /// The look is over. One that failed is undone by the messages given.
    pub(super) fn end_look(&mut self, private: bool) -> Result<Looked, Bytes> {
        let failed = self.lookups.as_ref().is_none_or(|lookups| lookups.under_way.failed);
        if failed {
            return Err(self.undo_look(private));
        }
        let results = self.lookups.as_mut();
        let results = results.map(|lookups| std::mem::take(&mut lookups.under_way.results));
        Ok(Looked { results, private })
    }
}

impl Gate {
    /// The messages that take a failed look back.
    pub(super) fn undo_look(&mut self, private: bool) -> Bytes {
        let mut out = BytesMut::new();
        for text in undo(private) {
            run(&mut out, text);
        }
        close(&mut out);
        sync(&mut out);
        if let Some(lookups) = &mut self.lookups {
            lookups.under_way.failed = false;
        }
        self.owe_boundary(Owed::Own(Own::Undo { private }));
        out.freeze()
    }

    /// Undoing failed: once more where it was cancelled, which a client may ask for at any moment.
    /// False: it cannot be undone.
    pub(super) fn undo_failed(&mut self, sqlstate: &[u8]) -> bool {
        let Some(lookups) = &mut self.lookups else { return false };
        lookups.under_way.failed = true;
        lookups.under_way.undone += 1;
        sqlstate == b"57014" && lookups.under_way.undone < 100
    }
}

/// The name of the gate's own statement and portal.
const NAME: &[u8] = b"pgauthority look";
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
/// The parameter came with PostgreSQL 17. A client's own transaction has its time; this gives no row.
const NO_TRANSACTION_TIMEOUT: &str = "SELECT 1 WHERE CASE \
     WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL \
     THEN pg_catalog.set_config('transaction_timeout', '0', true) IS NULL END";
pub(super) const SAVEPOINT: &str = "SAVEPOINT \"pgauthority look\"";

/// What takes a look back, settings and locks included.
pub(super) fn undo(private: bool) -> &'static [&'static str] {
    match private {
        false => &["ROLLBACK"],
        true => &[
            "ROLLBACK TO SAVEPOINT \"pgauthority look\"",
            "RELEASE SAVEPOINT \"pgauthority look\"",
        ],
    }
}

/// Runs a statement of the gate's own.
pub(super) fn run(out: &mut BytesMut, text: impl AsRef<[u8]>) {
    message::run(out, NAME, text.as_ref());
}

/// Close of it.
pub(super) fn close(out: &mut BytesMut) {
    message::close(out, NAME);
}

/// The columns of a DataRow; `None`: it has not the form of one.
fn row(body: &[u8]) -> Option<Row> {
    let columns = body::row(body)?;
    Some(columns.into_iter().map(|column| column.map(<[u8]>::to_vec)).collect())
}
