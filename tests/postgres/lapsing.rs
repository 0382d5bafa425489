//! A confirmation lapses (`[contract] confirm_max_age`): what began confirmed may finish, and no
//! transaction that began later is confirmed by it (contract §2).

use super::law::CONFIRM_OPTION;
use super::scripts::SETUP;
use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Proxy, Wire};

/// Longer than `confirm_max_age` here.
const WAIT: &str = "SELECT pg_sleep(0.6)";
const COMMENT: &str = "COMMENT ON TABLE items IS 'probe'";

/// What a session sends that has confirmed at its start or says it at once, and whether its last
/// statement runs. `|` separates messages, `!` waits, `^` puts all up to the next `|` in one pipeline.
const SESSIONS: &[(&str, bool)] = &[
    ("BEGIN | ! | $D", true),
    ("BEGIN | ! | SAVEPOINT a | ! | SELECT 1/0 | ROLLBACK TO a | $D", true),
    ("BEGIN | ! | BEGIN | $D", true),
    ("BEGIN | ! | COMMIT | BEGIN | $D", false),
    ("! | BEGIN; $D; COMMIT", false),
    ("BEGIN | ! | COMMIT AND CHAIN | $D", false),
    ("BEGIN | ! | ROLLBACK AND CHAIN | ! | $D", false),
    ("BEGIN | ! | COMMIT AND CHAIN | COMMIT AND CHAIN | ROLLBACK AND CHAIN | SELECT 1 | $D", false),
    ("BEGIN | ! | COMMIT AND CHAIN; $D", false),
    ("BEGIN | ! | SELECT 1/0 | ROLLBACK AND CHAIN | $D", false),
    ("BEGIN | ! | SELECT 1/0 | COMMIT AND CHAIN | $D", false),
    ("BEGIN | ! | COMMIT; BEGIN | $D", false),
    ("BEGIN | ! | COMMIT; BEGIN; $D", false),
    ("BEGIN | ! | ROLLBACK; BEGIN | ! | ROLLBACK; BEGIN | $D", false),
    ("BEGIN | ! | ^COMMIT^BEGIN | $D", false),
    ("BEGIN | ! | ^COMMIT^BEGIN^$D", false),
    ("BEGIN | ! | ^COMMIT AND CHAIN^$D", false),
    ("BEGIN | ! | COMMIT AND CHAIN | RESET authority.confirm_prod_migrations | $D", false),
    ("BEGIN | ! | COMMIT AND CHAIN | SET authority.confirm_prod_migrations = true | ! | $D", true),
    ("BEGIN; SET LOCAL authority.confirm_prod_migrations = true | ! | $D", true),
    ("^!^$D", false),
    ("!; $D", true),
];

fn start() -> (Cluster, Proxy) {
    let cluster = Cluster::builder().start();
    cluster.sql("app", &format!("SET ROLE app; {SETUP}"));
    let proxy = Proxy::builder()
        .upstream("prod", PROD, &cluster)
        .trusted("prod", "prod", "")
        .contract("confirm_max_age = \"500ms\"")
        .start();
    (cluster, proxy)
}

/// Whether the last statement ran.
fn run(session: &mut Wire, steps: &str) -> bool {
    let steps = steps.replace("$D", COMMENT).replace('!', WAIT);
    let mut failed = None;
    for step in steps.split(" | ") {
        failed = match step.strip_prefix('^') {
            None => session.try_sql(step).err(),
            // each is answered before the next one goes
            Some(pipeline) => {
                let mut failed = None;
                for text in pipeline.split('^') {
                    session.send(&Frames::new().run(text, &[]).flush()).unwrap();
                    let answers = ["BEGIN", "COMMIT", COMMENT, WAIT];
                    assert!(answers.iter().any(|known| text.starts_with(known)), "{text}");
                    loop {
                        let message = session.receive().unwrap();
                        if message.tag == b'E' {
                            failed = Some(message.fields());
                        }
                        if matches!(message.tag, b'E' | b'C') {
                            break;
                        }
                    }
                }
                session.exchange(&Frames::new().sync());
                failed
            }
        };
        if let Some(error) = &failed {
            assert!(["42501", "22012"].contains(&error.code()), "{steps}: {step}: {error}");
        }
    }
    failed.is_none()
}

#[test]
fn no_transaction_that_begins_after_the_lapse_is_confirmed() {
    let (_cluster, proxy) = start();
    let mut faults = Vec::new();
    for (steps, expected) in SESSIONS {
        // by a statement in the very string: it cannot have lapsed by then
        let mut by_statement = proxy.connect("prod");
        let first = steps.strip_prefix("BEGIN").filter(|_| !steps.starts_with("BEGIN;"));
        let steps = match first {
            Some(rest) => format!("SET authority.confirm_prod_migrations = true; BEGIN{rest}"),
            None => format!("SET authority.confirm_prod_migrations = true | {steps}"),
        };
        if run(&mut by_statement, &steps) != *expected {
            faults.push(format!("{steps}\n  should give {expected}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_confirmation_of_the_startup_packet_lapses_too() {
    let (_cluster, proxy) = start();
    let login = proxy.login("prod").options(CONFIRM_OPTION);
    for steps in [
        "BEGIN | ! | COMMIT AND CHAIN | $D",
        "BEGIN | ! | COMMIT AND CHAIN | RESET authority.confirm_prod_migrations | $D",
        "BEGIN | ! | ROLLBACK; BEGIN | DISCARD PLANS | RESET ALL | $D",
    ] {
        let mut session = proxy.try_connect(&login).unwrap();
        assert!(!run(&mut session, steps), "{steps}");
        session.sql("ROLLBACK");
        let error = session.error("DROP TABLE items");
        assert!(error.message().ends_with("has lapsed (confirm_max_age)"), "{error}");
    }
}
