//! An execution context, judged: by the environment gate's own rules where they apply.

use super::facts::{Context, Found, Value, Variable, for_gate, shown};
use super::languages::infer::words_of;
use super::names::{self, DECLARATIONS};
use super::rule::Rule;
use crate::governance::gate::{self, Demand, Status};

/// Findings of a context; `guarded`: what runs in it looks at the declaration, which must then be
/// made by whoever starts it.
pub fn judge(context: &Context, guarded: bool) -> Vec<Found> {
    let mut judge = Judge { context, found: Vec::new() };
    if !guarded && !context.open {
        judge.missing();
    }
    judge.words();
    judge.conflicts();
    judge.mismatches();
    judge.confirmations();
    judge.found
}

struct Judge<'a> {
    context: &'a Context,
    found: Vec<Found>,
}

impl Judge<'_> {
    fn own(&self) -> impl Iterator<Item = &Variable> {
        self.context.variables.iter().filter(|variable| !variable.inherited)
    }

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.context.variables.iter().rev().find(|variable| variable.name == name)
    }

    fn add(&mut self, rule: Rule, at: &Variable, message: String, fix: Option<String>) {
        self.found.push(Found { rule, place: at.place, message, fix });
    }

    fn missing(&mut self) {
        let Some(url) = self.own().find(|variable| variable.leads_somewhere()).cloned() else {
            return;
        };
        let missing: Vec<&str> =
            DECLARATIONS.iter().copied().filter(|name| self.variable(name).is_none()).collect();
        if missing.is_empty() {
            return;
        }
        let are = if missing.len() == 1 { "is not" } else { "are not" };
        let what = &self.context.what;
        let message =
            format!("{} is set for {what}, and {} {are}", url.name, missing.join(" and "));
        let lines = missing.iter().map(|name| {
            let words = words_of(name).unwrap_or_default();
            format!("{name}={}", words.join("|"))
        });
        let fix = format!("declare {} beside it", lines.collect::<Vec<_>>().join(" and "));
        self.add(Rule::DeclareMissing, &url, message, Some(fix));
    }

    fn words(&mut self) {
        let own: Vec<Variable> = self.own().cloned().collect();
        for variable in own {
            match (&variable.value, words_of(&variable.name)) {
                (Value::Known(value), Some(words))
                    if !value.is_empty() && !words.contains(&value.as_str()) =>
                {
                    let message = format!(
                        "{} is {}, which is not one of {}",
                        variable.name,
                        shown(value),
                        words.join(", ")
                    );
                    let all = words.iter().map(|word| format!("{}={word}", variable.name));
                    let fix = all.collect::<Vec<_>>().join(" or ");
                    self.add(Rule::DeclareInvalid, &variable, message, Some(fix));
                }
                (Value::Unreadable(why), _) => {
                    let message =
                        format!("{} {why}: nothing can be compared with it", variable.name);
                    self.add(Rule::UrlUnreadable, &variable, message, None);
                }
                _ => {}
            }
        }
    }

    /// Declarations against each other.
    fn conflicts(&mut self) {
        let all: Vec<&Variable> = self.context.variables.iter().collect();
        let mut variables = for_gate(&all);
        variables.remove("DATABASE_URL");
        let report = gate::judge(&variables, Demand::Declared);
        for check in report.checks {
            let is_conflict = matches!(check.rule, "role.authority" | "mapping.env");
            if !is_conflict || check.status == Status::Ok {
                continue;
            }
            let involved = if check.rule == "mapping.env" { "DB_ENV" } else { "DB_AUTHORITY" };
            let at = self.own().find(|variable| variable.name == "DB_ROLE");
            let at = at.or_else(|| self.own().find(|variable| variable.name == involved)).cloned();
            if let Some(at) = at {
                self.add(Rule::DeclareConflict, &at, check.message, check.hint);
            }
        }
    }

    /// Declarations against each URL beside them.
    fn mismatches(&mut self) {
        let own_declares = self.own().any(|variable| names::is_declaration(&variable.name));
        let all: Vec<&Variable> = self.context.variables.iter().collect();
        let declared = for_gate(&all);
        let urls: Vec<Variable> = self
            .context
            .variables
            .iter()
            .filter(|variable| variable.leads_somewhere())
            .filter(|variable| own_declares || !variable.inherited)
            .cloned()
            .collect();
        for url in urls {
            let Value::Known(value) = &url.value else { continue };
            let text = match url.name.as_str() {
                "PGHOST" => format!("postgresql:///x?host={value}"),
                _ => value.clone(),
            };
            let mut variables = declared.clone();
            variables.insert("DATABASE_URL".to_owned(), text);
            for check in gate::judge(&variables, Demand::Declared).checks {
                if !matches!(check.rule, "mapping.authority" | "mapping.role") {
                    continue;
                }
                let at = if url.inherited {
                    self.own().find(|variable| names::is_declaration(&variable.name)).cloned()
                } else {
                    Some(url.clone())
                };
                if let Some(at) = at {
                    let message = format!("{}: {}", url.name, check.message);
                    let fix = "declare what the URL leads to, or change the URL; \
                               DB_VIA=pgauthority if it leads to a pgauthority proxy";
                    self.add(Rule::DeclareMismatch, &at, message, Some(fix.to_owned()));
                }
            }
        }
    }

    fn confirmations(&mut self) {
        if self.context.one_command {
            return;
        }
        let what = self.context.what.clone();
        let own: Vec<Variable> = self.own().cloned().collect();
        for variable in own {
            let Value::Known(value) = &variable.value else { continue };
            match variable.name.as_str() {
                "CONFIRM_PROD_MIGRATIONS" if value.eq_ignore_ascii_case("true") => {
                    let message =
                        format!("CONFIRM_PROD_MIGRATIONS is true for all that runs in {what}");
                    self.add(Rule::ConfirmPersistent, &variable, message, None);
                }
                "PGOPTIONS" if !value.is_empty() => {
                    let message =
                        format!("PGOPTIONS confirms production migrations for all of {what}");
                    self.add(Rule::ConfirmOptions, &variable, message, None);
                }
                _ => {}
            }
        }
    }
}
