//! A connection is cut off amid moves, at every message: the session stands where it was or is where
//! its task leads, with all that it has set, and has been told so; or it has ended. Nothing is left on the
//! servers.
//!
//! Some of the points by default; `CUTS=1` takes every one, which are 18,500 in an hour and a half, `CUTS=50` every
//! fiftieth.

use std::io;

use super::cuts::cuts;
use super::support::Wire;
use super::support::wire::Frames;
use super::support::{Major, Message};
use super::tapped::Tapped;

/// The session has two places at first.
const TASKS: [&str; 5] =
    ["unit_tests", "spanning", "run_verification", "spanning", "run_verification"];

const PLACE: &str = "SELECT current_database()";

fn place(task: &str) -> &'static str {
    if task == "unit_tests" { "local" } else { "neon" }
}

/// How a session went on.
enum Answer {
    Done(Vec<Message>),
    Failed(String),
    /// With a FATAL error, or without.
    Ended(Option<String>),
    Silent,
}

fn ask(wire: &mut Wire, frames: &Frames) -> Answer {
    // where it fails, what was said is still to be read
    let _ = wire.send(frames);
    let mut messages = Vec::new();
    let mut failed = None;
    loop {
        let message = match wire.receive() {
            Ok(message) => message,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Answer::Silent,
            Err(_) if wire.is_within_message() => {
                return Answer::Ended(Some("08006 within".into()));
            }
            Err(_) => return Answer::Ended(None),
        };
        match message.tag {
            b'E' if message.fields().get('V') == "FATAL" => {
                return Answer::Ended(Some(message.fields().to_string()));
            }
            b'E' => failed = Some(message.fields().to_string()),
            b'Z' => break,
            _ => {}
        }
        messages.push(message);
    }
    failed.map_or(Answer::Done(messages), Answer::Failed)
}

fn query(wire: &mut Wire, text: &str) -> Answer {
    ask(wire, &Frames::new().query(text))
}

fn row(messages: &[Message]) -> String {
    let row = messages.iter().find(|message| message.tag == b'D');
    row.and_then(|row| row.columns().swap_remove(0)).unwrap_or_default()
}

/// A session that moves; gives what is wrong with it.
fn tour(tapped: &Tapped) -> Result<(), String> {
    let Ok(mut wire) = tapped.proxy.try_connect(&tapped.proxy.login("both")) else { return Ok(()) };
    let mut task = "spanning";
    let is_lost = |why: &str| ["08006", "08007", "57P01"].iter().any(|one| why.contains(one));
    // an end at any time is one of a server; told, where the proxy can tell
    let ended = |why: Option<String>, task: &str, at: &str| match why {
        None if task == "spanning" => Err(format!("{at}: ended without a FATAL error")),
        Some(why) if !is_lost(&why) => Err(format!("{at}: {why}")),
        _ => Ok(()),
    };
    let kept = Frames::new().parse("kept", PLACE, &[]).sync();
    for frames in [
        Frames::new().query("SET work_mem = '7MB'"),
        Frames::new().query("SET my.own = 'x'"),
        Frames::new().query("LISTEN here"),
        kept,
    ] {
        match ask(&mut wire, &frames) {
            Answer::Done(_) => {}
            Answer::Ended(why) => return ended(why, task, "at first"),
            // a leg that cannot be opened
            Answer::Failed(why) if is_lost(&why) => return Ok(()),
            Answer::Failed(why) => return Err(why),
            Answer::Silent => return Err("silence at first".into()),
        }
    }
    for next in TASKS {
        let at = format!("from {task} to {next}");
        match query(&mut wire, &format!("SET authority.task = '{next}'")) {
            Answer::Done(_) => task = next,
            Answer::Failed(why) if is_lost(&why) => {}
            Answer::Failed(why) => return Err(format!("{at}: {why}")),
            // one of both is a session of one server
            Answer::Ended(why) => return ended(why, "", &at),
            Answer::Silent => return Err(format!("{at}: silence")),
        }
        let bound = Frames::new().bind("", "kept", &[]).execute("", 0).sync();
        let channels = "SELECT string_agg(name, ' ') FROM pg_listening_channels() AS of (name)";
        for (frames, expected) in [
            (Frames::new().query("SHOW authority.task"), task),
            (Frames::new().query(PLACE), place(task)),
            (Frames::new().query("SHOW work_mem"), "7MB"),
            (Frames::new().query("SHOW my.own"), "x"),
            (Frames::new().query(channels), "here"),
            (bound, place(task)),
        ] {
            let at = format!("{at}, then {task}: {}", frames.labels[0]);
            match ask(&mut wire, &frames) {
                Answer::Done(messages) if row(&messages) == expected => {}
                Answer::Done(messages) => return Err(format!("{at}: {:?}", row(&messages))),
                Answer::Ended(why) => return ended(why, task, &at),
                Answer::Failed(why) => return Err(format!("{at}: {why}")),
                Answer::Silent => return Err(format!("{at}: silence")),
            }
        }
    }
    let _ = wire.send(&Frames::new().terminate());
    Ok(())
}

#[test]
fn a_connection_cut_off_amid_a_move_leaves_the_session_somewhere() {
    let asked = std::env::var("CUTS").ok().map(|text| text.parse().expect("CUTS is a number"));
    // nothing in common with the eight ways to cut at a message
    let stride = asked.unwrap_or(251);
    let mut tapped = Tapped::start(Major::V15);
    tapped.uncut(|tapped| tour(tapped).unwrap());
    let points = [true, false].map(|reads| {
        cuts(if reads { &tapped.read } else { &tapped.write }, stride)
            .into_iter()
            .map(move |cut| (reads, cut))
    });
    let (mut wrong, mut made, mut sessions) = (Vec::new(), 0, 0);
    for (reads, cut) in points.into_iter().flatten() {
        tapped.read.arm(reads.then_some(cut));
        tapped.write.arm((!reads).then_some(cut));
        if let Err(why) = tour(&tapped) {
            let place = if reads { "neon" } else { "local" };
            wrong.push(format!("{place} {cut:?}\n  {why}"));
        }
        // no session is left on a server
        tapped.take_rows();
        sessions += 1;
        made += usize::from(tapped.read.has_cut() && tapped.write.has_cut());
    }
    println!("{sessions} sessions, {made} cut, {} wrong", wrong.len());
    let shown = wrong.len().min(12);
    assert!(wrong.is_empty(), "{} wrong, the first:\n{}", wrong.len(), wrong[..shown].join("\n"));
    assert!(made * 100 > sessions * 95, "{made} cuts in {sessions} sessions");
}
