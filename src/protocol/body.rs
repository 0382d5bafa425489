//! The few bodies that are looked into (manual, "Message Formats").

/// Text and names end with a NUL.
pub(crate) fn cstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Query: the text, and nothing behind it.
pub(crate) fn query(body: &[u8]) -> Option<&[u8]> {
    cstring(body).filter(|(_, rest)| rest.is_empty()).map(|(text, _)| text)
}

/// Parse: name and text; the parameter types must fit exactly.
pub(crate) fn parse(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = cstring(body)?;
    let (text, rest) = cstring(rest)?;
    let (count, types) = rest.split_first_chunk::<2>()?;
    (types.len() == 4 * usize::from(u16::from_be_bytes(*count))).then_some((name, text))
}

/// The beginning of a Bind: portal and statement names.
pub(crate) fn bind(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (portal, rest) = cstring(body)?;
    let (statement, _) = cstring(rest)?;
    Some((portal, statement))
}

/// Execute: the portal's name.
pub(crate) fn execute(body: &[u8]) -> Option<&[u8]> {
    let (portal, rest) = cstring(body)?;
    (rest.len() == 4).then_some(portal)
}

/// Close and Describe: `S` or `P`, and the name.
pub(crate) fn kind_and_name(body: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = body.split_first()?;
    let (name, rest) = cstring(rest)?;
    (matches!(kind, b'S' | b'P') && rest.is_empty()).then_some((*kind, name))
}

/// DataRow: the columns, NULL as `None`.
pub(crate) fn row(mut body: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let count = u16::from_be_bytes(*body.split_off(..2)?.first_chunk()?);
    let columns: Option<Vec<_>> = (0..count)
        .map(|_| {
            let length = i32::from_be_bytes(*body.split_off(..4)?.first_chunk()?);
            match usize::try_from(length) {
                Ok(length) => body.split_off(..length).map(Some),
                Err(_) => Some(None),
            }
        })
        .collect();
    columns.filter(|_| body.is_empty())
}

/// The parameter types of a Parse, from what follows its text: as many as are there.
pub(crate) fn parameter_types(bytes: &[u8]) -> impl Iterator<Item = u32> + Clone + '_ {
    let types = bytes.get(2..).unwrap_or_default();
    types.chunks_exact(4).map(|oid| oid.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_must_fit_exactly() {
        assert_eq!(query(b"SELECT 1\0"), Some(&b"SELECT 1"[..]));
        assert_eq!(query(b"SELECT 1\0DROP\0"), None);
        assert_eq!(query(b"SELECT 1"), None);
        assert_eq!(parse(b"s\0SELECT 1\0\0\0"), Some((&b"s"[..], &b"SELECT 1"[..])));
        assert_eq!(parse(b"s\0SELECT 1\0\0\x01"), None);
        assert_eq!(execute(b"\0\0\0\0\0"), Some(&b""[..]));
        assert_eq!(execute(b"p\0"), None);
        assert_eq!(kind_and_name(b"Ss\0"), Some((b'S', &b"s"[..])));
        assert_eq!(kind_and_name(b"Xs\0"), None);
    }
}
