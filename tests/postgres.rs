//! Real servers: the same scripts direct and proxied, and what the contract says of blocks,
//! confirmations, replicas, tags and expectations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "postgres/fidelity.rs"]
mod fidelity;
#[path = "postgres/scripts.rs"]
mod scripts;
