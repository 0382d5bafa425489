//! Values that something runs for when they are made: which types have any, and where a text may make
//! one that it does not name.

use std::collections::{BTreeSet, HashSet};

use super::body::folded;
use super::model::{Model, Routine, Type};
use super::tree::{FIRST_UNPINNED, Refs};
use super::walk::{At, Walk};

/// Domains over domains end before.
const DEEPEST: usize = 32;

/// anyarray, anyelement, anynonarray, anyenum, anyrange, anymultirange, the anycompatible ones, and
/// record.
const ANY_TYPE: [u32; 12] =
    [2277, 2283, 2776, 3500, 3831, 4537, 4538, 5077, 5078, 5079, 5080, 2249];

/// Once all rows are in: types of which a value may run something, each with the names that can
/// stand for it in the declaration of a variable, its own and those of all that it is part of; and
/// types in which a domain is that checks.
pub(super) fn finish(model: &mut Model) {
    let Model { families, types, .. } = &mut *model;
    families.finish();
    for found in types.values_mut() {
        found.classes.retain(|class| families.of_class(*class).is_some());
    }
    let checks = |refs: &Refs| !refs.routines.is_empty() || !refs.operators.is_empty();
    let checked = |found: &Type| found.checks.iter().any(checks);
    let runs = |found: &Type| {
        let functions = [&found.carry, &found.casts, &found.classes];
        functions.iter().any(|list| !list.is_empty()) || checked(found)
    };
    model.checked = around(model, checked).into_iter().collect::<HashSet<_, _>>();
    for oid in around(model, runs) {
        if let Some(found) = model.types.get(&oid) {
            let name: Box<str> = folded(&found.name).into();
            model.declarable.entry(name).or_default().push(oid);
        }
    }
}

/// Such types, and all that have them in them.
fn around(model: &Model, such: impl Fn(&Type) -> bool) -> BTreeSet<u32> {
    let such = model.types.iter().filter(|(_, found)| such(found));
    let mut found: BTreeSet<u32> = such.map(|(oid, _)| *oid).collect();
    loop {
        let before = found.len();
        let rows = model
            .relations
            .values()
            .filter(|relation| relation.types.iter().any(|oid| found.contains(oid)));
        let rows: Vec<u32> = rows.map(|relation| relation.row_type).collect();
        let others = model
            .types
            .iter()
            .filter(|(_, outer)| outer.inner.iter().any(|oid| found.contains(oid)));
        let others: Vec<u32> = others.map(|(oid, _)| *oid).collect();
        found.extend(rows.into_iter().chain(others));
        if found.len() == before {
            return found;
        }
    }
}

/// Whether a routine may make values of the type of whatever it is given.
pub(super) fn makes_what_it_is_given(model: &Model, oid: u32) -> bool {
    if populates(model, oid) {
        return true;
    }
    // an aggregate has its first state, and a literal beside a value becomes one of its type
    let given = |routine: &Routine| routine.inputs.iter().any(is_any);
    model.routines.get(&oid).is_some_and(given)
}

/// Whether an argument of this type may be of many.
pub(super) fn is_any(oid: &u32) -> bool {
    ANY_TYPE.contains(oid)
}

/// Whether it is `jsonb_populate_record` or one of its kin.
fn populates(model: &Model, oid: u32) -> bool {
    let name = match (model.builtins.get(&oid), model.routines.get(&oid)) {
        (Some((_, name)), _) => name,
        (None, Some(routine)) => &routine.name,
        (None, None) => return false,
    };
    name.contains("populate_record")
}

impl Walk<'_> {
    /// A literal or parameter of a text may become a value of a column's type: where that is an array,
    /// a range or a row. What is beside a plain domain becomes one of the type that it is over.
    pub(super) fn coerced(&mut self, relation: u32, at: At) {
        let model = self.ground.model;
        let Some(relation) = model.relations.get(&relation) else { return };
        for oid in &relation.types {
            if model.checked.contains(oid) && is_composed(model, *oid) {
                self.data_type(*oid, true, at);
            }
        }
    }

    /// Rows of a relation, or their parts, may be made.
    pub(super) fn row_made(&mut self, relation: u32, at: At) {
        let row_type = self.ground.model.relations.get(&relation).map_or(0, |one| one.row_type);
        if self.ground.model.checked.contains(&row_type) {
            self.data_type(row_type, true, at);
        }
    }
}

/// Whether values of a type are made of others.
fn is_composed(model: &Model, oid: u32) -> bool {
    let mut oid = oid;
    for _ in 0..DEEPEST {
        let Some(found) = model.types.get(&oid) else { return false };
        match (found.kind, found.inner.first()) {
            (b'd', Some(base)) if *base >= FIRST_UNPINNED => oid = *base,
            (b'd', _) => return false,
            (b'b', inner) => return inner.is_some(),
            _ => return true,
        }
    }
    true
}
