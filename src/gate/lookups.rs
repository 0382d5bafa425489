//! What a session may rely on of its database's catalog, and what that says of one statement.

use std::cell::Cell;
use std::sync::Arc;

use super::before::Before;
use super::held::Held;
use super::look::Looking;
use super::next::Unread;
use super::overloads::Analyses;
use crate::session::Instant;
use crate::sql::catalog::{Analysed, Catalog, Known, Path, Resolved};
pub(super) use crate::sql::catalog::{FIRST_NORMAL, FIRST_UNPINNED};
use crate::sql::{Class, Judgement, Name, Statement, Uses};

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
    /// When it was compared last.
    pub compared: Instant,
    /// The session's transaction sees an older catalog than the server runs by (REPEATABLE READ,
    /// SERIALIZABLE), so nothing newer can be read in it.
    pub frozen: bool,
}

/// Beyond this age, where a newer look cannot be taken, a snapshot is as good as none.
const OLDEST: Instant = Instant::from_secs(65);

/// More pieces are not read for a message: where reading comes to nothing, the message goes on.
const MOST_PIECES: u16 = 4096;

/// A gate's look-ups. One that has none goes by the text alone.
#[derive(Debug)]
pub(super) struct Lookups {
    pub(super) look: Held,
    pub(super) path: Path,
    pub(super) backstop: bool,
    /// Something that this session sent may have changed the catalog since the snapshot.
    pub(super) touched: bool,
    /// It ran DDL since the snapshot, or something else that it does not show.
    pub(super) replaced: bool,
    /// The next snapshot that others are to share is read anew, whatever the version says: what is
    /// temporary may have another name.
    pub(super) anew: bool,
    /// As `touched`, not yet told to the shell.
    pub(super) to_tell: bool,
    /// As `touched`, in the open transaction: what it did is there for others once it commits.
    pub(super) uncommitted: bool,
    /// A look was taken for the message at the front.
    pub(super) looked: bool,
    /// Another session's was, which set out behind all that is known to have changed.
    pub(super) joined: bool,
    /// How often something was read for the message at the front.
    pub(super) read: u16,
    /// The snapshot may show what is not committed.
    pub(super) private: bool,
    /// What `looked` says was no look of its own: the transaction sees no newer catalog.
    pub(super) borrowed: bool,
    /// No look can be taken inside the open pipeline.
    pub(super) barred: bool,
    /// One has failed there: no more are taken.
    pub(super) fails_inside: bool,
    /// The session's user may read what a look reads.
    pub(super) may_read: bool,
    /// The look under way.
    pub(super) under_way: Looking,
    /// This session may have made types that the snapshot does not show.
    pub(super) temporary: Cell<bool>,
    /// Texts as they are analysed.
    pub(super) analyses: Analyses,
}

impl Lookups {
    pub(super) fn new(path: Path, backstop: bool) -> Self {
        Lookups {
            look: Held::default(),
            path,
            backstop,
            touched: false,
            replaced: false,
            anew: false,
            to_tell: false,
            uncommitted: false,
            looked: false,
            joined: false,
            read: 0,
            private: false,
            borrowed: false,
            barred: false,
            fails_inside: false,
            may_read: false,
            under_way: Looking::default(),
            temporary: Cell::new(false),
            analyses: Analyses::new(),
        }
    }

    /// The path behind statements that have done this.
    pub(super) fn path_behind(&self, before: Before) -> &Path {
        if before.lost { &Path::Unknown } else { &self.path }
    }

    /// This session has just looked.
    pub(super) fn set(&mut self, look: Held, private: bool) {
        self.look = look;
        self.private = private;
        self.touched = false;
        self.replaced = false;
        self.looked = true;
        self.borrowed = false;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.joined && (self.touched || now >= self.look.get(|look| look.until))
    }

    /// What the snapshot lacks is not there: this session has just looked.
    pub(super) fn is_sure(&self) -> bool {
        self.looked && !self.borrowed
    }

    /// One is due, and none was taken for the message at the front.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.is_due(now) && !self.looked
    }

    /// The snapshot cannot show the DDL that this session ran: others know nothing of it, and a newer
    /// one cannot be read.
    pub(super) fn lacks_own(&self) -> bool {
        self.is_frozen() && self.replaced
    }

    /// See [`Look::frozen`].
    pub(super) fn is_frozen(&self) -> bool {
        self.look.get(|look| look.frozen)
    }

    /// The snapshot, unless it is too old to say anything.
    pub(super) fn snapshot(&self, now: Instant) -> Option<Arc<Snapshot>> {
        self.look.get(|look| usable(look, now).cloned())
    }

    /// It has none, and no look has failed.
    #[inline]
    pub(super) fn has_none(&self) -> bool {
        matches!(&self.look, Held::Own(look) if look.until == Instant::ZERO)
    }

    /// The snapshot, whatever its age.
    pub(super) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.look.get(|look| look.snapshot.clone())
    }

    /// Its number; 0: there is none.
    pub(super) fn number(&self, now: Instant) -> u64 {
        self.look.get(|look| usable(look, now).map_or(0, |snapshot| snapshot.number))
    }

    /// `relying`: on the backstop, for what routines hide.
    pub(super) fn resolve(
        &self,
        statement: &Statement,
        path: &Path,
        relying: bool,
        now: Instant,
        analysed: Option<Analysed<'_>>,
    ) -> Resolved {
        match (self.snapshot(now), &statement.uses) {
            (Some(snapshot), _) => {
                snapshot.catalog.resolve_analysed(statement, path, relying, analysed)
            }
            (None, Some(uses)) if calls(statement, uses) => {
                unseen(statement, "calls routines, and the catalog cannot be read")
            }
            // triggers, rules and the like, of which nothing is known
            (None, _) => Resolved {
                unseen_code: statement.unseen_code || statement.class >= Class::Write,
                changes: statement.unseen_code || statement.class >= Class::Write,
                cursors: statement.unseen_code || statement.class >= Class::Write,
                ..Resolved::as_written(statement)
            },
        }
    }

    /// The backstop is there: configured, and seen in the database.
    pub(super) fn has_backstop(&self, now: Instant) -> bool {
        self.backstop && self.snapshot(now).is_some_and(|known| known.catalog.has_backstop())
    }
}

