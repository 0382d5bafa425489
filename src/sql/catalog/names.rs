//! From names in a text to what they may mean: every candidate counts that is not certain to be
//! none.

use super::model::Model;
use super::overloads::Meant;
use super::path::Path;
use super::unnamed::Unnamed;
use super::values::makes_what_it_is_given;
use super::walk::{At, Walk};
use super::{body, definition};
use crate::sql::routines::{self, Routine as Builtin};
use crate::sql::{Call, CallKind, Class, How, Name, Uses};

/// Who names something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The statement itself: what is not there at all is worth a newer snapshot. `makes`: a
    /// relation after the model of those named.
    Statement { makes: bool },
    /// The body of a routine. `changes`: PostgreSQL does not keep it from changing relations.
    Body { changes: bool },
}

/// Follows all that is named.
pub(super) fn follow(walk: &mut Walk<'_>, uses: &Uses, at: At, by: By) {
    let top = matches!(by, By::Statement { .. });
    // what makes relations within a body or a block, and writes to them
    let makes = by == By::Statement { makes: true } || uses.renames;
    let model = walk.ground.model;
    // what makes values of the type of whatever it is given
    let mut makes_any = false;
    for call in &uses.calls {
        makes_any |= follow_call(walk, call, at, top);
    }
    for field in &uses.fields {
        makes_any |= follow_field(walk, field, uses.fields_of_values, at);
    }
    for name in &uses.operators {
        if is_unqualified_or_own(name) {
            walk.unnamed(Unnamed::of_operator(&name.name), at);
        }
        let found = candidates(&model.operator_names, name, |oid| {
            let operator = model.operators.get(&oid)?;
            is_visible(name, &operator.schema, walk.path(at), false).then_some(oid)
        });
        let codes = found.iter().filter_map(|oid| model.operators.get(oid));
        let mut codes = codes.into_iter();
        makes_any |= codes.any(|one| one.is_any || makes_what_it_is_given(model, one.code));
        found.into_iter().for_each(|oid| walk.operator(oid, at));
    }
    for used in &uses.relations {
        let found = candidates(&model.relation_names, &used.name, |oid| {
            let relation = model.relations.get(&oid)?;
            is_visible(&used.name, &relation.schema, walk.path(at), true).then_some(oid)
        });
        let own = |(schema, known): &(Box<str>, Box<str>)| {
            *known == used.name.name && is_visible(&used.name, schema, walk.path(at), true)
        };
        if model.rule_views.values().any(own) {
            walk.unnamed(Some(Unnamed::Rules), at);
        }
        let system = routines::is_system_relation(used.name.schema.as_deref(), &used.name.name);
        if found.is_empty() && !used.optional && !system {
            walk.out.missing |= top;
            incomparable(walk, &used.name);
        }
        for oid in found {
            let how = match by {
                By::Body { changes: false } => How::SELECT,
                _ => used.how,
            };
            walk.relation(oid, how, at);
            if makes {
                walk.relation(oid, How::MAINTAIN, at);
            }
            if uses.populates || makes {
                let row_type = model.relations.get(&oid).map_or(0, |relation| relation.row_type);
                walk.data_type(row_type, true, at);
            }
            if makes_any || uses.coerces && uses.composes {
                walk.row_made(oid, at);
            }
            if uses.coerces {
                walk.coerced(oid, at);
            }
        }
    }
    for name in &uses.types {
        if !follow_type(walk, name, at) {
            incomparable(walk, name);
        }
    }
    for (names, array) in [(&uses.casts, false), (&uses.arrays, true)] {
        for name in names {
            follow_cast(walk, name, array, at);
        }
    }
    walk.everywhere(at);
    if uses.maintains_all {
        walk.all_relations(How::MAINTAIN, at);
    }
    if uses.reads_all {
        walk.all_relations(How::SELECT, at);
    }
    if uses.reads_keys {
        walk.all_keys(at);
    }
    if uses.makes_any {
        walk.any_types(at);
    }
    if uses.indexes {
        walk.all_families(at);
    }
    for oid in body::declared(&uses.code, model) {
        walk.data_type(oid, true, at);
    }
}

/// What a name may mean, of those that are `usable`.
fn candidates(
    names: &super::model::Map<Box<str>, Vec<u32>>,
    name: &Name,
    usable: impl Fn(u32) -> Option<u32>,
) -> Vec<u32> {
    names.get(&name.name).into_iter().flatten().filter_map(|oid| usable(*oid)).collect()
}

/// Whether a name may mean something in this schema. Temporary schemas are looked into for
/// relations and types wherever they stand in the path, for routines and operators never, unless
/// that is written.
fn is_visible(name: &Name, schema: &str, path: &Path, temporary_too: bool) -> bool {
    let temporary = schema.starts_with("pg_temp_");
    match name.schema.as_deref() {
        Some("pg_temp") => temporary,
        Some(written) => written == schema,
        None => (temporary && temporary_too) || path.has(schema),
    }
}

/// A name that is not there and not ASCII may be there in another encoding than the client's.
fn incomparable(walk: &mut Walk<'_>, name: &Name) {
    if !name.name.is_ascii() || !name.schema.as_deref().is_none_or(str::is_ascii) {
        walk.raise(Class::Opaque, || "names what the catalog does not have".into());
    }
}

