//! `pgauthority migrations audit`: what it makes of code, of whole projects, and whether its graph
//! is Alembic's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

#[path = "migrations_audit/cases.rs"]
mod cases;
#[path = "migrations_audit/command.rs"]
mod command;
#[path = "migrations_audit/generated.rs"]
mod generated;
#[path = "migrations_audit/graphs.rs"]
mod graphs;
#[path = "migrations_audit/layouts.rs"]
mod layouts;
#[path = "migrations_audit/project.rs"]
mod project;
