//! A throw-away server that is watched while it runs one statement.

use std::collections::BTreeMap;

use pgauthority::sql::catalog::{Catalog, Options, Row};
use pgauthority::sql::{Class, Effect, Judgement};

use super::support::wire::Frames;
use super::support::{Cluster, FINGERPRINT, Login, Major, Wire};

const HIDDEN: &str = include_str!("hidden.sql");
const SCRATCH: &str = include_str!("scratch.sql");
const WATCH: &str = include_str!("watch.sql");

/// Temporary relations that each session begins with.
const TEMPORARY: &str = "CREATE TEMP TABLE w (x int, y int, z text); CREATE INDEX wi ON w (x); \
    CREATE TEMP SEQUENCE ws; INSERT INTO w VALUES (1, 1, 'x')";

/// What a server did with a text.
#[derive(Debug, Default)]
pub struct Observation {
    /// The SQLSTATE of its error, if there was one.
    pub error: Option<String>,
    /// The tags for which `ddl_command_start` fired.
    pub fired: Vec<String>,
    /// The relations (`pg_catalog.pg_class`) in which rows were written, sequences (`sequence.1`)
    /// that moved, and `xid.xid` where the transaction got an id.
    pub touched: Vec<String>,
    /// The catalogs whose fingerprint is another one, temporary objects aside. Asked for only
    /// where it decides.
    pub changed: Vec<String>,
    /// Where it was judged to read: what READ ONLY made of it.
    pub read_only_error: Option<String>,
    /// It was run in READ ONLY.
    pub read_only: bool,
    /// It was run outside a transaction block.
    pub outside: bool,
    /// It ended the connection.
    pub ended: bool,
}

/// What one exchange brought.
#[derive(Default)]
struct Ran {
    error: Option<String>,
    fired: Vec<String>,
    value: String,
    status: u8,
    ended: bool,
}

/// The server and the connection that statements are tried on.
pub struct Server {
    cluster: Cluster,
    wire: Wire,
    /// The fingerprint of the scratch database as it was made.
    catalogs: BTreeMap<String, String>,
    /// The types that the parameters of the text under way are declared to have.
    types: Vec<u32>,
    /// How often the database had to be made again.
    pub resets: usize,
}

impl Server {
    /// A server whose database has besides what these statements make.
    pub fn start(major: Major, made: &str) -> Server {
        let cluster = Cluster::builder()
            .major(major)
            .setting("max_connections", "20")
            .setting("log_min_messages", "panic")
            .setting("log_min_error_statement", "panic")
            .start();
        cluster.sql("postgres", "CREATE ROLE x");
        cluster.sql("postgres", "CREATE DATABASE base");
        cluster.sql("base", SCRATCH);
        cluster.sql("base", HIDDEN);
        cluster.sql("base", &format!("SET check_function_bodies = off; {made}"));
        cluster.sql("base", WATCH);
        cluster.sql("base", FINGERPRINT);
        cluster.sql("postgres", "CREATE DATABASE scratch TEMPLATE base");
        let wire = connect(&cluster);
        let mut server =
            Server { cluster, wire, catalogs: BTreeMap::new(), types: Vec::new(), resets: 0 };
        server.run(TEMPORARY);
        server.catalogs = server.fingerprint();
        server
    }

    pub fn major(&self) -> Major {
        self.cluster.major()
    }

    /// A snapshot of what the catalog says about what runs unnamed.
    pub fn catalog(&mut self, options: &Options) -> Catalog {
        let rows = self.cluster.sql("scratch", Catalog::QUERY).into_iter().map(|row| {
            row.into_iter().map(|column| column.map(String::into_bytes)).collect::<Row>()
        });
        Catalog::build(rows, options).unwrap()
    }

    /// A query's first column, one text a row.
    pub fn column(&mut self, query: &str) -> Vec<String> {
        let rows = self.wire.sql(&format!("SET statement_timeout = 0; {query}"));
        self.wire.sql("RESET statement_timeout");
        rows.into_iter().map(|row| row[0].clone().unwrap_or_default()).collect()
    }

    /// OIDs of types for parameters: none, PostgreSQL's own, and those of `hidden.sql`.
    pub fn parameter_types(&mut self) -> Vec<u32> {
        let names = "'int', 'int', 'text', 'text', 'bigint', 'numeric', 'bool', 'unknown', 'void', \
                     'int[]', 'date', 'hc', 'hd'";
        let own = self.column(&format!("SELECT unnest(ARRAY[{names}]::regtype[])::oid"));
        own.iter().map(|oid| oid.parse().unwrap()).chain([0; 8]).collect()
    }

