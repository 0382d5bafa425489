//! Which of several routines of a name a call means: the one that PostgreSQL picks is always among
//! those that the catalog keeps, for random overloads, types, casts, paths and calls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[allow(dead_code, reason = "shared with tests/state")]
#[path = "state/random.rs"]
mod random;

use std::collections::{BTreeSet, HashMap};

use pgauthority::sql::catalog::{Analysed, Catalog, Options, Path, Row};
use pgauthority::sql::judge;
use random::Random;
use support::wire::{Frames, Message};
use support::{Cluster, Major, Wire};

const WORLD: &str = include_str!("overloads/world.sql");

/// Types of arguments that are declared.
const DECLARED: &[&str] = &[
    "int2",
    "int4",
    "int4",
    "int8",
    "numeric",
    "float4",
    "float8",
    "text",
    "text",
    "varchar",
    "bpchar",
    "\"char\"",
    "name",
    "bool",
    "pg_catalog.date",
    "timestamptz",
    "timestamp",
    "oid",
    "regclass",
    "json",
    "jsonb",
    "bytea",
    "bit",
    "varbit",
    "inet",
    "cidr",
    "point",
    "int4range",
    "int4[]",
    "int8[]",
    "text[]",
    "varchar[]",
    "int2vector",
    "oidvector",
    "anyelement",
    "anyarray",
    "anynonarray",
    "anyenum",
    "anyrange",
    "anymultirange",
    "anycompatible",
    "anycompatiblearray",
    "record",
    "public.mood",
    "a.mood2",
    "public.mood[]",
    "public.whole",
    "a.wholer",
    "public.words",
    "public.list",
    "public.moody",
    "public.parent",
    "public.child",
    "public.other",
    "public.pair",
    "public.pair[]",
    "public.rows_of",
    "public.span",
    "public.typed",
    "b.date",
    "b.mood",
    "public.whole[]",
    "int4multirange",
];

/// Types as a call writes them; not all mean something under every path.
const WRITTEN: &[&str] = &[
    "int",
    "int4",
    "pg_catalog.int4",
    "bigint",
    "smallint",
    "numeric",
    "real",
    "float8",
    "text",
    "pg_catalog.text",
    "varchar",
    "char",
    "\"char\"",
    "name",
    "bool",
    "date",
    "pg_catalog.date",
    "timestamptz",
    "timestamp",
    "oid",
    "regclass",
    "json",
    "jsonb",
    "bytea",
    "bit",
    "varbit",
    "inet",
    "cidr",
    "point",
    "int4range",
    "int[]",
    "int4[]",
    "_int4",
    "bigint[]",
    "text[]",
    "int2vector",
    "oidvector",
    "record",
    "mood",
    "public.mood",
    "mood[]",
    "a.mood2",
    "mood2",
    "whole",
    "wholer",
    "a.wholer",
    "words",
    "list",
    "moody",
    "parent",
    "child",
    "other",
    "pair",
    "pair[]",
    "rows_of",
    "span",
    "typed",
    "b.date",
    "whole[]",
    "pg_class",
    "public.parent[]",
    "numeric[]",
    "int4multirange",
    "unknown",
];

const CONSTANTS: &[&str] = &[
    "1",
    "1",
    "-1",
    "99999999999",
    "-2147483648",
    "2147483648",
    "9223372036854775808",
    "1.5",
    "'1'",
    "'1'",
    "NULL",
    "true",
    "B'1'",
    "X'f'",
    "1e1",
    "$$1$$",
    "E'1'",
];

/// Expressions of which the text says nothing.
const OTHERS: &[&str] = &[
    "(SELECT 1)",
    "1 + 1",
    "ARRAY[1]",
    "ROW(1, 'a')",
    "now()",
    "'1' || '2'",
    "'1' COLLATE \"C\"",
    "(SELECT p FROM public.parent p)",
    "current_date",
    "CASE WHEN true THEN 1 END",
    "lower('A')",
];

/// Types of parameters, by OID; 0: not given.
const PARAMETERS: &[u32] = &[
    0, 0, 0, 16, 20, 21, 23, 23, 25, 25, 700, 701, 705, 1043, 1082, 1184, 1700, 1007, 1009, 2278,
    114, 3802, 600,
];

const NAMES: &[&str] = &["f", "f", "f", "abs", "lower", "date"];

struct Made {
    name: &'static str,
    schema: &'static str,
    procedure: bool,
    /// Types of its arguments, as declared.
    types: Vec<&'static str>,
    sql: String,
}

