//! The lexer against PostgreSQL's own scanner, token by token, on text made to be hard to read.

use pg_query::protobuf::{ScanToken, Token as Real};
use proptest::prelude::*;

use super::*;
use crate::sql::shape::shape;

/// What text is made of: every way to begin, end and break a token.
const PARTS: &[&str] = &[
    "'",
    "'",
    "''",
    "\"",
    "\"a\"",
    "'a'",
    "$",
    "$$",
    "$a$",
    "$1",
    "E'",
    "e",
    "B'",
    "x'",
    "N'",
    "u&",
    "U&'",
    "U&\"",
    "--",
    "-",
    "/*",
    "*/",
    "/",
    "*",
    "+",
    "\n",
    "\r",
    " ",
    " ",
    "\t",
    "\x0b",
    "\x0c",
    "\\",
    "0",
    "1",
    "9",
    "_",
    ".",
    "..",
    "1e5",
    "0x",
    "0b1",
    "2147483648",
    "a",
    "b",
    "é",
    ":",
    "::",
    ":=",
    "=",
    "<",
    ">",
    "!",
    "@",
    "|",
    "%",
    ";",
    "(",
    ")",
    "[",
    "]",
    ",",
    "&",
    "?",
    "#",
    "{",
    "~",
    "`",
    "^",
];

fn soup(parts: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(parts), 0..most)
        .prop_map(|parts| parts.concat())
}

/// The real tokens, comments aside; `None` if the scanner refuses the text.
fn real(text: &str) -> Option<Vec<ScanToken>> {
    let mut tokens = pg_query::scan(text).ok()?.tokens;
    tokens.retain(|token| !matches!(token.token(), Real::SqlComment | Real::CComment));
    Some(tokens)
}

