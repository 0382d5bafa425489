//! A configuration's text as messages show it: lines, columns, and secrets masked.

use std::cell::RefCell;
use std::ops::Range;

/// What stands in for a secret.
const MASK: &str = "********";

/// The text of a configuration file; not `Debug`, for the secrets in it.
pub(super) struct Source {
    /// The path as it was given.
    pub(super) path: String,
    text: String,
    /// Byte ranges that may hold a secret, in order, apart.
    secrets: RefCell<Vec<Range<usize>>>,
}

/// One line, ready to be printed with a caret under a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Counted from 1.
    pub(super) line: usize,
    /// In characters of the file's line, counted from 1.
    pub(super) column: usize,
    /// The line with secrets masked and control characters replaced.
    pub(super) text: String,
    /// Where the caret starts and how long it is, in characters of `text`.
    pub(super) caret: (usize, usize),
}

impl Source {
    pub(super) fn new(path: String, text: String) -> Source {
        let secrets = RefCell::new(secrets(&text));
        Source { path, text, secrets }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Masks a value of which it is not known that it is no secret.
    pub(super) fn mask(&self, value: Range<usize>) {
        let mut secrets = self.secrets.borrow_mut();
        let found = secrets.drain(..).chain([value]).collect();
        *secrets = apart(found);
    }

    /// The line that holds the start of `span`, marked as far as the span goes on it.
    pub(super) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let start = floor_boundary(&self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |n| start + n);
        let line_end = line_start + self.text[line_start..line_end].trim_end_matches('\r').len();
        let start = start.min(line_end);
        let end = floor_boundary(&self.text, span.end).clamp(start, line_end);

        let secrets = self.secrets.borrow();
        let mut text = String::new();
        let (mut caret_start, mut caret_end) = (0, 0);
        let mut characters = 0;
        let mut offset = line_start;
        for character in self.text[line_start..line_end].chars() {
            if offset == start {
                caret_start = characters;
            }
            let secret = secrets.iter().find(|secret| secret.contains(&offset));
            match secret {
                None => {
                    text.push(if character.is_control() { ' ' } else { character });
                    characters += 1;
                }
                Some(secret) if offset == secret.start.max(line_start) => {
                    text.push_str(MASK);
                    characters += MASK.len();
                }
                Some(_) => {}
            }
            offset += character.len_utf8();
            if offset == end {
                caret_end = characters;
            }
        }
        if start == line_end {
            caret_start = characters;
        }
        Excerpt {
            line: self.text[..line_start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            text,
            caret: (caret_start, caret_end.saturating_sub(caret_start).max(1)),
        }
    }
}

/// A value in quotes, as messages show it: what may be a secret masked, control characters escaped.
pub(super) fn quoted(value: &str) -> String {
    let mut shown = String::new();
    let mut from = 0;
    for secret in secrets(value) {
        shown.push_str(&value[from..secret.start]);
        shown.push_str(MASK);
        from = secret.end;
    }
    shown.push_str(&value[from..]);
    format!("{shown:?}")
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Byte ranges that may hold a secret, found in the bare text: the file may not even parse.
///
/// Masked are what is behind `password =` or `password:` (also inside a connection string) up to the end of its
/// line or multi-line string, and what stands between `:` and the last `@` of a URL. Masking too
/// much is harmless, too little is not.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let lower = text.to_ascii_lowercase();
    for (at, word) in lower.match_indices("password") {
        let rest = &text[at + word.len()..];
        let spaced = rest.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
        let Some(value) = spaced.strip_prefix(['=', ':']) else { continue };
        let value = value.trim_start_matches([' ', '\t']);
        let start = text.len() - value.len();
        let delimiter = ["\"\"\"", "'''"].into_iter().find(|quote| value.starts_with(quote));
        let length = match delimiter {
            Some(quote) => value[3..].find(quote).map_or(value.len(), |end| end + 6),
            None => value.find(['\n', '\r']).unwrap_or(value.len()),
        };
        found.push(start..start + length);
    }
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let rest = &text[start..];
        let rest = &rest[..rest.find(['\n', '\r', '"']).unwrap_or(rest.len())];
        if let Some(end) = rest.rfind('@')
            && let Some(colon) = rest[..end].find(':')
        {
            found.push(start + colon + 1..start + end);
        }
    }
    apart(found)
}

