//! An attack, and how all of a table are carried out: against an upstream declared prod and one
//! declared replica, in each form of the protocol, with a look at the whole world of the server
//! behind each. Then straight to the server, where what it is after must come about: an attack that
//! would not work anyway shows nothing.

use std::io;
use std::thread;
use std::time::Duration;

use super::ground::{Ground, World};
use super::support::wire::Frames;
use super::support::{Login, Major, Wire};

/// How an attack goes about it.
#[derive(Clone, Copy)]
pub enum Way {
    /// Statements, one message each; run in every [`Form`].
    Texts(&'static [&'static str]),
    /// As that, of texts that are made up first.
    Made(fn() -> Vec<Vec<u8>>),
    /// Messages: each item is one write, and its answers are awaited.
    Frames(fn(&mut Ground) -> Vec<Frames>),
}

#[derive(Clone, Copy)]
pub struct Attack {
    pub name: &'static str,
    pub way: Way,
    /// Part of a line that a direct run adds to the world (`+…`) or takes from it (`-…`).
    pub witness: &'static str,
    /// The servers on which it works: others do not let it come about.
    since: Major,
    until: Major,
    /// Of an attack that no server lets come about: the nearest form that they take, for the direct
    /// run, on a session with nothing unusual.
    nearest: Option<Way>,
    /// On prod it is what the contract allows: a change to data.
    pub data: bool,
    /// What it says of its own undoing counts from the next string or Sync on: not within one.
    settled: bool,
    /// How the attacker logs in.
    login: Option<fn(Login) -> Login>,
    /// What a direct session runs first, to be in the state that the proxy's is in.
    prelude: &'static str,
    /// Tried as well where the replica's guard was SET after login.
    set_guard: bool,
    /// The prod entry it is tried on, and the role on a direct connection.
    entry: &'static str,
    user: &'static str,
}

/// An attack by statements.
pub const fn attack(
    name: &'static str,
    texts: &'static [&'static str],
    witness: &'static str,
) -> Attack {
    Attack {
        name,
        way: Way::Texts(texts),
        witness,
        since: Major::V15,
        until: Major::V18,
        nearest: None,
        data: false,
        settled: false,
        login: None,
        prelude: "",
        set_guard: false,
        entry: "prod",
        user: "postgres",
    }
}

/// An attack by texts that are made up.
pub const fn made(
    name: &'static str,
    texts: fn() -> Vec<Vec<u8>>,
    witness: &'static str,
) -> Attack {
    Attack { way: Way::Made(texts), ..attack(name, &[], witness) }
}

/// An attack by messages.
pub const fn messages(
    name: &'static str,
    frames: fn(&mut Ground) -> Vec<Frames>,
    witness: &'static str,
) -> Attack {
    Attack { way: Way::Frames(frames), ..attack(name, &[], witness) }
}

impl Attack {
    /// On servers newer than this it does not work; tried through the proxy all the same.
    pub const fn until(self, until: Major) -> Attack {
        Attack { until, ..self }
    }

    /// On servers older than this it does not work; tried through the proxy all the same.
    pub const fn since(self, since: Major) -> Attack {
        Attack { since, ..self }
    }

    /// No server lets it come about; these do.
    pub const fn nearest(self, texts: &'static [&'static str]) -> Attack {
        Attack { nearest: Some(Way::Texts(texts)), ..self }
    }

    /// As [`Attack::nearest`], texts that are made up.
    pub const fn nearest_made(self, texts: fn() -> Vec<Vec<u8>>) -> Attack {
        Attack { nearest: Some(Way::Made(texts)), ..self }
    }

    /// As [`Attack::nearest`], messages.
    pub const fn nearest_messages(self, frames: fn(&mut Ground) -> Vec<Frames>) -> Attack {
        Attack { nearest: Some(Way::Frames(frames)), ..self }
    }

    /// It changes no more than data.
    pub const fn data(self) -> Attack {
        Attack { data: true, ..self }
    }

    /// Only as messages that are each done before the next one counts.
    pub const fn settled(self) -> Attack {
        Attack { settled: true, ..self }
    }

    pub const fn login(self, login: fn(Login) -> Login) -> Attack {
        Attack { login: Some(login), ..self }
    }

    /// A direct session runs this first.
    pub const fn behind(self, prelude: &'static str) -> Attack {
        Attack { prelude, ..self }
    }

    /// Also where the upstream drops startup options, so that the guard was SET after login.
    pub const fn also_where_the_guard_was_set(self) -> Attack {
        Attack { set_guard: true, ..self }
    }

    /// On another entry of role prod.
    pub const fn on(self, entry: &'static str) -> Attack {
        Attack { entry, ..self }
    }

    /// As the role whose settings are unusual.
    pub const fn as_mallory(self) -> Attack {
        Attack { user: "mallory", entry: "prod_mallory", ..self }
    }

    fn login_to(&self, login: Login) -> Login {
        self.login.map_or(login.clone(), |change| change(login))
    }

    /// The entries that it is tried on.
    fn entries(&self) -> Vec<&'static str> {
        let prod = (!self.data).then_some(self.entry);
        let replica = if self.user == "mallory" { "replica_mallory" } else { "replica" };
        let set = self.set_guard.then_some("replica_set");
        prod.into_iter().chain([replica]).chain(set).collect()
    }

    /// What is sent, write by write, in each form.
    fn forms(&self, ground: &mut Ground) -> Vec<(&'static str, Vec<Frames>)> {
        forms(self.way, self.settled, ground)
    }
}

