//! What the catalog of a database says about what a statement uses: routines and their bodies,
//! and what runs unnamed behind relations, operators, types and casts.
//!
//! A [`Catalog`] is a snapshot made from the rows of one SELECT ([`Catalog::QUERY`]), immutable
//! and shared by all threads. [`Catalog::resolve`] follows everything that a statement may run, by
//! name where only text tells and by OID where the catalog does, and gives the strongest class met.

mod body;
mod build;
mod definition;
mod extensions;
mod families;
mod known;
mod model;
mod names;
mod overloads;
mod path;
mod relations;
mod rows;
mod tree;
mod trusted;
mod types;
mod unnamed;
mod values;
mod walk;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use self::model::Model;
use self::overloads::Meant;
use self::walk::{Budget, Ground, Outcome, Walk};
use super::{Class, Statement, Uses};

pub use known::{Analysis, Known, Memo};
pub use overloads::Analysed;
pub use path::Path;
pub(crate) use tree::{FIRST_NORMAL, FIRST_UNPINNED};
pub use trusted::Trusted;

/// What a snapshot is judged by besides its rows.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The unqualified names of version tables, folded.
    pub migration_tables: Arc<BTreeSet<String>>,
    /// Routines vouched for.
    pub trusted: Arc<[Trusted]>,
}

/// What a statement is once the catalog was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The statement's class, with everything that it runs.
    pub class: Class,
    /// The class of what the catalog alone knows: to be counted besides
    /// [`TempUse::class`](super::TempUse::class) where that applies.
    pub found: Class,
    /// As [`Statement::unseen_code`]: something runs that is not sure to leave the session's
    /// state and its temporary names alone.
    pub unseen_code: bool,
    /// What runs may change what the catalog says: it is DDL, or not all of it is known.
    pub changes: bool,
    /// Some routine runs that is not PostgreSQL's own, whatever its class.
    pub runs_routines: bool,
    /// Code runs that may open cursors, or close them.
    pub cursors: bool,
    /// A routine or relation is named that the snapshot does not have: worth a newer one.
    pub missing: bool,
    /// Under another `search_path` what it makes or renames of this session's own would run what is
    /// stronger than the session may have been told: the catalog has to show it before it is used.
    pub by_path: bool,
    /// A routine asks what only the connection that writes can tell (`currval`, advisory locks), or
    /// returns a cursor: what a session with two connections has to know.
    pub asks_writer: bool,
    /// What made the class what it is, for people; may be empty.
    pub reason: Box<str>,
}

/// A row of [`Catalog::QUERY`]: its columns' bytes in text format.
pub type Row = Vec<Option<Vec<u8>>>;

/// Rows that are not those of [`Catalog::QUERY`] on a server that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the catalog cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A snapshot of what a database's catalog says about what statements run.
#[derive(Debug)]
pub struct Catalog {
    model: Model,
    migration_tables: Arc<BTreeSet<String>>,
}

impl Catalog {
    /// One SELECT that gives all that a snapshot needs: every column `text`. Nothing in it depends
    /// on `search_path` or can be shadowed; it runs for any user, in a READ ONLY transaction too,
    /// on servers of majors 15 to 18. Names come in the client's encoding: read it with UTF8.
    pub const QUERY: &'static str = include_str!("query.sql");

    /// One SELECT of one value, cheap, that is another one whenever the result of
    /// [`Catalog::QUERY`] may be another one: of each catalog the number of rows and the sum of
    /// the transactions that wrote them. Compare it as it is.
    pub const VERSION_QUERY: &'static str = include_str!("version.sql");

    /// Makes a snapshot of the rows of [`Catalog::QUERY`].
    ///
    /// # Errors
    ///
    /// Rows that are malformed, missing, or of a server whose major is not known.
    pub fn build(
        rows: impl IntoIterator<Item = Row>,
        options: &Options,
    ) -> Result<Catalog, Unreadable> {
        let model = build::model(rows, options)?;
        Ok(Catalog { model, migration_tables: Arc::clone(&options.migration_tables) })
    }

    /// What a statement is. `path`: the session's, if it is known for certain. `backstop`: event
    /// triggers in the database refuse hidden DDL, so what a routine hides is `write`.
    ///
    /// A statement without [`Statement::uses`] is what its text says. The parser runs where a body
    /// is needed for the first time: see [`Catalog::reads_much`].
    pub fn resolve(&self, statement: &Statement, path: &Path, backstop: bool) -> Resolved {
        self.resolve_analysed(statement, path, backstop, None)
    }

