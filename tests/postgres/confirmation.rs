//! Confirmation has exactly PostgreSQL's scope rules for a parameter (contract §2).

use super::law::{CONFIRM_OPTION, Law};
use super::support::Wire;
use super::support::wire::Frames;

const K: &str = "authority.confirm_prod_migrations";

/// What a session sends, and whether it has confirmed then. `$K` stands for the parameter, `|`
/// separates messages.
const SCOPES: &[(&str, bool)] = &[
    ("SELECT 1", false),
    ("SET $K = true", true),
    ("SET $K TO 'on'", true),
    ("SET SESSION $K = 1", true),
    ("SET $K = yes | SET $K = false", false),
    ("SET $K = true | RESET $K", false),
    ("SET $K = true | SET $K TO DEFAULT", false),
    ("SET $K = true | RESET ALL", false),
    ("SET $K = true | DISCARD ALL", false),
    ("SET \"authority.confirm_prod_migrations\" = true", true),
    ("SET Authority.Confirm_Prod_Migrations = true", true),
    ("SET LOCAL $K = true", false),
    ("BEGIN | SET $K = true", true),
    ("BEGIN | SET $K = true | COMMIT", true),
    ("BEGIN | SET $K = true | ROLLBACK", false),
    ("BEGIN | SET LOCAL $K = true", true),
    ("BEGIN | SET LOCAL $K = true | COMMIT", false),
    ("BEGIN | SET LOCAL $K = true | COMMIT AND CHAIN", false),
    ("SET $K = true | BEGIN | SET LOCAL $K = false", false),
    ("SET $K = true | BEGIN | SET LOCAL $K = false | COMMIT", true),
    ("SET $K = true | BEGIN | RESET $K | ROLLBACK", true),
    ("BEGIN | SAVEPOINT a | SET $K = true | ROLLBACK TO a", false),
    ("BEGIN | SAVEPOINT a | SET $K = true | RELEASE a", true),
    ("BEGIN | SAVEPOINT a | SET $K = true | RELEASE a | ROLLBACK", false),
    ("BEGIN | SET $K = true | SAVEPOINT a | SET $K = false | ROLLBACK TO a", true),
    ("BEGIN | SAVEPOINT a | SET LOCAL $K = true | RELEASE a | COMMIT", false),
    ("BEGIN | SAVEPOINT a | SAVEPOINT a | SET $K = true | ROLLBACK TO a | RELEASE a", false),
    ("BEGIN | SET $K = true | SELECT 1/0 | COMMIT", false),
    ("SELECT 1/0; SET $K = true", false),
    ("SET $K = true; SELECT 1/0", false),
    ("SET $K = true; COMMIT; SELECT 1/0", true),
    ("BEGIN; SET $K = true; ROLLBACK", false),
    ("BEGIN; SET LOCAL $K = true; COMMIT", false),
    ("SELECT set_config('$K', 'true', false)", true),
    ("SELECT set_config('$K', 'true', true)", false),
    ("BEGIN | SELECT set_config('$K', 'true', true)", true),
    ("SELECT pg_catalog.set_config('$K', 'on', false)", true),
    ("SELECT set_config('auth' || 'ority.confirm_prod_migrations', 'true', false)", false),
    ("SELECT set_config('$K', 'true', false) FROM items", false),
    ("SELECT set_config('$K', 'true', false) WHERE true", false),
    ("SELECT set_config('$K', 'true', false) LIMIT 1", false),
    ("SELECT (SELECT set_config('$K', 'true', false))", false),
    ("SELECT CASE WHEN true THEN set_config('$K', 'true', false) END", false),
    ("EXPLAIN ANALYZE SELECT set_config('$K', 'true', false)", false),
    ("DO $$ BEGIN PERFORM set_config('$K', 'true', false); END $$", false),
    ("PREPARE s AS SELECT set_config('$K', 'true', false) | EXECUTE s", false),
];

fn confirmed(session: &mut Wire, what: &str) -> bool {
    match session.try_sql("COMMENT ON TABLE items IS 'probe'") {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), "42501", "{what}: {error}");
            false
        }
    }
}