fn forms(way: Way, settled: bool, ground: &mut Ground) -> Vec<(&'static str, Vec<Frames>)> {
    let texts: Vec<Vec<u8>> = match way {
        Way::Texts(texts) => texts.iter().map(|text| ground.fill(text).into_bytes()).collect(),
        Way::Made(texts) => texts(),
        Way::Frames(frames) => return vec![("messages", frames(ground))],
    };
    let run = |frames: Frames, text: &[u8]| {
        let parse = [b"\0", text, b"\0\0\0"].concat();
        frames.raw(b'P', &parse).bind("", "", &[]).execute("", 0)
    };
    let all = |with: &dyn Fn(Frames, &[u8]) -> Frames| {
        texts.iter().fold(Frames::new(), |frames, text| with(frames, text))
    };
    let each = |with: &dyn Fn(Frames, &[u8]) -> Frames| {
        texts.iter().map(|text| with(Frames::new(), text)).collect()
    };
    let query = |frames: Frames, text: &[u8]| frames.query_bytes(text);
    let synced = |frames: Frames, text: &[u8]| run(frames, text).sync();
    let mut forms = vec![("simple", each(&query)), ("extended", each(&synced))];
    if texts.len() == 1 {
        let open = run(Frames::new(), b"SELECT 1");
        forms.push(("pipelined", vec![run(open, &texts[0]).sync()]));
        return forms;
    }
    forms.push(("simple, in a row", vec![all(&query)]));
    forms.push(("pipelined, synced", vec![all(&synced)]));
    if !settled {
        forms.push(("pipelined", vec![all(&run).sync()]));
    }
    forms
}

/// What came of one run.
#[derive(Debug, Default)]
struct Outcome {
    errors: Vec<String>,
    /// The connection could not be made, or did not survive.
    ended: bool,
    /// An answer did not come.
    hangs: bool,
    /// What the session says of its read-only guard afterwards.
    guard: String,
}

fn carry_out(port: u16, login: &Login, prelude: &str, writes: &[Frames]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut wire = match Wire::tcp(port, login) {
        Ok(wire) => wire,
        Err(failure) => {
            outcome.errors.push(failure.to_string());
            outcome.ended = true;
            return outcome;
        }
    };
    if !prelude.is_empty() {
        wire.sql(prelude);
    }
    for frames in writes {
        if let Err(error) = send(&mut wire, frames, &mut outcome) {
            outcome.hangs = error.kind() == io::ErrorKind::TimedOut;
            outcome.ended = true;
            return outcome;
        }
    }
    match settle(&mut wire) {
        Ok(guard) => outcome.guard = guard,
        Err(error) => {
            outcome.hangs = error.kind() == io::ErrorKind::TimedOut;
            outcome.ended = true;
        }
    }
    outcome
}

