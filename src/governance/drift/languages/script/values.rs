//! What JavaScript expressions stand for: literals, what the environment gives, and which carry a
//! database's address.

use tree_sitter::Node;

use super::{Script, scopes};
use crate::governance::drift::names::{self, DYNAMIC};
use crate::governance::drift::syntax::{self, children, field};

const PARTS: &[&str] =
    &["hostname", "host", "origin", "href", "url", "hosts", "database", "hostNames"];

const READERS: &[&str] = &["URL", "String", "parse", "parseUrl", "parseURL", "ConnectionString"];

const METHODS: &[&str] = &[
    "toLowerCase",
    "toUpperCase",
    "trim",
    "split",
    "replace",
    "toString",
    "slice",
    "substring",
    "at",
];

impl<'s> Script<'s> {
    pub(super) fn text(&self, node: Node<'_>) -> &'s str {
        syntax::text(node, self.text)
    }

    pub(super) fn assigned(&mut self, node: Node<'_>) -> bool {
        let (left, right) = match node.kind() {
            "variable_declarator" => (field(node, "name"), field(node, "value")),
            "assignment_expression" => (field(node, "left"), field(node, "right")),
            "formal_parameters" => return self.parameters(node),
            "arrow_function" => {
                // x => …, without parentheses
                if let Some(name) = field(node, "parameter") {
                    self.names.bind(node.id(), self.text(name));
                }
                return false;
            }
            _ => return false,
        };
        let (Some(left), Some(right)) = (left, right) else { return false };
        let scope = scopes(node).first().copied().unwrap_or(0);
        match left.kind() {
            "identifier" => {
                let name = self.text(left);
                let literal =
                    matches!(right.kind(), "string" | "array" | "regex" | "template_string");
                if literal && self.names.words(name).is_empty() {
                    let words = self.literals(right);
                    self.names.constant(name, words);
                }
                if node.kind() == "variable_declarator" {
                    self.names.bind(scope, name);
                }
                self.carries(right) && self.names.carry(scope, name)
            }
            // const { hostname } = new URL(databaseUrl)
            "object_pattern" if self.carries(right) => {
                let mut news = false;
                for child in children(left) {
                    let name = self.text(child);
                    let part = child.kind() == "shorthand_property_identifier_pattern";
                    news |= part && PARTS.contains(&name) && self.names.carry(scope, name);
                }
                news
            }
            _ => false,
        }
    }

    /// A function's parameters hide what is outside.
    pub(super) fn parameters(&mut self, node: Node<'_>) -> bool {
        let Some(function) = node.parent() else { return false };
        for parameter in children(node) {
            let pattern = field(parameter, "pattern").unwrap_or(parameter);
            let names = match pattern.kind() {
                "object_pattern" | "array_pattern" => children(pattern),
                _ => vec![pattern],
            };
            for name in names {
                self.names.bind(function.id(), self.text(name));
            }
        }
        false
    }

    /// Whether an expression carries a database's address.
    pub(super) fn carries(&self, node: Node<'_>) -> bool {
        match node.kind() {
            "identifier" => {
                let name = self.text(node);
                names::is_url_name(name) || self.names.carries(&scopes(node), name)
            }
            "member_expression" => {
                let (Some(object), Some(name)) = (field(node, "object"), field(node, "property"))
                else {
                    return false;
                };
                let name = self.text(name);
                names::is_url_name(name) || PARTS.contains(&name) && self.carries(object)
            }
            "subscript_expression" => {
                self.environment_read(node).is_some_and(|name| names::is_url_variable(&name))
                    || field(node, "object").is_some_and(|object| self.carries(object))
            }
            "call_expression" => {
                self.environment_read(node).is_some_and(|name| names::is_url_variable(&name))
                    || self.call_carries(node, "function")
            }
            "new_expression" => self.call_carries(node, "constructor"),
            "binary_expression" => {
                let operator = field(node, "operator").map(|operator| operator.kind());
                matches!(operator, Some("||" | "??" | "+" | "&&"))
                    && children(node).into_iter().any(|child| self.carries(child))
            }
            "parenthesized_expression"
            | "ternary_expression"
            | "await_expression"
            | "as_expression"
            | "non_null_expression"
            | "template_string"
            | "template_substitution"
            | "satisfies_expression" => children(node).into_iter().any(|child| self.carries(child)),
            _ => false,
        }
    }

    pub(super) fn call_carries(&self, node: Node<'_>, callee: &str) -> bool {
        let Some(function) = field(node, callee) else { return false };
        let arguments = field(node, "arguments").map(children).unwrap_or_default();
        let of_arguments = || arguments.iter().any(|argument| self.carries(*argument));
        match function.kind() {
            "member_expression" => {
                let name = field(function, "property").map(|name| self.text(name));
                let name = name.unwrap_or_default();
                let object = field(function, "object");
                METHODS.contains(&name) && object.is_some_and(|object| self.carries(object))
                    || READERS.contains(&name) && of_arguments()
            }
            "identifier" => READERS.contains(&self.text(function)) && of_arguments(),
            _ => false,
        }
    }

    /// `process.env.X`, `process.env["X"]`, `import.meta.env.X`, `Deno.env.get("X")`, `env("X")`.
    pub(super) fn environment_read(&self, node: Node<'_>) -> Option<String> {
        let environment = |node: Node<'_>| {
            let text = self.text(node);
            matches!(text, "process.env" | "import.meta.env" | "Bun.env" | "env" | "Deno.env")
        };
        match node.kind() {
            "member_expression" => {
                let name =
                    environment(field(node, "object")?).then(|| field(node, "property"))??;
                Some(self.text(name).to_owned())
            }
            "subscript_expression" => {
                let index = environment(field(node, "object")?).then(|| field(node, "index"))??;
                self.plain(index)
            }
            "call_expression" => {
                let function = self.text(field(node, "function")?);
                let reads =
                    matches!(function, "Deno.env.get" | "env" | "configService.get" | "config.get")
                        || function.ends_with(".env.get");
                let arguments = children(field(node, "arguments")?);
                reads.then(|| self.plain(arguments.first().copied()?)).flatten()
            }
            "non_null_expression" | "parenthesized_expression" | "as_expression" => {
                self.environment_read(children(node).first().copied()?)
            }
            _ => None,
        }
    }

