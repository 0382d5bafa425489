//! Known ways round a proxy that judges SQL, each a named attack: nothing of it may come about on the
//! server, where a connection of the superuser's own looks before and after (see `redteam/`).
//!
//! `REDTEAM=name cargo test --test redteam -- --nocapture` runs the attacks whose names have that in
//! them and prints what came of each. They run on PostgreSQL 15, and a sample that goes round with the
//! days on 16, 17 and 18; `REDTEAM_MAJOR=18` (or 16, 17) runs all of them there, `make redteam` on all
//! four.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "redteam/attack.rs"]
mod attack;
#[path = "redteam/confirming.rs"]
mod confirming;
#[path = "redteam/cursors.rs"]
mod cursors;
#[path = "redteam/disturbed.rs"]
mod disturbed;
#[path = "redteam/doors.rs"]
mod doors;
#[path = "redteam/encodings.rs"]
mod encodings;
#[path = "redteam/foreign.rs"]
mod foreign;
#[path = "redteam/ground.rs"]
mod ground;
#[path = "redteam/hidden.rs"]
mod hidden;
#[path = "redteam/left.rs"]
mod left;
#[path = "redteam/lexing.rs"]
mod lexing;
#[path = "redteam/load.rs"]
mod load;
#[path = "redteam/messages.rs"]
mod messages;
#[path = "redteam/migrations.rs"]
mod migrations;
#[path = "redteam/newest.rs"]
mod newest;
#[path = "redteam/paths.rs"]
mod paths;
#[path = "redteam/read_only.rs"]
mod read_only;
#[path = "redteam/replaced.rs"]
mod replaced;
#[path = "redteam/sampled.rs"]
mod sampled;
#[path = "redteam/standby.rs"]
mod standby;
#[path = "redteam/statements.rs"]
mod statements;
