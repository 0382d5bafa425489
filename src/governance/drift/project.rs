//! All files together: what one needs of another (a guard that is imported, variables that are read
//! from a file), URLs against upstreams, and what comments allow.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::context;
use super::facts::{Allow, Context, Facts, Found, Variable};
use super::kind::is_test;
use super::names;
use super::rule::{Needs, Rule};
use super::upstreams::Upstreams;

/// One place where the declared authority and the world have come apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, relative to the working folder, with slashes.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 1, in bytes.
    pub column: u32,
    /// By which rule.
    pub rule: Rule,
    /// What is so; never holds a secret.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl Finding {
    /// A finding at a place of a file.
    pub fn new(path: &str, found: Found) -> Finding {
        Finding {
            path: path.to_owned(),
            line: found.place.line,
            column: found.place.column,
            rule: found.rule,
            message: found.message,
            fix: found.fix.unwrap_or_else(|| found.rule.fix().to_owned()),
        }
    }
}

/// What a run looks for.
#[derive(Clone, Debug, Default)]
pub struct Looking {
    /// The configuration's upstreams, with `--config`.
    pub upstreams: Option<Upstreams>,
    /// With `--connect`.
    pub connects: bool,
    /// Only these rules, where any is named.
    pub only: BTreeSet<Rule>,
    /// Not these.
    pub without: BTreeSet<Rule>,
}

impl Looking {
    /// Whether this run can find what the rule finds.
    pub fn looks_for(&self, rule: Rule) -> bool {
        let can = match rule.needs() {
            Needs::Files => true,
            Needs::Config => self.upstreams.is_some(),
            Needs::Connect => self.connects,
        };
        can && (self.only.is_empty() || self.only.contains(&rule)) && !self.without.contains(&rule)
    }
}

/// What was found, and how much of it is allowed.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// In the order of paths and lines.
    pub findings: Vec<Finding>,
    /// Findings that a comment with a reason allows.
    pub allowed: usize,
}

/// The facts of a file that has none yet: it said nothing to any rule, but it may import what does.
pub type Lazy<'a> = &'a dyn Fn(&str) -> Option<Facts>;

/// Judges a tree: the facts of its files by path, all its paths, and findings that were made
/// elsewhere (the world's) and whose file may allow them.
pub fn judge(
    files: &BTreeMap<String, Facts>,
    paths: &BTreeSet<String>,
    lazy: Lazy<'_>,
    looking: &Looking,
    elsewhere: Vec<Finding>,
) -> Judged {
    let mut imports = Imports::new(files, paths, lazy);
    let mut found: Vec<Finding> = elsewhere;
    for (path, facts) in files {
        let mut own = facts.found.clone();
        let guarded = facts.guarded || imports.reach_a_guard(path);
        for context in &facts.contexts {
            let context = imports.with_files(path, context);
            own.extend(context::judge(&context, guarded));
        }
        if !guarded {
            own.extend(unchecked(facts));
        }
        own.extend(urls(path, facts, looking));
        own.sort_by_key(|found| (found.place, found.rule));
        own.dedup_by_key(|found| (found.place.line, found.rule, found.message.clone()));
        found.extend(own.into_iter().map(|found| Finding::new(path, found)));
    }
    found.retain(|finding| looking.looks_for(finding.rule));
    let before = found.len();
    let mut allows = Allows::default();
    found.retain(|finding| match files.get(&finding.path) {
        Some(facts) => !allows.allow(finding, &facts.allows),
        None => true,
    });
    let allowed = before - found.len();
    for (path, facts) in files {
        found.extend(allows.faults(path, &facts.allows, looking));
    }
    found.sort();
    Judged { findings: found, allowed }
}

/// The first place where a file takes a URL from its environment.
fn unchecked(facts: &Facts) -> Option<Found> {
    let (variable, place) = facts.reads.iter().min_by_key(|(_, place)| *place)?;
    Some(Found {
        rule: Rule::DeclareUnchecked,
        place: *place,
        message: format!(
            "{variable} is taken from the environment, and neither this file nor what it imports \
             looks at DB_AUTHORITY"
        ),
        fix: None,
    })
}

