//! Judging takes processor time linear in the text, whatever a client repeats in it; so does what a
//! log makes of the text. Times are those of the judging thread alone: what else the machine does
//! is no matter.
//!
//! `LINEAR_MB=16 cargo test --test linear -- --nocapture` measures texts of 2, 4, 8 … 16 MB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use pgauthority::sql::judge;
use pgauthority::sql::normalize::{fingerprint, normalize};
use rustix::time::{ClockId, clock_gettime};

/// A text: what stands before, what is repeated (`#` is the number of the repetition), what stands
/// behind; and of what stands behind what is repeated as often (brackets that close).
struct Kind(&'static str, &'static str, &'static str, &'static str, &'static str);

const fn kind(
    name: &'static str,
    before: &'static str,
    repeated: &'static str,
    behind: &'static str,
) -> Kind {
    Kind(name, before, repeated, behind, "")
}

const KINDS: &[Kind] = &[
    // -- literals and comments
    kind("one literal", "SELECT '", "x", "'"),
    kind("one literal of quotes", "SELECT '", "''", "'"),
    kind("one literal, open", "SELECT '", "x ", ""),
    kind("literals", "SELECT 1", ",'x'", ""),
    kind("literals without a comma", "SELECT 1 ", "'x' ", ""),
    kind("a continued literal", "SELECT 'a'", "\n'b'", ""),
    kind("a continued literal with comments", "SELECT 'a'", " -- c\n'b'", ""),
    kind("a literal that is nearly continued", "SELECT 'a'", "  \t  ", "'b'"),
    kind("literals that are nearly continued", "SELECT 'a'", " /**/ 'b'", ""),
    kind("E''", "SELECT E'", "\\n", "'"),
    kind("E'' with octal digits", "SELECT E'", "\\101", "'"),
    kind("E'' with code points", "SELECT E'", "\\u0041", "'"),
    kind("E'' with surrogates", "SELECT E'", "\\ud83d\\ude00", "'"),
    kind("a continued E''", "SELECT E'a'", "\n'\\n'", ""),
    kind("many E''", "SELECT 1", ",E'\\n'", ""),
    kind("open E''", "", "E'\\''", ""),
    kind("U&''", "SELECT U&'", "\\0041", "'"),
    kind("many U&''", "SELECT 1", ",U&'\\0041'", ""),
    kind("many U&'' with UESCAPE", "SELECT 1", ",U&'!0041' UESCAPE '!'", ""),
    kind("a continued U&''", "SELECT U&'a'", "\n'\\0041'", ""),
    kind("U&\"\"", "SELECT 1", ",U&\"\\0041\"", ""),
    kind("B''", "SELECT B'", "01", "'"),
    kind("X''", "SELECT X'", "0f", "'"),
    kind("a dollar quote", "SELECT $a$", "x$b$", "$a$"),
    kind("a dollar quote of dollars", "SELECT $a$", "$", "$a$"),
    kind("dollar quotes", "SELECT 1", ",$a$x$a$", ""),
    kind("open dollar quotes", "", "$a$", ""),
    kind("open dollar quotes of many tags", "", "$a#$", ""),
    kind("a long tag", "SELECT $", "a", "$ $$"),
    kind("a dollar quote in dollar quotes", "SELECT $a$", "$aa", "$a$"),
    kind("a comment", "SELECT 1 /*", "x ", "*/"),
    kind("a comment of stars", "SELECT 1 /*", "*", "*/"),
    kind("a comment of slashes", "SELECT 1 /*", "/", "*/"),
    kind("comments", "SELECT 1", "/**/", ""),
    kind("open comments", "", "/*", ""),
    kind("nested comments", "SELECT 1", "/*/*/*/**/*/*/*/", ""),
    kind("line comments", "SELECT 1", "--x\n", ""),
    kind("line comments without a line feed", "SELECT 1", "--x\r", ""),
    kind("blanks", "SELECT", " ", "1"),
    // -- names, numbers, operators
    kind("one name", "SELECT ", "x", ""),
    kind("one quoted name", "SELECT \"", "x\"\"", "\""),
    kind("an operator", "SELECT 1 ", "+", "1"),
    kind("an operator of stars", "SELECT 1 ", "*", "1"),
    kind("operators", "SELECT 1", "<->1", ""),
    kind("an operator that a comment ends", "SELECT 1", "+/**/1", ""),
    kind("one number", "SELECT ", "1", ""),
    kind("one number with underscores", "SELECT 1", "_1", ""),
    kind("numbers", "SELECT 1", ",1.5e3", ""),
    kind("high bytes", "SELECT '", "é", "'"),
    kind("parameters", "SELECT 1", ",$1", ""),
    // -- what nests
    Kind("parentheses", "SELECT ", "(", "1", ")"),
    kind("open parentheses", "", "(", ""),
    Kind("arrays", "SELECT ", "ARRAY[", "1", "]"),
    Kind("CASE", "SELECT ", "CASE WHEN true THEN ", "1", " END"),
    Kind("subqueries", "SELECT ", "(SELECT ", "1", ")"),
    kind("NOT", "SELECT ", "NOT ", "true"),
    kind("signs", "SELECT ", "- ", "1"),
    kind("a sum", "SELECT 1", "+1", ""),
    kind("a condition", "SELECT 1 WHERE a=1", " OR a=#", ""),
    kind("casts", "SELECT 1", "::int", ""),
    kind("subscripts", "SELECT a", "[1]", ""),
    kind("fields", "SELECT (a)", ".b", ""),
    kind("UNION", "SELECT 1", " UNION SELECT 1", ""),
    kind("joins", "SELECT 1 FROM a", " JOIN b# ON true", ""),
    kind("COLLATE", "SELECT a", " COLLATE b", ""),
    // -- lists
    kind("IN", "SELECT 1 IN (1", ",12345", ")"),
    kind("rows", "INSERT INTO t VALUES (1)", ",(1)", ""),
    kind("columns", "CREATE TABLE t (a int", ",a# int", ")"),
    kind("relations", "SELECT 1 FROM t", ",t#", ""),
    kind("calls", "SELECT 1", ",f#()", ""),
    kind("calls of the same", "SELECT 1", ",f()", ""),
    kind("calls with many arguments", "SELECT f(1", ",1", ")"),
    kind("named arguments", "SELECT f(a=>1", ",a#=>1", ")"),
    kind("qualified calls", "SELECT 1", ",s#.f#()", ""),
    kind("types", "SELECT 1", ",'1'::t#", ""),
    kind("fields of relations", "SELECT 1", ",a.b#", ""),
    kind("operators of schemas", "SELECT 1", ",1 OPERATOR(s#.+) 1", ""),
    kind("WITH", "WITH a AS (SELECT 1)", ",a# AS (SELECT 1)", "SELECT 1"),
    kind("assignments", "UPDATE t SET a=1", ",a#=1", ""),
    kind("DROP", "DROP TABLE t", ",t#", ""),
    kind("ALTER", "ALTER TABLE t ADD a int", ",ADD a# int", ""),
    kind("GRANT", "GRANT SELECT ON t", ",t#", " TO r"),
    kind("options", "COPY t FROM STDIN WITH (a 1", ",a# 1", ")"),
    kind("set_config", "SELECT 1", ",set_config('a.b#','c',true)", ""),
    kind("query_to_xml", "SELECT 1", ",query_to_xml('SELECT 1',true,true,'')", ""),
    kind("SET of a list", "SET search_path = a", ",a#", ""),
    Kind("rows in rows", "SELECT 1 FROM (VALUES (1)", ",(VALUES (1)", "", ")"),
    Kind("rows in a row", "SELECT ", "(VALUES (1),(1)) = ", "1", ""),
    kind("COPY", "", "COPY t FROM STDIN;", ""),
    kind("DO blocks", "", "DO $$ BEGIN NULL; END $$;", ""),
    kind("bodies", "", "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$;", ""),
    // -- statements
    kind("semicolons", "", ";", ""),
    kind("statements", "", "SELECT 1;", ""),
    kind("statements behind comments", "", "/**/SELECT 1/**/;", ""),
    kind("statements that end in comments", "", "SELECT 1--x\n;", ""),
    kind("SET", "", "SET a.b#=1;", ""),
    kind("SAVEPOINT", "", "SAVEPOINT a#;", ""),
    kind("PREPARE", "", "PREPARE p# AS SELECT 1;", ""),
    kind("PREPARE within PREPARE", "", "PREPARE a AS ", "SELECT 1"),
    kind("EXPLAIN within EXPLAIN", "", "EXPLAIN ANALYZE ", "SELECT 1"),
    kind("CREATE TEMP TABLE", "", "CREATE TEMP TABLE t#(a int);", ""),
    kind("schema elements", "CREATE SCHEMA s", " CREATE TABLE t#(a int)", ""),
    kind(
        "statements of a body",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ",
        "SELECT 1;",
        "END",
    ),
    kind("nothing that can be read", "", "x ", ""),
    // -- PL/pgSQL
    kind("DO: statements", "DO $$ BEGIN ", "PERFORM 1;", "END $$"),
    kind("DO: statements on lines", "DO $$ BEGIN ", "PERFORM\n1\n;\n", "END $$"),
    kind("DO: IF on lines", "DO $$ BEGIN ", "IF a THEN\nPERFORM 1;\nEND IF;\n", "END $$"),
    kind(
        "DO: ELSIF on lines",
        "DO $$ BEGIN IF a THEN NULL;",
        "\nELSIF b\nTHEN NULL;\n",
        "END IF; END $$",
    ),
    kind("DO: blocks on lines", "DO $$ BEGIN ", "BEGIN\nNULL;\nEND;\n", "END $$"),
    kind("DO: lines in literals", "DO $$ BEGIN ", "x := '\n\n\n';", "END $$"),
    kind("DO: handlers", "DO $$ BEGIN NULL; EXCEPTION ", "WHEN\nothers\nTHEN NULL;\n", "END $$"),
    kind("DO: variables", "DO $$ DECLARE ", "v# int;", "BEGIN END $$"),
    kind("DO: variables with values", "DO $$ DECLARE ", "v# int :=\n1;", "BEGIN END $$"),
    kind("DO: variables, used", "DO $$ DECLARE a int; ", "v# int;", "BEGIN a := 1; END $$"),
    kind("DO: assignments", "DO $$ DECLARE a int; b int; BEGIN ", "a := b;", "END $$"),
    kind("DO: fields", "DO $$ DECLARE r record; BEGIN ", "r.f# := 1;", "END $$"),
    kind(
        "DO: arguments of a cursor",
        "DO $$ DECLARE c CURSOR (a int",
        ", a# int",
        ") FOR SELECT 1; BEGIN END $$",
    ),
    kind("DO: cursors", "DO $$ DECLARE ", "c# CURSOR FOR SELECT 1;", "BEGIN END $$"),
    kind("DO: loops", "DO $$ BEGIN ", "FOR i IN 1..2 LOOP NULL; END LOOP;", "END $$"),
    Kind("DO: nested blocks", "DO $$ ", "BEGIN ", "NULL;", "END;"),
    Kind("DO: nested IF", "DO $$ BEGIN ", "IF true THEN ", "NULL;", " END IF;"),
    kind("DO: labels", "DO $$ BEGIN ", "<<l#>> BEGIN EXIT l#; END;", "END $$"),
    kind("DO: RAISE", "DO $$ BEGIN RAISE NOTICE '%', 1", ", 1", "; END $$"),
    kind("DO: EXECUTE", "DO $$ BEGIN ", "EXECUTE 'a' USING 1;", "END $$"),
    kind("DO: comments", "DO $$ BEGIN ", "/**/ --\n", "END $$"),
    kind("DO: one literal", "DO $$ BEGIN PERFORM '", "x", "'; END $$"),
];

impl Kind {
    /// The text, of about `length` bytes.
    fn text(&self, length: usize) -> String {
        let Kind(_, before, repeated, behind, closing) = self;
        let times = length / (repeated.len() + closing.len());
        let mut text = String::with_capacity(length + length / 2);
        text.push_str(before);
        match repeated.contains('#') {
            true => (0..times).for_each(|n| text.push_str(&repeated.replace('#', &n.to_string()))),
            false => text.push_str(&repeated.repeat(times)),
        }
        text.push_str(behind);
        text.push_str(&closing.repeat(times));
        if !closing.is_empty() && before.starts_with("DO") {
            text.push_str(if before.contains("BEGIN") { "END $$" } else { " $$" });
        }
        text
    }
}

/// Processor time of this thread for `work`.
fn spent(work: impl FnOnce()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap())
    };
    let began = now();
    work();
    now() - began
}

