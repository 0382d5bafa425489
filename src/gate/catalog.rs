//! What the catalog says of a text: the snapshot in force, and when a newer look is due.

use std::rc::Rc;
use std::sync::Arc;

use super::look::Looking;
use super::text::Stop;
use super::{CopyIn, Fence, Gate, Next};
use crate::policy::{Denial, Rule};
use crate::session::{Block, Instant};
use crate::sql::catalog::{Catalog, Known, Path, Resolved};
use crate::sql::{Class, Effect, Judgement, Statement, Uses};

/// A catalog as read at some moment.
#[derive(Debug)]
pub struct Snapshot {
    /// What it says.
    pub catalog: Catalog,
    /// The value of [`Catalog::VERSION_QUERY`] just before it was read.
    pub version: Box<[u8]>,
    /// Tells it from every other snapshot of the process; never 0.
    pub number: u64,
}

/// What a session may rely on.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The snapshot; `None`: the catalog could not be read, or nobody has tried.
    pub snapshot: Option<Arc<Snapshot>>,
    /// It need not be compared with the server's until then.
    pub until: Instant,
}

/// The first OID that is not PostgreSQL's own (`FirstNormalObjectId`).
const FIRST_NORMAL: u32 = 16384;

/// Beyond this age, where a newer look cannot be taken, a snapshot is as good as none.
const OLDEST: Instant = Instant::from_secs(60);

/// A gate's look-ups. One that has none goes by the text alone.
#[derive(Debug)]
pub(super) struct Lookups {
    look: Look,
    path: Path,
    backstop: bool,
    /// Something that this session sent may have changed the catalog since the snapshot.
    touched: bool,
    /// As `touched`, not yet told to the shell.
    to_tell: bool,
    /// As `touched`, in the open transaction: what it did is there for others once it commits.
    uncommitted: bool,
    /// A look was taken for the message at the front.
    looked: bool,
    /// The snapshot may show what is not committed.
    private: bool,
    /// The look under way.
    pub(super) under_way: Looking,
}

impl Lookups {
    pub(super) fn new(path: Path, backstop: bool) -> Self {
        Lookups {
            look: Look::default(),
            path,
            backstop,
            touched: false,
            to_tell: false,
            uncommitted: false,
            looked: false,
            private: false,
            under_way: Looking::default(),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.touched || now >= self.look.until
    }

    /// The snapshot, unless it is too old to say anything.
    fn snapshot(&self, now: Instant) -> Option<&Arc<Snapshot>> {
        let usable = now < self.look.until.saturating_add(OLDEST);
        self.look.snapshot.as_ref().filter(|_| usable)
    }

    /// `relying`: on the backstop, for what routines hide.
    fn resolve(&self, statement: &Statement, path: &Path, relying: bool, now: Instant) -> Resolved {
        match (self.snapshot(now), &statement.uses) {
            (Some(snapshot), _) => snapshot.catalog.resolve(statement, path, relying),
            (None, Some(uses)) if calls(statement, uses) => {
                unseen(statement, "calls routines, and the catalog cannot be read")
            }
            (None, _) => as_written(statement),
        }
    }

    /// The backstop is there: configured, and seen in the database.
    fn has_backstop(&self, now: Instant) -> bool {
        self.backstop && self.snapshot(now).is_some_and(|known| known.catalog.has_backstop())
    }
}

impl Lookups {
    fn ask(&self, judgement: &Judgement, number: u64, now: Instant) -> Arc<Known> {
        let statements = &judgement.statements;
        let resolve = |relying: bool| -> Box<[Resolved]> {
            statements.iter().map(|one| self.resolve(one, &self.path, relying, now)).collect()
        };
        let each = resolve(false);
        let relying = if self.has_backstop(now) { resolve(true) } else { Box::default() };
        let calls =
            statements.iter().map(|one| one.uses.as_deref().is_some_and(|uses| calls(one, uses)));
        let known = Arc::new(Known {
            number,
            path: self.path.clone(),
            strongest: each.iter().map(|one| one.class).max().unwrap_or(Class::Session),
            runs_routines: each.iter().any(|one| one.runs_routines),
            missing: each.iter().zip(calls).any(|(one, calls)| one.missing && calls),
            each,
            relying,
        });
        judgement.known.set(Arc::clone(&known));
        known
    }
}

/// It calls what is no known built-in: the part of a text that nothing but the catalog can show.
fn calls(statement: &Statement, uses: &Uses) -> bool {
    statement.unseen_code || uses.too_many
}

/// What a statement is by its text alone.
fn as_written(statement: &Statement) -> Resolved {
    Resolved {
        class: statement.class,
        found: Class::Session,
        unseen_code: statement.unseen_code,
        runs_routines: statement.unseen_code,
        missing: false,
        reason: statement.reason.clone(),
    }
}

/// What a statement is whose routines cannot be looked up now.
fn unseen(statement: &Statement, reason: &str) -> Resolved {
    Resolved {
        class: statement.class.max(Class::Opaque),
        found: Class::Opaque,
        unseen_code: true,
        runs_routines: true,
        missing: false,
        reason: reason.into(),
    }
}

impl Gate {
    /// The catalog in force from the next statement on.
    pub fn set_catalog(&mut self, look: Look, private: bool) {
        if let Some(lookups) = &mut self.lookups {
            lookups.look = look;
            lookups.private = private;
            lookups.touched = false;
            lookups.looked = true;
        }
    }

