//! Runs corpora against one server and reports.

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgauthority::sql::catalog::{Analysed, Catalog, Options, Path, Resolved};
use pgauthority::sql::{Class, Judgement, Statement, judge};

use super::generate::{Generator, Sentence, text};
use super::grammar::Grammar;
use super::nest::{Filling, Place};
use super::random::Random;
use super::report::Report;
use super::server::{Server, parameters};
use super::support::Major;
use super::verdict::{Judged, verdict};
use super::{corpus, kept, mutate, nest};

fn migration_tables() -> BTreeSet<String> {
    ["alembic_version", "django_migrations", "schema_migrations"].map(String::from).into()
}

fn judged(text: &str) -> Judgement {
    judge(text.as_bytes(), &migration_tables())
}

/// Whether PostgreSQL's grammar takes a text, actions included.
fn readable(judgement: &Judgement) -> bool {
    !judgement.statements.is_empty() && judgement.statements.iter().all(|one| one.tag != "???")
}

/// Whether PostgreSQL's grammar takes a sentence.
pub fn is_readable(sentence: &Sentence) -> bool {
    readable(&judged(&text(sentence)))
}

/// Whether a text may be run: nothing that reaches files, other sessions or the configuration.
/// Of what is `admin`, settings of a database are left, which a rollback takes back.
fn may_run(judgement: &Judgement) -> bool {
    judgement.strongest < Class::Admin
        || judgement.statements.len() == 1 && judgement.statements[0].tag == "ALTER DATABASE"
}

/// Whether a text names what `hidden.sql` makes, or calls what may be given such a name as data.
fn names_hidden_code(text: &str) -> bool {
    const NAMES: &[&str] = &["hv", "hv2", "hv_pure", "hd", "hc", "ht", "hq", "hcomp"];
    ["|*|", "_to_xml", "pg_input_", "_in(", "_in ("].iter().any(|part| text.contains(part))
        || text
            .split(|character: char| !character.is_alphanumeric() && character != '_')
            .any(|word| word.starts_with("h_") || NAMES.contains(&word))
}

/// Whether a text may speak of the row types of the session's temporary relations.
fn names_temporary_types(text: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
        .any(|word| matches!(word, "w" | "wi" | "ws" | "_w") || word.starts_with("pg_temp"))
}

/// The first OID of what is not PostgreSQL's own.
const FIRST_OWN: u32 = 16384;

/// How much is run, and what chance decides.
struct Size {
    /// Everything, until then.
    deadline: Option<Instant>,
    seed: u64,
    /// Which of the four servers this is: a sample takes another part on each.
    turn: usize,
}

impl Size {
    fn from_environment(major: Major) -> Size {
        let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        Size {
            deadline: number("ORACLE_SECONDS").map(|s| Instant::now() + Duration::from_secs(s)),
            seed: number("ORACLE_SEED").unwrap_or(1),
            turn: Major::EVERY.iter().position(|one| *one == major).unwrap(),
        }
    }

    /// All of a corpus, or one in `stride`, another one on each server.
    fn part<T>(&self, all: Vec<T>, stride: usize) -> Vec<T> {
        let stride = if self.deadline.is_some() { 1 } else { stride };
        let first = (self.turn + self.seed as usize) % stride;
        all.into_iter().skip(first).step_by(stride).collect()
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }
}

struct Run {
    server: Server,
    catalog: Catalog,
    path: Path,
    /// What parameters are declared as.
    types: Vec<u32>,
    /// Calls of routines with effects in every place of their bodies.
    calls: Vec<String>,
    /// Contexts for statements that were written by hand.
    contexts: Vec<String>,
    report: Report,
    size: Size,
    random: Random,
}

