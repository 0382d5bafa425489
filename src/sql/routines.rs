//! What a call of a routine that PostgreSQL itself brings can do, and which relations are its own.
//!
//! The tables beside this file are data: `builtin.tsv`, `relations.tsv` and `symbols.tsv` are dumped
//! from fresh clusters of every supported major by `scripts/dump-builtins.sh`, `reviewed.tsv` says by
//! hand what each volatile built-in does. A name is judged without its arguments, so the strongest
//! overload of any major counts.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

const BUILTIN: &str = include_str!("routines/builtin.tsv");
const REVIEWED: &str = include_str!("routines/reviewed.tsv");
const RELATIONS: &str = include_str!("routines/relations.tsv");
const SYMBOLS: &str = include_str!("routines/symbols.tsv");

/// What a call of a routine can do (contract §4).
///
/// An unqualified name is taken for the built-in of that name. A user's routine of the same name
/// that the call resolves to instead (another signature, or a `search_path` that puts
/// `pg_catalog` last) cannot be told from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Routine {
    /// A built-in without side effects: class `read`.
    Read,
    /// An advisory lock: class `session`.
    Session,
    /// A built-in that changes data, sequences, large objects or statistics, or notifies: class
    /// `write`.
    Write,
    /// A built-in that reaches the server's files, its WAL, its replication, its configuration or
    /// its other sessions: class `admin`.
    Admin,
    /// `set_config`: what it sets decides, and counts as the SET of it would.
    SetConfig,
    /// A built-in that runs SQL given as text, or fetches from a cursor given by name. Unless
    /// that text is a literal which is judged as well, what it does is unseen: class `opaque`.
    Dynamic,
    /// Not a built-in: class `write` at least, and its code is unseen.
    Unknown,
}

impl Routine {
    fn from_word(word: &str) -> Option<Routine> {
        Some(match word {
            "read" => Routine::Read,
            "session" => Routine::Session,
            "write" => Routine::Write,
            "admin" => Routine::Admin,
            "set_config" => Routine::SetConfig,
            "dynamic" => Routine::Dynamic,
            _ => return None,
        })
    }
}

/// What a call of the routine `name` is. Both names are as the grammar gives them, that is,
/// folded to lower case unless quoted; `schema` is `None` for an unqualified call.
pub fn lookup(schema: Option<&str>, name: &str) -> Routine {
    let table = match schema {
        None | Some("pg_catalog") => &TABLES.pg_catalog,
        Some("information_schema") => &TABLES.information_schema,
        Some(_) => return Routine::Unknown,
    };
    table.get(name).copied().unwrap_or(Routine::Unknown)
}

/// What reading a field `.name` can be, be it the last part of a column reference (`x.name`) or of
/// `(expression).name`.
///
/// PostgreSQL takes both for the call `name(x)` where no column has that name: `SELECT x.nextval
/// FROM unnest(ARRAY['s'::regclass]) x` advances the sequence. A field that is named as no
/// built-in with side effects is [`Routine::Read`]: that it might be a user's own routine cannot
/// be told from the text.
pub fn lookup_field(name: &str) -> Routine {
    match lookup(None, name) {
        Routine::Unknown => Routine::Read,
        routine => routine,
    }
}

/// The names that PostgreSQL gives the function in C of a symbol (`prosrc`), where it is one of those
/// that were reviewed; else the symbol itself, which most have for a name.
pub(super) fn names_of_symbol(symbol: &str) -> Vec<&str> {
    match TABLES.symbols.get(symbol) {
        Some(names) => names.clone(),
        None => vec![symbol],
    }
}

/// Whether a relation is one of the system's own: a catalog, a system view, anything in
/// `pg_catalog`, `information_schema` or `pg_toast`. Names are as the grammar gives them. An
/// unqualified name counts if `pg_catalog` has it, since that schema is searched first unless
/// `search_path` says otherwise.
pub fn is_system_relation(schema: Option<&str>, name: &str) -> bool {
    match schema {
        None => TABLES.relations.contains(name),
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
    }
}

struct Tables {
    pg_catalog: HashMap<&'static str, Routine, ahash::RandomState>,
    information_schema: HashMap<&'static str, Routine, ahash::RandomState>,
    relations: HashSet<&'static str, ahash::RandomState>,
    symbols: HashMap<&'static str, Vec<&'static str>, ahash::RandomState>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    // the keys are ours, never a client's: fixed seeds are no weakness
    let seeds = || ahash::RandomState::with_seeds(1, 2, 3, 4);
    let mut tables = Tables {
        pg_catalog: HashMap::with_capacity_and_hasher(4096, seeds()),
        information_schema: HashMap::with_hasher(seeds()),
        relations: HashSet::with_hasher(seeds()),
        symbols: HashMap::with_hasher(seeds()),
    };
    for [schema, name, volatility, _majors] in rows(BUILTIN) {
        // not reviewed and volatile: as a routine nobody knows
        let routine = if volatility.contains('v') { Routine::Unknown } else { Routine::Read };
        match schema {
            "pg_catalog" => tables.pg_catalog.insert(name, routine),
            _ => tables.information_schema.insert(name, routine),
        };
    }
    for [name, word, _why] in rows(REVIEWED) {
        let routine = Routine::from_word(word).unwrap_or(Routine::Unknown);
        tables.pg_catalog.insert(name, routine);
    }
    for [schema, name] in rows(RELATIONS) {
        if schema == "pg_catalog" {
            tables.relations.insert(name);
        }
    }
    for [symbol, name] in rows(SYMBOLS) {
        tables.symbols.entry(symbol).or_default().push(name);
    }
    tables
});

