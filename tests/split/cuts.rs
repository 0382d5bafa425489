//! A leg is cut off at every message of a script: the client hears of it in the protocol's words, is
//! never told of a commit that did not happen, and the local database has all of a transaction or
//! nothing of it.
//!
//! Some of the points by default; `CUTS=1` takes every one of every script, in every way, `CUTS=5`
//! every fifth, `CUTS_SCRIPT=copy` those of that script alone.

use std::fmt::Write as _;
use std::io;

use super::scripts::{Script, Unit, scripts};
use super::support::wire::{Failure, Fields, Frames};
use super::support::{Major, Message, Wire};
use super::tap::{Cut, From, How, Place, Tap};
use super::tapped::Tapped;

/// How a session ended.
#[derive(Debug)]
enum End {
    /// The client said goodbye.
    Goodbye,
    /// It was refused.
    Refused(Fields),
    /// FATAL, then the end of the connection.
    Fatal(Fields),
    /// The connection ended within a message.
    Within,
    /// Nothing that a client could make sense of.
    Senseless(String),
}

/// What a client saw: the answers to each step, and the end.
#[derive(Debug)]
struct Seen {
    steps: Vec<Vec<Message>>,
    end: End,
}

impl Seen {
    /// The answers to a step; none where the session had ended.
    fn step(&self, index: usize) -> &[Message] {
        self.steps.get(index).map_or(&[], Vec::as_slice)
    }
}

/// The messages that say what was done, as letters.
fn letters(messages: &[Message]) -> String {
    let silent = |message: &&Message| !matches!(message.tag, b'N' | b'S' | b'A');
    messages.iter().filter(silent).map(|message| message.tag as char).collect()
}

fn tags(messages: &[Message]) -> Vec<String> {
    messages.iter().filter(|message| message.tag == b'C').map(Message::text).collect()
}

fn run(tapped: &Tapped, script: &Script) -> Seen {
    let mut seen = Seen { steps: Vec::new(), end: End::Goodbye };
    let mut wire = match tapped.proxy.try_connect(&tapped.proxy.login("both")) {
        Ok(wire) => wire,
        Err(Failure::Server(fields)) => return Seen { end: End::Refused(fields), ..seen },
        Err(Failure::Io(error)) => {
            return Seen { end: End::Senseless(format!("at login: {error}")), ..seen };
        }
    };
    for step in &script.steps {
        seen.steps.push(Vec::new());
        if let Some(end) = answers(&mut wire, &step.frames, step.ready, &mut seen) {
            seen.end = end;
            return seen;
        }
    }
    let _ = wire.send(&Frames::new().terminate());
    seen
}

/// Sends a step and takes its answers; the session's end, if it comes.
fn answers(wire: &mut Wire, frames: &Frames, ready: usize, seen: &mut Seen) -> Option<End> {
    // where it fails, what was said is still to be read
    let _ = wire.send(frames);
    let step = seen.steps.last_mut().unwrap();
    let mut left = ready;
    while left > 0 {
        let message = match wire.receive() {
            Ok(message) => message,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Some(End::Senseless("silence".into()));
            }
            Err(_) if wire.is_within_message() => return Some(End::Within),
            Err(error) => return Some(End::Senseless(format!("no FATAL error: {error}"))),
        };
        left -= usize::from(message.tag == b'Z');
        if message.tag == b'E' && message.fields().get('V') == "FATAL" {
            return Some(match wire.receive() {
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {
                    End::Fatal(message.fields())
                }
                other => End::Senseless(format!("behind a FATAL error: {other:?}")),
            });
        }
        step.push(message);
    }
    None
}

/// A unit of work as the client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was told of its end.
    Committed,
    /// It was told of its failure, or of the end of the session before it could be done.
    Nothing,
    /// The session ended while it was being committed.
    Doubtful,
}

fn known(seen: &Seen, whole: &Seen, unit: &Unit) -> Known {
    let part = |seen: &Seen| {
        let mut parts = seen.step(unit.step).split_inclusive(|message| message.tag == b'Z');
        parts.nth(unit.part).unwrap_or_default().to_vec()
    };
    let (step, expected) = (part(seen), part(whole));
    let complete = letters(&step) == letters(&expected);
    if tags(&step) == tags(&expected) && (complete || !unit.at_ready) {
        return Known::Committed;
    }
    let was_there = seen.steps.len() == unit.step + 1;
    match &seen.end {
        End::Fatal(fields) if was_there && fields.code() != "08006" => Known::Doubtful,
        End::Within if was_there => Known::Doubtful,
        _ => Known::Nothing,
    }
}

/// What is wrong with what a client saw and what is there now.
fn faults(script: &Script, whole: &Seen, seen: &Seen, rows: &[u32]) -> Vec<String> {
    let mut faults = Vec::new();
    match &seen.end {
        End::Senseless(why) => faults.push(why.clone()),
        End::Refused(fields) | End::Fatal(fields)
            if !["08006", "08007", "57P01"].contains(&fields.code()) =>
        {
            faults.push(format!("unexpected end: {fields}"));
        }
        _ => {}
    }
    let ended = !matches!(seen.end, End::Goodbye);
    for (index, step) in seen.steps.iter().enumerate() {
        let is_last = ended && index + 1 == seen.steps.len();
        let expected = letters(whole.step(index));
        if !follows(&letters(step), &expected, is_last) {
            faults.push(format!("step {index}: {} instead of {expected}", letters(step)));
        }
        for message in step.iter().filter(|message| message.tag == b'E') {
            let fields = message.fields();
            if !["08006", "25P02", "34000", "26000", "3B001"].contains(&fields.code()) {
                faults.push(format!("step {index}: {fields}"));
            }
        }
    }
    let mut accounted = Vec::new();
    for unit in &script.units {
        let there = unit.rows.iter().filter(|row| rows.contains(row)).count();
        accounted.extend(unit.rows.iter().copied().filter(|row| rows.contains(row)));
        let known = known(seen, whole, unit);
        let right = match known {
            Known::Committed => there == unit.rows.len(),
            Known::Nothing => there == 0,
            Known::Doubtful => there == 0 || there == unit.rows.len(),
        };
        if !right {
            faults.push(format!("{known:?}, but {there} of the rows {:?} are there", unit.rows));
        }
    }
    accounted.sort_unstable();
    if accounted != rows {
        faults.push(format!("rows {rows:?}, of which {accounted:?} were written"));
    }
    faults
}

