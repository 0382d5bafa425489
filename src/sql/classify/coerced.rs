//! What may become a value of a type that a text names nowhere: that of a column beside it.

use std::collections::BTreeSet;

use pgauthority_grammar::{Node, field, tag, value};

use super::names::{name, string};
use super::telling::COMPOSING;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Coerced {
    /// There is a literal whose place says what it is, or a parameter.
    pub(super) literals: bool,
    /// See [`Uses::composes`](crate::sql::Uses::composes).
    composes: bool,
    /// Columns of the result that are `*` and have not come by their own turn.
    stars: usize,
    /// Names that stand alone, and what rows are called.
    bare: BTreeSet<Box<str>>,
    rows: BTreeSet<Box<str>>,
}

/// `*`, `t.*`.
fn is_star(node: Node<'_>) -> bool {
    node.tag() == tag::ColumnRef && node.list(field::fields).any(|part| part.tag() == tag::A_Star)
}

fn add(names: &mut BTreeSet<Box<str>>, found: &[u8]) {
    if !std::str::from_utf8(found).is_ok_and(|known| names.contains(known)) {
        names.insert(name(found));
    }
}

impl Coerced {
    /// Looks at one node by itself.
    pub(super) fn node(&mut self, node: Node<'_>) {
        match node.tag() {
            tag::A_Const => {
                let value = node.node(field::val);
                self.literals |= value.is_none_or(|value| value.tag() == tag::String);
            }
            tag::ParamRef => self.literals = true,
            tag::A_ArrayExpr => self.composes = true,
            tag::SubLink => {
                self.composes |= node.value(field::subLinkType) == value::ARRAY_SUBLINK;
            }
            // t.* as a column of the result is no row
            tag::ResTarget if node.node(field::val).is_some_and(is_star) => self.stars += 1,
            tag::ColumnRef if is_star(node) => match self.stars {
                0 => self.composes = true,
                _ => self.stars -= 1,
            },
            tag::ColumnRef => {
                let mut parts = node.list(field::fields).filter_map(string);
                if let (Some(only), None) = (parts.next(), parts.next()) {
                    add(&mut self.bare, only);
                }
            }
            tag::Alias => {
                if let Some(alias) = node.bytes(field::aliasname) {
                    add(&mut self.rows, alias);
                }
            }
            _ => {}
        }
    }

    /// A call of what may be a built-in.
    pub(super) fn call(&mut self, name: &[u8]) {
        self.composes |= COMPOSING.contains(&name);
    }

    /// Whether it makes arrays, takes rows as a whole or brings arguments to one type.
    pub(super) fn composes(&self, is_relation: impl Fn(&str) -> bool) -> bool {
        let mut bare = self.bare.iter();
        let mut whole_row = || bare.any(|name| self.rows.contains(name) || is_relation(name));
        self.composes || self.literals && whole_row()
    }
}