/// Types of the user's that a name may mean.
fn types(walk: &Walk<'_>, name: &Name, at: At) -> Vec<u32> {
    let model = walk.ground.model;
    candidates(&model.type_names, name, |oid| {
        let data_type = model.types.get(&oid)?;
        is_visible(name, &data_type.schema, walk.path(at), true).then_some(oid)
    })
}

fn follow_type(walk: &mut Walk<'_>, name: &Name, at: At) -> bool {
    let found = types(walk, name, at);
    let any = !found.is_empty();
    found.into_iter().for_each(|oid| walk.data_type(oid, true, at));
    any
}

/// What a cast to a type runs, or to the array of it.
fn follow_cast(walk: &mut Walk<'_>, name: &Name, array: bool, at: At) -> bool {
    let model = walk.ground.model;
    let found = types(walk, name, at);
    let any = !found.is_empty();
    for oid in found.into_iter().chain(model.relatives.own(name)) {
        let target = if array { model.relatives.array_of(oid) } else { oid };
        walk.data_type(target, true, at);
        walk.casts(target, at);
    }
    any
}

/// True: what is called makes values of the type of whatever it is given.
fn follow_call(walk: &mut Walk<'_>, call: &Call, at: At, top: bool) -> bool {
    if is_unqualified_or_own(&call.name) {
        walk.unnamed(Unnamed::of(&call.name.name), at);
    }
    // what a body means, it may have meant by an earlier catalog
    let analysed = walk.ground.analysed.filter(|_| top);
    let meant = Meant::of(call, walk.ground.model, walk.path(at), analysed);
    let found = callees(&meant, walk.path(at));
    let mut known = !found.is_empty();
    let makes_any = found.iter().any(|oid| makes_what_it_is_given(walk.ground.model, *oid));
    // a type's name with one argument is a cast
    let cast = matches!(call.kind, CallKind::Function | CallKind::Word) && meant.may_have(1);
    found.into_iter().for_each(|oid| walk.routine(oid, at));
    if cast {
        known |= follow_cast(walk, &call.name, false, at);
    }
    known |= match call.kind {
        CallKind::Procedure => false,
        // the grammar's own, or an error
        CallKind::Word => true,
        // PostgreSQL's own are judged by the text
        CallKind::Function => is_own(&call.name),
        CallKind::Sampling => {
            matches!(call.name.schema.as_deref(), None | Some("pg_catalog"))
                && matches!(&*call.name.name, "bernoulli" | "system")
        }
    };
    if known {
        return makes_any;
    }
    walk.out.missing |= top;
    walk.out.runs = true;
    walk.out.hides = true;
    incomparable(walk, &call.name);
    let class = match call.kind {
        CallKind::Procedure => Class::Opaque,
        _ => Class::Write,
    };
    walk.raise(class, || match &call.name.schema {
        Some(schema) => format!("calls {schema}.{}(), which is not known", call.name.name),
        None => format!("calls {}(), which is not known", call.name.name),
    });
    makes_any
}

/// It may be PostgreSQL's own.
fn is_unqualified_or_own(name: &Name) -> bool {
    matches!(name.schema.as_deref(), None | Some("pg_catalog"))
}

/// PostgreSQL has a routine of that name itself.
fn is_own(name: &Name) -> bool {
    routines::lookup(name.schema.as_deref(), &name.name) != Builtin::Unknown
}

/// The routines that a call may mean, PostgreSQL's own aside.
pub(super) fn callees(meant: &Meant<'_>, path: &Path) -> Vec<u32> {
    let (name, model) = (&meant.call.name, meant.model);
    let visible = candidates(&model.routine_names, name, |oid| {
        let routine = model.routines.get(&oid)?;
        is_visible(name, &routine.schema, path, false).then_some(oid)
    });
    meant.among(visible, is_own(name))
}

/// `a.f` may be `f(a)`, or a cast to `f` that needs no function: what `f` checks counts. True: it makes
/// values of the type of whatever it is given.
fn follow_field(walk: &mut Walk<'_>, field: &str, of_values: bool, at: At) -> bool {
    let model = walk.ground.model;
    walk.unnamed(Unnamed::of(field), at);
    let name = Name { schema: None, name: field.into() };
    for oid in types(walk, &name, at) {
        if of_values || model.relatives.takes_rows(oid, true) {
            walk.data_type(oid, true, at);
        }
    }
    if !model.routine_names.contains_key(field) {
        return false;
    }
    let found = candidates(&model.routine_names, &name, |oid| {
        let routine = model.routines.get(&oid)?;
        let least = routine.inputs.len().saturating_sub(routine.defaults);
        let takes_one = least <= 1 && !routine.inputs.is_empty() && routine.kind != b'p';
        let takes_rows = of_values
            || routine.inputs.first().is_some_and(|oid| may_be_row(model, *oid))
            || routine.variadic != 0;
        let visible = is_visible(&name, &routine.schema, walk.path(at), false);
        (takes_one && takes_rows && visible).then_some(oid)
    });
    let makes_any = found.iter().any(|oid| makes_what_it_is_given(model, *oid));
    found.into_iter().for_each(|oid| walk.routine(oid, at));
    makes_any
}

/// Whether a row can be given for an argument of this type.
fn may_be_row(model: &Model, oid: u32) -> bool {
    /// any, anyelement, anynonarray, anycompatible, anycompatiblenonarray.
    const POLYMORPHIC: [u32; 5] = [2276, 2283, 2776, 5077, 5079];
    POLYMORPHIC.contains(&oid)
        || definition::is_row(model, oid)
        || model.relatives.takes_rows(oid, false)
}
