//! What Python expressions stand for: literals, what the environment gives, and which carry a
//! database's address.

use tree_sitter::Node;

use super::{Python, scopes};
use crate::governance::drift::names::{self, DYNAMIC};
use crate::governance::drift::syntax::{self, children, field};

/// Parts of a parsed URL that are still about where it leads.
const PARTS: &[&str] = &["hostname", "host", "netloc", "url", "hosts", "database", "hostinfo"];

/// Functions whose result carries what their argument carries.
const READERS: &[&str] = &[
    "str",
    "urlparse",
    "urlsplit",
    "make_url",
    "URL",
    "url_parse",
    "parse_dsn",
    "unquote",
    "parse",
    "from_url",
    "conninfo_to_dict",
];

/// Methods whose result carries what their object carries.
const METHODS: &[&str] = &[
    "lower",
    "strip",
    "casefold",
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "replace",
    "geturl",
    "render_as_string",
    "get",
    "upper",
    "removeprefix",
    "removesuffix",
    "host",
    "hosts",
    "get_secret_value",
    "unicode_string",
];

impl<'s> Python<'s> {
    pub(super) fn text(&self, node: Node<'_>) -> &'s str {
        syntax::text(node, self.text)
    }

    /// What an assignment gives a name. Whether that is news.
    pub(super) fn assigned(&mut self, node: Node<'_>) -> bool {
        let (left, right) = match node.kind() {
            "assignment" => (field(node, "left"), field(node, "right")),
            "named_expression" => (field(node, "name"), field(node, "value")),
            "parameters" | "lambda_parameters" => return self.parameters(node),
            _ => return false,
        };
        let (Some(left), Some(right)) = (left, right) else { return false };
        if left.kind() != "identifier" {
            return false;
        }
        let name = self.text(left);
        if self.names.words(name).is_empty() {
            let words = self.literals(right);
            if !words.is_empty() && matches!(right.kind(), "string" | "tuple" | "list" | "set") {
                self.names.constant(name, words);
            }
        }
        let scope = scopes(node).first().copied().unwrap_or(0);
        self.names.bind(scope, name);
        self.carries(right) && self.names.carry(scope, name)
    }

    /// A function's parameters hide what is outside; a default may carry an address.
    pub(super) fn parameters(&mut self, node: Node<'_>) -> bool {
        let Some(function) = node.parent() else { return false };
        let mut news = false;
        for parameter in children(node) {
            let name = match parameter.kind() {
                "identifier" => Some(parameter),
                "default_parameter" | "typed_default_parameter" => field(parameter, "name"),
                _ => children(parameter).into_iter().find(|child| child.kind() == "identifier"),
            };
            let Some(name) = name.map(|name| self.text(name)) else { continue };
            self.names.bind(function.id(), name);
            let default = field(parameter, "value").is_some_and(|value| self.carries(value));
            news |= default && self.names.carry(function.id(), name);
        }
        news
    }

    /// Whether an expression carries a database's address.
    pub(super) fn carries(&self, node: Node<'_>) -> bool {
        match node.kind() {
            "identifier" => {
                let name = self.text(node);
                names::is_url_name(name) || self.names.carries(&scopes(node), name)
            }
            "attribute" => {
                let (Some(object), Some(name)) = (field(node, "object"), field(node, "attribute"))
                else {
                    return false;
                };
                let name = self.text(name);
                names::is_url_name(name) || PARTS.contains(&name) && self.carries(object)
            }
            "call" => self.reads_url(node) || self.call_carries(node),
            "subscript" => {
                self.reads_url(node)
                    || field(node, "value").is_some_and(|value| self.carries(value))
                    || field(node, "subscript")
                        .and_then(|key| self.plain(key))
                        .is_some_and(|key| names::is_url_variable(&key))
            }
            "boolean_operator"
            | "conditional_expression"
            | "parenthesized_expression"
            | "interpolation"
            | "string"
            | "concatenated_string"
            | "binary_operator"
            | "await" => children(node).into_iter().any(|child| self.carries(child)),
            _ => false,
        }
    }

    pub(super) fn reads_url(&self, node: Node<'_>) -> bool {
        let read = self.environment_read(node);
        read.is_some_and(|(name, _)| names::is_url_variable(&name) || names::is_url_name(&name))
    }

    pub(super) fn call_carries(&self, node: Node<'_>) -> bool {
        let Some(function) = field(node, "function") else { return false };
        let arguments = || field(node, "arguments").map(children).unwrap_or_default();
        match function.kind() {
            "attribute" => {
                let name = field(function, "attribute").map(|name| self.text(name));
                let name = name.unwrap_or_default();
                let object = field(function, "object");
                METHODS.contains(&name) && object.is_some_and(|object| self.carries(object))
                    || READERS.contains(&name)
                        && arguments().into_iter().any(|argument| self.carries(argument))
            }
            "identifier" => {
                READERS.contains(&self.text(function))
                    && arguments().into_iter().any(|argument| self.carries(argument))
            }
            _ => false,
        }
    }

    /// `os.environ["X"]`, `os.getenv("X", …)`, `env("X")`, `config("X")`: the variable and the
    /// other arguments.
    pub(super) fn environment_read<'t>(&self, node: Node<'t>) -> Option<(String, Vec<Node<'t>>)> {
        let (callee, mut arguments) = match node.kind() {
            "subscript" => (field(node, "value")?, vec![field(node, "subscript")?]),
            "call" => (field(node, "function")?, children(field(node, "arguments")?)),
            _ => return None,
        };
        let callee = self.text(callee);
        let reads = callee.ends_with("environ")
            || callee.contains("getenv")
            || callee.contains("environ.get")
            || callee.ends_with("environ.setdefault")
            || matches!(callee, "env" | "config" | "env.str" | "env.db" | "env.get" | "get_env");
        if !reads || arguments.is_empty() {
            return None;
        }
        let variable = self.plain(arguments.remove(0))?;
        arguments.retain(|argument| argument.kind() != "comment");
        Some((variable, arguments))
    }

    /// A literal's text, whose interpolations are [`DYNAMIC`].
    pub(super) fn string(&self, node: Node<'_>) -> Option<String> {
        match node.kind() {
            "string" => {
                let mut text = String::new();
                for child in children(node) {
                    match child.kind() {
                        "string_content" => text.push_str(self.text(child)),
                        "interpolation" => text.push(DYNAMIC),
                        _ => {}
                    }
                }
                Some(text)
            }
            "concatenated_string" => {
                let parts = children(node).into_iter();
                parts
                    .filter(|part| part.kind() != "comment")
                    .map(|part| self.string(part))
                    .collect()
            }
            "parenthesized_expression" => self.string(children(node).first().copied()?),
            _ => None,
        }
    }

    /// A literal without interpolations.
    pub(super) fn plain(&self, node: Node<'_>) -> Option<String> {
        self.string(node).filter(|text| !text.contains(DYNAMIC))
    }

    /// The words that an operand of a comparison stands for.
    pub(super) fn literals(&self, node: Node<'_>) -> Vec<String> {
        match node.kind() {
            "tuple" | "list" | "set" => {
                children(node).into_iter().filter_map(|child| self.plain(child)).collect()
            }
            "parenthesized_expression" => {
                children(node).into_iter().flat_map(|child| self.literals(child)).collect()
            }
            "identifier" => self.names.words(self.text(node)).to_vec(),
            _ => self.plain(node).into_iter().collect(),
        }
    }
}
