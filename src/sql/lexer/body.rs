//! Looking over a PL/pgSQL body before PL/pgSQL's compiler gets it.
//!
//! That compiler is not linear: it looks for a name through all variables in sight, for a field of a
//! record through all that were met, and counts lines from the start of the body again after each
//! statement that goes over a line's end. What a body can make of that is bounded here.

use std::collections::HashSet;

use ahash::RandomState;

use super::{Kind, Lexer, survey};

/// The compiler's steps beyond which a body is not read: about half a second.
const COSTLY: usize = 1 << 27;

/// Blocks that can nest: the compiler's own stack ends sooner.
const DEEPEST: usize = 2500;

/// Bytes in which the end of a line is looked for in the time of one step.
const BYTES_A_STEP: usize = 64;

/// What costs the compiler time in a body.
#[derive(Debug, Default)]
struct Counts {
    /// What may be a name.
    words: usize,
    /// Declarations, arguments of cursors among them; from above.
    declared: usize,
    /// Blocks and loops.
    blocks: usize,
    /// Statements, and branches of them.
    statements: usize,
    /// `.x`.
    fields: usize,
    /// Different ones.
    different: usize,
}

/// Whether PostgreSQL's scanner and PL/pgSQL's compiler read a body in bounded time.
pub fn is_body_bounded(body: &[u8]) -> bool {
    if !survey(body).bounded {
        return false;
    }
    let counts = count(body);
    let lines = memchr::memchr_iter(b'\n', body).count();
    let in_sight = counts.declared + counts.blocks.min(DEEPEST);
    let names = counts.words.saturating_mul(in_sight);
    let fields = counts.fields.saturating_mul(counts.different);
    let numbers = match lines {
        0 => 0,
        _ => counts.statements.saturating_mul(lines + body.len() / BYTES_A_STEP),
    };
    names.max(fields).max(numbers / 2) <= COSTLY
}

fn count(body: &[u8]) -> Counts {
    let mut counts = Counts::default();
    let mut fields: HashSet<&[u8], RandomState> = HashSet::default();
    let mut lexer = Lexer::new(body);
    let (mut declaring, mut starts, mut dot) = (false, true, false);
    // after what cannot be read, the compiler does not go on either
    while let Ok(Some(token)) = lexer.next_token() {
        let text = body.get(token.start..token.end).unwrap_or_default();
        let is = |word: &[u8]| token.kind == Kind::Word && text.eq_ignore_ascii_case(word);
        if matches!(token.kind, Kind::Word | Kind::QuotedName | Kind::UnicodeName) {
            counts.words += 1;
            if dot {
                counts.fields += 1;
                fields.insert(text);
            }
        }
        let ends = text == b";";
        if ends || is(b"then") || is(b"loop") {
            counts.statements += 1;
        }
        if is(b"begin") || is(b"loop") {
            counts.blocks += 1;
        }
        if is(b"declare") {
            declaring = true;
        } else if is(b"begin") && starts {
            // reserved: where a declaration could begin, the block does
            declaring = false;
        } else if declaring && (ends || text == b",") {
            counts.declared += 1;
        }
        starts = ends || is(b"declare");
        dot = text == b".";
    }
    counts.different = fields.len();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_bounded() {
        let body = "\nDECLARE\n  a int := 1;\n  r record;\nBEGIN\n  IF a = 1 THEN\n    r.x := f(a);\n  \
                    END IF;\n  FOR i IN 1..2 LOOP\n    INSERT INTO t\n    VALUES (i);\n  END LOOP;\nEND;";
        for times in [1, 10, 300] {
            assert!(is_body_bounded(body.repeat(times).as_bytes()), "{times}");
        }
        // a script of 20,000 lines
        let long = "BEGIN\n".to_owned() + &"INSERT INTO t\n  VALUES (1);\n".repeat(10_000) + "END";
        assert!(is_body_bounded(long.as_bytes()));
    }

    #[test]
    fn what_the_compiler_takes_long_for_is_not() {
        let numbered = |before: &str, part: &str, behind: &str| {
            let parts: String = (0..50_000).map(|n| part.replace('#', &n.to_string())).collect();
            format!("{before}{parts}{behind}")
        };
        for body in [
            numbered("DECLARE ", "v# int;", "BEGIN END"),
            numbered("DECLARE a int := x.begin; ", "v# int;", "BEGIN END"),
            numbered("DECLARE c CURSOR (a int", ", v# int", ") FOR SELECT 1; BEGIN END"),
            numbered("DECLARE r record; BEGIN ", "r.f# := 1;", "END"),
            numbered("BEGIN ", "IF a THEN\nNULL;\nEND IF;\n", "END"),
            numbered("BEGIN ", "x := '\n\n';", "END"),
            format!("BEGIN {} {} END", "BEGIN ".repeat(3000), "a := b;".repeat(50_000)),
            format!("BEGIN {} END", "/*".repeat(100)),
        ] {
            assert!(!is_body_bounded(body.as_bytes()), "{}", &body[..60]);
        }
    }

    #[test]
    fn declarations_are_counted_from_above() {
        let declared = |body: &str| count(body.as_bytes()).declared;
        assert_eq!(declared("DECLARE a int; b text; BEGIN x := 1; y := 2; END"), 2);
        assert_eq!(declared("BEGIN x := 1; END"), 0);
        assert_eq!(declared("DECLARE a int := begin.x; b int; BEGIN c := 1; END"), 2);
        assert_eq!(declared("DECLARE c CURSOR (a int, b int) FOR SELECT 1; BEGIN END"), 2);
        assert_eq!(declared("DECLARE a int; BEGIN DECLARE b int; BEGIN END; c := 1; END"), 2);
        assert_eq!(declared("DECLARE a int; <<l>> BEGIN c := 1; END"), 2);
    }
}
