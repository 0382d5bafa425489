//! A short name for a statement that stays the same when its values change.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use super::pieces::{Piece, Pieces};
use crate::sql::lexer::{Kind, Token};

/// How deep bodies inside bodies are looked into.
const MAX_BODIES: usize = 2;

/// Rows that nest more deeply are not compared: each would be with all that is in it.
const MAX_DEPTH: usize = 64;

/// Sixteen hexadecimal digits, the same in every run and version for statements that differ only
/// in values, parameters, the length of an IN list or ARRAY, equal rows of VALUES, whitespace,
/// comments and the case of words. The bodies of DO and CREATE FUNCTION count, without their
/// values: other code is another statement. No value enters it, so none can be guessed from it.
pub fn fingerprint(text: &[u8]) -> String {
    let mut canonical = Canonical::default();
    canonical.text(text, 0);
    let hash = digest(&SHA256, &canonical.bytes);
    hash.as_ref().iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a string cannot fail
        hex
    })
}

/// A parenthesis or bracket that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Where it stands in the bytes.
    start: usize,
    /// It is an IN list or an ARRAY: values in a row are one.
    list: bool,
    /// It is a row behind VALUES or behind another such row.
    row: bool,
}

/// The bytes that are hashed, under construction. Words end in a space, a value is `$`.
#[derive(Debug, Default)]
struct Canonical {
    bytes: Vec<u8>,
    open: Vec<Open>,
    /// Where the row ends that was closed last, with where it began.
    last_row: Option<(usize, usize)>,
    /// What came last, as far as it decides.
    last: Last,
    /// An operand stands before the sign that came last.
    operand_before_sign: bool,
}

/// What a token is to the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Nothing,
    Values,
    InOrArray,
    /// A word after which an expression begins.
    Leading,
    Operand,
    /// `+` or `-`, perhaps a value's.
    Sign,
    Comma,
    Other,
}

impl Canonical {
    fn text(&mut self, text: &[u8], bodies: usize) {
        let mut code = Code::default();
        for piece in Pieces::new(text) {
            match piece {
                Piece::Kept(token) => {
                    let bytes = text.get(token.start..token.end).unwrap_or_default();
                    code.step(token, bytes);
                    self.kept(token, bytes);
                }
                Piece::Literal(token) if code.is_body(token) && bodies < MAX_BODIES => {
                    let bytes = text.get(token.start..token.end).unwrap_or_default();
                    self.bytes.push(b'{');
                    let mut inner = Canonical::default();
                    inner.text(undollar(bytes), bodies + 1);
                    self.bytes.append(&mut inner.bytes);
                    self.bytes.push(b'}');
                    self.last = Last::Operand;
                }
                Piece::Literal(_) => self.value(),
                Piece::Doubt(_) => self.bytes.extend_from_slice("…".as_bytes()),
            }
        }
        while self.bytes.last() == Some(&b';') {
            self.bytes.pop();
        }
    }

    fn kept(&mut self, token: Token, bytes: &[u8]) {
        match token.kind {
            Kind::Param => self.value(),
            Kind::Word => {
                self.bytes.extend(bytes.iter().map(u8::to_ascii_lowercase));
                self.bytes.push(b' ');
                self.last = after_word(bytes);
            }
            Kind::Punct => match bytes.first() {
                Some(b'(' | b'[') => self.opens(bytes),
                Some(b')' | b']') => self.closes(bytes),
                Some(b'+' | b'-') => {
                    self.operand_before_sign = self.last == Last::Operand;
                    self.push(bytes, Last::Sign);
                    self.bytes.push(b' ');
                }
                Some(b',') => self.push(bytes, Last::Comma),
                Some(b';') => {
                    self.push(bytes, Last::Nothing);
                    self.last_row = None;
                }
                // an operator character alone: `< @` is not `<@`
                _ => {
                    self.push(bytes, Last::Other);
                    self.bytes.push(b' ');
                }
            },
            Kind::QuotedName | Kind::UnicodeName => {
                self.push(bytes, Last::Operand);
                self.bytes.push(b' ');
            }
            _ => {
                self.push(bytes, Last::Other);
                self.bytes.push(b' ');
            }
        }
    }

    fn push(&mut self, bytes: &[u8], last: Last) {
        self.bytes.extend_from_slice(bytes);
        self.last = last;
    }

    fn value(&mut self) {
        if self.last == Last::Sign && !self.operand_before_sign {
            self.bytes.truncate(self.bytes.len().saturating_sub(2)); // the sign is the value's
        }
        let in_list = self.open.last().is_some_and(|open| open.list);
        if in_list && self.bytes.ends_with(b"$,") {
            self.bytes.pop();
        } else {
            self.bytes.push(b'$');
        }
        self.last = Last::Operand;
    }

    fn opens(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        let behind_row = self.last_row.is_some_and(|(_, end)| end + 1 == start);
        let row = self.last == Last::Values || (self.last == Last::Comma && behind_row);
        self.open.push(Open {
            start,
            list: self.last == Last::InOrArray,
            row: row && self.open.len() < MAX_DEPTH,
        });
        self.push(bytes, Last::Other);
    }

    fn closes(&mut self, bytes: &[u8]) {
        self.push(bytes, Last::Operand);
        let Some(open) = self.open.pop() else { return };
        if !open.row {
            return;
        }
        let end = self.bytes.len();
        self.last_row = Some((open.start, end));
        // a row equal to the one before it goes, with the comma between them
        let comma = open.start.saturating_sub(1);
        let length = end - open.start;
        let before = comma.checked_sub(length).and_then(|from| self.bytes.get(from..comma));
        if self.bytes.get(comma) == Some(&b',') && before == self.bytes.get(open.start..end) {
            self.bytes.truncate(comma);
            self.last_row = Some((comma - length, comma));
        }
    }
}

fn after_word(word: &[u8]) -> Last {
    const LEADING: [&str; 21] = [
        "select",
        "where",
        "and",
        "or",
        "not",
        "limit",
        "offset",
        "between",
        "then",
        "else",
        "when",
        "returning",
        "by",
        "to",
        "default",
        "on",
        "case",
        "like",
        "having",
        "distinct",
        "all",
    ];
    let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    match () {
        () if is("values") => Last::Values,
        () if is("in") || is("array") => Last::InOrArray,
        () if LEADING.into_iter().any(is) => Last::Leading,
        () => Last::Operand,
    }
}

/// Whether a statement is one whose dollar-quoted string is code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Code {
    #[default]
    Start,
    Create,
    Yes,
    No,
}

impl Code {
    fn step(&mut self, token: Token, bytes: &[u8]) {
        let is =
            |known: &str| token.kind == Kind::Word && bytes.eq_ignore_ascii_case(known.as_bytes());
        *self = match *self {
            _ if bytes == b";" => Code::Start,
            Code::Start if is("do") => Code::Yes,
            Code::Start if is("create") => Code::Create,
            Code::Start => Code::No,
            Code::Create if is("function") || is("procedure") => Code::Yes,
            other => other,
        };
    }

    fn is_body(self, token: Token) -> bool {
        self == Code::Yes && token.kind == Kind::DollarString
    }
}

/// What is inside `$tag$…$tag$`.
fn undollar(literal: &[u8]) -> &[u8] {
    let tag = literal.iter().skip(1).position(|&byte| byte == b'$').map_or(0, |at| at + 2);
    literal.get(tag..literal.len().saturating_sub(tag)).unwrap_or_default()
}