    /// Runs a text and says what came of it; afterwards the database is as before. Its parameters,
    /// where it has any, are of these types, and NULL. `weakest`: the class that is held against it.
    /// `always`: the fingerprint is taken even where the counters of written rows saw nothing in a
    /// catalog.
    pub fn observe(
        &mut self,
        text: &str,
        types: &[u32],
        judgement: &Judgement,
        weakest: Class,
        always: bool,
    ) -> Observation {
        types.clone_into(&mut self.types);
        if controls_transaction(judgement) {
            return self.outside(text, judgement, weakest);
        }
        let mut found = self.inside(text, weakest, always);
        if found.error.as_deref().is_some_and(needs_outside) {
            found = self.outside(text, judgement, weakest);
        } else if weakest <= Class::Read
            || weakest >= Class::Write && found.error.is_none() && !found.wrote()
        {
            found.read_only = true;
            found.read_only_error = self.read_only(text);
        }
        found
    }

    /// Whether a text runs without an error in a transaction block; it is rolled back.
    pub fn runs(&mut self, text: &str, judgement: &Judgement) -> bool {
        if controls_transaction(judgement) {
            return false;
        }
        self.types.clear();
        self.begin("BEGIN");
        let ran = self.run(text);
        self.roll_back();
        if ran.status == b'I' {
            // a way out of the block that its judgement does not tell
            self.run("DISCARD TEMP");
            self.run(TEMPORARY);
        }
        ran.error.is_none()
    }

    fn inside(&mut self, text: &str, weakest: Class, always: bool) -> Observation {
        let before = counters(&self.begin("BEGIN"));
        let ran = self.run(text);
        let mut found = Observation {
            error: ran.error,
            fired: ran.fired,
            ended: ran.ended,
            ..Observation::default()
        };
        match ran.status {
            b'T' => {
                let after = counters(&self.run("SELECT oracle.touched()").value);
                found.touched = difference(&before, &after);
                let weaker = weakest < Class::Ddl && found.touches_catalogs();
                // without its columns' rows a catalog cannot be hashed
                let readable = !found.touched.iter().any(|name| name == "pg_catalog.pg_attribute")
                    || !found.fired.is_empty();
                if always && readable || weaker {
                    let after = self.fingerprint();
                    found.changed = difference(&self.catalogs, &after);
                }
            }
            // it ended the transaction, by a way that its judgement does not tell
            b'I' => self.compare(&mut found, None),
            _ => {}
        }
        self.roll_back();
        found
    }

    fn read_only(&mut self, text: &str) -> Option<String> {
        self.begin("BEGIN READ ONLY");
        let ran = self.run(text);
        self.roll_back();
        ran.error
    }

    fn begin(&mut self, begin: &str) -> String {
        let begun = self.run(&format!(
            "{begin}; PREPARE x AS SELECT 1; DECLARE x SCROLL CURSOR FOR SELECT 1; SAVEPOINT x; \
             SELECT oracle.touched()"
        ));
        assert_eq!(begun.error, None, "{begin}");
        begun.value
    }

    /// Runs what cannot run in a transaction block, or controls transactions itself. Where it wrote
    /// no WAL it changed nothing that lasts.
    fn outside(&mut self, text: &str, judgement: &Judgement, weakest: Class) -> Observation {
        let contents = self.contents();
        let before = self.run("SELECT pg_catalog.pg_current_wal_insert_lsn()").value;
        let ran = self.run(text);
        let mut found = Observation {
            error: ran.error,
            fired: ran.fired,
            outside: true,
            ended: ran.ended,
            ..Observation::default()
        };
        let wrote = self.run("SELECT pg_catalog.pg_current_wal_insert_lsn()").value != before;
        if ran.status == b'T' && wrote && weakest < Class::Ddl {
            let (now, inside) = (self.fingerprint(), self.contents());
            found.changed = difference(&self.catalogs, &now);
            found.touched = difference(&contents, &inside);
        }
        self.leave();
        if judgement.statements.iter().any(|one| one.effect == Effect::PrepareTransaction) {
            self.roll_back_prepared();
        }
        if wrote {
            self.compare(&mut found, Some(contents));
        }
        found
    }

    fn roll_back_prepared(&mut self) {
        for name in self.column("SELECT gid FROM pg_catalog.pg_prepared_xacts") {
            self.run(&format!("ROLLBACK PREPARED '{}'", name.replace('\'', "''")));
        }
    }

    /// What was left behind after all; the database is made again where something was.
    fn compare(&mut self, found: &mut Observation, contents: Option<BTreeMap<String, String>>) {
        self.run("ROLLBACK");
        let after = self.fingerprint();
        let changed = difference(&self.catalogs, &after);
        let moved = contents.map(|before| difference(&before, &self.contents()));
        let left = !changed.is_empty() || moved.as_ref().is_none_or(|moved| !moved.is_empty());
        found.changed.extend(changed);
        found.touched.extend(moved.unwrap_or_default());
        if left {
            self.reset();
        }
    }

    /// Ends the transaction, and what of the session outlives a rollback. The watching functions'
    /// plans are kept, which DISCARD would not.
    fn roll_back(&mut self) {
        self.run("ROLLBACK; DEALLOCATE ALL; SELECT pg_catalog.pg_advisory_unlock_all()");
    }

