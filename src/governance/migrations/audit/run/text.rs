//! Texts that a program makes: what is known of them, where it is not, and the line of each part.

use crate::governance::migrations::audit::python::Literal;

/// What stands in a text for a part that only running the program would tell. A name, so that SQL
/// with it can be read where it stands for a name or a value.
pub const HOLE: &str = "__unknown__";

/// A text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// Its characters, [`HOLE`] for what is not known.
    pub text: String,
    /// Byte offsets, each with the line of the source where the text goes on.
    lines: Vec<(usize, u32)>,
    /// Whether anything is not known.
    pub open: bool,
}

impl Text {
    /// A text that stands at a line.
    pub fn new(text: &str, line: u32) -> Text {
        Text { text: text.to_owned(), lines: vec![(0, line)], open: false }
    }

    /// A text of which nothing is known.
    pub fn hole(line: u32) -> Text {
        Text { text: HOLE.to_owned(), lines: vec![(0, line)], open: true }
    }

    /// Whether nothing of it is known.
    pub fn is_blank(&self) -> bool {
        self.open && self.text.replace(HOLE, "").trim().is_empty()
    }

    /// Adds a literal.
    pub fn push_literal(&mut self, literal: &Literal) {
        let start = self.text.len();
        self.lines.extend(literal.lines.iter().map(|(at, line)| (start + at, *line)));
        self.text.push_str(&literal.text);
    }

    /// Adds another text, which keeps its lines.
    pub fn push(&mut self, other: &Text) {
        let start = self.text.len();
        self.lines.extend(other.lines.iter().map(|(at, line)| (start + at, *line)));
        self.text.push_str(&other.text);
        self.open |= other.open;
    }

    /// Adds a value that was put in at a line; what follows goes on at the same line.
    pub fn put(&mut self, value: &Text, line: u32) {
        let start = self.text.len();
        self.lines.push((start, line));
        self.text.push_str(&value.text);
        self.lines.push((self.text.len(), line));
        self.open |= value.open;
    }

    /// The part between two offsets.
    pub fn part(&self, from: usize, to: usize) -> Text {
        let first = self.lines.first().map(|_| (0, self.line_at(from, 1)));
        let mut lines: Vec<(usize, u32)> = first.into_iter().collect();
        let inside = self.lines.iter().filter(|(at, _)| (from + 1..to).contains(at));
        lines.extend(inside.map(|(at, line)| (at - from, *line)));
        let text = self.text.get(from..to).unwrap_or_default().to_owned();
        let open = self.open && text.contains(HOLE);
        Text { text, lines, open }
    }

    /// The same text with other characters, line for line.
    pub fn with(&self, text: String) -> Text {
        Text { text, lines: self.lines.clone(), open: self.open }
    }

    /// The line where an offset stands; `otherwise` for a text that stands in another file.
    pub fn line_at(&self, offset: usize, otherwise: u32) -> u32 {
        let before = self.lines.iter().rev().find(|(at, _)| *at <= offset);
        before.or(self.lines.first()).map_or(otherwise, |(_, line)| *line)
    }

    /// The same text, of another file.
    pub fn elsewhere(self) -> Text {
        Text { lines: Vec::new(), ..self }
    }
}

/// A text for people: what is not known as `…`.
pub fn shown(text: &str) -> String {
    text.replace(HOLE, "…")
}
