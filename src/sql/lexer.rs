//! PostgreSQL's surface syntax, token by token, without allocation.
//!
//! The rules are those of PostgreSQL 18's `src/backend/parser/scan.l` with
//! `standard_conforming_strings` on; where an older major differs, it is by refusing what 18
//! accepts. The lexer never guesses: what the real scanner would refuse, or what costs it more
//! than linear time, is an [`Unsure`], after which nothing is known of the text.

use memchr::{memchr, memchr2, memmem};

use super::Lexing;

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

    /// A constant or name that a letter announces.
    #[inline(never)]
    fn prefixed(&mut self, first: u8) -> Option<Result<Kind, Why>> {
        Some(match (first | 0x20, self.peek(1)) {
            (b'e', b'\'') => {
                self.pos += 2;
                self.escape_string()
            }
            (b'n', b'\'') => {
                self.pos += 2;
                self.plain_string(Kind::NationalString)
            }
            (b'b' | b'x', b'\'') => {
                self.pos += 2;
                self.bit_string()
            }
            (b'u', b'&') if self.peek(2) == b'\'' => {
                self.pos += 3;
                self.unicode_string()
            }
            (b'u', b'&') if self.peek(2) == b'"' => {
                self.pos += 3;
                self.quoted_name(Kind::UnicodeName)
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Result<Kind, Why> {
        let start = self.pos;
        let digits: Option<fn(u8) -> bool> = match (self.peek(0), self.peek(1) | 0x20) {
            (b'0', b'x') => Some(|byte| byte.is_ascii_hexdigit()),
            (b'0', b'o') => Some(|byte| matches!(byte, b'0'..=b'7')),
            (b'0', b'b') => Some(|byte| matches!(byte, b'0' | b'1')),
            _ => None,
        };
        if let Some(digits) = digits {
            self.pos += 2;
            // (_?{digit})+
            if !self.digit_groups(digits) {
                return Err(Why::Malformed);
            }
            return self.no_junk(start, Kind::Number);
        }
        self.decimal_digits();
        if self.peek(0) == b'.' && self.peek(1) == b'.' {
            return Ok(self.integer_kind(start)); // 1..10 is three tokens
        }
        let mut kind = self.integer_kind(start);
        if self.peek(0) == b'.' {
            self.pos += 1;
            self.decimal_digits();
            kind = Kind::Number;
        }
        self.exponent(start, kind)
    }

    fn integer_kind(&self, start: usize) -> Kind {
        let digits = self.text.get(start..self.pos).unwrap_or_default();
        if memchr(b'_', digits).is_some() { Kind::Number } else { Kind::Integer }
    }

    /// `{decdigit}(_?{decdigit})*`, or nothing.
    fn decimal_digits(&mut self) {
        if self.peek(0).is_ascii_digit() {
            self.pos += 1;
            self.digit_groups(|byte| byte.is_ascii_digit());
        }
    }

    /// `(_?{digit})*`; whether there was any.
    fn digit_groups(&mut self, digit: impl Fn(u8) -> bool) -> bool {
        let start = self.pos;
        loop {
            if digit(self.peek(0)) {
                self.pos += 1;
            } else if self.peek(0) == b'_' && digit(self.peek(1)) {
                self.pos += 2;
            } else {
                return self.pos > start;
            }
        }
    }

    fn exponent(&mut self, start: usize, kind: Kind) -> Result<Kind, Why> {
        if self.peek(0) | 0x20 != b'e' {
            return self.no_junk(start, kind);
        }
        self.pos += 1;
        if matches!(self.peek(0), b'+' | b'-') {
            self.pos += 1;
        }
        if !self.peek(0).is_ascii_digit() {
            return Err(Why::Malformed);
        }
        self.decimal_digits();
        self.no_junk(start, Kind::Number)
    }

    /// A number that is also the beginning of a shorter number with a name right behind it is
    /// refused (since PostgreSQL 15): `1a`, but `1_0$1` and `0b12` too, where the scanner takes
    /// `_0$1` and `b12` for names.
    fn no_junk(&self, start: usize, kind: Kind) -> Result<Kind, Why> {
        let next = self.peek(0);
        let junk = is_ident_start(next)
            || is_ident_cont(next) && {
                let number = self.text.get(start..self.pos).unwrap_or_default();
                let mut tail = number.iter().rev().take_while(|&&byte| is_ident_cont(byte));
                tail.any(|&byte| is_ident_start(byte))
            };
        if junk { Err(Why::Malformed) } else { Ok(kind) }
    }

    fn dot(&mut self) -> Result<Kind, Why> {
        if self.peek(1).is_ascii_digit() {
            let start = self.pos;
            self.pos += 1;
            self.decimal_digits();
            return self.exponent(start, Kind::Number);
        }
        if self.peek(1) == b'.' {
            self.pos += 2;
            return Ok(Kind::DotDot);
        }
        self.pos += 1;
        Ok(Kind::Punct)
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

    fn dollar(&mut self) -> Result<Kind, Why> {
        let start = self.pos;
        self.pos += 1;
        if self.peek(0).is_ascii_digit() {
            let digits = self.pos;
            while self.peek(0).is_ascii_digit() {
                self.pos += 1;
            }
            let number = self.text.get(digits..self.pos).unwrap_or_default();
            if !fits_int4(number) {
                return Err(Why::Malformed);
            }
            // PostgreSQL refuses `$1a` since 15; the grammar linked in here reads `$1 a`
            return Ok(Kind::Param);
        }
        if is_ident_start(self.peek(0)) {
            while is_ident_cont(self.peek(0)) && self.peek(0) != b'$' {
                self.pos += 1;
            }
        }
        if self.peek(0) != b'$' {
            return Err(Why::Malformed);
        }
        self.pos += 1;
        let tag = self.text.get(start..self.pos).unwrap_or_default();
        let rest = self.text.get(self.pos..).unwrap_or_default();
        match memmem::find(rest, tag) {
            Some(found) => {
                self.pos += found + tag.len();
                Ok(Kind::DollarString)
            }
            None => Err(Why::Unterminated),
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

    /// What follows the opening `"`.
    fn quoted_name(&mut self, kind: Kind) -> Result<Kind, Why> {
        let start = self.pos;
        loop {
            // names are short: a call of memchr costs more than it saves
            self.skip_while(|byte| byte != b'"');
            if self.pos >= self.text.len() {
                return Err(Why::Unterminated);
            }
            self.pos += 1;
            if self.peek(0) != b'"' {
                break;
            }
            self.pos += 1;
        }
        if self.pos == start + 1 { Err(Why::Malformed) } else { Ok(kind) }
    }

    /// What follows the opening quote of `'…'` or `N'…'`.
    fn plain_string(&mut self, kind: Kind) -> Result<Kind, Why> {
        loop {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let Some(skip) = memchr2(b'\'', b'\\', rest) else { return Err(Why::Unterminated) };
            self.pos += skip + 1;
            if rest.get(skip) == Some(&b'\\') {
                self.backslash = true;
            } else if self.peek(0) == b'\'' {
                self.pos += 1;
            } else if !self.continued() {
                return Ok(kind);
            }
        }
    }

    fn escape_string(&mut self) -> Result<Kind, Why> {
        loop {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let Some(skip) = memchr2(b'\'', b'\\', rest) else { return Err(Why::Unterminated) };
            self.pos += skip + 1;
            if rest.get(skip) == Some(&b'\\') || self.peek(0) == b'\'' {
                self.pos += 1;
            } else if !self.continued() {
                return Ok(Kind::EscapeString);
            }
        }
    }

    /// A doubled quote ends a bit string: it stands for nothing there.
    fn bit_string(&mut self) -> Result<Kind, Why> {
        loop {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let Some(skip) = memchr(b'\'', rest) else { return Err(Why::Unterminated) };
            self.pos += skip + 1;
            if !self.continued() {
                return Ok(Kind::BitString);
            }
        }
    }

    fn unicode_string(&mut self) -> Result<Kind, Why> {
        loop {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let Some(skip) = memchr(b'\'', rest) else { return Err(Why::Unterminated) };
            self.pos += skip + 1;
            if self.peek(0) == b'\'' {
                self.pos += 1;
            } else if !self.continued() {
                return Ok(Kind::UnicodeString);
            }
        }
    }

    /// Behind a closing quote: whether the string goes on behind whitespace with a newline in it
    /// (`--` comments count as whitespace, block comments do not). Steps into it if so.
    fn continued(&mut self) -> bool {
        let mut pos = self.pos;
        let mut newline = false;
        loop {
            match self.text.get(pos) {
                Some(b' ' | b'\t' | b'\x0b' | b'\x0c') => pos += 1,
                Some(b'\n' | b'\r') => {
                    newline = true;
                    pos += 1;
                }
                Some(b'-') if self.text.get(pos + 1) == Some(&b'-') => {
                    pos = line_end(self.text, pos);
                }
                Some(b'\'') if newline => {
                    self.pos = pos + 1;
                    return true;
                }
                _ => return false,
            }
        }
    }
}

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
    Survey { lexing: Lexing { backslash, high_bytes: !text.is_ascii() }, bounded }
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

/// Whether decimal digits are a number that PostgreSQL's grammar takes for an `integer`.
pub(super) fn fits_int4(digits: &[u8]) -> bool {
    digits
        .iter()
        .try_fold(0u32, |sum, digit| {
            let sum = sum.checked_mul(10)?.checked_add(u32::from(digit.wrapping_sub(b'0')))?;
            (sum <= i32::MAX.unsigned_abs()).then_some(sum)
        })
        .is_some()
}

/// Where the line that `from` is in ends: at `\n`, `\r` or the end of the text.
fn line_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    memchr2(b'\n', b'\r', rest).map_or(text.len(), |skip| from + skip)
}

/// What a byte can start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Space,
    Ident,
    Digit,
    Quote,
    DoubleQuote,
    Dollar,
    Dot,
    Colon,
    /// `, ( ) [ ] ;`: of {self}, and not of {op_chars}.
    Single,
    Op,
    Other,
}

pub(super) static CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut index = 0;
    while index < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "index is below 256")]
        let byte = index as u8;
        table[index] = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c' => Class::Space,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..=0xff => Class::Ident,
            b'0'..=b'9' => Class::Digit,
            b'\'' => Class::Quote,
            b'"' => Class::DoubleQuote,
            b'$' => Class::Dollar,
            b'.' => Class::Dot,
            b':' => Class::Colon,
            b',' | b'(' | b')' | b'[' | b']' | b';' => Class::Single,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*'
            | b'/' | b'%' | b'<' | b'>' | b'=' => Class::Op,
            _ => Class::Other,
        };
        index += 1;
    }
    table
};

/// What a name goes on with.
static IDENT_CONT: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = matches!(CLASS[index], Class::Ident | Class::Digit | Class::Dollar);
        index += 1;
    }
    table
};

#[inline]
fn is_op(byte: u8) -> bool {
    CLASS[usize::from(byte)] == Class::Op
}

#[inline]
fn is_ident_start(byte: u8) -> bool {
    CLASS[usize::from(byte)] == Class::Ident
}

#[inline]
pub(super) fn is_ident_cont(byte: u8) -> bool {
    IDENT_CONT[usize::from(byte)]
}

/// The operator characters that are a token of their own when alone.
fn is_self(byte: u8) -> bool {
    matches!(byte, b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'<' | b'>' | b'=')
}

/// An operator with one of these may end in `+` or `-`.
fn keeps_sign(byte: u8) -> bool {
    matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
