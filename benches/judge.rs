//! What judging a statement costs: the same text again, the same shape with other values, the
//! lexer alone; and what asking the catalog of a database with 1,000 tables adds. Nanoseconds a call,
//! the least of many short interleaved rounds: what it costs when nobody else wants the processor.
//!
//!     cargo bench --bench judge
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use pgauthority::sql::catalog::{Analysed, Catalog, Known, Options, Path, Row};
use pgauthority::sql::lexer::survey;
use pgauthority::sql::normalize::{fingerprint, normalize};
use pgauthority::sql::shape::shape;
use pgauthority::sql::{Judge, Judgement, judge};
use support::Cluster;

#[path = "../tests/support/mod.rs"]
mod support;

const ROUNDS: usize = 300;
const CALLS: usize = 256;

fn main() {
    let orm = format!(
        "SELECT {} FROM \"orders\" INNER JOIN \"users\" ON (\"orders\".\"user_id\" = \"users\".\"id\") \
         WHERE (\"orders\".\"state\" = 'paid' AND \"users\".\"id\" IN (@, 2, 3)) ORDER BY 1 LIMIT 20",
        (0..40).map(|n| format!("\"orders\".\"column_{n}\"")).collect::<Vec<_>>().join(", ")
    );
    let texts = [
        ("SELECT 1", "SELECT @".to_owned()),
        (
            "pgbench UPDATE, 100 bytes",
            "UPDATE pgbench_accounts SET abalance = abalance + 1234 WHERE aid = @ AND filler <> 'abcdefgh';"
                .to_owned(),
        ),
        ("ORM SELECT, 40 columns", orm),
    ];
    println!(
        "{:<28}{:>7}{:>9}{:>9}{:>9}{:>9}{:>11}{:>13}",
        "ns a call", "bytes", "exact", "shape", "lexer", "shape()", "normalize", "fingerprint"
    );
    for (name, text) in &texts {
        row(name, text);
    }
    with_a_catalog();
}

