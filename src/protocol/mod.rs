//! The wire protocol as bytes and values: frame headers, startup packets and their `options`,
//! the messages that the proxy itself writes, error responses in both directions.
//!
//! Pure: nothing here reads a socket, and nothing imports another part of the crate.

pub(crate) mod body;
pub mod error_response;
pub mod frame;
pub mod message;
pub mod options;
pub mod startup;

pub use error_response::{ErrorResponse, Fields, Severity};
pub use frame::{FrameError, HEADER_LENGTH, Header, backend, frontend};
pub use startup::{
    InitialPacket, MAX_STARTUP_PACKET_LENGTH, Replication, Setting, SettingOrigin, Startup,
    StartupError,
};
