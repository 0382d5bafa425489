//! The places of a session read and write values alike, whatever each would do by itself.

use super::places::Places;
use super::reloaded::reload;
use super::support::proxy::{PROD, STAGING};
use super::support::{Major, Proxy, Wire};

/// Where sessions write, other defaults.
const OTHERWISE: &str = "ALTER DATABASE local SET standard_conforming_strings = off; \
     ALTER DATABASE local SET DateStyle = 'SQL, DMY'; \
     ALTER DATABASE local SET TimeZone = 'Asia/Tokyo'; \
     ALTER DATABASE local SET IntervalStyle = 'sql_standard'";

/// Quoted for a server whose backslashes are nothing special. Elsewhere it runs a part of its value.
const QUOTED: &str = r"'\''||current_user) -- '";
const VALUE: &str = r"\'||current_user) -- ";

/// Reads values, and writes them.
const READ: &str = "('01/02/2026'::date)::text || ' ' || \
     ('2026-01-01 00:00'::timestamptz AT TIME ZONE 'UTC')::text || ' ' || '1 day'::interval::text";

fn places() -> Places {
    let places = Places::start(Major::V15);
    places.cluster.sql("postgres", OTHERWISE);
    places
}

fn writes_what_is_quoted(places: &Places, session: &mut Wire, key: i32) {
    session.sql(&format!("INSERT INTO w1 VALUES ({key}, {QUOTED})"));
    let stands = format!("SELECT b FROM w1 WHERE a = {key}");
    assert_eq!(places.cluster.value("local", &stands), VALUE);
}

#[test]
fn the_legs_read_dates_and_quotes_alike() {
    let places = places();
    for first in [
        "SELECT 1",
        "RESET ALL",
        "DISCARD ALL",
        "RESET TimeZone",
        "SET DateStyle = 'German'",
        "SET DateStyle TO DEFAULT",
        "SET LOCAL IntervalStyle = 'iso_8601'",
    ] {
        for early in [false, true] {
            let mut session = places.session();
            if early {
                session.sql("DELETE FROM w1 WHERE a >= 50");
            }
            session.sql(first);
            let read = session.value(&format!("SELECT {READ}"));
            session.sql("DELETE FROM w1 WHERE a >= 50");
            let written = session.value(&format!("INSERT INTO w1 VALUES (50, {READ}) RETURNING b"));
            assert_eq!(written, read, "{first}, early: {early}");
            writes_what_is_quoted(&places, &mut session, 51);
            assert_eq!(session.parameters["standard_conforming_strings"], "on");
        }
    }
}

#[test]
fn a_session_that_moves_is_read_there_as_it_writes() {
    let mut places = places();
    let login = places.proxy.login("nova").options("-c authority.task=run_verification");
    let mut asks = places.proxy.try_connect(&login).unwrap();
    let mut goes = places.proxy.try_connect(&login).unwrap();
    let read = asks.value(&format!("SELECT {READ}"));
    asks.sql("SET authority.task = 'unit_tests'");
    assert_eq!(asks.value("SELECT current_database()"), "local");
    assert_eq!(asks.value(&format!("SELECT {READ}")), read);
    writes_what_is_quoted(&places, &mut asks, 60);
    asks.sql("RESET ALL");
    assert_eq!(asks.value(&format!("SELECT {READ}")), read);
    // by itself, ahead of a statement that its client has written for where it was
    let row = "\n[[decision]]\ntask = \"run_verification\"\nread = \"local\"\nwrite = \"local\"\n";
    reload(&mut places.proxy, |text| text.to_owned() + row);
    writes_what_is_quoted(&places, &mut goes, 61);
    assert_eq!(goes.value("SELECT current_database()"), "local");
    assert_eq!(goes.value(&format!("SELECT {READ}")), read);
}

#[test]
fn text_is_the_same_where_the_database_has_another_encoding() {
    let places = Places::start(Major::V15);
    places.cluster.sql(
        "postgres",
        "CREATE DATABASE latin OWNER app ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    );
    places.cluster.sql("latin", "SET ROLE app; CREATE TABLE w1 (a int, b text)");
    let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"\n\
         task = \"spanning\"";
    let proxy = Proxy::builder()
        .upstream_at("neon", PROD, &places.cluster.url("app", "neon"), "")
        .upstream_at("local", STAGING, &places.cluster.url("app", "latin"), "")
        .entry("both", entry)
        .start();
    let mut session = proxy.connect("both");
    let told = session.parameters["client_encoding"].clone();
    assert_eq!(told, "UTF8");
    assert_eq!(session.value("INSERT INTO w1 VALUES (1, 'é') RETURNING b"), "é");
    assert_eq!(
        places.cluster.value("latin", "SELECT ascii(b) || ' ' || length(b) FROM w1"),
        "233 1"
    );
    assert_eq!(session.parameters["client_encoding"], told);
    // what that database cannot be asked in
    let login = proxy.login("both").parameter("client_encoding", "EUC_KR");
    let mut session = proxy.try_connect(&login).unwrap();
    assert_eq!(session.value("SELECT 1"), "1");
    let error = session.error("INSERT INTO w1 VALUES (2, 'e')");
    assert_eq!(error.code(), "0A000", "{error}");
    assert!(error.hint().contains("client_encoding = EUC_KR"), "{error}");
    assert_eq!(session.value("SELECT 1"), "1");
}
