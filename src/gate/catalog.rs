//! What the catalog says of a text: the snapshot in force, and when a newer look is due.

use std::rc::Rc;
use std::sync::Arc;

use super::before::Before;
use super::held::Held;
use super::inside::{Progress, takes_snapshot};
use super::lookups::{FIRST_NORMAL, Lookups, calls, foreign, unseen};
use super::text::Stop;
use super::{CopyIn, Encoding, Fence, Gate, Next};
use crate::policy::{Denial, Rule};
use crate::session::{Block, Instant};
use crate::sql::catalog::{Known, Path, Resolved};
use crate::sql::{Class, Effect, Judgement, Statement};

impl Gate {
    /// A look reads the whole catalog, whatever its version is.
    pub fn reads_anew(&self) -> bool {
        self.lookups.as_ref().is_some_and(|lookups| lookups.anew)
    }

    /// Whether this session may have changed the catalog since the last call.
    pub fn take_touched(&mut self) -> bool {
        self.lookups.as_mut().is_some_and(|lookups| std::mem::take(&mut lookups.to_tell))
    }

    pub(super) fn lookups(&self) -> Option<&Lookups> {
        self.lookups.as_ref().filter(|_| !self.policy.allows_everything())
    }

    // -- when a look is due ---------------------------------------------------------------------

    /// Nothing is on its way, so a look of the gate's own can be.
    pub(super) fn is_quiet(&self) -> bool {
        self.owed.is_empty()
            && !self.open
            && !self.skipping
            && self.copy == CopyIn::No
            && self.fence == Fence::No
            && !self.state.is_failed()
    }

    /// Outside a transaction block a look may come before any message that starts something: later
    /// ones of its pipeline will have no room for one.
    #[inline]
    pub(super) fn look_first(&self, now: Instant) -> Option<Next> {
        let lookups = self.lookups()?;
        let due = lookups.is_overdue(now);
        (due && self.is_quiet() && self.state.block() == Block::None)
            .then_some(Next::Catalog { private: false })
    }

    /// What is to be done before a text is decided that needs the catalog: nothing, where what is
    /// known of it is recent and complete, or where no better knowledge can be had.
    pub(super) fn look_for(&mut self, judgement: &Judgement, now: Instant) -> Option<Next> {
        self.look_at(judgement, takes_snapshot(judgement), now)
    }

    /// As [`Gate::look_for`]; `queries`: the message at the front takes a snapshot.
    pub(super) fn look_at(
        &mut self,
        judgement: &Judgement,
        queries: bool,
        now: Instant,
    ) -> Option<Next> {
        // what others have given it to run may need it, whatever its own text says
        let fetches = |one: &Statement| matches!(one.effect, Effect::Fetch(_));
        let by_name = |one: &Statement| fetches(one) || one.prepared().is_some();
        let others = |one: &Statement| by_name(one) || self.runs_left(one);
        if !judgement.needs_catalog && !judgement.statements.iter().any(others) {
            return None;
        }
        let settles = self.settle_own();
        if settles.is_some() {
            return settles;
        }
        let due = self.lookups()?.is_due(now);
        let look = if due { self.look_now(queries) } else { None };
        if let Some(next) = look.or_else(|| self.unread(judgement, now)) {
            return Some(next);
        }
        let missing = || self.known(judgement, now).is_some_and(|known| known.missing);
        if due || self.lookups()?.looked || !missing() {
            return None;
        }
        self.look_now(queries)
    }

    /// As [`Gate::look_for`], before a type or routine of the database's own is resolved by its OID.
    pub(super) fn look_for_own(&mut self, queries: bool, now: Instant) -> Option<Next> {
        let due = self.lookups()?.is_due(now);
        self.settle_own().or_else(|| if due { self.look_now(queries) } else { None })
    }

    /// A look, if one can be taken here and now or after a while. `queries`: the message at the front
    /// takes a snapshot.
    fn look_now(&mut self, queries: bool) -> Option<Next> {
        if self.lookups()?.looked {
            return None;
        }
        if self.is_quiet() {
            return Some(Next::Catalog { private: self.state.block() != Block::None });
        }
        if self.skipping || matches!(self.copy, CopyIn::Open { .. }) {
            return None;
        }
        if self.open {
            return self.look_inside(queries);
        }
        (self.boundaries > 0).then_some(Next::Wait)
    }

