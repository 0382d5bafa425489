//! Random scripts give the same transcripts direct and through the proxy.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::generator::{Flavour, SETUP, script};
use super::item::{Item, Session};
use super::random::{Random, scripts};
use super::shrink::shrink;
use super::support::cluster::PASSWORD;
use super::support::proxy::{PROD, REPLICA, STAGING};
use super::support::transcript::difference;
use super::support::wire::{Failure, Frames};
use super::support::{Cluster, Login, Major, Message, Proxy, Wire};

/// Startup options of both sides.
const CONFIRMED: &str = "-c authority.confirm_prod_migrations=true";

/// What the entry of a replica sets.
const GUARDED: &str = "-c default_transaction_read_only=on";

/// A cluster, an entry of each kind in front of it, and a superuser who clears up.
struct Ground {
    cluster: Cluster,
    /// Where the cluster is a standby: what it follows.
    _primary: Option<Cluster>,
    /// Nothing is written, so nothing is cleared up.
    fixed: bool,
    proxy: Proxy,
    superuser: Wire,
    crashes: usize,
}

impl Ground {
    fn new(major: Major) -> Ground {
        let cluster = Cluster::builder().major(major).setting("lock_timeout", "200ms").start();
        let proxy = Proxy::builder()
            .upstream("staging", STAGING, &cluster)
            .upstream("prod", PROD, &cluster)
            .trusted("staging", "staging", "")
            .trusted("prod", "prod", "")
            .start();
        let superuser = cluster.connect("app");
        Ground { cluster, _primary: None, fixed: false, proxy, superuser, crashes: 0 }
    }

    /// An entry of role replica in front of a standby, or of a primary.
    fn replica(major: Major, standby: bool) -> Ground {
        let primary = Cluster::builder().major(major).start();
        primary.sql("app", &format!("SET ROLE app; {SETUP}"));
        let (cluster, primary) = match standby {
            true => (primary.replica(), Some(primary)),
            false => (primary, None),
        };
        let proxy = Proxy::builder()
            .upstream("replica", REPLICA, &cluster)
            .trusted("replica", "replica", "")
            .start();
        let superuser = cluster.connect("app");
        Ground { cluster, _primary: primary, fixed: true, proxy, superuser, crashes: 0 }
    }

    /// The database as every script finds it.
    fn reset(&mut self) {
        // a script may have brought the server down: see `broke`
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = self.try_reset() {
            assert!(Instant::now() < deadline, "the server is not back: {error}");
            std::thread::sleep(Duration::from_millis(20));
            let login = Login::new("postgres", "app").password(PASSWORD);
            if let Ok(superuser) = Wire::tcp(self.cluster.port(), &login) {
                self.superuser = superuser;
            }
        }
    }

    fn try_reset(&mut self) -> io::Result<()> {
        let superuser = &mut self.superuser;
        if self.fixed {
            return answers(superuser, "SELECT 1").map(drop);
        }
        let prepared = answers(superuser, "SELECT gid FROM pg_prepared_xacts")?;
        for row in prepared.iter().filter(|message| message.tag == b'D') {
            let gid = row.columns()[0].clone().unwrap();
            answers(superuser, &format!("ROLLBACK PREPARED '{gid}'"))?;
        }
        let text = format!(
            "SET lock_timeout = 0; SET client_min_messages = error; DROP SCHEMA public CASCADE; \
             CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC; \
             SET ROLE app; {SETUP} RESET ROLE"
        );
        answers(superuser, &text).map(drop)
    }

    fn run(&mut self, target: Target, items: &[Item], split: bool) -> Vec<String> {
        self.reset();
        let options = match target {
            Target::Direct(Flavour::Confirmed) | Target::Entry(_, Flavour::Confirmed) => CONFIRMED,
            Target::Direct(Flavour::Replica) => GUARDED,
            _ => "",
        };
        let (port, database) = match target {
            Target::Direct(_) => (self.cluster.port(), "app"),
            Target::Entry(entry, _) => (self.proxy.port, entry),
        };
        let login = Login::new("app", database).password(PASSWORD).options(options);
        let mut wire = loop {
            match Wire::tcp(port, &login) {
                Ok(wire) => break wire,
                // the script before has brought the server down after all
                Err(Failure::Server(error)) if error.code() == "57P03" => self.reset(),
                Err(failure) => panic!("{failure}"),
            }
        };
        let mut session = Session::new(&mut wire, split);
        session.run(items);
        let (Target::Direct(flavour) | Target::Entry(_, flavour)) = target;
        session.transcript.into_iter().map(|line| without_source(line, flavour)).collect()
    }

    /// Whether the server has crashed since this was last asked. 15 does, direct and proxied, where
    /// Execute finds the unnamed portal of a Query that failed: what it reads there has been freed.
    fn server_crashed(&mut self) -> bool {
        self.reset();
        let crashes = self.cluster.log().matches("was terminated by signal").count();
        crashes > std::mem::replace(&mut self.crashes, crashes)
    }

