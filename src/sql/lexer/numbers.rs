//! Numbers, and what else may begin with a digit or a point.

use memchr::memchr;

use super::bytes::{is_ident_cont, is_ident_start};
use super::{Kind, Lexer, Why};

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Result<Kind, Why> {
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

    pub(super) fn dot(&mut self) -> Result<Kind, Why> {
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
}

/// The type that PostgreSQL gives an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Integer {
    Int4,
    Int8,
    Numeric,
    /// A minus before it, if that is its sign, makes it fit into a smaller type.
    BySign,
}

/// The type of decimal digits (`make_const`).
pub(in crate::sql) fn integer(digits: &[u8]) -> Integer {
    /// One beyond the greatest `integer`, and `bigint`.
    const LIMITS: [u64; 2] = [1 << 31, 1 << 63];
    let value = digits.iter().try_fold(0u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    });
    match value {
        Some(value) if LIMITS.contains(&value) => Integer::BySign,
        Some(value) if value < LIMITS[0] => Integer::Int4,
        Some(value) if value < LIMITS[1] => Integer::Int8,
        _ => Integer::Numeric,
    }
}
