//! What the splitter of a session that reads in one place and writes in another goes by: where a
//! statement belongs, and the journal of what a leg has missed.
//!
//! The first byte says which is asked. Any text: nothing that is more than a read goes where the
//! session reads, nor what names a temporary relation, and less is certain the less is known of
//! names. A script of settings, savepoints and transactions: a leg that takes part late, or never,
//! has in the end what the leg that took part in everything has.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pgauthority::split::{
    Journal, Lasts, Note, Route, Savepoint, Side, Temporary, Told, begin, route,
};
use pgauthority::sql::{Class, Effect, Modes, judge};

use super::script::Choices;

/// Asks about a text, or plays a script.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((0..128, text)) => routes(text),
        Some((_, script)) => journals(&mut Choices::new(script)),
        None => {}
    }
}

// -- where a statement belongs ------------------------------------------------------------------

fn routes(text: &[u8]) {
    let none = Temporary::default();
    let (mut known, mut doubted) = (Temporary::default(), Temporary::default());
    known.told(["t", "a", "tmp"].into_iter().map(Box::from));
    doubted.ran(None, false);
    assert!(doubted.is_doubted() && !known.is_doubted());
    let judgement = judge(text, &BTreeSet::new());
    for one in &judgement.statements {
        let reads = |temporary| route(one, one.class, temporary) == Route::To(Side::Read);
        let (by_none, by_known, by_doubt) = (reads(&none), reads(&known), reads(&doubted));
        assert!(one.class <= Class::Read || !by_none, "{} reads", one.tag);
        assert!(by_none || !by_known, "{} reads where there are temporary relations", one.tag);
        assert!(by_known || !by_doubt, "{} reads where any name may be one", one.tag);
        let uses = one.uses.as_deref().map(|uses| &*uses.relations).unwrap_or_default();
        let is_one = |name: &str| ["t", "a", "tmp"].contains(&name);
        let mut named =
            uses.iter().filter(|one| one.name.schema.is_none() && is_one(&one.name.name));
        let sets = !one.set_config.is_empty();
        assert!(!by_known || sets || named.next().is_none(), "{} reads a namesake", one.tag);
        if let Effect::Begin { modes } = one.effect {
            for side in Side::BOTH {
                begins(side, modes);
            }
        }
        let told = Told::of(one, Bytes::copy_from_slice(text));
        let mut journal = Journal::default();
        let _ = journal.missed(Side::Write, &told, Lasts::Resettable);
        assert_eq!(journal.take_pending(Side::Write, false), [told]);
    }
}

/// A leg's BEGIN is one, isolated as the session asked, and never lets the read leg write.
fn begins(side: Side, modes: Modes) {
    let text = begin(side, modes, false);
    let judgement = judge(text.as_bytes(), &BTreeSet::new());
    let [one] = &judgement.statements[..] else { panic!("{text}") };
    let Effect::Begin { modes: own } = one.effect else { panic!("{text}") };
    assert_eq!(own.isolation, modes.isolation, "{text}");
    assert!(side == Side::Write || own.read_write == Some(false), "{text}");
}

// -- the journal ----------------------------------------------------------------------------------

