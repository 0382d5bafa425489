//! `pgauthority seal`, and `require_seal` in the running proxy.

use serde_json::Value;

use super::ground::{Guarded, Said, run};
use super::support::cluster::{Cluster, Major};
use super::support::process::Folder;
use super::support::proxy::{Declared, PROD, Proxy, REPLICA, STAGING};

const UPSTREAMS: &[(&str, Declared)] = &[
    ("prod", PROD),
    ("replica", REPLICA),
    ("staging", STAGING),
    ("rehearsal", Declared("neon", "staging", "prod-like")),
];

struct Sealing {
    cluster: Cluster,
    config: String,
    _folder: Folder,
}

impl Sealing {
    fn start(major: Major) -> Sealing {
        let cluster = Cluster::builder().major(major).start();
        let url = cluster.url("app", "app");
        let builder = UPSTREAMS.iter().fold(Proxy::builder(), |builder, (name, declared)| {
            builder.upstream_at(name, *declared, &url, "")
        });
        let (config, folder) = builder.trusted("prod", "prod", "").write();
        Sealing { cluster, config: config.display().to_string(), _folder: folder }
    }

    fn seal(&self, upstream: &str, arguments: &[&str]) -> Said {
        let fixed = ["seal", "--config", &self.config, "--upstream", upstream];
        run(&[&fixed[..], arguments].concat(), &[])
    }
}

