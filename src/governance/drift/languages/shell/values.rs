//! What words of a shell stand for, and which carry a database's address.

use tree_sitter::Node;

use super::Shell;
use crate::governance::drift::names::{self, DYNAMIC};
use crate::governance::drift::syntax::{self, children, field};

impl<'s> Shell<'s> {
    pub(super) fn text(&self, node: Node<'_>) -> &'s str {
        syntax::text(node, self.script.text)
    }

    pub(super) fn assigned(&mut self, node: Node<'_>) -> bool {
        if node.kind() != "variable_assignment" {
            return false;
        }
        let (Some(name), Some(value)) = (field(node, "name"), field(node, "value")) else {
            return false;
        };
        let name = self.text(name);
        self.carries(value) && self.names.carry(0, name)
    }

    /// Whether a word expands a variable that holds a database's address.
    pub(super) fn carries(&self, node: Node<'_>) -> bool {
        let mut found = false;
        syntax::walk(node, &mut |node| {
            if node.kind() == "variable_name" && self.is_expansion(node) {
                let name = self.text(node);
                found |= names::is_url_name(name) || self.names.carries(&[0], name);
            }
        });
        found
    }

    pub(super) fn is_expansion(&self, node: Node<'_>) -> bool {
        node.parent().is_some_and(|parent| {
            matches!(parent.kind(), "simple_expansion" | "expansion" | "subscript")
        })
    }

    /// A word's text without quotes; expansions are [`DYNAMIC`].
    pub(super) fn word(&self, node: Node<'_>) -> String {
        match node.kind() {
            "raw_string" => self.text(node).trim_matches('\'').to_owned(),
            "ansi_c_string" => {
                self.text(node).trim_start_matches('$').trim_matches('\'').to_owned()
            }
            "string_content" | "word" | "number" | "regex" | "extglob_pattern"
            | "variable_name" => self.text(node).replace('\\', ""),
            "string" | "concatenation" | "command_name" => {
                let parts = children(node);
                if parts.is_empty() {
                    return self.text(node).trim_matches('"').to_owned();
                }
                parts.into_iter().map(|part| self.word(part)).collect()
            }
            _ => DYNAMIC.to_string(),
        }
    }

    pub(super) fn expands(&self, node: Node<'_>) -> bool {
        let mut found = false;
        syntax::walk(node, &mut |node| {
            found |=
                matches!(node.kind(), "simple_expansion" | "expansion" | "command_substitution");
        });
        found
    }
}
