//! The gates around the proxy: the environment gate, and commands run under the contract.
//!
//! [`gate`] and [`url`] are pure.

pub mod exec;
pub mod gate;
pub mod url;
