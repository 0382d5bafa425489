//! YAML into [`Node`]s: anchors, aliases and merge keys resolved, comments read.

use std::collections::HashMap;

use tree_sitter::Node as Syntax;

use super::node::{Kind, Node};
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Facts, Place};
use crate::governance::drift::syntax::{self, Language, children, field, place};

/// The most values that one file may come to: aliases of aliases grow without bound.
const MOST_NODES: usize = 200_000;

/// Reads every document of a file. `None` where it cannot be parsed.
pub fn read(text: &str, facts: &mut Facts) -> Option<Vec<Node>> {
    let tree = syntax::parse(Language::Yaml, text)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = Reader { text, anchors: HashMap::new(), budget: MOST_NODES };
    let mut documents = Vec::new();
    syntax::walk(tree.root_node(), &mut |node| {
        if node.kind() == "comment" {
            allow::comment(syntax::text(node, text), place(node), &lines, facts);
        }
    });
    for document in children(tree.root_node()) {
        if document.kind() == "document" {
            let value = children(document)
                .into_iter()
                .find(|child| matches!(child.kind(), "block_node" | "flow_node"));
            documents.extend(value.map(|value| reader.value(value, 0)));
        }
    }
    Some(documents)
}

struct Reader<'s> {
    text: &'s str,
    anchors: HashMap<String, Node>,
    budget: usize,
}

impl<'s> Reader<'s> {
    fn text(&self, node: Syntax<'_>) -> &'s str {
        syntax::text(node, self.text)
    }

    fn value(&mut self, node: Syntax<'_>, depth: usize) -> Node {
        if depth > 100 || self.budget == 0 {
            return Node::null(place(node));
        }
        self.budget -= 1;
        let mut anchor = None;
        let mut value = Node::null(place(node));
        for child in children(node) {
            match child.kind() {
                "anchor" => anchor = Some(self.text(child).trim_start_matches('&').to_owned()),
                "alias" => {
                    let name = self.text(child).trim_start_matches('*');
                    value = self.aliased(name, place(child));
                }
                "block_mapping" | "flow_mapping" => value = self.mapping(child, depth),
                "block_sequence" | "flow_sequence" => value = self.sequence(child, depth),
                "block_scalar" => value = self.block_scalar(child),
                "plain_scalar" | "double_quote_scalar" | "single_quote_scalar" => {
                    value = self.scalar(child);
                }
                _ => {}
            }
        }
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, value.clone());
        }
        value
    }

    fn aliased(&mut self, name: &str, place: Place) -> Node {
        let Some(node) = self.anchors.get(name) else { return Node::null(place) };
        let size = size(node);
        if size > self.budget {
            return Node::null(place);
        }
        self.budget -= size;
        node.clone()
    }

    fn mapping(&mut self, node: Syntax<'_>, depth: usize) -> Node {
        let mut pairs: Vec<(String, Node)> = Vec::new();
        let mut merged: Vec<(String, Node)> = Vec::new();
        for pair in children(node) {
            let Some(key) = field(pair, "key") else { continue };
            let key_text = self.value(key, depth + 1).text().unwrap_or_default().to_owned();
            let value = match field(pair, "value") {
                Some(value) => self.value(value, depth + 1),
                None => Node::null(place(pair)),
            };
            if key_text == "<<" {
                match value.kind {
                    Kind::Map(inner) => merged.extend(inner),
                    Kind::Seq(items) => {
                        for item in items {
                            if let Kind::Map(inner) = item.kind {
                                merged.extend(inner);
                            }
                        }
                    }
                    _ => {}
                }
            } else {
                pairs.push((key_text, Node { place: place(key), ..value }));
            }
        }
        merged.retain(|(key, _)| !pairs.iter().any(|(own, _)| own == key));
        merged.extend(pairs);
        Node { kind: Kind::Map(merged), place: place(node) }
    }

    fn sequence(&mut self, node: Syntax<'_>, depth: usize) -> Node {
        let mut items = Vec::new();
        for item in children(node) {
            match item.kind() {
                "block_sequence_item" => {
                    let value = children(item)
                        .into_iter()
                        .find(|child| matches!(child.kind(), "block_node" | "flow_node"));
                    items.push(match value {
                        Some(value) => self.value(value, depth + 1),
                        None => Node::null(place(item)),
                    });
                }
                "flow_node" => items.push(self.value(item, depth + 1)),
                _ => {}
            }
        }
        Node { kind: Kind::Seq(items), place: place(node) }
    }

    fn scalar(&self, node: Syntax<'_>) -> Node {
        let raw = self.text(node);
        let text = match node.kind() {
            "single_quote_scalar" => raw.trim_matches('\'').replace("''", "'"),
            "double_quote_scalar" => unescaped(raw),
            _ => raw.to_owned(),
        };
        let null = node.kind() == "plain_scalar" && matches!(raw, "null" | "~" | "");
        let kind = if null { Kind::Null } else { Kind::Text { text, body: place(node) } };
        Node { kind, place: place(node) }
    }

    /// `|` and `>`: the lines below, without their indentation.
    fn block_scalar(&self, node: Syntax<'_>) -> Node {
        let raw = self.text(node);
        let start = place(node);
        let Some((_, body)) = raw.split_once('\n') else { return Node::null(start) };
        let filled = |line: &&str| !line.trim().is_empty();
        let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let depth = body.lines().filter(filled).map(indent).min().unwrap_or(0);
        let lines: Vec<&str> = body.lines().map(|line| line.get(depth..).unwrap_or("")).collect();
        let column = u32::try_from(depth).unwrap_or(0) + 1;
        let body = Place { line: start.line + 1, column };
        Node { kind: Kind::Text { text: lines.join("\n"), body }, place: start }
    }
}

fn unescaped(raw: &str) -> String {
    let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Map(pairs) => 1 + pairs.iter().map(|(_, value)| size(value)).sum::<usize>(),
        Kind::Seq(items) => 1 + items.iter().map(size).sum::<usize>(),
        _ => 1,
    }
}