#[test]
fn a_confirmation_has_the_scope_of_its_parameter() {
    let law = Law::start();
    let mut faults = Vec::new();
    for (steps, expected) in SCOPES {
        let steps = steps.replace("$K", K);
        for extended in [false, true] {
            if extended && steps.contains(';') {
                continue;
            }
            let mut session = law.session("prod");
            for step in steps.split(" | ") {
                if extended {
                    session.exchange(&Frames::new().run(step, &[]).sync());
                } else {
                    let _ = session.try_sql(step);
                }
            }
            if confirmed(&mut session, &steps) != *expected {
                faults.push(format!("{steps}\n  (extended: {extended}) should give {expected}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Within one string or pipeline the confirmation counts before the server has answered.
#[test]
fn a_confirmation_counts_within_its_own_message() {
    let law = Law::start();
    let comment = "COMMENT ON TABLE items IS 'x'";
    let ran = |session: &mut Wire, frames: Frames| {
        session.exchange(&frames).iter().all(|message| message.tag != b'E')
    };
    let set = format!("SET {K} = true");
    let set_local = format!("SET LOCAL {K} = true");
    let reset = format!("RESET {K}");
    for (text, expected) in [
        (format!("{set}; {comment}"), true),
        (format!("{set_local}; {comment}"), true),
        (format!("BEGIN; {set_local}; {comment}; COMMIT"), true),
        (format!("{comment}; {set}"), false),
        (format!("{set}; {reset}; {comment}"), false),
        (format!("BEGIN; {set_local}; COMMIT; {comment}"), false),
        (format!("BEGIN; {set}; ROLLBACK; {comment}"), false),
    ] {
        let mut session = law.session("prod");
        assert_eq!(ran(&mut session, Frames::new().query(&text)), expected, "{text}");
    }
    let pipeline = Frames::new().run(&set, &[]).run(comment, &[]).sync();
    assert!(ran(&mut law.session("prod"), pipeline));
    let pipeline = Frames::new().run(&set_local, &[]).run(comment, &[]).sync();
    assert!(ran(&mut law.session("prod"), pipeline));
    let mut session = law.session("prod");
    let two = Frames::new().run(&set_local, &[]).sync().run(comment, &[]).sync();
    session.send(&two).unwrap();
    session.receive_until(b'Z');
    assert!(session.receive_until(b'Z').iter().any(|message| message.tag == b'E'));
}

#[test]
fn a_startup_confirmation_is_what_reset_falls_back_to() {
    let law = Law::start();
    for reset in ["SELECT 1", "RESET ALL", "DISCARD ALL", "SET $K = false | RESET $K"] {
        let mut session = law.confirmed("prod");
        for step in reset.replace("$K", K).split(" | ") {
            session.sql(step);
        }
        assert!(confirmed(&mut session, reset), "{reset}");
    }
    let plain = law.proxy.login("prod").parameter(K, "true");
    assert!(confirmed(&mut law.proxy.try_connect(&plain).unwrap(), "plain"));
    let withdrawn = law.proxy.login("prod").options(CONFIRM_OPTION).parameter(K, "false");
    assert!(!confirmed(&mut law.proxy.try_connect(&withdrawn).unwrap(), "withdrawn"));
    let nonsense = law.proxy.login("prod").parameter(K, "perhaps");
    assert_eq!(law.proxy.try_connect(&nonsense).err().unwrap().fields().code(), "22023");
}

#[test]
fn an_entry_says_who_may_confirm_and_how() {
    let law = Law::start();
    let set = format!("SET {K} = true");
    let by_startup = law.session("prod_startup").error(&set);
    assert_eq!(by_startup.code(), "42501", "{by_startup}");
    assert!(confirmed(&mut law.confirmed("prod_startup"), "startup"));
    let never = law.session("prod_never").error(&set);
    assert_eq!(never.code(), "42501", "{never}");
    let login = law.proxy.login("prod_never").options(CONFIRM_OPTION);
    if let Ok(mut session) = law.proxy.try_connect(&login) {
        assert!(!confirmed(&mut session, "never"));
    }
    let other = law.session("prod_deploy").error(&set);
    assert_eq!(other.code(), "42501", "{other}");
    let hint = law.session("prod_never").error("DROP TABLE lines");
    assert!(!hint.hint().contains("SET "), "a way that the entry does not allow: {hint}");
}

#[test]
fn confirmed_statements_are_recorded_with_their_outcome() {
    let law = Law::start();
    let mut session = law.session("prod");
    session.sql(&format!("SET {K} = true"));
    session.sql("CREATE TABLE outcome (n int)");
    session.sql("BEGIN; ALTER TABLE outcome ADD m int; ROLLBACK");
    session.error("CREATE TABLE outcome (n int)");
    let set = law.proxy.events("confirmation_set");
    assert_eq!(set.len(), 1, "{set:#?}");
    let begun = law.proxy.events("ddl_confirmed");
    assert_eq!(begun.len(), 3, "{begun:#?}");
    let outcomes = super::support::process::eventually(
        "the outcomes are recorded",
        std::time::Duration::from_secs(5),
        || Some(law.proxy.events("ddl_outcome")).filter(|events| events.len() == 3),
    );
    for (event, outcome) in begun.iter().zip(["committed", "rolled_back", "failed"]) {
        let found = outcomes.iter().find(|other| other["id"] == event["id"]).unwrap();
        assert_eq!(found["outcome"], outcome, "{event:#}\n{found:#}");
    }
}