/// Waits until everything sent has been answered, however often; what the session then says of its
/// read-only guard.
fn settle(wire: &mut Wire) -> io::Result<String> {
    const GUARD: &str = "default_transaction_read_only";
    wire.send(&Frames::new().query("ROLLBACK").query(&format!("SHOW {GUARD}")))?;
    let mut shown = false;
    loop {
        let message = wire.receive()?;
        match message.tag {
            b'T' => shown = message.body[2..].starts_with(GUARD.as_bytes()),
            b'D' if shown => {
                wire.receive_until(b'Z');
                return Ok(message.columns()[0].clone().unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Sends one write and takes its answers up to the last ReadyForQuery that it calls for.
fn send(wire: &mut Wire, frames: &Frames, outcome: &mut Outcome) -> io::Result<()> {
    // a large write must not wait for a peer that waits for its answers to be taken
    wire.send(frames)?;
    let skipped = frames.labels.iter().filter(|label| *label == SKIPPED).count();
    let mut left = boundaries(&frames.bytes) - skipped;
    while left > 0 {
        let message = wire.receive()?;
        match message.tag {
            b'Z' => left -= 1,
            b'E' => outcome.errors.push(message.fields().to_string()),
            b'G' if !frames.labels.iter().any(|label| label == "CopyDone") => {
                let data = Frames::new().copy_data(b"9\tmallory\n").copy_done();
                // the one that was sent is swallowed
                let simple = frames.bytes[0] == b'Q';
                wire.send(&if simple { data } else { data.sync() })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Marks a message that the server skips, an error being before it.
pub const SKIPPED: &str = "skipped";

/// How many ReadyForQuery the messages call for.
fn boundaries(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [tag, a, b, c, d, ..] = bytes {
        count += usize::from(matches!(tag, b'Q' | b'S' | b'F'));
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize + 1;
        bytes = bytes.get(length..).unwrap_or_default();
    }
    count
}

fn difference(before: &World, after: &World) -> Vec<String> {
    let gone = before.difference(after).map(|line| format!("-{line}"));
    gone.chain(after.difference(before).map(|line| format!("+{line}"))).collect()
}

/// As [`assault`], on prod, of attacks that first change something while they have confirmed: what
/// counts is what they are after. `restore` takes the change back, in a session that has confirmed,
/// so that the proxy hears of it.
pub fn assault_behind_changes(ground: &mut Ground, attacks: &[Attack], restore: &str) {
    let mut faults = Vec::new();
    let confirmed = ground.login("prod").options("-c authority.confirm_prod_migrations=true");
    let mut restorer = ground.proxy.try_connect(&confirmed).unwrap();
    for attack in attacks {
        let login = ground.login("prod");
        for (form, writes) in attack.forms(ground) {
            let before = ground.world();
            let outcome = carry_out(ground.proxy.port, &login, "", &writes);
            let lines = difference(&before, &ground.world());
            if outcome.hangs || lines.iter().any(|line| line.contains(attack.witness)) {
                let errors = outcome.errors;
                faults.push(format!("{} ({form}): {lines:#?}\n    {errors:#?}", attack.name));
            }
            restorer.sql(restore);
        }
    }
    drop(restorer);
    faults.extend(would_work(ground, &attacks.iter().collect::<Vec<_>>()));
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Carries out the attacks of a table; panics with all that came about.
pub fn assault(ground: &mut Ground, attacks: &[Attack]) {
    let wanted = std::env::var("REDTEAM").ok();
    let chosen = |attack: &&Attack| wanted.as_ref().is_none_or(|one| attack.name.contains(one));
    let attacks: Vec<&Attack> = attacks.iter().filter(chosen).collect();
    let mut faults = Vec::new();
    let mut before = ground.world();
    for attack in &attacks {
        for entry in attack.entries() {
            faults.extend(through(ground, attack, entry, &mut before));
        }
    }
    faults.extend(would_work(ground, &attacks));
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// An attack through an entry, in every form; what should not have been.
fn through(ground: &mut Ground, attack: &Attack, entry: &str, before: &mut World) -> Vec<String> {
    let mut faults = Vec::new();
    let login = attack.login_to(ground.login(entry));
    let forms = attack.forms(ground);
    for (form, writes) in &forms {
        let outcome = carry_out(ground.proxy.port, &login, "", writes);
        let about = format!("{} ({form}) on {entry}", attack.name);
        if std::env::var_os("REDTEAM").is_some() {
            eprintln!("-- {about}: {outcome:#?}");
        }
        if outcome.hangs {
            faults.push(format!("{about}: no answer came\n  {:?}", outcome.errors));
        }
        if entry.starts_with("replica") && !outcome.ended && outcome.guard != "on" {
            faults.push(format!("{about}: the guard is {:?}", outcome.guard));
        }
    }
    if ground.world() == *before {
        return faults;
    }
    // one of the forms it was: each by itself
    ground.reset();
    *before = ground.world();
    for (form, writes) in attack.forms(ground) {
        let outcome = carry_out(ground.proxy.port, &login, "", &writes);
        let after = ground.world();
        let lines = difference(before, &after).join("\n    ");
        if !lines.is_empty() {
            let errors = outcome.errors;
            faults.push(format!(
                "{} ({form}) on {entry}: it came about\n    {lines}\n    {errors:?}",
                attack.name
            ));
            ground.reset();
            *before = ground.world();
        }
    }
    if faults.is_empty() {
        faults.push(format!("{} on {entry}: it came about, and then not again", attack.name));
    }
    faults
}

/// Attacks that do not come about on a direct connection either, in any form.
fn would_work(ground: &mut Ground, attacks: &[&Attack]) -> Vec<String> {
    let mut faults = Vec::new();
    ground.reset();
    let mut before = ground.world();
    let major = ground.cluster.major();
    let works = |attack: &&&Attack| (attack.since..=attack.until).contains(&major);
    for attack in attacks.iter().filter(works) {
        assert!(!attack.witness.is_empty(), "{}: nothing would show that it works", attack.name);
        let plain = ground.direct(attack.user);
        let (login, prelude, forms) = match attack.nearest {
            Some(way) => (plain, "", forms(way, attack.settled, ground)),
            None => (attack.login_to(plain), attack.prelude, attack.forms(ground)),
        };
        let mut worked = false;
        let mut seen = Vec::new();
        for (form, writes) in forms {
            let outcome = carry_out(ground.cluster.port(), &login, prelude, &writes);
            let mut lines = difference(&before, &ground.world());
            // a session is ended by a signal, which takes its time
            for _ in 0..40 {
                if attack.witness != "-bystander" || !lines.is_empty() {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
                lines = difference(&before, &ground.world());
            }
            worked = lines.iter().any(|line| line.contains(attack.witness));
            seen.push(format!("{form}: {lines:?} {:?}", outcome.errors));
            if !lines.is_empty() {
                ground.reset();
                before = ground.world();
            }
            if worked {
                break;
            }
        }
        if !worked {
            let seen = seen.join("\n    ");
            faults.push(format!("{}: it does not work direct\n    {seen}", attack.name));
        }
    }
    faults
}
