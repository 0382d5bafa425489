//! What the fuzzer calls, one module a target: `run` takes any bytes and panics where something
//! that must hold does not. The ordinary tests call the same functions with every committed seed.

pub mod classifier;
pub mod frame;
pub mod gate;
pub mod growth;
pub mod lexer;
mod script;
mod server;
pub mod session;
pub mod splitter;
pub mod startup;
mod transaction;