    /// What other sessions have found: as [`Gate::set_catalog`], but no look of this session's own.
    pub fn adopt_catalog(&mut self, look: Look) {
        if let Some(lookups) = &mut self.lookups {
            lookups.look = look;
        }
    }

    /// The catalog in force may show what only this session sees: another one would not do.
    pub fn has_private_catalog(&self) -> bool {
        self.lookups.as_ref().is_some_and(|lookups| lookups.private)
    }

    /// The snapshot in force.
    pub fn catalog(&self) -> Option<&Arc<Snapshot>> {
        self.lookups.as_ref()?.look.snapshot.as_ref()
    }

    /// Whether this session may have changed the catalog since the last call.
    pub fn take_touched(&mut self) -> bool {
        self.lookups.as_mut().is_some_and(|lookups| std::mem::take(&mut lookups.to_tell))
    }

    fn lookups(&self) -> Option<&Lookups> {
        self.lookups.as_ref().filter(|_| !self.policy.allows_everything())
    }

    // -- when a look is due ---------------------------------------------------------------------

    /// Nothing is on its way, so a look of the gate's own can be.
    fn is_quiet(&self) -> bool {
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
        let due = lookups.is_due(now) && !lookups.looked;
        (due && self.is_quiet() && self.state.block() == Block::None)
            .then_some(Next::Catalog { private: false })
    }

    /// What is to be done before a text is decided that needs the catalog: nothing, where what is
    /// known of it is recent and complete, or where no better knowledge can be had.
    pub(super) fn look_for(&mut self, judgement: &Judgement, now: Instant) -> Option<Next> {
        if !judgement.needs_catalog {
            return None;
        }
        let lookups = self.lookups()?;
        if !lookups.is_due(now) && (lookups.looked || !self.known(judgement, now)?.missing) {
            return None;
        }
        if self.is_quiet() {
            let private = self.state.block() != Block::None;
            return (!lookups.looked).then_some(Next::Catalog { private });
        }
        let can_wait = self.boundaries > 0 && !self.open && !self.skipping;
        let useless = lookups.touched || lookups.snapshot(now).is_none();
        (can_wait && useless).then_some(Next::Wait)
    }

    /// The message at the front is dealt with.
    #[inline]
    pub(super) fn front_is_done(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            lookups.looked = false;
        }
        self.signed = false;
    }

