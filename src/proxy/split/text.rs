//! The parts of the client's messages that decide where they go, and own messages.

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::{HEADER_LENGTH, body, frontend, message};
use crate::proxy::moving::unique;
use crate::split::{self, Values};
use crate::sql::Effect;

/// The name of the splitter's own prepared statement, and of its portal, on each leg.
pub(in crate::proxy) static OWN: LazyLock<Vec<u8>> = LazyLock::new(|| unique("split"));

/// The text of a Query.
pub(super) fn query(frame: &Bytes) -> Option<Bytes> {
    body::query(&frame[HEADER_LENGTH..]).map(|text| frame.slice_ref(text))
}

/// Name and text of a Parse, and what follows them: the types of parameters.
pub(super) fn parse(frame: &Bytes) -> Option<(Bytes, Bytes, Bytes)> {
    let (name, text) = body::parse(&frame[HEADER_LENGTH..])?;
    let types = frame.slice(HEADER_LENGTH + name.len() + 1 + text.len() + 1..);
    Some((frame.slice_ref(name), frame.slice_ref(text), types))
}

/// What follows the names in a Bind, where it has parameters.
pub(super) fn bound(frame: &Bytes) -> Option<Bytes> {
    let bound = behind_names(frame)?;
    let formats = usize::from(u16::from_be_bytes(*bound.first_chunk()?));
    let count = bound.get(2 + 2 * formats..4 + 2 * formats)?;
    (count != [0; 2]).then_some(bound)
}

/// What follows the names in a Bind: formats and parameters.
pub(super) fn behind_names(frame: &Bytes) -> Option<Bytes> {
    let (portal, statement) = body::bind(&frame[HEADER_LENGTH..])?;
    Some(frame.slice(HEADER_LENGTH + portal.len() + 1 + statement.len() + 1..))
}

/// Transaction control as a leg gets it to prepare; the session runs it itself. The read leg would
/// refuse what lets a transaction write.
pub(super) fn control<'a>(effect: &Effect, text: &'a [u8]) -> &'a [u8] {
    if split::lets_write(effect) { b"BEGIN" } else { text }
}

/// A Parse of a client's statement with another text.
pub(super) fn parse_of(name: &[u8], text: &[u8], types: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::PARSE, |out| {
        message::put_cstring(out, name);
        message::put_cstring(out, text);
        out.put_slice(types);
    });
    out
}

/// A Parse of the splitter's own statement.
pub(super) fn own_parse(text: &[u8], values: Option<&Values>) -> BytesMut {
    parse_of(&OWN, text, values.map_or(&[0; 2], |values| &values.types))
}

/// Whether a Parse is one of it.
pub(super) fn is_own(frame: &[u8]) -> bool {
    body::parse(frame.get(HEADER_LENGTH..).unwrap_or_default())
        .is_some_and(|(name, _)| name == &OWN[..])
}

/// A Bind of it to a portal.
pub(super) fn own_bind(portal: &[u8], values: Option<&Values>) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::BIND, |out| {
        message::put_cstring(out, portal);
        message::put_cstring(out, &OWN);
        out.put_slice(values.map_or(&[0; 6], |values| &values.bound));
    });
    out
}

/// An Execute of its portal.
pub(super) fn own_execute() -> BytesMut {
    execute(&OWN, 0)
}

/// An Execute of a portal, for so many rows; 0: to its end.
pub(super) fn execute(portal: &[u8], rows: u32) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::EXECUTE, |out| {
        message::put_cstring(out, portal);
        out.put_u32(rows);
    });
    out
}

/// A Close of it: `S` the statement, `P` its portal.
pub(super) fn own_close(kind: u8) -> BytesMut {
    close(kind, &OWN)
}

/// A Close of one of the client's own: `S` a statement, `P` a portal.
pub(super) fn close(kind: u8, name: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::CLOSE, |out| {
        out.put_u8(kind);
        message::put_cstring(out, name);
    });
    out
}

/// The characters of a text, for positions: bytes that begin one in UTF-8.
pub(in crate::proxy) fn characters(text: &[u8]) -> u32 {
    let begin = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    u32::try_from(begin).unwrap_or(u32::MAX)
}