/// The ranges in order, those that touch made one.
fn apart(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.retain(|range| !range.is_empty());
    found.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, part: &str) -> Excerpt {
        let start = text.find(part).unwrap();
        Source::new("f".to_owned(), text.to_owned()).excerpt(&(start..start + part.len()))
    }

    #[test]
    fn the_caret_stands_under_the_part() {
        let found = excerpt("a = 1\nrolé = \"x\"\r\n", "\"x\"");
        assert_eq!((found.line, found.column, found.caret), (2, 8, (7, 3)));
        assert_eq!(found.text, "rolé = \"x\"");
    }

    #[test]
    fn a_span_over_lines_is_marked_on_its_first() {
        let found = excerpt("x = [\n  1,\n]", "[\n  1,\n]");
        assert_eq!((found.line, found.column, found.caret), (1, 5, (4, 1)));
    }

    #[test]
    fn the_end_of_the_text_can_be_marked() {
        let source = Source::new("f".to_owned(), "x =".to_owned());
        let found = source.excerpt(&(3..3));
        assert_eq!((found.line, found.column, found.caret), (1, 4, (3, 1)));
        assert_eq!(Source::new(String::new(), String::new()).excerpt(&(0..9)).line, 1);
    }

    #[test]
    fn secrets_are_masked_wherever_they_are_written() {
        for text in [
            "password = \"hunter2\"",
            "password=\"hunter2",
            "\"password\" = 'hunter2'",
            "nova = { password = \"hunter2\" }",
            "url = \"host=x password=hunter2 port=1\"",
            "url = \"host=x sslpassword = 'hunter2 hunter2'\"",
            "url = \"postgresql://app:hunter2@h/db\"",
            "url = \"postgresql://app:hu@nter2/hunter2?hunter2@h/db\"",
            "url = 'postgresql://app:hunter2\\@h/db'",
            "password = \"\"\"hunter2",
            "PASSWORD = hunter2",
            "role = \"x\" # the old password: hunter2",
        ] {
            let found = Source::new("f".to_owned(), text.to_owned()).excerpt(&(0..text.len()));
            assert!(!found.text.contains("hunter2"), "{}", found.text);
            assert!(found.text.contains(MASK), "{}", found.text);
        }
    }

    #[test]
    fn a_secret_over_several_lines_is_masked_on_each() {
        let text = "password = \"\"\"\nhunter2\nhunter2\"\"\"\nrole = \"x\"";
        let source = Source::new("f".to_owned(), text.to_owned());
        for (offset, _) in text.match_indices("hunter2") {
            assert!(!source.excerpt(&(offset..offset + 1)).text.contains("hunter2"));
        }
        assert_eq!(excerpt(text, "\"x\"").text, "role = \"x\"");
    }

    #[test]
    fn quoted_values_are_masked_too() {
        assert_eq!(quoted("a\"b\n"), r#""a\"b\n""#);
        assert_eq!(quoted("postgresql://a:hunter2@h/d"), "\"postgresql://a:********@h/d\"");
        assert_eq!(quoted("host=x password=hunter2"), "\"host=x password=********\"");
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "password_file = \"x\"",
            "url = \"postgresql://app@h:5432/db\"",
            "password_env = \"V\"",
        ] {
            assert_eq!(excerpt(text, text).text, text);
        }
    }

    #[test]
    fn the_caret_follows_a_masked_line() {
        let text = "url = \"postgresql://a:p@h/d\" # x";
        let found = excerpt(text, "# x");
        assert_eq!(found.text.chars().skip(found.caret.0).collect::<String>(), "# x");
        assert_eq!(found.column, text.find('#').unwrap() + 1);
    }
}