    pub(super) fn string(&self, node: Node<'_>) -> Option<String> {
        match node.kind() {
            "string" | "template_string" => {
                let mut text = String::new();
                for child in children(node) {
                    match child.kind() {
                        "string_fragment" | "escape_sequence" => text.push_str(self.text(child)),
                        "template_substitution" => text.push(DYNAMIC),
                        _ => {}
                    }
                }
                Some(text)
            }
            "regex" => field(node, "pattern").map(|pattern| self.text(pattern).to_owned()),
            "parenthesized_expression" | "as_expression" => {
                self.string(children(node).first().copied()?)
            }
            "binary_expression" => {
                let operator = field(node, "operator").map(|operator| operator.kind());
                if operator != Some("+") {
                    return None;
                }
                let side = |name| {
                    let node = field(node, name)?;
                    Some(self.string(node).unwrap_or_else(|| DYNAMIC.to_string()))
                };
                Some(side("left")? + &side("right")?)
                    .filter(|text| text.chars().any(|c| c != DYNAMIC))
            }
            _ => None,
        }
    }

    pub(super) fn plain(&self, node: Node<'_>) -> Option<String> {
        self.string(node).filter(|text| !text.contains(DYNAMIC))
    }

    pub(super) fn literals(&self, node: Node<'_>) -> Vec<String> {
        match node.kind() {
            "array" | "parenthesized_expression" | "as_expression" => {
                children(node).into_iter().filter_map(|child| self.plain(child)).collect()
            }
            "identifier" => self.names.words(self.text(node)).to_vec(),
            _ => self.plain(node).into_iter().collect(),
        }
    }
}
