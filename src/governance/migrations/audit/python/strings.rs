//! String literals: prefixes, escapes, the places of f-strings, and where each line stands.

use tree_sitter::Node;

use super::ast::{Literal, Part};
use super::read::{Source, line};

impl Source<'_> {
    /// The parts of a string, or of several side by side.
    pub(super) fn string(&self, node: Node<'_>, depth: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        self.string_into(node, depth, &mut parts);
        if parts.is_empty() {
            parts.push(Part::Literal(Literal { lines: vec![(0, line(node))], ..<_>::default() }));
        }
        parts
    }

    fn string_into(&self, node: Node<'_>, depth: usize, parts: &mut Vec<Part>) {
        let mut cursor = node.walk();
        let inside: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        if node.kind() == "concatenated_string" {
            for string in inside.into_iter().filter(|child| child.kind() == "string") {
                self.string_into(string, depth, parts);
            }
            return;
        }
        let start = inside.first().filter(|child| child.kind() == "string_start");
        let raw = start.is_some_and(|start| self.slice(*start).contains(['r', 'R']));
        for child in inside {
            match child.kind() {
                "string_content" => self.content(child, raw, parts),
                "interpolation" => {
                    let Some(expr) = child.child_by_field_name("expression") else { continue };
                    let formatted = child.child_by_field_name("type_conversion").is_some()
                        || child.child_by_field_name("format_specifier").is_some();
                    parts.push(Part::Hole { expr: self.expression(expr, depth), formatted });
                }
                _ => {}
            }
        }
    }

    /// Adds a run of text, to the literal before it where there is one.
    fn content(&self, node: Node<'_>, raw: bool, parts: &mut Vec<Part>) {
        if !matches!(parts.last(), Some(Part::Literal(_))) {
            parts.push(Part::Literal(Literal::default()));
        }
        let Some(Part::Literal(literal)) = parts.last_mut() else { return };
        let mut at = node.start_byte();
        let mut row = line(node);
        literal.lines.push((literal.text.len(), row));
        let mut plain = |literal: &mut Literal, from: usize, to: usize| {
            for piece in self.text.get(from..to).unwrap_or_default().split_inclusive('\n') {
                literal.text.push_str(piece);
                if piece.ends_with('\n') {
                    row += 1;
                    literal.lines.push((literal.text.len(), row));
                }
            }
        };
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            let escaped = self.slice(child);
            let replaced = match child.kind() {
                "escape_sequence" if !raw => escape(escaped),
                "escape_interpolation" => escaped.get(..1).map(str::to_owned),
                _ => None,
            };
            let Some(replaced) = replaced else { continue };
            plain(literal, at, child.start_byte());
            literal.text.push_str(&replaced);
            if escaped.ends_with('\n') {
                // a continued line
                plain(literal, child.end_byte(), child.end_byte());
                let next = line(child) + 1;
                literal.lines.push((literal.text.len(), next));
            }
            at = child.end_byte();
        }
        plain(literal, at, node.end_byte());
    }
}

/// What an escape stands for; `None` where Python leaves it as it is.
fn escape(written: &str) -> Option<String> {
    let rest = written.strip_prefix('\\')?;
    let code = |digits: &str, radix| {
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).map(String::from)
    };
    let mut characters = rest.chars();
    let simple = match characters.next()? {
        '\n' | '\r' => "",
        '\\' => "\\",
        '\'' => "'",
        '"' => "\"",
        'a' => "\x07",
        'b' => "\x08",
        'f' => "\x0c",
        'n' => "\n",
        'r' => "\r",
        't' => "\t",
        'v' => "\x0b",
        'x' | 'u' | 'U' => return code(characters.as_str(), 16),
        '0'..='7' => return code(rest, 8),
        _ => return None,
    };
    Some(simple.to_owned())
}
