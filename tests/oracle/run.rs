//! Runs corpora against one server and reports.

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgauthority::sql::catalog::{Catalog, Options, Path, Resolved};
use pgauthority::sql::{Class, Judgement, judge};

use super::generate::{Generator, Sentence, text};
use super::grammar::Grammar;
use super::random::Random;
use super::report::Report;
use super::server::Server;
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
    report: Report,
    size: Size,
    random: Random,
}

/// Holds the classifier against a server of this version.
pub fn hold(major: Major) {
    let size = Size::from_environment(major);
    let mut server = Server::start(major);
    let options = Options { migration_tables: Arc::new(migration_tables()), ..Options::default() };
    let mut run = Run {
        catalog: server.catalog(&options),
        server,
        path: Path::of_setting("\"$user\", public", Some("postgres")),
        report: Report::default(),
        random: Random::new(size.seed.wrapping_add(size.turn as u64 * 1000)),
        size,
    };
    if let Ok(statement) = env::var("ORACLE_STATEMENT") {
        return run.one(&statement);
    }
    let grammar = Grammar::read();
    let generator = Generator::new(&grammar);
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
    /// What the catalog adds to the text's judgement.
    fn resolved(&self, judgement: &Judgement) -> Vec<Resolved> {
        let resolve = |one| self.catalog.resolve(one, &self.path, false);
        judgement.statements.iter().map(resolve).collect()
    }

    /// One text alone, with all that was seen.
    fn one(&mut self, text: &str) {
        let judgement = judged(text);
        let resolved = self.resolved(&judgement);
        println!("{judgement:#?}\n{resolved:#?}");
        let found = self.server.observe(text, &judgement, Class::Session, true);
        println!("{found:#?}");
        for judged in [Judged::by_text(&judgement), Judged::by_catalog(&judgement, &resolved)] {
            println!("{:?}: {:?}", self.server.major(), verdict(&judged, &found, text));
        }
    }

    fn try_text(&mut self, corpus: &'static str, text: &str) {
        let judgement = judged(text);
        if !may_run(&judgement) {
            return self.report.skipped(corpus, &judgement);
        }
        let resolved = self.resolved(&judgement);
        let (text_alone, with_catalog) =
            (Judged::by_text(&judgement), Judged::by_catalog(&judgement, &resolved));
        // what runs unnamed cannot be told from the text
        let judged = match names_hidden_code(text) {
            true => vec![with_catalog],
            false => vec![text_alone, with_catalog],
        };
        let weakest = judged.iter().map(|one| one.class).min().unwrap();
        // on a sample the fingerprint is held against the counters
        let always = self.random.chance(2);
        let start = Instant::now();
        let found = self.server.observe(text, &judgement, weakest, always);
        assert!(
            found.changed.is_empty() || found.outside || found.touches_catalogs(),
            "the counters did not see what the fingerprint did: {text}\n{found:#?}"
        );
        self.report.ran(corpus, text, &judged, &found, start.elapsed());
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
        inner.extend(INNER.iter().map(|text| (*text).to_owned()));
        inner.extend((0..60).map(|_| self.random.pick(pool).clone()));
        let mut all = Vec::new();
        for place in nest::PLACES {
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
    }

    /// Random sentences and mutations: so many, or until the time is over.
    fn at_random(&mut self, generator: &Generator, pool: &[String]) {
        const SAMPLE: usize = 150;
        const PIECE: usize = 2000;
        let kinds = generator.grammar.alternatives(generator.grammar.symbol("stmt"));
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
                let whole = nest::nested(self.random.pick::<&str>(nest::PLACES), &statement);
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

/// Statements with effects, for the places where one can stand.
const INNER: &[&str] = &[
    "SELECT 1",
    "SELECT x FROM x",
    "SELECT nextval('q')",
    "SELECT setval('q', 5)",
    "SELECT lo_create(2)",
    "SELECT x FROM x FOR UPDATE",
    "SELECT x INTO o FROM x",
    "SELECT x INTO TEMP o FROM x",
    "INSERT INTO x VALUES (7)",
    "INSERT INTO x VALUES (7) RETURNING x",
    "UPDATE x SET y = 4 RETURNING x",
    "DELETE FROM x RETURNING x",
    "MERGE INTO x USING z ON x.x = z.x WHEN MATCHED THEN DELETE",
    "WITH o AS (DELETE FROM x RETURNING x) SELECT x FROM o",
    "UPDATE alembic_version SET version_num = '1'",
    "UPDATE pg_class SET relname = 'o' WHERE relname = 'x'",
    "DELETE FROM pg_depend WHERE false",
    "CREATE TABLE o (a int)",
    "CREATE TEMP TABLE o (a int)",
    "CREATE TABLE o AS SELECT 1",
    "CREATE VIEW o AS SELECT 1",
    "CREATE INDEX ON x (y)",
    "CREATE SEQUENCE o",
    "GRANT SELECT ON x TO x",
    "TRUNCATE x",
    "DROP TABLE z",
    "ALTER TABLE x ADD o int",
    "NOTIFY x",
    "LOCK TABLE x",
    "REFRESH MATERIALIZED VIEW m",
    "CALL p()",
    "EXECUTE x",
    "FETCH x",
    "ANALYZE x",
    "SET search_path = x",
    "VALUES (nextval('q'))",
    "SELECT * FROM x, LATERAL (SELECT nextval('q')) n",
    "COMMENT ON TABLE x IS 'x'",
    "DO 'BEGIN CREATE TABLE o (a int); END'",
];
