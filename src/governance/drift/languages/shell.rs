//! Shell: what a script exports, what it puts before a command, what it infers from a URL, and
//! whether it looks at the declaration. Also the scripts inside YAML, JSON and Dockerfiles.

mod values;

use tree_sitter::Node;

use super::infer;
use super::scopes::Names;
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Context, Facts, Place, Variable};
use crate::governance::drift::names::{self, DYNAMIC};
use crate::governance::drift::syntax::{self, Language, children, field, place};

/// A script and where it stands in its file.
pub struct Script<'s> {
    /// Its text.
    pub text: &'s str,
    /// Lines before it.
    pub line: u32,
    /// Columns before it, on its first line.
    pub column: u32,
    /// Columns before every further line.
    pub indent: u32,
    /// What the environment around it declares.
    pub ambient: &'s [Variable],
    /// What it is, for people.
    pub what: &'s str,
    /// More comes from where nothing can be seen.
    pub open: bool,
}

/// Reads a script.
pub fn read(script: &Script<'_>, facts: &mut Facts) -> Option<()> {
    let tree = syntax::parse(Language::Shell, script.text)?;
    let mut shell =
        Shell { script, names: Names::default(), set: Vec::new(), exported: Vec::new() };
    for _ in 0..3 {
        let mut news = false;
        syntax::walk(tree.root_node(), &mut |node| news |= shell.assigned(node));
        if !news {
            break;
        }
    }
    shell.set.clear();
    let lines: Vec<&str> = script.text.lines().collect();
    let mut own = Facts::default();
    let mut commands = Vec::new();
    let mut sourced = Vec::new();
    syntax::walk(tree.root_node(), &mut |node| {
        shell.visit(node, &lines, &mut own, &mut commands, &mut sourced);
    });
    shell.contexts(commands, sourced, &mut own);
    script.merge(own, facts);
    Some(())
}

impl Script<'_> {
    fn at(&self, place: Place) -> Place {
        let before = if place.line == 1 { self.column } else { self.indent };
        Place { line: place.line + self.line, column: place.column + before }
    }

    /// Facts of the script as facts of its file.
    fn merge(&self, mut own: Facts, facts: &mut Facts) {
        for found in &mut own.found {
            found.place = self.at(found.place);
        }
        for url in &mut own.urls {
            url.place = self.at(url.place);
        }
        for read in &mut own.reads {
            read.1 = self.at(read.1);
        }
        for allow in &mut own.allows {
            allow.place = self.at(allow.place);
            allow.line = allow.line.map(|line| line + self.line);
        }
        for context in &mut own.contexts {
            for variable in context.variables.iter_mut().filter(|variable| !variable.inherited) {
                variable.place = self.at(variable.place);
            }
        }
        facts.found.extend(own.found);
        facts.urls.extend(own.urls);
        facts.reads.extend(own.reads);
        facts.allows.extend(own.allows);
        facts.contexts.extend(own.contexts);
        facts.imports.extend(own.imports);
        facts.guarded |= own.guarded;
    }
}

struct Shell<'s> {
    script: &'s Script<'s>,
    names: Names,
    set: Vec<Variable>,
    exported: Vec<String>,
}

impl<'s> Shell<'s> {
    fn visit(
        &mut self,
        node: Node<'_>,
        lines: &[&str],
        facts: &mut Facts,
        commands: &mut Vec<Vec<Variable>>,
        sourced: &mut Vec<String>,
    ) {
        match node.kind() {
            "comment" => allow::comment(self.text(node), place(node), lines, facts),
            "variable_assignment" => self.assignment(node),
            "declaration_command" => self.declaration(node),
            "command" => self.command(node, facts, commands, sourced),
            "test_command" => self.test(node, facts),
            "case_statement" => self.case(node, facts),
            "expansion" => self.expansion(node, facts),
            "simple_expansion" => {
                let name = children(node).first().map(|name| self.text(*name)).unwrap_or_default();
                self.used(name, place(node), facts);
            }
            "string" | "raw_string" | "word" | "concatenation" => self.literal(node, facts),
            _ => {}
        }
    }

    fn used(&self, name: &str, place: Place, facts: &mut Facts) {
        if names::is_declaration(name) {
            facts.guarded = true;
        } else if names::is_url_variable(name) {
            facts.reads.push((name.to_owned(), place));
        }
    }