    /// The message at the front is dealt with.
    #[inline]
    pub(super) fn front_is_done(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            (lookups.looked, lookups.joined, lookups.read) = (false, false, 0);
        }
        self.signed = false;
        self.task.front_is_done();
    }

    /// What was sent, or was answered, may change the catalog.
    pub(super) fn touch_catalog(&mut self, replaced: bool) {
        if let Some(lookups) = &mut self.lookups {
            lookups.touched = true;
            lookups.joined = false;
            lookups.replaced |= replaced;
            lookups.anew |= replaced;
            lookups.to_tell = true;
            lookups.uncommitted = true;
        }
    }

    /// What the transaction did is taken back, to a savepoint or altogether: a snapshot that shows
    /// it does not show what there is now.
    pub(super) fn catalog_came_back(&mut self) {
        if let Some(lookups) = &mut self.lookups
            && lookups.uncommitted
        {
            lookups.touched = true;
            lookups.joined = false;
            lookups.replaced = true;
            lookups.anew = true;
        }
    }

    /// Whether a statement may take back what the snapshot in force shows; `failed`: the transaction
    /// that it runs in has.
    pub(super) fn brings_back(&self, statement: &Statement, failed: bool) -> bool {
        let takes_back = match statement.effect {
            Effect::Rollback(_) | Effect::RollbackTo(_) => true,
            Effect::Commit(_) | Effect::PrepareTransaction => failed,
            _ => statement.do_or_call,
        };
        takes_back && self.lookups().is_some_and(|lookups| lookups.uncommitted)
    }

    /// The transaction ended: what was seen in it may never have been, and what it did, others see.
    pub(super) fn end_of_transaction(&mut self) {
        self.progress = Progress::Nothing;
        if let Some(lookups) = &mut self.lookups {
            let uncommitted = std::mem::take(&mut lookups.uncommitted);
            let private = std::mem::take(&mut lookups.private);
            lookups.touched |= private || uncommitted;
            lookups.joined &= !(private || uncommitted);
            lookups.to_tell |= uncommitted;
            if private {
                // others know better by now, and it takes memory
                lookups.look = Held::default();
            }
        }
    }

    /// Unqualified names may lead elsewhere from now on.
    pub(super) fn lose_path(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            lookups.path = Path::Unknown;
            lookups.may_read = false; // the role may be another
        }
    }

    /// A look has found where they lead now.
    pub fn compare_path(&mut self, path: &Path) {
        let known = self.lookups.as_ref().map(|lookups| &lookups.path);
        if known.is_some_and(|known| *known != Path::Unknown && known != path) {
            self.lose_path();
        }
    }

    /// On a guarded upstream a routine runs only where the guard is sure to hold: everything before
    /// it answered, the reports safe (contract §4). A BEGIN in its pipeline may be on its way: it begins
    /// what the reports of before say.
    pub(super) fn routine_is_guarded(
        &self,
        statement: &Statement,
        before: &[Statement],
    ) -> Result<(), Stop> {
        if !self.policy.guarded {
            return Ok(());
        }
        if self.boundaries > 0 && !self.owes_task_alone() {
            return Err(Stop::Wait);
        }
        let control = before.iter().any(|one| !matches!(one.effect, Effect::None));
        if !control && !self.acted {
            return Ok(());
        }
        let denial = Denial::new(
            Rule::ReplicaReadOnly,
            format!(
                "{} blocked: upstream \"{}\" is role {}, and it calls a routine behind others",
                statement.tag, self.policy.upstream, self.policy.declaration.role
            ),
            "send it by itself: a Sync, or the end of the string, before it",
        );
        Err(Stop::Block(Box::new(denial.at(statement.location))))
    }

    // -- what it says ---------------------------------------------------------------------------

    /// Whether the catalog can be asked for the names of a text that has other letters than ASCII's:
    /// the server converts them from the encoding that is in force once the text arrives.
    pub(super) fn reads_names_as_written(&self, judgement: &Judgement) -> bool {
        let names = || judgement.statements.iter().filter_map(|one| one.uses.as_deref());
        let settled = self.boundaries == 0 && !self.stirred;
        (settled && self.reports.client_encoding == Encoding::Utf8)
            || self.lookups().is_none()
            || !names().any(foreign)
    }

    /// What the catalog says of a text, asked once a snapshot and path.
    #[inline]
    pub(super) fn known(&self, judgement: &Judgement, now: Instant) -> Option<Arc<Known>> {
        if !judgement.needs_catalog {
            return None;
        }
        let lookups = self.lookups()?;
        Some(lookups.known_by(judgement, &lookups.path, now))
    }

    /// Whether what the catalog says leaves a text on the short path.
    #[inline]
    pub(super) fn is_plain_known(&self, judgement: &Judgement, now: Instant) -> bool {
        match self.known(judgement, now) {
            None => true,
            Some(known) => {
                // what the open pipeline has replaced, the snapshot does not show
                let replaced =
                    self.before().replaced || self.lookups().is_some_and(Lookups::lacks_own);
                let guarded = self.policy.guarded && known.runs_routines;
                let kept = !replaced && !known.disturbs && !guarded;
                let plain = kept && self.policy.always_allows(known.strongest);
                self.may_have_types(plain && known.each.iter().any(|one| one.changes));
                plain
            }
        }
    }

    /// What a statement of a text is.
    pub(super) fn resolved(
        &self,
        known: Option<&Known>,
        index: usize,
        statement: &Statement,
        now: Instant,
        Before { changed, replaced, lost, types }: Before,
        confirmed: bool,
    ) -> Resolved {
        let (Some(lookups), Some(uses), Some(known)) = (self.lookups(), &statement.uses, known)
        else {
            return Resolved::as_written(statement);
        };
        let calls = calls(statement, uses);
        let by_types = uses.calls.iter().any(|call| !call.given.is_empty());
        if (changed && calls) || ((replaced || lookups.lacks_own()) && !confirmed) {
            return unseen(statement, "runs what may be changed before it runs");
        }
        let overdue = lookups.is_overdue(now);
        if overdue && (calls || self.state.is_failed()) {
            return unseen(statement, "the catalog is out of date, and cannot be looked at here");
        }
        if lookups.is_frozen() && calls {
            return unseen(statement, "the transaction sees an older catalog than it runs by");
        }
        let converted = self.stirred || self.reports.client_encoding != Encoding::Utf8;
        if foreign(uses) && converted {
            return unseen(statement, "its names cannot be compared in this client_encoding");
        }
        // who has confirmed gets a token for what is hidden, and an event; who has not, neither,
        // and no earlier one, which a rollback could bring back
        let durable = self.state.block() == Block::None && !self.open;
        let relying = !confirmed && !known.relying.is_empty() && (!self.has_token || durable);
        match if relying { known.relying.get(index) } else { known.each.get(index) } {
            Some(resolved) if !(lost || types && by_types) => {
                if resolved.missing && !lookups.is_sure() && calls {
                    return unseen(statement, "calls a routine that the catalog did not have yet");
                }
                resolved.clone()
            }
            _ => lookups.resolve(statement, &Path::Unknown, relying, now, None),
        }
    }

    /// What EXECUTE runs, where the rows of that become a table.
    pub(super) fn as_made(
        &self,
        statement: &Statement,
        meaning: &Statement,
        resolved: Resolved,
        before: Before,
        now: Instant,
    ) -> Resolved {
        let Some(lookups) = self.lookups().filter(|_| statement.makes_types) else {
            return resolved;
        };
        let path = lookups.path_behind(before);
        let table = Statement { tag: "CREATE TABLE AS", ..meaning.clone() };
        let made = lookups.resolve(&table, path, false, now, None);
        let by_path = made.by_path || resolved.by_path;
        let stronger = if made.class > resolved.class { made } else { resolved };
        Resolved { by_path, ..stronger }
    }

    /// A statement with parameters of types of the database's own: a domain's checks run when they
    /// are bound, whatever the text says.
    pub(super) fn with_parameters(&self, judgement: Rc<Judgement>, now: Instant) -> Rc<Judgement> {
        let Some(lookups) = self.lookups() else { return judgement };
        let mut typed = Rc::clone(&judgement);
        for oid in &judgement.parameters {
            let mut resolved = match lookups.snapshot(now) {
                Some(snapshot) => snapshot.catalog.resolve_type(*oid, &Path::Unknown, false),
                None => unseen(&Statement::new(Class::Read, ""), "has a parameter of an own type"),
            };
            // it is not there yet, or this session may have replaced what it checks
            let unknown = (resolved.missing && !lookups.is_sure())
                || (lookups.replaced && !lookups.looked)
                || lookups.lacks_own();
            if unknown {
                resolved = resolved.at_least(Class::Opaque);
            }
            if resolved.class > Class::Read || resolved.unseen_code {
                Rc::make_mut(&mut typed).strengthen(&resolved);
            }
        }
        typed
    }

    /// A statement is weaker than what it runs, since the backstop refuses what that hides.
    pub(super) fn relies(&self, known: Option<&Known>, index: usize, resolved: &Resolved) -> bool {
        let strict = known.and_then(|known| known.each.get(index));
        strict.is_some_and(|strict| strict.class > resolved.class)
    }

    /// What the fastpath call of a routine by OID is.
    pub(super) fn resolved_routine(&self, oid: u32, now: Instant) -> Option<Resolved> {
        let lookups = self.lookups()?;
        let unknown = |reason| unseen(&Statement::new(Class::Write, "FUNCTION CALL"), reason);
        let Some(snapshot) = lookups.snapshot(now) else {
            return Some(unknown("a function call by OID, and the catalog cannot be read"));
        };
        if oid >= FIRST_NORMAL && self.before().changed {
            return Some(unknown("runs what may be changed before it runs"));
        }
        let overdue = lookups.is_overdue(now);
        if oid >= FIRST_NORMAL && (overdue || lookups.is_frozen()) {
            return Some(unknown("the catalog is out of date, and cannot be looked at here"));
        }
        Some(snapshot.catalog.resolve_routine(oid, &Path::Unknown, false))
    }
}