fn urls(path: &str, facts: &Facts, looking: &Looking) -> Vec<Found> {
    let mut found = Vec::new();
    for url in &facts.urls {
        let upstream = looking.upstreams.as_ref().and_then(|upstreams| upstreams.led_to(url));
        let (rule, message) = if let Some(upstream) = upstream {
            let message =
                format!("{} leads to upstream \"{upstream}\", round the proxy", url.shown);
            (Rule::UrlUpstream, message)
        } else if url.in_context
            || is_test(path)
            || url.hosts.iter().all(|(host, _)| names::is_example_host(host))
        {
            continue;
        } else {
            (Rule::UrlHardcoded, format!("{} is written into the source", url.shown))
        };
        found.push(Found { rule, place: url.place, message, fix: None });
    }
    found
}

/// Which file an import means, and what can be reached from it.
struct Imports<'a> {
    files: &'a BTreeMap<String, Facts>,
    paths: &'a BTreeSet<String>,
    /// Paths by their last part, for imports that do not say where they start.
    by_name: HashMap<&'a str, Vec<&'a str>>,
    any_guard: bool,
    lazy: Lazy<'a>,
    known: HashMap<String, Option<Facts>>,
}

impl<'a> Imports<'a> {
    fn new(
        files: &'a BTreeMap<String, Facts>,
        paths: &'a BTreeSet<String>,
        lazy: Lazy<'a>,
    ) -> Imports<'a> {
        let mut by_name: HashMap<&str, Vec<&str>> = HashMap::new();
        let any_guard = files.values().any(|facts| facts.guarded);
        if any_guard {
            for path in paths {
                let name = path.rsplit('/').next().unwrap_or(path);
                by_name.entry(name).or_default().push(path);
            }
        }
        Imports { files, paths, by_name, any_guard, lazy, known: HashMap::new() }
    }

    fn facts(&mut self, path: &str) -> Option<&Facts> {
        if let Some(facts) = self.files.get(path) {
            return Some(facts);
        }
        if !self.known.contains_key(path) {
            let facts = (self.lazy)(path);
            self.known.insert(path.to_owned(), facts);
        }
        self.known.get(path).and_then(Option::as_ref)
    }

    fn reach_a_guard(&mut self, path: &str) -> bool {
        if !self.any_guard {
            return false;
        }
        let mut seen: HashSet<String> = HashSet::from([path.to_owned()]);
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            let Some(facts) = self.facts(&path) else { continue };
            if facts.guarded {
                return true;
            }
            let imports = facts.imports.clone();
            for target in imports.iter().flat_map(|import| self.targets(&path, import)) {
                if seen.len() < 10_000 && seen.insert(target.clone()) {
                    waiting.push(target);
                }
            }
            // pytest imports these before a test
            for folder in is_test(&path).then(|| folders(&path)).into_iter().flatten() {
                let conftest = joined(folder, "conftest.py");
                if self.paths.contains(&conftest) && seen.insert(conftest.clone()) {
                    waiting.push(conftest);
                }
            }
        }
        false
    }

    /// The files that an import may mean.
    fn targets(&self, from: &str, import: &str) -> Vec<String> {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        if from.ends_with(".py") || !import.contains('/') && !import.contains('.') {
            return self.python(folder, import);
        }
        let stem = normal(folder, import);
        const ENDS: &[&str] = &[
            "",
            ".ts",
            ".tsx",
            ".js",
            ".jsx",
            ".mjs",
            ".cjs",
            ".mts",
            ".cts",
            "/index.ts",
            "/index.js",
            "/index.tsx",
        ];
        let stems = [stem.clone(), stem.strip_suffix(".js").unwrap_or(&stem).to_owned()];
        let mut targets = Vec::new();
        for (stem, end) in stems.iter().flat_map(|stem| ENDS.iter().map(move |end| (stem, end))) {
            let path = format!("{stem}{end}");
            if self.paths.contains(&path) {
                targets.push(path);
            }
        }
        targets
    }

    fn python(&self, folder: &str, import: &str) -> Vec<String> {
        let module = import.trim_start_matches('.');
        let dots = import.len() - module.len();
        let tail = module.replace('.', "/");
        let candidates = [format!("{tail}.py"), format!("{tail}/__init__.py")];
        if dots > 0 {
            let mut base = folder;
            for _ in 1..dots {
                base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
            }
            let here = candidates.iter().map(|candidate| joined(base, candidate));
            return here.filter(|path| self.paths.contains(path)).collect();
        }
        let mut targets = Vec::new();
        for candidate in &candidates {
            let name = candidate.rsplit('/').next().unwrap_or(candidate);
            for path in self.by_name.get(name).into_iter().flatten() {
                let whole = path.strip_suffix(candidate.as_str());
                if whole.is_some_and(|before| before.is_empty() || before.ends_with('/')) {
                    targets.push((*path).to_owned());
                }
            }
        }
        targets
    }

    /// A context with the variables of the files that are read into it.
    fn with_files(&self, path: &str, context: &Context) -> Context {
        if context.files.is_empty() {
            return context.clone();
        }
        let mut whole = context.clone();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for file in &context.files {
            let at = normal(folder, file);
            let Some(facts) = self.files.get(&at).or_else(|| self.files.get(file)) else {
                // not in the tree, or nothing in it: what it declares cannot be seen
                whole.open |= !self.paths.contains(&at);
                continue;
            };
            for variable in facts.contexts.iter().flat_map(|context| &context.variables) {
                if !whole.variables.iter().any(|own| own.name == variable.name) {
                    whole.variables.push(Variable { inherited: true, ..variable.clone() });
                }
            }
        }
        whole
    }
}