    /// What was sent, or was answered, may change the catalog.
    pub(super) fn touch_catalog(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            lookups.touched = true;
            lookups.to_tell = true;
            lookups.uncommitted = true;
        }
    }

    /// The transaction ended: what was seen in it may never have been, and what it did, others see.
    pub(super) fn end_of_transaction(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            let uncommitted = std::mem::take(&mut lookups.uncommitted);
            let private = std::mem::take(&mut lookups.private);
            lookups.touched |= private || uncommitted;
            lookups.to_tell |= uncommitted;
        }
    }

    /// Unqualified names may lead elsewhere from now on.
    pub(super) fn lose_path(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            lookups.path = Path::Unknown;
        }
    }

    /// On a guarded upstream a routine runs only where the guard is sure to hold: everything before
    /// it answered, the reports safe (contract §4).
    pub(super) fn routine_is_guarded(
        &self,
        statement: &Statement,
        before: &[Statement],
    ) -> Result<(), Stop> {
        if !self.policy.guarded {
            return Ok(());
        }
        if self.boundaries > 0 {
            return Err(Stop::Wait);
        }
        let control = before.iter().any(|one| !matches!(one.effect, Effect::None));
        if !control && !self.ran {
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

    /// What the catalog says of a text, asked once for each snapshot and path.
    #[inline]
    pub(super) fn known(&self, judgement: &Judgement, now: Instant) -> Option<Arc<Known>> {
        if !judgement.needs_catalog {
            return None;
        }
        let lookups = self.lookups()?;
        let number = lookups.snapshot(now).map_or(0, |snapshot| snapshot.number);
        let known = judgement.known.get(number, &lookups.path);
        Some(known.unwrap_or_else(|| lookups.ask(judgement, number, now)))
    }

    /// Whether what the catalog says leaves a text on the short path.
    #[inline]
    pub(super) fn is_plain_known(&self, judgement: &Judgement, now: Instant) -> bool {
        match self.known(judgement, now) {
            None => true,
            Some(known) => {
                self.policy.always_allows(known.strongest)
                    && !(self.policy.guarded && known.runs_routines)
            }
        }
    }

    /// What a statement of a text is. `changed`: earlier statements of the text, or of the open
    /// pipeline, may have changed the catalog; `lost`: they may have changed `search_path`.
    pub(super) fn resolved(
        &self,
        known: Option<&Known>,
        index: usize,
        statement: &Statement,
        now: Instant,
        (changed, lost): (bool, bool),
        confirmed: bool,
    ) -> Resolved {
        let (Some(lookups), Some(uses), Some(known)) = (self.lookups(), &statement.uses, known)
        else {
            return as_written(statement);
        };
        if changed && calls(statement, uses) {
            return unseen(statement, "calls routines that what runs before it may change");
        }
        // who has confirmed gets a token for what is hidden, and an event; who has not, neither
        let relying = !confirmed && !known.relying.is_empty();
        match if relying { known.relying.get(index) } else { known.each.get(index) } {
            Some(resolved) if !lost => {
                if resolved.missing && !lookups.looked && calls(statement, uses) {
                    return unseen(statement, "calls a routine that the catalog did not have yet");
                }
                resolved.clone()
            }
            _ => lookups.resolve(statement, &Path::Unknown, relying, now),
        }
    }

    /// A text with parameters of these types: a domain's checks run when they are bound, whatever
    /// the text says.
    pub(super) fn with_parameters(
        &self,
        judgement: Rc<Judgement>,
        types: impl Iterator<Item = u32>,
        now: Instant,
    ) -> Rc<Judgement> {
        let Some(lookups) = self.lookups() else { return judgement };
        let mut judgement = judgement;
        for oid in types.filter(|oid| *oid >= FIRST_NORMAL) {
            let resolved = match lookups.snapshot(now) {
                Some(snapshot) => snapshot.catalog.resolve_type(oid, &Path::Unknown, false),
                None => continue,
            };
            if resolved.class > Class::Read || resolved.unseen_code {
                Rc::make_mut(&mut judgement).strengthen(&resolved);
            }
        }
        judgement
    }

    /// A statement is weaker than what it runs, since the backstop refuses what that hides.
    pub(super) fn relies(&self, known: Option<&Known>, index: usize, resolved: &Resolved) -> bool {
        let strict = known.and_then(|known| known.each.get(index));
        strict.is_some_and(|strict| strict.class > resolved.class)
    }

    /// What the fastpath call of a routine by OID is.
    pub(super) fn resolved_routine(&self, oid: u32, now: Instant) -> Option<Resolved> {
        let lookups = self.lookups()?;
        match lookups.snapshot(now) {
            Some(snapshot) => Some(snapshot.catalog.resolve_routine(oid, &Path::Unknown, false)),
            None => {
                let called = Statement::new(Class::Write, "FUNCTION CALL");
                Some(unseen(&called, "a function call by OID, and the catalog cannot be read"))
            }
        }
    }

    /// The catalog may have changed in the open pipeline.
    pub(super) fn catalog_touched(&self) -> bool {
        self.lookups().is_some_and(|lookups| lookups.touched)
    }
}

/// Whether a statement may change what the catalog says.
pub(super) fn changes_catalog(statement: &Statement) -> bool {
    statement.class >= Class::Ddl || statement.do_or_call
}

/// Whether a statement may change where unqualified names lead.
pub(super) fn moves_path(statement: &Statement) -> bool {
    let moves = |name: &str| {
        ["search_path", "role", "session_authorization"]
            .iter()
            .any(|one| name.eq_ignore_ascii_case(one))
    };
    let effect = match &statement.effect {
        Effect::Set { name, .. } | Effect::Reset(name) => moves(name),
        Effect::ResetAll | Effect::DiscardAll => true,
        _ => false,
    };
    effect
        || statement.do_or_call
        || statement.set_config.iter().any(|call| call.name.as_deref().is_none_or(moves))
}
