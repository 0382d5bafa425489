//! A conversation of the proxy's own: with a server that nobody else talks to at the moment, or, as
//! a client, with a session of this process.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::coop::unconstrained;

use super::question::NAME;
use crate::protocol::error_response::field;
use crate::protocol::{Fields, HEADER_LENGTH, Header, backend, body, message};
use crate::proxy::port::Port;

/// How often what was cancelled is tried again.
pub(super) const PATIENCE: usize = 20;

/// Where what is said goes.
pub(in crate::proxy) trait Line {
    /// Sends all of it.
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Appends what comes next; an error at the end.
    async fn hear(&mut self, into: &mut BytesMut) -> io::Result<()>;
    /// Appends what can be had without waiting; false: nothing. Only where what is left over would
    /// be lost.
    async fn at_hand(&mut self, _into: &mut BytesMut) -> io::Result<bool> {
        Ok(false)
    }
}

/// What came of one request.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Reply {
    /// The rows' columns, NULL as `None`.
    pub(in crate::proxy) rows: Vec<Vec<Option<Bytes>>>,
    /// The body of the ErrorResponse.
    pub(in crate::proxy) error: Option<Bytes>,
    /// A transaction block is open.
    pub(in crate::proxy) in_block: bool,
}

impl Reply {
    /// A timeout or a cancel request has ended it.
    fn is_cancelled(&self) -> bool {
        let code = |body| Fields::new(body).get(field::CODE);
        self.error.as_deref().and_then(code).is_some_and(|code| code == b"57014")
    }
}

/// Sends what one ReadyForQuery answers, and waits for that. What was said besides
/// (ParameterStatus, NotificationResponse) is appended to `aside`: a client has to know it.
///
/// Not cancel safe: answers would be left over.
///
/// # Errors
/// The line broke, the server has ended the session, or something else than the protocol came.
pub(in crate::proxy) async fn exchange(
    line: &mut impl Line,
    request: &[u8],
    aside: &mut BytesMut,
) -> io::Result<Reply> {
    line.say(request).await?;
    let mut reply = Reply::default();
    let mut ready = false;
    let mut input = BytesMut::new();
    loop {
        let header = Header::from_backend(&input)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let length = header.map_or(HEADER_LENGTH, |header| header.message_length());
        let Some(header) = header.filter(|_| input.len() >= length) else {
            match ready && input.is_empty() {
                true if !line.at_hand(&mut input).await? => return Ok(reply),
                true => {}
                false => line.hear(&mut input).await?,
            }
            continue;
        };
        let frame = input.split_to(length).freeze();
        match header.kind {
            backend::DATA_ROW => {
                let row = body::row(&frame[HEADER_LENGTH..]);
                let row = row.ok_or_else(|| io::Error::other("malformed row"))?;
                let own = |column: &[u8]| frame.slice_ref(column);
                reply.rows.push(row.into_iter().map(|column| column.map(own)).collect());
            }
            backend::ERROR_RESPONSE => {
                let body = frame.slice(HEADER_LENGTH..);
                if Fields::new(&body).is_last() {
                    return Err(io::Error::other(said(&body)));
                }
                reply.error = Some(body);
            }
            backend::PARAMETER_STATUS | backend::NOTIFICATION_RESPONSE => {
                aside.extend_from_slice(&frame);
            }
            backend::READY_FOR_QUERY => {
                ready = true;
                reply.in_block = frame.last() != Some(&b'I');
            }
            _ => {}
        }
    }
}

/// As [`exchange`], again where a timeout of the client's, or a cancel request that it has sent, has
/// ended it, until it is `enough`. A transaction block that is left open is rolled back.
///
/// # Errors
/// As of `exchange`; or the transaction stays open.
pub(super) async fn patiently(
    line: &mut impl Line,
    request: &[u8],
    aside: &mut BytesMut,
    enough: impl Fn() -> bool,
) -> io::Result<Reply> {
    let mut rollback = BytesMut::new();
    message::run(&mut rollback, &NAME, b"ROLLBACK");
    message::close(&mut rollback, &NAME);
    message::sync(&mut rollback);
    let mut tries = 0..PATIENCE;
    loop {
        let reply = exchange(line, request, aside).await?;
        let mut in_block = reply.in_block;
        while in_block {
            let stays = || io::Error::other("a transaction of the proxy's own stays open");
            tries.next().ok_or_else(stays)?;
            in_block = exchange(line, &rollback, aside).await?.in_block;
        }
        if !reply.is_cancelled() || enough() || tries.next().is_none() {
            return Ok(reply);
        }
    }
}

/// An error's message.
pub(super) fn said(body: &[u8]) -> String {
    Fields::new(body).text(field::MESSAGE).unwrap_or_default().into_owned()
}

impl Line for Port {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        poll_fn(|cx| Poll::Ready(Port::send(self, cx, bytes))).await?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    async fn hear(&mut self, into: &mut BytesMut) -> io::Result<()> {
        if !self.held.is_empty() {
            into.extend_from_slice(&std::mem::take(&mut self.held));
            return Ok(());
        }
        let mut scratch = [0; 4096];
        let length = poll_fn(|cx| self.poll_read(cx, &mut scratch)).await?;
        into.extend_from_slice(&scratch[..length]);
        if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Line for DuplexStream {
    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await
    }

    async fn hear(&mut self, into: &mut BytesMut) -> io::Result<()> {
        match self.read_buf(into).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn at_hand(&mut self, into: &mut BytesMut) -> io::Result<bool> {
        // what the runtime makes a task wait for when it has done much at once is there all the same
        let mut read = std::pin::pin!(unconstrained(self.read_buf(into)));
        poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Ready(read) => Poll::Ready(read.map(|length| length > 0)),
            Poll::Pending => Poll::Ready(Ok(false)),
        })
        .await
    }
}
