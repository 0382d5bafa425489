//! A connection to an upstream: at ReadyForQuery `I`, clean, tagged and guarded.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;

use super::backstop::Signable;
use super::cancel::CancelToken;
use super::connect::ServerAddress;
use super::wire::{Message, take_string};
use crate::config::Upstream;
use crate::net::Stream;
use crate::protocol::message;

/// How the tags (contract §2) came to hold on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagsBy {
    /// Startup options: they survive RESET ALL and DISCARD ALL.
    Options,
    /// SET after connecting: RESET and DISCARD ALL clear them, and they are owed again.
    Set,
    /// The upstream is another pgauthority (`chain = true`), whose own tags agree with ours.
    Announced,
}

/// How `default_transaction_read_only = on` (contract §4) came to hold on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardBy {
    /// It does not: the connection is not guarded.
    None,
    /// A startup option: it survives RESET ALL and DISCARD ALL.
    Options,
    /// SET after connecting: RESET and DISCARD ALL clear it, and it is owed again.
    Set,
}

/// The tags that another pgauthority announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Its `authority.upstream`.
    pub upstream: String,
    /// Its `authority.authority`.
    pub authority: String,
    /// Its `authority.role`.
    pub role: String,
    /// Its `authority.env`.
    pub env: String,
}

/// A connection to an upstream, ready for the first statement. It belongs to whoever holds it:
/// dropping it closes the socket (the server then ends the session by itself).
pub struct Connection {
    /// The stream.
    pub stream: Stream,
    /// What was read behind the first ReadyForQuery; empty but for asynchronous messages.
    pub buffered: BytesMut,
    /// The server's process id for it, as in BackendKeyData; 0 where none was sent.
    pub process_id: i32,
    /// Its cancel key, 4 bytes in protocol 3.0 and up to 256 in 3.2; empty where none was sent.
    pub cancel_key: Bytes,
    /// ParameterStatus: name and value as bytes, in the order of first report, last value.
    pub parameters: Vec<(Bytes, Bytes)>,
    /// NoticeResponse frames of the login, for the client.
    pub notices: Vec<Bytes>,
    /// The minor version of protocol 3 in use.
    pub protocol_minor: u16,
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The very server.
    pub peer: ServerAddress,
    /// Whether it is on TLS.
    pub encrypted: bool,
    /// The user logged in as, as bytes of the startup packet.
    pub user: Bytes,
    /// Whether the client's own exchange authenticated it: then it serves that client only and
    /// is never reused.
    pub relayed: bool,
    /// How the tags hold.
    pub tags: TagsBy,
    /// How the read-only default holds.
    pub guard: GuardBy,
    /// `search_path` as read at login.
    pub search_path: String,
    /// Transactions are SERIALIZABLE by default, as read at login.
    pub serializable: bool,
    /// `current_user` as read at login: another role than `user` where the login set one (`role` in
    /// the startup packet or by ALTER ROLE).
    pub current_user: String,
    /// The host is a transaction pooler (Neon's `-pooler`), which keeps no session state.
    pub pooler: bool,
    /// Another pgauthority's tags, where it is one.
    pub announced: Option<Announced>,
    /// What signs for the backstop in the database, where the upstream has its key and the server
    /// told what is needed.
    pub signable: Option<Signable>,
    /// Observed facts that contradict the declaration, worded for people. Warnings: they never
    /// replace a declaration.
    pub observations: Vec<String>,
}

impl Connection {
    /// A reported parameter, by its exact name; `None` also where its value is not UTF-8.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    /// RESET and DISCARD ALL clear tags or guard.
    pub fn set_by_statement(&self) -> bool {
        self.tags == TagsBy::Set || self.guard == GuardBy::Set
    }

    /// What cancels the query that runs on this connection. It can be sent from any thread.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken {
            upstream: Arc::clone(&self.upstream),
            peer: self.peer.clone(),
            encrypted: self.encrypted,
            process_id: self.process_id,
            // a copy of its own: the key is a slice of the buffer that the login was read into
            key: Bytes::copy_from_slice(&self.cancel_key),
        }
    }

    /// Says Terminate and closes. Failures do not matter: the socket is closed either way.
    pub async fn close(mut self) {
        let _ = self.stream.write_all(message::TERMINATE).await;
        let _ = self.stream.shutdown().await;
    }
}

/// Leaves out the cancel key: whoever has it can cancel.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("upstream", &self.upstream.name)
            .field("peer", &self.peer)
            .field("encrypted", &self.encrypted)
            .field("process_id", &self.process_id)
            .field("protocol_minor", &self.protocol_minor)
            .field("tags", &self.tags)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// What a server reports before its first ReadyForQuery. Bounded: beyond that it is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    pub(super) parameters: Vec<(Bytes, Bytes)>,
    pub(super) notices: Vec<Bytes>,
    size: usize,
}

impl Reports {
    const MAX_SIZE: usize = 1024 * 1024;

    /// Takes note of a ParameterStatus or NoticeResponse.
    pub(super) fn absorb(&mut self, message: &Message) {
        self.size += message.frame().len();
        if self.size > Self::MAX_SIZE {
            return;
        }
        match message.kind() {
            b'N' => self.notices.push(message.frame().clone()),
            b'S' => self.set(message.body()),
            _ => {}
        }
    }

    fn set(&mut self, mut body: &[u8]) {
        let (Some(name), Some(value)) = (take_string(&mut body), take_string(&mut body)) else {
            return;
        };
        let value = Bytes::copy_from_slice(value);
        match self.parameters.iter_mut().find(|(known, _)| known == name) {
            Some((_, last)) => *last = value,
            None => self.parameters.push((Bytes::copy_from_slice(name), value)),
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    /// The tags of another pgauthority: PostgreSQL itself reports no custom parameter.
    pub(super) fn announced(&self) -> Option<Announced> {
        let tag = |name: &str| self.parameter(name).unwrap_or_default().to_owned();
        self.parameter("authority.upstream")?;
        Some(Announced {
            upstream: tag("authority.upstream"),
            authority: tag("authority.authority"),
            role: tag("authority.role"),
            env: tag("authority.env"),
        })
    }
}

fn find<'a>(parameters: &'a [(Bytes, Bytes)], name: &str) -> Option<&'a str> {
    let (_, value) = parameters.iter().find(|(known, _)| known == name.as_bytes())?;
    std::str::from_utf8(value).ok()
}
