//! Through the proxy: no client sets what the backstop is told, and what hides from the proxy is
//! refused by the backstop in the proxy's words.

use super::ground::Guarded;
use super::support::cluster::Major;
use super::support::proxy::{PROD, Proxy, STAGING};
use super::support::wire::Frames;

/// A proxy that has the key.
fn with_key(guarded: &Guarded) -> Proxy {
    let lines = format!("backstop_key_file = \"{}\"", guarded.ground.key_file().display());
    Proxy::builder()
        .upstream_at("neon-prod", PROD, &guarded.ground.cluster.url("app", "app"), &lines)
        .trusted("prod", "neon-prod", "")
        .start()
}

/// Runs as often as one likes.
const REPEATED: &str = "SELECT does('ALTER TABLE six ALTER n SET DEFAULT 1')";

/// What is confirmed through the proxy runs: in every form of a message, each with a token for the
/// very text that the server sees.
fn what_is_confirmed_has_its_token(major: Major) {
    let guarded = Guarded::start(major);
    let proxy = with_key(&guarded);
    let confirmed = proxy.login("prod").options("-c authority.confirm_prod_migrations=on");
    let mut session = proxy.try_connect(&confirmed).unwrap();
    session.sql("CREATE TABLE one (n int)");
    session.sql("CREATE TABLE two (n int); ALTER TABLE two ADD m text; DROP TABLE two");
    session.sql("BEGIN");
    session.sql("CREATE TABLE three (n int)");
    session.sql("SAVEPOINT s");
    session.sql("ALTER TABLE three ADD m text");
    session.sql("ROLLBACK TO s");
    session.sql("ALTER TABLE three ADD o text");
    session.sql("COMMIT");
    session.sql("SELECT does('CREATE TABLE four (n int)')");
    session.sql("DO $$ BEGIN EXECUTE 'CREATE TABLE five (n int)'; END $$");
    // one pipeline, one transaction: several texts, a prepared one run twice
    let frames = Frames::new()
        .parse("", "SELECT 1", &[])
        .run("CREATE TABLE six (n int)", &[])
        .run("INSERT INTO six VALUES (1)", &[])
        .run("ALTER TABLE six ADD m text", &[])
        .parse("again", "ALTER TABLE six ALTER n SET DEFAULT 1", &[])
        .bind("", "again", &[])
        .execute("", 0)
        .bind("", "again", &[])
        .execute("", 0)
        .sync();
    let messages = session.exchange(&frames);
    assert!(messages.iter().all(|one| one.tag != b'E'), "{messages:?}");
    assert_eq!(messages.iter().filter(|one| one.tag == b'C').count(), 5, "{messages:?}");
    // the client's unnamed statement is there as it was
    session.exchange(&Frames::new().parse("", "SELECT 7", &[]).sync());
    session.exchange(&Frames::new().parse("later", "DROP TABLE one", &[]).sync());
    session.exchange(&Frames::new().bind("", "later", &[]).execute("", 0).sync());
    let messages = session.exchange(&Frames::new().bind("", "", &[]).execute("", 0).sync());
    assert!(messages.iter().any(|one| one.tag == b'D'), "{messages:?}");
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
                  WHERE relname IN ('one', 'two', 'three', 'four', 'five', 'six')";
    assert_eq!(guarded.ground.cluster.value("app", tables), "five four six three");
    session.sql(REPEATED);
    // a failed transaction takes none, and stays as it is
    session.sql("BEGIN");
    session.error("SELECT 1/0");
    assert_eq!(session.error("DROP TABLE three").code(), "25P02");
    session.sql("ROLLBACK");
    // withdrawn: the same text again
    session.sql("SET authority.confirm_prod_migrations = off");
    let error = session.error(REPEATED);
    assert_eq!(error.code(), "42501");
    assert!(error.detail().contains("backstop"), "it passed the proxy: {error}");
    // nor where a rollback brings the token back, or a failed transaction keeps it
    session.sql("SET authority.confirm_prod_migrations = on");
    let back = format!("ROLLBACK; {REPEATED}");
    session.sql(&back);
    session.sql("SET authority.confirm_prod_migrations = off");
    for (before, code) in [("SELECT 1", "42501"), ("SELECT 1/0", "25P02")] {
        session.sql("BEGIN");
        let _ = session.try_sql(before);
        assert_eq!(session.error(&back).code(), code, "{before}");
        session.sql("ROLLBACK");
    }
}

#[test]
fn what_is_confirmed_has_its_token_on_15() {
    what_is_confirmed_has_its_token(Major::V15);
}

#[test]
fn what_is_confirmed_has_its_token_on_18() {
    what_is_confirmed_has_its_token(Major::V18);
}

#[test]
fn no_client_sets_a_token_through_the_proxy() {
    let guarded = Guarded::start(Major::V15);
    let url = guarded.ground.cluster.url("app", "app");
    let proxy = Proxy::builder()
        .upstream_at("neon-prod", PROD, &url, "")
        .upstream_at("staging", STAGING, &url, "")
        .trusted("prod", "neon-prod", "")
        .trusted("staging", "staging", "")
        .start();
    for entry in ["prod", "staging"] {
        let mut session = proxy.connect(entry);
        for text in [
            "SET pgauthority.token = 'x'",
            "SET LOCAL pgauthority.token = 'x'",
            "SET \"PGAuthority.Token\" TO 'x'",
            "RESET pgauthority.token",
            "SET pgauthority.token TO DEFAULT",
            "SET pgauthority.anything = 'x'",
            "SELECT set_config('pgauthority.token', 'x', false)",
            "SELECT set_config('pgauthority.token', repeat('x', 2), true)",
            "PREPARE p AS SELECT set_config('pgauthority.token', 'x', false)",
        ] {
            let error = session.error(text);
            assert_eq!(error.code(), "55P02", "{entry} {text}: {error}");
            assert!(error.detail().contains("rule tag.readonly"), "{error}");
        }
        for login in [
            proxy.login(entry).options("-c pgauthority.token=x"),
            proxy.login(entry).parameter("PGAUTHORITY.token", "x"),
        ] {
            let refused = proxy.try_connect(&login).err().unwrap().fields();
            assert_eq!(refused.code(), "55P02", "{refused}");
        }
        assert_eq!(session.value("SELECT current_setting('pgauthority.token', true)"), "");
    }
}

#[test]
fn what_hides_from_the_proxy_is_refused_in_its_words() {
    let guarded = Guarded::start(Major::V18);
    let proxy = with_key(&guarded);
    let mut session = proxy.connect("prod");
    let seen = session.error("DROP VIEW notes");
    let hidden = session.error("SELECT does('DROP VIEW notes')");
    assert_eq!(hidden.message(), seen.message());
    assert_eq!(hidden.code(), seen.code());
    let common = |detail: &str| detail.split(", event").next().unwrap().to_owned();
    let start = common(seen.detail());
    assert!(hidden.detail().starts_with(&start), "{hidden}\n{seen}");
    // the proxy's own classes stay as they are: temporary relations, data
    let mut session = proxy.connect("prod");
    session.sql("CREATE TEMP TABLE t (n int)");
    session.sql("INSERT INTO runs (note) VALUES ('x')");
    session.sql("DROP TABLE t");
}