    /// As [`Catalog::resolve`], of a statement of which is known how it is analysed: with it, types
    /// of arguments tell the routines of a name apart.
    pub fn resolve_analysed(
        &self,
        statement: &Statement,
        path: &Path,
        backstop: bool,
        analysed: Option<Analysed<'_>>,
    ) -> Resolved {
        let Some(uses) = &statement.uses else {
            return Resolved::as_written(statement);
        };
        let path = if uses.sets { &Path::Unknown } else { path };
        let walked = |path| {
            let about = (path, backstop, uses.planned, analysed);
            self.walk(about, |walk, at| follow(walk, statement, uses, at))
        };
        let outcome = walked(path);
        let by_path = (gives_names(statement, uses) || outcome.hides)
            && *path != Path::Unknown
            && outcome.class.max(uses.class) < Class::MigrationState
            && walked(&Path::Unknown).class >= Class::MigrationState;
        let changes = uses.unseen_code || outcome.changes();
        let class = outcome.class.max(uses.class);
        let reason = match outcome.class > uses.class {
            true => outcome.reason.into(),
            false => uses.reason.clone(),
        };
        Resolved {
            class,
            found: outcome.class,
            unseen_code: uses.unseen_code || outcome.unseen && !uses.stored,
            changes,
            runs_routines: uses.unseen_code || outcome.runs || class == Class::Opaque,
            cursors: uses.unseen_code || outcome.cursors,
            missing: outcome.missing,
            by_path,
            asks_writer: outcome.asks_writer,
            reason,
        }
    }

    /// Whether [`Catalog::resolve`] would read so many bodies for the first time that other work of
    /// the thread would feel it; those that it may read here are read meanwhile.
    pub fn reads_much(&self, statement: &Statement, path: &Path) -> bool {
        !self.read_for(statement, path, Budget { left: MOMENT, over: false })
    }

    /// Reads bodies that [`Catalog::resolve`] would read for the first time, as many as fit in a while:
    /// some hundred. True: those were all.
    pub fn read_some(&self, statement: &Statement, path: &Path) -> bool {
        self.read_for(statement, path, Budget { left: WHILE, over: true })
    }

    fn read_for(&self, statement: &Statement, path: &Path, budget: Budget) -> bool {
        let Some(uses) = &statement.uses else { return true };
        let path = if uses.sets { &Path::Unknown } else { path };
        let about = (path, false, uses.planned, None);
        let mut budget = Some(budget);
        let unread = |budget: &mut Option<Budget>, any_path| {
            let outcome = self.walk_once(about, any_path, budget, &|walk, at| {
                follow(walk, statement, uses, at);
            });
            (outcome.unread, outcome.sets || outcome.hides || gives_names(statement, uses))
        };
        let (much, again) = unread(&mut budget, false);
        !(much || again && unread(&mut budget, true).0)
    }

    /// Takes over what an earlier snapshot has read of bodies that are still the same.
    pub fn take_over(&self, earlier: &Catalog) {
        if self.migration_tables != earlier.migration_tables {
            return;
        }
        for (oid, routine) in &self.model.routines {
            let before = earlier.model.routines.get(oid);
            if let Some(body) = before.and_then(|one| body::again(one, routine, &self.model)) {
                let _ = routine.body.set(body);
            }
        }
    }

    /// The routines that the calls of a statement may mean, by OID, PostgreSQL's own aside.
    pub fn callees(
        &self,
        statement: &Statement,
        path: &Path,
        analysed: Option<Analysed<'_>>,
    ) -> Vec<u32> {
        let calls = statement.uses.iter().flat_map(|uses| &uses.calls);
        let meant = calls.map(|call| Meant::of(call, &self.model, path, analysed));
        meant.flat_map(|meant| names::callees(&meant, path)).collect()
    }

    /// The backstop is installed and cannot be switched off by a session: `pgauthority backstop`
    /// makes event triggers of these events, ENABLE ALWAYS, which only a superuser can.
    pub fn has_backstop(&self) -> bool {
        let guards = |oid: &u32| {
            let routine = self.model.routines.get(oid);
            routine.is_some_and(|one| &*one.schema == "pgauthority" && &*one.name == "guard")
        };
        ["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"]
            .iter()
            .all(|event| self.model.always.iter().any(|(oid, on)| &**on == *event && guards(oid)))
    }

    /// What a call of a routine is whose OID is known (the fastpath call): at least that of its
    /// body, `read` included.
    pub fn resolve_routine(&self, oid: u32, path: &Path, backstop: bool) -> Resolved {
        let missing = oid >= tree::FIRST_NORMAL && !self.model.routines.contains_key(&oid);
        let about = (path, backstop, false, None);
        let outcome = self.walk(about, |walk, at| walk.routine(oid, at));
        Resolved { missing, ..outcome.into() }
    }

