//! Frame headers of both directions, and what an error response says.

use bytes::BytesMut;
use pgauthority::protocol::error_response::field;
use pgauthority::protocol::frame::{HEADER_LENGTH, Header, backend, backend_limit, frontend_limit};
use pgauthority::protocol::{ErrorResponse, Fields, FrameError};

type Read = fn(&[u8]) -> Result<Option<Header>, FrameError>;

/// Reads `data` as both sides' messages, and as the texts of an error.
pub fn run(data: &[u8]) {
    walk(data, Header::from_frontend, frontend_limit);
    walk(data, Header::from_backend, backend_limit);
    as_others_read(data);
    error(data);
}

/// Steps from header to header: each is in its type's limits, and says the same whatever follows.
fn walk(data: &[u8], read: Read, limit: fn(u8) -> Option<u32>) {
    let mut rest = data;
    loop {
        let header = match read(rest) {
            Ok(Some(header)) => header,
            Ok(None) => return assert!(rest.len() < HEADER_LENGTH),
            Err(_) => return,
        };
        assert!(header.length >= 4 && Some(header.length) <= limit(header.kind));
        assert_eq!(header.message_length(), header.body_length() + HEADER_LENGTH);
        assert_eq!(read(&rest[..HEADER_LENGTH]), Ok(Some(header)));
        assert_eq!(read(&rest[..HEADER_LENGTH - 1]), Ok(None));
        let Some(next) = rest.get(header.message_length()..) else { return };
        fields(&rest[HEADER_LENGTH..header.message_length()]);
        rest = next;
    }
}

/// A client's own reader finds the same message.
fn as_others_read(data: &[u8]) {
    let Ok(Some(ours)) = Header::from_backend(data) else { return };
    let theirs = postgres_protocol::message::backend::Header::parse(data);
    let theirs = theirs.expect("a header that we accept").expect("a whole header");
    assert_eq!((theirs.tag(), theirs.len()), (ours.kind, ours.length.cast_signed()));
}

/// Fields of any body: each is a piece of it, and the first of a letter is the one that counts.
fn fields(body: &[u8]) {
    let all: Vec<_> = Fields::new(body).collect();
    assert!(all.iter().map(|(_, text)| text.len() + 2).sum::<usize>() <= body.len());
    for (letter, _) in &all {
        let first = all.iter().find(|(other, _)| other == letter).map(|(_, text)| *text);
        assert_eq!(Fields::new(body).get(*letter), first);
    }
}

/// What is written of an error is read back.
fn error(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let (message, detail, hint) = (part(), part(), part());
    let mut bytes = BytesMut::new();
    ErrorResponse::error("42501", message.clone())
        .with_detail(detail.clone())
        .with_hint(hint.clone())
        .encode(&mut bytes);
    let header = Header::from_backend(&bytes).expect("a header").expect("a whole header");
    assert_eq!((header.kind, header.message_length()), (backend::ERROR_RESPONSE, bytes.len()));
    let fields = Fields::new(&bytes[HEADER_LENGTH..]);
    assert_eq!(fields.code(), Some(&b"42501"[..]));
    for (letter, text) in [(field::MESSAGE, message), (field::DETAIL, detail), (field::HINT, hint)]
    {
        assert_eq!(fields.get(letter), Some(text.replace('\0', "").as_bytes()));
    }
}
