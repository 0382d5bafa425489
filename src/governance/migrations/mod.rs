//! What governs migrations: the audit of what is in their files.

pub mod audit;
