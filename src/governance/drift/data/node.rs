//! A document of YAML, JSON or TOML: the same tree for each, with the place of every value.

use crate::governance::drift::facts::Place;

/// A value.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it starts.
    pub place: Place,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Keys and values, in order; merged keys of YAML included.
    Map(Vec<(String, Node)>),
    /// A list.
    Seq(Vec<Node>),
    /// A scalar's text. `body` is the place of its first character where it differs from the
    /// scalar's own (YAML's block scalars).
    Text {
        /// The text.
        text: String,
        /// Where it begins.
        body: Place,
    },
    /// Nothing.
    Null,
}

impl Node {
    /// Nothing, there.
    pub fn null(place: Place) -> Node {
        Node { kind: Kind::Null, place }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map().iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Keys and values; none of what is no map.
    pub fn map(&self) -> &[(String, Node)] {
        match &self.kind {
            Kind::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The elements; none of what is no list.
    pub fn seq(&self) -> &[Node] {
        match &self.kind {
            Kind::Seq(items) => items,
            _ => &[],
        }
    }

    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}
