//! The shape of a statement: its tokens without the values of its constants.
//!
//! Two texts of one shape have the same judgement, lengths aside. That holds because a shape is
//! only given to texts in which constants cannot decide: a positive list of statements (queries
//! and DML, exactly one), of constants (plain strings and decimal numbers), and none of the names
//! whose arguments are looked at. Everything else has no shape and is judged by its own text.
//! Types of constants are of the shape, since they tell overloads of a routine apart.

use memchr::{memchr, memchr3};

use super::Lexing;
use super::lexer::{self, CLASS, Integer, Kind, MAX_BRACKET_DEPTH};

/// What is known of a text that has a shape, besides the shape itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Byte offset behind the last token of the one statement, which begins at 0; its semicolon
    /// excluded.
    pub end: usize,
    /// What the lexing depends on; part of the shape.
    pub lexing: Lexing,
}

/// The first words of statements in which constants decide nothing.
const FIRST: [&[u8]; 7] =
    [b"select", b"insert", b"update", b"delete", b"with", b"values", b"merge"];

/// Names whose constant arguments are looked at, by the classifier or by the grammar itself, as a
/// word or quoted: `float(54)` is a syntax error where `float(53)` is none, the rest is every
/// built-in that sets parameters or runs SQL given as text.
pub(super) const DECIDED_BY_CONSTANTS: [&[u8]; 9] = [
    b"float",
    b"set_config",
    b"fmgr_sql_validator",
    b"query_to_xml",
    b"query_to_xmlschema",
    b"query_to_xml_and_xmlschema",
    b"cursor_to_xml",
    b"ts_stat",
    b"ts_rewrite",
];

// The canonical bytes are the text itself with a control byte for each constant and one space for
// whatever blank stands between two tokens. They can be read back in one way only: control bytes
// are no token's (one inside a quoted name stands between its quotes), no token reaches over a
// constant, and what is left of the text is cut into tokens as it was.
const INTEGER: u8 = 0x01;
const NUMERIC: u8 = 0x02;
const STRING: u8 = 0x03;
const ASCII: u8 = 0x04;
const HIGH_BYTES: u8 = 0x05;
const BIGINT: u8 = 0x06;

/// Writes the canonical bytes of the shape of `text` into `canonical` (cleared first), if it has
/// one. One pass; allocates only where `canonical` has not grown to the length of the text yet.
pub fn shape(text: &[u8], canonical: &mut Vec<u8>) -> Option<Shape> {
    canonical.clear();
    let word = text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let first = text.get(..word)?;
    if !FIRST.iter().any(|known| first.eq_ignore_ascii_case(known)) {
        return None;
    }
    let high_bytes = !text.is_ascii();
    canonical.push(if high_bytes { HIGH_BYTES } else { ASCII });
    let mut cutter = Cutter { text, canonical, pos: 0, copied: 0, depth: 0 };
    let end = cutter.cut()?;
    // rare, and need not be fast
    if high_bytes && (lexer::has_half(canonical) || text.contains(&b'\\')) {
        return None;
    }
    Some(Shape { end, lexing: Lexing { backslash: false, high_bytes, half: false } })
}

/// Finds the constants of a text and copies what is between them.
///
/// Not the lexer, for speed: all that is not a constant is copied as it stands, so that only the
/// beginnings and ends of constants, names and blanks have to be known, not what kind of token
/// each operator character belongs to. What is not plain is left to the lexer, or has no shape. A
/// NUL byte is met where it stands, and ends the attempt.
struct Cutter<'t, 'c> {
    text: &'t [u8],
    canonical: &'c mut Vec<u8>,
    pos: usize,
    /// `text[copied..pos]` is to be copied as it stands.
    copied: usize,
    /// How many brackets are open.
    depth: usize,
}

