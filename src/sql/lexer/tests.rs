//! The lexer against cases from `scan.l` and from the manual, section 4.1.

use proptest::prelude::*;

use super::*;
use crate::sql::Lexing;

/// The tokens as `kind:text`, the error last.
fn lex(text: &str) -> Vec<(Kind, &str)> {
    let (tokens, unsure) = try_lex(text.as_bytes());
    assert_eq!(unsure, None, "{text}");
    tokens.into_iter().map(|t| (t.kind, &text[t.start..t.end])).collect()
}

fn try_lex(text: &[u8]) -> (Vec<Token>, Option<Unsure>) {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    loop {
        match lexer.next_token() {
            Ok(Some(token)) => tokens.push(token),
            Ok(None) => return (tokens, None),
            Err(unsure) => return (tokens, Some(unsure)),
        }
    }
}

fn one(text: &str, kind: Kind) {
    assert_eq!(lex(text), [(kind, text)]);
}

fn fails(text: &str, why: Why) {
    assert_eq!(try_lex(text.as_bytes()).1.map(|unsure| unsure.why), Some(why), "{text}");
}

#[test]
fn a_statement() {
    use Kind::*;
    assert_eq!(
        lex("SELECT a.\"B\", $1::int -- x\n FROM t WHERE a>=1.5 /* /* */ */ ;"),
        [
            (Word, "SELECT"),
            (Word, "a"),
            (Punct, "."),
            (QuotedName, "\"B\""),
            (Punct, ","),
            (Param, "$1"),
            (Typecast, "::"),
            (Word, "int"),
            (Word, "FROM"),
            (Word, "t"),
            (Word, "WHERE"),
            (Word, "a"),
            (Operator, ">="),
            (Number, "1.5"),
            (Punct, ";"),
        ]
    );
}

#[test]
fn comments() {
    assert_eq!(lex("-- a\r1"), [(Kind::Integer, "1")]);
    assert_eq!(lex("--"), []);
    assert_eq!(lex("/**/1"), [(Kind::Integer, "1")]);
    assert_eq!(lex("/*/ */1"), [(Kind::Integer, "1")]);
    assert_eq!(lex("/***/1"), [(Kind::Integer, "1")]);
    assert_eq!(lex("/*//**/*/1"), [(Kind::Integer, "1")]);
    assert_eq!(lex("/* '--\" */1"), [(Kind::Integer, "1")]);
    assert_eq!(lex("1/*+*/2"), [(Kind::Integer, "1"), (Kind::Integer, "2")]);
    fails("/* /* */", Why::Unterminated);
    fails("/*/", Why::Unterminated);
    let deep = |depth| format!("{}{}", "/*".repeat(depth), "*/".repeat(depth));
    assert_eq!(lex(&deep(MAX_COMMENT_DEPTH)), []);
    fails(&deep(MAX_COMMENT_DEPTH + 1), Why::CommentDepth);
}

#[test]
fn strings() {
    one("'it''s'", Kind::String);
    one("''", Kind::String);
    one("'a\\'", Kind::String);
    one("e'a\\'b'", Kind::EscapeString);
    one("E'a''b\\\\'", Kind::EscapeString);
    one("n'a''b'", Kind::NationalString);
    one("b'01'", Kind::BitString);
    one("X'1F'", Kind::BitString);
    one("u&'d\\0061t'", Kind::UnicodeString);
    one("U&\"d\\0061t\"", Kind::UnicodeName);
    one("\"a\"\"b\"", Kind::QuotedName);
    assert_eq!(lex("B'1''0'"), [(Kind::BitString, "B'1'"), (Kind::String, "'0'")]);
    assert_eq!(
        lex("u&x"),
        [(Kind::Word, "u"), (Kind::Operator, "&"), (Kind::Word, "x")],
        "U& that starts no literal"
    );
    for text in ["'a", "'a''", "e'a\\'", "b'", "u&'", "n'", "\"a", "u&\"", "\"a\"\""] {
        fails(text, Why::Unterminated);
    }
    fails("\"\"", Why::Malformed);
    fails("u&\"\"", Why::Malformed);
}