    fn assignment(&mut self, node: Node<'_>) {
        if node.parent().is_some_and(|parent| parent.kind() == "command") {
            return;
        }
        let Some(name) = field(node, "name") else { return };
        let value = field(node, "value").map(|value| self.word(value)).unwrap_or_default();
        let name = self.text(name);
        let exported = node.parent().is_some_and(|parent| {
            parent.kind() == "declaration_command" && !self.text(parent).starts_with("local")
        });
        if exported {
            self.exported.push(name.to_owned());
        }
        if let Some(variable) = Variable::read(name, &value, place(node)) {
            let own_default = field(node, "value").is_some_and(|value| {
                syntax::text(value, self.script.text).contains(&format!("${{{name}:"))
            });
            // X=${X:-default} is judged where it expands
            if !(own_default && names::is_declaration(name)) {
                self.set.push(variable);
            }
        }
    }

    /// `export X`, of what is set elsewhere.
    fn declaration(&mut self, node: Node<'_>) {
        for child in children(node) {
            if child.kind() == "variable_name" {
                self.exported.push(self.text(child).to_owned());
            }
        }
    }

    fn command(
        &mut self,
        node: Node<'_>,
        facts: &mut Facts,
        commands: &mut Vec<Vec<Variable>>,
        sourced: &mut Vec<String>,
    ) {
        let mut prefix = Vec::new();
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            if child.kind() == "variable_assignment"
                && let (Some(name), Some(value)) = (field(child, "name"), field(child, "value"))
            {
                let value = self.word(value);
                prefix.extend(Variable::read(self.text(name), &value, place(child)));
            }
        }
        let name = field(node, "name").map(|name| self.word(name)).unwrap_or_default();
        let mut cursor = node.walk();
        let arguments: Vec<Node<'_>> =
            node.children_by_field_name("argument", &mut cursor).collect();
        let words: Vec<String> = arguments.iter().map(|argument| self.word(*argument)).collect();
        let program = name.rsplit('/').next().unwrap_or_default();
        match program {
            "." | "source" => sourced.extend(words.first().cloned()),
            "env" => {
                for (word, argument) in words.iter().zip(&arguments) {
                    if let Some((name, value)) = word.split_once('=') {
                        prefix.extend(Variable::read(name, value, place(*argument)));
                    }
                }
            }
            "set" if words.iter().any(|word| word == "-a" || word == "allexport") => {
                self.exported.push("*".to_owned());
            }
            "test" | "grep" | "egrep" | "fgrep" | "rg" => {
                self.searched(node, &arguments, &words, facts);
            }
            _ => {}
        }
        let runs_guard = |word: &String| word == "guard" || word == "exec";
        if program == "pgauthority" && words.first().is_some_and(runs_guard)
            || words.windows(2).any(|pair| pair[0].ends_with("pgauthority") && runs_guard(&pair[1]))
        {
            facts.guarded = true;
        }
        if !prefix.is_empty() {
            commands.push(prefix);
        }
    }

    /// `grep neon.tech <<< "$DATABASE_URL"`, `echo "$DATABASE_URL" | grep …`, `test "$PGHOST" = …`.
    fn searched(
        &self,
        node: Node<'_>,
        arguments: &[Node<'_>],
        words: &[String],
        facts: &mut Facts,
    ) {
        let mut subject = node;
        while let Some(parent) = subject
            .parent()
            .filter(|parent| matches!(parent.kind(), "pipeline" | "redirected_statement"))
        {
            subject = parent;
        }
        let patterns: Vec<String> = arguments
            .iter()
            .zip(words)
            .filter(|(_, word)| !word.contains(DYNAMIC) && !word.starts_with('-'))
            .map(|(_, word)| word.clone())
            .collect();
        if self.carries(subject) {
            infer::judge(&patterns, self.text(subject), true, place(node), facts);
        }
    }

    fn test(&self, node: Node<'_>, facts: &mut Facts) {
        syntax::walk(node, &mut |inner| {
            if inner.kind() != "binary_expression" {
                return;
            }
            let (Some(left), Some(right)) = (field(inner, "left"), field(inner, "right")) else {
                return;
            };
            for (subject, literal) in [(left, right), (right, left)] {
                if !self.carries(literal) && self.expands(subject) {
                    let word = self.text(literal).trim_matches(['"', '\'']).to_owned();
                    self.compared(subject, &word, inner, facts);
                }
            }
        });
    }

    fn compared(&self, subject: Node<'_>, word: &str, whole: Node<'_>, facts: &mut Facts) {
        let name = self.text(subject).trim_matches(['"', '$', '{', '}']);
        let name = name.split([':', '-', '}']).next().unwrap_or_default();
        if names::is_declaration(name) && !word.contains(['*', '$', '?', '|', '(']) {
            infer::compared_word(name, word, place(whole), facts);
        }
        let carries = self.carries(subject);
        infer::judge(&[word.to_owned()], self.text(subject), carries, place(whole), facts);
    }

    fn case(&self, node: Node<'_>, facts: &mut Facts) {
        let Some(value) = field(node, "value") else { return };
        for item in children(node).into_iter().filter(|item| item.kind() == "case_item") {
            let mut cursor = item.walk();
            for pattern in item.children_by_field_name("value", &mut cursor) {
                let word = self.text(pattern).trim_matches(['"', '\'']).to_owned();
                self.compared(value, &word, item, facts);
            }
        }
    }

    /// `${DB_AUTHORITY:-local}`, `${DB_AUTHORITY:?declare it}`.
    fn expansion(&self, node: Node<'_>, facts: &mut Facts) {
        let text = self.text(node);
        let inner = text.trim_start_matches("${").trim_end_matches('}');
        let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, rest) = inner.split_at(end.unwrap_or(inner.len()));
        let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix(":="));
        let default = default.or_else(|| rest.strip_prefix('-')).or_else(|| rest.strip_prefix('='));
        // whoever has a default does not mind whether it is declared
        if default.is_none() || !names::is_declaration(name) {
            self.used(name, place(node), facts);
        }
        if let Some(word) = default.map(|word| word.trim_matches(['"', '\'']))
            && names::is_declaration(name)
            && !word.is_empty()
            && !word.contains('$')
        {
            infer::default_word(name, word, place(node), facts);
        }
    }

    fn literal(&self, node: Node<'_>, facts: &mut Facts) {
        // the parts of a word are judged with the whole
        if node.parent().is_some_and(|parent| matches!(parent.kind(), "concatenation" | "string")) {
            return;
        }
        let text = self.word(node);
        if !text.contains("://") {
            return;
        }
        let assigned = syntax::above(node, &["variable_assignment"]);
        let in_context = assigned
            .and_then(|assignment| field(assignment, "name"))
            .is_some_and(|name| names::is_url_variable(self.text(name)));
        for (_, url) in names::urls(&text) {
            facts.add_url(url, place(node), in_context);
            if names::confirms(url) && !in_context {
                infer::options(place(node), facts);
            }
        }
    }

    fn contexts(&self, commands: Vec<Vec<Variable>>, sourced: Vec<String>, facts: &mut Facts) {
        let ambient = || {
            let ambient = self.script.ambient.iter().cloned();
            ambient.map(|variable| Variable { inherited: true, ..variable })
        };
        let what = self.script.what;
        let all = self.exported.iter().any(|name| name == "*");
        let context = |variables: Vec<Variable>, one_command| Context {
            what: if one_command { format!("a command of {what}") } else { what.to_owned() },
            variables,
            files: sourced.iter().filter(|file| !file.contains(DYNAMIC)).cloned().collect(),
            open: self.script.open || sourced.iter().any(|file| file.contains(DYNAMIC)),
            one_command,
        };
        // what a script sets without exporting it is its own, and no confirmation
        let own = self.set.iter().filter(|variable| {
            all || self.exported.contains(&variable.name)
                || variable.leads_somewhere()
                || names::is_declaration(&variable.name)
        });
        let own: Vec<Variable> = own.cloned().collect();
        if !own.is_empty() {
            facts.contexts.push(context(ambient().chain(own.iter().cloned()).collect(), false));
        }
        for prefix in commands {
            let inherited =
                own.iter().cloned().map(|variable| Variable { inherited: true, ..variable });
            // a command's own come last: they win
            let mut variables: Vec<Variable> = ambient().chain(inherited).collect();
            for variable in &mut variables {
                variable.inherited = true;
            }
            variables.extend(prefix);
            facts.contexts.push(context(variables, true));
        }
        facts.imports.extend(sourced);
    }
}