/// Tables with triggers and defaults, views over them, routines that call each other, overloads.
const WORLD: &str = "DO $do$ BEGIN
    CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION calls_0(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
    CREATE FUNCTION picks(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE FUNCTION picks(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    FOR n IN 1 .. 1000 LOOP
        EXECUTE format('CREATE TABLE t_%s (id int PRIMARY KEY, a text DEFAULT lower(%L), b int CHECK (b > 0))', n, 'X');
        EXECUTE format('CREATE TRIGGER fires BEFORE UPDATE ON t_%s FOR EACH ROW EXECUTE FUNCTION fires()', n);
        EXECUTE format('CREATE VIEW v_%s AS SELECT id, calls_%s(b) AS b FROM t_%s', n, n - 1, n);
        EXECUTE format('CREATE FUNCTION calls_%s(int) RETURNS int LANGUAGE sql STABLE AS %L',
            n, format('SELECT calls_%s($1)', (n - 1) % 10));
    END LOOP; END $do$";

/// What the catalog adds to the judgement of a text: asked again, and where what it said is kept.
fn with_a_catalog() {
    let cluster = Cluster::builder().setting("max_locks_per_transaction", "1000").start();
    cluster.sql("app", WORLD);
    let rows: Vec<Row> = cluster
        .sql("app", Catalog::QUERY)
        .into_iter()
        .map(|row| row.into_iter().map(|column| column.map(String::into_bytes)).collect())
        .collect();
    let count = rows.len();
    let start = Instant::now();
    let catalog = Catalog::build(rows, &Options::default()).expect("a catalog");
    println!("\na catalog of {count} rows, built in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    println!("{:<28}{:>9}{:>9}{:>9}", "ns a call", "kept", "asked", "by types");
    let path = Path::of_setting("\"$user\", public", Some("app"));
    for (name, text) in [
        ("SELECT 1", "SELECT 1"),
        ("SELECT of a table", "SELECT id, a FROM t_500 WHERE id = 1"),
        ("UPDATE, trigger and CHECK", "UPDATE t_500 SET b = b + 1 WHERE id = 1"),
        ("SELECT of a view", "SELECT * FROM v_500 WHERE id = 1"),
        ("a call of ten routines", "SELECT calls_9(1)"),
        ("one of two overloads", "SELECT picks(1)"),
    ] {
        catalog_row(name, &judge(text.as_bytes(), &Default::default()), &catalog, &path);
    }
}

fn catalog_row(name: &str, judgement: &Judgement, catalog: &Catalog, path: &Path) {
    let analysed = Analysed { parameters: None, now: true, temporary: false };
    let ask = |analysed| {
        let resolve = |one| catalog.resolve_analysed(one, path, false, analysed);
        judgement.statements.iter().map(resolve).collect::<Box<[_]>>()
    };
    let each = ask(None);
    let strongest = each.iter().map(|one| one.class).max().expect("a statement");
    judgement.known.set(Arc::new(Known {
        number: 1,
        path: path.clone(),
        temporary: false,
        each,
        relying: Box::default(),
        strongest,
        runs_routines: false,
        unseen: false,
        disturbs: false,
        missing: false,
    }));
    let mut least = [f64::MAX; 3];
    for _ in 0..ROUNDS {
        let took = [
            time(CALLS, |_| {
                black_box(judgement.known.get(1, black_box(path), false));
            }),
            time(CALLS / 16, |_| {
                black_box(ask(None));
            }),
            time(CALLS / 16, |_| {
                black_box(ask(Some(analysed)));
            }),
        ];
        for (least, took) in least.iter_mut().zip(took) {
            *least = least.min(took);
        }
    }
    let [kept, asked, typed] = least;
    println!("{name:<28}{kept:>9.0}{asked:>9.0}{typed:>9.0}");
}

/// `text` has one `@` where the value stands that changes.
fn row(name: &str, text: &str) {
    let same = text.replace('@', "100000").into_bytes();
    let others: Vec<Vec<u8>> = (0..CALLS as u64)
        .map(|n| text.replace('@', &(100_001 + n).to_string()).into_bytes())
        .collect();
    let mut judge = Judge::new(Arc::default(), 16 << 20);
    for _ in 0..3 {
        judge.judge(&same);
    }
    // a text that comes again would come to be kept by its exact bytes
    let mut by_shape = Judge::new(Arc::default(), 16 << 20);
    let mut canonical = Vec::new();
    let mut rounds = [f64::MAX; 6];
    let mut fresh = 1_000_000u64;
    for _ in 0..ROUNDS {
        let [exact, shaped, lexed, shapes, normalized, named] = &mut rounds;
        let least = |cost: &mut f64, took: f64| *cost = cost.min(took);
        least(
            exact,
            time(CALLS, |_| {
                black_box(judge.judge(black_box(&same)));
            }),
        );
        let texts: Vec<Vec<u8>> = (0..CALLS as u64)
            .map(|n| text.replace('@', &(fresh + n).to_string()).into_bytes())
            .collect();
        fresh += CALLS as u64;
        least(
            shaped,
            time(CALLS, |n| {
                black_box(by_shape.judge(black_box(&texts[n])));
            }),
        );
        least(
            lexed,
            time(CALLS, |n| {
                black_box(survey(black_box(&others[n % others.len()])));
            }),
        );
        least(
            shapes,
            time(CALLS, |n| {
                black_box(shape(black_box(&others[n % others.len()]), &mut canonical));
            }),
        );
        least(
            normalized,
            time(CALLS / 16, |_| {
                black_box(normalize(black_box(&same)));
            }),
        );
        least(
            named,
            time(CALLS / 16, |_| {
                black_box(fingerprint(black_box(&same)));
            }),
        );
    }
    let [exact, shaped, lexed, shapes, normalized, named] = rounds;
    println!(
        "{name:<28}{:>7}{exact:>9.0}{shaped:>9.0}{lexed:>9.0}{shapes:>9.0}{normalized:>11.0}{named:>13.0}",
        same.len()
    );
}

/// Nanoseconds a call.
fn time(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    for n in 0..calls {
        call(n);
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}
