//! Reading Python without running it: tree-sitter's grammar, as a small tree of our own.

pub mod ast;
mod expressions;
mod read;
mod strings;

pub use ast::{Call, Expr, ExprKind, Function, Literal, Module, Part, Stmt, StmtKind};
pub use read::{Reader, Unavailable};
