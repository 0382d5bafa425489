//! The ground that the tests stand on: throw-away PostgreSQL clusters, the proxy in front of them,
//! a client that speaks the wire protocol message by message.
//!
//! Everything is synchronous and cleans up behind itself: when a fixture is dropped, when its test
//! panics, when its process is killed (the servers get a signal from the kernel), and, for what
//! still remains, at the start of the next run.
//!
//! Used by `mod support;` in an integration test. Each takes what it needs, hence the `allow`.
#![allow(dead_code, unused_imports, missing_docs)]

pub mod certificates;
pub mod cluster;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod tools;
pub mod traffic;
pub mod transcript;
pub mod wire;

pub use certificates::{CertificateAuthority, NEON_HOST};
pub use cluster::{Auth, Cluster, Major};
pub use proxy::Proxy;
pub use wire::{Login, Message, Wire};

/// Makes `watch.fingerprint()`, of a database's catalogs, and `watch.contents()`, of what is in it.
pub const FINGERPRINT: &str = include_str!("fingerprint.sql");
