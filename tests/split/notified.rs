//! LISTEN and NOTIFY in sessions that move, and in those of two places.

use super::places::Places;
use super::support::proxy::{REPLICA, STAGING};
use super::support::wire::{Frames, Message};
use super::support::{Cluster, Major, Proxy, Wire};

const WHERE: &str = "SELECT current_database()";

fn session(places: &Places, task: &str) -> Wire {
    let login = places.proxy.login("nova").options(&format!("-c authority.task={task}"));
    places.proxy.try_connect(&login).unwrap()
}

/// Process id, channel and payload of the notifications among these.
fn notified(messages: &[Message]) -> Vec<(u32, String)> {
    let of = |message: &Message| {
        let (id, rest) = message.body.split_at(4);
        let text = String::from_utf8_lossy(rest).replace('\0', " ").trim_end().to_owned();
        (u32::from_be_bytes(id.try_into().unwrap()), text)
    };
    messages.iter().filter(|message| message.tag == b'A').map(of).collect()
}

/// What it has been notified of once this is answered.
fn told(session: &mut Wire) -> Vec<String> {
    let mut told = notified(&session.exchange(&Frames::new().query("SELECT 1")));
    // a split session's other leg is not asked by that
    told.extend(notified(&session.exchange(&Frames::new().query("SET my.own = 'a'"))));
    told.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn what_it_listens_to_goes_on_into_two_places_and_back() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    session.sql("LISTEN here");
    let go = |session: &mut Wire, task: &str| {
        session.sql(&format!("SET authority.task = '{task}'"));
    };
    let notify = |place: &str, text: &str| {
        places.cluster.sql(place, &format!("NOTIFY here, '{text}'"));
    };
    // in two places it is notified of both
    go(&mut session, "spanning");
    notify("local", "1");
    notify("neon", "2");
    let mut heard = told(&mut session);
    heard.sort();
    assert_eq!(heard, ["here 1", "here 2"]);
    session.sql("LISTEN there");
    go(&mut session, "unit_tests");
    assert_eq!(session.value(WHERE), "local");
    notify("local", "3");
    places.cluster.sql("local", "NOTIFY there, '4'");
    assert_eq!(told(&mut session), ["here 3", "there 4"]);
    go(&mut session, "spanning");
    session.sql("UNLISTEN here");
    notify("local", "5");
    notify("neon", "6");
    assert_eq!(told(&mut session), [""; 0]);
    go(&mut session, "run_verification");
    places.cluster.sql("neon", "NOTIFY there, '7'");
    assert_eq!(told(&mut session), ["there 7"]);
}

/// Moves `session` between tasks while another one notifies it, and gives the numbers that it has sent
/// and that were heard, in their order. `payload` comes behind each.
fn heard_while_moving(places: &Places, database: &str, payload: &str) -> (Vec<u32>, Vec<u32>) {
    let (one, both) = match database {
        "local" => ("unit_tests", "spanning"),
        _ => ("run_verification", "spanning"),
    };
    let mut session = session(places, one);
    session.sql("LISTEN here");
    let mut heard = Vec::new();
    let sent = std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let sender = scope.spawn(move || {
            let mut other = places.cluster.connect(database);
            let mut sent = Vec::new();
            for number in 0.. {
                other.sql(&format!("NOTIFY here, '{number} {payload}'"));
                sent.push(number);
                if stopped.try_recv().is_ok() {
                    break;
                }
            }
            sent
        });
        for _ in 0..8 {
            for task in [both, one] {
                let set = format!("SET authority.task = '{task}'");
                let messages = session.exchange(&Frames::new().query(&set));
                assert!(messages.iter().all(|message| message.tag != b'E'), "{messages:?}");
                heard.extend(notified(&messages));
            }
        }
        stop.send(()).unwrap();
        sender.join().unwrap()
    });
    heard.extend(notified(&session.exchange(&Frames::new().query("SELECT 1"))));
    let number = |(_, text): (u32, String)| {
        text.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap()
    };
    let channels = session.sql("SELECT * FROM pg_listening_channels()");
    assert_eq!(channels, [[Some("here".to_owned())]]);
    (sent, heard.into_iter().map(number).collect())
}

#[test]
fn all_of_it_is_told_once_and_in_order_on_the_way() {
    let places = Places::start(Major::V15);
    for database in ["local", "neon"] {
        // short ones, and such that few of them fill what stands between the proxy's own parts
        for payload in ["", &"x".repeat(7_000)] {
            let (sent, heard) = heard_while_moving(&places, database, payload);
            let lost: Vec<_> = sent.iter().filter(|number| !heard.contains(number)).collect();
            assert!(lost.is_empty(), "{database}: of {}: {lost:?}", sent.len());
            assert_eq!(heard, sent, "{database}");
        }
    }
}

