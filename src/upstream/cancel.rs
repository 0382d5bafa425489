//! Cancel requests: a connection of their own to the very server, protected as the session's.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::{ServerAddress, reach_peer};
use super::error::Failure;
use super::tls::{Encryption, secure};
use crate::config::Upstream;
use crate::protocol::message;

/// How long a cancel request may take. It is of no use later, and must not pile up.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What cancels the query that runs on one [`Connection`](super::Connection).
#[derive(Clone)]
pub struct CancelToken {
    pub(super) upstream: Arc<Upstream>,
    pub(super) peer: ServerAddress,
    pub(super) encrypted: bool,
    pub(super) process_id: i32,
    pub(super) key: Bytes,
}

impl CancelToken {
    /// The upstream's name.
    pub fn upstream(&self) -> &str {
        &self.upstream.name
    }

    /// Asks the server to cancel. It answers nothing: `Ok` means that it took the request and
    /// closed the connection, not that anything was running. Bounded to 10 seconds.
    ///
    /// # Errors
    /// The server could not be reached, or not with the protection that the session has: a
    /// cancel key that went over TLS never goes over the wire in clear.
    pub async fn cancel(&self) -> io::Result<()> {
        if self.key.is_empty() {
            return Err(io::Error::other("the server gave no cancel key"));
        }
        let elapsed = |_| io::Error::from(io::ErrorKind::TimedOut);
        timeout(TIMEOUT, self.send()).await.map_err(elapsed)?
    }

    async fn send(&self) -> io::Result<()> {
        let socket = reach_peer(&self.peer).await?;
        let encryption = if self.encrypted { Encryption::Tls } else { Encryption::Plain };
        let secured = secure(socket, &self.upstream, encryption).await.map_err(|failure| {
            let (Failure::Transient(error) | Failure::Adapt(_, error) | Failure::Final(error)) =
                failure;
            io::Error::other(error)
        })?;
        if secured.leg.is_tls() != self.encrypted {
            return Err(io::Error::other("the server no longer offers TLS"));
        }
        let mut stream = secured.stream;
        let mut packet = BytesMut::new();
        message::cancel_request(&mut packet, self.process_id, &self.key);
        stream.write_all(&packet).await?;
        stream.flush().await?;
        // the server closes when it has acted on it; how it closes does not matter
        let mut rest = [0_u8; 16];
        while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
        Ok(())
    }
}

/// Leaves out the key: whoever has it can cancel.
impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("upstream", &self.upstream.name)
            .field("peer", &self.peer)
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}