/// The folders above a path, nearest first.
fn folders(path: &str) -> Vec<&str> {
    let mut folders = Vec::new();
    let mut at = path;
    while let Some((folder, _)) = at.rsplit_once('/') {
        folders.push(folder);
        at = folder;
    }
    folders.push("");
    folders
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A relative path from a folder, with `.` and `..` resolved.
fn normal(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> =
        if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// What comments allow, and whether they have allowed anything.
#[derive(Default)]
struct Allows {
    used: HashSet<(String, u32)>,
}

impl Allows {
    /// A finding is allowed by a comment with a reason; one without allows it too, and is a finding
    /// itself.
    fn allow(&mut self, finding: &Finding, allows: &[Allow]) -> bool {
        let mut allowed = false;
        for allow in allows {
            let speaks = allow.line.is_none_or(|line| line == finding.line);
            if speaks && allow.rules.iter().any(|rule| rule == finding.rule.id()) {
                self.used.insert((finding.path.clone(), allow.place.line));
                allowed = true;
            }
        }
        allowed
    }

    fn faults(&self, path: &str, allows: &[Allow], looking: &Looking) -> Vec<Finding> {
        let mut found = Vec::new();
        for allow in allows {
            let mut add = |rule: Rule, message: String| {
                if looking.looks_for(rule) {
                    let found_here = Found { rule, place: allow.place, message, fix: None };
                    found.push(Finding::new(path, found_here));
                }
            };
            let rules: Vec<Rule> =
                allow.rules.iter().filter_map(|rule| Rule::from_id(rule)).collect();
            if rules.len() < allow.rules.len() || allow.rules.is_empty() {
                let unknown = allow.rules.iter().find(|rule| Rule::from_id(rule).is_none());
                add(
                    Rule::SuppressUnknown,
                    match unknown {
                        Some(rule) => format!("{} is no rule", super::facts::shown(rule)),
                        None => "no rule is named".to_owned(),
                    },
                );
                continue;
            }
            if allow.reason.is_none() {
                add(
                    Rule::SuppressReason,
                    format!("{} is allowed without a reason", allow.rules.join(", ")),
                );
            }
            let looked = rules.iter().all(|rule| looking.looks_for(*rule));
            if looked && !self.used.contains(&(path.to_owned(), allow.place.line)) {
                add(
                    Rule::SuppressUnused,
                    format!("nothing of {} is found there", allow.rules.join(", ")),
                );
            }
        }
        found
    }
}