/// A routine that says which it is: a function gives its number, a procedure notes it.
fn routine(random: &mut Random, number: usize, palette: &[&'static str]) -> Made {
    let name = random.of(NAMES);
    let schema = random.of(&["a", "a", "a", "b", "public", "pg_temp"]);
    let procedure = random.chance(15);
    let count = random.weighted(&[1, 6, 4, 2]);
    let mut defaults = count - random.below(count + 1);
    if random.chance(60) {
        defaults = count;
    }
    let types: Vec<&'static str> = (0..count).map(|_| random.of(palette)).collect();
    let mut arguments: Vec<String> = (0..count)
        .map(|place| {
            let named = ["x ", "y ", "z "][place];
            let named = if random.chance(60) { named } else { "" };
            let default = if place >= defaults { " DEFAULT NULL" } else { "" };
            format!("{named}{}{default}", types[place])
        })
        .collect();
    if random.chance(15) && defaults == count {
        let array =
            random.of(&["int[]", "text[]", "anyarray", "bigint[]", "public.mood[]", "numeric[]"]);
        arguments.push(format!("VARIADIC w {array}"));
    } else if random.chance(20) && defaults == count {
        arguments.push(format!("OUT o {}", random.of(&["int", "text", "text"])));
    }
    let arguments = arguments.join(", ");
    let sql = match procedure {
        true => format!(
            "CREATE PROCEDURE {schema}.{name}({arguments}) LANGUAGE plpgsql AS \
             $$ BEGIN RAISE NOTICE 'picked {number}'; END $$"
        ),
        false => {
            let out = arguments.contains("OUT o");
            let result = if out { "" } else { "RETURNS text" };
            format!(
                "CREATE FUNCTION {schema}.{name}({arguments}) {result} LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE NOTICE 'picked {number}'; {} END $$",
                if out { "" } else { "RETURN NULL;" }
            )
        }
    };
    Made { name, schema, procedure, types, sql }
}

struct Attempt {
    text: String,
    types: Option<Vec<u32>>,
}

/// An argument: `near` a type, or anything.
fn argument(random: &mut Random, near: Option<&str>, types: &mut Vec<u32>) -> String {
    let near = near.filter(|near| !near.starts_with("any"));
    match (random.weighted(&[5, 5, 1, 3, 12]), near) {
        (0, _) => random.of(CONSTANTS).to_owned(),
        (2, _) => random.of(OTHERS).to_owned(),
        (3, _) => {
            types.push(PARAMETERS[random.below(PARAMETERS.len())]);
            let again = random.chance(15);
            let number = if again { 1 + random.below(types.len()) } else { types.len() };
            let cast =
                if random.chance(10) { random.of(&["::int", "::text", "::void"]) } else { "" };
            format!("${number}{cast}")
        }
        (4, Some(near)) => format!("NULL::{near}"),
        _ => format!("{}::{}", random.of(&["NULL", "NULL", "NULL", "'1'"]), random.of(WRITTEN)),
    }
}

fn attempt(random: &mut Random, made: &[(usize, Made)]) -> Attempt {
    let mut types = Vec::new();
    let near = (!made.is_empty() && random.chance(90)).then(|| &made[random.below(made.len())].1);
    let count = match near {
        Some(near) if random.chance(85) => near.types.len(),
        _ => random.weighted(&[1, 8, 5, 2]),
    };
    let mut arguments: Vec<String> = (0..count)
        .map(|place| {
            let near = near.and_then(|near| near.types.get(place)).copied();
            argument(random, near, &mut types)
        })
        .collect();
    if random.chance(10) && count > 0 {
        let last = arguments.last_mut().unwrap();
        *last = format!("{} => {last}", random.of(&["x", "y", "z"]));
    } else if random.chance(6) {
        arguments.push(format!("VARIADIC NULL::{}", random.of(&["int[]", "text[]", "list"])));
    }
    let schema = match near {
        Some(near) if random.chance(45) => near.schema,
        _ if random.chance(20) => random.of(&["a", "b", "public", "pg_temp", "pg_catalog"]),
        _ => "",
    };
    let dot = if schema.is_empty() { "" } else { "." };
    let name = near.map_or_else(|| random.of(NAMES), |near| near.name);
    let call = format!("{schema}{dot}{name}({})", arguments.join(", "));
    let calls = near.map_or(random.chance(10), |near| near.procedure != random.chance(3));
    let text = match random.weighted(&[6, 1, 1, 1]) {
        _ if calls => format!("CALL {call}"),
        0 => format!("SELECT {call}"),
        1 => format!("SELECT * FROM {call} AS t"),
        2 => format!("SELECT {call} IS NULL WHERE true"),
        _ => format!(
            "SELECT COALESCE(pg_sleep(0), {}), {call}",
            if types.is_empty() { "NULL" } else { "$1" }
        ),
    };
    let types = (!types.is_empty()).then_some(types);
    Attempt { text, types }
}

/// The numbers of the routines that a statement ran.
fn picked(wire: &mut Wire, attempt: &Attempt) -> Vec<usize> {
    let none = Vec::new();
    let types = attempt.types.as_ref().unwrap_or(&none);
    let frames =
        Frames::new().parse("", &attempt.text, types).bind("", "", &vec![None; types.len()]);
    let number = |message: &Message| {
        let text = message.fields().message().strip_prefix("picked ").map(str::to_owned);
        text.and_then(|text| text.parse().ok())
    };
    let messages = wire.exchange(&frames.execute("", 0).sync());
    messages.iter().filter(|one| one.tag == b'N').filter_map(number).collect()
}

fn snapshot(wire: &mut Wire) -> Catalog {
    let bytes = |column: Option<String>| column.map(String::into_bytes);
    let rows = wire.sql(Catalog::QUERY).into_iter();
    let rows: Vec<Row> = rows.map(|row| row.into_iter().map(bytes).collect()).collect();
    Catalog::build(rows, &Options::default()).unwrap()
}

/// What was seen, to know that the test tells anything.
#[derive(Debug, Default)]
struct Seen {
    picked: usize,
    /// Of those, calls of which types excluded some routine.
    sharpened: usize,
    /// And calls of which one of several was left.
    single: usize,
    /// Calls of which a parameter vanished.
    fewer: usize,
}

const PATHS: &[&str] = &[
    "a",
    "a, public",
    "b, a",
    "public, a, b",
    "a, b, pg_catalog",
    "b, public, pg_catalog, a",
    "a, public, pg_temp",
    "pg_temp, a",
    "a, public, information_schema",
];

fn round(wire: &mut Wire, seed: u64, seen: &mut Seen) {
    let mut random = Random::new(seed);
    wire.sql("BEGIN");
    let path = random.of(PATHS);
    wire.sql(&format!("SET LOCAL search_path = {path}"));
    let palette: Vec<&str> = (0..3 + random.below(5)).map(|_| random.of(DECLARED)).collect();
    let count = 4 + random.below(12);
    let mut made = Vec::new();
    for number in 0..count {
        let one = routine(&mut random, number, &palette);
        wire.sql("SAVEPOINT s");
        match wire.try_sql(&one.sql) {
            Ok(_) => made.push((number, one)),
            Err(_) => drop(wire.sql("ROLLBACK TO s")),
        }
    }
    let catalog = snapshot(wire);
    // not in the snapshot, as those of a session are not that were made since
    let temporary = random.chance(30);
    if temporary {
        let name = random.of(&["text", "date", "whole", "jsonb", "mood"]);
        wire.sql(&format!("CREATE TEMP TABLE \"{name}\" (a int)"));
    }
    let numbers: HashMap<u32, usize> = {
        let oids = "SELECT oid, substring(prosrc FROM 'picked (\\d+)') FROM pg_catalog.pg_proc \
                    WHERE prosrc ~ 'picked'";
        let cell = |cell: &Option<String>| cell.as_ref().unwrap().parse::<u32>().unwrap();
        let rows = wire.sql(oids).into_iter();
        rows.map(|row| (cell(&row[0]), cell(&row[1]) as usize)).collect()
    };
    let known = Path::of_setting(path, None);
    for _ in 0..120 {
        let attempt = attempt(&mut random, &made);
        wire.sql("SAVEPOINT s");
        let picked = picked(wire, &attempt);
        wire.sql("ROLLBACK TO s");
        let judgement = judge(attempt.text.as_bytes(), &BTreeSet::new());
        let [statement] = &judgement.statements[..] else { panic!("{}", attempt.text) };
        let analysed = Analysed { parameters: attempt.types.as_deref(), now: true, temporary };
        let kept = catalog.callees(statement, &known, Some(analysed));
        let all = catalog.callees(statement, &known, None);
        let anywhere = catalog.callees(statement, &Path::Unknown, Some(analysed));
        for number in &picked {
            let has = |list: &[u32]| list.iter().any(|oid| numbers.get(oid) == Some(number));
            let (_, routine) = made.iter().find(|(known, _)| known == number).unwrap();
            assert!(
                has(&kept) && has(&all) && has(&anywhere),
                "seed {seed}, path {path}, temporary {temporary}: {:?}\n{} with {:?}\nof {:#?}",
                routine.sql,
                attempt.text,
                attempt.types,
                made.iter()
                    .filter(|(_, one)| one.name == routine.name)
                    .map(|(_, one)| &one.sql)
                    .collect::<Vec<_>>()
            );
            let void = attempt.types.iter().flatten().any(|oid| *oid == 2278);
            seen.picked += 1;
            seen.sharpened += usize::from(kept.len() < all.len());
            seen.single += usize::from(kept.len() == 1 && all.len() > 1);
            seen.fewer += usize::from(void);
        }
    }
    wire.sql("ROLLBACK");
}

fn the_picked_routine_is_kept(major: Major) {
    let cluster = Cluster::builder().major(major).start();
    let mut wire = cluster.connect("app");
    wire.sql(WORLD);
    let mut seen = Seen::default();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("OVERLOADS_SEED").unwrap_or(1);
    let rounds = number("OVERLOADS_ROUNDS").unwrap_or(24);
    for seed in first..first + rounds {
        round(&mut wire, seed, &mut seen);
    }
    println!("{seen:?}");
    let enough = rounds < 24 || seen.picked > 500 && seen.sharpened > 100 && seen.single > 50;
    assert!(enough, "{seen:?}");
}

#[test]
fn the_picked_routine_is_kept_on_15() {
    the_picked_routine_is_kept(Major::V15);
}

#[test]
fn the_picked_routine_is_kept_on_18() {
    the_picked_routine_is_kept(Major::V18);
}
