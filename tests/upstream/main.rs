//! Connecting to upstreams: real servers for what they do, a scripted one for what they do rarely.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod configured;
mod declare;
mod encryption;
mod fixture;
mod login;
mod relay;
mod retry;
mod scripted;
