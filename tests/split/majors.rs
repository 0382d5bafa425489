//! The two places are servers of different majors: what the session reports is what the read leg's
//! server does.

use std::collections::BTreeMap;

use super::places::Places;
use super::support::cluster::PASSWORD;
use super::support::wire::Frames;
use super::support::{Login, Major, Wire};

/// Reports of the server, and not the proxy's own.
fn reports(wire: &Wire) -> BTreeMap<String, String> {
    let all = wire.parameters.clone();
    all.into_iter().filter(|(name, _)| !name.starts_with("authority.")).collect()
}

/// What a string reports.
fn reported(wire: &mut Wire, text: &str) -> Vec<String> {
    let messages = wire.exchange(&Frames::new().query(text));
    let reports = messages.iter().filter(|message| message.tag == b'S');
    let mut reports: Vec<_> = reports.map(|message| message.text().replace('\0', "=")).collect();
    // those of one statement come in the order of a hash table
    reports.sort_unstable();
    reports
}

fn reports_are_those_of_the_read_leg(read: Major, write: Major) {
    let places = Places::on_two(read, write);
    let to =
        |port, database| Wire::tcp(port, &Login::new("app", database).password(PASSWORD)).unwrap();
    let mut alone = to(places.cluster.port(), "neon");
    let mut split = to(places.proxy.port, "both");
    let version = reports(&split)["server_version"].clone();
    assert!(version.starts_with(&format!("{read:?}")[1..]), "{version}");
    assert_eq!(reports(&split), reports(&alone));
    assert_eq!(reported(&mut split, "INSERT INTO w1 VALUES (900, 'opens')"), [""; 0]);
    assert_eq!(split.value("SHOW server_version"), version);
    for text in [
        "SET search_path = public, pg_temp",
        "SET application_name = 'reported'",
        "BEGIN",
        "UPDATE r1 SET b = 'both legs' WHERE false",
        "SET LOCAL search_path = pg_temp, public; SET datestyle = 'SQL, DMY'",
        "SET TRANSACTION READ ONLY",
        "SELECT count(*) FROM r2",
        "ROLLBACK",
        "SET default_transaction_read_only = on",
        "SET timezone = 'Europe/Zurich'",
        "RESET ALL",
        "DISCARD ALL",
    ] {
        assert_eq!(reported(&mut split, text), reported(&mut alone, text), "{text}");
        assert_eq!(reports(&split), reports(&alone), "{text}");
    }
    // a session that works in one place has that place's reports, and gets them on its way
    let mut local = to(places.local().port(), "local");
    split.sql("SET authority.task = 'unit_tests'");
    let mut moved = reports(&split);
    let there = reports(&local);
    // what a server of the newer major alone reports stays known
    moved.retain(|name, _| there.contains_key(name));
    assert_eq!(moved, there);
    assert_eq!(split.value("SHOW server_version"), local.value("SHOW server_version"));
    split.sql("SET authority.task = 'spanning'");
    assert_eq!(reports(&split)["server_version"], version);
}

#[test]
fn a_new_read_leg_reports_for_the_session() {
    reports_are_those_of_the_read_leg(Major::V18, Major::V15);
}

#[test]
fn an_old_read_leg_reports_for_the_session() {
    reports_are_those_of_the_read_leg(Major::V15, Major::V18);
}

#[test]
fn a_parameter_that_the_other_major_lacks_is_named() {
    let places = Places::on_two(Major::V15, Major::V18);
    for (name, value) in [("transaction_timeout", "5s"), ("event_triggers", "on")] {
        let login = places.proxy.login("nova").options("-c authority.task=unit_tests");
        let mut session = places.proxy.try_connect(&login).unwrap();
        let away = "SET authority.task = 'run_verification'";
        // of one that only a superuser may set a move has nothing to take along
        if session.try_sql(&format!("SET {name} = '{value}'")).is_err() {
            session.sql(away);
            continue;
        }
        let error = session.error(away);
        assert!(error.message().contains(&format!("parameter \"{name}\"")), "{error}");
        let hint = format!(
            "RESET {name} first, or connect again with options='-c authority.task=run_verification'"
        );
        assert!(error.hint().contains(&hint), "{error}");
        assert_eq!(session.value("SHOW authority.task"), "unit_tests");
        assert_eq!(session.value(&format!("SHOW {name}")), value);
        session.sql(&format!("RESET {name}"));
        session.sql(away);
        assert_eq!(session.value("SELECT current_database()"), "neon");
    }
}
