//! Reading the flat stream of `csrc/stream.h`.
//!
//! Reading cannot fail or panic: a word that is not what it should be ends the iteration it
//! stands in. (The stream is written by our own C code and is trusted to be whole.)

use std::fmt;

use crate::ffi::{Words, bytes_of};

const NODE: u32 = 0;
const INT: u32 = 1;
const TRUE: u32 = 2;
const ENUM: u32 = 3;
const STRING: u32 = 4;
const CHILD: u32 = 5;
const LIST: u32 = 6;
const CHAR: u32 = 7;
const WIDE: u32 = 8;

/// The parse tree of a text: its statements in order.
#[derive(Debug)]
pub struct Tree(Words);

impl Tree {
    pub(crate) fn new(words: Words) -> Tree {
        Tree(words)
    }

    /// The nodes at the top: one `RawStmt` a statement.
    pub fn statements(&self) -> Items<'_> {
        Items { words: self.0.as_slice() }
    }
}

/// A node of a parse tree, by reference into the tree's buffer.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    /// From the node's header to its last word.
    words: &'t [u32],
}

/// One field of a node.
enum Field<'t> {
    Number(u32),
    True,
    Wide(u64),
    Bytes(&'t [u8]),
    Node(Node<'t>),
    List(Items<'t>),
}

impl<'t> Node<'t> {
    /// The node that begins at `words`, and what follows it.
    #[inline]
    fn split(words: &'t [u32]) -> Option<(Node<'t>, &'t [u32])> {
        let (&[header, length], _) = words.split_first_chunk()?;
        if header & 15 != NODE {
            return None;
        }
        let (node, rest) = words.split_at_checked(length.max(2) as usize)?;
        Some((Node { words: node }, rest))
    }

    /// What the node is: a constant of [`tag`](crate::tag), 0 for NULL in a list.
    #[inline]
    pub fn tag(self) -> u16 {
        self.words.first().map_or(0, |header| (header >> 4) as u16)
    }

    /// How many words the node takes, with everything below it: nodes of the same tree in order
    /// of appearance can be told inside from outside by it.
    #[inline]
    pub fn extent(self) -> usize {
        self.words.len()
    }

    fn find(self, id: u16) -> Option<Field<'t>> {
        let mut words = self.words.get(2..)?;
        loop {
            let (&header, payload) = words.split_first()?;
            let (field, rest) = Field::split(header & 15, payload)?;
            if header >> 4 == u32::from(id) {
                return Some(field);
            }
            words = rest;
        }
    }

    /// A field that is a node.
    pub fn node(self, field: u16) -> Option<Node<'t>> {
        match self.find(field)? {
            Field::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The items of a list field; none where the list is NIL.
    pub fn list(self, field: u16) -> Items<'t> {
        match self.find(field) {
            Some(Field::List(items)) => items,
            _ => Items { words: &[] },
        }
    }

    /// Whether a field is there at all: not NULL, NIL, zero or false.
    pub fn has(self, field: u16) -> bool {
        self.find(field).is_some()
    }

    /// A boolean field.
    pub fn flag(self, field: u16) -> bool {
        matches!(self.find(field), Some(Field::True))
    }

    /// An integer field; 0 where it is absent.
    pub fn int(self, field: u16) -> i32 {
        match self.find(field) {
            Some(Field::Number(number)) => number as i32,
            Some(Field::Wide(number)) => number as i32,
            _ => 0,
        }
    }

    /// A field of an enum type, to be compared with [`value`](crate::value); 0 where absent,
    /// which no enum has.
    pub fn value(self, field: u16) -> u32 {
        match self.find(field) {
            Some(Field::Number(number)) => number,
            _ => 0,
        }
    }

    /// A `char` field; 0 where it is absent.
    pub fn char(self, field: u16) -> u8 {
        self.value(field) as u8
    }

    /// A string field, as bytes: text need not be UTF-8.
    pub fn bytes(self, field: u16) -> Option<&'t [u8]> {
        match self.find(field)? {
            Field::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// This node and every node below it, each before what is below it.
    pub fn descendants(self) -> Descendants<'t> {
        Descendants { words: self.words }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node(tag {}, {} words)", self.tag(), self.words.len())
    }
}

impl<'t> Field<'t> {
    #[inline]
    fn split(kind: u32, payload: &'t [u32]) -> Option<(Field<'t>, &'t [u32])> {
        match kind {
            INT | ENUM | CHAR => {
                let (&number, rest) = payload.split_first()?;
                Some((Field::Number(number), rest))
            }
            TRUE => Some((Field::True, payload)),
            WIDE => {
                let (&[low, high], rest) = payload.split_first_chunk()?;
                Some((Field::Wide(u64::from(high) << 32 | u64::from(low)), rest))
            }
            STRING => {
                let (&length, rest) = payload.split_first()?;
                let length = length as usize;
                let (words, rest) = rest.split_at_checked(length.div_ceil(4))?;
                Some((Field::Bytes(bytes_of(words).get(..length)?), rest))
            }
            CHILD => Node::split(payload).map(|(node, rest)| (Field::Node(node), rest)),
            LIST => {
                let (&[_, extent], rest) = payload.split_first_chunk()?;
                let (items, rest) = rest.split_at_checked(extent as usize)?;
                Some((Field::List(Items { words: items }), rest))
            }
            _ => None,
        }
    }
}

/// The nodes of a list, in order.
#[derive(Clone)]
pub struct Items<'t> {
    words: &'t [u32],
}

impl<'t> Iterator for Items<'t> {
    type Item = Node<'t>;

    #[inline]
    fn next(&mut self) -> Option<Node<'t>> {
        let (node, rest) = Node::split(self.words)?;
        self.words = rest;
        Some(node)
    }
}

/// Every node below one, without recursion.
#[derive(Clone)]
pub struct Descendants<'t> {
    words: &'t [u32],
}

impl<'t> Descendants<'t> {
    /// Leaves out the rest of a node that was just given.
    pub fn skip(&mut self, node: Node<'t>) {
        let below = node.words.len().saturating_sub(2);
        self.words = self.words.get(below..).unwrap_or(&[]);
    }

    /// How many words are still to come: falls monotonically, so it tells when a node's part has
    /// been passed.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.words.len()
    }
}

impl<'t> Iterator for Descendants<'t> {
    type Item = Node<'t>;

    #[inline]
    fn next(&mut self) -> Option<Node<'t>> {
        loop {
            let (&header, payload) = self.words.split_first()?;
            let step = match header & 15 {
                NODE => {
                    let (node, _) = Node::split(self.words)?;
                    self.words = self.words.get(2..)?;
                    return Some(node);
                }
                TRUE | CHILD => 0,
                INT | ENUM | CHAR => 1,
                WIDE | LIST => 2,
                STRING => 1 + (*payload.first()? as usize).div_ceil(4),
                _ => return None,
            };
            self.words = payload.get(step..)?;
        }
    }
}
