//! What types are to each other, as far as it tells which routine a call means: the rules of
//! `parse_coerce.c` over the rows of `pg_type` and `pg_cast`.

use std::collections::HashSet;

use super::definition::RECORD;
use super::model::Map;
use super::path::Path;
use super::tree::FIRST_NORMAL;
use crate::sql::{Name, UNKNOWN};

/// anyarray, anycompatiblearray.
const ANY_ARRAY: [u32; 2] = [2277, 5078];
/// Domains over domains, and arrays of arrays of domains, end before.
const DEEPEST: usize = 32;

/// One type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    /// `typtype`.
    pub kind: u8,
    /// It has the rows of a relation.
    pub row: bool,
    /// What subscripts give, 0 if nothing; it need not be an array.
    pub element: u32,
    /// What a domain is over.
    pub base: u32,
    /// The array of it.
    pub array: u32,
}

/// All types, PostgreSQL's own too.
#[derive(Debug, Default)]
pub(super) struct Types {
    facts: Map<u32, Fact>,
    /// By name: the schema, and the type in it.
    names: Map<Box<str>, Vec<(Box<str>, u32)>>,
    /// Casts that are made unwritten in any expression: from, to.
    implicit: HashSet<(u32, u32), ahash::RandomState>,
    /// Others by text or by relabelling.
    written: HashSet<(u32, u32), ahash::RandomState>,
}

impl Types {
    pub(super) fn add(&mut self, oid: u32, schema: Box<str>, name: Box<str>, fact: Fact) {
        self.facts.insert(oid, fact);
        self.names.entry(name).or_default().push((schema, oid));
    }

    /// A cast: one that is not written, or one that needs no function.
    pub(super) fn add_cast(&mut self, from: u32, to: u32, implicit: bool) {
        let casts = if implicit { &mut self.implicit } else { &mut self.written };
        casts.insert((from, to));
    }

    /// The one type that a name can mean, or the array of it; `None` where it is not certain.
    /// `temporary`: the session may have types of its own, which come before all others.
    pub(super) fn named(
        &self,
        name: &Name,
        array: bool,
        path: &Path,
        temporary: bool,
    ) -> Option<u32> {
        let is_temporary = |schema: &str| schema.starts_with("pg_temp");
        let written = name.schema.as_deref();
        if written.map_or(temporary, is_temporary) {
            return None;
        }
        // one whose schema is newer than the list of schemas might be any
        let visible = |schema: &str| match written {
            Some(written) => written == schema || schema.is_empty(),
            None => path.has(schema) || is_temporary(schema) || schema.is_empty(),
        };
        let mut found = self.names.get(&name.name)?.iter().filter(|(schema, _)| visible(schema));
        let (schema, oid) = found.next()?;
        if found.next().is_some() || is_temporary(schema) || schema.is_empty() {
            return None;
        }
        match array {
            false => Some(*oid),
            true => self.facts.get(oid).map(|fact| fact.array).filter(|array| *array != 0),
        }
    }

    /// All types of PostgreSQL's own that a name may mean.
    pub(super) fn own(&self, name: &Name) -> impl Iterator<Item = u32> {
        let found = self.names.get(&name.name).into_iter().flatten();
        let schema = name.schema.as_deref();
        let own = move |(in_schema, oid): &&(Box<str>, u32)| {
            *oid < FIRST_NORMAL && schema.is_none_or(|schema| *schema == **in_schema)
        };
        found.filter(own).map(|(_, oid)| *oid)
    }

    /// The array of a type; 0 if there is none.
    pub(super) fn array_of(&self, oid: u32) -> u32 {
        self.facts.get(&oid).map_or(0, |fact| fact.array)
    }

    /// The type itself and all that a cast to it may cast to: what a domain is over, what an array
    /// holds. `None`: columns of rows, too.
    pub(super) fn parts(&self, oid: u32) -> Option<Vec<u32>> {
        let (mut found, mut next) = (Vec::new(), oid);
        while next != 0 && found.len() < DEEPEST {
            found.push(next);
            let fact = self.facts.get(&next)?;
            if fact.row {
                return None;
            }
            next = if fact.kind == b'd' { fact.base } else { fact.element };
        }
        (next == 0).then_some(found)
    }

    /// Whether some row, or a `record`, becomes a value of a type by a cast that is not written, or
    /// by one that is `written` and needs no function.
    pub(super) fn takes_rows(&self, to: u32, written: bool) -> bool {
        let Some((target, _)) = self.base(to) else { return true };
        let is_row = |oid| oid == RECORD || self.base(oid).is_none_or(|(_, fact)| fact.row);
        let others = self.written.iter().filter(|_| written);
        self.implicit.iter().chain(others).any(|(from, to)| *to == target && is_row(*from))
    }

    /// Whether a value of type `from` may be given for an argument of type `to`: false only where
    /// PostgreSQL is certain to refuse (`can_coerce_type`, implicitly).
    pub(super) fn may_become(&self, from: u32, to: u32) -> bool {
        if from == to || from == UNKNOWN {
            return true;
        }
        let (Some((source, from_fact)), Some((target, to_fact))) = (self.base(from), self.base(to))
        else {
            return true;
        };
        if from_fact.kind == b'p' {
            return true;
        }
        if to_fact.kind == b'p' {
            // of the polymorphic ones, and their like, only arrays are told apart
            return !ANY_ARRAY.contains(&target) || from_fact.element != 0;
        }
        // rows of children are rows of their parents
        (from_fact.row && to_fact.row) || self.is_cast(source, target, DEEPEST)
    }

