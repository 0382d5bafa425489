//! Programs: what they do with URLs and declarations.

pub mod infer;
pub mod python;
pub mod scopes;
pub mod script;
pub mod shell;
