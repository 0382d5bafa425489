//! Where statements come from, besides the generator.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pgauthority::sql::judge;

use super::server::Server;
use super::support::{Major, tools};

/// The files of `tests/classify/`, or another table, with statements in this column.
fn column(files: Vec<PathBuf>, column: usize) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        found.extend(
            lines
                .filter_map(|line| line.splitn(column + 1, '\t').nth(column))
                .map(|statement| statement.replace('␤', "\n").replace('␍', "\r")),
        );
    }
    found
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|known| known == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The golden tables of the classifier.
pub fn golden() -> Vec<String> {
    column(files(&tools::repository().join("tests/classify"), "tsv"), 3)
}

/// Statements that run code which their text does not show.
pub fn hidden() -> Vec<String> {
    column(vec![tools::repository().join("tests/oracle/hidden.tsv")], 0)
}

/// Calls of the overloads of `hidden.sql`, by arguments of many types.
pub fn overloads() -> Vec<String> {
    const ARGUMENTS: &[&str] = &[
        "1",
        "1::int",
        "1::bigint",
        "1::smallint",
        "1.5",
        "'1'",
        "'x'::text",
        "'x'::varchar",
        "'2020-01-01'",
        "current_date",
        "now()::date",
        "NULL",
        "NULL::int",
        "$1",
        "$1::int",
        "$1::text",
        "true",
        "ARRAY[1]",
        "ARRAY['x']",
        "ROW(1)::hc",
        "ROW(1)",
        "(SELECT 1)",
        "(SELECT 'x')",
        "(SELECT 'x'::text)",
        "CASE WHEN true THEN 1 END",
        "COALESCE(1, 2)",
        "h_pure(1)",
        "1, 2",
        "1, 'x'",
        "'1', 'x'",
        "'x'::text, $1",
        "$1, $2",
        "VARIADIC ARRAY[1]",
        "VARIADIC ARRAY[1.5]",
        "true, 1",
        "a => 1, b => 'x'",
        "a => '1', c => 'x'",
        "",
    ];
    const CALLS: &[&str] = &[
        "SELECT {}",
        "EXPLAIN SELECT {}",
        "SELECT 1 FROM x WHERE x = {}",
        "SELECT 1; SELECT {}",
        "CREATE TEMP TABLE o (a int); SELECT {}",
        "PREPARE o AS SELECT {}; EXECUTE o",
    ];
    let mut found = Vec::new();
    for call in CALLS {
        for arguments in ARGUMENTS {
            let routines = ["h_pick", "public.h_pick", "h_poly"];
            found.extend(routines.map(|name| call.replace("{}", &format!("{name}({arguments})"))));
        }
        let columns = ["x", "y", "z", "x.x", "x.z"];
        found.extend(
            columns
                .map(|name| format!("{} FROM x", call.replace("{}", &format!("h_pick({name})")))),
        );
    }
    found
}

/// What the clients in `tests/clients/` send, as `tests/clients.rs` recorded it.
pub fn traffic() -> Vec<String> {
    let files = files(&tools::repository().join("tests/oracle/traffic"), "tsv");
    let mut found = column(files, 0);
    found.sort();
    found.dedup();
    found
}

/// Every statement that PostgreSQL ships as SQL: its catalogs' and its extensions' scripts.
pub fn shipped(major: Major) -> Vec<String> {
    let folder = match major {
        Major::V15 => PathBuf::from("/usr/share/postgresql"),
        _ => major.bin().join("../share/postgresql"),
    };
    let mut found = BTreeSet::new();
    for file in files(&folder, "sql") {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let library = stem.split("--").next().unwrap_or_default().to_owned();
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        // psql's own commands are no SQL
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('\\')).collect();
        let text = lines.join("\n");
        let text = text
            .replace("'MODULE_PATHNAME'", &format!("'$libdir/{library}'"))
            .replace("@extschema@", "public");
        let judgement = judge(text.as_bytes(), &BTreeSet::new());
        for one in &judgement.statements {
            let start = one.location as usize;
            found.insert(text[start..start + one.length as usize].to_owned());
        }
    }
    found.into_iter().collect()
}

/// A call of every routine that PostgreSQL brings, with arguments of its types: names and numbers
/// of things that exist.
pub fn routines(server: &mut Server) -> Vec<String> {
    const CALLS: &str = "
    SELECT DISTINCT format('SELECT %I.%I(%s)', nspname, proname, (
        SELECT string_agg(CASE
            WHEN kind IN ('anyelement', 'anynonarray', 'anycompatible', 'any') THEN '1'
            WHEN kind IN ('anyarray', 'anycompatiblearray') THEN 'ARRAY[1]'
            WHEN kind = 'regclass' THEN relation || '::regclass'
            WHEN kind IN ('text', 'name', 'varchar', 'bpchar') THEN '''' || word || '''::' || kind
            WHEN kind = 'cstring' THEN '''x''::cstring'
            WHEN kind IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric')
                THEN number || '::' || kind
            WHEN kind = 'bool' THEN 'true'
            WHEN kind = 'bytea' THEN '''x''::bytea'
            WHEN kind IN ('json', 'jsonb') THEN '''{}''::' || kind
            WHEN kind = 'jsonpath' THEN '''$''::jsonpath'
            WHEN kind IN ('timestamp', 'timestamptz', 'date') THEN 'now()::' || kind
            WHEN kind = 'interval' THEN '''1 s''::interval'
            WHEN kind ~ '^any' OR kind IN ('internal', 'trigger') THEN 'NULL'
            ELSE 'NULL::' || format_type(argument, NULL) END, ', ' ORDER BY position)
        FROM unnest(proargtypes) WITH ORDINALITY arguments (argument, position),
             LATERAL (SELECT typname::text AS kind FROM pg_type WHERE oid = argument) kinds))
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace,
         (VALUES ('''x''', 'x', 1), ('''q''', 'SELECT 1', 16384), ('''i''', '1', 0))
             samples (relation, word, number)
    WHERE nspname IN ('pg_catalog', 'information_schema') AND prokind IN ('f', 'a')
      AND NOT 'internal'::regtype = ANY (proargtypes) ORDER BY 1";
    server.column(CALLS)
}
