//! What runs later than the statement that it is of, deferred triggers and the query of a cursor WITH
//! HOLD, and was replaced meanwhile: by the session itself, while it had confirmed, or by another
//! connection that the proxy knows nothing of. Or what it calls is another routine by then, since names
//! lead elsewhere. And what another transaction did, which is there once it is committed.

use std::thread;
use std::time::Duration;

use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Major, Message, Proxy, Wire};

/// Beyond the five seconds for which a look at the catalog counts.
const OVERDUE: Duration = Duration::from_millis(6500);

const WORLD: &str = "
    GRANT ALL ON SCHEMA public TO PUBLIC;
    DO $$ BEGIN CREATE ROLE evil; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    GRANT evil TO app;
    SET ROLE app;
    CREATE TABLE victim ();
    CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
    CREATE FUNCTION held(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
    CREATE TABLE deferring (a int);
    CREATE CONSTRAINT TRIGGER t AFTER INSERT ON deferring DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION later();
    CREATE TABLE others (a int);
    CREATE CONSTRAINT TRIGGER t AFTER INSERT ON others DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION other();
    CREATE VIEW holds AS SELECT held(i) FROM generate_series(1, 3) AS i;
    CREATE SCHEMA aside;
    CREATE TABLE aside.deferring (a int);
    CREATE FUNCTION aside.held(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
    CREATE FUNCTION inserts() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.deferring VALUES (1); RETURN 1; END $$;
    CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; RETURN 1; END $$;
    CREATE TABLE parents (id int PRIMARY KEY);
    CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
    CREATE FUNCTION helper() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
    CREATE SCHEMA evil;
    GRANT USAGE ON SCHEMA evil TO PUBLIC;
    CREATE FUNCTION evil.helper() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$;
    CREATE FUNCTION calls() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM helper(); RETURN NULL; END $$;
    CREATE FUNCTION called(int) RETURNS int LANGUAGE plpgsql STABLE AS
        $$ BEGIN RETURN helper(); END $$;
    CREATE TABLE calling (a int);
    CREATE CONSTRAINT TRIGGER t AFTER INSERT ON calling DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION calls();
    CREATE TABLE at_once (a int);
    CREATE CONSTRAINT TRIGGER t AFTER INSERT ON at_once DEFERRABLE
        FOR EACH ROW EXECUTE FUNCTION calls();
    CREATE FUNCTION defers() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN SET CONSTRAINTS ALL DEFERRED; INSERT INTO public.at_once VALUES (1); RETURN 1; END $$;
    CREATE FUNCTION replaceable() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
    CREATE VIEW replaceable_view AS SELECT 1 AS a;
    CREATE FUNCTION drops(int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$;
    CREATE FUNCTION drops_later() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN NULL; END $$;
    CREATE TABLE dropping (a int);
    CREATE CONSTRAINT TRIGGER t AFTER INSERT ON dropping DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION drops_later()";

const TRIGGER: &str = "CREATE OR REPLACE FUNCTION public.later() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN DROP TABLE public.victim; RETURN NULL; END $$";
const HELD: &str = "CREATE OR REPLACE FUNCTION public.held(int) RETURNS int LANGUAGE plpgsql AS \
    $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$";
const RESTORE: &str = "SET client_min_messages = error; SET ROLE app; \
    CREATE TABLE IF NOT EXISTS public.victim (); \
    CREATE OR REPLACE FUNCTION public.later() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN RETURN NULL; END $$; \
    CREATE OR REPLACE FUNCTION public.held(int) RETURNS int LANGUAGE plpgsql AS \
    $$ BEGIN RETURN 1; END $$";

const LOCALLY: &str = "SET LOCAL authority.confirm_prod_migrations = true";
const NO_LONGER: &str = "SET LOCAL authority.confirm_prod_migrations = false";
const INSERT: &str = "INSERT INTO deferring VALUES (1)";
const HOLD: &str = "DECLARE c CURSOR WITH HOLD FOR SELECT held(1)";
const IMMEDIATE: &str = "SET CONSTRAINTS ALL IMMEDIATE";

/// Texts, one message each or together; what was let run is replaced by the session that has
/// confirmed that alone.
const OWN: &[&[&str]] = &[
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, "COMMIT"],
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, "END"],
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, "COMMIT AND CHAIN", "COMMIT"],
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, IMMEDIATE, "COMMIT"],
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, "SELECT sets()", "COMMIT"],
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, "PREPARE TRANSACTION 'p'"],
    &["BEGIN", HOLD, LOCALLY, HELD, NO_LONGER, "COMMIT"],
    &[
        "BEGIN",
        "DECLARE c CURSOR WITH HOLD FOR TABLE holds",
        "FETCH 1 FROM c",
        LOCALLY,
        HELD,
        NO_LONGER,
        "COMMIT",
    ],
    &["BEGIN", "SELECT inserts()", LOCALLY, TRIGGER, NO_LONGER, "COMMIT"],
    &[
        "PREPARE i AS INSERT INTO deferring VALUES (1)",
        "BEGIN",
        "EXECUTE i",
        LOCALLY,
        TRIGGER,
        NO_LONGER,
        "COMMIT",
    ],
    // what the names meant counts, not what they mean now
    &["BEGIN", INSERT, LOCALLY, TRIGGER, NO_LONGER, "SET LOCAL search_path = aside", "COMMIT"],
    &["BEGIN", HOLD, LOCALLY, HELD, NO_LONGER, "SET LOCAL search_path = aside", "COMMIT"],
    // the savepoint that is rolled back to comes after what is left
    &[
        "BEGIN",
        INSERT,
        "SAVEPOINT s",
        "SELECT 1",
        "ROLLBACK TO s",
        LOCALLY,
        TRIGGER,
        NO_LONGER,
        "COMMIT",
    ],
];