#[test]
fn a_database_is_sealed_shown_and_unsealed() {
    for major in Major::ALL {
        let ground = Sealing::start(major);
        let said = ground.seal("prod", &["--show"]);
        assert!(said.code == 1 && said.out.contains("sealed      no"), "{said:?}");
        let said = ground.seal("prod", &[]);
        assert!(said.code == 1 && said.err.contains("not confirmed"), "{said:?}");
        let said = ground.seal("replica", &["--confirm"]);
        assert!(said.code == 1 && said.err.contains("seal its primary"), "{said:?}");
        let said = ground.seal("prod", &["--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        // the owner is no superuser: told, and no error
        assert!(said.err.contains("SHOW authority.role outside the proxy is left"), "{said:?}");
        let said = ground.seal("prod", &["--show"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.out.contains("sealed      neon, prod, prod-like\nby          app, 2"),
            "{said:?}"
        );
        assert_eq!(ground.seal("replica", &["--show"]).code, 0);
        let said = ground.seal("rehearsal", &["--show", "--format", "json"]);
        assert_eq!(said.code, 1, "{said:?}");
        let report: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((&report["sealed"]["role"], &report["agrees"]), (&"prod".into(), &false.into()));
        // nobody else changes it, everybody reads it
        let mut reader = super::support::Wire::tcp(
            ground.cluster.port(),
            &super::support::wire::Login::new("reader", "app")
                .password(super::support::cluster::PASSWORD),
        )
        .unwrap();
        assert_eq!(reader.value("SELECT role FROM pgauthority.seal"), "prod");
        for change in
            ["UPDATE pgauthority.seal SET role = 'staging'", "DELETE FROM pgauthority.seal"]
        {
            assert_eq!(reader.error(change).code(), "42501");
        }
        // sealed otherwise: not without --force
        let said = ground.seal("rehearsal", &[]);
        assert!(said.code == 1 && said.err.contains("--force"), "{said:?}");
        assert_eq!(ground.seal("rehearsal", &["--force"]).code, 0);
        assert_eq!(ground.seal("rehearsal", &["--show"]).code, 0);
        assert_eq!(ground.seal("rehearsal", &["--remove"]).code, 0);
        assert_eq!(ground.seal("rehearsal", &["--show"]).code, 1);
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgauthority'";
        assert_eq!(ground.cluster.value("app", schemas), "0");
    }
}

#[test]
fn a_superusers_seal_shows_round_the_proxy() {
    let ground = Sealing::start(Major::V18);
    let url = ground.cluster.url("postgres", "app");
    let said = ground.seal("prod", &["--confirm", "--url", &url]);
    assert!(said.code == 0 && !said.err.contains("left as it is"), "{said:?}");
    assert_eq!(ground.cluster.value("app", "SHOW authority.role"), "prod");
    let said = ground.seal("prod", &["--confirm", "--remove", "--url", &url]);
    assert_eq!(said.code, 0, "{said:?}");
    let settings = "SELECT count(*) FROM pg_db_role_setting";
    assert_eq!(ground.cluster.value("app", settings), "0");
}

/// On a guarded database the command brings a token of its own.
#[test]
fn a_guarded_database_can_be_sealed() {
    let mut guarded = Guarded::start(Major::V15);
    let url = guarded.ground.superuser();
    let seal = |guarded: &Guarded| {
        let config = guarded.ground.config.display().to_string();
        let fixed = ["seal", "--config", &config, "--upstream", "neon-prod", "--confirm"];
        run(&[&fixed[..], &["--url", &url]].concat(), &[])
    };
    let said = seal(&guarded);
    assert!(said.code == 2 && said.err.contains("blocked: upstream \"neon-prod\""), "{said:?}");
    guarded.ground.give_key();
    let said = seal(&guarded);
    assert_eq!(said.code, 0, "{said:?}");
    // the backstop goes, the seal stays
    assert_eq!(guarded.ground.backstop(&["remove", "--confirm"]).code, 0);
    assert_eq!(
        guarded.ground.cluster.value("app", "SELECT env FROM pgauthority.seal"),
        "prod-like"
    );
}

#[test]
fn the_proxy_requires_the_seal() {
    for major in Major::ALL {
        let primary = Cluster::builder().major(major).start();
        let standby = primary.replica();
        let required = "require_seal = true";
        let url = primary.url("app", "app");
        let proxy = Proxy::builder()
            .upstream_at("prod", PROD, &url, required)
            .upstream_at("rehearsal", UPSTREAMS[3].1, &url, required)
            .upstream_at("loose", PROD, &url, "")
            .upstream_at("replica", REPLICA, &standby.url("app", "app"), required)
            .upstream_at(
                "other",
                Declared("neon", "replica", "dev"),
                &standby.url("app", "app"),
                required,
            )
            .trusted("prod", "prod", "")
            .trusted("rehearsal", "rehearsal", "")
            .trusted("loose", "loose", "")
            .trusted("replica", "replica", "replication = true")
            .trusted("other", "other", "")
            .start();
        let refusal = |entry: &str| {
            let refused = proxy.try_connect(&proxy.login(entry)).err().unwrap().fields();
            assert_eq!((refused.code(), refused.get('S')), ("28000", "FATAL"), "{refused}");
            refused
        };
        for entry in ["prod", "rehearsal", "replica"] {
            let refused = refusal(entry);
            assert!(refused.message().contains("has no seal"), "{refused}");
            assert!(refused.detail().starts_with("rule seal.missing, "), "{refused}");
        }
        assert!(refusal("prod").hint().contains("pgauthority seal --upstream prod"));
        proxy.connect("loose").sql("SELECT 1");

        let config = proxy.config.display().to_string();
        let seal = ["seal", "--config", &config, "--upstream", "prod", "--confirm"];
        let said = run(&seal, &[]);
        assert_eq!(said.code, 0, "{said:?}");
        proxy.connect("prod").sql("SELECT 1");
        primary.wait_for_replica(&standby);
        proxy.connect("replica").sql("SELECT 1");
        for entry in ["rehearsal", "other"] {
            let refused = refusal(entry);
            assert!(refused.message().contains("is sealed otherwise"), "{refused}");
            let detail = refused.detail();
            assert!(detail.contains("rule seal.mismatch"), "{refused}");
            assert!(detail.contains("sealed neon, prod, prod-like by app at "), "{refused}");
        }
        // the setting that anybody could make says nothing
        let mut owner = primary.connect("app");
        owner.sql("ALTER DATABASE app SET authority.role = 'staging'");
        proxy.connect("prod").sql("SELECT 1");
        // a table that has lost its row is no seal
        owner.sql("DELETE FROM pgauthority.seal");
        assert!(refusal("prod").detail().contains("has no row"));
        let refused = proxy.events("upstream_refused");
        let rules: Vec<&str> = refused.iter().filter_map(|event| event["rule"].as_str()).collect();
        assert!(rules.contains(&"seal.missing") && rules.contains(&"seal.mismatch"), "{rules:?}");
        let said = run(&["check", "--connect", "--config", &config], &[]);
        assert!(said.out.contains("require_seal = true, and it has no seal"), "{said:?}");
    }
}

#[test]
fn the_seal_is_read_whatever_the_search_path_says() {
    let cluster = Cluster::builder().start();
    cluster.sql(
        "app",
        "CREATE SCHEMA evil; CREATE TABLE evil.seal AS SELECT 'local'::text AS authority,
            'staging'::text AS role, 'test'::text AS env, now() AS sealed_at, ''::text AS sealed_by;
         GRANT ALL ON SCHEMA evil TO PUBLIC; GRANT ALL ON evil.seal TO PUBLIC;
         ALTER ROLE app SET search_path = evil",
    );
    let proxy = Proxy::builder()
        .upstream_at("staging", STAGING, &cluster.url("app", "app"), "require_seal = true")
        .trusted("staging", "staging", "")
        .start();
    let refused = proxy.try_connect(&proxy.login("staging")).err().unwrap().fields();
    assert!(refused.detail().contains("seal.missing"), "{refused}");
}
