//! The SQL inside a PL/pgSQL body.

use crate::{Mode, SyntaxError, Tree, ffi};

/// One SQL text that a PL/pgSQL body runs: a statement, an expression, a variable's default, a
/// cursor's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The text. Where the body has INTO, its targets are blanked out.
    pub query: Vec<u8>,
    /// What PL/pgSQL parses it as.
    pub mode: Mode,
    /// The text computes SQL that is then run (EXECUTE and its kin).
    pub dynamic: bool,
    /// There is no text: the body fetches from a cursor that it need not have opened itself.
    pub fetches: bool,
    /// There is no text: the body sets a field of a record or of a row, those of a trigger aside.
    pub sets_field: bool,
}

/// Compiles the body of a DO block in PL/pgSQL and lists every SQL text in it. The order tells
/// nothing: what is declared comes first.
///
/// # Errors
///
/// What PL/pgSQL's grammar refuses, and bodies that need a catalog to be read.
pub fn parse_plpgsql(body: &str) -> Result<Vec<Expression>, SyntaxError> {
    expressions(body, 0)
}

/// The same for the body of a routine, given as the CREATE FUNCTION or CREATE PROCEDURE statement
/// that makes it. Of the types in it PL/pgSQL needs to know no more than whether they are rows:
/// `text`, `record`, `trigger`, `event_trigger` and `void` are enough.
///
/// # Errors
///
/// As [`parse_plpgsql`].
pub fn parse_plpgsql_routine(definition: &str) -> Result<Vec<Expression>, SyntaxError> {
    expressions(definition, 1)
}

fn expressions(text: &str, mode: i32) -> Result<Vec<Expression>, SyntaxError> {
    // numbered in csrc/plpgsql.c
    const QUERY: u16 = 1;
    const MODE: u16 = 2;
    const DYNAMIC: u16 = 3;
    const FETCHES: u16 = 4;
    const SETS_FIELD: u16 = 5;
    let tree = Tree::new(ffi::parse_plpgsql(text.as_bytes(), mode)?);
    let unknown =
        || SyntaxError { message: "unrecognized PL/pgSQL expression".into(), position: None };
    tree.statements()
        .map(|node| {
            Ok(Expression {
                query: node.bytes(QUERY).ok_or_else(unknown)?.to_vec(),
                mode: Mode::from_number(node.int(MODE)).ok_or_else(unknown)?,
                dynamic: node.flag(DYNAMIC),
                fetches: node.flag(FETCHES),
                sets_field: node.flag(SETS_FIELD),
            })
        })
        .collect()
}
