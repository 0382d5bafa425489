//! Looking over a whole text before PostgreSQL's parser gets it.

use memchr::memchr;

use super::{Kind, Lexer, MAX_BRACKET_DEPTH, MAX_TOKENS, Token, Unsure, Why};
use crate::sql::Lexing;
use crate::sql::shape::DECIDED_BY_CONSTANTS;

/// What must be known of a text before PostgreSQL's parser is let at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// What of the session's reported state the lexing depends on. Where the text could not be
    /// read to its end, any backslash at all counts.
    pub lexing: Lexing,
    /// The text stays below the caps: PostgreSQL's parser takes linear time, bounded depth
    /// and bounded memory.
    /// A text for which this is false is `opaque` without being parsed.
    pub bounded: bool,
}

/// Looks over a text in one pass, in linear time whatever is in it.
pub fn survey(text: &[u8]) -> Survey {
    let mut lexer = Lexer::new(text);
    let mut depth = 0usize;
    let mut tokens = 0usize;
    let mut bounded = true;
    let high_bytes = !text.is_ascii();
    let mut halves = Halves::default();
    let read_to_end = loop {
        tokens += 1;
        let next = lexer.next_token();
        if let (Ok(Some(token)), true) = (&next, high_bytes) {
            halves.see(text, *token);
        }
        match next {
            Ok(None) => break true,
            Ok(Some(Token { kind: Kind::Punct, start, .. })) => match text.get(start) {
                Some(b'(' | b'[') => {
                    depth += 1;
                    bounded &= depth <= MAX_BRACKET_DEPTH;
                }
                Some(b')' | b']') => depth = depth.saturating_sub(1),
                _ => {}
            },
            Ok(Some(_)) => {}
            Err(Unsure { why, .. }) => {
                // the real scanner refuses the others at the same place, at no cost
                bounded &= matches!(why, Why::Unterminated | Why::Malformed);
                break false;
            }
        }
    };
    let backslash = if read_to_end { lexer.backslash() } else { memchr(b'\\', text).is_some() };
    let half = high_bytes && halves.matter(text, read_to_end);
    bounded &= tokens <= MAX_TOKENS;
    Survey { lexing: Lexing { backslash, high_bytes, half }, bounded }
}

/// Whether a byte of 0x80 or more stands before one that some client encoding of PostgreSQL's takes
/// for the second half of a character, letters and digits aside.
pub(in crate::sql) fn has_half(text: &[u8]) -> bool {
    halves(text).next().is_some()
}

/// The bytes that are so.
fn halves(text: &[u8]) -> impl Iterator<Item = u8> {
    let half = |byte| matches!(byte, b'@' | b'['..=b'^' | b'`' | b'{'..=b'~');
    let pairs = text.iter().zip(text.iter().skip(1));
    pairs.filter(move |(before, byte)| **before >= 0x80 && half(**byte)).map(|(_, byte)| *byte)
}

/// Whether a function of that name may run a constant as SQL.
fn runs_constants(name: &[u8]) -> bool {
    DECIDED_BY_CONSTANTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Where a text has halves.
#[derive(Default)]
struct Halves {
    /// Behind a name, where they are tokens, or in dollar quotes, where there is code.
    outside: bool,
    /// In a literal.
    literal: bool,
    /// A literal may be code: of a DO, or of a function that runs it.
    code: bool,
    /// The last token does not end a statement.
    within: bool,
}

impl Halves {
    fn see(&mut self, text: &[u8], token: Token) {
        let bytes = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let own = bytes(token.start, token.end);
        match token.kind {
            Kind::Word => {
                self.code |=
                    runs_constants(own) || (!self.within && own.eq_ignore_ascii_case(b"do"));
                self.outside |= has_half(bytes(token.end.saturating_sub(1), token.end + 1));
            }
            Kind::QuotedName => {
                let name = own.get(1..own.len().saturating_sub(1)).unwrap_or_default();
                self.code |= runs_constants(name);
            }
            Kind::UnicodeName => self.code = true,
            Kind::DollarString => self.outside |= has_half(own),
            Kind::String | Kind::NationalString | Kind::EscapeString | Kind::UnicodeString => {
                self.literal |= has_half(own);
            }
            _ => {}
        }
        self.within = own != b";";
    }

    fn matter(&self, text: &[u8], read_to_end: bool) -> bool {
        self.outside
            || (self.literal && self.code)
            || halves(text).any(|byte| byte == b'\\')
            || (!read_to_end && has_half(text))
    }
}
