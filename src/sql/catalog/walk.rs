//! Following everything that a statement may run: the strongest class met counts.
//!
//! A class is a maximum over all that can be reached, so what was visited once need not be visited
//! again, and routines that call each other end the walk.

use std::collections::{BTreeSet, HashSet};

use super::build::class_of;
use super::model::{Language, Model, Routine};
use super::overloads::Analysed;
use super::path::Path;
use super::tree::{FIRST_NORMAL, FIRST_UNPINNED, Refs};
use super::unnamed::Unnamed;
use super::values::makes_what_it_is_given;
use super::{body, names};
use crate::sql::classify::{is_stable, makes_any, reads_any, reads_keys};
use crate::sql::routines;
use crate::sql::{Class, How, Uses};

/// Something that may run, or be used by what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Routine(u32),
    /// One thing done with a relation; nothing: it is opened, and a query on it planned.
    Relation(u32, How),
    /// The partition keys of a relation and of all that it is a part of; true: rows are stored.
    Key(u32, bool),
    /// Values of a type; true: they are made of others (domain checks, casts).
    Type(u32, bool),
    Operator(u32),
    /// An operator family.
    Family(u32),
    /// SQL that functions run by themselves.
    Unnamed(Unnamed),
}

/// How a node is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct At {
    /// The place in `Walk::paths` of the `search_path` in force.
    pub(super) path: usize,
    /// It is planned and not run.
    pub planned: bool,
}

/// What was met so far.
#[derive(Debug)]
pub(super) struct Outcome {
    pub class: Class,
    pub reason: String,
    pub unseen: bool,
    pub runs: bool,
    /// Code that may open cursors, or close them.
    pub cursors: bool,
    pub missing: bool,
    /// Something sets parameters, perhaps `search_path`.
    pub sets: bool,
    /// Something runs of which not all is known, or that changes what names of the session stand
    /// for.
    pub hides: bool,
    /// Something asks what only the connection that writes can tell, or opens a cursor.
    pub asks_writer: bool,
    /// The walk was given up: it would have read more than its budget allows.
    pub unread: bool,
}

/// What a walk may still read of bodies for the first time, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub left: usize,
    /// The last one may go over it: whatever its length, it is read some time.
    pub over: bool,
}

/// `currval` and `lastval` (pg_proc.dat).
const SEQUENCE_STATE: [u32; 2] = [1575, 2559];

/// What reading a body costs besides its length, counted in bytes.
pub(super) const READING: usize = 4096;

impl Outcome {
    /// What runs may change what the catalog says.
    pub(super) fn changes(&self) -> bool {
        self.unseen && (self.hides || self.sets || self.missing || self.class >= Class::Ddl)
    }
}

/// What a walk is about.
#[derive(Clone, Copy)]
pub(super) struct Ground<'m> {
    pub model: &'m Model,
    pub migration_tables: &'m BTreeSet<String>,
    pub backstop: bool,
    /// Nothing is known of any `search_path`.
    pub any_path: bool,
    /// How the statement is analysed, where that is known.
    pub analysed: Option<Analysed<'m>>,
}

/// A walk under way.
pub(super) struct Walk<'m> {
    pub ground: Ground<'m>,
    paths: Vec<Path>,
    visited: HashSet<(Node, At), ahash::RandomState>,
    stack: Vec<(Node, At)>,
    /// `None`: it reads all.
    pub budget: Option<Budget>,
    pub out: Outcome,
}

impl<'m> Walk<'m> {
    /// A walk that begins under `path`.
    pub(super) fn new(ground: Ground<'m>, path: &Path, planned: bool) -> (Walk<'m>, At) {
        let path = if ground.any_path { Path::Unknown } else { path.clone() };
        let walk = Walk {
            ground,
            paths: vec![path],
            visited: HashSet::default(),
            stack: Vec::new(),
            budget: None,
            out: Outcome {
                class: Class::Session,
                reason: String::new(),
                unseen: false,
                runs: false,
                cursors: false,
                missing: false,
                sets: false,
                hides: false,
                asks_writer: false,
                unread: false,
            },
        };
        (walk, At { path: 0, planned })
    }

    /// Goes on until nothing is left; `budget` becomes what is left of it.
    pub(super) fn finish(mut self, budget: &mut Option<Budget>) -> Outcome {
        while let Some((node, at)) = self.stack.pop() {
            match node {
                Node::Routine(oid) => self.visit_routine(oid, at),
                Node::Relation(oid, how) => self.visit_relation(oid, how, at),
                Node::Key(oid, stored) => self.visit_key(oid, stored, at),
                Node::Type(oid, made) => self.visit_type(oid, made, at),
                // estimates apply an operator to common values, and pruning compares constants:
                // whatever the function is declared to be
                Node::Operator(oid) => {
                    let at = At { planned: false, ..at };
                    if let Some(operator) = self.ground.model.operators.get(&oid) {
                        self.routine(operator.code, at);
                        operator.others.iter().for_each(|other| self.operator(*other, at));
                        operator.families.iter().for_each(|family| self.family(*family, at));
                    }
                }
                Node::Unnamed(what) => self.visit_unnamed(what, at),
                Node::Family(oid) => {
                    let functions = self.ground.model.families.members(oid).iter();
                    functions.for_each(|code| self.routine(*code, at));
                }
            }
        }
        *budget = self.budget;
        self.out
    }

