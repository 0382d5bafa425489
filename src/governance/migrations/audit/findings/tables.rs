//! Tables that migrations need and no migration makes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Options, key};
use crate::governance::migrations::audit::finding::{Finding, Severity, rule_named};
use crate::governance::migrations::audit::graph::Graph;
use crate::governance::migrations::audit::operation::Action;
use crate::governance::migrations::audit::run::text::HOLE;
use crate::governance::migrations::audit::script::Script;

/// PostgreSQL's own relations, and Alembic's.
fn is_given(table: &str) -> bool {
    table == "alembic_version"
        || table.starts_with("pg_")
        || table.starts_with("information_schema.")
        || table.starts_with("sqlite_")
        || table.contains(&HOLE.to_lowercase())
        || table.is_empty()
}

/// What the `upgrade()`s of a set make.
pub(in crate::governance::migrations::audit) struct Made {
    tables: BTreeSet<String>,
    /// Names without their schema.
    bare: BTreeSet<String>,
    /// Some tables are made by models that are not seen.
    pub by_models: bool,
    /// Code that is not seen may make tables too.
    pub unseen: bool,
}

fn bare(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}

impl Made {
    pub(in crate::governance::migrations::audit) fn of(scripts: &[Script]) -> Made {
        let mut made = Made {
            tables: BTreeSet::new(),
            bare: BTreeSet::new(),
            by_models: false,
            unseen: false,
        };
        for script in scripts {
            for operation in &script.upgrade.body.operations {
                let name = match &operation.action {
                    Action::CreateTable { table, .. } => table,
                    Action::CreateRelation { relation } => relation,
                    Action::RenameTable { to, .. } => to,
                    Action::CreateAll => {
                        made.by_models = true;
                        continue;
                    }
                    _ => continue,
                };
                made.unseen |= name.contains(HOLE);
                made.tables.insert(key(name));
                made.bare.insert(bare(&key(name)).to_owned());
            }
            made.unseen |= script.upgrade.body.unseen.iter().any(|(name, _)| {
                let name = name.to_lowercase();
                name.contains("create_table") || name.contains("createtable")
            });
        }
        made
    }

    /// Whether a table is made: under the same name, or one of the two without its schema.
    pub(in crate::governance::migrations::audit) fn has(&self, table: &str) -> bool {
        let table = key(table);
        self.tables.contains(&table)
            || self.tables.contains(bare(&table))
            || (!table.contains('.') && self.bare.contains(&table))
            || is_given(&table)
    }
}

/// A table, where it is needed first, and in how many migrations.
struct Need {
    number: usize,
    line: u32,
    altered: bool,
    certain: bool,
    migrations: BTreeSet<usize>,
}

pub(super) fn check(
    scripts: &[Script],
    graph: &Graph,
    options: &Options,
    found: &mut Vec<Finding>,
) {
    let made = Made::of(scripts);
    let declared = |table: &str| options.orm_tables.contains(bare(table));
    for (table, need) in needs(scripts, graph, &made) {
        let script = &scripts[need.number];
        let others = match need.migrations.len() {
            0 | 1 => String::new(),
            2 => ", and once more".to_owned(),
            more => format!(", and {} times more", more - 1),
        };
        let (id, mut severity, message) = match (need.altered, declared(&table)) {
            (true, true) => (
                "table.orm",
                Severity::Note,
                format!("alters the application's own table {table}{others}"),
            ),
            (true, false) => (
                "table.not-created",
                Severity::Warning,
                format!("alters {table}, which no migration creates{others}"),
            ),
            (false, true) => continue,
            (false, false) => (
                "table.unknown",
                Severity::Note,
                format!("uses {table}, which no migration creates{others}"),
            ),
        };
        let mut message = message;
        if made.by_models && id != "table.orm" {
            severity = Severity::Note;
            message.push_str("; create_all() may");
        } else if (made.unseen || !need.certain) && id == "table.not-created" {
            severity = Severity::Note;
        }
        found.push(Finding {
            rule: rule_named(id),
            severity,
            path: Some(script.path.clone()),
            line: need.line,
            revision: script.revision.clone(),
            message,
        });
    }
    orm_created(scripts, options, found);
}

/// The tables that are needed and not made, by name.
fn needs(scripts: &[Script], graph: &Graph, made: &Made) -> BTreeMap<String, Need> {
    let mut needs: BTreeMap<String, Need> = BTreeMap::new();
    for &number in &graph.order {
        for operation in &scripts[number].upgrade.body.operations {
            let altered = operation.action.altered();
            let used = operation.action.used();
            let all = altered.iter().map(|table| (table, true));
            for (table, altered) in all.chain(used.iter().map(|table| (table, false))) {
                if made.has(table) {
                    continue;
                }
                let certain = !operation.conditional;
                let need = needs.entry(key(table)).or_insert_with(|| Need {
                    number,
                    line: operation.line,
                    altered,
                    certain,
                    migrations: BTreeSet::new(),
                });
                if altered && !need.altered {
                    (need.number, need.line, need.altered) = (number, operation.line, true);
                }
                need.certain |= certain;
                need.migrations.insert(number);
            }
        }
    }
    needs
}

/// Tables that are declared as the application's own, and created by a migration.
fn orm_created(scripts: &[Script], options: &Options, found: &mut Vec<Finding>) {
    for script in scripts {
        for operation in &script.upgrade.body.operations {
            let Action::CreateTable { table, temporary: false, .. } = &operation.action else {
                continue;
            };
            if options.orm_tables.contains(bare(&key(table))) {
                found.push(Finding {
                    rule: rule_named("table.orm-created"),
                    severity: Severity::Warning,
                    path: Some(script.path.clone()),
                    line: operation.line,
                    revision: script.revision.clone(),
                    message: format!("creates {table}, which is declared as the application's own"),
                });
            }
        }
    }
}

/// For each script the tables that it alters and no migration makes.
pub(in crate::governance::migrations::audit) fn uncreated(scripts: &[Script]) -> Vec<Vec<String>> {
    let made = Made::of(scripts);
    let of = |script: &Script| {
        let mut tables: Vec<String> = script
            .upgrade
            .body
            .operations
            .iter()
            .flat_map(|operation| operation.action.altered())
            .filter(|table| !made.has(table))
            .map(key)
            .collect();
        tables.sort();
        tables.dedup();
        tables
    };
    scripts.iter().map(of).collect()
}
