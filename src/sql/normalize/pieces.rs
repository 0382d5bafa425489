//! Tells the tokens that are values from those that are not.

use std::str;

use crate::sql::lexer::{Kind, Lexer, Token};

/// A token, or the place from which on nothing may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Shown as it is.
    Kept(Token),
    /// A value.
    Literal(Token),
    /// From this byte on the text is not to be trusted: always the last piece.
    Doubt(usize),
}

/// Where in a statement the reader is, as far as it tells what a bare word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the first word.
    Start,
    /// In a statement that assigns nothing.
    Elsewhere,
    /// Behind CREATE, at what is made.
    Create,
    /// Behind ALTER, at what is changed.
    Alters,
    /// In ALTER, where SET may come.
    Alter,
    /// In CREATE or ALTER of a role.
    Role,
    /// Behind PASSWORD, where a string comes or NULL.
    Password,
    /// In SET, before what it assigns.
    Set,
    /// In what SET assigns.
    Assigned,
    /// In COPY.
    Copy,
    /// In COPY … FROM STDIN, behind which data may follow in the same text.
    CopyIn,
}

/// The pieces of a text.
#[derive(Debug)]
pub(super) struct Pieces<'t> {
    text: &'t [u8],
    lexer: Lexer<'t>,
    place: Place,
    /// The text cannot be read to its end: some quote is one too many or missing, so the first
    /// one is as doubtful as the last.
    broken: bool,
    /// The text is UTF-8.
    utf8: bool,
    ended: bool,
}

impl<'t> Pieces<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let mut all = Lexer::new(text);
        let broken = loop {
            match all.next_token() {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let utf8 = str::from_utf8(text).is_ok();
        Pieces { text, lexer: Lexer::new(text), place: Place::Start, broken, utf8, ended: false }
    }

    fn bytes(&self, token: Token) -> &'t [u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// Whether the quoting of this token, or of what follows, could be meant otherwise.
    fn doubtful(&self, token: Token) -> bool {
        let quoted = match token.kind {
            Kind::String | Kind::NationalString => {
                // with standard_conforming_strings off it would end elsewhere
                if escapes_a_quote(self.bytes(token)) {
                    return true;
                }
                true
            }
            Kind::EscapeString => {
                // in some encodings the second byte of a character looks like a backslash
                if !self.utf8 && high_byte_before_backslash(self.bytes(token)) {
                    return true;
                }
                true
            }
            Kind::BitString | Kind::UnicodeString | Kind::DollarString => true,
            Kind::QuotedName | Kind::UnicodeName => return self.broken,
            _ => false,
        };
        // `'it's'`: a word right behind a quote was hardly meant as one
        let glued = self.text.get(token.end).is_some_and(|&next| {
            next.is_ascii_alphanumeric() || next == b'_' || next >= 0x80 || next == b'\\'
        });
        quoted && (self.broken || glued)
    }

    /// What PASSWORD may be followed by; a bare word there is a password that somebody forgot to quote.
    fn is_password(&self, token: Token) -> bool {
        let bytes = self.bytes(token);
        match token.kind {
            Kind::Integer | Kind::Number => false,
            Kind::Punct => bytes == b";",
            Kind::Word => bytes.eq_ignore_ascii_case(b"null"),
            kind => kind.is_literal() || kind == Kind::Param,
        }
    }

    /// Follows the statement, and says whether a bare word or name here is a value.
    fn step(&mut self, token: Token) -> bool {
        let bytes = self.bytes(token);
        let word =
            |known: &str| token.kind == Kind::Word && bytes.eq_ignore_ascii_case(known.as_bytes());
        match self.place {
            _ if token.kind == Kind::Punct && bytes == b";" => self.place = Place::Start,
            Place::Start => {
                self.place = match () {
                    () if word("set") => Place::Set,
                    () if word("create") => Place::Create,
                    () if word("alter") => Place::Alters,
                    () if word("copy") => Place::Copy,
                    () => Place::Elsewhere,
                }
            }
            Place::Create | Place::Alters if ["role", "user", "group"].into_iter().any(word) => {
                self.place = Place::Role;
            }
            Place::Create => self.place = Place::Elsewhere,
            Place::Alters => self.place = Place::Alter,
            Place::Alter | Place::Role if word("set") => self.place = Place::Set,
            Place::Role if word("password") => self.place = Place::Password,
            Place::Password => self.place = Place::Role,
            Place::Set if word("to") || bytes == b"=" => self.place = Place::Assigned,
            Place::Copy if word("stdin") => self.place = Place::CopyIn,
            Place::Assigned => {
                const PLAIN: [&str; 6] = ["on", "off", "true", "false", "default", "none"];
                return match token.kind {
                    Kind::Word => !PLAIN.iter().any(|plain| word(plain)),
                    Kind::QuotedName | Kind::UnicodeName => true,
                    _ => false,
                };
            }
            Place::Elsewhere
            | Place::Alter
            | Place::Role
            | Place::Set
            | Place::Copy
            | Place::CopyIn => {}
        }
        false
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.ended {
            return None;
        }
        let token = match self.lexer.next_token() {
            Ok(Some(token)) => token,
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(unsure) => {
                self.ended = true;
                return Some(Piece::Doubt(unsure.at));
            }
        };
        let behind_copy_in = self.place == Place::CopyIn && self.bytes(token) == b";";
        if self.doubtful(token) || self.place == Place::Password && !self.is_password(token) {
            self.ended = true;
            return Some(Piece::Doubt(token.start));
        }
        let value = self.step(token);
        if behind_copy_in && !self.text.get(token.end..).unwrap_or_default().trim_ascii().is_empty()
        {
            self.ended = true;
            return Some(Piece::Doubt(token.end));
        }
        Some(if value || token.kind.is_literal() {
            Piece::Literal(token)
        } else {
            Piece::Kept(token)
        })
    }
}

/// A backslash that would take a quote with it, read as in an escape string.
fn escapes_a_quote(literal: &[u8]) -> bool {
    let mut bytes = literal.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' && bytes.next() == Some(&b'\'') {
            return true;
        }
    }
    false
}

fn high_byte_before_backslash(literal: &[u8]) -> bool {
    literal.windows(2).any(|pair| matches!(pair, [0x80..=0xff, b'\\']))
}