    /// What giving a parameter of this type is: the types of a Parse message may be domains, whose
    /// checks run at Bind.
    pub fn resolve_type(&self, oid: u32, path: &Path, backstop: bool) -> Resolved {
        let missing = oid >= tree::FIRST_NORMAL && !self.model.types.contains_key(&oid);
        let about = (path, backstop, false, None);
        let outcome = self.walk(about, |walk, at| walk.data_type(oid, true, at));
        Resolved { missing, ..outcome.into() }
    }

    /// Walks from where `begin` says, and once more without any path where something on the way
    /// may have set another one.
    fn walk(&self, about: About<'_>, begin: impl Fn(&mut Walk<'_>, walk::At)) -> Outcome {
        let outcome = self.walk_once(about, false, &mut None, &begin);
        if outcome.sets { self.walk_once(about, true, &mut None, &begin) } else { outcome }
    }

    /// `budget`: what may be read for the first time.
    fn walk_once(
        &self,
        (path, backstop, planned, analysed): About<'_>,
        any_path: bool,
        budget: &mut Option<Budget>,
        begin: &impl Fn(&mut Walk<'_>, walk::At),
    ) -> Outcome {
        let ground = Ground {
            model: &self.model,
            migration_tables: &self.migration_tables,
            backstop,
            any_path,
            analysed,
        };
        let (mut walk, at) = Walk::new(ground, path, planned);
        walk.budget = *budget;
        walk.everywhere(at);
        begin(&mut walk, at);
        walk.finish(budget)
    }
}

/// What a walk is about: the path, the backstop, whether the text is planned only, how it is analysed.
type About<'a> = (&'a Path, bool, bool, Option<Analysed<'a>>);

/// What a thread that has other work may read of bodies for the first time, in bytes; each counts
/// [`walk::READING`] besides.
const MOMENT: usize = 64 * 1024;

/// As much, of a thread that others wait for too.
const WHILE: usize = 1024 * 1024;

/// Begins where a statement does.
fn follow(walk: &mut Walk<'_>, statement: &Statement, uses: &Uses, at: walk::At) {
    if uses.too_many {
        walk.raise(Class::Opaque, || "names more than can be followed".into());
    }
    if fires(statement, uses) {
        walk.event_triggers(at);
    }
    // a temporary relation may hide a permanent one: what it takes over counts at once
    let makes = makes_table(statement, uses);
    names::follow(walk, uses, at, names::By::Statement { makes });
}

/// Whether a statement fires event triggers, whatever else it does.
fn fires(statement: &Statement, uses: &Uses) -> bool {
    const TAGS: [&str; 5] = ["CREATE ", "ALTER ", "DROP ", "SELECT INTO", "REFRESH "];
    uses.renames
        || uses.fires
        || statement.temp.is_some()
        || matches!(uses.class, Class::Temp | Class::Ddl | Class::Privilege)
        || TAGS.iter().any(|tag| statement.tag.starts_with(tag))
}

/// Whether a statement makes a table that may be temporary, by itself or by EXPLAIN ANALYZE.
fn makes_table(statement: &Statement, uses: &Uses) -> bool {
    let makes = match statement.tag {
        "CREATE TABLE" | "CREATE TABLE AS" | "SELECT INTO" => true,
        "EXPLAIN" => statement.makes_types,
        _ => false,
    };
    makes && !uses.planned && (uses.class < Class::Ddl || statement.temp.is_some())
}

/// Whether a statement may give names to temporary relations.
fn gives_names(statement: &Statement, uses: &Uses) -> bool {
    fires(statement, uses) || makes_table(statement, uses)
}

impl Resolved {
    /// What a statement is by its text alone.
    pub fn as_written(statement: &Statement) -> Resolved {
        Resolved {
            class: statement.class,
            found: Class::Session,
            unseen_code: statement.unseen_code,
            changes: statement.unseen_code,
            runs_routines: statement.unseen_code,
            cursors: statement.unseen_code,
            missing: false,
            by_path: false,
            asks_writer: false,
            reason: statement.reason.clone(),
        }
    }

    /// This, and no weaker than `floor`.
    pub fn at_least(&self, floor: Class) -> Resolved {
        Resolved {
            class: self.class.max(floor),
            found: self.found.max(floor),
            changes: self.changes || floor >= Class::Ddl,
            ..self.clone()
        }
    }
}

impl From<Outcome> for Resolved {
    fn from(outcome: Outcome) -> Resolved {
        Resolved {
            class: outcome.class.max(Class::Read),
            found: outcome.class,
            unseen_code: outcome.unseen,
            changes: outcome.changes(),
            runs_routines: outcome.runs,
            cursors: outcome.cursors,
            missing: outcome.missing,
            by_path: false,
            asks_writer: outcome.asks_writer,
            reason: outcome.reason.into(),
        }
    }
}
