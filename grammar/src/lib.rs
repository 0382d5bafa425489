//! PostgreSQL's own grammar, as a compact tree.
//!
//! [`parse`] runs `raw_parser` of PostgreSQL (statically linked by the `pg_query` package) and
//! gives the whole parse tree as one flat buffer; [`parse_plpgsql`] lists the SQL inside a
//! PL/pgSQL body. This crate judges nothing. It is the only unsafe code of pgauthority: `ffi.rs`.
//!
//! **Threads.** The C code keeps its state in thread-local storage, and each thread that parses
//! leaks one `pthread` key for the life of the process (Linux has 1,024 of them). Parse on a
//! fixed set of threads.
//!
//! **Bounds.** Recursion is measured against the stack of the calling thread (512 KiB of it are
//! left in reserve), so text that nests too deeply is an error; a thread should have at least 2 MiB. Two
//! things are for the caller to cap first: the size of the text (the tree takes up to a hundred
//! times as much memory), and comments nested in comments, for which PostgreSQL's lexer needs
//! quadratic time.
//!
//! **Bytes.** The text need not be UTF-8. What the lexer has to decode and cannot is an error.

#![warn(missing_docs)]

mod ffi;
#[allow(non_upper_case_globals, missing_docs)]
mod names {
    include!(concat!(env!("OUT_DIR"), "/names.rs"));
}
mod plpgsql;
mod tree;

pub use names::{field, tag, value};
pub use plpgsql::{Expression, parse_plpgsql, parse_plpgsql_routine};
pub use tree::{Descendants, Items, Node, Tree};

// the static library that the shim calls into comes with this package
use pg_query as _;

use std::fmt;

/// What a text is parsed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// SQL statements, separated by semicolons.
    Statements,
    /// PL/pgSQL's expression: what may follow SELECT.
    PlpgsqlExpression,
    /// PL/pgSQL's assignment to a name of one, two or three parts.
    PlpgsqlAssignment(u8),
}

impl Mode {
    /// The number of PostgreSQL's `RawParseMode`.
    fn number(self) -> i32 {
        match self {
            Mode::Statements => 0,
            Mode::PlpgsqlExpression => 2,
            Mode::PlpgsqlAssignment(parts) => 2 + i32::from(parts.clamp(1, 3)),
        }
    }

    fn from_number(number: i32) -> Option<Mode> {
        match number {
            0 => Some(Mode::Statements),
            2 => Some(Mode::PlpgsqlExpression),
            3 => Some(Mode::PlpgsqlAssignment(1)),
            4 => Some(Mode::PlpgsqlAssignment(2)),
            5 => Some(Mode::PlpgsqlAssignment(3)),
            _ => None,
        }
    }
}

/// PostgreSQL's grammar refused a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// PostgreSQL's message (`syntax error at or near "x"`). It quotes the text.
    pub message: String,
    /// The position in characters from 1, where PostgreSQL gives one.
    pub position: Option<u32>,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// Parses statements.
///
/// # Errors
///
/// What PostgreSQL's grammar refuses: syntax, nesting beyond the thread's stack, memory that
/// cannot be had, and a NUL byte anywhere.
pub fn parse(text: &[u8]) -> Result<Tree, SyntaxError> {
    parse_mode(text, Mode::Statements)
}

/// Parses a text as `mode` says.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_mode(text: &[u8], mode: Mode) -> Result<Tree, SyntaxError> {
    ffi::parse(text, mode.number()).map(Tree::new)
}

#[cfg(test)]
mod tests;