fn judging(text: &str) -> Duration {
    let mut judgement = None;
    let spent = spent(|| judgement = Some(judge(text.as_bytes(), &BTreeSet::new())));
    drop(judgement);
    spent
}

fn writing(text: &str) -> Duration {
    spent(|| {
        normalize(text.as_bytes());
        fingerprint(text.as_bytes());
    })
}

/// As long a stack as the proxy's judging threads have; kinds are shared out.
fn on_threads(work: impl Fn(&Kind) -> Option<String> + Sync) -> Vec<String> {
    const THREADS: usize = 2;
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                let mine = move || KINDS.iter().skip(first).step_by(THREADS).filter_map(work);
                thread::Builder::new()
                    .stack_size(8 << 20)
                    .spawn_scoped(scope, move || mine().collect::<Vec<String>>())
                    .unwrap()
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

const SMALL: usize = 48 * 1024;
const TIMES: usize = 8;

/// Eight times the text takes about eight times as long: less than twice that.
#[test]
fn eight_times_the_text_takes_eight_times_as_long() {
    let faults = on_threads(|kind| {
        let (small, large) = (kind.text(SMALL), kind.text(SMALL * TIMES));
        for (what, time) in [("judging", judging as fn(&str) -> Duration), ("writing", writing)] {
            // what is noise goes away when it is looked at again
            let grows = || {
                let (small, large) = (time(&small), time(&large));
                (large > small * 2 * TIMES as u32 + Duration::from_millis(20))
                    .then(|| format!("{what} {}: {small:?}, then {large:?}", kind.0))
            };
            let mut fault = None;
            for _ in 0..4 {
                fault = grows();
                if fault.is_none() {
                    break;
                }
            }
            if fault.is_some() {
                return fault;
            }
        }
        None
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn figures() {
    let Ok(largest) = std::env::var("LINEAR_MB") else { return };
    let largest: usize = largest.parse().unwrap();
    let only = std::env::var("LINEAR_KIND").unwrap_or_default();
    let lines = on_threads(|kind| {
        if !kind.0.contains(&only) {
            return None;
        }
        let mut line = format!("{:40}", kind.0);
        let mut size = 2.min(largest);
        while size <= largest {
            let text = kind.text(size << 20);
            line += &format!(" {:9.3?} {:9.3?} |", judging(&text), writing(&text));
            size *= 2;
        }
        eprintln!("{line}");
        Some(line)
    });
    assert!(!lines.is_empty());
}
