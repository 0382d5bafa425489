//! PostgreSQL's own grammar as data: the productions and the automaton of the parser that the
//! `pg_query` package ships, read from its generated C file.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A terminal or nonterminal; terminals come first.
pub type Symbol = usize;

/// `left: right…`, by its number in the grammar.
pub struct Production {
    pub left: Symbol,
    pub right: Vec<Symbol>,
}

/// A production in the parse of a sentence.
pub struct Reduction {
    pub production: usize,
    /// The tokens of each of its parts: the first, the one behind the last.
    pub parts: Vec<(usize, usize)>,
}

/// The grammar and its LALR(1) automaton.
pub struct Grammar {
    names: Vec<String>,
    terminals: usize,
    pub productions: Vec<Production>,
    /// The productions of each nonterminal, by `symbol - terminals`.
    alternatives: Vec<Vec<usize>>,
    by_name: HashMap<String, Symbol>,
    /// Keywords as they are written, to their terminals.
    pub keywords: HashMap<String, Symbol>,
    automaton: Automaton,
}

struct Automaton {
    pact: Vec<i64>,
    pact_ninf: i64,
    table_ninf: i64,
    table: Vec<i64>,
    check: Vec<i64>,
    defact: Vec<i64>,
    defgoto: Vec<i64>,
    pgoto: Vec<i64>,
}

impl Grammar {
    /// Reads the files of the `pg_query` package that cargo resolved.
    pub fn read() -> Grammar {
        let source = libpg_query().join("src/postgres");
        let text = fs::read_to_string(source.join("src_backend_parser_gram.c")).unwrap();
        let array = |name| numbers(&text, name);
        let names = strings(&text, "yytname");
        let terminals = usize::try_from(define(&text, "YYNTOKENS")).unwrap();
        let (starts, rights) = (array("yyprhs"), array("yyrhs"));
        let productions: Vec<Production> = array("yyr1")
            .into_iter()
            .zip(&starts)
            .map(|(left, start)| Production {
                left: left as usize,
                right: rights[*start as usize..]
                    .iter()
                    .take_while(|symbol| **symbol >= 0)
                    .map(|symbol| *symbol as usize)
                    .collect(),
            })
            .collect();
        let mut alternatives = vec![Vec::new(); names.len() - terminals];
        for (number, production) in productions.iter().enumerate().skip(1) {
            alternatives[production.left - terminals].push(number);
        }
        let by_name: HashMap<String, Symbol> =
            names.iter().enumerate().map(|(symbol, name)| (name.clone(), symbol)).collect();
        let list = fs::read_to_string(source.join("include/parser/kwlist.h")).unwrap();
        let keywords = list
            .lines()
            .filter_map(|line| line.strip_prefix("PG_KEYWORD("))
            .map(|line| {
                let (word, rest) = line.split_once(',').unwrap();
                let token = rest.split(',').next().unwrap().trim();
                (word.trim_matches('"').to_owned(), by_name[token])
            })
            .collect();
        let automaton = Automaton {
            pact: array("yypact"),
            pact_ninf: define(&text, "YYPACT_NINF"),
            table_ninf: define(&text, "YYTABLE_NINF"),
            table: array("yytable"),
            check: array("yycheck"),
            defact: array("yydefact"),
            defgoto: array("yydefgoto"),
            pgoto: array("yypgoto"),
        };
        Grammar { names, terminals, productions, alternatives, by_name, keywords, automaton }
    }

    pub fn is_terminal(&self, symbol: Symbol) -> bool {
        symbol < self.terminals
    }

    /// How many symbols there are.
    pub fn symbols(&self) -> usize {
        self.names.len()
    }

    /// A symbol's name in `gram.y`.
    pub fn name(&self, symbol: Symbol) -> &str {
        &self.names[symbol]
    }

    /// The symbol of a name in `gram.y`.
    pub fn symbol(&self, name: &str) -> Symbol {
        *self.by_name.get(name).unwrap_or_else(|| panic!("the grammar has no symbol {name}"))
    }

