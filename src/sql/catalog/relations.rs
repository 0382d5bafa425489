//! Relations: what hangs on them, from rows to the model, and what of it runs when something is done
//! with one.

use std::collections::HashSet;

use super::Unreadable;
use super::model::{Language, Model, Relation, Routine};
use super::rows::{Columns, rule_events, second, trigger_events};
use super::tree::{FIRST_UNPINNED, Folded, Refs, System};
use super::unnamed::Unnamed;
use super::walk::{At, Ground, Node, Walk};
use crate::sql::{Class, How};

/// Rows are stored.
const STORED: How = How::INSERT.and(How::UPDATE);

/// Adds what a row says about a relation, or about a domain.
pub(super) fn attach(model: &mut Model, kind: u8, c: &Columns<'_>) -> Result<(), Unreadable> {
    let (first, second) = (c.number(1)?, if kind == b'd' { 0 } else { second(kind, c)? });
    if kind == b'k' && first == 0 {
        if let Some(domain) = model.types.get_mut(&second) {
            domain.checks.push(Refs::of([c.optional(4)?]));
        }
        return Ok(());
    }
    if kind == b'k' && c.letter(3)? == b'f' {
        foreign_key(model, first, c)?;
    }
    if kind == b'h'
        && let Some(child) = model.relations.get_mut(&second)
    {
        child.parents.push(first);
    }
    // operator classes in whose family something is the user's
    let classes = match kind {
        b'i' => c.oids(3)?,
        b'z' => c.oids(2)?,
        _ => Box::default(),
    };
    let mut classes = classes.into_vec();
    classes.retain(|oid| model.families.of_class(*oid).is_some());
    let Some(relation) = model.relations.get_mut(&first) else { return Ok(()) };
    match kind {
        b'a' => relation.types.push(second),
        b'd' => {
            let virtual_column = c.letter(2)? == b'v';
            let how = if virtual_column { STORED.and(How::SELECT) } else { STORED };
            relation.parts.push((how.and(How::MAINTAIN), Refs::of([c.optional(3)?])));
        }
        b'k' => {
            relation.conditions.push((STORED.and(How::MAINTAIN), Refs::of([c.optional(4)?])));
            let user = c.oids(8)?.into_vec().into_iter().filter(|oid| *oid >= FIRST_UNPINNED);
            relation.operators.extend(user);
        }
        b'i' => {
            relation.handlers.extend([second].iter().filter(|oid| **oid >= FIRST_UNPINNED));
            relation.classes.extend(classes);
            let refs = Refs::of([c.optional(4)?, c.optional(5)?]);
            relation.conditions.push((STORED.and(How::MAINTAIN), refs));
        }
        b'e' => relation.conditions.push((How::MAINTAIN, Refs::of([c.optional(2)?]))),
        b'g' => {
            let how = trigger_events(c.number(3)?);
            relation.triggers.push((how, second));
            relation.parts.push((how, Refs::of([c.optional(4)?])));
        }
        b'l' if relation.row_security => {
            let how = How::SELECT.and(How::CHANGE);
            relation.parts.push((how, Refs::of([c.optional(2)?, c.optional(3)?])));
        }
        b'w' => {
            let how = rule_events(c.letter(2)?, relation.kind);
            relation.parts.push((how, Refs::of([c.optional(3)?, c.optional(4)?])));
        }
        b'h' => relation.children.push(second),
        b'z' => relation.key = Some((classes, Refs::of([c.optional(3)?]))),
        _ => {}
    }
    Ok(())
}

/// What happens to one table of a foreign key when the other one changes.
fn foreign_key(model: &mut Model, referencing: u32, c: &Columns<'_>) -> Result<(), Unreadable> {
    let (delete, update) = (c.letter(6)?, c.letter(7)?);
    let other = c.number(5)?;
    for side in [referencing, other] {
        if let Some(relation) = model.relations.get_mut(&side) {
            relation.deferrable |= c.flag(9)?;
        }
    }
    if let Some(relation) = model.relations.get_mut(&referencing) {
        relation.cascades.push((STORED, other, How::default()));
    }
    let Some(referenced) = model.relations.get_mut(&other) else { return Ok(()) };
    referenced.cascades.push((How::DELETE.and(How::UPDATE), referencing, How::default()));
    if !matches!(delete, b'a' | b'r') {
        let how = if delete == b'c' { How::DELETE } else { How::UPDATE };
        referenced.cascades.push((How::DELETE, referencing, how));
    }
    if !matches!(update, b'a' | b'r') {
        referenced.cascades.push((How::UPDATE, referencing, How::UPDATE));
    }
    // TRUNCATE … CASCADE
    referenced.cascades.push((How::TRUNCATE, referencing, How::TRUNCATE));
    Ok(())
}

