//! Sessions of clients.

mod alike;
pub mod authenticate;
mod cancelling;
pub mod catalogs;
mod client;
pub mod handshake;
mod hold;
mod judges;
mod leg;
mod looking;
mod moving;

pub use authenticate::{Authenticated, Refused, Secrets, authenticate};
pub use client::{Client, ReceiveError};
pub use handshake::{Handshake, HandshakeError, handshake};

mod declare;
mod embedded;
mod ending;
mod explain;
mod port;
mod recorder;
mod refuse;
mod registry;
mod relay;
mod running;
mod serve;
mod session;
mod split;
mod starting;
mod tidings;
mod worker;

pub use embedded::Embedded;
pub use explain::{Asked, Explained, Fate, explain};
pub use serve::{Source, serve};
