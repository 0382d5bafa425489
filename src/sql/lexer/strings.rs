//! Strings and quoted names: what begins with a quote, a dollar, or a letter before a quote.

use memchr::{memchr, memchr2, memmem};

use super::bytes::{is_ident_cont, is_ident_start};
use super::numbers::{Integer, integer};
use super::{Kind, Lexer, Why, line_end};

impl Lexer<'_> {
    /// A constant or name that a letter announces.
    #[inline(never)]
    pub(super) fn prefixed(&mut self, first: u8) -> Option<Result<Kind, Why>> {
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

    pub(super) fn dollar(&mut self) -> Result<Kind, Why> {
        let start = self.pos;
        self.pos += 1;
        if self.peek(0).is_ascii_digit() {
            let digits = self.pos;
            while self.peek(0).is_ascii_digit() {
                self.pos += 1;
            }
            let number = self.text.get(digits..self.pos).unwrap_or_default();
            if integer(number) != Integer::Int4 {
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

    /// What follows the opening `"`.
    pub(super) fn quoted_name(&mut self, kind: Kind) -> Result<Kind, Why> {
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
    pub(super) fn plain_string(&mut self, kind: Kind) -> Result<Kind, Why> {
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
