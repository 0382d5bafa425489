//! JSON into [`Node`]s. serde_json says whether it is JSON; places, and the comments and trailing
//! commas that editors allow in it, come from JavaScript's grammar, of which it is a part.

use tree_sitter::Node as Syntax;

use super::node::{Kind, Node};
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Facts, Place};
use crate::governance::drift::syntax::{self, Language, children, field};

/// Reads a file. `None` where it is no JSON, not even with comments.
pub fn read(text: &str, facts: &mut Facts) -> Option<Node> {
    let strict = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let wrapped = format!("({text}\n)");
    let tree = syntax::parse(Language::Tsx, &wrapped)?;
    if !strict && tree.root_node().has_error() {
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    let reader = Reader { text: &wrapped };
    let mut value = None;
    syntax::walk(tree.root_node(), &mut |node| match node.kind() {
        "comment" => {
            let comment = syntax::text(node, &wrapped);
            allow::comment(comment, place(node), &lines, facts);
        }
        "parenthesized_expression" if value.is_none() => {
            value = children(node).into_iter().find(|child| child.kind() != "comment");
        }
        _ => {}
    });
    value.map(|value| reader.value(value, 0))
}

/// The place without the parenthesis that was put before the text.
fn place(node: Syntax<'_>) -> Place {
    let Place { line, column } = syntax::place(node);
    Place { line, column: if line == 1 { column.saturating_sub(1).max(1) } else { column } }
}

struct Reader<'s> {
    text: &'s str,
}

impl Reader<'_> {
    fn value(&self, node: Syntax<'_>, depth: usize) -> Node {
        let at = place(node);
        if depth > 100 {
            return Node::null(at);
        }
        let kind = match node.kind() {
            "object" => Kind::Map(
                children(node)
                    .into_iter()
                    .filter(|child| child.kind() == "pair")
                    .filter_map(|pair| {
                        let key = self.string(field(pair, "key")?);
                        let value = self.value(field(pair, "value")?, depth + 1);
                        Some((key, Node { place: place(pair), ..value }))
                    })
                    .collect(),
            ),
            "array" => Kind::Seq(
                children(node)
                    .into_iter()
                    .filter(|child| child.kind() != "comment")
                    .map(|child| self.value(child, depth + 1))
                    .collect(),
            ),
            "null" => Kind::Null,
            _ => Kind::Text { text: self.string(node), body: at },
        };
        Node { kind, place: at }
    }

    fn string(&self, node: Syntax<'_>) -> String {
        let raw = syntax::text(node, self.text);
        match serde_json::from_str::<String>(raw) {
            Ok(text) => text,
            Err(_) => raw.trim_matches(['"', '\'']).to_owned(),
        }
    }
}
