//! Texts as SQL has them.

/// A string literal that reads the same whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &[u8]) -> Vec<u8> {
    let mut out = b"E'".to_vec();
    for byte in text {
        if matches!(byte, b'\'' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'\'');
    out
}

/// SET of a parameter, which has a plain name.
pub(crate) fn set(name: &str, value: &[u8]) -> Vec<u8> {
    [b"SET ", name.as_bytes(), b" = ", &literal(value)].concat()
}

/// An identifier as SQL has it, quoted.
pub(crate) fn identifier(name: &[u8]) -> Vec<u8> {
    let mut out = b"\"".to_vec();
    for byte in name {
        if *byte == b'"' {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_whatever_is_in_them() {
        assert_eq!(literal(br"a'b\c"), br"E'a''b\\c'");
        assert_eq!(identifier(br#"a"b"#), br#""a""b""#);
        assert_eq!(set("a.b", b"it's"), b"SET a.b = E'it''s'");
    }
}