/// Holds the classifier against a server of this version.
pub fn hold(major: Major) {
    let size = Size::from_environment(major);
    let (functions, calls): (Vec<_>, Vec<_>) = nest::functions().into_iter().unzip();
    let mut server = Server::start(major, &functions.join(";\n"));
    let options = Options { migration_tables: Arc::new(migration_tables()), ..Options::default() };
    let mut run = Run {
        catalog: server.catalog(&options),
        types: server.parameter_types(),
        server,
        path: Path::of_setting("\"$user\", public", Some("postgres")),
        calls,
        contexts: nest::contexts(),
        report: Report::default(),
        random: Random::new(size.seed.wrapping_add(size.turn as u64 * 1000)),
        size,
    };
    if let Ok(statement) = env::var("ORACLE_STATEMENT") {
        return run.one(&statement);
    }
    let grammar = Grammar::read();
    let generator = Generator::new(&grammar);
    run.in_places(&generator);
    let mut pool = run.written();
    pool.extend(run.generated(&generator));
    run.nested(&generator, &pool);
    run.at_random(&generator, &pool);
    let title =
        format!("{major:?}, seed {}, database remade {} times", run.size.seed, run.server.resets);
    let shown = run.report.shown(&title, kept::why);
    println!("{shown}");
    let unknown: Vec<_> =
        run.report.alarms.keys().filter(|reason| kept::why(reason).is_none()).collect();
    assert!(
        run.report.misses.is_empty(),
        "{shown}\nfor each: ORACLE_STATEMENT='…' cargo test --test oracle {} -- --nocapture",
        format!("{major:?}").replace('V', "postgresql_")
    );
    assert!(run.report.traffic.is_empty(), "false alarms in traffic: {:#?}", run.report.traffic);
    assert!(unknown.is_empty(), "{shown}\nfalse alarms that are not kept: {unknown:#?}");
    assert!(run.report.worked() * 5 > run.report.texts() * 2, "too little runs:\n{shown}");
}

impl Run {
    /// What the catalog adds to the text's judgement; `types`: those of its parameters, as a Parse
    /// message gives them.
    fn resolved(&self, judgement: &Judgement, types: &[u32]) -> Vec<Resolved> {
        let resolve = |one| self.catalog.resolve(one, &self.path, false);
        self.with_parameters(judgement.statements.iter().map(resolve).collect(), types)
    }

    /// The same with what a session has besides: the types of arguments, up to the first statement
    /// that may change what they mean.
    fn analysed(&self, judgement: &Judgement, text: &str, types: &[u32]) -> Vec<Resolved> {
        let analysed = Analysed {
            parameters: (parameters(text) > 0).then_some(types),
            now: true,
            temporary: names_temporary_types(text),
        };
        let mut changed = false;
        let resolve = |one: &Statement| {
            let analysed = (!changed).then_some(analysed);
            let resolved = self.catalog.resolve_analysed(one, &self.path, false, analysed);
            changed |= resolved.changes || resolved.class >= Class::Temp;
            resolved
        };
        self.with_parameters(judgement.statements.iter().map(resolve).collect(), types)
    }

    /// What runs where a parameter of a type of the database's own is given.
    fn with_parameters(&self, mut resolved: Vec<Resolved>, types: &[u32]) -> Vec<Resolved> {
        for oid in types {
            let given = self.catalog.resolve_type(*oid, &self.path, false).class;
            for one in &mut resolved {
                *one = one.at_least(given);
            }
        }
        resolved
    }

    /// One text alone, with all that was seen.
    fn one(&mut self, text: &str) {
        let judgement = judged(text);
        let resolved = self.resolved(&judgement, &[]);
        let analysed = self.analysed(&judgement, text, &[]);
        println!("{judgement:#?}\n{resolved:#?}\nwith types: {analysed:#?}");
        let found = self.server.observe(text, &[], &judgement, Class::Session, true);
        println!("{found:#?}");
        for judged in [
            Judged::by_text(&judgement),
            Judged::by_catalog(&judgement, &resolved),
            Judged::by_catalog(&judgement, &analysed),
        ] {
            println!("{:?}: {:?}", self.server.major(), verdict(&judged, &found, text));
        }
    }

