//! Every setting of every supported server: what a statement may not set, the startup packet may
//! not either, and the other way round.

use std::collections::BTreeMap;

use super::support::proxy::{PROD, REPLICA};
use super::support::wire::Failure;
use super::support::{Cluster, Major, Proxy};

/// What is refused, besides what depends on the value.
const ADMINISTRATIVE: &[&str] = &[
    "allow_system_table_mods",
    "dynamic_library_path",
    "event_triggers",
    "extension_control_path",
    "ignore_checksum_failure",
    "local_preload_libraries",
    "session_preload_libraries",
    "session_replication_role",
    "zero_damaged_pages",
];

fn rule(detail: &str) -> Option<String> {
    let (rule, _) = detail.strip_prefix("rule ")?.split_once(',')?;
    Some(rule.to_owned())
}

/// The proxy's own refusal, if it is one; what the server refuses is its own affair.
fn refused<T>(result: Result<T, Failure>) -> Option<String> {
    result.err().and_then(|failure| rule(failure.fields().detail()))
}

#[test]
fn what_a_statement_may_not_set_the_startup_packet_may_not_either() {
    let mut seen = BTreeMap::new();
    let mut faults = Vec::new();
    let mut administrative = Vec::new();
    // the newest server that has a setting tries it
    for major in Major::EVERY.into_iter().rev() {
        let cluster = Cluster::builder().major(major).start();
        let url = cluster.url("postgres", "app");
        let proxy = Proxy::builder()
            .upstream_at("prod", PROD, &url, "")
            .upstream_at("replica", REPLICA, &url, "")
            .trusted("prod", "prod", "")
            .trusted("replica", "replica", "")
            .start();
        let settings = cluster.sql(
            "app",
            "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings \
             WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend') ORDER BY 1",
        );
        assert!(settings.len() > 150, "{}", settings.len());
        let new: Vec<_> = settings
            .iter()
            .map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap_or_default()))
            .filter(|(name, _)| seen.insert(name.clone(), ()).is_none())
            .collect();
        for entry in ["prod", "replica"] {
            for (name, value) in &new {
                let mut session = proxy.connect(entry);
                let mut ask = |text: String| {
                    session.try_sql(&text).err().and_then(|error| rule(error.detail()))
                };
                let literal = value.replace('\'', "''");
                let by_set = ask(format!("SET \"{name}\" = '{literal}'"));
                let by_call = ask(format!("SELECT set_config('{name}', '{literal}', false)"));
                let plain = proxy.login(entry).parameter(name, value);
                let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
                let options = proxy.login(entry).options(&format!("-c {name}={escaped}"));
                let by_packet = refused(proxy.try_connect(&plain));
                let by_options = refused(proxy.try_connect(&options));
                if by_set != by_call || by_set != by_packet || by_set != by_options {
                    faults.push(format!(
                        "{entry}, {name} = '{value}': SET {by_set:?}, set_config {by_call:?}, \
                         startup {by_packet:?}, options {by_options:?}"
                    ));
                }
                if by_set.is_some_and(|rule| rule == "prod.admin_blocked") {
                    administrative.push(name.clone());
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    administrative.sort_unstable();
    assert_eq!(administrative, ADMINISTRATIVE);
}

/// What the startup packet may not load, it did not.
#[test]
fn the_startup_packet_loads_no_library_that_load_may_not() {
    let cluster = Cluster::builder().start();
    let url = cluster.url("postgres", "app");
    let proxy = Proxy::builder()
        .upstream_at("prod", PROD, &url, "")
        .upstream_at("replica", REPLICA, &url, "")
        .trusted("prod", "prod", "")
        .trusted("prod_admin", "prod", "admin = \"confirm\"")
        .trusted("replica", "replica", "")
        .start();
    let options = ["session_preload_libraries", "local_preload_libraries", "dynamic_library_path"];
    for name in options {
        for (entry, expected) in [
            ("prod", "prod.admin_blocked"),
            ("prod_admin", "prod.admin_unconfirmed"),
            ("replica", "replica.admin"),
        ] {
            for login in [
                proxy.login(entry).parameter(name, "auto_explain"),
                proxy.login(entry).parameter(&name.to_uppercase(), "auto_explain"),
                proxy.login(entry).options(&format!("-c {name}=auto_explain")),
                proxy.login(entry).options(&format!("--{}=auto_explain", name.replace('_', "-"))),
            ] {
                let rule = refused(proxy.try_connect(&login));
                assert_eq!(rule.as_deref(), Some(expected), "{entry}, {name}");
            }
        }
    }
    let confirmed = "-c authority.confirm_prod_migrations=true \
                     -c session_preload_libraries=auto_explain";
    let login = proxy.login("prod_admin").options(confirmed);
    let mut session = proxy.try_connect(&login).unwrap();
    assert_eq!(session.value("SHOW auto_explain.log_min_duration"), "-1");
}
