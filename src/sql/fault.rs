//! What PostgreSQL's parser says of a text that it does not take: its own words, kept short, and
//! where in the text.

use pgauthority_grammar::SyntaxError;

/// The most characters of a message that are kept: an unterminated literal is quoted to its end.
const MAX_MESSAGE: usize = 160;

/// Why PostgreSQL's parser does not take a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxFault {
    /// PostgreSQL's message (`syntax error at or near "x"`) on one line, cut where it is long. It
    /// quotes the text: for whoever sent that, and for no log.
    pub message: Box<str>,
    /// Byte offset in the text of what the parser did not take, where it says so.
    pub at: Option<u32>,
}

impl SyntaxFault {
    /// What the parser said of `text`.
    pub(in crate::sql) fn of(error: &SyntaxError, text: &[u8]) -> SyntaxFault {
        let at = error.position.map(|position| offset(text, position));
        SyntaxFault { message: short(&error.message), at: at.and_then(|at| u32::try_from(at).ok()) }
    }

    /// The same without where: what was read is a part of the text that is not found in it again.
    pub(in crate::sql) fn within(error: &SyntaxError) -> SyntaxFault {
        SyntaxFault { message: short(&error.message), at: None }
    }

    /// The message without anything of the text: what kind of error it is.
    pub fn kind(&self) -> &str {
        let message = &*self.message;
        let ends = [" at or near ", " at end of input", "\"", ":"];
        let end = ends.iter().filter_map(|end| message.find(end)).min();
        message.get(..end.unwrap_or(message.len())).unwrap_or_default().trim_end()
    }
}

/// A message on one line and no longer than is good to read.
fn short(message: &str) -> Box<str> {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = message.chars().take(MAX_MESSAGE).map(plain).collect();
    if message.chars().nth(MAX_MESSAGE).is_some() {
        shown.push('…');
        // the quotation mark that PostgreSQL closes it with
        if shown.contains(" at or near \"") {
            shown.push('"');
        }
    }
    shown.into()
}

/// The byte offset of the character at `position`, counted from 1 as PostgreSQL counts: a first
/// byte says how long its character is (`pg_utf_mblen`), whatever follows.
fn offset(text: &[u8], position: u32) -> usize {
    let mut at = 0;
    for _ in 1..position {
        at += match text.get(at) {
            None => break,
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            Some(_) => 1,
        };
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> SyntaxFault {
        SyntaxFault::of(&pgauthority_grammar::parse(text).unwrap_err(), text)
    }

    #[test]
    fn it_says_what_postgresql_says_and_where() {
        for (text, message, at) in [
            ("selekt 1", "syntax error at or near \"selekt\"", 0),
            ("SELECT 1; SELECT 2 FRM t x", "syntax error at or near \"t\"", 23),
            ("SELECT 'é', ü ü ü", "syntax error at or near \"ü\"", 19),
            ("SELECT (1", "syntax error at end of input", 9),
            ("SELECT 'a\nb", "unterminated quoted string at or near \"'a b\"", 7),
            ("SELECT 1 /* x", "unterminated /* comment at or near \"/* x\"", 9),
            ("SELECT U&'\\00zz'", "invalid Unicode escape", 10),
        ] {
            let fault = fault(text.as_bytes());
            assert_eq!((&*fault.message, fault.at), (message, Some(at)), "{text}");
        }
    }

    #[test]
    fn what_is_no_utf8_is_counted_as_postgresql_counts() {
        let fault = fault(b"SELECT '\xe9a', x y z");
        assert_eq!(fault.at, Some(17));
        assert!(fault.message.contains("\"z\""), "{}", fault.message);
    }

    #[test]
    fn a_long_message_is_cut() {
        let fault = fault(format!("SELECT '{}", "é".repeat(100_000)).as_bytes());
        assert_eq!(fault.message.chars().count(), MAX_MESSAGE + 2);
        assert!(fault.message.ends_with("é…\""), "{}", fault.message);
        assert_eq!(fault.at, Some(7));
    }

    #[test]
    fn its_kind_quotes_nothing() {
        for (text, kind) in [
            ("SELECT 1 'secret'", "syntax error"),
            ("SELECT 'secret", "unterminated quoted string"),
            ("SELECT (", "syntax error"),
            ("CREATE ROLE x WITH secret", "unrecognized role option"),
            (
                "CREATE TABLE secret.a.b.c (n int)",
                "improper qualified name (too many dotted names)",
            ),
            ("SELECT U&'\\zzzz'", "invalid Unicode escape"),
        ] {
            assert_eq!(fault(text.as_bytes()).kind(), kind, "{text}");
        }
    }
}
