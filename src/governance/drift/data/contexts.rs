//! Execution contexts in a document: compose services, CI workflows and jobs, Kubernetes
//! containers, and every other block of environment variables, each with what encloses it; the
//! scripts beside them; expressions that infer.

use super::node::{Kind, Node};
use crate::governance::drift::facts::{Context, Facts, Place, Variable};
use crate::governance::drift::languages::{infer, shell};
use crate::governance::drift::names::{self, DYNAMIC};

/// Keys whose value is a block of environment variables.
const ENVIRONMENTS: &[&str] =
    &["env", "environment", "variables", "containerEnv", "remoteEnv", "envs", "env_vars"];

/// Keys whose value is a shell script, or a list of them.
const SCRIPTS: &[&str] =
    &["run", "script", "before_script", "after_script", "bash", "command", "entrypoint"];

/// Keys whose value is an expression of a CI system.
const CONDITIONS: &[&str] = &["if", "when", "condition", "only", "unless"];

/// Keys of a list of `{name, value}` that are no environment variables: Azure's conditions.
const UNSEEN: &[&str] = &["envFrom", "secretRef", "configMapRef", "group", "extends", "include"];

/// Reads a document.
pub fn read(document: &Node, what: &str, facts: &mut Facts) {
    let walk = Walk { what };
    walk.value(document, &Scope::default(), facts);
    walk.config_map(document, facts);
}

struct Walk<'a> {
    what: &'a str,
}

/// What encloses a value.
#[derive(Clone, Default)]
struct Scope {
    path: Vec<String>,
    variables: Vec<Variable>,
    open: bool,
    in_environment: bool,
}

