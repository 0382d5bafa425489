//! Looks at the catalog that sessions share: one looks, the others wait for it, and nobody keeps an
//! older one.

use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::law::CONFIRM_OPTION;
use super::support::process::eventually;
use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Proxy, Wire};

fn proxy(cluster: &Cluster, lines: &str) -> Proxy {
    Proxy::builder()
        .upstream("prod", PROD, cluster)
        .trusted("prod", "prod", lines)
        .server("worker_threads = 2")
        .start()
}

fn confirmed(proxy: &Proxy) -> Wire {
    proxy.try_connect(&proxy.login("prod").options(CONFIRM_OPTION)).unwrap()
}

/// The proxy's memory, in KiB.
fn resident(proxy: &Proxy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Bodies of some megabytes, which a snapshot holds.
fn many_routines() -> String {
    let mut text = String::from("SET ROLE app;");
    for number in 0..100 {
        let body = format!("SELECT {number}::bigint /* {} */", "what it does ".repeat(5_000));
        writeln!(
            text,
            "CREATE FUNCTION f{number}() RETURNS bigint LANGUAGE sql STABLE AS '{body}';"
        )
        .unwrap();
    }
    text
}

#[test]
fn an_idle_session_keeps_no_old_snapshot() {
    let cluster = Cluster::builder().start();
    cluster.sql("app", &many_routines());
    let proxy = proxy(&cluster, "");
    let mut changing = confirmed(&proxy);
    let step = |changing: &mut Wire, number: i32| {
        changing.sql(&format!("CREATE TABLE t{number} (a int)"));
        let mut wire = proxy.connect("prod");
        assert_eq!(wire.value("SELECT f7() >= 0"), "t");
        // and where it saw the catalog alone
        wire.sql("BEGIN; CREATE TEMP TABLE mine (a int)");
        assert_eq!(wire.value("SELECT f8() >= 0"), "t");
        wire.sql("COMMIT");
        wire
    };
    let mut idle: Vec<_> = (0..5).map(|number| step(&mut changing, number)).collect();
    let before = resident(&proxy);
    idle.extend((5..35).map(|number| step(&mut changing, number)));
    let after = resident(&proxy);
    assert!(after < before + before / 2, "{before} KiB, with 30 more sessions {after}");
    for wire in &mut idle {
        assert_eq!(wire.value("SELECT f9() >= 0"), "t");
    }
}

/// How many looks at the whole catalog have begun, by the server's log.
fn whole(cluster: &Cluster) -> usize {
    cluster.log().matches("SELECT 'V' AS kind").count()
}

#[test]
fn one_session_looks_for_all_that_wait() {
    let cluster = Cluster::builder().setting("log_statement", "all").start();
    cluster.sql("app", &many_routines());
    let proxy = proxy(&cluster, "");
    let mut changing = confirmed(&proxy);
    let mut wires: Vec<_> = (0..40).map(|_| proxy.connect("prod")).collect();
    assert_eq!(wires[0].value("SELECT f1() >= 0"), "t");
    let before = whole(&cluster);
    let rounds = 3;
    for round in 0..rounds {
        changing.sql(&format!("CREATE FUNCTION g{round}() RETURNS int LANGUAGE sql AS 'SELECT 1'"));
        for wire in &mut wires {
            // what is new is seen by each
            wire.send(&Frames::new().query(&format!("SELECT g{round}()"))).unwrap();
        }
        for wire in &mut wires {
            let messages = wire.receive_until(b'Z');
            assert_eq!(messages[1].columns(), [Some("1".to_owned())], "{messages:?}");
        }
    }
    // one that set out before the change may be under way
    let looks = whole(&cluster) - before;
    assert!((rounds..=2 * rounds).contains(&looks), "{looks} looks");
}

#[test]
fn a_session_whose_server_process_stands_still_holds_nobody_up_for_long() {
    let cluster = Cluster::builder().start();
    cluster
        .sql("app", "SET ROLE app; CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let proxy = proxy(&cluster, "");
    let (mut changing, mut stopped) = (confirmed(&proxy), proxy.connect("prod"));
    let mut others: Vec<_> = (0..8).map(|_| proxy.connect("prod")).collect();
    let id = stopped.value("SELECT pg_backend_pid()").parse().unwrap();
    let process = Pid::from_raw(id).unwrap();
    changing.sql("CREATE TABLE t (a int)");
    kill_process(process, Signal::STOP).unwrap();
    stopped.send(&Frames::new().query("SELECT one()")).unwrap();
    // its look is under way
    thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    for wire in &mut others {
        wire.send(&Frames::new().query("SELECT one()")).unwrap();
    }
    for wire in &mut others {
        wire.receive_until(b'Z');
    }
    let waited = began.elapsed();
    kill_process(process, Signal::CONT).unwrap();
    stopped.receive_until(b'Z');
    assert!(waited < Duration::from_secs(6), "{waited:?}");
}

#[test]
fn what_the_operator_trusts_counts_for_all_sessions_at_once() {
    let cluster = Cluster::builder().start();
    let hides = "CREATE FUNCTION hides(text) RETURNS void LANGUAGE plpgsql AS \
                 $$ BEGIN EXECUTE $1; END $$";
    cluster.sql("app", &format!("SET ROLE app; {hides}"));
    let mut proxy = Proxy::builder()
        .upstream_at(
            "prod",
            PROD,
            &cluster.url("app", "app"),
            "trusted_routines = [\"public.hides -- reads only, as we know\"]",
        )
        .trusted("prod", "prod", "")
        .start();
    let mut old = proxy.connect("prod");
    let reads = "SELECT hides('SELECT 1')";
    old.sql(reads);
    let path = proxy.folder().path().join("pgauthority.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.lines().filter(|line| !line.starts_with("trusted_routines"));
    fs::write(&path, text.collect::<Vec<_>>().join("\n")).unwrap();
    let loaded = proxy.events("config_loaded").len();
    proxy.reload();
    eventually("the configuration to be loaded", Duration::from_secs(10), || {
        (proxy.events("config_loaded").len() > loaded).then_some(())
    });
    // the session of before reads the catalog first
    assert_eq!(old.error(reads).code(), "42501");
    assert_eq!(proxy.connect("prod").error(reads).code(), "42501");
}
