//! The gates around the proxy: the environment gate, commands run under the contract, what is
//! written into databases (the seal and the backstop), what governs migrations, and the drift
//! detector, which looks at source trees and the running world.
//!
//! [`gate`], [`shell`], [`github`], [`seal`], [`backstop`] (its key file apart) and [`url`] are pure.

pub mod backstop;
pub mod catalog_diff;
pub mod confirmed;
pub mod drift;
pub mod exec;
pub mod gate;
pub mod github;
pub mod migrations;
pub mod observation;
pub mod seal;
pub mod shell;
pub mod url;