    /// Whether a body may be read now; if not, the walk is given up.
    fn affords(&mut self, routine: &Routine) -> bool {
        let is_text = matches!(routine.language, Language::Sql | Language::Plpgsql);
        let Some(budget) = self.budget.filter(|_| is_text && routine.body.get().is_none()) else {
            return true;
        };
        let cost = routine.source.len() + READING;
        let affords = cost <= budget.left || budget.over && budget.left > 0;
        self.budget = Some(Budget { left: budget.left.saturating_sub(cost), ..budget });
        if !affords {
            self.out.unread = true;
            self.stack.clear();
        }
        affords
    }

    pub(super) fn path(&self, at: At) -> &Path {
        self.paths.get(at.path).unwrap_or(&Path::Unknown)
    }

    /// Counts something that runs.
    pub(super) fn raise(&mut self, class: Class, reason: impl FnOnce() -> String) {
        if class > self.out.class {
            self.out.class = class;
            self.out.reason = reason();
        }
        self.out.unseen |= class > Class::Read;
        self.out.cursors |= class >= Class::Opaque;
        // routines may be among what is not known
        self.out.runs |= class == Class::Opaque;
    }

    pub(super) fn push(&mut self, node: Node, at: At) {
        if self.visited.insert((node, at)) {
            self.stack.push((node, at));
        }
    }

    /// A routine by OID; PostgreSQL's own are judged at once.
    pub(super) fn routine(&mut self, oid: u32, at: At) {
        if oid >= FIRST_NORMAL || self.ground.model.routines.contains_key(&oid) {
            return self.push(Node::Routine(oid), at);
        }
        self.unnamed(Unnamed::of_routine(oid), at);
        let Some((verdict, name)) = self.ground.model.builtins.get(&oid) else { return };
        self.unnamed(Unnamed::of(name), at);
        if reads_keys(name) {
            self.all_keys(at);
        }
        if at.planned && !is_stable(name) {
            return;
        }
        self.by_name(name, at);
        let Some(class) = class_of(*verdict) else { return };
        self.out.sets |= *verdict == routines::Routine::SetConfig;
        self.raise(class, || format!("runs {name}()"));
    }

    pub(super) fn operator(&mut self, oid: u32, at: At) {
        if oid >= FIRST_UNPINNED {
            self.push(Node::Operator(oid), at);
        }
    }

    /// Constants are compared, and partitions pruned, when a statement is planned only, whatever
    /// the functions are declared.
    fn family(&mut self, oid: u32, at: At) {
        self.push(Node::Family(oid), At { planned: false, ..at });
    }

    pub(super) fn class(&mut self, oid: u32, at: At) {
        if let Some(family) = self.ground.model.families.of_class(oid) {
            self.family(family, at);
        }
    }

    /// Any operator class in which something is the user's.
    pub(super) fn all_families(&mut self, at: At) {
        self.ground.model.families.all().for_each(|family| self.family(family, at));
    }

    pub(super) fn relation(&mut self, oid: u32, how: How, at: At) {
        if how == How::default() {
            self.push(Node::Relation(oid, how), at);
        }
        for one in how.each() {
            self.push(Node::Relation(oid, one), at);
        }
    }

    pub(super) fn data_type(&mut self, oid: u32, made: bool, at: At) {
        if oid >= FIRST_UNPINNED {
            // literals become values when a text is analysed, planned only or not
            self.push(Node::Type(oid, made), At { planned: false, ..at });
        }
    }

    /// A stored tree. `changes`: it may change rows.
    pub(super) fn refs(&mut self, refs: &Refs, changes: bool, at: At) {
        let model = self.ground.model;
        let calls =
            |known: fn(&str) -> bool| refs.routines.iter().any(|oid| known(self.name_of(*oid)));
        let (makes, reads) = (calls(makes_any), calls(reads_any));
        // these are STABLE: called for estimates, and so all that they run
        let at = At { planned: at.planned && !makes && !reads, ..at };
        if changes && (refs.changes || refs.utility) && !at.planned {
            self.raise(Class::Write, || "runs a rule or a body that changes rows".into());
            self.changes_system(refs.changed, || "a rule or a body".into());
        }
        self.everywhere(at);
        self.out.asks_writer |= refs.routines.iter().any(|oid| SEQUENCE_STATE.contains(oid));
        refs.routines.iter().for_each(|oid| self.routine(*oid, at));
        refs.operators.iter().for_each(|oid| self.operator(*oid, at));
        refs.relations.iter().for_each(|oid| self.relation(*oid, How::SELECT, at));
        if changes {
            refs.targets.iter().for_each(|oid| self.relation(*oid, How::CHANGE, at));
        }
        refs.made.iter().for_each(|oid| self.data_type(*oid, true, at));
        let populates = refs.routines.iter().any(|oid| makes_what_it_is_given(model, *oid));
        refs.carried.iter().for_each(|oid| self.data_type(*oid, populates, at));
        if populates {
            let rows = refs.relations.iter().filter_map(|oid| model.relations.get(oid));
            rows.for_each(|relation| self.data_type(relation.row_type, true, at));
        }
    }