    /// `find_coercion_pathway`, implicitly, between types that are no domains.
    fn is_cast(&self, from: u32, to: u32, depth: usize) -> bool {
        if from == to || self.implicit.contains(&(from, to)) || depth == 0 {
            return true;
        }
        let element = |oid: u32| self.facts.get(&oid).map_or(0, |fact| fact.element);
        match (element(from), element(to)) {
            (0, _) | (_, 0) => false,
            (from, to) => match (self.base(from), self.base(to)) {
                (Some((from, _)), Some((to, _))) => self.is_cast(from, to, depth - 1),
                _ => true,
            },
        }
    }

    /// The type itself, or what a domain is over in the end.
    fn base(&self, oid: u32) -> Option<(u32, Fact)> {
        let mut oid = oid;
        for _ in 0..DEEPEST {
            let fact = *self.facts.get(&oid)?;
            match fact.kind {
                b'd' => oid = fact.base,
                _ => return Some((oid, fact)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let mut types = Types::default();
        let plain = Fact { kind: b'b', row: false, element: 0, base: 0, array: 0 };
        for (oid, schema, name, fact) in [
            (23, "pg_catalog", "int4", Fact { array: 1007, ..plain }),
            (1007, "pg_catalog", "_int4", Fact { element: 23, ..plain }),
            (20, "pg_catalog", "int8", Fact { array: 1016, ..plain }),
            (1016, "pg_catalog", "_int8", Fact { element: 20, ..plain }),
            (25, "pg_catalog", "text", plain),
            (2249, "pg_catalog", "record", Fact { kind: b'p', ..plain }),
            (2277, "pg_catalog", "anyarray", Fact { kind: b'p', ..plain }),
            (2283, "pg_catalog", "anyelement", Fact { kind: b'p', ..plain }),
            (20_000, "public", "of_int", Fact { kind: b'd', base: 23, ..plain }),
            (20_001, "public", "of_of_int", Fact { kind: b'd', base: 20_000, ..plain }),
            (20_002, "public", "t", Fact { kind: b'c', row: true, ..plain }),
            (20_003, "public", "u", Fact { kind: b'c', row: true, ..plain }),
            (20_004, "other", "text", plain),
            (20_005, "pg_temp_3", "int8", plain),
            (20_006, "", "fresh", plain),
            (20_007, "public", "loop", Fact { kind: b'd', base: 20_007, ..plain }),
        ] {
            types.add(oid, schema.into(), name.into(), fact);
        }
        types.add_cast(23, 20, true);
        types
    }

    #[test]
    fn what_cannot_be_given_is_certain() {
        let types = types();
        for (from, to, may) in [
            (23, 20, true),
            (20, 23, false),
            (23, 25, false),
            (UNKNOWN, 25, true),
            (20_001, 20, true),
            (20_001, 25, false),
            (23, 20_001, true),
            (25, 20_001, false),
            (1007, 1016, true),
            (1016, 1007, false),
            (1007, 20, false),
            (23, 2283, true),
            (23, 2277, false),
            (1007, 2277, true),
            (2249, 20_002, true),
            (20_002, 2249, true),
            (20_002, 20_003, true),
            (20_002, 23, false),
            // what is not known, or never ends
            (23, 99_999, true),
            (99_999, 23, true),
            (20_007, 23, true),
        ] {
            assert_eq!(types.may_become(from, to), may, "{from} to {to}");
        }
    }

    #[test]
    fn a_name_means_one_type_or_nothing_certain() {
        let types = types();
        let public = Path::of_setting("public", None);
        let named = |schema: Option<&str>, name: &str, path: &Path, temporary| {
            let name = Name { schema: schema.map(Into::into), name: name.into() };
            types.named(&name, false, path, temporary)
        };
        assert_eq!(named(None, "text", &public, false), Some(25));
        assert_eq!(named(None, "text", &public, true), None);
        assert_eq!(named(None, "text", &Path::Unknown, false), None);
        assert_eq!(named(None, "text", &Path::of_setting("other", None), false), None);
        assert_eq!(named(Some("pg_catalog"), "text", &Path::Unknown, true), Some(25));
        assert_eq!(named(Some("other"), "text", &Path::Unknown, true), Some(20_004));
        assert_eq!(named(Some("pg_temp"), "int8", &public, false), None);
        assert_eq!(named(Some("pg_temp_3"), "int8", &public, false), None);
        assert_eq!(named(None, "int8", &public, false), None);
        assert_eq!(named(None, "fresh", &public, false), None);
        assert_eq!(named(None, "nothing", &public, false), None);
        let int4 = Name { schema: Some("pg_catalog".into()), name: "int4".into() };
        assert_eq!(types.named(&int4, true, &public, true), Some(1007));
        let text = Name { schema: Some("pg_catalog".into()), name: "text".into() };
        assert_eq!(types.named(&text, true, &public, true), None);
    }
}