#[test]
fn strings_go_on_behind_a_newline() {
    one("'a'\n'b'", Kind::String);
    one("'a' \t\r 'b'\n\n'c'", Kind::String);
    one("'a' -- x 'y'\n -- z\n 'b'", Kind::String);
    one("e'a'\n'\\''", Kind::EscapeString);
    one("x'a'\n'b'", Kind::BitString);
    assert_eq!(lex("'a' 'b'").len(), 2);
    assert_eq!(lex("'a' /* \n */ 'b'").len(), 2);
    assert_eq!(lex("'a' /* */ \n 'b'").len(), 2);
    assert_eq!(lex("'a'\n-'b'").len(), 3);
    assert_eq!(lex("'a' --'b'"), [(Kind::String, "'a'")]);
    assert_eq!(lex("'a'\n--'b'"), [(Kind::String, "'a'")]);
    assert_eq!(lex("'a'\ne'b'").len(), 2);
}

#[test]
fn dollars() {
    one("$$a'b$$", Kind::DollarString);
    one("$a$ $b$ $$ $A$ $a$", Kind::DollarString);
    one("$a$ $b$a$", Kind::DollarString);
    one("$é1$x$é1$", Kind::DollarString);
    one("$12", Kind::Param);
    one("a$b$c", Kind::Word);
    assert_eq!(lex("$1$2"), [(Kind::Param, "$1"), (Kind::Param, "$2")]);
    assert_eq!(lex("1$$x$$"), [(Kind::Integer, "1"), (Kind::DollarString, "$$x$$")]);
    fails("$a$ $A$", Why::Unterminated);
    fails("$a b$", Why::Malformed);
    fails("$", Why::Malformed);
    assert_eq!(lex("$1a"), [(Kind::Param, "$1"), (Kind::Word, "a")]);
    fails("$2147483648", Why::Malformed);
    one("$2147483647", Kind::Param);
}

#[test]
fn numbers() {
    one("0", Kind::Integer);
    one("99999999999", Kind::Integer);
    for text in [
        "1.", "1.5", ".5", "1e9", "1.e-9", ".5E+1", "1_000", "1_0.0_1", "0x1F", "0X_f", "0o17",
        "0b_1_0",
    ] {
        one(text, Kind::Number);
    }
    assert_eq!(lex("1..10"), [(Kind::Integer, "1"), (Kind::DotDot, ".."), (Kind::Integer, "10")]);
    assert_eq!(lex("1.5.5"), [(Kind::Number, "1.5"), (Kind::Number, ".5")]);
    for text in [
        "1a", "1_", "1__0", "0x", "0xg", "0x1g", "0b2", "0o8", "1e", "1e+", "1.5a", "1.é", "1e5x",
        "1_0$1", "1e5$1", "0x1$1", "0b12",
    ] {
        fails(text, Why::Malformed);
    }
}

#[test]
fn operators() {
    use Kind::*;
    assert_eq!(lex("a=-1")[1..3], [(Punct, "="), (Punct, "-")]);
    assert_eq!(lex("a@-1")[1..2], [(Operator, "@-")]);
    assert_eq!(lex("a<>-+1")[1..4], [(Operator, "<>"), (Punct, "-"), (Punct, "+")]);
    assert_eq!(lex("a+--x"), [(Word, "a"), (Punct, "+")]);
    assert_eq!(lex("a|/*x*/b"), [(Word, "a"), (Operator, "|"), (Word, "b")]);
    assert_eq!(lex("a*/b")[1..2], [(Operator, "*/")]);
    assert_eq!(lex("a->>'b'")[1..2], [(Operator, "->>")]);
    assert_eq!(lex("a ? b")[1..2], [(Operator, "?")]);
    assert_eq!(lex("a := b")[1..2], [(ColonEquals, ":=")]);
    assert_eq!(lex("a => b")[1..2], [(Operator, "=>")]);
    assert_eq!(lex("a[1:2]")[3..4], [(Punct, ":")]);
    one(&"@".repeat(63), Operator);
    fails(&"@".repeat(64), Why::Malformed);
    for text in ["\\", "{", "}", "\x01"] {
        fails(text, Why::Malformed);
    }
}

