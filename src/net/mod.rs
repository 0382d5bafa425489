//! Sockets: streams with and without TLS, TLS itself, SCRAM.

mod stream;

pub use stream::Stream;
