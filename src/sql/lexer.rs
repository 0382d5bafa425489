//! PostgreSQL's surface syntax, token by token, without allocation.
//!
//! The rules are those of PostgreSQL 18's `src/backend/parser/scan.l` with
//! `standard_conforming_strings` on; where an older major differs, it is by refusing what 18
//! accepts. The lexer never guesses: what the real scanner would refuse, or what costs it more
//! than linear time, is an [`Unsure`], after which nothing is known of the text.

mod body;
mod bytes;
mod numbers;
mod strings;
mod survey;

use memchr::{memchr, memchr2};

pub use body::is_body_bounded;
pub(super) use bytes::{CLASS, Class, is_ident_cont};
use bytes::{is_op, is_self, keeps_sign};
pub(super) use numbers::{Integer, integer};
pub(super) use survey::has_half;
pub use survey::{Survey, survey};

/// Comments may nest this deep: PostgreSQL sets no limit, people never pass three.
pub const MAX_COMMENT_DEPTH: usize = 64;

/// Brackets and parentheses may nest this deep: machines that build nested conditions stay below,
/// and so do the stacks of those who walk the tree.
pub const MAX_BRACKET_DEPTH: usize = 2048;

/// Tokens that a text may have: the parse tree takes some hundred bytes for each.
pub const MAX_TOKENS: usize = 2_000_000;

/// Work of the real scanner on runs of operator characters that is never worth a refusal.
const FREE_WORK: usize = 65_536;

/// What PostgreSQL's identifiers and operators are cut or refused at (`NAMEDATALEN`).
const NAMEDATALEN: usize = 64;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A keyword or an unquoted name.
    Word,
    /// `"name"`.
    QuotedName,
    /// `U&"name"`.
    UnicodeName,
    /// Decimal digits only.
    Integer,
    /// Any other number: `1.5`, `1e9`, `0x1f`, `1_000`.
    Number,
    /// `$1`.
    Param,
    /// `'…'`, with all its continuations, as is every string.
    String,
    /// `E'…'`.
    EscapeString,
    /// `N'…'`.
    NationalString,
    /// `B'…'` and `X'…'`.
    BitString,
    /// `U&'…'`.
    UnicodeString,
    /// `$tag$…$tag$`.
    DollarString,
    /// An operator that is no single character of [`Kind::Punct`].
    Operator,
    /// One of `, ( ) [ ] . ; : + - * / % ^ < > =`.
    Punct,
    /// `::`.
    Typecast,
    /// `:=`.
    ColonEquals,
    /// `..`.
    DotDot,
}

impl Kind {
    /// A constant: what a value is written as.
    pub const fn is_literal(self) -> bool {
        matches!(
            self,
            Kind::Integer
                | Kind::Number
                | Kind::String
                | Kind::EscapeString
                | Kind::NationalString
                | Kind::BitString
                | Kind::UnicodeString
                | Kind::DollarString
        )
    }
}

/// One token: `text[start..end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Byte offset of its first byte.
    pub start: usize,
    /// Byte offset behind its last byte.
    pub end: usize,
}

/// Why a text cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A NUL byte anywhere: the server sees the text end there.
    Nul,
    /// A string, name or comment does not end.
    Unterminated,
    /// A byte or sequence that starts no token, or a token that PostgreSQL refuses.
    Malformed,
    /// Comments nest deeper than [`MAX_COMMENT_DEPTH`].
    CommentDepth,
    /// Runs of operator characters that make PostgreSQL's scanner take quadratic time.
    Costly,
}

/// From here on nothing is known of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsure {
    /// Byte offset of the token that could not be read.
    pub at: usize,
    /// Why not.
    pub why: Why,
}

/// Reads the tokens of a text, one after the other; comments and whitespace are stepped over.
#[derive(Clone, Debug)]
pub struct Lexer<'t> {
    text: &'t [u8],
    pos: usize,
    nul: bool,
    backslash: bool,
    /// End of the run of operator characters last looked at.
    run_end: usize,
    /// How many bytes PostgreSQL's scanner looks at again and again because of such runs.
    work: usize,
}

impl<'t> Lexer<'t> {
    /// A lexer at the start of `text`.
    pub fn new(text: &'t [u8]) -> Self {
        let nul = memchr(0, text).is_some();
        Lexer { text, pos: 0, nul, backslash: false, run_end: 0, work: 0 }
    }

    /// Whether a plain literal (`'…'`, `N'…'`) read so far holds a backslash.
    pub fn backslash(&self) -> bool {
        self.backslash
    }

    /// The next token, or `None` at the end of the text. After an error only errors come.
    #[inline]
    pub fn next_token(&mut self) -> Result<Option<Token>, Unsure> {
        if self.nul {
            return Err(Unsure { at: 0, why: Why::Nul });
        }
        self.skip_blank()?;
        let start = self.pos;
        let Some(&first) = self.text.get(start) else { return Ok(None) };
        let kind = match CLASS[usize::from(first)] {
            Class::Ident => self.word(first),
            Class::Digit => self.number(),
            Class::Quote => {
                self.pos += 1;
                self.plain_string(Kind::String)
            }
            Class::DoubleQuote => {
                self.pos += 1;
                self.quoted_name(Kind::QuotedName)
            }
            Class::Dollar => self.dollar(),
            Class::Dot => self.dot(),
            Class::Colon => Ok(self.colon()),
            Class::Single => {
                self.pos += 1;
                Ok(Kind::Punct)
            }
            Class::Op => self.operator(),
            Class::Space | Class::Other => Err(Why::Malformed),
        };
        match kind {
            Ok(kind) => Ok(Some(Token { kind, start, end: self.pos })),
            Err(why) => Err(self.fail(start, why)),
        }
    }

