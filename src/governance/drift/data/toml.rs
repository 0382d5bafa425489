//! TOML into [`Node`]s, with the spans that the parser gives.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Kind, Node};
use crate::governance::drift::facts::Place;

/// Reads a file. `None` where it is no TOML.
pub fn read(text: &str) -> Option<Node> {
    let table = DeTable::parse(text).ok()?;
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let reader = Reader { starts };
    Some(Node { kind: reader.table(table.get_ref()), place: Place { line: 1, column: 1 } })
}

struct Reader {
    starts: Vec<usize>,
}

impl Reader {
    fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { line: number(line), column: number(at - start + 1) }
    }

    fn table(&self, table: &DeTable<'_>) -> Kind {
        let pairs = table.iter().map(|(key, value)| {
            let node = self.value(value);
            (key.get_ref().to_string(), Node { place: self.place(key.span().start), ..node })
        });
        let mut pairs: Vec<(String, Node)> = pairs.collect();
        pairs.sort_by_key(|(_, node)| node.place);
        Kind::Map(pairs)
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let place = self.place(value.span().start);
        let kind = match value.get_ref() {
            DeValue::Table(table) => self.table(table),
            DeValue::Array(items) => Kind::Seq(items.iter().map(|item| self.value(item)).collect()),
            DeValue::String(text) => Kind::Text { text: text.to_string(), body: place },
            DeValue::Boolean(value) => Kind::Text { text: value.to_string(), body: place },
            DeValue::Integer(value) => Kind::Text { text: value.to_string(), body: place },
            DeValue::Float(value) => Kind::Text { text: value.to_string(), body: place },
            DeValue::Datetime(value) => Kind::Text { text: value.to_string(), body: place },
        };
        Node { kind, place }
    }
}
