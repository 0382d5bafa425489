//! The upstream half: from a declared [`Upstream`](crate::config::Upstream) to a
//! [`Connection`] at ReadyForQuery `I`, tagged, guarded and verified.
//!
//! [`open`] is the way in. Below it, in the order in which they run: `connect` (sockets),
//! `tls` (libpq's `sslmode`), `startup` (the packet), `login`, `authenticate` and `relay`,
//! `declare` (the tags and the read-only default, read back before they are believed).
//! [`CancelToken`] and [`observe`] use the same transport.

mod authenticate;
mod backoff;
mod backstop;
mod cancel;
mod connect;
mod connection;
mod declare;
mod direct;
mod error;
mod exchange;
mod installed;
mod key;
mod login;
mod observe;
mod open;
mod query;
mod reach;
mod relay;
mod seal;
mod startup;
mod tls;
mod wire;

pub use backstop::Signable;
pub use cancel::CancelToken;
pub use connect::ServerAddress;
pub use connection::{Announced, Connection, GuardBy, TagsBy};
pub use direct::{Direct, DirectError, copy};
pub use error::{ConnectError, ConnectErrorKind, in_words};
pub use installed::{FoundFunction, FoundKey, FoundTrigger, Installed};
pub use login::Login;
pub use observe::{Observed, observe};
pub use open::{Request, open};
pub use reach::{announcement, reach};
pub use relay::{NoClient, RelayClient};
pub use startup::READ_ONLY;
