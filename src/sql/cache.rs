//! Judgements kept: by exact text, then by shape, then from the grammar; first hit wins.
//!
//! One [`Judge`] a worker thread, unshared. What an attacker sends cannot make two texts share a
//! judgement (keys are compared), nor grow the cache beyond its budget.

mod store;

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use ahash::RandomState;

use self::store::Store;
use super::shape::{Shape, shape};
use super::{Class, Effect, Judgement};

/// Longer texts are judged every time: they are bulk loads, and would flush everything else out.
pub const MAX_CACHED_TEXT: usize = 16 * 1024;

/// Texts seen once lately, by fingerprint: 2^12 of them.
const SEEN_BITS: u32 = 12;

/// Judges a text by the grammar.
pub type Grammar = Box<dyn Fn(&[u8], &BTreeSet<String>) -> Judgement>;

/// Judges texts, and remembers. Not `Sync`: each worker thread has its own.
pub struct Judge {
    migration_tables: Arc<BTreeSet<String>>,
    grammar: Grammar,
    /// Seeded anew in every process and for every judge: nobody can aim at a hash.
    hasher: RandomState,
    exact: Store,
    shapes: Store,
    /// One fingerprint a place: a text enters `exact` when it is met while still in here. A
    /// workload whose texts never come again then costs no insertions.
    seen: Box<[u32]>,
    canonical: Vec<u8>,
    stats: Stats,
    found: Found,
}

/// How a judgement was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The same text was known.
    Exact,
    /// The same text with other literals was known.
    Shape,
    /// The grammar was asked.
    Parsed,
}

/// Counts since the judge was made, and what its cache takes now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Texts found by their exact bytes.
    pub exact_hits: u64,
    /// Texts found by their shape.
    pub shape_hits: u64,
    /// Texts that the grammar was asked for.
    pub parsed: u64,
    /// Entries evicted.
    pub evicted: u64,
    /// Entries held now.
    pub entries: usize,
    /// Bytes that the entries take now, an estimate from above.
    pub bytes: usize,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Judge {
    /// A judge that holds about `budget_bytes` at most. `migration_tables`: the unqualified names
    /// of version tables, folded.
    pub fn new(migration_tables: Arc<BTreeSet<String>>, budget_bytes: usize) -> Self {
        Judge::with_grammar(migration_tables, budget_bytes, Box::new(super::judge))
    }

    /// As [`Judge::new`], with `grammar` around [`super::judge`]: it may measure, and must not
    /// change what that gives.
    pub fn with_grammar(
        migration_tables: Arc<BTreeSet<String>>,
        budget_bytes: usize,
        grammar: Grammar,
    ) -> Self {
        Judge {
            migration_tables,
            grammar,
            hasher: RandomState::new(),
            exact: Store::new(budget_bytes / 2),
            shapes: Store::new(budget_bytes / 2),
            seen: vec![0; 1 << SEEN_BITS].into_boxed_slice(),
            canonical: Vec::new(),
            stats: Stats::default(),
            found: Found::Parsed,
        }
    }

    /// The judgement of a text, the same that the grammar gives.
    ///
    /// The result is shared with the cache: hold it as long as needed, at the price of one copy
    /// when another text of the same shape comes meanwhile.
    pub fn judge(&mut self, text: &[u8]) -> Rc<Judgement> {
        if text.len() > MAX_CACHED_TEXT {
            return Rc::new(self.parse(text));
        }
        let hash = self.hasher.hash_one(text);
        if let Some(judgement) = self.exact.get(hash, text) {
            self.stats.exact_hits += 1;
            self.found = Found::Exact;
            return judgement;
        }
        let second_sight = self.second_sight(hash);
        match shape(text, &mut self.canonical) {
            Some(shape) => self.by_shape(text, shape, second_sight.then_some(hash)),
            None => {
                let judgement = Rc::new(self.parse(text));
                if second_sight {
                    self.exact.insert(hash, text, Rc::clone(&judgement));
                }
                judgement
            }
        }
    }

    /// How the last judgement was found.
    #[inline]
    pub fn found(&self) -> Found {
        self.found
    }

    /// Counts, for metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            evicted: self.exact.evicted() + self.shapes.evicted(),
            entries: self.exact.len() + self.shapes.len(),
            bytes: self.exact.bytes() + self.shapes.bytes(),
            ..self.stats
        }
    }

    /// Whether the text of this hash was met lately; from now on it was.
    fn second_sight(&mut self, hash: u64) -> bool {
        #[allow(clippy::cast_possible_truncation, reason = "a fingerprint")]
        let (place, fingerprint) = ((hash >> (64 - SEEN_BITS)) as usize, hash as u32 | 1);
        match self.seen.get_mut(place) {
            Some(seen) => std::mem::replace(seen, fingerprint) == fingerprint,
            None => false,
        }
    }

    /// `canonical` holds the shape's bytes. `keep`: the hash to keep the exact text under.
    fn by_shape(&mut self, text: &[u8], shape: Shape, keep: Option<u64>) -> Rc<Judgement> {
        let hash = self.hasher.hash_one(&*self.canonical);
        let found = self.shapes.change(hash, &self.canonical, |shared| adapt(shared, text, shape));
        let judgement = match found {
            Some(judgement) => {
                self.stats.shape_hits += 1;
                self.found = Found::Shape;
                judgement
            }
            None => {
                let judgement = Rc::new(self.parse(text));
                if stands_for(&judgement, shape) {
                    self.shapes.insert(hash, &self.canonical, Rc::clone(&judgement));
                }
                judgement
            }
        };
        if let Some(hash) = keep {
            // a copy of its own: the shape's is changed in place as long as nobody shares it
            self.exact.insert(hash, text, Rc::new(Judgement::clone(&judgement)));
        }
        judgement
    }

    fn parse(&mut self, text: &[u8]) -> Judgement {
        self.stats.parsed += 1;
        self.found = Found::Parsed;
        (self.grammar)(text, &self.migration_tables)
    }
}

/// Whether a judgement, once adapted, is that of any text of its shape: constants move nothing but
/// the end of the statement, and enter nothing but the text kept. Anything else than one readable statement over the expected bytes is not.
fn stands_for(judgement: &Judgement, shape: Shape) -> bool {
    match &*judgement.statements {
        [statement] => {
            statement.class != Class::Opaque
                && statement.location == 0
                && statement.length as usize == shape.end
                && statement.set_config.is_empty()
                && statement.effect == Effect::None
                && judgement.lexing == shape.lexing
        }
        _ => false,
    }
}

/// Makes a shape's judgement that of `text`: the length of its statement, and the text where it is
/// kept. Copies only while somebody still holds the judgement of an earlier text.
fn adapt(judgement: &mut Rc<Judgement>, text: &[u8], shape: Shape) {
    // a shape's text is no longer than MAX_CACHED_TEXT
    let Ok(length) = u32::try_from(shape.end) else { return };
    let fits = judgement.statements.first().is_some_and(|statement| statement.length == length);
    if fits && judgement.text.is_none() {
        return;
    }
    let judgement = Rc::make_mut(judgement);
    if let Some(statement) = judgement.statements.first_mut() {
        statement.length = length;
    }
    if let Some(kept) = &mut judgement.text {
        *kept = text.into();
    }
}

#[cfg(test)]
mod tests;