    /// The productions of a nonterminal.
    pub fn alternatives(&self, symbol: Symbol) -> &[usize] {
        &self.alternatives[symbol - self.terminals]
    }

    /// A production as `gram.y` writes it.
    pub fn shown(&self, production: usize) -> String {
        let Production { left, right } = &self.productions[production];
        let right: Vec<_> = right.iter().map(|symbol| self.name(*symbol)).collect();
        format!("{}: {}", self.name(*left), right.join(" "))
    }

    /// The productions that the parser reduces by on this sentence, each with the tokens of its
    /// parts (the first, the one behind the last); `None` where it refuses it.
    pub fn reductions(&self, sentence: &[Symbol]) -> Option<Vec<Reduction>> {
        let machine = &self.automaton;
        // states, each with the tokens of the symbol that led to it
        let mut stack = vec![(0usize, (0usize, 0usize))];
        let mut found = Vec::new();
        let mut input = sentence.iter().copied().chain([0]);
        let (mut token, mut at) = (input.next()?, 0);
        loop {
            let state = stack.last()?.0;
            let action = match machine.action(state, token) {
                0 => return None,
                action => action,
            };
            if action > 0 {
                if token == 0 {
                    return Some(found);
                }
                stack.push((usize::try_from(action).ok()?, (at, at + 1)));
                token = input.next()?;
                at += 1;
                continue;
            }
            let number = usize::try_from(-action).ok()?;
            let production = &self.productions[number];
            let parts: Vec<_> = stack
                .drain(stack.len() - production.right.len()..)
                .map(|(_, tokens)| tokens)
                .collect();
            let from = parts.first().map_or(at, |tokens| tokens.0);
            let state = machine.goto(stack.last()?.0, production.left - self.terminals);
            stack.push((state, (from, at)));
            found.push(Reduction { production: number, parts });
        }
    }
}

impl Automaton {
    /// A state to shift to, minus a production to reduce by, or 0: an error.
    fn action(&self, state: usize, token: Symbol) -> i64 {
        let offset = self.pact[state];
        if offset != self.pact_ninf {
            let entry = usize::try_from(offset + token as i64).ok();
            if let Some(entry) = entry.filter(|e| self.check.get(*e) == Some(&(token as i64))) {
                let action = self.table[entry];
                return if action == self.table_ninf { 0 } else { action };
            }
        }
        -self.defact[state]
    }

    fn goto(&self, state: usize, left: usize) -> usize {
        let entry = usize::try_from(self.pgoto[left] + state as i64).ok();
        let next = match entry.filter(|e| self.check.get(*e) == Some(&(state as i64))) {
            Some(entry) => self.table[entry],
            None => self.defgoto[left],
        };
        next as usize
    }
}

/// The folder `libpg_query` of the resolved `pg_query` package.
pub fn libpg_query() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let package = json["packages"].as_array().unwrap().iter().find(|p| p["name"] == "pg_query");
    let manifest = Path::new(package.unwrap()["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("libpg_query")
}

/// What stands between the braces of an array.
fn body<'t>(text: &'t str, name: &str) -> &'t str {
    let start = text.find(&format!(" {name}[] =")).unwrap_or_else(|| panic!("no array {name}"));
    let body = text[start..].split_once('{').unwrap().1;
    body.split_once("\n};").unwrap().0
}

fn numbers(text: &str, name: &str) -> Vec<i64> {
    body(text, name).split(',').map(|number| number.trim().parse().unwrap()).collect()
}

/// The names of symbols: C strings without escapes but `\\` and `\'`, ended by a 0.
fn strings(text: &str, name: &str) -> Vec<String> {
    body(text, name).split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn define(text: &str, name: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("#define {name} ")));
    line.unwrap_or_else(|| panic!("no #define {name}")).trim().parse().unwrap()
}
