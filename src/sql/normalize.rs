//! A statement's text without its values, for logs.
//!
//! What must not happen is that a value gets out. Constants become `$1`, `$2` …, comments go
//! (they may hold anything), what SET assigns is a value even when it is a bare word, and where
//! the quoting is in any doubt the text ends with `…`.

mod fingerprint;
mod pieces;
#[cfg(test)]
mod tests;

pub use fingerprint::fingerprint;

use std::fmt::Write as _;

use self::pieces::{Piece, Pieces};
use super::lexer::{Kind, Lexer, Token};

/// The text with constants replaced by `$1`, `$2` … (counted on from the highest parameter that
/// the text itself has), comments dropped, and each run of whitespace as one space. Bytes that are
/// no UTF-8 become U+FFFD.
pub fn normalize(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len().min(4096));
    let mut next_param = highest_param(text) + 1;
    let mut previous: Option<(Token, bool)> = None;
    for piece in Pieces::new(text) {
        let (token, literal) = match piece {
            Piece::Kept(token) => (token, false),
            Piece::Literal(token) => (token, true),
            Piece::Doubt(at) => {
                if previous.is_some_and(|(previous, _)| previous.end < at) {
                    out.push(' ');
                }
                out.push('…');
                break;
            }
        };
        if let Some((previous, was_literal)) = previous {
            // `'a'b` must not become `$1b`
            if previous.end < token.start || (was_literal && token.kind != Kind::Punct) {
                out.push(' ');
            }
        }
        if literal {
            let _ = write!(out, "${next_param}"); // writing to a string cannot fail
            next_param += 1;
        } else {
            let bytes = text.get(token.start..token.end).unwrap_or_default();
            out.push_str(&String::from_utf8_lossy(bytes));
        }
        previous = Some((token, literal));
    }
    out
}

/// The number of the highest parameter (`$3`) in the readable part of a text.
fn highest_param(text: &[u8]) -> u64 {
    let mut lexer = Lexer::new(text);
    let mut highest = 0;
    while let Ok(Some(token)) = lexer.next_token() {
        if token.kind == Kind::Param {
            let digits = text.get(token.start + 1..token.end).unwrap_or_default();
            let number = digits
                .iter()
                .fold(0u64, |sum, digit| sum.saturating_mul(10) + u64::from(digit & 0x0f));
            highest = highest.max(number);
        }
    }
    highest
}