    /// The name of a routine, where it is anything special.
    fn name_of(&self, oid: u32) -> &'m str {
        let model = self.ground.model;
        match (model.builtins.get(&oid), model.routines.get(&oid)) {
            (Some((_, name)), _) => name,
            (None, Some(routine)) => &routine.name,
            (None, None) => "",
        }
    }

    fn visit_routine(&mut self, oid: u32, at: At) {
        let Ground { model, migration_tables, backstop, .. } = self.ground;
        self.out.runs = true;
        let Some(routine) = model.routines.get(&oid) else {
            return self.raise(Class::Opaque, || format!("runs routine {oid}, which is not known"));
        };
        if !self.affords(routine) {
            return;
        }
        let body = routine.body.get_or_init(|| body::judge(routine, model, migration_tables));
        let renames = body.uses.as_deref().is_some_and(|uses| uses.renames);
        let only_planned = at.planned && routine.volatile;
        if only_planned && routine.language != Language::Sql {
            return; // not run; of SQL functions the planner takes the queries
        }
        if !only_planned {
            let class = match body.class {
                Class::Opaque if routine.trusted || backstop => Class::Write,
                class => class,
            };
            self.raise(class, || {
                let Routine { schema, name, .. } = routine;
                let reason = if body.reason.is_empty() { "may not be run" } else { &body.reason };
                format!("runs {schema}.{name}(), which {reason}")
            });
            self.out.sets |= body.sets;
            self.out.asks_writer |= body.asks_writer || routine.gives_cursor;
            self.out.cursors |= body.cursors;
            let makes = |uses: &Uses| uses.relations.iter().any(|relation| relation.optional);
            self.out.hides |= body.class == Class::Opaque
                || renames
                || body.uses.as_deref().is_some_and(makes)
                || (routine.language == Language::Native && body.class > Class::Read);
        }
        let inner = At { path: self.path_in(routine, at), planned: only_planned };
        if renames || body.uses.as_deref().is_some_and(|uses| uses.fires) {
            self.event_triggers(inner);
        }
        if &*routine.language_name == "internal" {
            // one of PostgreSQL's own under another name; what rows it makes, that does not tell
            self.by_name(&routine.source, inner);
            if routine.source.contains("populate_record") {
                self.any_types(inner);
            }
        }
        if routine.language == Language::Native
            && routine.extension.as_deref().is_some_and(|name| name.starts_with("postgis"))
        {
            self.unnamed(Some(Unnamed::Spatial), inner);
        }
        routine.types.iter().for_each(|oid| self.data_type(*oid, true, inner));
        routine.parts.iter().for_each(|oid| self.routine(*oid, inner));
        body.declared.iter().for_each(|oid| self.data_type(*oid, true, inner));
        self.refs(&routine.default, true, at);
        if let Some(refs) = &routine.standard_body {
            self.refs(refs, routine.may_change(), inner);
        }
        if let Some(uses) = &body.uses {
            let by = names::By::Body { changes: routine.may_change() };
            names::follow(self, uses, inner, by);
        }
    }

    /// The `search_path` in a routine: its own, or that of who calls it.
    fn path_in(&mut self, routine: &Routine, at: At) -> usize {
        let own = routine.config.iter().find_map(|setting| setting.strip_prefix("search_path="));
        let Some(own) = own.filter(|_| !self.ground.any_path) else {
            let is_role = |setting: &str| {
                ["role=", "session_authorization="].iter().any(|one| setting.starts_with(one))
            };
            let switches = routine.config.iter().any(|setting| is_role(setting));
            return if switches { self.as_another(at) } else { at.path };
        };
        self.place_of(Path::of_setting(own, None))
    }

    /// The path for another role than the session's.
    pub(super) fn as_another(&mut self, at: At) -> usize {
        if self.path(at).depends_on_role() { self.place_of(Path::Unknown) } else { at.path }
    }

    fn place_of(&mut self, path: Path) -> usize {
        match self.paths.iter().position(|known| *known == path) {
            Some(known) => known,
            None => {
                self.paths.push(path);
                self.paths.len() - 1
            }
        }
    }

    fn visit_type(&mut self, oid: u32, made: bool, at: At) {
        let model = self.ground.model;
        let Some(found) = model.types.get(&oid) else { return };
        found.carry.iter().for_each(|oid| self.routine(*oid, at));
        found.classes.iter().for_each(|oid| self.class(*oid, at));
        found.inner.iter().for_each(|oid| self.data_type(*oid, made, at));
        if let Some(relation) = model.relations.get(&found.relation) {
            relation.types.iter().for_each(|oid| self.data_type(*oid, made, at));
        }
        if made {
            found.casts.iter().for_each(|oid| self.routine(*oid, at));
            // a domain's base may be a type of PostgreSQL's own, to which there are casts
            if found.kind == b'd' {
                self.casts(oid, at);
            }
            found.checks.iter().for_each(|refs| self.refs(refs, true, at));
        }
    }
}