/// The rows of a table: lines of exactly N columns parted by tabs, `#` starting a comment.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        let mut row = [""; N];
        for slot in &mut row {
            *slot = columns.next()?;
        }
        columns.next().is_none().then_some(row)
    })
}

/// The reviewed rows, for tests of others: name, verdict, why.
#[cfg(test)]
pub(super) fn reviewed() -> impl Iterator<Item = [&'static str; 3]> {
    rows(REVIEWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_lines(table: &str) -> usize {
        table.lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn every_row_is_well_formed() {
        assert_eq!(rows::<4>(BUILTIN).count(), data_lines(BUILTIN));
        assert_eq!(rows::<3>(REVIEWED).count(), data_lines(REVIEWED));
        assert_eq!(rows::<2>(RELATIONS).count(), data_lines(RELATIONS));
        assert_eq!(rows::<2>(SYMBOLS).count(), data_lines(SYMBOLS));
        for [symbol, name] in rows(SYMBOLS) {
            assert!(
                rows::<3>(REVIEWED).any(|[reviewed, ..]| reviewed == name),
                "{symbol} of {name}"
            );
            assert!(names_of_symbol(symbol).contains(&name));
        }
        assert_eq!(names_of_symbol("text_left"), ["text_left"]);
        for [schema, name, volatility, majors] in rows(BUILTIN) {
            assert!(matches!(schema, "pg_catalog" | "information_schema"), "{schema}");
            assert!(!name.is_empty());
            assert!(volatility.chars().all(|v| "isv".contains(v)), "{name}: {volatility}");
            assert!(majors.split(',').all(|m| ["15", "16", "17", "18"].contains(&m)), "{name}");
        }
    }

    #[test]
    fn every_volatile_built_in_is_reviewed_once() {
        let mut reviewed = HashSet::new();
        for [name, word, why] in rows(REVIEWED) {
            assert!(Routine::from_word(word).is_some(), "{name}: {word}");
            assert!(!why.is_empty(), "{name} has no reason");
            assert!(reviewed.insert(name), "{name} is there twice");
        }
        for [schema, name, volatility, _] in rows(BUILTIN) {
            if volatility.contains('v') {
                assert_eq!(schema, "pg_catalog", "{name}");
                assert!(reviewed.contains(name), "{name} is volatile and not reviewed");
            }
        }
    }

    #[test]
    fn every_reviewed_name_exists_or_says_why_not() {
        let builtin: HashSet<_> = rows(BUILTIN).map(|[_, name, _, _]| name).collect();
        for [name, _, why] in rows(REVIEWED) {
            assert!(
                builtin.contains(name) || why.starts_with("not in a fresh cluster"),
                "{name} is no built-in"
            );
        }
    }

    #[test]
    fn calls() {
        use Routine::*;
        for (name, expected) in [
            ("lower", Read),
            ("count", Read),
            ("row_number", Read),
            ("random", Read),
            ("clock_timestamp", Read),
            ("pg_sleep", Read),
            ("pg_is_in_recovery", Read),
            ("pg_total_relation_size", Read),
            ("pg_export_snapshot", Read),
            ("txid_current", Read),
            ("pg_stat_get_activity", Read),
            ("pg_get_viewdef", Read),
            ("pg_advisory_unlock_all", Session),
            ("pg_try_advisory_xact_lock", Session),
            ("nextval", Write),
            ("setval", Write),
            ("lo_put", Write),
            ("pg_notify", Write),
            ("pg_logical_emit_message", Write),
            ("lo_import", Admin),
            ("pg_terminate_backend", Admin),
            ("pg_read_file", Admin),
            ("pg_switch_wal", Admin),
            ("pg_stat_reset", Admin),
            ("pg_reload_conf", Admin),
            ("pg_drop_replication_slot", Admin),
            ("fmgr_c_validator", Admin),
            ("set_config", SetConfig),
            ("query_to_xml", Dynamic),
            ("ts_stat", Dynamic),
            ("my_function", Unknown),
            ("LOWER", Unknown),
            ("", Unknown),
        ] {
            assert_eq!(lookup(None, name), expected, "{name}");
            assert_eq!(lookup(Some("pg_catalog"), name), expected, "{name}");
            assert_eq!(lookup(Some("public"), name), Unknown, "{name}");
        }
        assert_eq!(lookup(Some("information_schema"), "_pg_expandarray"), Read);
        assert_eq!(lookup(None, "_pg_expandarray"), Unknown);
        assert_eq!(lookup(Some("information_schema"), "lower"), Unknown);
    }

    #[test]
    fn fields() {
        assert_eq!(lookup_field("nextval"), Routine::Write);
        assert_eq!(lookup_field("pg_terminate_backend"), Routine::Admin);
        assert_eq!(lookup_field("ts_stat"), Routine::Dynamic);
        assert_eq!(lookup_field("id"), Routine::Read);
        assert_eq!(lookup_field("upper"), Routine::Read);
    }

    #[test]
    fn system_relations() {
        assert!(is_system_relation(None, "pg_class"));
        assert!(is_system_relation(None, "pg_settings"));
        assert!(is_system_relation(Some("pg_catalog"), "pg_authid"));
        assert!(is_system_relation(Some("pg_catalog"), "not_there"));
        assert!(is_system_relation(Some("information_schema"), "tables"));
        assert!(is_system_relation(Some("pg_toast"), "pg_toast_1255"));
        assert!(!is_system_relation(None, "tables"));
        assert!(!is_system_relation(None, "orders"));
        assert!(!is_system_relation(Some("public"), "pg_class"));
    }
}
