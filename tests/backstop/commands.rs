//! `pgauthority backstop`: install, status, remove, sql.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::ground::{Ground, Guarded, key_of, run};
use super::support::cluster::Major;
use super::support::proxy::{PROD, Proxy, REPLICA, STAGING};

#[test]
fn installing_needs_a_confirmation_and_is_recorded() {
    let ground = Ground::new(Major::V15);
    let path = ground.key_file().display().to_string();
    let refused = ground.backstop(&["install", "--key-file", &path]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("upstream \"neon-prod\" is role prod and this is not confirmed"));
    assert!(refused.err.contains("hint: --confirm, or CONFIRM_PROD_MIGRATIONS=true"));
    assert!(!ground.key_file().exists());
    assert_eq!(ground.cluster.value("app", "SELECT count(*) FROM pg_event_trigger"), "0");

    let config = ground.config.display().to_string();
    let url = ground.superuser();
    let arguments = [
        "backstop",
        "install",
        "--key-file",
        &path,
        "--config",
        &config,
        "--upstream",
        "neon-prod",
        "--url",
        &url,
    ];
    let said = run(&arguments, &[("CONFIRM_PROD_MIGRATIONS", "yes")]);
    assert_eq!(said.code, 1, "only true confirms: {said:?}");
    let said = run(&arguments, &[("CONFIRM_PROD_MIGRATIONS", "TRUE")]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("installed on upstream \"neon-prod\", and tried"), "{said:?}");
    let mode = fs::metadata(ground.key_file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let log = fs::read_to_string(ground.folder.join("audit.jsonl")).unwrap();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2, "{log}");
    assert_eq!(
        (&events[0]["event"], &events[1]["event"]),
        (&"ddl_confirmed".into(), &"ddl_outcome".into())
    );
    assert_eq!(events[0]["id"], events[1]["id"]);
    assert_eq!(events[1]["outcome"], "committed");
    assert_eq!(events[0]["command_tag"], "CREATE EVENT TRIGGER");
    let key = key_of(&ground.key_file());
    for text in [&log, &said.out, &said.err, &ground.cluster.log()] {
        assert!(!text.contains(&key.to_text()[..32]), "{text}");
    }
}