    /// Ends the transaction and forgets all that the session holds.
    fn leave(&mut self) {
        self.run("ROLLBACK");
        let cleared = self.run("DISCARD ALL");
        match cleared.error {
            Some(_) => self.connect(),
            None => drop(self.run(TEMPORARY)),
        }
    }

    /// Makes the scratch database again.
    fn reset(&mut self) {
        self.resets += 1;
        let mut other = self.cluster.connect("postgres");
        for statement in [
            "DROP DATABASE IF EXISTS scratch WITH (FORCE)",
            "CREATE DATABASE scratch TEMPLATE base",
        ] {
            other.sql(statement);
        }
        self.connect();
        self.catalogs = self.fingerprint();
    }

    fn connect(&mut self) {
        self.wire = connect(&self.cluster);
        self.wire.sql(TEMPORARY);
    }

    fn fingerprint(&mut self) -> BTreeMap<String, String> {
        counters(&self.run("SET LOCAL statement_timeout = 0; SELECT watch.fingerprint()").value)
    }

    fn contents(&mut self) -> BTreeMap<String, String> {
        counters(&self.run("SELECT watch.contents()").value)
    }

    fn run(&mut self, text: &str) -> Ran {
        let parameters = parameters(text);
        let frames = match parameters {
            0 => Frames::new().query(text),
            count => Frames::new()
                .parse("", text, &self.types)
                .bind("", "", &vec![None; count])
                .execute("", 0)
                .sync(),
        };
        let mut ran = Ran::default();
        let mut alive = self.wire.send(&frames).is_ok();
        while let Some(message) = alive.then(|| self.wire.receive().ok()).flatten() {
            match message.tag {
                b'N' => {
                    let fields = message.fields();
                    ran.fired.extend(fields.message().strip_prefix("fired: ").map(str::to_owned));
                }
                b'E' => ran.error = Some(message.fields().code().to_owned()),
                b'D' => ran.value = message.columns().remove_first(),
                b'G' => alive = self.wire.send(&Frames::new().copy_fail("no data")).is_ok(),
                b'Z' => {
                    ran.status = message.body[0];
                    return ran;
                }
                _ => {}
            }
        }
        self.connect();
        Ran { ended: true, error: ran.error.or(Some("08006".to_owned())), ..ran }
    }
}

/// A connection whose statements end soon.
fn connect(cluster: &Cluster) -> Wire {
    let socket = cluster.socket_folder().join(format!(".s.PGSQL.{}", cluster.port()));
    let login = Login::new("postgres", "scratch")
        .options("-c statement_timeout=250ms -c lock_timeout=200ms");
    Wire::unix(&socket, &login).unwrap_or_else(|error| panic!("{}: {error}", socket.display()))
}

trait FirstColumn {
    fn remove_first(self) -> String;
}

impl FirstColumn for Vec<Option<String>> {
    fn remove_first(self) -> String {
        self.into_iter().next().flatten().unwrap_or_default()
    }
}

impl Observation {
    /// Whether rows of a catalog were written that are no statistics and no large objects.
    pub fn touches_catalogs(&self) -> bool {
        self.touched.iter().any(|name| is_catalog(name))
    }

    /// Whether anything at all was written.
    pub fn wrote(&self) -> bool {
        !self.touched.is_empty() || !self.changed.is_empty()
    }
}

/// Whether a relation is a catalog: statistics and large objects aside.
pub fn is_catalog(relation: &str) -> bool {
    const DATA: &[&str] =
        &["pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_largeobject_metadata"];
    relation.strip_prefix("pg_catalog.").is_some_and(|name| !DATA.contains(&name))
}

/// `name=value name=value …` as a map.
fn counters(text: &str) -> BTreeMap<String, String> {
    text.split_ascii_whitespace()
        .filter_map(|pair| pair.rsplit_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The names whose values differ.
fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names = before.keys().chain(after.keys());
    let mut found: Vec<String> =
        names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Errors that say: not in a transaction block.
fn needs_outside(code: &str) -> bool {
    matches!(code, "25001" | "2D000")
}

/// Statements that leave the transaction they are tried in.
fn controls_transaction(judgement: &Judgement) -> bool {
    judgement.statements.iter().any(|one| {
        matches!(
            one.effect,
            Effect::Commit(_)
                | Effect::Rollback(_)
                | Effect::PrepareTransaction
                | Effect::Begin { .. }
        )
    })
}

/// The highest `$n` of a text, where it stands for a parameter.
pub fn parameters(text: &str) -> usize {
    let may_have = text.as_bytes().windows(2).any(|w| w[0] == b'$' && w[1].is_ascii_digit());
    let Some(scanned) = may_have.then(|| pg_query::scan(text).ok()).flatten() else { return 0 };
    let parameters = scanned
        .tokens
        .iter()
        .filter(|token| token.token == pg_query::protobuf::Token::Param as i32)
        .filter_map(|token| text.get(token.start as usize + 1..token.end as usize)?.parse().ok());
    parameters.max().filter(|highest| *highest < 1000).unwrap_or(0)
}
