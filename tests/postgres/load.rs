//! Sessions of one worker do not wait for each other: long texts, long pipelines.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Proxy, Wire};

fn one_worker(cluster: &Cluster) -> Proxy {
    with_settings(cluster, "worker_threads = 1")
}

fn with_settings(cluster: &Cluster, settings: &str) -> Proxy {
    Proxy::builder()
        .server(settings)
        .upstream("prod", PROD, cluster)
        .trusted("prod", "prod", "")
        .start()
}

/// The longest that a `SELECT 1` takes while `busy` is at work.
fn longest_meanwhile(proxy: &Proxy, busy: impl FnOnce(Wire) + Send) -> Duration {
    let (worker, mut other) = (proxy.connect("prod"), proxy.connect("prod"));
    let mut longest = Duration::ZERO;
    thread::scope(|scope| {
        let working = scope.spawn(move || busy(worker));
        while !working.is_finished() {
            let began = Instant::now();
            assert_eq!(other.value("SELECT 1"), "1");
            longest = longest.max(began.elapsed());
            thread::sleep(Duration::from_millis(1));
        }
    });
    longest
}

/// A text of 400,000 rows keeps the parser busy; whoever shares the worker does not notice.
#[test]
fn a_long_text_holds_up_its_own_session_only() {
    let cluster = Cluster::builder().start();
    cluster.sql("app", "SET ROLE app; CREATE TABLE numbers (a int)");
    let proxy = one_worker(&cluster);
    let mut text = String::from("INSERT INTO numbers VALUES (0)");
    for row in 1..400_000 {
        write!(text, ",({row})").unwrap();
    }
    let began = Instant::now();
    let longest = longest_meanwhile(&proxy, |mut wire| {
        wire.sql(&text);
        wire.error(&format!("{text}; DROP TABLE numbers"));
        wire.exchange(&Frames::new().parse("", &text, &[]).sync());
    });
    let all = began.elapsed();
    assert_eq!(cluster.value("app", "SELECT count(*) FROM numbers"), "400000");
    let refused = proxy.events("statement_blocked");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(longest < all / 4, "a SELECT 1 took {longest:?} of {all:?}");
}

/// Ten thousand statements that change the session, each looked at when it is decided.
#[test]
fn a_long_pipeline_of_settings_is_no_burden() {
    let cluster = Cluster::builder().start();
    let proxy = one_worker(&cluster);
    let mut wire = proxy.connect("prod");
    let mut frames = Frames::new().parse("s", "SET LOCAL work_mem = '5MB'", &[]);
    for _ in 0..10_000 {
        frames = frames.bind("", "s", &[]).execute("", 0);
    }
    let began = Instant::now();
    wire.send(&frames.sync()).unwrap();
    let messages = wire.receive_until(b'Z');
    assert_eq!(messages.iter().filter(|message| message.tag == b'C').count(), 10_000);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// What sessions of a worker send goes in one call where the kernel can; to each what is its own.
#[test]
fn many_at_once_get_what_is_theirs() {
    let cluster = Cluster::builder().start();
    for io_uring in [true, false] {
        let proxy = with_settings(&cluster, &format!("worker_threads = 1\nio_uring = {io_uring}"));
        thread::scope(|scope| {
            for client in 0..40 {
                let mut wire = proxy.connect("prod");
                scope.spawn(move || {
                    for turn in 0..60 {
                        let length = [1, 40, 3000, 4089, 5000, 70_000][(client + turn) % 6];
                        let text = format!("SELECT '{client}:{turn}:' || repeat('x', {length})");
                        let wanted = format!("{client}:{turn}:{}", "x".repeat(length));
                        assert!(wire.value(&text) == wanted, "{client}, {turn}");
                    }
                });
            }
        });
    }
}

/// Thousands of routines that call each other.
const BODIES: &str = "DO $do$ BEGIN
        SET LOCAL check_function_bodies = off;
        CREATE FUNCTION f0() RETURNS int LANGUAGE sql AS 'SELECT 1';
        FOR i IN 1..3000 LOOP
            EXECUTE format('CREATE FUNCTION f%s() RETURNS int LANGUAGE plpgsql AS %L', i,
                format('begin %s return f%s() + f%s(); end', repeat('perform 1; ', 60),
                    i - 1, i - 1));
        END LOOP;
    END $do$";

/// What a statement runs is read for the first time: thousands of bodies, elsewhere; and once.
#[test]
fn a_long_walk_through_bodies_holds_up_its_own_session_only() {
    let cluster = Cluster::builder().start();
    cluster.sql("app", BODIES);
    let proxy = one_worker(&cluster);
    let (mut first, mut later) = (Duration::ZERO, Duration::ZERO);
    let longest = longest_meanwhile(&proxy, |mut wire| {
        let timed = |wire: &mut Wire| {
            let began = Instant::now();
            assert!(wire.sql("SELECT f3000() WHERE false").is_empty());
            began.elapsed()
        };
        first = timed(&mut wire);
        // the catalog is another one, and all but one of its bodies the same
        wire.sql(
            "SET authority.confirm_prod_migrations = true; \
             CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        );
        later = timed(&mut wire);
    });
    assert!(longest < first / 3, "a SELECT 1 took {longest:?} of {first:?}");
    assert!(later < first / 2, "{later:?} after {first:?}");
}

/// The same where it is not in the text of now: what is behind a name has become another one.
#[test]
fn so_does_one_through_what_is_run_by_name() {
    let small = "CREATE OR REPLACE FUNCTION run() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    let large = "CREATE OR REPLACE FUNCTION run() RETURNS int LANGUAGE sql AS 'SELECT f3000()'";
    let text = "SELECT run() WHERE false";
    for (what, first, then) in [
        (
            "EXECUTE",
            Frames::new().query(&format!("PREPARE p AS {text}")),
            Frames::new().query("EXECUTE p"),
        ),
        (
            "Bind",
            Frames::new().parse("p", text, &[]).sync(),
            Frames::new().bind("", "p", &[]).execute("", 0).sync(),
        ),
        (
            "FETCH",
            Frames::new().query(&format!("BEGIN; DECLARE c CURSOR FOR {text}")),
            Frames::new().query("FETCH c"),
        ),
    ] {
        let cluster = Cluster::builder().start();
        cluster.sql("app", small);
        let proxy = one_worker(&cluster);
        let mut took = Duration::ZERO;
        let longest = longest_meanwhile(&proxy, |mut wire| {
            wire.exchange(&first);
            cluster.sql("app", BODIES);
            cluster.sql("app", large);
            // what is known of the catalog is out of date
            thread::sleep(Duration::from_secs(6));
            let began = Instant::now();
            let answers = wire.exchange(&then);
            took = began.elapsed();
            assert!(answers.iter().all(|message| message.tag != b'E'), "{what}: {answers:?}");
        });
        assert!(took > Duration::from_millis(300), "{what}: nothing was read, in {took:?}");
        assert!(longest < took / 3, "{what}: a SELECT 1 took {longest:?} of {took:?}");
    }
}