    #[cold]
    fn fail(&mut self, at: usize, why: Why) -> Unsure {
        self.pos = at;
        Unsure { at, why }
    }

    #[inline]
    fn peek(&self, ahead: usize) -> u8 {
        // 0 stands for the end: a text with a NUL in it is never read
        self.text.get(self.pos + ahead).copied().unwrap_or(0)
    }

    /// Steps over whitespace and comments.
    #[inline]
    fn skip_blank(&mut self) -> Result<(), Unsure> {
        loop {
            match self.peek(0) {
                b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c' => self.pos += 1,
                b'-' if self.peek(1) == b'-' => {
                    self.pos = line_end(self.text, self.pos);
                }
                b'/' if self.peek(1) == b'*' => {
                    let start = self.pos;
                    if let Err(why) = self.block_comment() {
                        return Err(self.fail(start, why));
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    #[inline(never)]
    /// Steps over a block comment with those nested in it.
    fn block_comment(&mut self) -> Result<(), Why> {
        let mut depth = 0;
        loop {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let Some(skip) = memchr2(b'*', b'/', rest) else { return Err(Why::Unterminated) };
            self.pos += skip;
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    if depth > MAX_COMMENT_DEPTH {
                        return Err(Why::CommentDepth);
                    }
                    // {xcstart} takes in the whole run of operator characters and puts it back
                    self.spend(self.pos)?;
                    self.pos += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.pos += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.pos += 1,
            }
        }
    }

    /// Finds the end of the run of operator characters at `from`, and counts its length as work
    /// of PostgreSQL's scanner.
    fn spend(&mut self, from: usize) -> Result<(), Why> {
        if self.run_end <= from {
            let rest = self.text.get(from..).unwrap_or_default();
            self.run_end = from + rest.iter().take_while(|&&byte| is_op(byte)).count();
        }
        self.work += self.run_end - from;
        if self.work > 4 * self.text.len() + FREE_WORK { Err(Why::Costly) } else { Ok(()) }
    }

    #[inline]
    fn word(&mut self, first: u8) -> Result<Kind, Why> {
        if matches!(self.peek(1), b'\'' | b'&')
            && let Some(kind) = self.prefixed(first)
        {
            return kind;
        }
        self.skip_while(is_ident_cont);
        Ok(Kind::Word)
    }

    #[inline]
    fn skip_while(&mut self, holds: impl Fn(u8) -> bool) {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        self.pos += rest.iter().position(|&byte| !holds(byte)).unwrap_or(rest.len());
    }

    fn colon(&mut self) -> Kind {
        match self.peek(1) {
            b':' => {
                self.pos += 2;
                Kind::Typecast
            }
            b'=' => {
                self.pos += 2;
                Kind::ColonEquals
            }
            _ => {
                self.pos += 1;
                Kind::Punct
            }
        }
    }

    fn operator(&mut self) -> Result<Kind, Why> {
        let start = self.pos;
        self.spend(start)?;
        let run = self.text.get(start..self.run_end).unwrap_or_default();
        // a comment inside the run ends the operator
        let cut = run.windows(2).skip(1).position(|pair| pair == b"/*" || pair == b"--");
        let mut length = cut.map_or(run.len(), |at| at + 1);
        let sign = |length: usize| matches!(run.get(length - 1), Some(b'+' | b'-'));
        if length > 1 && sign(length) && !run.iter().take(length - 1).any(|&b| keeps_sign(b)) {
            while length > 1 && sign(length) {
                length -= 1;
            }
        }
        self.pos = start + length;
        match run {
            [first, ..] if length == 1 && is_self(*first) => Ok(Kind::Punct),
            _ if length >= NAMEDATALEN => Err(Why::Malformed),
            _ => Ok(Kind::Operator),
        }
    }
}

/// The token that begins at `at`, and whether a plain literal in it holds a backslash. `at` is the
/// start of a token; NUL bytes are not looked for.
pub(super) fn token_at(text: &[u8], at: usize) -> Option<(Token, bool)> {
    let mut lexer = Lexer { text, pos: at, nul: false, backslash: false, run_end: 0, work: 0 };
    let token = lexer.next_token().ok()??;
    Some((token, lexer.backslash))
}

/// Where the whitespace and comments at `at` end; NUL bytes are not looked for.
pub(super) fn blank_end(text: &[u8], at: usize) -> Option<usize> {
    let mut lexer = Lexer { text, pos: at, nul: false, backslash: false, run_end: 0, work: 0 };
    lexer.skip_blank().ok()?;
    Some(lexer.pos)
}

/// Where the line that `from` is in ends: at `\n`, `\r` or the end of the text.
fn line_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    memchr2(b'\n', b'\r', rest).map_or(text.len(), |skip| from + skip)
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
