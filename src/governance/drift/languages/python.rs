//! Python: URLs taken from the environment, what is inferred from them, defaults for declarations,
//! URLs written out, and whether anything looks at the declaration.

mod values;

use tree_sitter::Node;

use super::infer;
use super::scopes::{Names, Scope};
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Facts, Variable};
use crate::governance::drift::names;
use crate::governance::drift::syntax::{self, Language, children, field, place};

/// Modules that look at the declaration when they are imported or called.
const GUARDS: &[&str] = &["pgauthority_guard", "_db_guard", "db_guard"];

const SEARCHES: &[&str] = &["search", "match", "fullmatch", "findall", "fnmatch", "fnmatchcase"];
const TESTS: &[&str] = &["startswith", "endswith", "find", "index", "count", "__contains__"];

/// Reads a Python file.
pub fn read(text: &str, is_test: bool, facts: &mut Facts) -> Option<()> {
    let tree = syntax::parse(Language::Python, text)?;
    let mut python = Python { text, is_test, names: Names::default() };
    // an assignment may follow from one further down: functions are called later
    for _ in 0..3 {
        let mut news = false;
        syntax::walk(tree.root_node(), &mut |node| news |= python.assigned(node));
        if !news {
            break;
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    syntax::walk(tree.root_node(), &mut |node| python.visit(node, &lines, facts));
    Some(())
}

struct Python<'s> {
    text: &'s str,
    is_test: bool,
    names: Names,
}

impl<'s> Python<'s> {
    fn visit(&self, node: Node<'_>, lines: &[&str], facts: &mut Facts) {
        match node.kind() {
            "comment" => allow::comment(self.text(node), place(node), lines, facts),
            "import_statement" | "import_from_statement" => self.import(node, facts),
            "comparison_operator" => self.comparison(node, facts),
            "call" => self.call(node, facts),
            "subscript" => self.read_or_declared(node, facts),
            "boolean_operator" => self.or_default(node, facts),
            "string" => self.literal(node, facts),
            _ => {}
        }
    }

    fn import(&self, node: Node<'_>, facts: &mut Facts) {
        let mut modules = Vec::new();
        if let Some(module) = field(node, "module_name") {
            let module = self.text(module);
            modules.push(module.to_owned());
            let mut cursor = node.walk();
            for name in node.children_by_field_name("name", &mut cursor) {
                let name = field(name, "name").unwrap_or(name);
                let dot = if module.ends_with('.') { "" } else { "." };
                modules.push(format!("{module}{dot}{}", self.text(name)));
            }
        } else {
            let mut cursor = node.walk();
            for name in node.children_by_field_name("name", &mut cursor) {
                let name = field(name, "name").unwrap_or(name);
                modules.push(self.text(name).to_owned());
            }
        }
        let guard = |module: &String| module.split('.').any(|part| GUARDS.contains(&part));
        facts.guarded |= modules.iter().any(guard);
        facts.imports.extend(modules);
    }

    fn comparison(&self, node: Node<'_>, facts: &mut Facts) {
        let operands = children(node);
        let mut cursor = node.walk();
        let operators = node.children_by_field_name("operators", &mut cursor);
        let compares = operators
            .into_iter()
            .all(|operator| matches!(operator.kind(), "in" | "not in" | "==" | "!=" | "is"));
        if !compares || self.is_test && syntax::above(node, &["assert_statement"]).is_some() {
            return;
        }
        for (index, operand) in operands.iter().enumerate() {
            let words = self.literals(*operand);
            let others = operands.iter().enumerate().filter(|(other, _)| *other != index);
            for (_, other) in others {
                self.declared_word(*other, &words, facts);
                if self.literals(*other).is_empty() {
                    let carries = self.carries(*other) || self.any_of(*other);
                    infer::judge(&words, self.text(*other), carries, place(node), facts);
                }
            }
        }
    }

    /// A list of URLs' parts: `x in [url.host, …]` is no evidence; a call on one is.
    fn any_of(&self, node: Node<'_>) -> bool {
        node.kind() == "subscript" && field(node, "value").is_some_and(|value| self.carries(value))
    }

    /// `os.environ["DB_ROLE"] == "production"` is never true.
    fn declared_word(&self, node: Node<'_>, words: &[String], facts: &mut Facts) {
        let Some((variable, _)) = self.environment_read(node) else { return };
        if !names::is_declaration(&variable) {
            return;
        }
        for word in words {
            infer::compared_word(&variable, word, place(node), facts);
        }
    }

    fn call(&self, node: Node<'_>, facts: &mut Facts) {
        self.read_or_declared(node, facts);
        let (Some(function), Some(arguments)) = (field(node, "function"), field(node, "arguments"))
        else {
            return;
        };
        let arguments = children(arguments);
        let name = match function.kind() {
            "attribute" => field(function, "attribute").map(|name| self.text(name)),
            _ => Some(self.text(function)),
        };
        let name = name.unwrap_or_default();
        if names::is_guard_call(name) {
            facts.guarded = true;
        }
        if self.is_test && syntax::above(node, &["assert_statement"]).is_some() {
            return;
        }
        if TESTS.contains(&name)
            && let Some(object) = field(function, "object")
        {
            let words: Vec<String> =
                arguments.iter().flat_map(|argument| self.literals(*argument)).collect();
            if self.literals(object).is_empty() {
                let carries = self.carries(object);
                infer::judge(&words, self.text(object), carries, place(node), facts);
            }
        } else if SEARCHES.contains(&name) && !arguments.is_empty() {
            let words: Vec<String> =
                arguments.iter().flat_map(|argument| self.literals(*argument)).collect();
            let carries = arguments.iter().any(|argument| self.carries(*argument));
            let subject = arguments.iter().find(|argument| self.literals(**argument).is_empty());
            let subject = subject.map_or(name, |subject| self.text(*subject));
            infer::judge(&words, subject, carries, place(node), facts);
        }
    }

    /// A URL or a declaration taken from the environment, or put there.
    fn read_or_declared(&self, node: Node<'_>, facts: &mut Facts) {
        let Some((variable, others)) = self.environment_read(node) else { return };
        if names::is_declaration(&variable) {
            let default = others.iter().find_map(|other| match other.kind() {
                "keyword_argument" => {
                    let named = field(*other, "name").map(|name| self.text(name));
                    let value = field(*other, "value")?;
                    (named == Some("default")).then(|| self.plain(value)).flatten()
                }
                _ => self.plain(*other),
            });
            let or = node.parent().filter(|parent| parent.kind() == "boolean_operator");
            match default.filter(|word| !word.is_empty()) {
                Some(word) => infer::default_word(&variable, &word, place(node), facts),
                // whoever has a default does not mind whether it is declared
                None => facts.guarded |= or.is_none(),
            }
            return;
        }
        if !names::is_url_variable(&variable) {
            return;
        }
        let target = node.parent().filter(|parent| {
            matches!(parent.kind(), "assignment" | "delete_statement")
                && field(*parent, "left").is_none_or(|left| left == node)
        });
        if target.is_none() && !self.only_asks(node) {
            facts.reads.push((variable, place(node)));
        }
    }

    /// `if os.getenv("DATABASE_URL") is None`: whether it is set, and nothing more.
    fn only_asks(&self, node: Node<'_>) -> bool {
        let Some(parent) = node.parent() else { return false };
        match parent.kind() {
            "comparison_operator" => children(parent).iter().any(|side| side.kind() == "none"),
            "not_operator" => true,
            "if_statement" => field(parent, "condition") == Some(node),
            _ => false,
        }
    }

    /// `os.environ.get("DB_ROLE") or "staging"`.
    fn or_default(&self, node: Node<'_>, facts: &mut Facts) {
        let operator = field(node, "operator").map(|operator| operator.kind());
        let (Some("or"), Some(left), Some(right)) =
            (operator, field(node, "left"), field(node, "right"))
        else {
            return;
        };
        let Some((variable, _)) = self.environment_read(left) else { return };
        if names::is_declaration(&variable)
            && let Some(word) = self.plain(right).filter(|word| !word.is_empty())
        {
            infer::default_word(&variable, &word, place(node), facts);
        }
    }

    /// URLs written out; docstrings are documentation.
    fn literal(&self, node: Node<'_>, facts: &mut Facts) {
        if node.parent().is_some_and(|parent| parent.kind() == "expression_statement") {
            return;
        }
        let Some(text) = self.string(node) else { return };
        if text.contains("://") {
            for (_, url) in names::urls(&text) {
                facts.add_url(url, place(node), false);
            }
        }
        if names::confirms(&text) && !text.to_ascii_uppercase().starts_with("SET ") {
            infer::options(place(node), facts);
        }
        if let Some(pair) = node.parent().filter(|parent| parent.kind() == "pair")
            && names::confirms(self.text(pair))
        {
            infer::options(place(node), facts);
        }
        self.assigned_variable(node, &text, facts);
    }

    /// `os.environ["DB_AUTHORITY"] = "production"`.
    fn assigned_variable(&self, node: Node<'_>, text: &str, facts: &mut Facts) {
        let Some(parent) = node.parent().filter(|parent| parent.kind() == "assignment") else {
            return;
        };
        let Some(left) = field(parent, "left").filter(|left| left.kind() == "subscript") else {
            return;
        };
        if let Some((variable, _)) = self.environment_read(left)
            && let Some(variable) = Variable::read(&variable, text, place(node))
        {
            infer::set_variable(&variable, facts);
        }
    }
}

/// The functions around a node, innermost first, then the module.
fn scopes(node: Node<'_>) -> Vec<Scope> {
    let mut scopes = Vec::new();
    let mut at = node;
    while let Some(parent) = at.parent() {
        if matches!(parent.kind(), "function_definition" | "lambda") {
            scopes.push(parent.id());
        }
        at = parent;
    }
    scopes.push(0);
    scopes
}
