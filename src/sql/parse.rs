//! Text to statements: PostgreSQL's grammar behind the caps that keep it in bounds.

use pgauthority_grammar::{Node, Tree, field};

use super::SyntaxFault;
use super::lexer::Lexer;

/// Where one statement stands in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Byte offset of the first token.
    pub start: usize,
    /// Byte offset behind the last token; a semicolon that ends the statement is not of it.
    pub end: usize,
}

/// A text may hold so many statements: each costs some hundred bytes to remember.
const MAX_STATEMENTS: usize = 1 << 18;

/// Parses a text. The caller has checked that the text is bounded (`lexer::survey`).
///
/// # Errors
///
/// What the grammar refuses, and more statements than are worth remembering.
pub(super) fn parse(text: &[u8]) -> Result<Tree, SyntaxFault> {
    let tree = pgauthority_grammar::parse(text).map_err(|error| SyntaxFault::of(&error, text))?;
    match tree.statements().take(MAX_STATEMENTS + 1).count() <= MAX_STATEMENTS {
        true => Ok(tree),
        false => {
            let message = format!("more than {MAX_STATEMENTS} statements").into();
            Err(SyntaxFault { message, at: None })
        }
    }
}

/// The statements of a parsed text, each with its place.
pub(super) fn statements<'t>(
    tree: &'t Tree,
    text: &'t [u8],
) -> impl Iterator<Item = (Option<Node<'t>>, Place)> {
    let mut passed = 0;
    tree.statements().map(move |raw| {
        // The grammar gives where the statement with its leading space begins, and a length
        // that is 0 for "to the end".
        let location = usize::try_from(raw.int(field::stmt_location)).unwrap_or(0);
        let start = first_token(text, location.max(passed));
        let end = match usize::try_from(raw.int(field::stmt_len)) {
            Ok(length @ 1..) => (location + length).min(text.len()),
            _ => text.len(),
        };
        passed = end;
        let start = start.min(end);
        (raw.node(field::stmt), Place { start, end: last_token_end(text, start, end) })
    })
}

/// The offset of the first byte at or after `at` that is not white space, in a comment, or the
/// semicolon of an empty statement.
pub(super) fn first_token(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at..).unwrap_or_default() {
            [b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c' | b';', ..] => at += 1,
            [b'-', b'-', rest @ ..] => {
                let line = rest.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
                at += 2 + line;
            }
            [b'/', b'*', ..] => at = comment_end(text, at + 2),
            _ => return at,
        }
    }
}

/// The offset behind the last token of the statement that stands in `start..end`.
fn last_token_end(text: &[u8], start: usize, end: usize) -> usize {
    let statement = text.get(start..end).unwrap_or_default();
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c');
    let trimmed = statement.len() - statement.iter().rev().take_while(blank).count();
    let statement = statement.get(..trimmed).unwrap_or_default();
    let line = statement.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    // read forwards only where the end may be a comment
    if !statement.ends_with(b"*/") && memchr::memmem::find(line, b"--").is_none() {
        return start + trimmed;
    }
    let mut lexer = Lexer::new(statement);
    let mut last = 0;
    while let Ok(Some(token)) = lexer.next_token() {
        last = token.end;
    }
    start + last
}

/// The offset behind the comment that is open at `at`; comments nest.
fn comment_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 1;
    while depth > 0 {
        match text.get(at..).unwrap_or_default() {
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [_, ..] => at += 1,
            [] => return at,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<&str> {
        let tree = parse(text.as_bytes()).unwrap();
        statements(&tree, text.as_bytes()).map(|(_, at)| &text[at.start..at.end]).collect()
    }

    #[test]
    fn a_statement_begins_at_its_first_token() {
        assert_eq!(places("SELECT 1"), ["SELECT 1"]);
        assert_eq!(places("  SELECT 1 ; -- x\r SELECT 2 ;"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(places(";;/* a /* b */ ; */;TABLE t;;\n--\n"), ["TABLE t"]);
        assert_eq!(places("/*c*/WITH x AS (SELECT 1) TABLE x"), ["WITH x AS (SELECT 1) TABLE x"]);
        assert_eq!(places("(SELECT 1); ((SELECT 2))"), ["(SELECT 1)", "((SELECT 2))"]);
        assert_eq!(
            places("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT 2"),
            ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", "SELECT 2"]
        );
        assert_eq!(places("SELECT 1 /* a */ -- b\n ; SELECT '--' "), ["SELECT 1", "SELECT '--'"]);
        assert_eq!(places(" -- nothing\n ; /* */"), [""; 0]);
    }
}
