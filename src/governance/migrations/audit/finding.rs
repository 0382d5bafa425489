//! Rules and findings.

use std::path::PathBuf;

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Somebody should look before this runs on prod.
    Warning,
    /// It does not work.
    Error,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub id: &'static str,
    /// How much a finding of it matters as a rule.
    pub severity: Severity,
    /// What it is about.
    pub summary: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Something that a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static Rule,
    /// How much this one matters.
    pub severity: Severity,
    /// The file; none where it is about the whole set.
    pub path: Option<PathBuf>,
    /// The line, from 1.
    pub line: u32,
    /// The migration's id.
    pub revision: Option<String>,
    /// What was found.
    pub message: String,
}

const fn rule(
    id: &'static str,
    severity: Severity,
    summary: &'static str,
    fix: &'static str,
) -> Rule {
    Rule { id, severity, summary, fix }
}

use Severity::{Error, Note, Warning};

/// Every rule.
pub static RULES: &[Rule] = &[
    rule("file.unreadable", Error, "the file is no Python", "correct the syntax"),
    rule(
        "file.no-revision",
        Error,
        "the file has no revision: Alembic stops at it",
        "give it a revision, or move it out of the folder of versions",
    ),
    rule(
        "file.empty",
        Note,
        "the migration does nothing",
        "remove it, or say in it what it is for",
    ),
    rule(
        "code.unseen",
        Note,
        "code is called that cannot be followed: what it does is not looked at",
        "look at it, or write out what it does: alembic upgrade --sql | pgauthority classify -",
    ),
    rule(
        "id.duplicate",
        Error,
        "two migrations have the same id",
        "give one of them another id, and correct the down_revision of what follows it",
    ),
    rule(
        "id.too-long",
        Error,
        "the id does not fit the version column",
        "shorten the id, or widen alembic_version.version_num and say so with --version-length",
    ),
    rule(
        "id.long",
        Note,
        "ids are longer than Alembic's own version column",
        "see that alembic_version.version_num is widened before the first of them runs",
    ),
    rule(
        "name.family",
        Note,
        "the name is in no family",
        "rename the file, or declare the family with --families FILE",
    ),
    rule(
        "name.gap",
        Note,
        "numbers are missing",
        "nothing, where migrations were taken back; else look for the missing file",
    ),
    rule("name.number-twice", Warning, "two files have the same number", "renumber the later one"),
    rule(
        "name.order",
        Note,
        "the numbers run against the graph",
        "renumber, or correct the down_revision",
    ),
    rule(
        "name.mismatch",
        Note,
        "the file's name and its revision differ",
        "name the file after the revision",
    ),
    rule(
        "graph.missing-parent",
        Error,
        "a migration names one that does not exist",
        "correct down_revision or depends_on, or bring the missing file back",
    ),
    rule(
        "graph.cycle",
        Error,
        "migrations follow each other in a circle",
        "correct the down_revision of one of them",
    ),
    rule(
        "graph.heads",
        Warning,
        "there are several heads: alembic upgrade head fails",
        "alembic merge heads",
    ),
    rule(
        "graph.bases",
        Note,
        "there are several bases",
        "nothing, where these are branches of their own; else give all but one a down_revision",
    ),
    rule(
        "destructive.drop-table",
        Warning,
        "a table is dropped with its rows",
        "drop it one release after nothing reads it, with a backup at hand",
    ),
    rule(
        "destructive.drop-column",
        Warning,
        "a column is dropped with its values",
        "drop it one release after nothing reads it, with a backup at hand",
    ),
    rule(
        "destructive.drop",
        Warning,
        "a schema or database is dropped with all that is in it",
        "drop what is meant by name",
    ),
    rule(
        "destructive.drop-cascade",
        Warning,
        "CASCADE drops what depends on it, unnamed",
        "drop what depends on it by name first",
    ),
    rule("destructive.truncate", Warning, "a table is emptied", "have a backup at hand"),
    rule(
        "destructive.delete-all",
        Warning,
        "DELETE without a condition removes every row",
        "add a WHERE, or say TRUNCATE if that is meant",
    ),
    rule(
        "destructive.narrow-type",
        Warning,
        "values may not fit the new type",
        "check the values first, or add a column of the new type beside the old one",
    ),
    rule(
        "lock.add-column",
        Warning,
        "adding the column writes the whole table anew, readers kept out",
        "add it without the default, set the default, fill old rows in batches",
    ),
    rule(
        "lock.alter-type",
        Warning,
        "changing the type writes the whole table anew, readers kept out",
        "add a column of the new type, fill it in batches, exchange the two",
    ),
    rule(
        "lock.set-not-null",
        Warning,
        "SET NOT NULL reads the whole table, readers kept out",
        "add CHECK (column IS NOT NULL) NOT VALID, validate it in a later migration, then set NOT NULL",
    ),
    rule(
        "lock.create-index",
        Warning,
        "writers are kept out while the index is built",
        "postgresql_concurrently=True within op.get_context().autocommit_block()",
    ),
    rule(
        "lock.drop-index",
        Note,
        "DROP INDEX waits for every transaction on the table, and keeps others waiting behind it",
        "postgresql_concurrently=True within op.get_context().autocommit_block()",
    ),
    rule(
        "lock.unique",
        Warning,
        "readers are kept out while the constraint's index is built",
        "create a unique index concurrently, then ADD CONSTRAINT … USING INDEX",
    ),
    rule(
        "lock.foreign-key",
        Warning,
        "writers of both tables are kept out while every row is checked",
        "postgresql_not_valid=True, and VALIDATE CONSTRAINT in a later migration",
    ),
    rule(
        "lock.check",
        Warning,
        "readers are kept out while every row is checked",
        "postgresql_not_valid=True, and VALIDATE CONSTRAINT in a later migration",
    ),
    rule(
        "lock.validate",
        Note,
        "validated in the transaction that adds the constraint: its lock is held meanwhile",
        "validate in a later migration",
    ),
    rule(
        "lock.rewrite",
        Warning,
        "the table is locked while all of it is written or read",
        "do it in a window, or use a tool that works online",
    ),
    rule(
        "lock.update-all",
        Note,
        "UPDATE without a condition writes every row in one transaction",
        "fill rows in batches, outside the migration",
    ),
    rule(
        "fails.not-null",
        Warning,
        "a NOT NULL column without default cannot be added to a table with rows",
        "give it a server_default, or add it nullable and fill it first",
    ),
    rule(
        "transaction.concurrently",
        Error,
        "CONCURRENTLY fails inside a transaction",
        "with op.get_context().autocommit_block():",
    ),
    rule(
        "transaction.forbidden",
        Error,
        "the statement fails inside a transaction",
        "with op.get_context().autocommit_block():",
    ),
    rule(
        "irreversible.missing",
        Warning,
        "there is no downgrade()",
        "write one, or one that raises with the reason",
    ),
    rule(
        "irreversible.empty",
        Warning,
        "downgrade() does nothing",
        "undo what upgrade() does, or raise with the reason",
    ),
    rule(
        "irreversible.raises",
        Note,
        "downgrade() only raises",
        "nothing, where that is meant: going back needs a backup",
    ),
    rule(
        "table.not-created",
        Warning,
        "a table is altered that no migration creates: upgrade head on an empty database fails there",
        "add the CREATE TABLE, or declare the table with --orm-tables if the application makes it",
    ),
    rule(
        "table.orm",
        Note,
        "a table of the application's own models is altered: upgrade head on an empty database fails there",
        "bootstrap, then alembic stamp head",
    ),
    rule(
        "table.orm-created",
        Warning,
        "a table that is declared as the application's own is created by a migration",
        "take it off the list, or out of the migration",
    ),
    rule(
        "table.unknown",
        Note,
        "a table is used that no migration creates",
        "declare it with --orm-tables if the application makes it",
    ),
    rule(
        "sql.undecidable",
        Note,
        "the SQL is made when the migration runs: it cannot be judged here",
        "write it out, or judge what it made: alembic upgrade --sql | pgauthority classify -",
    ),
    rule(
        "sql.unreadable",
        Note,
        "PostgreSQL's grammar does not read this SQL",
        "correct it; where it is for another database, ask for the dialect first",
    ),
    rule(
        "sql.privilege",
        Note,
        "privileges or owners change",
        "see that prod has the roles which are named",
    ),
    rule(
        "sql.admin",
        Warning,
        "a statement of class admin: blocked on a prod upstream, confirmed or not",
        "do it outside the migrations",
    ),
];

/// A rule by its name. The names are those of [`RULES`]; another one gives the first rule.
pub fn rule_named(id: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.id == id).unwrap_or(&RULES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_names_of_their_own() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }
}