impl Walk<'_> {
    fn value(&self, node: &Node, scope: &Scope, facts: &mut Facts) {
        match &node.kind {
            Kind::Map(pairs) => self.map(node, pairs, scope, facts),
            Kind::Seq(items) => {
                for item in items {
                    self.value(item, scope, facts);
                }
            }
            Kind::Text { text, body } => self.text(text, *body, scope, facts),
            Kind::Null => {}
        }
    }

    fn map(&self, node: &Node, pairs: &[(String, Node)], scope: &Scope, facts: &mut Facts) {
        let mut inner = scope.clone();
        inner.open |= pairs.iter().any(|(key, _)| UNSEEN.contains(&key.as_str()));
        let mut own = Vec::new();
        let mut files = Vec::new();
        for (key, value) in pairs {
            if ENVIRONMENTS.contains(&key.as_str()) {
                own.extend(block(value));
            }
            if key == "env_file" {
                files.extend(env_files(value));
            }
        }
        inner.open |= node.get("env_file").is_some() && files.is_empty();
        if !own.is_empty() || !files.is_empty() {
            self.context(&own, files, &inner, facts);
        }
        for variable in own {
            inner.variables.retain(|outer| outer.name != variable.name);
            inner.variables.push(Variable { inherited: true, ..variable });
        }
        for (key, value) in pairs {
            let mut scope = inner.clone();
            scope.path.push(key.clone());
            scope.in_environment = inner.in_environment
                || ENVIRONMENTS.contains(&key.as_str())
                || names::is_url_variable(key);
            if SCRIPTS.contains(&key.as_str()) {
                self.scripts(value, &scope, facts);
            } else if key == "scripts" {
                for (_, script) in value.map() {
                    self.scripts(script, &scope, facts);
                }
            }
            self.value(value, &scope, facts);
        }
    }

    fn context(&self, own: &[Variable], files: Vec<String>, scope: &Scope, facts: &mut Facts) {
        let mut variables: Vec<Variable> = scope
            .variables
            .iter()
            .filter(|outer| !own.iter().any(|own| own.name == outer.name))
            .cloned()
            .collect();
        variables.extend(own.iter().cloned());
        facts.contexts.push(Context {
            what: self.name(&scope.path),
            variables,
            files,
            open: scope.open,
            // a step of a workflow is one command, which somebody started
            one_command: scope.path.iter().any(|key| key == "steps"),
        });
    }

    /// `service "api"`, `job "test"`, or the path.
    fn name(&self, path: &[String]) -> String {
        match path {
            [] => self.what.to_owned(),
            [first, name, ..] if first == "services" => format!("service \"{name}\""),
            [first, name, rest @ ..] if first == "jobs" => {
                let step = if rest.iter().any(|key| key == "steps") { "a step of " } else { "" };
                format!("{step}job \"{name}\"")
            }
            path if path.iter().any(|key| key == "containers") => "a container".to_owned(),
            path => format!("\"{}\"", path.join(".")),
        }
    }

    fn scripts(&self, node: &Node, scope: &Scope, facts: &mut Facts) {
        match &node.kind {
            Kind::Text { text, body } => self.script(text, *body, scope, facts),
            // a list of arguments is one command only where a shell reads the last one
            Kind::Seq(items) => {
                for item in items {
                    self.scripts(item, scope, facts);
                }
            }
            Kind::Map(_) | Kind::Null => {}
        }
    }

    fn script(&self, text: &str, body: Place, scope: &Scope, facts: &mut Facts) {
        // expressions of GitHub are no shell
        let text = without_expressions(text);
        let script = shell::Script {
            text: &text,
            line: body.line.saturating_sub(1),
            column: body.column.saturating_sub(1),
            indent: body.column.saturating_sub(1),
            ambient: &scope.variables,
            what: &self.name(&scope.path),
            open: scope.open,
        };
        let mut own = Facts::default();
        if shell::read(&script, &mut own).is_some() {
            // a step uses what its job declares: that is judged where it is declared
            own.reads.clear();
            let guarded = facts.guarded;
            facts.guarded = guarded || own.guarded;
            facts.found.extend(own.found);
            facts.urls.extend(own.urls);
            facts.contexts.extend(own.contexts);
            facts.guarded = guarded;
        }
    }

    fn text(&self, text: &str, body: Place, scope: &Scope, facts: &mut Facts) {
        let key = scope.path.last().map_or("", String::as_str);
        let is_script = SCRIPTS.contains(&key) || scope.path.iter().any(|key| key == "scripts");
        if is_script {
            self.expressions(text, body, facts);
            return;
        }
        for (at, url) in names::urls(text) {
            let line = text[..at].matches('\n').count();
            let line = body.line.saturating_add(u32::try_from(line).unwrap_or(0));
            let url = dynamic(url);
            facts.add_url(&url, Place { line, column: body.column }, scope.in_environment);
            if names::confirms(&url) {
                infer::options(Place { line, column: body.column }, facts);
            }
        }
        if CONDITIONS.contains(&key) {
            self.condition(text, body, facts);
        } else {
            self.expressions(text, body, facts);
        }
    }

    /// `${{ contains(secrets.DATABASE_URL, 'neon.tech') }}`.
    fn expressions(&self, text: &str, body: Place, facts: &mut Facts) {
        let mut from = 0;
        while let Some(start) = text.get(from..).and_then(|rest| rest.find("${{")) {
            let start = from + start;
            let end = text[start..].find("}}").map_or(text.len(), |end| start + end);
            let line = u32::try_from(text[..start].matches('\n').count()).unwrap_or(0);
            let place = Place { line: body.line + line, column: body.column };
            self.condition(&text[start..end], place, facts);
            from = end;
        }
    }

    /// An expression that names a URL and a literal which tells something about it.
    fn condition(&self, text: &str, place: Place, facts: &mut Facts) {
        if !names::mentions_url(&without_literals(text)) {
            return;
        }
        let words: Vec<String> = literals(text);
        infer::judge(&words, "a database's URL", true, place, facts);
    }

    /// A ConfigMap's or a Secret's own variables.
    fn config_map(&self, document: &Node, facts: &mut Facts) {
        let kind = document.get("kind").and_then(Node::text);
        if !matches!(kind, Some("ConfigMap" | "Secret")) {
            return;
        }
        let keys: &[&str] = if kind == Some("Secret") { &["stringData"] } else { &["data"] };
        for data in keys.iter().filter_map(|key| document.get(key)) {
            let variables = block(data);
            if variables.iter().any(Variable::leads_somewhere) {
                let name = document.get("metadata").and_then(|data| data.get("name"));
                let name = name.and_then(Node::text).unwrap_or_default();
                facts.contexts.push(Context {
                    what: format!("{} \"{name}\"", kind.unwrap_or_default()),
                    variables,
                    ..Context::default()
                });
            }
        }
    }
}

