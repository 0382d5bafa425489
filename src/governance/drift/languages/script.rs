//! JavaScript and TypeScript: URLs taken from the environment, what is inferred from them, defaults
//! for declarations, URLs written out, and whether anything looks at the declaration.

mod values;

use tree_sitter::Node;

use super::infer;
use super::scopes::{Names, Scope};
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Facts, Variable};
use crate::governance::drift::names;
use crate::governance::drift::syntax::{self, Language, children, field, place};

const TESTS: &[&str] =
    &["includes", "startsWith", "endsWith", "indexOf", "match", "search", "lastIndexOf"];

/// Reads a JavaScript or TypeScript file.
pub fn read(text: &str, language: Language, is_test: bool, facts: &mut Facts) -> Option<()> {
    let tree = syntax::parse(language, text)?;
    let mut script = Script { text, is_test, names: Names::default() };
    for _ in 0..3 {
        let mut news = false;
        syntax::walk(tree.root_node(), &mut |node| news |= script.assigned(node));
        if !news {
            break;
        }
    }
    let lines: Vec<&str> = text.lines().collect();
    syntax::walk(tree.root_node(), &mut |node| script.visit(node, &lines, facts));
    Some(())
}

struct Script<'s> {
    text: &'s str,
    is_test: bool,
    names: Names,
}

impl<'s> Script<'s> {
    fn visit(&self, node: Node<'_>, lines: &[&str], facts: &mut Facts) {
        match node.kind() {
            "comment" => allow::comment(self.text(node), place(node), lines, facts),
            "import_statement" | "export_statement" => {
                let source = field(node, "source").and_then(|source| self.plain(source));
                self.import(source, facts);
            }
            "binary_expression" => self.binary(node, facts),
            "call_expression" => self.call(node, facts),
            "member_expression" | "subscript_expression" => self.read_variable(node, facts),
            "object_pattern" => self.destructured(node, facts),
            "switch_statement" => self.switch(node, facts),
            "string" | "template_string" => self.literal(node, facts),
            _ => {}
        }
    }

    fn import(&self, source: Option<String>, facts: &mut Facts) {
        let Some(source) = source else { return };
        facts.guarded |= source.contains("pgauthority");
        facts.imports.push(source);
    }

    fn in_assertion(&self, node: Node<'_>) -> bool {
        if !self.is_test {
            return false;
        }
        let mut at = node.parent();
        while let Some(parent) = at {
            if parent.kind() == "call_expression"
                && let Some(function) = field(parent, "function")
            {
                let text = self.text(function);
                if text.contains("expect") || text.contains("assert") {
                    return true;
                }
            }
            at = parent.parent();
        }
        false
    }

