//! Real servers: the same scripts direct and proxied, and what the contract says of blocks,
//! confirmations, replicas, tags and expectations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "postgres/blocks.rs"]
mod blocks;
#[path = "postgres/cancelling.rs"]
mod cancelling;
#[path = "postgres/confirmation.rs"]
mod confirmation;
#[path = "postgres/declarations.rs"]
mod declarations;
#[path = "postgres/encoding.rs"]
mod encoding;
#[path = "postgres/fidelity.rs"]
mod fidelity;
#[path = "postgres/lapsing.rs"]
mod lapsing;
#[path = "postgres/law.rs"]
mod law;
#[path = "postgres/load.rs"]
mod load;
#[path = "postgres/long.rs"]
mod long;
#[path = "postgres/looks.rs"]
mod looks;
#[path = "postgres/overloads.rs"]
mod overloads;
#[path = "postgres/pipelines.rs"]
mod pipelines;
#[path = "postgres/replica.rs"]
mod replica;
#[path = "postgres/routines.rs"]
mod routines;
#[path = "postgres/scripts.rs"]
mod scripts;
#[path = "postgres/settings.rs"]
mod settings;
