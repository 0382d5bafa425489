//! What governs migrations: the audit of what is in their files, the check that both ways to build
//! a database work.

pub mod audit;
pub mod two_path;
