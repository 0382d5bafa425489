//! What stands behind a name: only what is certain may run by it.

use super::plan::Plan;
use super::text::Stop;
use super::{Gate, Next};
use crate::policy::{Denial, Rule};
use crate::session::{Instant, Lookup, Meanings};
use crate::sql::{Class, Effect, Judgement, Statement};

/// `NAMEDATALEN - 1`: what the server keeps of a name, in bytes.
const NAME_LIMIT: usize = 63;

impl Gate {
    /// What EXECUTE or FETCH will run, and the class it has at least.
    pub(super) fn meanings(&self, statement: &Statement, plan: &mut Plan) -> (Meanings, Class) {
        let (overlay, names, name, unknown) = match (statement.prepared(), &statement.effect) {
            (Some(name), _) => (&plan.statements, &self.statements, name, Class::Opaque),
            (_, Effect::Fetch(name)) => (&plan.portals, &self.portals, &**name, Class::Write),
            _ => return (Meanings::new(), Class::Session),
        };
        if let Some(meanings) = overlay.get(name) {
            return (meanings, Class::Session);
        }
        match names.look_up(name.as_bytes(), self.batch) {
            Lookup::Known(meanings) => (meanings, Class::Session),
            Lookup::Perhaps(meanings) if !(self.unseen_ran || plan.unseen) => {
                (meanings, Class::Session)
            }
            Lookup::Unknown if !(self.unseen_ran || plan.unseen) => {
                (Meanings::new(), Class::Session)
            }
            Lookup::Unknown | Lookup::Perhaps(_) | Lookup::Uncertain => {
                plan.unseen = true;
                (Meanings::new(), unknown)
            }
        }
    }

    /// Bodies that a text runs, by the names in it too, and that nobody has read: more than a worker
    /// reads itself.
    pub(super) fn unread(&mut self, judgement: &Judgement, now: Instant) -> Option<Next> {
        let of = |one: &Statement| {
            let (names, name) = match (one.prepared(), &one.effect) {
                (Some(name), _) => (&self.statements, name),
                (_, Effect::Fetch(name)) => (&self.portals, &**name),
                _ => return Meanings::new(),
            };
            match names.look_up(name.as_bytes(), self.batch) {
                Lookup::Known(meanings) | Lookup::Perhaps(meanings) => meanings,
                Lookup::Unknown | Lookup::Uncertain => Meanings::new(),
            }
        };
        let named: Meanings = judgement.statements.iter().flat_map(of).collect();
        let lookups = self.lookups.as_mut()?;
        let unread = lookups.unread(judgement, now);
        let unread = unread.or_else(|| named.iter().find_map(|one| lookups.unread(one, now)));
        unread.map(Next::Bodies)
    }

    /// SQL's EXECUTE can run a utility statement that Parse prepared, whose effects on the session
    /// would then come from a place where nobody looks for them. SQL's PREPARE cannot make one.
    pub(super) fn followable(
        &self,
        statement: &Statement,
        meaning: &Statement,
    ) -> Result<(), Stop> {
        let utility =
            meaning.effect != Effect::None || meaning.copy_in || meaning.class > Class::Write;
        if !utility || self.policy.allows_everything() || meaning.tag == "FETCH" {
            return Ok(());
        }
        if matches!(statement.effect, Effect::Fetch(_)) && meaning.class <= Class::Write {
            return Ok(());
        }
        let denial = Denial::new(
            Rule::ExecuteIndirect,
            format!("{} blocked: it would run {}, prepared by Parse", statement.tag, meaning.tag),
            "run the prepared statement with Bind and Execute, or send it directly",
        );
        Err(Stop::Block(Box::new(denial.at(statement.location))))
    }

    /// The server converts names from the client's encoding before it compares them, so one name
    /// has several spellings in bytes: only ASCII names are certain.
    pub(super) fn certain_names(&self, statement: &Statement) -> Result<(), Stop> {
        let name = match &statement.effect {
            Effect::Prepare { name, .. }
            | Effect::Declare { name, .. }
            | Effect::Execute(name)
            | Effect::Fetch(name)
            | Effect::Savepoint(name)
            | Effect::Release(name)
            | Effect::RollbackTo(name)
            | Effect::Deallocate(Some(name))
            | Effect::CloseCursor(Some(name)) => name.as_bytes(),
            _ => return Ok(()),
        };
        match self.certain_name(name) {
            Err(Stop::Block(denial)) => Err(Stop::Block(Box::new(denial.at(statement.location)))),
            other => other,
        }
    }

    /// As `certain_names`, for any name: certain where it is ASCII, or where the encoding has been
    /// UTF8 from the start (and the name is not cut).
    pub(super) fn certain_name(&self, name: &[u8]) -> Result<(), Stop> {
        if name.is_ascii() || self.policy.allows_everything() {
            return Ok(());
        }
        if self.boundaries > 0 {
            return Err(Stop::Wait);
        }
        if self.reports.always_utf8 && !self.stirred && name.len() <= NAME_LIMIT {
            return Ok(());
        }
        Err(Stop::Block(Box::new(Denial::new(
            Rule::LexingUnsafe,
            "statement blocked: its name could be another one's in the server's encoding",
            "name prepared statements, cursors and savepoints in ASCII, or keep client_encoding UTF8",
        ))))
    }
}