    /// Whether it ran without an error.
    fn try_text(&mut self, corpus: &'static str, text: &str) -> bool {
        let judgement = judged(text);
        if !may_run(&judgement) {
            self.report.skipped(corpus, &judgement);
            return false;
        }
        let types: Vec<u32> =
            (0..parameters(text)).map(|_| *self.random.pick(&self.types)).collect();
        let resolved = self.resolved(&judgement, &types);
        let analysed = self.analysed(&judgement, text, &types);
        let mut judged = vec![Judged::by_catalog(&judgement, &resolved)];
        if analysed != resolved {
            judged.push(Judged::by_catalog(&judgement, &analysed));
        }
        // what runs unnamed cannot be told from the text
        if !names_hidden_code(text) && types.iter().all(|oid| *oid < FIRST_OWN) {
            judged.insert(0, Judged::by_text(&judgement));
        }
        let weakest = judged.iter().map(|one| one.class).min().unwrap();
        // on a sample the fingerprint is held against the counters
        let always = self.random.chance(2);
        let start = Instant::now();
        let found = self.server.observe(text, &types, &judgement, weakest, always);
        assert!(
            found.changed.is_empty() || found.outside || found.touches_catalogs(),
            "the counters did not see what the fingerprint did: {text}\n{found:#?}"
        );
        self.report.ran(corpus, text, &judged, &found, start.elapsed());
        found.error.is_none()
    }

    /// What people wrote. Gives all of it, as material for mutations.
    fn written(&mut self) -> Vec<String> {
        let major = self.server.major();
        // whole on the oldest and the newest
        let golden = if Major::ALL.contains(&major) { 1 } else { 4 };
        let corpora = [
            ("golden tables", corpus::golden(), golden),
            ("traffic", corpus::traffic(), 1),
            ("hidden code", corpus::hidden(), 1),
            ("overloads", corpus::overloads(), 8),
            ("bodies", std::mem::take(&mut self.calls), 4),
            ("shipped SQL", corpus::shipped(major), 16),
            ("built-in routines", corpus::routines(&mut self.server), 16),
        ];
        let mut pool = Vec::new();
        for (name, statements, stride) in corpora {
            assert!(!statements.is_empty(), "no {name}");
            for statement in self.size.part(statements, stride) {
                if !self.size.is_over() {
                    self.try_text(name, &statement);
                }
                if statement.len() < 2000 {
                    pool.push(statement);
                }
            }
        }
        pool
    }

    /// A statement for each production.
    fn generated(&mut self, generator: &Generator) -> Vec<String> {
        let all: Vec<usize> = (1..generator.grammar.productions.len()).collect();
        let mut pool = Vec::new();
        for production in self.size.part(all, 4) {
            let found = generator
                .is_reachable(production)
                .then(|| generator.holding(production, &mut self.random, is_readable));
            let Some(sentence) = found.flatten() else { continue };
            let statement = text(&sentence);
            if !self.size.is_over() {
                self.try_text("productions", &statement);
            }
            pool.push(statement);
        }
        pool
    }

    /// Statements of every kind in every place where one can stand.
    fn nested(&mut self, generator: &Generator, pool: &[String]) {
        let kinds = generator.grammar.alternatives(generator.grammar.symbol("stmt"));
        let mut inner: Vec<String> = kinds
            .iter()
            .filter_map(|kind| generator.holding(*kind, &mut self.random, is_readable))
            .map(|sentence| text(&sentence))
            .collect();
        inner.extend(nest::INNER.iter().map(|text| (*text).to_owned()));
        inner.extend((0..60).map(|_| self.random.pick(pool).clone()));
        let mut all = Vec::new();
        for place in &self.contexts {
            for statement in &inner {
                let whole = nest::nested(place, statement);
                if readable(&judged(&whole)) {
                    all.push(whole);
                }
            }
        }
        for whole in self.size.part(all, 24) {
            if self.size.is_over() {
                return;
            }
            self.try_text("nested", &whole);
        }
        for whole in self.size.part(nest::blocks(), 12) {
            self.try_text("nested", &whole);
        }
    }