#[test]
fn nul_is_never_read() {
    fails("a\0", Why::Nul);
    fails("'\0'", Why::Nul);
}

#[test]
fn surveys() {
    let of = |text: &str| survey(text.as_bytes());
    assert_eq!(of(""), Survey { lexing: Lexing::default(), bounded: true });
    assert!(of("'a\\b'").lexing.backslash);
    assert!(of("n'a\\b'").lexing.backslash);
    for text in ["e'a\\b'", "$$\\$$", "\"\\\"", "-- \\", "/* \\ */", "u&'\\0061'"] {
        assert!(!of(text).lexing.backslash, "{text}");
    }
    assert!(of("'a' \\ 'b").lexing.backslash, "unreadable, so any backslash counts");
    assert!(of("-- é").lexing.high_bytes);
    for text in [
        "SELECT E'é\\''",
        "SELECT é@(1)",
        "SELECT a.é[1]",
        "$$é|$$",
        "a[é]",
        "é~ 'open",
        "SELECT 1; DO 'é@'",
        "SELECT query_to_xml('é@')",
        "SELECT \"Query_To_XML\"('é@')",
    ] {
        assert!(of(text).lexing.half, "{text}");
    }
    for text in [
        "SELECT E'\\é'",
        "SELECT é @(1)",
        "SELECT 'josé@'",
        "SELECT é(1)",
        "INSERT INTO t VALUES ('é@') ON CONFLICT DO NOTHING",
    ] {
        assert!(!of(text).lexing.half, "{text}");
    }
    let nested = |depth| format!("{}1{}", "([".repeat(depth), "])".repeat(depth));
    assert!(of(&nested(MAX_BRACKET_DEPTH / 2)).bounded);
    assert!(!of(&nested(MAX_BRACKET_DEPTH / 2 + 1)).bounded);
    assert!(of("'").bounded);
    assert!(!of("1\0").bounded);
    assert!(!of(&"/*".repeat(100)).bounded);
}

/// What is quadratic in PostgreSQL's scanner is refused, and is linear here.
#[test]
fn megabytes_take_no_time() {
    let size = if cfg!(debug_assertions) { 2 << 20 } else { 16 << 20 };
    for (unit, bounded) in [
        ("/*", false),
        ("/**/", false),
        ("/**//**//**/ ", true),
        ("+-", false),
        ("*+*+-", true),
        ("(", false),
        ("()", true),
        ("'a'\n", true),
        ("'a' --\n", true),
        ("$a$", true),
        ("$a ", true),
        ("\"", true),
        ("1", true),
        ("1_", true),
        ("a", true),
        ("- ", true),
        ("é", true),
        ("\\", true),
    ] {
        let text = unit.repeat(size / unit.len());
        let start = std::time::Instant::now();
        let seen = survey(text.as_bytes()).bounded;
        let took = start.elapsed();
        let few = try_lex(text.as_bytes()).0.len() < MAX_TOKENS;
        assert_eq!(seen, bounded && few, "{unit}");
        assert!(took.as_secs() < 5, "{unit} took {took:?}");
    }
}

proptest! {
    /// Tokens are in order, apart, inside the text; nothing panics.
    #[test]
    fn tokens_cover_the_text_in_order(text in "[ -~\n\u{e9}]{0,80}") {
        let (tokens, unsure) = try_lex(text.as_bytes());
        let mut last = 0;
        for token in &tokens {
            prop_assert!(token.start >= last && token.end > token.start);
            last = token.end;
        }
        let end = unsure.map_or(text.len(), |unsure| unsure.at);
        prop_assert!(last <= end && end <= text.len());
        survey(text.as_bytes());
    }

    #[test]
    fn any_bytes_do(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_, unsure) = try_lex(&text);
        prop_assert!(unsure.is_none_or(|unsure| unsure.at <= text.len()));
    }
}
