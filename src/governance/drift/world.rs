//! What a configuration, and the upstreams that it names, contradict. Its findings stand in the
//! configuration at the upstream's table, where a comment can allow them.

use std::collections::BTreeSet;

use super::connect::Applied;
use super::facts::{Found, Place};
use super::project::Finding;
use super::rule::Rule;
use crate::governance::catalog_diff::{Catalog, Change, compare};

/// Where the upstreams of a configuration are declared.
pub struct Declared<'a> {
    /// The configuration's path, as in reports.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Declared<'_> {
    /// A finding about an upstream.
    pub fn finding(&self, upstream: &str, rule: Rule, message: String) -> Finding {
        Finding::new(self.path, Found { rule, place: self.place(upstream), message, fix: None })
    }

    /// A warning of the configuration (`upstream "x": message`) as a finding.
    pub fn mapping(&self, warning: &str) -> Finding {
        let named = warning.strip_prefix("upstream \"").and_then(|rest| rest.split_once("\": "));
        let (upstream, _) = named.unwrap_or_default();
        self.finding(upstream, Rule::ConfigMapping, warning.to_owned())
    }

    /// The line of `[upstreams.NAME]`, however it is quoted; the first line where there is none.
    fn place(&self, upstream: &str) -> Place {
        let header = |line: &str| {
            let inner = line.trim().strip_prefix('[')?.split(']').next()?;
            let (table, name) = inner.split_once('.')?;
            let name = name.trim().trim_matches(['"', '\'']);
            (table.trim() == "upstreams" && name == upstream).then_some(())
        };
        let index = self.text.lines().position(|line| header(line).is_some()).unwrap_or(0);
        Place { line: u32::try_from(index + 1).unwrap_or(u32::MAX), column: 1 }
    }
}

/// What a migration tool has written into its version table, by the columns that it has: Alembic,
/// Django, Prisma, Rails, Flyway, sqlx, Diesel, Goose, Knex, Drizzle, Liquibase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionColumns {
    version: Vec<&'static str>,
    conditions: Vec<(&'static str, Condition)>,
}

/// What must be said of a migration for it to have run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    True,
    False,
    Null,
    NotNull,
}

impl VersionColumns {
    /// Of a table with these columns.
    pub fn of(columns: &[&str]) -> Option<VersionColumns> {
        use Condition::{False, NotNull, Null, True};
        const NAMES: [&str; 7] =
            ["version_num", "migration_name", "version", "version_id", "name", "hash", "id"];
        const CONDITIONS: [(&str, Condition); 5] = [
            ("success", True),
            ("is_applied", True),
            ("finished_at", NotNull),
            ("rolled_back_at", Null),
            ("dirty", False),
        ];
        let has = |name: &str| columns.contains(&name);
        let version = if has("app") && has("name") {
            vec!["app", "name"]
        } else {
            vec![NAMES.into_iter().find(|name| has(name))?]
        };
        let conditions = CONDITIONS.into_iter().filter(|(name, _)| has(name)).collect();
        Some(VersionColumns { version, conditions })
    }

    /// What is to be read. None needs quotes.
    pub fn names(&self) -> Vec<&'static str> {
        self.version.iter().copied().chain(self.conditions.iter().map(|(name, _)| *name)).collect()
    }

    /// The migration that a row of these columns says has run.
    pub fn version(&self, row: &[Option<String>]) -> Option<String> {
        let (version, told) = row.split_at_checked(self.version.len())?;
        let holds = |((_, condition), value): (&(&str, Condition), &Option<String>)| match (
            condition,
            value.as_deref(),
        ) {
            (Condition::True, value) => matches!(value, Some("t" | "true" | "1")),
            (Condition::False, value) => matches!(value, Some("f" | "false" | "0")),
            (Condition::Null, value) => value.is_none(),
            (Condition::NotNull, value) => value.is_some(),
        };
        let ran =
            told.len() == self.conditions.len() && self.conditions.iter().zip(told).all(holds);
        let version: Option<Vec<&str>> = version.iter().map(Option::as_deref).collect();
        version.filter(|_| ran).map(|version| version.join("."))
    }
}

/// What the version tables of a staging and a prod database differ in, a table a message.
pub fn heads(names: (&str, &str), staging: &Applied, prod: &Applied) -> Vec<String> {
    let nothing = BTreeSet::new();
    let tables: BTreeSet<&String> = staging.keys().chain(prod.keys()).collect();
    let mut messages = Vec::new();
    for table in tables {
        let of = |applied: &Applied| applied.get(table).cloned().unwrap_or_default();
        let (left, right) = (of(staging), of(prod));
        if left == right {
            continue;
        }
        let mut parts = Vec::new();
        for (name, mine, other) in [(names.0, &left, &right), (names.1, &right, &left)] {
            let only: Vec<&String> = mine.difference(other).collect();
            if *mine == nothing {
                parts.push(format!("\"{name}\" has run none"));
            } else if !only.is_empty() {
                parts.push(format!("only \"{name}\" has {}", some(&only)));
            }
        }
        messages.push(format!("{table}: {}", parts.join("; ")));
    }
    messages
}

