//! Sentences of the grammar: for each production a shortest one that holds it, and random ones.

use std::collections::BTreeSet;

use super::grammar::{Grammar, Symbol};
use super::nest::{self, Kind, Place};
use super::random::Random;
use super::words::Words;

/// A statement as tokens: the parser's terminal and how it is written.
pub type Sentence = Vec<(Symbol, String)>;

/// Makes sentences of a grammar.
pub struct Generator<'g> {
    pub grammar: &'g Grammar,
    words: Words,
    /// The least number of tokens that each symbol and production stands for.
    symbol_cost: Vec<usize>,
    production_cost: Vec<usize>,
    /// The productions and places in them by which a nonterminal is reached from the root, each a
    /// step nearer to it; the cheapest first.
    ways: Vec<Vec<(usize, usize)>>,
    /// What each part of speech may be written as, by nonterminal: names that exist.
    phrases: Vec<Vec<Sentence>>,
    /// What can stand in the place of a symbol and holds statements or expressions, by symbol.
    holders: Vec<Option<Kind>>,
    /// For the others the production and the place in it by which the next of these is reached, and
    /// over how many productions.
    inward: Vec<Option<(usize, (usize, usize))>>,
    /// Symbols, each with marks of what stands before and behind it in a statement that runs.
    frames: Vec<(Symbol, Symbol, Symbol)>,
    root: Symbol,
    statement: Symbol,
}

/// How often a sentence for a production is tried.
const ATTEMPTS: usize = 160;

/// What no sentence holds: they begin other grammars than that of statements.
const NEVER: usize = 1 << 20;

/// Marks of what stands for a place: this, and the symbol.
const HOLE: usize = 1 << 40;

/// Marks of the beginning of one of [`nest::FRAMES`], and of its end: this, and twice its number.
const FRAME: usize = 1 << 50;

/// Over how many productions a symbol that is no holder itself may lead to one to be a place: lists,
/// clauses and the like.
const WRAPPED: usize = 2;