/// The variables of a block: a map, a list of `K=V`, or a list of `{name, value}`.
fn block(node: &Node) -> Vec<Variable> {
    let mut variables = Vec::new();
    for (name, value) in node.map() {
        let (text, place) = match &value.kind {
            Kind::Text { text, .. } => (text.clone(), value.place),
            // GitLab's {value, description}
            Kind::Map(_) => match value.get("value").and_then(Node::text) {
                Some(text) => (text.to_owned(), value.place),
                None => (DYNAMIC.to_string(), value.place),
            },
            // compose passes the variable of that name on
            Kind::Null => (DYNAMIC.to_string(), value.place),
            Kind::Seq(_) => continue,
        };
        variables.extend(Variable::read(name, &dynamic(&text), place));
    }
    for item in node.seq() {
        match &item.kind {
            Kind::Text { text, .. } => {
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name, dynamic(value)),
                    None => (text.as_str(), DYNAMIC.to_string()),
                };
                variables.extend(Variable::read(name.trim(), &value, item.place));
            }
            Kind::Map(_) => {
                let Some(name) = item.get("name").or_else(|| item.get("key")) else { continue };
                let value = item.get("value").and_then(Node::text).map(dynamic);
                let value = value.unwrap_or_else(|| DYNAMIC.to_string());
                let name = name.text().unwrap_or_default();
                variables.extend(Variable::read(name, &value, item.place));
            }
            _ => {}
        }
    }
    variables
}

fn env_files(node: &Node) -> Vec<String> {
    let one = |node: &Node| match &node.kind {
        Kind::Text { text, .. } => Some(text.clone()),
        Kind::Map(_) => node.get("path").and_then(Node::text).map(str::to_owned),
        _ => None,
    };
    let list = node.seq().iter().filter_map(one);
    one(node).into_iter().chain(list).collect()
}

/// A text whose `${…}`, `$(…)`, `$NAME` and `${{ … }}` are [`DYNAMIC`].
pub fn dynamic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (close, open) = if after.starts_with("{{") {
            ("}}", 2)
        } else if after.starts_with('{') {
            ("}", 1)
        } else if after.starts_with('(') {
            (")", 1)
        } else {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !word(c)).unwrap_or(after.len());
            out.push(if end == 0 { '$' } else { DYNAMIC });
            rest = &after[end..];
            continue;
        };
        out.push(DYNAMIC);
        rest = match after[open..].find(close) {
            Some(end) => &after[open + end + close.len()..],
            None => "",
        };
    }
    out.push_str(rest);
    out
}

/// A script whose `${{ … }}` are a word, of the same length.
fn without_expressions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${{") {
        out.push_str(&rest[..at]);
        let end = rest[at..].find("}}").map_or(rest.len(), |end| at + end + 2);
        out.extend(rest[at..end].chars().map(|c| if c == '\n' { '\n' } else { DYNAMIC }));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// What stands between quotes or slashes.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for quote in ['\'', '"', '/'] {
        found.extend(text.split(quote).skip(1).step_by(2).map(str::to_owned));
    }
    found
}

fn without_literals(text: &str) -> String {
    let mut kept = text.to_owned();
    for quote in ['\'', '"'] {
        kept = kept.split(quote).step_by(2).collect::<Vec<_>>().join(" ");
    }
    kept
}