impl Walk<'_> {
    pub(super) fn visit_relation(&mut self, oid: u32, how: How, at: At) {
        let model = self.ground.model;
        if model.rule_views.contains_key(&oid) {
            self.unnamed(Some(Unnamed::Rules), at);
        }
        let Some(relation) = model.relations.get(&oid) else { return };
        // maintenance runs as the owner
        let at = match how.any(How::MAINTAIN) {
            true => At { path: self.as_another(at), ..at },
            false => at,
        };
        let shown = || format!("{}.{}", relation.schema, relation.name);
        if relation.program && how.any(How::SELECT.and(How::MAINTAIN)) {
            self.raise(Class::Admin, || format!("reads {}, which runs a program", shown()));
        }
        if how.any(How::CHANGE) && !at.planned && self.is_migration_table(relation) {
            self.raise(Class::MigrationState, || format!("writes the migration table {}", shown()));
        }
        // the check is planned when it runs
        self.out.runs |= relation.deferrable && how.any(How::CHANGE) && !at.planned;
        for (on, refs) in relation.parts.iter().filter(|(on, _)| on.any(how)) {
            // a view that is written through writes what it shows
            let through = relation.kind == b'v' && how.any(How::CHANGE) && on.any(How::SELECT);
            self.refs(refs, true, at);
            for base in refs.relations.iter().filter(|_| through) {
                self.relation(*base, how, at);
            }
            if through && !at.planned {
                self.changes_system(refs.shown, shown);
            }
        }
        for (on, refs) in &relation.conditions {
            match on.any(how) {
                true => self.refs(refs, true, at),
                false => self.folded(&refs.folded, at),
            }
        }
        for (on, function) in &relation.triggers {
            if on.any(how) {
                self.routine(*function, at);
            }
        }
        // reading makes no value of a domain
        let made = how.any(How::CHANGE.and(How::TRUNCATE).and(How::MAINTAIN));
        relation.types.iter().for_each(|oid| self.data_type(*oid, made, at));
        self.data_type(relation.row_type, false, at);
        relation.handlers.iter().for_each(|oid| self.routine(*oid, at));
        relation.operators.iter().for_each(|oid| self.operator(*oid, at));
        relation.classes.iter().for_each(|oid| self.class(*oid, at));
        if relation.key.is_some() || !relation.parents.is_empty() {
            self.push(Node::Key(oid, how.any(STORED.and(How::MAINTAIN))), at);
        }
        // a row that moves to another partition leaves one and enters the other
        let below = if how.any(How::UPDATE) { How::CHANGE } else { how };
        relation.children.iter().for_each(|child| self.relation(*child, below, at));
        for (on, other, then) in &relation.cascades {
            // a trigger plans its queries when it runs
            let runs = *then != How::default() || !at.planned;
            if on.any(how) && runs {
                // what keeps foreign keys runs as the owner of the table
                let at = At { path: self.as_another(at), ..at };
                self.relation(*other, *then, at);
            }
        }
    }

    /// A row that is written straight into a partition is held against the keys of all that it is
    /// a part of.
    pub(super) fn visit_key(&mut self, oid: u32, stored: bool, at: At) {
        let Some(relation) = self.ground.model.relations.get(&oid) else { return };
        if let Some((classes, refs)) = &relation.key {
            classes.iter().for_each(|oid| self.class(*oid, at));
            match stored {
                true => self.refs(refs, true, at),
                false => self.folded(&refs.folded, at),
            }
        }
        relation.parents.iter().for_each(|parent| self.push(Node::Key(*parent, stored), at));
    }

    /// What the planner runs of an expression that it simplifies.
    fn folded(&mut self, folded: &Folded, at: At) {
        let at = At { planned: true, ..at };
        let model = self.ground.model;
        self.everywhere(at);
        folded.routines.iter().for_each(|oid| self.routine(*oid, at));
        for oid in &folded.inlined {
            let is_sql = |routine: &Routine| routine.language == Language::Sql;
            let own = Unnamed::of_routine(*oid).is_some();
            if own || model.routines.get(oid).is_some_and(is_sql) {
                self.routine(*oid, at);
            }
        }
        folded.operators.iter().for_each(|oid| self.operator(*oid, at));
        folded.made.iter().for_each(|oid| self.data_type(*oid, true, at));
    }

    /// The partition keys of all that has any.
    pub(super) fn all_keys(&mut self, at: At) {
        let model = self.ground.model;
        for (oid, _) in model.relations.iter().filter(|(_, relation)| relation.key.is_some()) {
            self.push(Node::Key(*oid, false), at);
        }
    }

    /// A relation of PostgreSQL's own is changed `by` something.
    pub(super) fn changes_system(&mut self, changed: System, by: impl FnOnce() -> String) {
        match changed {
            System::No => {}
            System::Relation => {
                self.raise(Class::Ddl, || format!("changes a system relation by {}", by()));
            }
            // pg_settings: of the views there are, what can be changed
            System::View => {
                self.out.sets = true;
                self.out.hides = true;
                self.raise(Class::Opaque, || format!("changes a system view by {}", by()));
            }
        }
    }

    /// It is one, or a part of one: what is written to a partition or a child shows in the whole.
    fn is_migration_table(&self, relation: &Relation) -> bool {
        let Ground { model, migration_tables, .. } = self.ground;
        let mut seen = HashSet::new();
        let mut left = vec![relation];
        while let Some(relation) = left.pop() {
            if migration_tables.contains(&relation.name.to_ascii_lowercase()) {
                return true;
            }
            let parents = relation.parents.iter().filter(|oid| seen.insert(**oid));
            left.extend(parents.filter_map(|oid| model.relations.get(oid)));
        }
        false
    }
}