/// The end of a string or of a pipeline is one too.
const IMPLICIT: &[&str] = &[INSERT, LOCALLY, TRIGGER, NO_LONGER];

const CALL: &str = "INSERT INTO calling VALUES (1)";
const CALL_HELD: &str = "DECLARE c CURSOR WITH HOLD FOR SELECT public.called(1)";
const ELSEWHERE_PATH: &str = "SET search_path = evil";
const LOCAL_PATH: &str = "SET LOCAL search_path = evil";

/// What is left calls another routine by the time that it runs.
const MOVED: &[&[&str]] = &[
    &["BEGIN", CALL, ELSEWHERE_PATH, "COMMIT"],
    &["BEGIN", CALL, LOCAL_PATH, "COMMIT"],
    &["BEGIN", CALL, LOCAL_PATH, IMMEDIATE, "COMMIT"],
    &["BEGIN", CALL, LOCAL_PATH, "DO $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; END $$", "COMMIT"],
    &[
        "BEGIN",
        CALL,
        "DO $$ BEGIN SET search_path = evil; SET CONSTRAINTS ALL IMMEDIATE; END $$",
        "COMMIT",
    ],
    &["BEGIN", CALL, "SELECT set_config('search_path', 'evil', false)", "COMMIT"],
    &["BEGIN", CALL_HELD, ELSEWHERE_PATH, "COMMIT"],
    &["BEGIN", CALL_HELD, "SET ROLE evil", "COMMIT"],
    &["BEGIN", "SELECT defers()", LOCAL_PATH, "COMMIT"],
    &["BEGIN", "SAVEPOINT s", CALL, LOCAL_PATH, "RELEASE s", "COMMIT"],
];

/// At the end of a string or of a pipeline too.
const MOVED_IMPLICITLY: &[&[&str]] = &[
    &[CALL, ELSEWHERE_PATH],
    &[CALL, LOCAL_PATH],
    &[CALL, "SELECT set_config('search_path', 'evil', true)"],
    &["SELECT defers()", LOCAL_PATH],
];

