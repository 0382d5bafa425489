//! A routine's declaration: its arguments, and the statement by which PL/pgSQL's compiler can be
//! told of them.

use std::fmt::Write as _;

use super::model::Model;
use crate::sql::lexer::Lexer;

/// One argument.
#[derive(Debug)]
pub(super) struct Argument {
    pub data_type: u32,
    /// `proargmodes`: i, o, b, v or t.
    pub mode: u8,
    pub name: Option<Box<str>>,
}

/// All arguments, OUT and TABLE ones included.
#[derive(Debug)]
pub(super) struct Arguments {
    pub all: Vec<Argument>,
}

impl Arguments {
    /// Of the columns of `pg_proc`; without modes all are IN.
    pub(super) fn of(types: &[u32], modes: Vec<String>, names: Vec<String>) -> Arguments {
        let all = types.iter().enumerate().map(|(index, data_type)| Argument {
            data_type: *data_type,
            mode: modes.get(index).and_then(|mode| mode.bytes().next()).unwrap_or(b'i'),
            name: names.get(index).filter(|name| !name.is_empty()).map(|name| name.as_str().into()),
        });
        Arguments { all: all.collect() }
    }

    /// Whether a caller gets a value of this type.
    pub(super) fn gives(&self, data_type: u32) -> bool {
        self.all
            .iter()
            .any(|one| one.data_type == data_type && matches!(one.mode, b'o' | b'b' | b't'))
    }

    /// Types of what a caller gives.
    pub(super) fn inputs(&self) -> Box<[u32]> {
        let given = self.all.iter().filter(|argument| matches!(argument.mode, b'i' | b'b' | b'v'));
        given.map(|argument| argument.data_type).collect()
    }
}

pub(super) const RECORD: u32 = 2249;
pub(super) const REFCURSOR: u32 = 1790;
const VOID: u32 = 2278;
const TRIGGER: u32 = 2279;
const EVENT_TRIGGER: u32 = 3838;

/// Whether values of a type are rows for PL/pgSQL.
pub(super) fn is_row(model: &Model, oid: u32) -> bool {
    let mut oid = oid;
    // domains over rows are rows
    for _ in 0..32 {
        let Some(found) = model.types.get(&oid) else { break };
        match (found.kind, found.inner.first()) {
            (b'c', _) => return true,
            (b'd', Some(base)) => oid = *base,
            _ => return false,
        }
    }
    // row types of system catalogs: those with fixed numbers, and those that initdb numbers
    matches!(oid, RECORD | 71 | 75 | 81 | 83) || (10_000..16_384).contains(&oid)
}

/// The statement that makes a PL/pgSQL routine, with types no more exact than its compiler needs.
pub(super) fn plpgsql(
    arguments: &Arguments,
    kind: u8,
    result: u32,
    set: bool,
    source: &str,
    is_row: impl Fn(u32) -> bool,
) -> String {
    let word = |oid: u32| if is_row(oid) { "record" } else { "text" };
    let mut text =
        String::from(if kind == b'p' { "CREATE PROCEDURE f(" } else { "CREATE FUNCTION f(" });
    let mut out = Vec::new();
    for (index, argument) in arguments.all.iter().enumerate() {
        let mode = match argument.mode {
            b'o' | b't' => "OUT",
            b'b' => "INOUT",
            _ => "IN",
        };
        if mode != "IN" {
            out.push(word(argument.data_type));
        }
        let comma = if index > 0 { ", " } else { "" };
        let name = argument.name.as_deref().map(quoted).unwrap_or_default();
        let _ = write!(text, "{comma}{mode} {name} {}", word(argument.data_type));
    }
    text.push(')');
    if kind != b'p' {
        let returned = match (&out[..], result) {
            ([one], _) => one,
            ([_, ..], _) => "record",
            ([], VOID) => "void",
            ([], TRIGGER) => "trigger",
            ([], EVENT_TRIGGER) => "event_trigger",
            ([], other) => word(other),
        };
        let _ = write!(text, " RETURNS {}{returned}", if set { "SETOF " } else { "" });
    }
    let _ = write!(text, " LANGUAGE plpgsql AS '{}'", source.replace('\'', "''"));
    text
}

/// The body in such a statement: its last literal.
pub(super) fn body_of(statement: &str) -> String {
    let mut lexer = Lexer::new(statement.as_bytes());
    let mut last = None;
    while let Ok(Some(token)) = lexer.next_token() {
        last = Some(token);
    }
    let body = last.and_then(|token| statement.get(token.start + 1..token.end - 1));
    body.unwrap_or_default().replace("''", "'")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(modes: &[&str], types: &[u32], names: &[&str], kind: u8, result: u32) -> String {
        let own = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
        let arguments = Arguments::of(types, own(modes), own(names));
        plpgsql(&arguments, kind, result, false, "BEGIN a := 'b'; END", |oid| oid == RECORD)
    }

    #[test]
    fn declarations_say_what_the_compiler_needs() {
        let body = "LANGUAGE plpgsql AS 'BEGIN a := ''b''; END'";
        assert_eq!(
            text(&[], &[25, RECORD], &["a", ""], b'f', VOID),
            format!("CREATE FUNCTION f(IN \"a\" text, IN  record) RETURNS void {body}")
        );
        assert_eq!(
            text(&["i", "o", "t"], &[25, 25, 23], &["x\"y", "a", "b"], b'f', RECORD),
            format!(
                "CREATE FUNCTION f(IN \"x\"\"y\" text, OUT \"a\" text, OUT \"b\" text) RETURNS record {body}"
            )
        );
        assert_eq!(
            text(&["b"], &[25], &["a"], b'p', 2278),
            format!("CREATE PROCEDURE f(INOUT \"a\" text) {body}")
        );
        assert!(text(&[], &[], &[], b'f', TRIGGER).contains("RETURNS trigger"));
    }
}