    fn binary(&self, node: Node<'_>, facts: &mut Facts) {
        let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return };
        match field(node, "operator").map(|operator| operator.kind()) {
            Some("==" | "===" | "!=" | "!==") => {
                if self.in_assertion(node) {
                    return;
                }
                for (words, other) in [(self.literals(left), right), (self.literals(right), left)] {
                    if let Some(variable) = self.environment_read(other)
                        && names::is_declaration(&variable)
                    {
                        for word in &words {
                            infer::compared_word(&variable, word, place(node), facts);
                        }
                    }
                    if self.literals(other).is_empty() {
                        let carries = self.carries(other);
                        infer::judge(&words, self.text(other), carries, place(node), facts);
                    }
                }
            }
            Some("||" | "??") => {
                if let Some(variable) = self.environment_read(left)
                    && names::is_declaration(&variable)
                    && let Some(word) = self.plain(right).filter(|word| !word.is_empty())
                {
                    infer::default_word(&variable, &word, place(node), facts);
                }
            }
            _ => {}
        }
    }

    fn call(&self, node: Node<'_>, facts: &mut Facts) {
        let (Some(function), Some(arguments)) = (field(node, "function"), field(node, "arguments"))
        else {
            return;
        };
        let arguments = children(arguments);
        if matches!(self.text(function), "require" | "import") {
            let source = arguments.first().and_then(|source| self.plain(*source));
            self.import(source, facts);
            return;
        }
        if function.kind() != "member_expression" {
            self.read_variable(node, facts);
            return;
        }
        let name = field(function, "property").map(|name| self.text(name)).unwrap_or_default();
        self.read_variable(node, facts);
        let Some(object) = field(function, "object") else { return };
        if self.in_assertion(node) {
            return;
        }
        let words: Vec<String> =
            arguments.iter().flat_map(|argument| self.literals(*argument)).collect();
        let words_of_object = self.literals(object);
        if TESTS.contains(&name) && words_of_object.is_empty() {
            infer::judge(&words, self.text(object), self.carries(object), place(node), facts);
        } else if matches!(name, "test" | "exec" | "includes" | "some")
            && !words_of_object.is_empty()
        {
            // /neon\.tech/.test(url), ["localhost", …].includes(host)
            for argument in arguments.iter().filter(|argument| self.literals(**argument).is_empty())
            {
                let carries = self.carries(*argument);
                let subject = self.text(*argument);
                infer::judge(&words_of_object, subject, carries, place(node), facts);
            }
        }
    }

    fn switch(&self, node: Node<'_>, facts: &mut Facts) {
        let Some(value) = field(node, "value").filter(|value| self.carries(*value)) else { return };
        for case in field(node, "body").map(children).unwrap_or_default() {
            if let Some(label) = field(case, "value") {
                infer::judge(&self.literals(label), self.text(value), true, place(case), facts);
            }
        }
    }

    fn read_variable(&self, node: Node<'_>, facts: &mut Facts) {
        let Some(variable) = self.environment_read(node) else { return };
        let target = node.parent().filter(|parent| {
            parent.kind() == "assignment_expression" && field(*parent, "left") == Some(node)
        });
        if let Some(assignment) = target {
            if let Some(value) = field(assignment, "right").and_then(|value| self.string(value))
                && let Some(variable) = Variable::read(&variable, &value, place(node))
            {
                infer::set_variable(&variable, facts);
            }
        } else if names::is_declaration(&variable) {
            // whoever has a default does not mind whether it is declared
            let default = node.parent().and_then(|parent| field(parent, "operator"));
            let default = default.is_some_and(|operator| matches!(operator.kind(), "||" | "??"));
            facts.guarded |= !default;
        } else if names::is_url_variable(&variable) && !only_asks(node) {
            facts.reads.push((variable, place(node)));
        }
    }

    /// `const { DATABASE_URL, DB_AUTHORITY = "local" } = process.env`.
    fn destructured(&self, node: Node<'_>, facts: &mut Facts) {
        let Some(value) = node.parent().and_then(|parent| field(parent, "value")) else { return };
        if !matches!(self.text(value), "process.env" | "import.meta.env" | "Bun.env") {
            return;
        }
        for child in children(node) {
            let name = match child.kind() {
                "pair_pattern" => field(child, "key"),
                "object_assignment_pattern" => field(child, "left"),
                _ => Some(child),
            };
            let name = name.map(|name| self.text(name)).unwrap_or_default();
            if names::is_url_variable(name) {
                facts.reads.push((name.to_owned(), place(child)));
            } else if names::is_declaration(name) {
                match field(child, "right").and_then(|word| self.plain(word)) {
                    Some(word) => infer::default_word(name, &word, place(child), facts),
                    None => facts.guarded = true,
                }
            }
        }
    }

    fn literal(&self, node: Node<'_>, facts: &mut Facts) {
        let Some(text) = self.string(node) else { return };
        if text.contains("://") {
            for (_, url) in names::urls(&text) {
                facts.add_url(url, place(node), false);
            }
        }
        let pair = node.parent().filter(|parent| parent.kind() == "pair");
        let in_pair = pair.is_some_and(|pair| names::confirms(self.text(pair)));
        if in_pair || names::confirms(&text) && !text.to_ascii_uppercase().starts_with("SET ") {
            infer::options(place(node), facts);
        }
    }
}

/// `if (!process.env.DATABASE_URL)`: whether it is set, and nothing more.
fn only_asks(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| match parent.kind() {
        "unary_expression" => true,
        "parenthesized_expression" => {
            parent.parent().is_some_and(|above| above.kind() == "if_statement")
        }
        _ => false,
    })
}

fn scopes(node: Node<'_>) -> Vec<Scope> {
    const FUNCTIONS: &[&str] = &[
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function_declaration",
        "generator_function",
    ];
    let mut scopes = Vec::new();
    let mut at = node;
    while let Some(parent) = at.parent() {
        if FUNCTIONS.contains(&parent.kind()) {
            scopes.push(parent.id());
        }
        at = parent;
    }
    scopes.push(0);
    scopes
}