    /// How the transcripts of a script differ.
    fn differs(&mut self, items: &[Item], flavour: Flavour, split: bool) -> Option<String> {
        let direct = self.run(Target::Direct(flavour), items, split);
        assert!(!direct.iter().any(|line| line == "   silence"), "{direct:#?}");
        if broke(&direct) {
            self.server_crashed();
            return None;
        }
        let entries: &[&str] = match flavour {
            Flavour::Everything => &["staging"],
            Flavour::Confirmed | Flavour::Ordinary => &["prod"],
            Flavour::Replica => &["replica"],
        };
        entries.iter().find_map(|entry| {
            let proxied = self.run(Target::Entry(entry, flavour), items, split);
            if broke(&proxied) && self.server_crashed() {
                return None;
            }
            difference(entry, &direct, &proxied)
        })
    }
}

/// The connection ended without a word. Where a Query comes during COPY, what the server says of
/// it is mostly lost with the connection; and the server may have crashed.
fn broke(transcript: &[String]) -> bool {
    let end = &transcript[transcript.len().saturating_sub(2)..];
    end.last().is_some_and(|line| line == "   closed")
        && !end.iter().any(|line| line.contains("\"FATAL\""))
}

/// In a failed transaction a refused message's substitute is refused in its place, by the same
/// words from another line of the server's source. What a replica refuses the proxy refuses in words
/// of its own; and it never becomes a portal, where one that failed as it ran leaves the unnamed one.
fn without_source(line: String, flavour: Flavour) -> String {
    let is = |code: &str| line.contains(&format!("C=\"{code}\""));
    let no_portal =
        flavour == Flavour::Replica && line.contains("M=\"portal \\\"\\\" does not exist\"");
    match () {
        // a string behind a ROLLBACK TO may be refused where the savepoints are not all known
        () if is("25P02") || no_portal || flavour != Flavour::Everything && is("3B001") => {
            "   ErrorResponse 25P02".into()
        }
        () if is("25006") => "   ErrorResponse 25006".into(),
        () => line,
    }
}

/// What a statement that must succeed is answered, unless the connection is over.
fn answers(wire: &mut Wire, text: &str) -> io::Result<Vec<Message>> {
    wire.send(&Frames::new().query(text))?;
    let mut messages = Vec::new();
    loop {
        let message = wire.receive()?;
        match message.tag {
            b'Z' => return Ok(messages),
            b'E' if message.fields().get('S') == "FATAL" => {}
            b'E' => panic!("{text}\n{}", message.fields()),
            _ => messages.push(message),
        }
    }
}

#[derive(Clone, Copy)]
enum Target {
    Direct(Flavour),
    Entry(&'static str, Flavour),
}

/// Gives the proxy reason to doubt what it knows of an entry's catalog, all the time, so that looks
/// come anywhere in a script. Until what it gives is dropped.
fn doubt(ground: &Ground, entry: &str) -> mpsc::Sender<()> {
    let (port, login) = (ground.proxy.port, Login::new("app", entry).password(PASSWORD));
    let (end, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let mut wire = None;
        while ended.recv_timeout(Duration::from_micros(300)) == Err(RecvTimeoutError::Timeout) {
            // a script may have brought the server down
            let Some(open) = wire.as_mut() else {
                wire = Wire::tcp(port, &login).ok();
                continue;
            };
            let sent: io::Result<()> = open.send(&Frames::new().query("DO 'BEGIN END'"));
            let answered = sent.and_then(|()| {
                loop {
                    if open.receive()?.tag == b'Z' {
                        break Ok(());
                    }
                }
            });
            if answered.is_err() {
                wire = None;
            }
        }
    });
    end
}

fn transcripts_are_equal(major: Major) {
    let mut ground = Ground::new(major);
    let _doubts = ["prod", "staging"].map(|entry| doubt(&ground, entry));
    let flavours = [Flavour::Everything, Flavour::Confirmed, Flavour::Ordinary];
    hold(&mut ground, 90, &flavours);
}

fn hold(ground: &mut Ground, count: usize, flavours: &[Flavour]) {
    let mut messages = 0;
    let mut faults = Vec::new();
    for seed in scripts(count) {
        let mut random = Random::new(seed);
        let flavour = flavours[random.below(flavours.len())];
        let split = random.chance(40);
        let length = 5 + random.below(40);
        let items = script(&mut random, flavour, length);
        messages += items.len();
        let Some(said) = ground.differs(&items, flavour, split) else { continue };
        let (shortest, said) =
            shrink(items, said, |shorter| ground.differs(shorter, flavour, split));
        faults.push(format!(
            "STATE_SEED={seed} ({flavour:?}, split: {split})\n{shortest:#?}\n{said}"
        ));
        if faults.len() == 3 {
            break;
        }
    }
    eprintln!("{messages} messages each way");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn random_scripts_give_equal_transcripts_on_15() {
    transcripts_are_equal(Major::V15);
}

#[test]
fn random_scripts_give_equal_transcripts_on_18() {
    transcripts_are_equal(Major::V18);
}

#[test]
fn random_scripts_give_equal_transcripts_on_a_standby_of_15() {
    hold(&mut Ground::replica(Major::V15, true), 40, &[Flavour::Replica]);
}

#[test]
fn random_scripts_give_equal_transcripts_on_a_standby_of_18() {
    hold(&mut Ground::replica(Major::V18, true), 40, &[Flavour::Replica]);
}

#[test]
fn random_scripts_give_equal_transcripts_on_a_guarded_primary() {
    hold(&mut Ground::replica(Major::V18, false), 60, &[Flavour::Replica]);
}
