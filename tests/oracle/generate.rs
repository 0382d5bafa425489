//! Sentences of the grammar: for each production a shortest one that holds it, and random ones.

use std::collections::BTreeSet;

use super::grammar::{Grammar, Symbol};
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
    root: Symbol,
    statement: Symbol,
}

/// How often a sentence for a production is tried.
const ATTEMPTS: usize = 160;

/// What no sentence holds: they begin other grammars than that of statements.
const NEVER: usize = 1 << 20;

impl<'g> Generator<'g> {
    pub fn new(grammar: &'g Grammar) -> Generator<'g> {
        let mut made = Generator {
            words: Words::new(grammar),
            grammar,
            symbol_cost: vec![NEVER; grammar.symbols()],
            production_cost: vec![NEVER; grammar.productions.len()],
            ways: vec![Vec::new(); grammar.symbols()],
            phrases: vec![Vec::new(); grammar.symbols()],
            root: grammar.symbol("stmtmulti"),
            statement: grammar.symbol("toplevel_stmt"),
        };
        made.count_costs();
        made.find_ways();
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
            let sentence = self.written(self.around(production, attempt / 8, random), random);
            holds(&sentence).then_some(sentence)
        });
        grown.or_else(|| self.words.by_hand(self.grammar).into_iter().find(holds))
    }

    /// A random statement of the kind that a production of `stmt` names.
    pub fn random(&self, production: usize, room: usize, random: &mut Random) -> Option<Sentence> {
        let sentence = self.written(self.around(production, room, random), random);
        self.parses(&sentence).map(|_| sentence)
    }

    /// The productions of a sentence's parse; `None` where the parser refuses it.
    pub fn parses(&self, sentence: &Sentence) -> Option<BTreeSet<usize>> {
        let symbols: Vec<Symbol> = sentence.iter().map(|(symbol, _)| *symbol).collect();
        Some(self.grammar.reductions(&symbols)?.into_iter().collect())
    }

    fn around(&self, production: usize, room: usize, random: &mut Random) -> Vec<Symbol> {
        let mut inner = Vec::new();
        for part in &self.grammar.productions[production].right {
            self.grow(*part, room, random, &mut inner);
        }
        let mut symbol = self.grammar.productions[production].left;
        while symbol != self.root {
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

    fn written(&self, symbols: Vec<Symbol>, random: &mut Random) -> Sentence {
        let mut sentence = Sentence::new();
        for symbol in symbols {
            match symbol.checked_sub(self.grammar.symbols()) {
                Some(nonterminal) => {
                    sentence.extend(random.pick(&self.phrases[nonterminal]).iter().cloned());
                }
                None => sentence.push((symbol, String::new())),
            }
        }
        self.words.write(self.grammar, &mut sentence, random);
        sentence
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
