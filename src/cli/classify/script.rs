//! Cutting an SQL script into what psql would send, command by command.
//!
//! psql's rules: a statement ends at a semicolon outside of parentheses, quotes, comments and the
//! body of an SQL-standard routine; a backslash outside of quotes begins a command of psql's own,
//! to the end of its line; the lines after `COPY … FROM stdin;` are data, up to a line `\.`.

use crate::sql::lexer::{Kind, Lexer, Token};

/// What a part of a script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// One statement, with its semicolon, or what is left where no statement can be made out.
    Sql,
    /// A command of psql's own.
    Meta,
    /// The data of a COPY.
    Data,
}

/// One part of a script: `text[start..end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub kind: Part,
    pub start: usize,
    pub end: usize,
}

/// The pieces of `text` in order. `copies_in` says whether a statement is COPY FROM STDIN.
pub(super) fn pieces(text: &[u8], mut copies_in: impl FnMut(&[u8]) -> bool) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut base = 0;
    'script: while base < text.len() {
        let rest = text.get(base..).unwrap_or_default();
        let mut lexer = Lexer::new(rest);
        let mut statement = Open::default();
        loop {
            match lexer.next_token() {
                Ok(Some(token)) => {
                    let Some(start) = statement.take(rest, token) else { continue };
                    let piece =
                        Piece { kind: Part::Sql, start: base + start, end: base + token.end };
                    found.push(piece);
                    statement = Open::default();
                    if copies_in(text.get(piece.start..piece.end).unwrap_or_default()) {
                        let data = Piece {
                            kind: Part::Data,
                            start: line_end(text, piece.end),
                            end: data_end(text, piece.end),
                        };
                        found.push(data);
                        base = data.end;
                        continue 'script;
                    }
                }
                Ok(None) => {
                    if let Some(start) = statement.start {
                        found.push(Piece { kind: Part::Sql, start: base + start, end: text.len() });
                    }
                    break 'script;
                }
                Err(unsure) if rest.get(unsure.at) == Some(&b'\\') => {
                    let at = base + unsure.at;
                    if let Some(start) = statement.start {
                        found.push(Piece { kind: Part::Sql, start: base + start, end: at });
                    }
                    base = line_end(text, at);
                    found.push(Piece { kind: Part::Meta, start: at, end: base });
                    continue 'script;
                }
                Err(unsure) => {
                    let start = base + statement.start.unwrap_or(unsure.at);
                    found.push(Piece { kind: Part::Sql, start, end: text.len() });
                    break 'script;
                }
            }
        }
    }
    found
}

/// A statement that has begun.
#[derive(Default)]
struct Open {
    /// Where its first token is.
    start: Option<usize>,
    parentheses: usize,
    /// Its first words: CREATE, OR, REPLACE, FUNCTION.
    words: Vec<Vec<u8>>,
    /// BEGIN … END of a routine's body, and CASE … END in it.
    blocks: usize,
}

impl Open {
    /// Takes a token in; gives the start of the statement if the token ends it.
    fn take(&mut self, text: &[u8], token: Token) -> Option<usize> {
        let start = *self.start.get_or_insert(token.start);
        let bytes = text.get(token.start..token.end).unwrap_or_default();
        match (token.kind, bytes) {
            (Kind::Punct, b"(") => self.parentheses += 1,
            (Kind::Punct, b")") => self.parentheses = self.parentheses.saturating_sub(1),
            (Kind::Punct, b";") if self.parentheses == 0 && self.blocks == 0 => {
                // nothing but a semicolon is no statement
                let ended = (start != token.start).then_some(start);
                *self = Open::default();
                return ended;
            }
            (Kind::Word, word) => self.word(&word.to_ascii_lowercase()),
            _ => {}
        }
        None
    }

    fn word(&mut self, word: &[u8]) {
        if self.words.len() < 4 {
            self.words.push(word.to_vec());
        }
        match word {
            b"begin" if self.creates_routine() => self.blocks += 1,
            b"case" if self.blocks > 0 => self.blocks += 1,
            b"end" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }

    fn creates_routine(&self) -> bool {
        let words: Vec<&[u8]> = self.words.iter().map(Vec::as_slice).collect();
        matches!(
            &words[..],
            [b"create", b"function" | b"procedure", ..]
                | [b"create", b"or", b"replace", b"function" | b"procedure"]
        )
    }
}

/// The offset behind the line that `at` is in.
fn line_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(text.len(), |skip| at + skip + 1)
}

/// The offset behind the line `\.` that ends the data after `at`; the end of the text without one.
fn data_end(text: &[u8], at: usize) -> usize {
    let mut line = line_end(text, at);
    while line < text.len() {
        let end = line_end(text, line);
        let content = text.get(line..end).unwrap_or_default();
        line = end;
        if content.trim_ascii_end() == b"\\." {
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(Part, &str)> {
        pieces(text.as_bytes(), |statement| statement.starts_with(b"COPY"))
            .into_iter()
            .map(|piece| (piece.kind, &text[piece.start..piece.end]))
            .collect()
    }

    #[test]
    fn a_script_is_cut_as_psql_cuts_it() {
        use Part::{Data, Meta, Sql};
        assert_eq!(
            cut("-- a; b\n;SELECT ';' ; DROP\n TABLE t;;\n"),
            [(Sql, "SELECT ';' ;"), (Sql, "DROP\n TABLE t;")]
        );
        assert_eq!(
            cut("\\restrict x\nCOPY t FROM stdin;\n1\t;\\N\n'\n\\.\n\nSELECT 1"),
            [
                (Meta, "\\restrict x\n"),
                (Sql, "COPY t FROM stdin;"),
                (Data, "1\t;\\N\n'\n\\.\n"),
                (Sql, "SELECT 1"),
            ]
        );
        assert_eq!(
            cut(
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3;"
            ),
            [
                (
                    Sql,
                    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;"
                ),
                (Sql, "SELECT 3;"),
            ]
        );
        assert_eq!(
            cut("CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); BEGIN; END;"),
            [
                (Sql, "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b);"),
                (Sql, "BEGIN;"),
                (Sql, "END;"),
            ]
        );
        assert_eq!(
            cut("SELECT 1 \\gexec\nSELECT 2;"),
            [(Sql, "SELECT 1 "), (Meta, "\\gexec\n"), (Sql, "SELECT 2;"),]
        );
        assert_eq!(cut("SELECT 'open; DROP TABLE t;"), [(Sql, "SELECT 'open; DROP TABLE t;")]);
        assert_eq!(cut("COPY t FROM stdin;\n1\n2"), [(Sql, "COPY t FROM stdin;"), (Data, "1\n2")]);
        assert_eq!(cut(""), []);
    }
}