impl Lookups {
    /// Whether what a text calls may depend on temporary types, and there may be some.
    #[inline]
    pub(super) fn temporary_for(&self, judgement: &Judgement) -> bool {
        judgement.analysis.is_some() && self.temporary.get()
    }

    /// What the snapshot in force says of a text under a path, asked once.
    #[inline]
    pub(super) fn known_by(&self, judgement: &Judgement, path: &Path, now: Instant) -> Arc<Known> {
        let (number, temporary) = (self.number(now), self.temporary_for(judgement));
        let known = judgement.known.get(number, path, temporary);
        known.unwrap_or_else(|| self.ask(judgement, path, now))
    }

    /// What is to be read elsewhere before the snapshot in force is asked of a text: nothing, where it
    /// has been asked, or what it would read is little. It comes in pieces: others
    /// wait for who reads them.
    pub(super) fn unread(&mut self, judgement: &Judgement, now: Instant) -> Option<Box<Unread>> {
        if self.read >= MOST_PIECES || !judgement.needs_catalog {
            return None;
        }
        let temporary = self.temporary_for(judgement);
        let snapshot = self.snapshot(now)?;
        let known = judgement.known.get(snapshot.number, &self.path, temporary);
        let much = |one: &&Statement| snapshot.catalog.reads_much(one, &self.path);
        if known.is_some() {
            return None;
        }
        let statements: Vec<_> = judgement.statements.iter().filter(much).cloned().collect();
        let unread = Unread::new(Arc::clone(&snapshot), statements, self.path.clone());
        if unread.is_empty() {
            return None;
        }
        self.read += 1;
        Some(Box::new(unread))
    }

    fn ask(&self, judgement: &Judgement, path: &Path, now: Instant) -> Arc<Known> {
        let number = self.number(now);
        let statements = &judgement.statements;
        let analysed = judgement.analysis.as_deref().map(|analysis| Analysed {
            parameters: analysis.parameters.as_deref(),
            now: number != 0 && analysis.number == number,
            temporary: self.temporary.get(),
        });
        let resolve = |relying: bool| -> Box<[Resolved]> {
            let resolve = |one| self.resolve(one, path, relying, now, analysed);
            statements.iter().map(resolve).collect()
        };
        let each = resolve(false);
        let relying = if self.has_backstop(now) { resolve(true) } else { Box::default() };
        let calls =
            statements.iter().map(|one| one.uses.as_deref().is_some_and(|uses| calls(one, uses)));
        let known = Arc::new(Known {
            number,
            path: path.clone(),
            temporary: self.temporary_for(judgement),
            strongest: each.iter().map(|one| one.class).max().unwrap_or(Class::Session),
            runs_routines: each.iter().any(|one| one.runs_routines),
            unseen: each.iter().any(|one| one.unseen_code),
            disturbs: each.iter().any(|one| one.unseen_code && one.changes),
            missing: each.iter().zip(calls).any(|(one, calls)| one.missing && calls),
            each,
            relying,
        });
        judgement.known.set(Arc::clone(&known));
        known
    }
}

fn usable(look: &Look, now: Instant) -> Option<&Arc<Snapshot>> {
    look.snapshot.as_ref().filter(|_| now < look.compared.saturating_add(OLDEST))
}

/// It calls what is no known built-in: the part of a text that nothing but the catalog can show.
pub(super) fn calls(statement: &Statement, uses: &Uses) -> bool {
    statement.unseen_code || uses.too_many
}

/// It names something in other letters than ASCII's.
pub(super) fn foreign(uses: &Uses) -> bool {
    let is_foreign = |name: &Name| {
        !name.name.is_ascii() || name.schema.as_deref().is_some_and(|schema| !schema.is_ascii())
    };
    uses.calls.iter().any(|call| is_foreign(&call.name))
        || uses.relations.iter().any(|relation| is_foreign(&relation.name))
        || uses.types.iter().any(is_foreign)
        || uses.operators.iter().any(is_foreign)
        || uses.fields.iter().any(|field| !field.is_ascii())
}

/// What a statement is whose routines cannot be looked up now.
pub(super) fn unseen(statement: &Statement, reason: &str) -> Resolved {
    Resolved {
        class: statement.class.max(Class::Opaque),
        found: Class::Opaque,
        unseen_code: true,
        changes: true,
        runs_routines: true,
        cursors: true,
        missing: false,
        by_path: false,
        asks_writer: false,
        reason: reason.into(),
    }
}
