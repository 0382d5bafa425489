//! Trees of the languages that are parsed: one parser a thread and language, a walk without
//! recursion, and places. No tree outlives its file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use super::facts::Place;

/// A language with a grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Python.
    Python,
    /// POSIX shells and bash.
    Shell,
    /// TypeScript, without JSX.
    TypeScript,
    /// TypeScript with JSX, of which JavaScript (and JSON in parentheses) is a part.
    Tsx,
    /// YAML.
    Yaml,
    /// Dockerfile.
    Dockerfile,
}

impl Language {
    fn grammar(self) -> tree_sitter::Language {
        match self {
            Language::Python => tree_sitter_python::LANGUAGE.into(),
            Language::Shell => tree_sitter_bash::LANGUAGE.into(),
            Language::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Language::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Language::Yaml => tree_sitter_yaml::LANGUAGE.into(),
            Language::Dockerfile => tree_sitter_containerfile::LANGUAGE.into(),
        }
    }
}

/// A file that takes longer is pathological; it counts as not parsed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The deepest tree that is looked at: what looks into expressions recurses.
const DEEPEST: usize = 500;

thread_local! {
    static PARSERS: RefCell<HashMap<Language, Parser>> = RefCell::default();
}

/// Parses a text. `None` where the grammar cannot be loaded or gives up, or the tree is
/// deeper than programs written by people; a tree with errors in it is a tree.
pub fn parse(language: Language, text: &str) -> Option<Tree> {
    PARSERS.with_borrow_mut(|parsers| {
        let parser = match parsers.entry(language) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let mut parser = Parser::new();
                parser.set_language(&language.grammar()).ok()?;
                new.insert(parser)
            }
        };
        let until = Instant::now() + PATIENCE;
        let mut progress = |_: &tree_sitter::ParseState| {
            if Instant::now() > until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut progress);
        let bytes = text.as_bytes();
        let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            parser.reset();
        }
        tree.filter(is_shallow)
    })
}

fn is_shallow(tree: &Tree) -> bool {
    let mut cursor = tree.walk();
    let mut depth = 0;
    loop {
        if cursor.goto_first_child() {
            depth += 1;
            if depth > DEEPEST {
                return false;
            }
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return true;
            }
            depth -= 1;
        }
    }
}

/// Visits every node below and including `root`, each before its children.
pub fn walk<'t>(root: Node<'t>, visit: &mut dyn FnMut(Node<'t>)) {
    let mut cursor = root.walk();
    loop {
        visit(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

/// A node's text.
pub fn text<'s>(node: Node<'_>, source: &'s str) -> &'s str {
    source.get(node.byte_range()).unwrap_or_default()
}

/// Where a node starts.
pub fn place(node: Node<'_>) -> Place {
    let point = node.start_position();
    let one_based = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    Place { line: one_based(point.row), column: one_based(point.column) }
}

/// The named children, in order.
pub fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

/// The child of that field.
pub fn field<'t>(node: Node<'t>, name: &str) -> Option<Node<'t>> {
    node.child_by_field_name(name)
}

/// The nearest node above of one of these kinds.
pub fn above<'t>(node: Node<'t>, kinds: &[&str]) -> Option<Node<'t>> {
    let mut at = node.parent();
    while let Some(parent) = at {
        if kinds.contains(&parent.kind()) {
            return Some(parent);
        }
        at = parent.parent();
    }
    None
}
