//! Words of PostgreSQL 18's grammar that are names like any other to an older major (`kwlist.h`): what
//! the catalog has to be asked about where one stands, since a routine, relation or type of that name
//! may be meant.
//!
//! Words that are new and unreserved need nothing: the grammar gives them as the names they were. Those
//! that are new and not may stand for a call (all but `system_user`), for a relation behind FROM
//! (`system_user`), and for a type (`json`); elsewhere 18 refuses what is a name before, and so does who
//! reads a text by its grammar.

use pgauthority_grammar::{Node, field, tag, value};

use super::names::Qualified;
use super::uses::Found;
use crate::sql::{CallKind, How, Name};

/// The word that 18 made this node of, where an older major may call a routine of that name.
fn called(node: Node<'_>) -> Option<&'static str> {
    Some(match node.tag() {
        tag::JsonObjectConstructor => "json_object",
        tag::JsonArrayConstructor | tag::JsonArrayQueryConstructor => "json_array",
        tag::JsonObjectAgg => "json_objectagg",
        tag::JsonArrayAgg => "json_arrayagg",
        // names from 15 to 16
        tag::JsonParseExpr => "json",
        tag::JsonScalarExpr => "json_scalar",
        tag::JsonSerializeExpr => "json_serialize",
        tag::JsonTable => "json_table",
        tag::JsonFuncExpr => match node.value(field::op) {
            value::JSON_EXISTS_OP => "json_exists",
            value::JSON_QUERY_OP => "json_query",
            _ => "json_value",
        },
        tag::MergeSupportFunc => "merge_action",
        _ => return None,
    })
}

/// Whether an item of FROM is the bare word `system_user`, a function of 16 and a relation of 15.
fn is_system_user(item: Node<'_>) -> bool {
    let mut functions =
        item.list(field::functions).filter_map(|function| function.list(field::items).next());
    functions.any(|function| {
        let called = Qualified::of_list(function.list(field::funcname));
        called.is_some_and(|name| name.name == b"system_user")
    })
}

impl Found {
    /// Notes what a node may be to an older major.
    pub(super) fn newer(&mut self, node: Node<'_>) {
        let named = |word: &str| Name { schema: None, name: word.into() };
        if let Some(word) = called(node) {
            // what it takes there is not known: any number
            self.plain(named(word), CallKind::Word, u16::MAX, u16::MAX);
        }
        if node.tag() == tag::RangeFunction && is_system_user(node) {
            self.optional.insert("system_user".into());
            self.used(named("system_user"), How::SELECT);
        }
    }
}

impl Qualified<'_> {
    /// As every major reads it: 18's grammar writes `pg_catalog` before these words by itself, where
    /// an older one looks for the name along `search_path`.
    pub(super) fn in_any_major(self) -> Self {
        match (self.schema, self.name) {
            (Some(b"pg_catalog"), b"json" | b"json_object") => Qualified { schema: None, ..self },
            _ => self,
        }
    }
}
