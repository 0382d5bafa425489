//! Dockerfiles: each stage is a context of its ENV and ARG, and RUN is shell.

use tree_sitter::Node;

use super::contexts::dynamic;
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Context, Facts, Variable};
use crate::governance::drift::languages::shell;
use crate::governance::drift::names;
use crate::governance::drift::syntax::{self, Language, children, field, place};

/// Reads a file.
pub fn read(text: &str, facts: &mut Facts) -> Option<()> {
    let tree = syntax::parse(Language::Dockerfile, text)?;
    let lines: Vec<&str> = text.lines().collect();
    syntax::walk(tree.root_node(), &mut |node| {
        if node.kind() == "comment" {
            allow::comment(syntax::text(node, text), place(node), &lines, facts);
        }
    });
    let mut stage = Stage::default();
    let mut stages: Vec<(String, Vec<Variable>)> = Vec::new();
    for instruction in children(tree.root_node()) {
        match instruction.kind() {
            "from_instruction" => {
                let last = std::mem::take(&mut stage);
                stages.push((last.name.clone(), last.environment()));
                last.end(facts);
                stage = Stage::from(instruction, text, &stages);
            }
            "env_instruction" | "arg_instruction" => {
                let value_of =
                    if instruction.kind() == "env_instruction" { "value" } else { "default" };
                for pair in children(instruction) {
                    stage.pair(pair, value_of, text, facts);
                }
            }
            "run_instruction" | "cmd_instruction" | "entrypoint_instruction" => {
                stage.script(instruction, text, facts);
            }
            _ => {}
        }
    }
    stage.end(facts);
    Some(())
}

#[derive(Default)]
struct Stage {
    name: String,
    what: String,
    variables: Vec<Variable>,
    /// Build arguments, which no later stage sees.
    arguments: Vec<String>,
}

impl Stage {
    /// A stage has what the stage that it begins from has in its environment.
    fn from(instruction: Node<'_>, text: &str, earlier: &[(String, Vec<Variable>)]) -> Stage {
        let name = field(instruction, "as").map(|alias| syntax::text(alias, text).to_owned());
        let what = name.as_ref().map_or("the image".to_owned(), |name| format!("stage \"{name}\""));
        let image = children(instruction).into_iter().find(|child| child.kind() == "image_spec");
        let image = image.map(|image| syntax::text(image, text)).unwrap_or_default();
        let base = earlier.iter().rev().find(|(name, _)| !name.is_empty() && name == image);
        let variables = base.map(|(_, variables)| variables.clone()).unwrap_or_default();
        Stage { name: name.unwrap_or_default(), what, variables, arguments: Vec::new() }
    }

    fn environment(&self) -> Vec<Variable> {
        let kept = self.variables.iter().filter(|one| !self.arguments.contains(&one.name));
        kept.map(|one| Variable { inherited: true, ..one.clone() }).collect()
    }

    fn pair(&mut self, pair: Node<'_>, value_of: &str, text: &str, facts: &mut Facts) {
        let Some(name) = field(pair, "name") else { return };
        let name = syntax::text(name, text);
        let value = match field(pair, value_of) {
            // a value of several parts has several nodes: all that follows the equals sign
            Some(value) => {
                let end = pair.end_byte();
                let raw = text.get(value.start_byte()..end).unwrap_or_default();
                dynamic(&raw.replace(['"', '\''], ""))
            }
            None if value_of == "default" => names::DYNAMIC.to_string(),
            None => String::new(),
        };
        for (_, url) in names::urls(&value) {
            facts.add_url(url, place(pair), true);
            if names::confirms(url) {
                crate::governance::drift::languages::infer::options(place(pair), facts);
            }
        }
        if let Some(variable) = Variable::read(name, &value, place(pair)) {
            self.variables.retain(|earlier| earlier.name != name);
            if value_of == "default" {
                self.arguments.push(variable.name.clone());
            } else {
                self.arguments.retain(|argument| *argument != variable.name);
            }
            self.variables.push(variable);
        }
    }

    fn script(&self, instruction: Node<'_>, text: &str, facts: &mut Facts) {
        let command =
            children(instruction).into_iter().find(|child| child.kind() == "shell_command");
        let Some(command) = command else { return };
        let at = place(command);
        let script = shell::Script {
            text: syntax::text(command, text),
            line: at.line - 1,
            column: at.column - 1,
            indent: 0,
            ambient: &self.variables,
            what: &self.what,
            open: false,
        };
        let mut own = Facts::default();
        if shell::read(&script, &mut own).is_some() {
            facts.found.extend(own.found);
            facts.urls.extend(own.urls);
            facts.contexts.extend(own.contexts);
        }
    }

    fn end(self, facts: &mut Facts) {
        if !self.variables.is_empty() {
            facts.contexts.push(Context {
                what: self.what,
                variables: self.variables,
                ..Context::default()
            });
        }
    }
}
