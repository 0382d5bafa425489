//! `.env` files, by the rules that their loaders share: `export` before a name, comments, double
//! quotes with escapes and expansions, single quotes without, values over several lines in quotes.

use super::contexts::dynamic;
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Context, Facts, Place, Value, Variable};
use crate::governance::drift::names;
use crate::governance::drift::rule::Rule;

/// Reads a file.
pub fn read(text: &str, facts: &mut Facts) {
    allow::line_comments(text, &['#'], facts);
    let mut variables: Vec<Variable> = Vec::new();
    for (name, value, place) in assignments(text) {
        for (_, url) in names::urls(&value) {
            facts.add_url(url, place, true);
            if names::confirms(url) {
                crate::governance::drift::languages::infer::options(place, facts);
            }
        }
        let Some(variable) = Variable::read(&name, &value, place) else { continue };
        if let Some(earlier) = variables.iter().find(|earlier| earlier.name == name) {
            twice(earlier, &variable, facts);
            variables.retain(|earlier| earlier.name != name);
        }
        variables.push(variable);
    }
    if !variables.is_empty() {
        facts.contexts.push(Context {
            what: "this file".to_owned(),
            variables,
            ..Context::default()
        });
    }
}

/// Loaders do not agree on which of two wins.
fn twice(earlier: &Variable, later: &Variable, facts: &mut Facts) {
    let known = |value: &Value| matches!(value, Value::Known(text) if !text.is_empty());
    if earlier.value != later.value && known(&earlier.value) && known(&later.value) {
        let message = format!(
            "{} is set again, otherwise than in line {}: loaders do not agree on which one wins",
            later.name, earlier.place.line
        );
        facts.add(Rule::DeclareConflict, later.place, message);
    }
}

/// Every `NAME=value`, with the place of its name; what is expanded is dynamic.
fn assignments(text: &str) -> Vec<(String, String, Place)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trim_start();
        let body = trimmed.strip_prefix("export ").unwrap_or(trimmed).trim_start();
        let Some((name, value)) = body.split_once('=') else { continue };
        let name = name.trim_end();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if body.starts_with('#') || name.is_empty() || !name.chars().all(plain) {
            continue;
        }
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        let place = Place { line: number(index), column: number(line.len() - body.len()) };
        let value = value.trim();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => {
                let mut inner = value[1..].to_owned();
                while !closed(&inner, quote) {
                    let Some((_, more)) = lines.next() else { break };
                    inner.push('\n');
                    inner.push_str(more);
                }
                let inner = up_to(&inner, quote);
                if quote == '"' { dynamic(inner) } else { inner.to_owned() }
            }
            _ => {
                let end = value.find(" #").or_else(|| value.starts_with('#').then_some(0));
                dynamic(value[..end.unwrap_or(value.len())].trim_end())
            }
        };
        found.push((name.to_owned(), value, place));
    }
    found
}

fn closed(text: &str, quote: char) -> bool {
    up_to(text, quote).len() < text.len()
}

/// The text before the closing quote, or all of it.
fn up_to(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return &text[..at],
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::drift::names::DYNAMIC;

    #[test]
    fn values_are_read_as_loaders_do() {
        let text = "# c\nexport A=1 # one\nB='x # y'\nC=\"l1\nl2 ${X}\" # t\nD=a$B/c\n E = f\nF=#g\n\
                    not a line\nG='a=b'\n";
        let found: Vec<(String, String)> =
            assignments(text).into_iter().map(|(name, value, _)| (name, value)).collect();
        let wanted = [
            ("A", "1".to_owned()),
            ("B", "x # y".to_owned()),
            ("C", format!("l1\nl2 {DYNAMIC}")),
            ("D", format!("a{DYNAMIC}/c")),
            ("E", "f".to_owned()),
            ("F", String::new()),
            ("G", "a=b".to_owned()),
        ];
        let wanted: Vec<(String, String)> =
            wanted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(found, wanted);
        assert_eq!(assignments(text)[3].2.line, 6);
    }
}
