//! Cursors that code opened, and what FETCH of them runs by then: replaced elsewhere, or no longer
//! confirmed. And what DISCARD drops besides what is temporary.

use super::left::{beside, is_harmed};
use super::support::wire::Frames;
use super::support::{Cluster, Major, Message, Proxy, Wire};

const WORLD: &str = "
    GRANT ALL ON SCHEMA public TO PUBLIC;
    SET ROLE app;
    CREATE TABLE victim ();
    CREATE FUNCTION evil() RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
    CREATE FUNCTION drops() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$;
    CREATE FUNCTION opens() RETURNS refcursor STABLE LANGUAGE plpgsql AS
        $$ DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT public.evil(); RETURN c; END $$;
    CREATE FUNCTION opens_volatile() RETURNS refcursor LANGUAGE plpgsql AS
        $$ DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT public.evil(); RETURN c; END $$;
    CREATE FUNCTION swaps() RETURNS refcursor STABLE LANGUAGE plpgsql AS $$
        DECLARE c refcursor := 'c';
        BEGIN CLOSE c; OPEN c FOR SELECT public.evil(); RETURN c; END $$;
    CREATE FUNCTION opens_what_drops() RETURNS refcursor LANGUAGE plpgsql AS
        $$ DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT public.drops(); RETURN c; END $$;
    CREATE FUNCTION fetches_bound() RETURNS int STABLE LANGUAGE plpgsql AS $$
        DECLARE c CURSOR FOR SELECT 1; n int;
        BEGIN IF false THEN OPEN c; END IF; FETCH c INTO n; RETURN n; END $$;
    CREATE FUNCTION fetches_as_declared() RETURNS void LANGUAGE sql AS $$
        SELECT CASE WHEN false
            THEN query_to_xml('DECLARE c CURSOR FOR SELECT 1', true, true, '') END;
        FETCH ALL FROM c $$";

const HARMLESS: &str = "CREATE OR REPLACE FUNCTION public.evil() RETURNS int STABLE \
    LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$";
const REPLACE: &str = "CREATE OR REPLACE FUNCTION public.evil() RETURNS int VOLATILE \
    LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$";
const RESTORE: &str =
    "SET client_min_messages = error; CREATE TABLE IF NOT EXISTS public.victim ()";

const LOCALLY: &str = "SET LOCAL authority.confirm_prod_migrations = true";
const NO_LONGER: &str = "SET LOCAL authority.confirm_prod_migrations = false";
const DECLARE: &str = "DECLARE c CURSOR FOR SELECT evil()";

/// What a session does, and what it runs once another one has replaced `evil()`.
const REPLACED: &[(&[&str], &str)] = &[
    (&["SELECT opens()"], "FETCH ALL FROM c"),
    (&["SELECT opens()"], "MOVE ALL FROM c"),
    (&["SELECT opens_volatile()"], "FETCH ALL FROM c"),
    (&["SELECT 1", "SELECT opens()", "SELECT 2"], "FETCH 1 FROM c"),
    (&["DECLARE c CURSOR FOR SELECT 1", "SELECT swaps()"], "FETCH ALL FROM c"),
    (&[DECLARE], "SELECT fetches_as_declared()"),
];

/// What was let run since the session had confirmed, and what it runs once it has not.
const WITHDRAWN: &[&[&str]] = &[
    &["BEGIN", LOCALLY, "SELECT opens_what_drops()", NO_LONGER, "FETCH ALL FROM c"],
    &["BEGIN", LOCALLY, "SELECT opens_what_drops()", NO_LONGER, "MOVE ALL FROM c"],
    &[
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT 1",
        LOCALLY,
        "CLOSE c",
        "SELECT opens_what_drops()",
        NO_LONGER,
        "FETCH ALL FROM c",
    ],
];

/// Nothing has changed.
const EVERY_DAY: &[&[&str]] = &[
    &["BEGIN", "SELECT opens()", "FETCH ALL FROM c", "COMMIT"],
    &["BEGIN", "SELECT opens_volatile()", "FETCH 1 FROM c", "FETCH ALL FROM c", "COMMIT"],
    &["BEGIN", "DECLARE c CURSOR FOR SELECT 1", "SELECT swaps()", "MOVE ALL FROM c", "COMMIT"],
    &["BEGIN", LOCALLY, "SELECT opens()", NO_LONGER, "FETCH ALL FROM c", "COMMIT"],
    &["BEGIN", DECLARE, "FETCH 1 FROM c", "SELECT evil()", "FETCH ALL FROM c", "COMMIT"],
];

