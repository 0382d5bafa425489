//! Names and options, as the grammar gives them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use pgauthority_grammar::{Node, field, tag};

use crate::sql::Name;

/// A name for comparing: different bytes give different names.
///
/// Names in UTF-8 stand for themselves. Other bytes are mapped one to one behind a NUL, which no
/// name of PostgreSQL's can hold.
pub(super) fn name(bytes: &[u8]) -> Box<str> {
    match std::str::from_utf8(bytes) {
        Ok(name) => name.into(),
        Err(_) => std::iter::once('\0').chain(bytes.iter().map(|b| char::from(*b))).collect(),
    }
}

/// A name for people.
pub(super) fn shown(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The string of a String node.
pub(super) fn string<'t>(node: Node<'t>) -> Option<&'t [u8]> {
    (node.tag() == tag::String).then(|| node.bytes(field::sval).unwrap_or_default())
}

/// A name of one to three parts: the last two of them.
#[derive(Clone, Copy)]
pub(super) struct Qualified<'t> {
    pub schema: Option<&'t [u8]>,
    pub name: &'t [u8],
    /// Three parts: `database.schema.name`.
    pub catalog: bool,
}

impl<'t> Qualified<'t> {
    /// Of a list of String nodes.
    pub(super) fn of_list(parts: impl Iterator<Item = Node<'t>>) -> Option<Qualified<'t>> {
        let mut found = Qualified { schema: None, name: &[], catalog: false };
        for (index, part) in parts.enumerate() {
            found.catalog = found.schema.is_some();
            found.schema = (index > 0).then_some(found.name);
            found.name = string(part)?;
        }
        (!found.name.is_empty()).then_some(found)
    }

    /// Of a RangeVar node.
    pub(super) fn of_relation(node: Node<'t>) -> Qualified<'t> {
        Qualified {
            schema: node.bytes(field::schemaname),
            name: node.bytes(field::relname).unwrap_or_default(),
            catalog: node.has(field::catalogname),
        }
    }

    /// In `pg_temp`, by its own word.
    pub(super) fn in_pg_temp(self) -> bool {
        self.schema == Some(b"pg_temp") && !self.catalog
    }

    pub(super) fn shown(self) -> String {
        match self.schema {
            Some(schema) => format!("{}.{}", shown(schema), shown(self.name)),
            None => shown(self.name).into_owned(),
        }
    }
}

/// A constant's text: of a string, a number or a boolean. `None` for NULL and anything else.
pub(super) fn constant(node: Node<'_>) -> Option<Cow<'_, str>> {
    let value = match node.tag() {
        tag::A_Const => node.node(field::val)?,
        _ => node,
    };
    match value.tag() {
        tag::String => Some(shown(value.bytes(field::sval).unwrap_or_default())),
        tag::Integer => Some(value.int(field::ival).to_string().into()),
        tag::Float => Some(shown(value.bytes(field::fval)?)),
        tag::Boolean => Some(if value.flag(field::boolval) { "true" } else { "false" }.into()),
        _ => None,
    }
}

/// Whether an option of a parenthesised list is on, by PostgreSQL's `defGetBoolean`; the last one
/// wins. What it would refuse counts as on.
pub(super) fn option_is_on<'t>(options: impl Iterator<Item = Node<'t>>, wanted: &[u8]) -> bool {
    options
        .filter(|option| {
            option.bytes(field::defname).is_some_and(|name| name.eq_ignore_ascii_case(wanted))
        })
        .last()
        .is_some_and(|option| {
            let off = option.node(field::arg).and_then(constant).is_some_and(|value| {
                ["false", "off", "0"].iter().any(|word| value.eq_ignore_ascii_case(word))
            });
            !off
        })
}

/// What PostgreSQL's `parse_bool` makes of a text.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    let text = text.trim_ascii().to_ascii_lowercase();
    if text.is_empty() {
        return None;
    }
    for (word, value, least) in [
        ("true", true, 1),
        ("false", false, 1),
        ("yes", true, 1),
        ("no", false, 1),
        ("on", true, 2),
        ("off", false, 2),
        ("1", true, 1),
        ("0", false, 1),
    ] {
        if word.starts_with(&text) && text.len() >= least {
            return Some(value);
        }
    }
    None
}

/// Names, those without a schema apart so that a known one costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Names {
    bare: BTreeSet<Box<str>>,
    qualified: BTreeSet<Name>,
}

impl Names {
    pub(super) fn add(&mut self, found: Qualified<'_>) {
        match (found.schema, std::str::from_utf8(found.name)) {
            (Some(_), _) => drop(self.qualified.insert(owned(found))),
            (None, Ok(known)) if self.bare.contains(known) => {}
            (None, _) => drop(self.bare.insert(name(found.name))),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bare.len() + self.qualified.len()
    }

    pub(super) fn into_list(self) -> Box<[Name]> {
        let bare = self.bare.into_iter().map(|name| Name { schema: None, name });
        bare.chain(self.qualified).collect()
    }
}

/// A name as it is kept.
pub(super) fn owned(found: Qualified<'_>) -> Name {
    Name { schema: found.schema.map(name), name: name(found.name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_run_together() {
        assert_eq!(&*name("é".as_bytes()), "é");
        assert_ne!(name(b"\xff"), name(b"\xfe"));
        assert_ne!(name(b"\xe9"), name("é".as_bytes()));
    }

    #[test]
    fn booleans_as_postgresql_reads_them() {
        for (text, value) in [
            ("t", Some(true)),
            ("FALS", Some(false)),
            (" on ", Some(true)),
            ("o", None),
            ("of", Some(false)),
            ("1", Some(true)),
            ("2", None),
            ("", None),
            ("truer", None),
        ] {
            assert_eq!(parse_bool(text), value, "{text}");
        }
    }
}