/// A transaction wakes those who listen once it has removed the files of what it has dropped, long after
/// others see that it has committed.
#[test]
fn what_is_committed_and_has_woken_nobody_yet_is_heard() {
    let places = Places::start(Major::V18);
    let mut other = places.cluster.connect("local");
    let process: i32 = other.value("SELECT pg_backend_pid()").parse().unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    let signal = |signal| rustix::process::kill_process(process, signal).unwrap();
    let locks = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND pid = {}",
        process.as_raw_nonzero()
    );
    let mut watcher = places.cluster.connect("local");
    let each = |what: &str| {
        format!(
            "DO $$BEGIN FOR i IN 1..2000 LOOP EXECUTE '{what} dropped_' || i{}; END LOOP; END$$",
            if what.starts_with("CREATE") { " || ' ()'" } else { "" }
        )
    };
    for task in ["unit_tests", "spanning"] {
        let mut asleep = false;
        for _ in 0..5 {
            let mut session = session(&places, task);
            session.sql("LISTEN here");
            other.sql(&each("CREATE TABLE"));
            let commit = format!("BEGIN; {}; NOTIFY here, 'late'; COMMIT", each("DROP TABLE"));
            other.send(&Frames::new().query(&commit)).unwrap();
            let there = "SELECT count(*) FROM pg_class WHERE relname = 'dropped_1'";
            while watcher.value(there) == "1" {}
            // which a NOTIFY would wait for
            while watcher.value(&locks) != "0" {}
            signal(rustix::process::Signal::STOP);
            asleep = told(&mut session).is_empty();
            if asleep {
                let away = if task == "spanning" { "unit_tests" } else { "spanning" };
                let messages = session
                    .exchange(&Frames::new().query(&format!("SET authority.task = '{away}'")));
                signal(rustix::process::Signal::CONT);
                other.receive_until(b'Z');
                let mut heard: Vec<String> =
                    notified(&messages).into_iter().map(|(_, text)| text).collect();
                heard.extend(told(&mut session));
                assert_eq!(heard, ["here late"], "from {task}");
                break;
            }
            signal(rustix::process::Signal::CONT);
            other.receive_until(b'Z');
        }
        assert!(asleep, "it has always woken the session before it could be stopped");
    }
}

#[test]
fn its_own_notifications_are_its_own_wherever_it_is() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    let known = session.key.0;
    session.sql("LISTEN here");
    for task in ["unit_tests", "run_verification", "spanning", "unit_tests", "spanning"] {
        session.sql(&format!("SET authority.task = '{task}'"));
        let own = session.exchange(&Frames::new().query("NOTIFY here, 'own'"));
        let own = [own, session.exchange(&Frames::new().query("SET my.own = 'a'"))].concat();
        assert_eq!(notified(&own), [(known, "here own".to_owned())], "{task}");
        let place = if task == "run_verification" { "neon" } else { "local" };
        let mut other = places.cluster.connect(place);
        let theirs: u32 = other.value("SELECT pg_backend_pid()").parse().unwrap();
        other.sql("NOTIFY here, 'theirs'");
        let heard = session.exchange(&Frames::new().query("SELECT 1"));
        let heard = [heard, session.exchange(&Frames::new().query("SET my.own = 'b'"))].concat();
        assert_eq!(notified(&heard), [(theirs, "here theirs".to_owned())], "{task}");
    }
    // what comes as it leaves as well
    session.sql("SET authority.task = 'run_verification'");
    let both = Frames::new().query("NOTIFY here, 'late'").query("RESET authority.task");
    session.send(&both).unwrap();
    let heard = [session.receive_until(b'Z'), session.receive_until(b'Z')].concat();
    assert_eq!(notified(&heard), [(known, "here late".to_owned())]);
    // and from the start where it has two places
    let mut both = self::session(&places, "spanning");
    let known = both.key.0;
    both.sql("LISTEN here");
    let own = both.exchange(&Frames::new().query("NOTIFY here, 'own'"));
    let own = [own, both.exchange(&Frames::new().query("SET my.own = 'a'"))].concat();
    assert_eq!(notified(&own), [(known, "here own".to_owned())]);
}

#[test]
fn who_listens_does_not_go_to_a_standby() {
    let cluster = Cluster::builder().start();
    let standby = cluster.replica();
    let proxy = Proxy::builder()
        .upstream_at("neon", REPLICA, &standby.url("app", "app"), "")
        .upstream_at("local", STAGING, &cluster.url("app", "app"), "")
        .entry("nova", "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"")
        .start();
    let login = proxy.login("nova").options("-c authority.task=unit_tests");
    let mut session = proxy.try_connect(&login).unwrap();
    session.sql("LISTEN here");
    let away = "SET authority.task = 'run_verification'";
    let error = session.error(away);
    assert!(error.message().contains("LISTEN"), "{error}");
    assert!(error.hint().contains("UNLISTEN * first"), "{error}");
    cluster.sql("app", "NOTIFY here, '1'");
    assert_eq!(told(&mut session), ["here 1"]);
    // beside one it listens where it writes
    session.sql("SET authority.task = 'spanning'");
    cluster.sql("app", "NOTIFY here, '2'");
    assert_eq!(told(&mut session), ["here 2"]);
    session.sql("UNLISTEN *");
    session.sql(away);
    assert_eq!(session.value("SELECT pg_is_in_recovery()"), "t");
}

#[test]
fn what_comes_with_an_answer_is_told_with_it() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("LISTEN here");
    for next in ["BEGIN", "COMMIT", "SET TRANSACTION READ WRITE"] {
        // one behind the other, without waiting
        let both = Frames::new().query("NOTIFY here, 'told'").query(next);
        session.send(&both).unwrap();
        let answer = session.receive_until(b'Z');
        let texts: Vec<String> = notified(&answer).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["here told"], "{next}: {answer:?}");
        let answer = session.receive_until(b'Z');
        assert!(notified(&answer).is_empty(), "{next}: {answer:?}");
        session.sql("ROLLBACK");
    }
}
