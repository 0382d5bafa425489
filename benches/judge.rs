//! What judging a statement costs: the same text again, the same shape with other values, the
//! lexer alone. Nanoseconds a call, the least of many short interleaved rounds: what it costs when
//! nobody else wants the processor.
//!
//!     cargo bench --bench judge

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use pgauthority::sql::Judge;
use pgauthority::sql::lexer::survey;
use pgauthority::sql::normalize::{fingerprint, normalize};
use pgauthority::sql::shape::shape;

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