const DROPS: &str = "DECLARE c CURSOR WITH HOLD FOR SELECT drops(1)";
const INSERTS: &str = "INSERT INTO dropping VALUES (1)";
const WITHDRAWN: &str = "DO $$ BEGIN \
    PERFORM set_config('authority.confirm_prod_migrations', 'false', true); END $$";

/// What was let run since the session had confirmed is run once it has not.
const WITHDRAWING: &[&[&str]] = &[
    &["BEGIN", LOCALLY, DROPS, NO_LONGER, "COMMIT"],
    &["BEGIN", LOCALLY, DROPS, NO_LONGER, "COMMIT AND CHAIN", "COMMIT"],
    &["BEGIN", LOCALLY, HELD, HOLD, NO_LONGER, "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, NO_LONGER, "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, NO_LONGER, IMMEDIATE, "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, NO_LONGER, "SELECT sets()", "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, NO_LONGER, "PREPARE TRANSACTION 'p'"],
];

/// At the end of a string or of a pipeline, too.
const WITHDRAWING_IMPLICITLY: &[&[&str]] =
    &[&[LOCALLY, DROPS, NO_LONGER], &[LOCALLY, INSERTS, NO_LONGER]];

/// By what the text does not show, from the next string or Sync on.
const WITHDRAWN_UNSEEN: &[&[&str]] = &[
    &["BEGIN", LOCALLY, DROPS, WITHDRAWN, "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, WITHDRAWN, "COMMIT"],
];

/// Confirmed until they have ended.
const CONFIRMED: &[&[&str]] = &[
    &["BEGIN", LOCALLY, DROPS, "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, "COMMIT"],
    &["BEGIN", LOCALLY, INSERTS, IMMEDIATE, NO_LONGER, "ROLLBACK"],
    &["BEGIN", LOCALLY, DROPS, "FETCH ALL FROM c", NO_LONGER, "ROLLBACK"],
];

fn start(major: Major) -> (Cluster, Proxy) {
    let settings = [("max_prepared_transactions", "5"), ("log_statement", "all")];
    let builder = Cluster::builder().major(major);
    let cluster = settings
        .iter()
        .fold(builder, |builder, (name, value)| builder.setting(name, value))
        .start();
    let proxy = beside(&cluster, WORLD);
    (cluster, proxy)
}

/// Two databases with this in them, one of which is behind a proxy.
pub fn beside(cluster: &Cluster, world: &str) -> Proxy {
    for database in ["direct", "judged"] {
        cluster.sql("postgres", &format!("CREATE DATABASE {database} OWNER app"));
        cluster.sql(database, world);
    }
    Proxy::builder()
        .upstream_at("prod", PROD, &cluster.url("app", "judged"), "")
        .entry("nova", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"prod\"")
        .start()
}

/// What the attacks are after is gone.
pub fn is_harmed(cluster: &Cluster, database: &str) -> bool {
    cluster.value(database, "SELECT to_regclass('public.victim') IS NULL") == "t"
}

/// Each by itself, simple and extended; in one string; in one pipeline.
fn forms(texts: &[&str]) -> Vec<(&'static str, Vec<Frames>)> {
    let simple = texts.iter().map(|text| Frames::new().query(text)).collect();
    let extended = texts.iter().map(|text| Frames::new().run(text, &[]).sync()).collect();
    [("simple", simple), ("extended", extended)].into_iter().chain(together(texts)).collect()
}

fn together(texts: &[&str]) -> Vec<(&'static str, Vec<Frames>)> {
    let pipeline = texts.iter().fold(Frames::new(), |frames, text| frames.run(text, &[]));
    vec![
        ("in a string", vec![Frames::new().query(&texts.join("; "))]),
        ("in a pipeline", vec![pipeline.sync()]),
    ]
}

fn send(session: &mut Wire, writes: &[Frames]) -> Vec<Message> {
    writes.iter().flat_map(|frames| session.exchange(frames)).collect()
}

fn errors(answers: &[Message]) -> Vec<String> {
    let errors = answers.iter().filter(|one| one.tag == b'E');
    errors.map(|one| one.fields().to_string()).collect()
}

fn what_was_left(major: Major) {
    let (cluster, proxy) = start(major);
    // more than are told apart, of which the last is the one that counts
    let many: Vec<String> =
        (0..70).map(|n| format!("INSERT INTO others AS o{n} VALUES (1)")).collect();
    let mut beyond = vec!["BEGIN"];
    beyond.extend(many.iter().map(String::as_str));
    beyond.extend([INSERT, LOCALLY, TRIGGER, NO_LONGER, "COMMIT"]);
    let own = OWN.iter().copied().chain([&beyond[..]]);
    let mut attacks: Vec<_> = own.map(|texts| (texts, forms(texts))).collect();
    attacks.push((IMPLICIT, together(IMPLICIT)));
    attack(&cluster, &proxy, &attacks);
}

/// Texts, and the forms that they are sent in.
type Tried<'t> = (&'t [&'t str], Vec<(&'static str, Vec<Frames>)>);

/// Each has to do its harm straight to the server, and none through the proxy.
fn attack(cluster: &Cluster, proxy: &Proxy, attacks: &[Tried<'_>]) {
    for (texts, forms) in attacks {
        let mut direct = cluster.connect("direct");
        direct.sql("SET SESSION AUTHORIZATION app");
        let answers = send(&mut direct, &forms[0].1);
        direct.sql("ROLLBACK");
        let prepared = texts.last().is_some_and(|text| text.starts_with("PREPARE TRANSACTION"));
        if prepared {
            direct.sql("COMMIT PREPARED 'p'");
        }
        assert!(is_harmed(cluster, "direct"), "{texts:?} does nothing: {:?}", errors(&answers));
        drop(direct);
        cluster.sql("direct", RESTORE);
        for (form, writes) in forms {
            let mut session = proxy.connect("nova");
            session.sql("SELECT held(1)");
            let answers = send(&mut session, writes);
            session.sql("ROLLBACK");
            drop(session);
            assert!(!is_harmed(cluster, "judged"), "{texts:?}, {form}");
            assert!(!errors(&answers).is_empty(), "{texts:?}, {form}");
            // in a session that has confirmed, so that the proxy hears of it
            let login = proxy.login("nova").options("-c authority.confirm_prod_migrations=true");
            proxy.try_connect(&login).unwrap().sql(RESTORE);
        }
    }
}

fn what_was_confirmed(major: Major) {
    let (cluster, proxy) = start(major);
    let all = WITHDRAWING.iter().map(|texts| (*texts, forms(texts)));
    let mut attacks: Vec<_> = all.collect();
    attacks.extend(WITHDRAWING_IMPLICITLY.iter().map(|texts| (*texts, together(texts))));
    let singly = |texts: &[&str]| forms(texts).into_iter().take(2).collect::<Vec<_>>();
    attacks.extend(WITHDRAWN_UNSEEN.iter().map(|texts| (*texts, singly(texts))));
    attack(&cluster, &proxy, &attacks);
    for texts in CONFIRMED {
        for (form, writes) in forms(texts) {
            let answers = send(&mut proxy.connect("nova"), &writes);
            assert_eq!(errors(&answers), Vec::<String>::new(), "{texts:?}, {form}");
            assert_eq!(is_harmed(&cluster, "judged"), texts.contains(&"COMMIT"), "{texts:?}");
            cluster.sql("judged", RESTORE);
        }
    }
}

#[test]
fn what_was_confirmed_is_no_longer_once_it_runs_15() {
    what_was_confirmed(Major::V15);
}

#[test]
fn what_was_confirmed_is_no_longer_once_it_runs_18() {
    what_was_confirmed(Major::V18);
}

#[test]
fn what_was_left_is_judged_when_it_runs_15() {
    what_was_left(Major::V15);
}

#[test]
fn what_was_left_is_judged_when_it_runs_18() {
    what_was_left(Major::V18);
}

fn names_led_elsewhere(major: Major) {
    let (cluster, proxy) = start(major);
    let many: Vec<String> =
        (0..70).map(|n| format!("INSERT INTO others AS o{n} VALUES (1)")).collect();
    let mut beyond = vec!["BEGIN"];
    beyond.extend(many.iter().map(String::as_str));
    beyond.extend([CALL, LOCAL_PATH, "COMMIT"]);
    let own = MOVED.iter().copied().chain([&beyond[..]]);
    let explicit = own.map(|texts| (texts, forms(texts)));
    let implicit = MOVED_IMPLICITLY.iter().map(|texts| (*texts, together(texts)));
    let attacks: Vec<_> = explicit.chain(implicit).collect();
    attack(&cluster, &proxy, &attacks);
    // what runs by the path that it was let run by, or leads nowhere else, runs
    let mut session = proxy.connect("nova");
    for texts in [
        &["BEGIN", CALL, "SET LOCAL application_name = 'x'", "COMMIT"][..],
        &["BEGIN", INSERT, "SET LOCAL search_path = aside", "COMMIT"],
    ] {
        let answers = send(&mut session, &forms(texts)[1].1);
        assert_eq!(errors(&answers), [""; 0], "{texts:?}");
    }
}

#[test]
fn what_was_left_is_judged_by_the_path_that_it_runs_by_15() {
    names_led_elsewhere(Major::V15);
}

#[test]
fn what_was_left_is_judged_by_the_path_that_it_runs_by_18() {
    names_led_elsewhere(Major::V18);
}

fn committed_prepared(major: Major) {
    let (cluster, proxy) = start(major);
    let prepare = [
        "BEGIN",
        LOCALLY,
        "CREATE OR REPLACE FUNCTION replaceable() RETURNS int LANGUAGE plpgsql AS \
         $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$",
        "CREATE OR REPLACE VIEW replaceable_view AS SELECT replaceable() AS a",
        "PREPARE TRANSACTION 'later'",
    ];
    let back = "CREATE OR REPLACE FUNCTION replaceable() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'; \
        CREATE OR REPLACE VIEW replaceable_view AS SELECT 1 AS a";
    let commit = "COMMIT PREPARED 'later'";
    let confirmed = proxy.login("nova").options("-c authority.confirm_prod_migrations=true");
    for uses in ["SELECT replaceable()", "TABLE replaceable_view"] {
        let forms = forms(&[commit, uses]);
        // a string cannot have it
        for (_, writes) in forms.iter().filter(|(form, _)| *form != "in a string") {
            let mut session = proxy.connect("nova");
            for text in [uses].iter().chain(&prepare) {
                session.sql(text);
            }
            let answers = send(&mut session, writes);
            assert!(!is_harmed(&cluster, "judged"), "{uses}");
            assert!(
                errors(&answers).concat().contains("blocked"),
                "{uses}: {:?}",
                errors(&answers)
            );
            // where it is not committed, it still holds what it has replaced
            let open = cluster.value("judged", "SELECT count(*) FROM pg_prepared_xacts");
            assert_eq!(open, "0", "{uses}");
            proxy.try_connect(&confirmed).unwrap().sql(back);
        }
    }
    // it would do harm
    let mut session = proxy.try_connect(&confirmed).unwrap();
    prepare
        .iter()
        .chain(&[commit, "TABLE replaceable_view"])
        .for_each(|text| drop(session.sql(text)));
    assert!(is_harmed(&cluster, "judged"));
}

#[test]
fn what_a_prepared_transaction_replaced_is_judged_anew_15() {
    committed_prepared(Major::V15);
}

#[test]
fn what_a_prepared_transaction_replaced_is_judged_anew_18() {
    committed_prepared(Major::V18);
}

/// What each session has begun, and what it ends with.
const ELSEWHERE: &[(&[&str], &[&str])] = &[
    (&["BEGIN", INSERT], &["COMMIT"]),
    (&["BEGIN", INSERT], &[IMMEDIATE, "COMMIT"]),
    (&["BEGIN", INSERT], &["SELECT sets()", "COMMIT"]),
    (&["BEGIN", HOLD], &["COMMIT"]),
    (&["BEGIN", "DECLARE c CURSOR WITH HOLD FOR TABLE holds", "FETCH 1 FROM c"], &["COMMIT"]),
    (&["BEGIN ISOLATION LEVEL SERIALIZABLE", HOLD], &["COMMIT"]),
];

fn replaced_elsewhere(major: Major) {
    let (cluster, proxy) = start(major);
    let mut sessions = Vec::new();
    for (texts, ends) in ELSEWHERE {
        for form in 0..2 {
            let mut session = proxy.connect("nova");
            let answers = send(&mut session, &forms(texts)[form].1);
            assert_eq!(errors(&answers), [""; 0]);
            sessions.push((session, texts, ends, form));
        }
    }
    cluster.sql("judged", &format!("SET ROLE app; {TRIGGER}; {HELD}"));
    thread::sleep(OVERDUE);
    for (mut session, texts, ends, form) in sessions {
        let answers = send(&mut session, &forms(ends)[form].1);
        assert!(!is_harmed(&cluster, "judged"), "{texts:?}, {ends:?}");
        let errors = errors(&answers);
        assert!(errors[0].contains("blocked"), "{texts:?}, {ends:?}: {errors:?}");
        session.sql("ROLLBACK");
    }
}

#[test]
fn what_was_replaced_elsewhere_is_judged_when_it_runs_15() {
    replaced_elsewhere(Major::V15);
}

#[test]
fn what_was_replaced_elsewhere_is_judged_when_it_runs_18() {
    replaced_elsewhere(Major::V18);
}

fn ordinary(major: Major) {
    let (cluster, proxy) = start(major);
    let texts = [
        "BEGIN",
        INSERT,
        "INSERT INTO children VALUES (1)",
        "INSERT INTO parents VALUES (1)",
        HOLD,
    ];
    let undo = ["BEGIN", "DELETE FROM children", "DELETE FROM parents", IMMEDIATE, "COMMIT"];
    let looks = || cluster.log().matches("SAVEPOINT \"pgauthority look\"").count();
    let all = [&texts[..], &["COMMIT", "CLOSE c"], &undo].concat();
    for (form, writes) in forms(&all) {
        let mut session = proxy.connect("nova");
        session.sql("SELECT held(1)");
        let before = looks();
        let answers = send(&mut session, &writes);
        assert_eq!(errors(&answers), [""; 0], "{form}");
        assert_eq!(looks(), before, "{form}");
    }
    // what is temporary, and leads to nothing strong, needs no look
    let own = [
        "BEGIN",
        "CREATE TEMP TABLE own (a int PRIMARY KEY, b text DEFAULT 'x')",
        "INSERT INTO own VALUES (1)",
        "CREATE TEMP VIEW shows AS SELECT a FROM own WHERE a > 0",
        "INSERT INTO shows VALUES (2)",
        "ALTER TABLE pg_temp.own RENAME TO deferring",
        "CREATE TEMP VIEW counts AS SELECT count(*) AS n FROM pg_class",
        "SELECT count(*) FROM deferring, shows, counts",
        "DROP VIEW pg_temp.shows, pg_temp.counts",
        "DROP TABLE pg_temp.deferring",
        "COMMIT",
    ];
    for (form, writes) in forms(&own) {
        let mut session = proxy.connect("nova");
        session.sql("SELECT held(1)");
        let before = looks();
        let answers = send(&mut session, &writes);
        assert_eq!(errors(&answers), [""; 0], "{form}");
        assert_eq!(looks(), before, "{form}");
    }
    // what is overdue is looked at, and changes elsewhere that are none of it change nothing
    let mut session = proxy.connect("nova");
    texts.iter().for_each(|text| drop(session.sql(text)));
    let before = looks();
    cluster.sql("judged", "CREATE TABLE elsewhere ()");
    thread::sleep(OVERDUE);
    session.sql("COMMIT");
    assert!(looks() > before);
    assert_eq!(session.value("SELECT count(*) FROM children"), "1");
    // whoever has confirmed may
    let texts = ["BEGIN", INSERT, LOCALLY, TRIGGER, "COMMIT"];
    texts.iter().for_each(|text| drop(session.sql(text)));
    assert!(is_harmed(&cluster, "judged"));
}

#[test]
fn an_ordinary_transaction_commits_as_before_15() {
    ordinary(Major::V15);
}

#[test]
fn an_ordinary_transaction_commits_as_before_18() {
    ordinary(Major::V18);
}

const KEYS: &str = "INSERT INTO parents VALUES (1), (2);
    SET ROLE app;
    CREATE FUNCTION plain(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.drops(1); RETURN $1; END $$";

/// What is done in a transaction, and the index that another session makes before it commits. It runs
/// what it computes beforehand itself: the victim is made again.
const PLANNED: &[(&str, &str)] = &[
    ("INSERT INTO children VALUES (1)", "CREATE INDEX late ON parents ((plain(1) + id))"),
    ("DELETE FROM parents WHERE id = 2", "CREATE INDEX late ON children ((plain(1) + id))"),
];

/// A deferred check of a foreign key is planned when it runs, though nothing of the user's ran before.
fn deferred_keys(major: Major) {
    let (cluster, proxy) = start(major);
    for database in ["direct", "judged"] {
        cluster.sql(database, KEYS);
    }
    for (text, index) in PLANNED {
        let again = "SET client_min_messages = error; SET ROLE app; \
                     CREATE TABLE IF NOT EXISTS public.victim ()";
        let mut direct = cluster.connect("direct");
        direct.sql("SET SESSION AUTHORIZATION app");
        send(&mut direct, &forms(&["BEGIN", text])[0].1);
        cluster.sql("direct", index);
        cluster.sql("direct", again);
        send(&mut direct, &forms(&["COMMIT"])[0].1);
        assert!(is_harmed(&cluster, "direct"), "{text}");
        cluster.sql("direct", "DROP INDEX late");
        cluster.sql("direct", again);
        for (form, ends) in forms(&[IMMEDIATE, "COMMIT"]).into_iter().take(2) {
            let mut session = proxy.connect("nova");
            session.sql("SELECT held(1)");
            session.sql("BEGIN");
            session.sql(text);
            let login = proxy.login("nova").options("-c authority.confirm_prod_migrations=true");
            let mut other = proxy.try_connect(&login).unwrap();
            other.sql(index);
            other.sql(again);
            let answers = send(&mut session, &ends);
            assert!(!is_harmed(&cluster, "judged"), "{text}, {form}");
            assert!(errors(&answers)[0].contains("blocked"), "{text}, {form}");
            session.sql("ROLLBACK");
            other.sql("DROP INDEX late");
            other.sql(again);
        }
    }
    // no other has changed anything
    let answers = send(
        &mut proxy.connect("nova"),
        &forms(&["BEGIN", "INSERT INTO children VALUES (1)", "COMMIT"])[1].1,
    );
    assert_eq!(errors(&answers), [""; 0]);
}

#[test]
fn a_deferred_check_is_judged_when_it_is_planned_15() {
    deferred_keys(Major::V15);
}

#[test]
fn a_deferred_check_is_judged_when_it_is_planned_18() {
    deferred_keys(Major::V18);
}
