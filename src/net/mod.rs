//! Sockets: listeners, streams with and without TLS, TLS itself, SCRAM.

mod listener;
mod random;
pub mod scram;
mod socket_file;
mod stream;
pub mod tls;

pub use pgauthority_outbox::{Outbox, Socket};

pub use listener::{Bound, Listener, Peer};
pub use random::{random_bytes, scram_nonce};
pub use stream::Stream;
