//! A judgement held against what a server did.

use pgauthority::sql::catalog::Resolved;
use pgauthority::sql::{Class, Effect, Judgement};

use super::server::{Observation, is_catalog};

/// What came of the comparison.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As strong as what was seen, and no stronger than it, or that cannot be told.
    Sound,
    /// Judged weaker than what was seen: the worst of faults.
    Miss(String),
    /// Blocked on an unconfirmed prod upstream, and nothing was seen that called for it.
    FalseAlarm(String),
    /// A `write` that READ ONLY let run: blocked on a replica only.
    Cautious(String),
}

/// The class that what was seen calls for at least, and what that was. `temporary`: the text
/// speaks of temporary objects.
fn needed(found: &Observation, temporary: bool) -> (Class, String) {
    let mut floor = (Class::Session, String::new());
    let mut at_least = |class: Class, why: String| {
        if class > floor.0 {
            floor = (class, why);
        }
    };
    if found.read_only_refuses() {
        at_least(Class::Write, "READ ONLY refuses it".into());
    }
    for relation in &found.touched {
        // an id alone, or a row of a catalog, may be for a temporary relation's sake
        let maybe_temporary =
            relation.starts_with("pg_temp") || relation == "xid.xid" || is_catalog(relation);
        let class = if maybe_temporary { Class::Temp } else { Class::Write };
        at_least(class, format!("writes {relation}"));
    }
    for catalog in &found.changed {
        let class = match catalog.trim_start_matches("pg_catalog.") {
            "pg_authid" | "pg_auth_members" | "pg_default_acl" | "pg_db_role_setting"
            | "pg_parameter_acl" => Class::Privilege,
            "pg_database" | "pg_tablespace" => Class::Admin,
            _ => Class::Ddl,
        };
        at_least(class, format!("changes {catalog}"));
    }
    for (index, tag) in found.fired.iter().enumerate() {
        let class = match tag.as_str() {
            // CONCURRENTLY fires for a temporary table of its own too
            "REFRESH MATERIALIZED VIEW" => Class::Write,
            _ if found.fired[0] == "REFRESH MATERIALIZED VIEW" => Class::Write,
            // what an extension's script grants is hidden in it
            "GRANT" | "REVOKE" | "ALTER DEFAULT PRIVILEGES" if index == 0 => Class::Privilege,
            _ if found.only_temporary(temporary) => Class::Temp,
            _ => Class::Ddl,
        };
        at_least(class, format!("fires an event trigger for {tag}"));
    }
    floor
}

impl Observation {
    fn read_only_refuses(&self) -> bool {
        self.read_only_error.as_deref() == Some("25006")
    }

    /// It left the permanent catalogs as they were, and wrote them for temporary objects alone, or
    /// not at all and was about such objects. An error hides what it was about, and so does the end
    /// of a transaction: the text has to tell.
    fn only_temporary(&self, temporary: bool) -> bool {
        let wrote = self.error.is_none() && !self.outside && self.touches_catalogs();
        self.changed.is_empty() && (wrote || temporary)
    }
}

/// The class that a text has, and why.
pub struct Judged<'j> {
    pub class: Class,
    pub reason: &'j str,
    pub judgement: &'j Judgement,
}

impl<'j> Judged<'j> {
    /// By the text alone.
    pub fn by_text(judgement: &'j Judgement) -> Judged<'j> {
        let class = judgement.strongest;
        let decisive = judgement.statements.iter().find(|one| one.class == class);
        Judged { class, reason: decisive.map_or("", |one| &one.reason), judgement }
    }

    /// With what the catalog knows of it.
    pub fn by_catalog(judgement: &'j Judgement, resolved: &'j [Resolved]) -> Judged<'j> {
        let decisive = resolved.iter().max_by_key(|one| one.class);
        Judged {
            class: decisive.map_or(Class::Session, |one| one.class),
            reason: decisive.map_or("", |one| &one.reason),
            judgement,
        }
    }
}

/// Holds a judgement against what was seen.
pub fn verdict(judged: &Judged, found: &Observation, text: &str) -> Verdict {
    let Judged { class, reason, judgement } = *judged;
    let tags: Vec<&str> = judgement.statements.iter().map(|one| one.tag).collect();
    let lower = text.to_ascii_lowercase();
    let temporary = lower
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .any(|word| matches!(word, "temp" | "temporary" | "pg_temp"));
    let (floor, why) = needed(found, temporary);
    let failed = found.error.is_some();
    let allowed = match class {
        // DISCARD is of the session (contract), and drops its temporary relations
        Class::Session | Class::Read if lower.contains("discard") => Class::Temp,
        // some routines have an id of a transaction for their very result
        Class::Read | Class::Session
            if found.touched == ["xid.xid"]
                && (text.contains("xact_id") || text.contains("txid_current")) =>
        {
            Class::Write
        }
        _ => class,
    };
    if floor > allowed {
        return Verdict::Miss(format!("judged {class}, but it {why}"));
    }
    // what it rolled back itself was not seen
    let undone =
        || judgement.statements.iter().any(|one| matches!(one.effect, Effect::Rollback(_)));
    if failed || found.ended || found.outside && undone() {
        return Verdict::Sound;
    }
    let effects = || found.fired.is_empty() && !found.wrote();
    let explained = |reason: &str| match reason {
        "" => tags.join("; "),
        reason => format!("{}: {reason}", tags.join("; ")),
    };
    match class {
        Class::Write if effects() && found.read_only && found.read_only_error.is_none() => {
            Verdict::Cautious(explained(reason))
        }
        class if class >= Class::MigrationState && found.fired.is_empty() => {
            // the contract names the relation; that no row was hit is no matter
            let rows = reason.contains("writes the") && found.read_only_refuses();
            let shown = match class {
                Class::MigrationState => found.wrote() || rows,
                _ => found.touches_catalogs() || !found.changed.is_empty() || rows,
            };
            if shown { Verdict::Sound } else { Verdict::FalseAlarm(explained(reason)) }
        }
        _ => Verdict::Sound,
    }
}