/// Whether the answers to a step are well formed: for each ReadyForQuery all that was expected, or
/// the beginning of it and an error, or a ROLLBACK in the place of a COMMIT.
fn follows(got: &str, expected: &str, is_last: bool) -> bool {
    let mut parts: Vec<&str> = got.split_inclusive('Z').collect();
    if is_last {
        // the part in which the session ended
        let rest = parts.pop_if(|part| !part.ends_with('Z')).unwrap_or_default();
        let at = expected.split_inclusive('Z').nth(parts.len()).unwrap_or_default();
        if !at.starts_with(rest) && !rest.contains('E') {
            return false;
        }
    } else if parts.len() != expected.matches('Z').count() {
        return false;
    }
    parts.iter().zip(expected.split_inclusive('Z')).all(|(part, whole)| {
        part == &whole
            || part.strip_suffix("EZ").is_some_and(|begun| whole.starts_with(begun))
            || *part == "CZ" && whole.ends_with("CZ")
    })
}

/// What is shown of a run that went wrong.
fn account(seen: &Seen) -> String {
    let mut text = String::new();
    for (index, step) in seen.steps.iter().enumerate() {
        let _ = write!(text, "\n  {index}: {} {:?}", letters(step), tags(step));
        for message in step.iter().filter(|message| message.tag == b'E') {
            let _ = write!(text, " [{}]", message.fields());
        }
    }
    format!("{text}\n  {:?}", seen.end)
}

/// The cuts of a script, every `stride`th of them.
pub fn cuts(tap: &Tap, stride: usize) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for from in [From::Proxy, From::Server] {
        for message in 0..tap.count(from) {
            for place in [Place::Before, Place::Within, Place::After] {
                for how in [How::Close, How::Reset, How::Terminate] {
                    // half a message makes no difference to who is told to end
                    if how != How::Terminate || place != Place::Within {
                        cuts.push(Cut { from, message, place, how });
                    }
                }
            }
        }
    }
    cuts.into_iter().step_by(stride).collect()
}

fn every_cut_is_clean(major: Major, names: &[&str]) {
    let asked = std::env::var("CUTS").ok().map(|text| text.parse().expect("CUTS is a number"));
    // nothing in common with the eight ways to cut at a message
    let stride = asked.unwrap_or(31);
    let mut tapped = Tapped::start(major);
    let neon = tapped.places.neon();
    let mut wrong = Vec::new();
    let (mut made, mut sessions) = (0, 0);
    let only = std::env::var("CUTS_SCRIPT").ok();
    let is_wanted = |script: &&Script| match &only {
        Some(only) => script.name == only,
        None => asked.is_some() || names.contains(&script.name),
    };
    for script in scripts().iter().filter(is_wanted) {
        let (whole, rows) = tapped.uncut(|tapped| run(tapped, script));
        let written: Vec<u32> = script.units.iter().flat_map(|unit| unit.rows).copied().collect();
        assert_eq!(rows, written, "{} as it is{}", script.name, account(&whole));
        let points: Vec<(bool, Cut)> = cuts(&tapped.read, stride)
            .into_iter()
            .map(|cut| (true, cut))
            .chain(cuts(&tapped.write, stride).into_iter().map(|cut| (false, cut)))
            .collect();
        for (reads, cut) in points {
            tapped.read.arm(reads.then_some(cut));
            tapped.write.arm((!reads).then_some(cut));
            let seen = run(&tapped, script);
            let rows = tapped.take_rows();
            sessions += 1;
            made += usize::from(tapped.read.has_cut() && tapped.write.has_cut());
            let faults = faults(script, &whole, &seen, &rows);
            if !faults.is_empty() {
                let leg = if reads { "read" } else { "write" };
                wrong.push(format!(
                    "{} {leg} leg {cut:?}\n  {}{}",
                    script.name,
                    faults.join("\n  "),
                    account(&seen),
                ));
            }
        }
        assert_eq!(tapped.places.neon(), neon, "{}", script.name);
        println!("{}: {sessions} sessions, {made} cut, {} wrong", script.name, wrong.len());
    }
    let shown = wrong.len().min(12);
    assert!(wrong.is_empty(), "{} wrong, the first:\n{}", wrong.len(), wrong[..shown].join("\n"));
    assert!(made * 100 > sessions * 95, "{made} cuts in {sessions} sessions");
}

#[test]
fn a_leg_cut_off_anywhere_ends_cleanly_on_15() {
    every_cut_is_clean(Major::V15, &["simple", "pipelines", "held"]);
}

#[test]
fn a_leg_cut_off_anywhere_ends_cleanly_on_18() {
    every_cut_is_clean(Major::V18, &["savepoints", "string", "resets", "copy", "calls"]);
}
