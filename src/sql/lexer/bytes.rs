//! What a byte can be at the start of a token, and inside one.

/// What a byte can start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Class {
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

pub(in crate::sql) static CLASS: [Class; 256] = {
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
pub(super) fn is_op(byte: u8) -> bool {
    CLASS[usize::from(byte)] == Class::Op
}

#[inline]
pub(super) fn is_ident_start(byte: u8) -> bool {
    CLASS[usize::from(byte)] == Class::Ident
}

#[inline]
pub(in crate::sql) fn is_ident_cont(byte: u8) -> bool {
    IDENT_CONT[usize::from(byte)]
}

/// The operator characters that are a token of their own when alone.
pub(super) fn is_self(byte: u8) -> bool {
    matches!(byte, b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'<' | b'>' | b'=')
}

/// An operator with one of these may end in `+` or `-`.
pub(super) fn keeps_sign(byte: u8) -> bool {
    matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')
}
