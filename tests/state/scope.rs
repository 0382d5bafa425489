//! The proxy's view of the confirmation against the server's account of a parallel parameter.
//!
//! After each message the server is asked for the parallel parameter, and the proxy is asked by a
//! Parse of a statement that needs the confirmation. To think a session confirmed that is not is a
//! miss; to think it unconfirmed is allowed for reasons that are known, and counted.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::item::{Item, Session};
use super::random::{Random, scripts};
use super::scope_generator::{Doubt, SETUP, SHADOW, script};
use super::shrink::shrink;
use super::support::{Major, Message};

/// What a view came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Confirmed for both.
    Confirmed,
    /// For neither.
    Unconfirmed,
    /// Confirmed for the proxy, and not for the server.
    Miss,
    /// The other way round.
    FalseAlarm,
}

/// Runs a statement without touching the unnamed statement, or any that a script uses.
pub fn aside(text: &str) -> Vec<Item> {
    vec![
        Item::Parse("aside", text.into()),
        Item::Bind("aside", "aside"),
        Item::Execute("aside", 0),
        Item::CloseStatement("aside"),
        Item::ClosePortal("aside"),
    ]
}

/// The server's account of the parallel parameter.
fn shadow(session: &mut Session<'_>) -> bool {
    let answers = session.send(&aside(&format!("SHOW {SHADOW}")));
    let row = answers.iter().find(|message| message.tag == b'D').map(Message::columns);
    let value = row.and_then(|columns| columns[0].clone()).unwrap_or_else(|| {
        panic!("no value\n{}", session.transcript.join("\n"));
    });
    matches!(value.as_str(), "true" | "on" | "yes" | "1")
}

/// The proxy's view. Inside a transaction a refusal is undone again.
fn confirmed(session: &mut Session<'_>) -> bool {
    let inside = session.status == Some(b'T');
    if inside {
        session.send(&aside("SAVEPOINT aside"));
    }
    let answers = session.send(&[
        Item::Parse("ddl", "COMMENT ON TABLE probe IS 'y'".into()),
        Item::CloseStatement("ddl"),
    ]);
    let error = answers.iter().find(|message| message.tag == b'E').map(Message::fields);
    if let Some(error) = &error {
        let blocked = error.detail().contains("unconfirmed");
        assert!(blocked, "{error}\n{}", session.transcript.join("\n"));
    }
    if inside {
        session.send(&aside("ROLLBACK TO aside"));
        session.send(&aside("RELEASE aside"));
    }
    error.is_none()
}

/// Runs a script up to the first view that is wrong; gives it and what led to it.
fn run(
    ground: &Ground,
    items: &[Item],
    options: &str,
    mut is_wrong: impl FnMut(usize, View) -> bool,
) -> Option<(View, String)> {
    let mut superuser = ground.cluster.connect("app");
    for row in superuser.sql("SELECT gid FROM pg_prepared_xacts") {
        superuser.sql(&format!("ROLLBACK PREPARED '{}'", row[0].clone().unwrap()));
    }
    let mut wire = ground.proxy.try_connect(&ground.proxy.login("prod").options(options)).unwrap();
    let mut session = Session::new(&mut wire, false);
    for (index, item) in items.iter().enumerate() {
        session.send(std::slice::from_ref(item));
        if !matches!(session.status, Some(b'I' | b'T')) {
            continue;
        }
        session.transcript.push("?".into());
        let view = match (confirmed(&mut session), shadow(&mut session)) {
            (true, true) => View::Confirmed,
            (false, false) => View::Unconfirmed,
            (true, false) => View::Miss,
            (false, true) => View::FalseAlarm,
        };
        if is_wrong(index, view) {
            return Some((view, session.transcript.join("\n")));
        }
    }
    None
}
/// What the views of many scripts came to.
#[derive(Debug, Default)]
struct Views {
    confirmed: usize,
    unconfirmed: usize,
    /// False alarms that are known and documented, by their reason.
    excused: BTreeMap<Doubt, usize>,
}

/// Counts what is no fault.
fn count(what: &mut usize) -> bool {
    *what += 1;
    false
}

fn views_agree(major: Major) {
    let ground = Ground::new(major, SETUP);
    let mut faults = Vec::new();
    let mut views = Views::default();
    for seed in scripts(60) {
        let mut random = Random::new(seed);
        let doubt = random.chance(60).then(|| Doubt::ALL[random.below(Doubt::ALL.len())]);
        let at_startup = random.chance(40);
        let length = 3 + random.below(25);
        let (items, doubts): (Vec<Item>, Vec<Option<Doubt>>) =
            script(&mut random, length, doubt).into_iter().unzip();
        let options = if at_startup {
            "-c authority.confirm_prod_migrations=true -c shadow.confirm=true"
        } else {
            "-c shadow.confirm=false"
        };
        let failure = run(&ground, &items, options, |index, view| match view {
            View::Confirmed => count(&mut views.confirmed),
            View::Unconfirmed => count(&mut views.unconfirmed),
            View::FalseAlarm if doubts[..=index].iter().any(Option::is_some) => {
                count(views.excused.entry(doubt.unwrap()).or_default())
            }
            View::Miss | View::FalseAlarm => true,
        });
        let Some((wrong, said)) = failure else { continue };
        let (_, said) = shrink(items, said, |shorter| {
            run(&ground, shorter, options, |_, view| view == wrong).map(|(_, said)| said)
        });
        faults.push(format!("STATE_SEED={seed} ({options}) {wrong:?}\n{said}"));
        if faults.len() == 3 {
            break;
        }
    }
    eprintln!("{views:?}");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(views.confirmed > 100 && views.unconfirmed > 100, "{views:?}");
}

#[test]
fn the_view_of_the_confirmation_is_the_servers_on_15() {
    views_agree(Major::V15);
}

#[test]
fn the_view_of_the_confirmation_is_the_servers_on_18() {
    views_agree(Major::V18);
}