#[test]
fn installing_again_keeps_the_key_unless_a_new_one_is_wanted() {
    for major in Major::ALL {
        let mut guarded = Guarded::start(major);
        let path = guarded.ground.key_file().display().to_string();
        let triggers = "SELECT string_agg(evtname || ' ' || evtenabled::text, ' ' ORDER BY evtname) \
                        FROM pg_event_trigger";
        let before = guarded.ground.cluster.value("app", triggers);
        assert_eq!(before.matches(" A").count(), 4, "{before}");
        let said = guarded.ground.backstop(&["install", "--key-file", &path, "--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(key_of(&guarded.ground.key_file()), guarded.key);
        assert_eq!(guarded.ground.cluster.value("app", triggers), before);
        let said =
            guarded.ground.backstop(&["install", "--key-file", &path, "--new-key", "--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_ne!(key_of(&guarded.ground.key_file()), guarded.key);
        // what the file holds is no key of this database: not without --force
        fs::write(&path, "precious").unwrap();
        for arguments in
            [&["install", "--key-file", &path, "--confirm"][..], &["key", "--key-file", &path]]
        {
            let said = guarded.ground.backstop(arguments);
            assert!(said.code == 2 && said.err.contains("would be overwritten"), "{said:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        }
        let said = guarded.ground.backstop(&["key", "--key-file", &path, "--force"]);
        assert_eq!(said.code, 0, "{said:?}");
        let app = guarded.ground.cluster.url("app", "app");
        let said = guarded.ground.backstop_as(&app, &["key", "--key-file", &path]);
        assert!(said.code == 2 && said.err.contains("only its owner reads the key"), "{said:?}");
        // with the key in the configuration no file is named
        guarded.ground.give_key();
        let said = guarded.ground.backstop(&["install", "--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!said.err.contains("let the proxy have the key"), "{said:?}");
        assert_eq!(guarded.ground.backstop(&["status"]).code, 0);
    }
}

#[test]
fn status_sees_what_is_not_as_it_should_be() {
    for major in Major::ALL {
        let mut ground = Ground::new(major);
        let said = ground.backstop(&["status"]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains("installed     no"), "{said:?}");
        let path = ground.key_file().display().to_string();
        assert_eq!(ground.backstop(&["install", "--key-file", &path, "--confirm"]).code, 0);
        let said = ground.backstop(&["status"]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains("the configuration has no key for it"), "{said:?}");

        ground.give_key();
        let said = ground.backstop(&["status"]);
        assert_eq!(said.code, 0, "{said:?}");
        for line in [
            "for           upstream neon-prod, authority neon, role prod, env prod-like",
            "key           the configured one",
            "login         postgres, who can turn it off",
            "cannot stop   what fires no event trigger: TRUNCATE",
        ] {
            assert!(said.out.contains(line), "{line}: {said:?}");
        }
        // anybody can look
        let said = ground.backstop_as(&ground.cluster.url("app", "app"), &["status"]);
        assert_eq!(said.code, 0, "{said:?}");

        let undo = "ALTER EVENT TRIGGER pgauthority_sql_drop ENABLE ALWAYS";
        for (change, undo, problem) in [
            (
                "ALTER EVENT TRIGGER pgauthority_sql_drop DISABLE",
                undo,
                "pgauthority_sql_drop is disabled",
            ),
            (
                "ALTER EVENT TRIGGER pgauthority_sql_drop ENABLE",
                undo,
                "is silenced by session_replication_role",
            ),
            (
                "ALTER EVENT TRIGGER pgauthority_sql_drop RENAME TO x",
                "ALTER EVENT TRIGGER x RENAME TO pgauthority_sql_drop",
                "event trigger pgauthority_sql_drop is missing",
            ),
            (
                "GRANT SELECT ON pgauthority.key TO reader",
                "REVOKE SELECT ON pgauthority.key FROM reader",
                "its key is open to reader",
            ),
            (
                "ALTER FUNCTION pgauthority.token_fault() SECURITY INVOKER",
                "ALTER FUNCTION pgauthority.token_fault() SECURITY DEFINER",
                "token_fault() is not SECURITY DEFINER",
            ),
            (
                "CREATE OR REPLACE FUNCTION pgauthority.token_fault() RETURNS text LANGUAGE sql \
                 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT NULL'",
                "SELECT 1",
                "token_fault() is not as this version installs it",
            ),
        ] {
            let around = |what: &str| {
                let events = ["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"];
                let set = |how: &str| -> String {
                    events
                        .iter()
                        .map(|event| format!("ALTER EVENT TRIGGER pgauthority_{event} {how};"))
                        .collect()
                };
                match what.contains("EVENT TRIGGER") {
                    true => what.to_owned(),
                    false => format!("{}{what};{}", set("DISABLE"), set("ENABLE ALWAYS")),
                }
            };
            ground.cluster.sql("app", &around(change));
            let said = ground.backstop(&["status", "--format", "json"]);
            assert_eq!(said.code, 1, "{change}: {said:?}");
            let report: Value = serde_json::from_str(&said.out).unwrap();
            let problems = report["problems"].to_string();
            assert!(problems.contains(problem), "{change}: {problems}");
            assert_eq!(report["problems"].as_array().unwrap().len(), 1, "{problems}");
            ground.cluster.sql("app", &around(undo));
        }
        assert_eq!(ground.backstop(&["install", "--confirm"]).code, 0);
        fs::write(ground.key_file(), format!("{}\n", "5e".repeat(32))).unwrap();
        let said = ground.backstop(&["status"]);
        assert!(said.code == 1 && said.out.contains("another than its own"), "{said:?}");
    }
}

#[test]
fn removing_leaves_nothing() {
    for major in Major::ALL {
        let ground = Ground::new(major);
        let everything = "SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
            SELECT oid || relname AS line FROM pg_class
            UNION ALL SELECT oid || proname FROM pg_proc
            UNION ALL SELECT oid || nspname || nspacl::text FROM pg_namespace
            UNION ALL SELECT oid || evtname FROM pg_event_trigger
            UNION ALL SELECT objoid || description FROM pg_description
            UNION ALL SELECT setdatabase || setconfig::text FROM pg_db_role_setting) AS x";
        let before = ground.cluster.value("app", everything);
        let path = ground.key_file().display().to_string();
        assert_eq!(ground.backstop(&["install", "--key-file", &path, "--confirm"]).code, 0);
        assert_ne!(ground.cluster.value("app", everything), before);
        assert_eq!(ground.backstop(&["remove"]).code, 1, "not confirmed");
        let said = ground.backstop_as(&ground.cluster.url("app", "app"), &["remove", "--confirm"]);
        assert!(said.code == 2 && said.err.contains("its owner, postgres: --url"), "{said:?}");
        let said = ground.backstop(&["remove", "--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(ground.cluster.value("app", everything), before);
        let said = ground.backstop(&["remove", "--confirm"]);
        assert!(said.code == 0 && said.err.contains("nothing is installed"), "{said:?}");
        ground.round().sql("CREATE TABLE free ()");
    }
}

#[test]
fn what_cannot_be_installed_says_why() {
    let ground = Ground::new(Major::V15);
    let path = ground.key_file().display().to_string();
    let install = ["install", "--key-file", &path, "--confirm"];
    let said = ground.backstop_as(&ground.cluster.url("app", "app"), &install);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("install as a superuser"), "{said:?}");
    assert!(!ground.key_file().exists(), "no key of what is not installed");
    let said = ground.backstop(&["install", "--confirm"]);
    assert!(said.code == 2 && said.err.contains("--key-file"), "{said:?}");
    // a schema that somebody else has made ready
    ground.cluster.sql("app", "SET ROLE app; CREATE SCHEMA pgauthority");
    let said = ground.backstop(&install);
    assert!(said.code == 2 && said.err.contains("belongs to another role"), "{said:?}");
    assert!(said.err.contains("pgauthority seal --remove"), "{said:?}");
}

#[test]
fn default_privileges_give_nothing_away() {
    let ground = Ground::new(Major::V18);
    ground.cluster.sql(
        "app",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reader, PUBLIC;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO reader",
    );
    let path = ground.key_file().display().to_string();
    assert_eq!(ground.backstop(&["install", "--key-file", &path, "--confirm"]).code, 0);
    let login = super::support::wire::Login::new("reader", "app");
    let mut reader = ground.round_with(login);
    let fingerprint = key_of(&ground.key_file()).fingerprint();
    assert_eq!(reader.value("SELECT fingerprint FROM pgauthority.key"), fingerprint);
    for text in [
        "SELECT * FROM pgauthority.key",
        "SELECT key FROM pgauthority.key",
        "SELECT outer_block FROM pgauthority.key",
        "REFRESH MATERIALIZED VIEW pgauthority.key",
        "SELECT pgauthority.token_fault()",
    ] {
        assert_eq!(reader.error(text).code(), "42501", "{text}");
        assert_eq!(ground.round().error(text).code(), "42501", "{text}");
    }
    // who may read every table may read the key: that is told
    ground.cluster.sql("postgres", "GRANT pg_read_all_data TO reader");
    let said = ground.backstop(&["status"]);
    assert!(said.out.contains("key readable  by reader, who may read every table"), "{said:?}");
}

/// A dump needs no right to the key and does not hold it, nor does a publication of all tables.
#[test]
fn dumps_and_publications_neither_need_the_key_nor_hold_it() {
    let guarded = Guarded::start(Major::V15);
    let cluster = &guarded.ground.cluster;
    let socket = cluster.socket_folder().display().to_string();
    for user in ["app", "postgres"] {
        let dump = super::support::process::run(
            std::process::Command::new(Major::V15.bin().join("pg_dump")).args([
                "-h",
                &socket,
                "-p",
                &cluster.port().to_string(),
                "-U",
                user,
                "app",
            ]),
        );
        assert!(dump.contains("CREATE EVENT TRIGGER pgauthority_sql_drop"), "{user}");
        assert!(!dump.contains(&guarded.key.to_text()[..32]), "{user}");
    }
    // what is restored is guarded, by a key of its own
    cluster.sql("postgres", "CREATE DATABASE copy");
    let mut arguments = vec!["-v", "ON_ERROR_STOP=1", "-q", "-h", &socket, "-p"];
    let (port, file) = (cluster.port().to_string(), guarded.ground.folder.join("dump.sql"));
    let file = file.display().to_string();
    arguments.extend([port.as_str(), "-U", "postgres", "-f", &file, "copy"]);
    let dump = ["-h", &socket, "-p", &port, "-U", "postgres", "-f", &file, "app"];
    let pg_dump = Major::V15.bin().join("pg_dump");
    super::support::process::run(std::process::Command::new(pg_dump).args(dump));
    super::support::process::run(std::process::Command::new("psql").args(arguments));
    assert_eq!(cluster.connect("copy").error("CREATE TABLE fresh ()").code(), "42501");
    let key = "SELECT encode(key, 'hex') FROM pgauthority.key";
    assert_eq!(cluster.value("app", key), guarded.key.to_text());
    assert_ne!(cluster.value("copy", key), guarded.key.to_text());

    let mut superuser = cluster.connect("app");
    let text = "CREATE PUBLICATION everything FOR ALL TABLES";
    let token = guarded.token(&mut superuser, text, 60);
    super::ground::set_token(&mut superuser, &token);
    superuser.sql(text);
    let published = "SELECT string_agg(DISTINCT schemaname, ' ') FROM pg_publication_tables";
    assert_eq!(superuser.value(published), "evil public");
}

#[test]
fn it_is_for_prod_alone() {
    let ground = Ground::new(Major::V15);
    let url = ground.cluster.url("app", "app");
    let (config, _folder) = Proxy::builder()
        .upstream_at("prod", PROD, &url, "")
        .upstream_at("staging", STAGING, &url, "")
        .upstream_at("replica", REPLICA, &url, "")
        .trusted("prod", "prod", "")
        .write();
    let config = config.display().to_string();
    for (upstream, hint) in
        [("staging", "every schema change is allowed"), ("replica", "from its primary")]
    {
        let said = run(&["backstop", "sql", "--config", &config, "--upstream", upstream], &[]);
        assert!(said.code == 1 && said.err.contains(hint), "{said:?}");
    }
    let said = run(&["backstop", "status", "--config", &config, "--upstream", "pord"], &[]);
    assert!(said.code == 2 && said.err.contains("prod, replica, staging"), "{said:?}");
    let said = run(&["backstop", "status", "--config", "/nowhere", "--upstream", "prod"], &[]);
    assert_eq!(said.code, 78, "{said:?}");
}

/// A copy of prod that is declared staging gets rid of what it carries, without a confirmation.
#[test]
fn a_copy_gets_rid_of_it_under_its_own_declaration() {
    let guarded = Guarded::start(Major::V15);
    let (config, _folder) = Proxy::builder()
        .upstream_at("copy", STAGING, &guarded.ground.superuser(), "")
        .trusted("copy", "copy", "")
        .write();
    let config = config.display().to_string();
    let on_copy =
        |command: &str| run(&["backstop", command, "--config", &config, "--upstream", "copy"], &[]);
    let said = run(&["check", "--connect", "--config", &config], &[]);
    assert!(said.out.contains("declared staging, and has a backstop"), "{said:?}");
    assert_eq!(on_copy("status").code, 1);
    let said = on_copy("remove");
    assert_eq!(said.code, 0, "{said:?}");
    guarded.ground.round().sql("CREATE TABLE free ()");
}

/// The printed script does what the command does, once it has a key.
#[test]
fn the_script_can_be_applied_by_others() {
    for major in Major::ALL {
        let mut guarded = Guarded::start(major);
        guarded.ground.give_key();
        let script = guarded.ground.backstop(&["sql"]);
        assert_eq!(script.code, 0, "{script:?}");
        assert_eq!(guarded.ground.backstop(&["sql"]).out, script.out);
        assert_eq!(guarded.ground.backstop(&["remove", "--confirm"]).code, 0);
        assert_eq!(guarded.ground.backstop(&["status"]).code, 1);
        guarded.ground.cluster.sql("app", &script.out);
        // its key is a new one, to be fetched
        let said = guarded.ground.backstop(&["status"]);
        assert!(said.code == 1 && said.out.contains("is another than its own"), "{said:?}");
        let path = guarded.ground.key_file().display().to_string();
        assert_eq!(guarded.ground.backstop(&["key", "--key-file", &path, "--force"]).code, 0);
        let said = guarded.ground.backstop(&["status"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(guarded.ground.round().error("CREATE TABLE fresh ()").code(), "42501");
    }
}

#[test]
fn check_says_whether_it_is_there() {
    let mut guarded = Guarded::start(Major::V15);
    guarded.ground.give_key();
    let config = guarded.ground.config.display().to_string();
    let check = |config: &str| {
        let said = run(&["check", "--connect", "--config", config, "--format", "json"], &[]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        report["observed"][0].clone()
    };
    let seen = check(&config);
    assert_eq!(
        (&seen["backstop"]["installed"], &seen["backstop"]["sound"]),
        (&true.into(), &true.into())
    );
    assert_eq!(seen["seal"], Value::Null);
    guarded.ground.cluster.sql("app", "ALTER EVENT TRIGGER pgauthority_sql_drop DISABLE");
    let said = run(&["check", "--connect", "--config", &config], &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("event trigger pgauthority_sql_drop is disabled"), "{said:?}");
    assert_eq!(guarded.ground.backstop(&["remove", "--confirm"]).code, 0);
    let said = run(&["check", "--connect", "--config", &config], &[]);
    assert!(said.out.contains("has a backstop key, and no backstop is installed"), "{said:?}");
    assert_eq!(check(&config)["backstop"]["installed"], false);
}
