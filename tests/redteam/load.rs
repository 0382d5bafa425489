//! Texts made to be expensive: each is judged in bounded time, and meanwhile others are served.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::ground::Ground;
use super::support::wire::Frames;
use super::support::{Message, Wire};

/// How long another session's `SELECT 1` may take while an expensive text is judged. Generous: the
/// tests share their machine.
const STALL: Duration = Duration::from_secs(1);
/// How long the expensive text itself may take, its way over the wire included.
const LIMIT: Duration = Duration::from_secs(14);

/// The size of the largest; it is what a text of one literal has.
const LARGEST: usize = 16_000_000;
/// That of the others: a debug build is slow.
const BYTES: usize = 2_000_000;

fn expensive() -> Vec<(&'static str, Vec<u8>)> {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("SELECT {}1{}; DROP TABLE victims", open.repeat(depth), close.repeat(depth))
    };
    let repeated = |part: &str, bytes: usize| part.repeat(bytes / part.len());
    vec![
        (
            "a comment nested 100,000 deep",
            format!("{}{}DROP TABLE victims", "/*".repeat(100_000), "*/".repeat(100_000)),
        ),
        ("a comment nested 1,000,000 deep and open", "/*".repeat(BYTES / 2)),
        ("parentheses 100,000 deep", nested("(", ")", 100_000)),
        ("arrays 100,000 deep", nested("ARRAY[", "]", 100_000)),
        ("CASE 100,000 deep", nested("CASE WHEN true THEN ", " END", 100_000)),
        (
            "NOT 1,000,000 times",
            format!("SELECT {}true; DROP TABLE victims", "NOT ".repeat(1_000_000)),
        ),
        ("subqueries 50,000 deep", nested("(SELECT ", ")", 50_000)),
        ("a statement of 16 MB", format!("SELECT '{}'; DROP TABLE victims", "x".repeat(LARGEST))),
        (
            "a list of 2 MB",
            format!("SELECT 1 IN (1{}); DROP TABLE victims", repeated(",12345", BYTES)),
        ),
        (
            "rows of 2 MB",
            format!(
                "INSERT INTO victims VALUES (1,'x'){}; DROP TABLE victims",
                repeated(",(1,'abcdef')", BYTES)
            ),
        ),
        (
            "a string of 200,000 statements",
            format!("{}DROP TABLE victims", "SELECT 1;".repeat(200_000)),
        ),
        ("a sum of 500,000 terms", format!("SELECT 1{}; DROP TABLE victims", "+1".repeat(500_000))),
        ("2 MB of open quotes", repeated("E'\\''", BYTES)),
        ("2 MB of dollars", repeated("$a$b", BYTES)),
        ("a name of 2 MB", format!("DROP TABLE \"{}\"", "x".repeat(BYTES))),
        (
            "calls of 50,000 different names",
            format!(
                "SELECT {}1; DROP TABLE victims",
                (0..50_000).map(|n| format!("f{n}(),")).collect::<String>()
            ),
        ),
        (
            "a DO block of 1 MB",
            format!(
                "DO $$ BEGIN {} DROP TABLE victims; END $$",
                repeated("PERFORM 1; ", 1_000_000)
            ),
        ),
        (
            "a DO block of 250,000 lines",
            format!(
                "DO $$ BEGIN {} DROP TABLE victims; END $$",
                repeated("IF a THEN\nNULL;\nEND IF;\n", BYTES)
            ),
        ),
        (
            "a DO block of 100,000 variables",
            format!(
                "DO $$ DECLARE {} BEGIN DROP TABLE victims; END $$",
                (0..100_000).map(|n| format!("v{n} int;")).collect::<String>()
            ),
        ),
        (
            "a DO block of 100,000 fields",
            format!(
                "DO $$ DECLARE r record; BEGIN {} DROP TABLE victims; END $$",
                (0..100_000).map(|n| format!("r.f{n} := 1;")).collect::<String>()
            ),
        ),
        (
            "500,000 escape strings",
            format!("SELECT 1{}; DROP TABLE victims", repeated(",E'\\n'", BYTES)),
        ),
        ("2 MB of parentheses", repeated("(", BYTES)),
        (
            "a continued escape string of 2 MB",
            format!("SELECT E'a'{}; DROP TABLE victims", repeated("\n'\\n'", BYTES)),
        ),
        (
            "a DO block nested 20,000 deep",
            format!(
                "DO $$ {} DROP TABLE victims; {} $$",
                "BEGIN ".repeat(20_000),
                "END; ".repeat(20_000)
            ),
        ),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.into_bytes()))
    .collect()
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Simple,
    Extended,
    /// Behind a harmless statement, and before the Sync.
    Pipelined,
}

/// Each entry and each form; not each of both together, which takes twice as long.
const TRIED: [(&str, Form); 4] = [
    ("prod", Form::Simple),
    ("prod", Form::Pipelined),
    ("replica", Form::Simple),
    ("replica", Form::Extended),
];

impl Form {
    fn frames(self, text: &[u8]) -> Frames {
        let frames = match self {
            Form::Simple => return Frames::new().query_bytes(text),
            Form::Extended => Frames::new(),
            Form::Pipelined => Frames::new().run("SELECT 1", &[]),
        };
        let parse = [b"\0", text, b"\0\0\0"].concat();
        frames.raw(b'P', &parse).bind("", "", &[]).execute("", 0).sync()
    }

    /// The error that it has to be, or what completed instead.
    fn answer(self, attacker: &mut Wire) -> io::Result<Message> {
        // what was before it in the pipeline
        let mut before = matches!(self, Form::Pipelined);
        loop {
            let message = attacker.receive()?;
            match message.tag {
                b'C' if before => before = false,
                b'E' | b'C' => return Ok(message),
                _ => {}
            }
        }
    }
}

#[test]
fn what_is_expensive_to_judge_stalls_nobody() {
    let mut ground = Ground::start();
    let before = ground.world();
    let mut faults = Vec::new();
    for (name, text) in expensive() {
        for (entry, form) in TRIED {
            // several on each of the proxy's threads
            let mut others: Vec<_> = (0..4).map(|_| ground.proxy.connect("prod")).collect();
            let mut attacker = ground.proxy.connect(entry);
            let done = AtomicBool::new(false);
            let (slowest, took, answer) = thread::scope(|scope| {
                let watch = scope.spawn(|| {
                    let mut slowest = Duration::ZERO;
                    while !done.load(Ordering::Relaxed) {
                        for other in &mut others {
                            let asked = Instant::now();
                            other.sql("SELECT 1");
                            slowest = slowest.max(asked.elapsed());
                        }
                    }
                    slowest
                });
                let started = Instant::now();
                let sent = attacker.send(&form.frames(&text));
                let answer = sent.and_then(|()| form.answer(&mut attacker));
                done.store(true, Ordering::Relaxed);
                (watch.join().unwrap(), started.elapsed(), answer)
            });
            match answer {
                Ok(message) if message.tag == b'E' => {}
                other => faults.push(format!("{name} ({form:?}) on {entry}: {other:?}")),
            }
            if slowest > STALL || took > LIMIT {
                faults.push(format!(
                    "{name} ({form:?}) on {entry}: {took:?}, others waited {slowest:?}"
                ));
            }
            if std::env::var_os("REDTEAM").is_some() {
                eprintln!("{name} ({form:?}) on {entry}: {took:?}, others waited {slowest:?}");
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(ground.world(), before);
}