impl Cutter<'_, '_> {
    /// Reads to the end; gives the end of the last token.
    fn cut(&mut self) -> Option<usize> {
        loop {
            let Some(&byte) = self.text.get(self.pos) else { return self.finish(self.pos) };
            match CLASS[usize::from(byte)] {
                lexer::Class::Ident => self.word()?,
                lexer::Class::Space => {
                    let next = self.peek(1);
                    // one space before anything but a blank, a comment, `;` or the end stays
                    let plain = byte == b' '
                        && !matches!(next, b'-' | b'/' | b';' | 0)
                        && CLASS[usize::from(next)] != lexer::Class::Space;
                    if plain {
                        self.pos += 1;
                    } else if let Some(end) = self.blank()? {
                        return Some(end);
                    }
                }
                lexer::Class::Op => {
                    if matches!((byte, self.peek(1)), (b'-', b'-') | (b'/', b'*')) {
                        if let Some(end) = self.blank()? {
                            return Some(end);
                        }
                    } else {
                        self.pos += 1;
                    }
                }
                lexer::Class::Single => {
                    match byte {
                        b'(' | b'[' => self.depth += 1,
                        b')' | b']' => self.depth = self.depth.saturating_sub(1),
                        b';' => return self.finish(self.pos),
                        _ => {}
                    }
                    if self.depth > MAX_BRACKET_DEPTH {
                        return None;
                    }
                    self.pos += 1;
                }
                lexer::Class::Quote => self.string()?,
                lexer::Class::DoubleQuote => self.quoted_name()?,
                lexer::Class::Digit => self.number()?,
                lexer::Class::Dot => match CLASS[usize::from(self.peek(1))] {
                    lexer::Class::Digit => self.number()?,
                    lexer::Class::Dot => self.pos += 2,
                    _ => self.pos += 1,
                },
                lexer::Class::Dollar => self.param()?,
                lexer::Class::Colon => self.pos += 1,
                lexer::Class::Other => return None,
            }
        }
    }

