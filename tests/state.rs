//! Session state against real servers: random scripts of messages, direct and proxied, and the
//! proxy's view of its parameters against the server's (see `state/`).
//!
//! `STATE_SCRIPTS` says how many scripts a test runs, `STATE_SEED` where they begin; a failure
//! names the seed of its script, and shows the shortest one that still fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "state/fidelity.rs"]
mod fidelity;
#[path = "state/generator.rs"]
mod generator;
#[path = "state/ground.rs"]
mod ground;
#[path = "state/item.rs"]
mod item;
#[path = "state/names.rs"]
mod names;
#[path = "state/random.rs"]
mod random;
#[path = "state/scope.rs"]
mod scope;
#[path = "state/scope_generator.rs"]
mod scope_generator;
#[path = "state/shrink.rs"]
mod shrink;