impl<'g> Generator<'g> {
    pub fn new(grammar: &'g Grammar) -> Generator<'g> {
        let mut made = Generator {
            words: Words::new(grammar),
            grammar,
            symbol_cost: vec![NEVER; grammar.symbols()],
            production_cost: vec![NEVER; grammar.productions.len()],
            ways: vec![Vec::new(); grammar.symbols()],
            phrases: vec![Vec::new(); grammar.symbols()],
            holders: vec![None; grammar.symbols()],
            inward: vec![None; grammar.symbols()],
            frames: Vec::new(),
            root: grammar.symbol("stmtmulti"),
            statement: grammar.symbol("toplevel_stmt"),
        };
        made.count_costs();
        made.find_ways();
        for (name, kind) in nest::HOLDERS {
            made.holders[grammar.symbol(name)] = Some(*kind);
        }
        made.find_inward();
        for (number, (name, _, _)) in nest::FRAMES.iter().enumerate() {
            let mark = FRAME + 2 * number;
            made.frames.push((grammar.symbol(name), mark, mark + 1));
        }
        for (symbol, phrase) in made.words.phrases(grammar) {
            made.phrases[symbol].push(phrase);
        }
        made
    }

    fn count_costs(&mut self) {
        for symbol in 0..self.grammar.symbols() {
            let name = self.grammar.name(symbol);
            if self.grammar.is_terminal(symbol) && self.words.can_be_written(name) {
                self.symbol_cost[symbol] = 1;
            }
        }
        loop {
            let mut changed = false;
            for (number, production) in self.grammar.productions.iter().enumerate().skip(2) {
                let cost: usize = production.right.iter().map(|part| self.symbol_cost[*part]).sum();
                let cost = cost.min(NEVER);
                if cost < self.production_cost[number] {
                    self.production_cost[number] = cost;
                    let left = &mut self.symbol_cost[production.left];
                    *left = cost.min(*left);
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// The ways from the root, by relaxation: what stands beside them counts.
    fn find_ways(&mut self) {
        let mut distance = vec![NEVER; self.grammar.symbols()];
        distance[self.root] = 0;
        let mut changed = true;
        while changed {
            changed = false;
            self.each_step(|far, from, symbol, _| {
                if distance[from] + far < distance[symbol] {
                    distance[symbol] = distance[from] + far;
                    changed = true;
                }
            });
        }
        let mut ways = vec![Vec::new(); self.grammar.symbols()];
        self.each_step(|far, from, symbol, step| {
            if distance[from] < distance[symbol] && distance[from] < NEVER {
                ways[symbol].push((distance[from] + far, step));
            }
        });
        for (symbol, mut found) in ways.into_iter().enumerate() {
            found.sort_unstable();
            self.ways[symbol] = found.into_iter().map(|(_, step)| step).collect();
        }
    }

    /// The shortest ways from every other symbol to what holds a statement or an expression.
    fn find_inward(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for (number, production) in self.grammar.productions.iter().enumerate() {
                if self.holders[production.left].is_some() || self.production_cost[number] >= NEVER
                {
                    continue;
                }
                for (place, part) in production.right.iter().enumerate() {
                    let far = match (self.holders[*part], self.inward[*part]) {
                        (Some(_), _) => 1,
                        (None, Some((far, _))) => far + 1,
                        (None, None) => continue,
                    };
                    let known = &mut self.inward[production.left];
                    if known.is_none_or(|(known, _)| far < known) {
                        *known = Some((far, (number, place)));
                        changed = true;
                    }
                }
            }
        }
    }

    /// Every place of the grammar at which a statement or an expression stands, by itself or in a
    /// list or clause: productions, and places in them.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (number, production) in self.grammar.productions.iter().enumerate().skip(1) {
            let leads = |part: &Symbol| {
                self.holders[*part].is_some()
                    || self.inward[*part].is_some_and(|(far, _)| far <= WRAPPED)
            };
            let places = production.right.iter().enumerate().filter(|(_, part)| leads(part));
            found.extend(places.map(|(place, _)| (number, place)));
        }
        found
    }

    /// A statement with such a place, to be filled.
    pub fn place(
        &self,
        (production, place): (usize, usize),
        room: usize,
        random: &mut Random,
        accepted: impl Fn(&Sentence) -> bool,
    ) -> Option<Place> {
        if !self.is_reachable(production) {
            return None;
        }
        let symbols = self.around(production, Some(place), room, random);
        let (sentence, hole) = self.written(symbols, random);
        let hole = hole.filter(|hole| self.stands_at((production, place), &sentence, hole))?;
        accepted(&sentence).then(|| Place::new(sentence, hole))
    }

    /// The same, written by hand.
    pub fn place_by_hand(&self, place: (usize, usize)) -> Option<Place> {
        nest::BY_HAND.iter().find_map(|(kind, text)| {
            let (before, after) = text.split_once(" {}")?;
            let mut sentence = self.words.sentence(self.grammar, before);
            let from = sentence.len();
            sentence.extend(self.words.sentence(self.grammar, kind.samples()[1]));
            let hole = (*kind, from, sentence.len());
            sentence.extend(self.words.sentence(self.grammar, after));
            self.words.look_ahead(self.grammar, &mut sentence);
            let stands = self.stands_at(place, &sentence, &hole);
            stands.then(|| Place::new(sentence, hole))
        })
    }

    /// Whether a sentence is parsed so that what is to be filled is in this part of this production.
    fn stands_at(
        &self,
        (production, place): (usize, usize),
        sentence: &Sentence,
        (_, from, to): &(Kind, usize, usize),
    ) -> bool {
        let symbols: Vec<Symbol> = sentence.iter().map(|(symbol, _)| *symbol).collect();
        self.grammar.reductions(&symbols).is_some_and(|found| {
            found.iter().any(|reduction| {
                reduction.production == production
                    && reduction.parts[place].0 <= *from
                    && *to <= reduction.parts[place].1
            })
        })
    }

    /// Every nonterminal of every production: how many tokens stand beside it, the left side, it.
    fn each_step(&self, mut with: impl FnMut(usize, Symbol, Symbol, (usize, usize))) {
        for (number, production) in self.grammar.productions.iter().enumerate() {
            if self.production_cost[number] >= NEVER {
                continue;
            }
            for (place, part) in production.right.iter().enumerate() {
                if !self.grammar.is_terminal(*part) {
                    let beside = self.production_cost[number] - self.symbol_cost[*part];
                    with(beside + 1, production.left, *part, (number, place));
                }
            }
        }
    }

    /// Whether a statement can hold this production at all.
    pub fn is_reachable(&self, production: usize) -> bool {
        let left = self.grammar.productions[production].left;
        self.production_cost[production] < NEVER
            && (left == self.root || !self.ways[left].is_empty())
    }

    /// A sentence that is accepted and whose parse holds this production: one of the shortest,
    /// else one grown at random, else one that was written by hand.
    pub fn holding(
        &self,
        production: usize,
        random: &mut Random,
        accepted: impl Fn(&Sentence) -> bool,
    ) -> Option<Sentence> {
        let holds = |sentence: &Sentence| {
            self.parses(sentence).is_some_and(|found| found.contains(&production))
                && accepted(sentence)
        };
        let grown = (0..ATTEMPTS).find_map(|attempt| {
            let symbols = self.around(production, None, attempt / 8, random);
            let (sentence, _) = self.written(symbols, random);
            holds(&sentence).then_some(sentence)
        });
        grown.or_else(|| self.words.by_hand(self.grammar).into_iter().find(holds))
    }

    /// A random statement of the kind that a production of `stmt` names.
    pub fn random(&self, production: usize, room: usize, random: &mut Random) -> Option<Sentence> {
        let (sentence, _) = self.written(self.around(production, None, room, random), random);
        self.parses(&sentence).map(|_| sentence)
    }

    /// The productions of a sentence's parse; `None` where the parser refuses it.
    pub fn parses(&self, sentence: &Sentence) -> Option<BTreeSet<usize>> {
        let symbols: Vec<Symbol> = sentence.iter().map(|(symbol, _)| *symbol).collect();
        let found = self.grammar.reductions(&symbols)?;
        Some(found.into_iter().map(|reduction| reduction.production).collect())
    }

    /// A sentence around a production. `hole`: which of its parts is left to be filled.
    fn around(
        &self,
        production: usize,
        hole: Option<usize>,
        room: usize,
        random: &mut Random,
    ) -> Vec<Symbol> {
        let mut inner = Vec::new();
        for (place, part) in self.grammar.productions[production].right.iter().enumerate() {
            match hole == Some(place) {
                true => self.lead(*part, room, random, &mut inner),
                false => self.grow(*part, room, random, &mut inner),
            }
        }
        let mut symbol = self.grammar.productions[production].left;
        while symbol != self.root {
            // what may stand anywhere runs best in a statement that is known to
            let frames = self.frames.iter().filter(|(framed, ..)| *framed == symbol);
            let frames: Vec<_> = frames.filter(|_| hole.is_some()).collect();
            if !frames.is_empty() && random.chance(80) {
                let (_, before, after) = *random.pick(&frames);
                return vec![*before].into_iter().chain(inner).chain([*after]).collect();
            }
            let ways = &self.ways[symbol];
            let choice = if room == 0 { 1 } else { ways.len().min(room * 4) };
            let (number, place) = ways[random.below(choice)];
            let outer = &self.grammar.productions[number];
            let mut grown = Vec::new();
            for (index, part) in outer.right.iter().enumerate() {
                match index == place {
                    true => grown.append(&mut inner),
                    false => self.grow(*part, room, random, &mut grown),
                }
            }
            inner = grown;
            symbol = outer.left;
            if symbol == self.statement && random.chance(90) {
                break;
            }
        }
        inner
    }

    /// Appends a derivation of `symbol` with what is to be filled in it.
    fn lead(&self, symbol: Symbol, room: usize, random: &mut Random, out: &mut Vec<Symbol>) {
        let Some((_, (production, place))) = self.inward[symbol] else {
            return out.push(HOLE + symbol);
        };
        for (index, part) in self.grammar.productions[production].right.iter().enumerate() {
            match index == place {
                true => self.lead(*part, room, random, out),
                false => self.grow(*part, room, random, out),
            }
        }
    }

    /// Appends a derivation of `symbol`. Marks of phrases are numbers beyond the symbols.
    fn grow(&self, symbol: Symbol, room: usize, random: &mut Random, out: &mut Vec<Symbol>) {
        if self.grammar.is_terminal(symbol) {
            return out.push(symbol);
        }
        if !self.phrases[symbol].is_empty() && random.chance(if room < 2 { 90 } else { 55 }) {
            return out.push(self.grammar.symbols() + symbol);
        }
        let all = self.grammar.alternatives(symbol);
        let least = self.symbol_cost[symbol];
        let fitting: Vec<usize> = all
            .iter()
            .copied()
            .filter(|number| self.production_cost[*number] <= least.max(room))
            .collect();
        let Some(chosen) = (!fitting.is_empty()).then(|| *random.pick(&fitting)) else { return };
        let parts = &self.grammar.productions[chosen].right;
        let share = room.saturating_sub(1) / parts.len().max(1);
        for part in parts {
            // one part gets most of the room, so that what is deep gets deep
            let room = if random.chance(35) { room.saturating_sub(1) } else { share };
            self.grow(*part, room, random, out);
        }
    }

    /// Writes what was grown, and says which tokens stand for what is to be filled, if anything.
    fn written(
        &self,
        symbols: Vec<Symbol>,
        random: &mut Random,
    ) -> (Sentence, Option<(Kind, usize, usize)>) {
        let mut sentence = Sentence::new();
        let mut hole = None;
        for symbol in symbols {
            if let Some(mark) = symbol.checked_sub(FRAME) {
                let (_, before, after) = nest::FRAMES[mark / 2];
                let text = if mark % 2 == 0 { before } else { after };
                sentence.extend(self.words.sentence(self.grammar, text));
                continue;
            }
            if let Some(holder) = symbol.checked_sub(HOLE) {
                let from = sentence.len();
                let kind = self.holders[holder].expect("only holders are marked");
                sentence.extend(self.words.sentence(self.grammar, kind.samples()[random.below(2)]));
                hole = Some((kind, from, sentence.len()));
                continue;
            }
            match symbol.checked_sub(self.grammar.symbols()) {
                Some(nonterminal) => {
                    sentence.extend(random.pick(&self.phrases[nonterminal]).iter().cloned());
                }
                None => sentence.push((symbol, String::new())),
            }
        }
        self.words.write(self.grammar, &mut sentence, random);
        (sentence, hole)
    }
}

/// A sentence as text.
pub fn text(sentence: &Sentence) -> String {
    let mut text = String::new();
    for (_, word) in sentence {
        let tight = matches!(word.as_str(), "," | ";" | ")" | "." | "[" | "]" | "::")
            || text.ends_with(['(', '.', '[']) && !text.ends_with("..")
            || text.ends_with("::");
        if !text.is_empty() && !tight {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}