    /// What has effects, in every place of the grammar: where one is found in a statement that runs,
    /// there.
    fn in_places(&mut self, generator: &Generator) {
        for place in self.size.part(generator.places(), 24) {
            if self.size.is_over() {
                return;
            }
            let Some((found, filling)) = self.context(generator, place) else { continue };
            let mut ran = false;
            for effect in filling.effects {
                let whole = found.filled(effect);
                if readable(&judged(&whole)) {
                    ran |= self.try_text("places of the grammar", &whole);
                }
            }
            let (production, part) = place;
            let name =
                generator.grammar.name(generator.grammar.productions[production].right[part]);
            self.report.place(ran, || format!("{name} in {}", generator.grammar.shown(production)));
        }
    }

    /// A statement with this place, and what to fill it with: one that runs, if one is found.
    fn context(
        &mut self,
        generator: &Generator,
        place: (usize, usize),
    ) -> Option<(Place, &'static Filling)> {
        const CONTEXTS: usize = 8;
        const ATTEMPTS: usize = 160;
        let mut last = None;
        let mut tried = 0;
        for attempt in 0..ATTEMPTS {
            let room = if tried == 0 { attempt / 8 } else { tried / 4 };
            let found = generator.place(place, room, &mut self.random, is_readable);
            let Some(found) = found else { continue };
            for filling in found.kind.fillings() {
                let whole = found.filled(filling.harmless);
                let judgement = judged(&whole);
                if readable(&judgement)
                    && may_run(&judgement)
                    && self.server.runs(&whole, &judgement)
                {
                    return Some((found, filling));
                }
            }
            let filling = self.random.pick(found.kind.fillings());
            last = Some((found, filling));
            tried += 1;
            if tried == CONTEXTS {
                break;
            }
        }
        last.or_else(|| {
            let found = generator.place_by_hand(place)?;
            let fillings = found.kind.fillings();
            let runs = fillings.iter().find(|filling| {
                let whole = found.filled(filling.harmless);
                self.server.runs(&whole, &judged(&whole))
            });
            let filling = runs.unwrap_or(&fillings[0]);
            Some((found, filling))
        })
    }

    /// Random sentences and mutations: so many, or until the time is over.
    fn at_random(&mut self, generator: &Generator, pool: &[String]) {
        const SAMPLE: usize = 150;
        const PIECE: usize = 2000;
        let kinds = generator.grammar.alternatives(generator.grammar.symbol("stmt"));
        let places = generator.places();
        let mut rest = if self.size.deadline.is_some() { usize::MAX } else { SAMPLE };
        while rest > 0 && !self.size.is_over() {
            let piece = rest.min(PIECE);
            rest -= piece;
            let mut made = (0, 0);
            while made.0 < piece && !self.size.is_over() {
                let room = 3 + self.random.below(12);
                let kind = *self.random.pick(kinds);
                let sentence = generator.random(kind, room, &mut self.random);
                let Some(sentence) = sentence.filter(is_readable) else { continue };
                let statement = text(&sentence);
                self.try_text("random sentences", &statement);
                made.0 += 1;
                let whole = nest::nested(self.random.pick::<String>(&self.contexts), &statement);
                if readable(&judged(&whole)) {
                    self.try_text("random, nested", &whole);
                }
                let place = *self.random.pick(&places);
                let Some(found) = generator.place(place, room, &mut self.random, is_readable)
                else {
                    continue;
                };
                let filling = self.random.pick(found.kind.fillings());
                let effect = *self.random.pick(filling.effects);
                let whole = found.filled(effect);
                if readable(&judged(&whole)) {
                    self.try_text("random, nested", &whole);
                }
            }
            while made.1 < piece && !self.size.is_over() {
                let (one, other) = (self.random.pick(pool), self.random.pick(pool));
                let Some(mutant) = mutate::mutated(one, other, &mut self.random) else { continue };
                if readable(&judged(&mutant)) {
                    self.try_text("mutations", &mutant);
                    made.1 += 1;
                }
            }
        }
    }
}
