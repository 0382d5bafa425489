//! Tags, expectations and tasks: a session knows where it is, and says where it means to be.

use super::law::Law;
use super::support::Wire;
use super::support::wire::Failure;

fn refused(attempt: Result<Wire, Failure>) -> super::support::wire::Fields {
    let fields = attempt.err().expect("a refusal").fields();
    assert_eq!(fields.get('V'), "FATAL", "{fields}");
    fields
}

#[test]
fn the_tags_are_seen_by_client_and_server() {
    let law = Law::start();
    for (entry, upstream, authority, role, env) in [
        ("staging", "staging", "local", "staging", "test"),
        ("prod", "prod", "neon", "prod", "prod-like"),
        ("replica", "replica", "neon", "replica", "prod-like"),
    ] {
        let mut session = law.session(entry);
        for (tag, value) in
            [("upstream", upstream), ("authority", authority), ("role", role), ("env", env)]
        {
            let name = format!("authority.{tag}");
            assert_eq!(session.parameters.get(&name).map(String::as_str), Some(value), "{name}");
            assert_eq!(session.value(&format!("SHOW {name}")), value);
            session.sql("DISCARD ALL");
            assert_eq!(session.value(&format!("SELECT current_setting('{name}')")), value);
            for attempt in [
                format!("SET {name} = 'x'"),
                format!("SET LOCAL {name} = 'x'"),
                format!("RESET {name}"),
                format!("SELECT set_config('{name}', 'x', false)"),
            ] {
                assert_eq!(session.error(&attempt).code(), "55P02", "{attempt}");
            }
        }
        let login = law.proxy.login(entry).options("-c authority.role=staging");
        assert_eq!(refused(law.proxy.try_connect(&login)).code(), "55P02");
    }
}

#[test]
fn the_reports_at_startup_are_the_servers_own() {
    let law = Law::start();
    let login = super::support::Login::new("app", "app").password("s3cret");
    let mut direct = Wire::tcp(law.cluster.port(), &login).unwrap().parameters;
    let mut proxied = law.session("prod").parameters;
    proxied.retain(|name, _| !name.starts_with("authority."));
    assert_eq!(direct, proxied);
    // on a guarded connection the guard is seen
    direct.insert("default_transaction_read_only".into(), "on".into());
    let mut guarded = law.session("replica").parameters;
    guarded.retain(|name, _| !name.starts_with("authority."));
    assert_eq!(direct, guarded);
}

#[test]
fn a_session_that_expects_something_else_is_refused() {
    let law = Law::start();
    let right = law.proxy.login("prod").options(
        "-c authority.expect_role=prod -c authority.expect_authority=neon \
         -c authority.expect_env=prod-like",
    );
    law.proxy.try_connect(&right).unwrap().sql("SELECT 1");
    for wrong in ["expect_role=staging", "expect_authority=local", "expect_env=dev"] {
        let login = law.proxy.login("prod").options(&format!("-c authority.{wrong}"));
        let fields = refused(law.proxy.try_connect(&login));
        assert_eq!(fields.code(), "28000", "{fields}");
        let (name, value) = wrong.split_once('=').unwrap();
        let plain = law.proxy.login("prod").parameter(&format!("authority.{name}"), value);
        assert_eq!(refused(law.proxy.try_connect(&plain)).code(), "28000");
        let set = format!("SET authority.{name} = '{value}'");
        assert_eq!(law.session("prod").error(&set).code(), "28000");
    }
    assert!(!law.proxy.events("session_refused").is_empty());
}

#[test]
fn a_routed_entry_asks_for_the_task() {
    let law = Law::start();
    let undeclared = refused(law.proxy.try_connect(&law.proxy.login("routed")));
    assert_eq!(undeclared.code(), "28000", "{undeclared}");
    assert!(undeclared.hint().contains("authority.task"), "{undeclared}");
    for (task, upstream) in [
        ("historical_truth", Some("prod")),
        ("run_verification", Some("prod")),
        ("unit_tests", Some("staging")),
        ("migration_testing", Some("staging")),
        ("look", Some("prod")),
        ("spanning", Some("prod")),
        ("nonsense", None),
    ] {
        let option = format!("-c authority.task={task}");
        for login in [
            law.proxy.login("routed").options(&option),
            law.proxy.login("routed").parameter("authority.task", task),
            law.proxy.login("routed_default").options(&option),
        ] {
            match (law.proxy.try_connect(&login), upstream) {
                (Ok(mut session), Some(upstream)) => {
                    assert_eq!(session.value("SHOW authority.upstream"), upstream, "{task}");
                }
                (attempt, None) => assert_eq!(refused(attempt).code(), "28000", "{task}"),
                (Err(failure), Some(_)) => panic!("{task}: {failure}"),
            }
        }
    }
    let mut session = law.session("routed_default");
    assert_eq!(session.value("SHOW authority.upstream"), "staging");
    assert_eq!(session.value("SHOW authority.task"), "unit_tests");
    session.sql("SET authority.task = 'integration_tests'");
    assert_eq!(session.value("SHOW authority.task"), "integration_tests");
    session.sql("DISCARD ALL");
    assert_eq!(session.value("SHOW authority.task"), "unit_tests");
    session.sql("SET authority.task = 'historical_truth'");
    assert_eq!(session.value("SHOW authority.upstream"), "prod");
    assert_eq!(session.value("SHOW authority.task"), "historical_truth");
    session.sql("BEGIN");
    assert_eq!(session.error("SET authority.task = 'unit_tests'").code(), "25001");
}

#[test]
fn a_denied_cell_denies() {
    let law = Law::start();
    let login = law.proxy.login("routed").options("-c authority.task=look");
    let mut session = law.proxy.try_connect(&login).unwrap();
    session.sql("SELECT * FROM items");
    for write in ["INSERT INTO lines (item) VALUES (1)", "DROP TABLE lines", "VACUUM items"] {
        let error = session.error(write);
        assert_eq!(error.code(), "42501", "{error}");
        assert!(error.detail().contains("task.denied"), "{error}");
    }
}

#[test]
fn unknown_names_and_wrong_passwords_look_alike() {
    let law = Law::start();
    let name = |text: &str, user: &str| text.replace(user, "…");
    let attempts =
        [("app", "nothing", "s3cret"), ("stranger", "scram", "x"), ("app", "scram", "x")];
    let answers = attempts.map(|(user, entry, password)| {
        let login = super::support::Login::new(user, entry).password(password);
        let fields = refused(law.proxy.try_connect(&login));
        assert_eq!(fields.code(), "28P01", "{fields}");
        fields.0.into_iter().map(|(letter, text)| (letter, name(&text, user))).collect::<Vec<_>>()
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
}