    #[inline]
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.pos + ahead).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        self.pos += rest.iter().position(|&byte| !holds(byte)).unwrap_or(rest.len());
    }

    /// Puts `placeholder` in the place of the constant that ends at `end`.
    #[inline]
    fn constant(&mut self, end: usize, placeholder: u8) {
        self.canonical.extend_from_slice(self.text.get(self.copied..self.pos).unwrap_or_default());
        self.canonical.push(placeholder);
        self.copied = end;
        self.pos = end;
    }

    #[inline]
    fn word(&mut self) -> Option<()> {
        let start = self.pos;
        self.skip_while(lexer::is_ident_cont);
        let length = self.pos - start;
        // a letter by itself before a quote announces another kind of constant or name
        if length == 1 && matches!(self.peek(0), b'\'' | b'&') {
            return None;
        }
        self.harmless(start, self.pos)
    }

    fn quoted_name(&mut self) -> Option<()> {
        let start = self.pos + 1;
        loop {
            self.pos += 1;
            self.skip_while(|byte| byte != b'"' && byte != 0);
            if self.peek(0) == 0 {
                return None; // NUL, or the end of the text
            }
            let end = self.pos;
            self.pos += 1;
            if self.peek(0) != b'"' {
                return self.harmless(start, end);
            }
        }
    }

    /// `None` for the names whose constant arguments decide.
    #[inline]
    fn harmless(&self, start: usize, end: usize) -> Option<()> {
        // all but a few names end here
        let first = self.text.get(start).map_or(0, |byte| byte & 31);
        if LENGTHS & (1 << (end - start).min(31)) == 0 || LETTERS & (1 << first) == 0 {
            return Some(());
        }
        self.not_decided(start, end)
    }

    #[inline(never)]
    fn not_decided(&self, start: usize, end: usize) -> Option<()> {
        let name = self.text.get(start..end)?;
        let decided = DECIDED_BY_CONSTANTS.iter().any(|known| known.eq_ignore_ascii_case(name));
        (!decided).then_some(())
    }

    fn string(&mut self) -> Option<()> {
        let rest = self.text.get(self.pos + 1..)?;
        // most constants are short: a call of memchr costs more than it saves
        let stops = |byte: &u8| matches!(byte, b'\'' | b'\\' | 0);
        let found = match rest.iter().take(16).position(stops) {
            Some(found) => found,
            None => memchr3(b'\'', b'\\', 0, rest)?,
        };
        // with a backslash, standard_conforming_strings decides: rare, and need not be fast
        if rest.get(found) != Some(&b'\'') {
            return None;
        }
        let next = rest.get(found + 1).copied().unwrap_or(0);
        if matches!(next, b',' | b')' | b';' | b':' | 0) {
            self.constant(self.pos + found + 2, STRING);
            return Some(());
        }
        // doubled quotes, continuations
        let (token, backslash) = lexer::token_at(self.text, self.pos)?;
        if backslash || memchr(0, self.text.get(token.start..token.end)?).is_some() {
            return None;
        }
        self.constant(token.end, STRING);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let mut end = self.pos;
        let next = loop {
            match self.text.get(end) {
                Some(b'0'..=b'9') => end += 1,
                next => break next.copied().unwrap_or(0),
            }
        };
        let digits = end - self.pos;
        if (1..=9).contains(&digits) && next != b'.' && !lexer::is_ident_cont(next) {
            self.constant(end, INTEGER);
            return Some(());
        }
        let (token, _) = lexer::token_at(self.text, self.pos)?;
        let number = self.text.get(token.start..token.end)?;
        match token.kind {
            // the grammar tells an integer from any other number, and its size gives its type
            Kind::Integer => match lexer::integer(number) {
                Integer::Int4 => self.constant(token.end, INTEGER),
                Integer::Int8 => self.constant(token.end, BIGINT),
                Integer::Numeric => self.constant(token.end, NUMERIC),
                Integer::BySign => self.pos = token.end,
            },
            Kind::Number if is_plain_decimal(number) => self.constant(token.end, NUMERIC),
            // kept as it stands
            Kind::Number => self.pos = token.end,
            _ => return None,
        }
        Some(())
    }

    fn param(&mut self) -> Option<()> {
        self.pos += 1;
        if !self.peek(0).is_ascii_digit() {
            return None;
        }
        self.skip_while(|byte| byte.is_ascii_digit());
        Some(())
    }

    /// A blank that is more than one space, or the last: `Some(end)` where nothing follows.
    #[inline(never)]
    fn blank(&mut self) -> Option<Option<usize>> {
        let from = self.pos;
        let to = lexer::blank_end(self.text, from)?;
        let blank = self.text.get(from..to)?;
        if memchr(0, blank).is_some() {
            return None;
        }
        self.pos = to;
        if matches!(self.text.get(to), None | Some(b';')) {
            return self.finish(from).map(Some);
        }
        if blank != b" " {
            self.canonical.extend_from_slice(self.text.get(self.copied..from)?);
            self.canonical.push(b' ');
            self.copied = to;
        }
        Some(None)
    }

    /// The last token ends at `end`, and `pos` is at the semicolon or the end of the text: nothing
    /// but blank may follow.
    fn finish(&mut self, end: usize) -> Option<usize> {
        self.canonical.extend_from_slice(self.text.get(self.copied..end)?);
        if self.pos < self.text.len() {
            let to = lexer::blank_end(self.text, self.pos + 1)?;
            // another statement, or an empty one
            if to < self.text.len() || memchr(0, self.text.get(self.pos..)?).is_some() {
                return None;
            }
        }
        Some(end)
    }
}

/// Digits, a point, an exponent: no groups, no `0x`. All of these are one token to the grammar.
fn is_plain_decimal(number: &[u8]) -> bool {
    number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
}

/// The lengths of those names as bits.
const LENGTHS: u32 = {
    let mut lengths = 0;
    let mut index = 0;
    while index < DECIDED_BY_CONSTANTS.len() {
        lengths |= 1 << DECIDED_BY_CONSTANTS[index].len();
        index += 1;
    }
    lengths
};

/// Their first letters as bits, by the five bits that upper and lower case share.
const LETTERS: u32 = {
    let mut letters = 0;
    let mut index = 0;
    while index < DECIDED_BY_CONSTANTS.len() {
        letters |= 1 << (DECIDED_BY_CONSTANTS[index][0] & 31);
        index += 1;
    }
    letters
};

#[cfg(test)]
mod tests;