/// Confirmed all the way. Without an answer between, what a routine has done to the confirmation is not
/// known.
const CONFIRMED: &[&str] =
    &["BEGIN", LOCALLY, "SELECT opens_what_drops()", "FETCH ALL FROM c", "ROLLBACK"];

fn start(major: Major) -> (Cluster, Proxy) {
    let cluster = Cluster::builder().major(major).start();
    let proxy = beside(&cluster, WORLD);
    (cluster, proxy)
}

fn simple(texts: &[&str]) -> Vec<Frames> {
    texts.iter().map(|text| Frames::new().query(text)).collect()
}

fn extended(texts: &[&str]) -> Vec<Frames> {
    texts.iter().map(|text| Frames::new().run(text, &[]).sync()).collect()
}

fn together(texts: &[&str]) -> Vec<Frames> {
    let pipeline = texts.iter().fold(Frames::new(), |frames, text| frames.run(text, &[]));
    vec![pipeline.sync()]
}

/// Without the message of an error there is none.
fn send(session: &mut Wire, writes: &[Frames]) -> Vec<String> {
    let answers: Vec<Message> = writes.iter().flat_map(|one| session.exchange(one)).collect();
    let errors = answers.iter().filter(|one| one.tag == b'E');
    errors.map(|one| one.fields().to_string()).collect()
}

fn confirmed(proxy: &Proxy) -> Wire {
    let login = proxy.login("nova").options("-c authority.confirm_prod_migrations=true");
    proxy.try_connect(&login).unwrap()
}

fn replaced(major: Major) {
    let (cluster, proxy) = start(major);
    for (texts, then) in REPLACED {
        let begin: Vec<&str> = ["BEGIN"].iter().chain(*texts).copied().collect();
        let mut direct = cluster.connect("direct");
        assert_eq!(send(&mut direct, &simple(&begin)), [""; 0], "{texts:?}");
        cluster.sql("direct", REPLACE);
        // the server hears of what others did where it locks something
        send(&mut direct, &simple(&["SELECT count(*) FROM pg_operator", then, "COMMIT"]));
        assert!(is_harmed(&cluster, "direct"), "{texts:?}, {then}");
        cluster.sql("direct", &format!("{RESTORE}; {HARMLESS}"));
        // FETCH by the message that runs a portal, too
        let portal = vec![Frames::new().execute("c", 0).sync()];
        let by_message = then.starts_with("FETCH").then_some(portal);
        for fetch in [simple(&[then]), extended(&[then])].into_iter().chain(by_message) {
            let mut session = proxy.connect("nova");
            session.sql("SELECT evil()");
            assert_eq!(send(&mut session, &extended(&begin)), [""; 0], "{texts:?}");
            confirmed(&proxy).sql(REPLACE);
            let errors = send(&mut session, &fetch);
            send(&mut session, &simple(&["COMMIT"]));
            assert!(!is_harmed(&cluster, "judged"), "{texts:?}, {then}");
            assert!(errors.concat().contains("blocked"), "{texts:?}, {then}: {errors:?}");
            confirmed(&proxy).sql(HARMLESS);
        }
    }
    for texts in WITHDRAWN {
        for (form, writes) in [
            ("simple", simple(texts)),
            ("extended", extended(texts)),
            ("pipeline", together(texts)),
        ] {
            let mut session = proxy.connect("nova");
            let errors = send(&mut session, &writes);
            send(&mut session, &simple(&["COMMIT"]));
            assert!(!is_harmed(&cluster, "judged"), "{texts:?}, {form}");
            assert!(errors.concat().contains("blocked"), "{texts:?}, {form}: {errors:?}");
        }
    }
    for texts in EVERY_DAY {
        for (form, writes) in [
            ("simple", simple(texts)),
            ("extended", extended(texts)),
            ("pipeline", together(texts)),
        ] {
            let errors = send(&mut proxy.connect("nova"), &writes);
            assert_eq!(errors, [""; 0], "{texts:?}, {form}");
        }
    }
    for writes in [simple(CONFIRMED), extended(CONFIRMED)] {
        assert_eq!(send(&mut proxy.connect("nova"), &writes), [""; 0]);
    }
}