/// Statements that both legs run: what they set (`None`: the default), and for how long.
type Sets = (&'static str, &'static [(&'static str, Option<u8>)], Lasts);
const SETS: &[Sets] = &[
    ("SET x.a = 1", &[("a", Some(1))], Lasts::Resettable),
    ("SET x.a = 2", &[("a", Some(2))], Lasts::Resettable),
    ("SET x.b = 3", &[("b", Some(3))], Lasts::Resettable),
    ("SET LOCAL x.a = 4", &[("a", Some(4))], Lasts::Locally),
    ("SET LOCAL x.b TO DEFAULT", &[("b", None)], Lasts::Locally),
    ("RESET x.a", &[("a", None)], Lasts::Resettable),
    ("SET x.b TO DEFAULT", &[("b", None)], Lasts::Resettable),
    ("SELECT set_config('x.a', '5', false)", &[("a", Some(5))], Lasts::Resettable),
    (
        "SELECT set_config('x.a', '6', false), set_config('x.b', '6', false)",
        &[("a", Some(6)), ("b", Some(6))],
        Lasts::Resettable,
    ),
    ("SELECT set_config('X.B', '7', true)", &[("b", Some(7))], Lasts::Locally),
    ("SET ROLE r", &[("role", Some(8))], Lasts::On),
    ("SET ROLE s", &[("role", Some(9))], Lasts::On),
    ("RESET ROLE", &[("role", None)], Lasts::On),
    ("RESET ALL", &[("a", None), ("b", None)], Lasts::ResetAll),
];
const SAVEPOINTS: &[&str] = &["SAVEPOINT s", "SAVEPOINT t"];

/// What a server has set: for the session, and for the transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values {
    session: BTreeMap<&'static str, u8>,
    local: BTreeMap<&'static str, Option<u8>>,
}

/// A server's session.
#[derive(Debug, Default)]
struct Server {
    values: Values,
    /// What was set when the transaction began, and at each of its savepoints.
    before: Vec<(&'static str, Values)>,
}

impl Server {
    fn run(&mut self, text: &[u8]) {
        if let Some(name) = SAVEPOINTS.iter().find(|one| one.as_bytes() == text) {
            self.before.push((*name, self.values.clone()));
            return;
        }
        let (_, sets, lasts) =
            SETS.iter().find(|(one, ..)| one.as_bytes() == text).expect("what was given it");
        for (name, value) in *sets {
            if *lasts == Lasts::Locally {
                if !self.before.is_empty() {
                    self.values.local.insert(name, *value);
                }
                continue;
            }
            self.values.local.remove(name);
            self.values.session.remove(name);
            self.values.session.extend(value.map(|value| (*name, value)));
        }
    }

    fn told(&mut self, told: impl IntoIterator<Item = Told>) {
        told.into_iter().for_each(|told| self.run(&told.text));
    }

    fn begin(&mut self) {
        self.before = vec![("", self.values.clone())];
    }

    fn end(&mut self, commits: bool) {
        let before = self.before.drain(..).next();
        if let Some((_, values)) = before.filter(|_| !commits) {
            self.values = values;
        }
        self.values.local.clear();
    }

    fn roll_back_to(&mut self, name: &str) {
        let at = self.before.iter().rposition(|(one, _)| *one == name).expect("a savepoint");
        self.before.truncate(at + 1);
        self.values = self.before[at].1.clone();
    }

    fn release(&mut self, name: &str) {
        let at = self.before.iter().rposition(|(one, _)| *one == name).expect("a savepoint");
        self.before.truncate(at);
    }
}

/// `early` takes part in everything, `late` where the script says so.
fn journals(choices: &mut Choices<'_>) {
    let late_side = choices.of(&Side::BOTH);
    let mut journal = Journal::default();
    let (mut early, mut late) = (Server::default(), Server::default());
    let (mut is_open, mut takes_part) = (false, false);
    for _ in 0..200 {
        if choices.is_over() {
            break;
        }
        let inside = !early.before.is_empty();
        match choices.below(8) {
            0 if !inside => early.begin(),
            // the transaction ends
            0 | 1 if inside => {
                let commits = choices.below(2) == 0;
                early.end(commits);
                if takes_part {
                    late.end(commits);
                }
                let absent: &[Side] = if takes_part { &[] } else { &[late_side] };
                match commits {
                    true => assert!(journal.committed(absent), "too much"),
                    false => journal.rolled_back(),
                }
                takes_part = false;
            }
            // the late leg is reached
            2 if inside && !takes_part => {
                let within = choices.below(2) == 0;
                if within {
                    late.begin();
                }
                late.told(journal.take_pending(late_side, within));
                if !within {
                    late.begin();
                }
                late.told(journal.open());
                (is_open, takes_part) = (true, true);
            }
            2 if !inside => {
                late.told(journal.take_pending(late_side, false));
                is_open = true;
            }
            3 if inside => {
                let text = choices.of(SAVEPOINTS);
                early.run(text.as_bytes());
                if takes_part {
                    late.run(text.as_bytes());
                }
                let savepoint = Savepoint::new(text, text.as_bytes(), Modes::default());
                assert!(journal.noted(Note::Savepoint(savepoint)), "too much");
            }
            4 if inside => {
                let name = choices.of(SAVEPOINTS);
                let known = early.before.iter().any(|(one, _)| *one == name);
                assert_eq!(journal.has(name), known, "{name}");
                let back = choices.below(2) == 0;
                for server in [Some(&mut early), takes_part.then_some(&mut late)] {
                    match server.filter(|_| known) {
                        Some(server) if back => server.roll_back_to(name),
                        Some(server) => server.release(name),
                        None => {}
                    }
                }
                if known && back {
                    assert!(journal.rolled_back_to(name).is_some());
                } else if known {
                    journal.released(name);
                }
            }
            _ => {
                let (text, _, lasts) = choices.of(SETS);
                let judgement = judge(text.as_bytes(), &BTreeSet::new());
                let told = Told::of(&judgement.statements[0], text.into());
                early.run(text.as_bytes());
                match (inside, is_open) {
                    (true, _) => assert!(journal.noted(Note::Session(told, lasts)), "too much"),
                    (false, false) => assert!(journal.missed(late_side, &told, lasts), "too much"),
                    (false, true) => late.told(journal.take_pending(late_side, false)),
                }
                if takes_part || !inside && is_open {
                    late.run(text.as_bytes());
                }
            }
        }
        if takes_part {
            assert_eq!(early.values, late.values, "within the transaction");
        }
    }
    early.end(true);
    match takes_part {
        true => late.end(true),
        false => assert!(journal.committed(&[late_side]), "too much"),
    }
    late.told(journal.take_pending(late_side, false));
    late.end(true);
    assert_eq!(early.values, late.values, "what the late leg has");
    assert!(journal.take_pending(late_side, false).is_empty());
}