/// What the schemas of a staging and a prod database differ in. What pgauthority itself puts into
/// one (the seal, the backstop), and who owns and may do what, is no difference of schemas.
pub fn schemas(names: (&str, &str), staging: &Catalog, prod: &Catalog) -> Option<String> {
    let comparison = compare(("staging", staging), ("prod", prod));
    let differences: Vec<String> = comparison
        .counting()
        .filter(|difference| {
            let identity = &difference.key.identity;
            let ours = identity == "pgauthority"
                || identity.starts_with("pgauthority.")
                || identity.starts_with("pgauthority_");
            let kind = difference.key.kind.as_str();
            !ours && !matches!(kind, "database" | "default privileges")
        })
        .filter(|difference| match &difference.change {
            Change::Changed(properties) => {
                let governed =
                    |name: &str| matches!(name, "owner" | "privileges" | "column privileges");
                !properties.iter().all(|property| governed(&property.name))
            }
            _ => true,
        })
        .map(|difference| {
            let how = match &difference.change {
                Change::OnlyLeft => format!("only in \"{}\"", names.0),
                Change::OnlyRight => format!("only in \"{}\"", names.1),
                Change::Changed(properties) => {
                    let names: Vec<&str> =
                        properties.iter().map(|property| property.name.as_str()).collect();
                    format!("differs in {}", names.join(", "))
                }
                Change::Renamed { .. } | Change::ColumnOrder { .. } => {
                    "is named otherwise".to_owned()
                }
            };
            format!("{} {how}", difference.key)
        })
        .collect();
    if differences.is_empty() {
        return None;
    }
    let what = if differences.len() == 1 { "difference" } else { "differences" };
    let shown: Vec<&String> = differences.iter().collect();
    Some(format!(
        "staging \"{}\" and prod \"{}\": {} {what}: {}",
        names.0,
        names.1,
        differences.len(),
        some(&shown)
    ))
}

/// The first few, and how many more.
fn some(all: &[&String]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = all.iter().take(SHOWN).map(|one| one.as_str()).collect();
    let more = all.len().saturating_sub(SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(tables: &[(&str, &[&str])]) -> Applied {
        let set = |versions: &[&str]| versions.iter().map(|one| (*one).to_owned()).collect();
        tables.iter().map(|(table, versions)| ((*table).to_owned(), set(versions))).collect()
    }

    #[test]
    fn heads_are_compared_table_by_table() {
        let same = applied(&[("public.alembic_version", &["a"])]);
        assert_eq!(heads(("s", "p"), &same, &same), [""; 0]);
        let other = applied(&[("public.alembic_version", &["b"]), ("x.schema_migrations", &["1"])]);
        assert_eq!(
            heads(("s", "p"), &same, &other),
            [
                "public.alembic_version: only \"s\" has a; only \"p\" has b",
                "x.schema_migrations: \"s\" has run none; only \"p\" has 1"
            ]
        );
    }

    #[test]
    fn version_tables_are_read_by_their_columns() {
        let columns = |columns: &[&str]| VersionColumns::of(columns).unwrap();
        let row = |row: &[&str]| -> Vec<Option<String>> {
            row.iter().map(|value| (*value != "NULL").then(|| (*value).to_owned())).collect()
        };
        let alembic = columns(&["version_num"]);
        assert_eq!(alembic.names(), ["version_num"]);
        assert_eq!(alembic.version(&row(&["a"])).unwrap(), "a");
        assert_eq!(alembic.version(&row(&["NULL"])), None);
        let django = columns(&["id", "app", "name", "applied"]);
        assert_eq!(django.names(), ["app", "name"]);
        assert_eq!(django.version(&row(&["auth", "1"])).unwrap(), "auth.1");
        let goose = columns(&["id", "version_id", "is_applied"]);
        assert_eq!(goose.names(), ["version_id", "is_applied"]);
        assert_eq!(goose.version(&row(&["7", "t"])).unwrap(), "7");
        assert_eq!(goose.version(&row(&["7", "f"])), None);
        assert_eq!(goose.version(&row(&["7"])), None);
        let prisma = columns(&["migration_name", "finished_at", "rolled_back_at"]);
        assert_eq!(prisma.version(&row(&["a", "2026", "NULL"])).unwrap(), "a");
        assert_eq!(prisma.version(&row(&["a", "NULL", "NULL"])), None);
        assert_eq!(prisma.version(&row(&["a", "2026", "2026"])), None);
        assert_eq!(columns(&["version", "dirty"]).version(&row(&["1", "t"])), None);
        assert_eq!(VersionColumns::of(&["mood"]), None);
    }

    #[test]
    fn findings_stand_at_the_upstreams_table() {
        let text = "[server]\n[upstreams.a]\nx = 1\n[ upstreams . \"b c\" ] # x\n";
        let declared = Declared { path: "p.toml", text };
        let line = |name: &str| declared.finding(name, Rule::WorldSeal, String::new()).line;
        assert_eq!([line("a"), line("b c"), line("other")], [2, 4, 1]);
        let finding = declared.mapping("upstream \"b c\": what");
        assert_eq!((finding.line, finding.rule), (4, Rule::ConfigMapping));
    }
}
