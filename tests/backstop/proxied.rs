//! Through the proxy: no client sets what the backstop is told, and what hides from the proxy is
//! refused by the backstop in the proxy's words.

use super::ground::Guarded;
use super::support::cluster::Major;
use super::support::proxy::{PROD, Proxy, STAGING};

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
    let url = guarded.ground.cluster.url("app", "app");
    let proxy = Proxy::builder()
        .upstream_at("neon-prod", PROD, &url, "")
        .trusted("prod", "neon-prod", "")
        .start();
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
