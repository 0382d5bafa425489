//! What is written into databases, on real servers: the backstop (installed by the command, tried
//! by clients that come round the proxy) and the seal (written by the command, required by the
//! running proxy).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "backstop/commands.rs"]
mod commands;
#[path = "backstop/ground.rs"]
mod ground;
#[path = "backstop/guard.rs"]
mod guard;
#[path = "backstop/hostile.rs"]
mod hostile;
#[path = "backstop/limits.rs"]
mod limits;
#[path = "backstop/proxied.rs"]
mod proxied;
#[path = "backstop/seal.rs"]
mod seal;
#[path = "backstop/tokens.rs"]
mod tokens;
