//! Sockets: streams with and without TLS, TLS itself, SCRAM.

pub mod scram;
mod stream;

pub use stream::Stream;