#[test]
fn cursors_that_code_opened_run_what_they_were_judged_as_15() {
    replaced(Major::V15);
}

#[test]
fn cursors_that_code_opened_run_what_they_were_judged_as_18() {
    replaced(Major::V18);
}

/// A bound cursor has a name before it is opened on 15 alone.
#[test]
fn a_bound_cursor_that_is_not_opened_is_another_ones() {
    let (cluster, proxy) = start(Major::V15);
    let mut session = proxy.connect("nova");
    session.sql("BEGIN");
    session.sql(DECLARE);
    confirmed(&proxy).sql(REPLACE);
    let errors = send(&mut session, &simple(&["SELECT fetches_bound()", "COMMIT"]));
    assert!(errors.concat().contains("blocked"), "{errors:?}");
    assert!(!is_harmed(&cluster, "judged"));
}

const CONFIRM: &str = "SET authority.confirm_prod_migrations = true";
const WITHDRAW: &str = "SET authority.confirm_prod_migrations = false";
const KEPT: &str =
    "SELECT concat(count(*), (SELECT count(*) FROM pg_attrdef WHERE adrelid = 'kept'::regclass))
    FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attnum > 0 AND NOT attisdropped";

fn discarded(major: Major) {
    let (cluster, proxy) = start(major);
    let depends: &[&[&str]] = &[
        &["CREATE TEMP TABLE t (a int); CREATE TABLE kept (x int, y t)"],
        &["CREATE TEMP TABLE t (a int)", "CREATE TABLE kept (x int, y t)"],
        &["CREATE TEMP SEQUENCE s", "CREATE TABLE kept (x int DEFAULT nextval('pg_temp.s'))"],
        &["CREATE TEMP TABLE t AS SELECT 1 AS a", "CREATE TABLE kept (x int, y pg_temp.t)"],
        &[
            "DO $$ BEGIN CREATE TEMP TABLE t (a int); END $$",
            "CREATE TABLE kept (x int, y pg_temp.t)",
        ],
        &["DO $$ BEGIN CREATE TEMP TABLE t (a int); CREATE TABLE kept (x int, y t); END $$"],
    ];
    for texts in depends {
        for discards in ["DISCARD TEMP", "DISCARD ALL", "DO $$ BEGIN DISCARD TEMP; END $$"] {
            let mut session = proxy.connect("nova");
            let begin: Vec<&str> =
                [CONFIRM].iter().chain(*texts).chain(&[WITHDRAW]).copied().collect();
            assert_eq!(send(&mut session, &simple(&begin)), [""; 0], "{texts:?}");
            let before = cluster.value("judged", KEPT);
            let errors = send(&mut session, &extended(&[discards]));
            assert!(errors.concat().contains("blocked"), "{texts:?}, {discards}: {errors:?}");
            assert_eq!(cluster.value("judged", KEPT), before, "{texts:?}, {discards}");
            // who has confirmed may, and then there is nothing more
            let done = [CONFIRM, "DISCARD ALL", "CREATE TEMP TABLE t (a int)", "DISCARD ALL"];
            assert_eq!(send(&mut session, &simple(&done)), [""; 0], "{texts:?}");
            cluster.sql("judged", "DROP TABLE IF EXISTS kept CASCADE");
        }
    }
    for texts in [
        &["CREATE TEMP TABLE t (a int)", "DISCARD TEMP", "DISCARD ALL"][..],
        &[CONFIRM, "CREATE TABLE late (a int)", "DROP TABLE late", WITHDRAW, "DISCARD ALL"],
        &[CONFIRM, "CREATE TEMP TABLE t (a int)", WITHDRAW, "DISCARD ALL"],
        &["SELECT opens_volatile()", "DISCARD ALL"],
    ] {
        let mut session = proxy.connect("nova");
        assert_eq!(send(&mut session, &simple(texts)), [""; 0], "{texts:?}");
        assert_eq!(send(&mut session, &extended(texts)), [""; 0], "{texts:?}");
    }
}

#[test]
fn discard_drops_nothing_permanent_unconfirmed_15() {
    discarded(Major::V15);
}

#[test]
fn discard_drops_nothing_permanent_unconfirmed_18() {
    discarded(Major::V18);
}
