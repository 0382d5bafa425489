//! Looking over a whole text before PostgreSQL's parser gets it.

use memchr::memchr;

use super::{Kind, Lexer, MAX_BRACKET_DEPTH, MAX_TOKENS, Token, Unsure, Why};
use crate::sql::Lexing;

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
    let read_to_end = loop {
        tokens += 1;
        match lexer.next_token() {
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
    bounded &= tokens <= MAX_TOKENS;
    Survey { lexing: Lexing::of(text, backslash), bounded }
}
