//! The one thing a server connection accepts from a client: bytes that were judged.
//!
//! A [`Permit`] borrows the very bytes of the client's message; its field is private, and only an
//! [`Admission`] makes one. An `Admission` is obtained in one place, at the end of the gate's
//! judgement of a run of messages, and covers exactly the prefix that was judged.

/// The right to send bytes upstream, made by the gate after judging them.
#[derive(Debug)]
pub struct Permit<'a> {
    bytes: &'a [u8],
}

impl<'a> Permit<'a> {
    /// The judged bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Counts the bytes of a buffer that have been judged and may go.
#[derive(Debug)]
pub struct Admission<'a> {
    buffer: &'a [u8],
    judged: usize,
}

impl<'a> Admission<'a> {
    /// Nothing of `buffer` is judged yet.
    pub fn new(buffer: &'a [u8]) -> Self {
        Admission { buffer, judged: 0 }
    }

    /// What has not been judged yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.buffer[self.judged..]
    }

    /// The next `length` bytes (at most what is there) may go.
    pub fn admit(&mut self, length: usize) {
        self.judged = (self.judged + length).min(self.buffer.len());
    }

    /// Everything admitted so far.
    pub fn permit(self) -> Permit<'a> {
        Permit { bytes: &self.buffer[..self.judged] }
    }
}