fn ours(text: &str) -> Result<Vec<Token>, Unsure> {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

/// Whether the real scanner's token can be one of `kind`.
fn agrees(kind: Kind, real: Real, text: &str) -> bool {
    match real {
        Real::Iconst => match kind {
            Kind::Integer => integer(text.as_bytes()) == Integer::Int4,
            _ => kind == Kind::Number,
        },
        Real::Fconst => match kind {
            Kind::Integer => integer(text.as_bytes()) != Integer::Int4,
            _ => kind == Kind::Number,
        },
        Real::Sconst => {
            matches!(kind, Kind::String | Kind::EscapeString | Kind::DollarString)
        }
        Real::Usconst => kind == Kind::UnicodeString,
        Real::Bconst | Real::Xconst => kind == Kind::BitString,
        Real::Param => kind == Kind::Param,
        Real::Uident => kind == Kind::UnicodeName,
        Real::Ident => matches!(kind, Kind::Word | Kind::QuotedName),
        Real::Typecast => kind == Kind::Typecast,
        Real::DotDot => kind == Kind::DotDot,
        Real::ColonEquals => kind == Kind::ColonEquals,
        Real::Op
        | Real::EqualsGreater
        | Real::LessEquals
        | Real::GreaterEquals
        | Real::NotEquals => kind == Kind::Operator,
        // keywords come after the single characters
        real if (real as i32) < 128 => kind == Kind::Punct,
        _ => kind == Kind::Word,
    }
}

fn compare(text: &str) -> Result<(), TestCaseError> {
    match (ours(text), real(text)) {
        (Ok(tokens), Some(real)) => {
            let mut real = real.into_iter();
            for token in tokens {
                let mut expected = real.next();
                let mut kind = token.kind;
                let mut start = token.start;
                if kind == Kind::NationalString {
                    // NCHAR and a plain string to the scanner
                    prop_assert_eq!(expected.map(|real| real.token()), Some(Real::Nchar));
                    expected = real.next();
                    (kind, start) = (Kind::String, start + 1);
                }
                let Some(expected) = expected else {
                    return Err(TestCaseError::fail(format!("{text:?}: {token:?} is too many")));
                };
                let place = (expected.start as usize, expected.end as usize);
                prop_assert_eq!((start, token.end), place, "{:?}", text);
                let bytes = &text[start..token.end];
                prop_assert!(agrees(kind, expected.token(), bytes), "{text:?}: {expected:?}");
            }
            prop_assert_eq!(real.next(), None, "{:?}", text);
        }
        // bytes that are no token are handed to the grammar, which has no rule with them
        (Err(Unsure { at, why: Why::Malformed }), Some(real)) => {
            let token = real.iter().find(|token| token.start as usize == at);
            prop_assert!(
                token.is_some_and(|t| matches!(&text[at..t.end as usize], "\\" | "{" | "}" | "$")),
                "{text:?} at {at}: {token:?}"
            );
        }
        (Err(unsure), Some(_)) => {
            return Err(TestCaseError::fail(format!("{text:?}: {unsure:?}")));
        }
        (Err(_), None) => {}
        // what escapes stand for is looked at by the real scanner only
        (Ok(tokens), None) => {
            prop_assert!(
                tokens.iter().any(|token| token.kind == Kind::EscapeString),
                "{text:?} is refused"
            );
        }
    }
    Ok(())
}

/// What a shape keeps of a token: its kind, and its text unless that is a constant's.
fn kept(text: &str) -> Option<Vec<(Real, String)>> {
    let keep = |token: &ScanToken| match token.token() {
        real @ (Real::Iconst | Real::Fconst) => {
            let bytes = &text[token.start as usize..token.end as usize];
            let plain = bytes.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
            (real, if plain { String::new() } else { bytes.to_owned() })
        }
        Real::Sconst => (Real::Sconst, String::new()),
        real => (real, text[token.start as usize..token.end as usize].to_owned()),
    };
    let mut tokens = real(text)?;
    tokens.pop_if(|token| token.token() == Real::Ascii59); // says nothing at the end
    Some(tokens.iter().map(keep).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 4000 } else { 200_000 }))]

    #[test]
    fn reads_what_postgresql_reads(text in soup(PARTS, 16)) {
        compare(&text)?;
    }

    #[test]
    fn reads_strings_and_what_is_between_them(
        text in soup(&["'", "'a'", "'", "\n", " ", "--", "-", "\r", "e'", "b'", "u&'", "\\", "$$", "/*", "*/"], 12),
    ) {
        compare(&text)?;
    }

    #[test]
    fn reads_operators_and_numbers(
        text in soup(&["+", "-", "*", "/", "<", ">", "=", "@", "!", "|", "1", ".", "e", "_", "0x", "$", "a", " "], 10),
    ) {
        compare(&text)?;
    }

    /// Texts of one shape are one to the grammar, constants aside; and the shape knows where the
    /// statement ends.
    #[test]
    fn shapes_are_equal_only_where_tokens_are(
        parts in proptest::collection::vec((0..SWAPS.len(), 0..4usize, 0..4usize), 0..10),
    ) {
        let build = |second: bool| {
            parts.iter().fold("SELECT ".to_owned(), |text, (group, one, other)| {
                let group = SWAPS[*group];
                text + group[if second { *other } else { *one } % group.len()]
            })
        };
        let (left, right) = (build(false), build(true));
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let first = shape(left.as_bytes(), &mut one);
        let second = shape(right.as_bytes(), &mut other);
        if first.is_some() && second.is_some() && one == other {
            prop_assert_eq!(kept(&left), kept(&right), "{:?} {:?}", left, right);
        }
        if let (Some(shape), Some(mut tokens)) = (first, real(&left)) {
            if tokens.last().is_some_and(|token| token.token() == Real::Ascii59) {
                tokens.pop();
            }
            prop_assert_eq!(tokens.last().map(|token| token.end as usize), Some(shape.end), "{:?}", left);
            prop_assert!(tokens.iter().all(|token| token.token() != Real::Ascii59), "{left:?}");
        }
    }
}

/// What could be taken for one another.
const SWAPS: &[&[&str]] = &[
    &["1", "2", "30", "2147483648"],
    &["'a'", "'b'", "''", "'a''b'"],
    &["'a'\n'b'", "'c'", "'a' 'b'", "'a'--\n'b'"],
    &["1.5", ".5", "1e5", "1."],
    &["0x1", "0b1", "1_0", "1"],
    &[" ", "  ", "\n", "/**/"],
    &[" ", "-- c\n", "/* ' */", "\t"],
    &["", " ", "-", "/"],
    &["a", "b", "e", "u"],
    &["\"a\"", "\"1\"", "\"'\"", "a"],
    &["$1", "$2", "$11", "$"],
    &["<", "@", "<@", "< @"],
    &["+", "-", "*", "/"],
    &[".", "..", ",", ":"],
    &["(", ")", "[", "]"],
    &["::", ":", ":=", "="],
    &["E'a'", "'a'", "&'a'", "n'a'"],
    &[";", "", "; ", "\\"],
];

/// Statements as people write them, read by both in the same way.
#[test]
fn reads_what_people_write() {
    for text in include_str!("corpus.sql").split("\n\n") {
        assert!(ours(text).is_ok(), "{text}");
        compare(text).unwrap();
    }
}
