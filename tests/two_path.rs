//! `pgauthority migrations two-path` as people run it: on a real server, with a real project of
//! Alembic and SQLModel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "two_path/cleanup.rs"]
mod cleanup;
#[path = "two_path/declared.rs"]
mod declared;
#[path = "two_path/differences.rs"]
mod differences;
#[path = "two_path/failures.rs"]
mod failures;
#[path = "two_path/ground.rs"]
mod ground;
mod support;
