//! Sound files: what they come to.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use pgauthority::config::{self, AuditTarget, Config, ListenAddress, Secret, SslMode, TlsMode};

use crate::support::certificates::{CertificateAuthority, NEON_HOST};

fn load_in(folder: &Path, text: &str, variables: &[(&str, &str)]) -> Config {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let lookup = |name: &str| variables.get(name).map(|&value| value.to_owned());
    config::parse(&folder.join("pgauthority.toml"), text, &lookup)
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn load(text: &str) -> Config {
    load_in(Path::new("/etc/x"), text, &[])
}

const LOCAL: &str = "[upstreams.local]\nauthority = \"local\"\nrole = \"staging\"\nenv = \"dev\"\n";
const ENTRY: &str = "[databases.nova]\nupstream = \"local\"\nauth = \"relay\"\n";

fn with_url(url: &str) -> String {
    format!("{LOCAL}url = \"{url}\"\n{ENTRY}")
}

#[test]
fn defaults_hold_where_nothing_is_said() {
    let config = load(&with_url("postgresql://localhost/nova"));
    let server = &config.server;
    assert_eq!(server.listen, [ListenAddress::Tcp("127.0.0.1:7432".parse().unwrap())]);
    assert_eq!(server.limits.max_client_connections, 10_000);
    assert_eq!(server.limits.max_statement_bytes, 64 << 20);
    assert_eq!(server.login_timeout, Duration::from_secs(60));
    assert_eq!(server.tls.mode, TlsMode::Disable);
    assert_eq!(config.audit.target, AuditTarget::Stdout);
    assert_eq!(config.contract.confirm_max_age, None);
    assert!(config.contract.migration_tables.contains("_prisma_migrations"));
    assert_eq!(config.decisions.iter().count(), 13);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let text = format!(
        "[server]\nlisten = [\"unix:run\"]\n[audit]\npath = \"audit.jsonl\"\n{}",
        with_url("postgresql://localhost/nova")
    );
    let config = load(&text);
    assert_eq!(config.audit.target, AuditTarget::File("/etc/x/audit.jsonl".into()));
    let socket = config.server.listen[0].socket_path().unwrap();
    assert_eq!(socket, Path::new("/etc/x/run/.s.PGSQL.7432"));
}

#[test]
fn mismatches_warn_where_they_are_not_enforced() {
    let config = load(&with_url("postgresql://db.example.org/nova"));
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].starts_with("upstream \"local\": authority local expects"));
}

/// `hostaddr` leads a Neon name to a server of the demo: the name is what is judged.
#[test]
fn the_host_is_judged_not_where_it_leads() {
    let text = format!(
        "[upstreams.prod]\nauthority = \"neon\"\nrole = \"prod\"\nenv = \"prod-like\"\n\
         url = \"postgresql://{NEON_HOST}:5432/nova\"\nhostaddr = \"127.0.0.1\"\n\
         [databases.nova]\nupstream = \"prod\"\nauth = \"relay\"\n"
    );
    let config = load(&text);
    assert_eq!(config.warnings, [""; 0]);
    let endpoint = &config.upstreams["prod"].endpoint;
    assert_eq!(endpoint.hostaddr, "127.0.0.1".parse().ok());
    assert_eq!(endpoint.host, NEON_HOST);
}

#[test]
fn a_split_task_and_a_closed_row_may_be_declared() {
    let text = format!(
        "[[decision]]\ntask = \"lunch\"\nread = \"deny\"\nwrite = \"deny\"\n{LOCAL}\
         url = \"postgresql://nova:x@localhost/nova\"\n[upstreams.neon]\nauthority = \"neon\"\n\
         role = \"replica\"\nenv = \"prod-like\"\nurl = \"postgresql://app:x@{NEON_HOST}/nova\"\n\
         [databases.nova]\nneon = \"neon\"\nlocal = \"local\"\ntask = \"spanning\"\n\
         auth = \"trust\"\nusers = [\"app\"]\n"
    );
    assert!(load(&text).decisions.lookup("lunch").unwrap().is_closed());
}

#[test]
fn passwords_are_found_wherever_they_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let pgpass = folder.path().join(".pgpass");
    fs::write(&pgpass, "localhost:*:*:nova:from-pgpass\n").unwrap();
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.path().join("secret"), "from-file\n").unwrap();
    let home = folder.path().display().to_string();
    let variables = [("HOME", home.as_str()), ("DB_PASSWORD", "from-variable")];
    for (url, lines, expected) in [
        ("postgresql://nova:from-url@localhost/nova", "", Some("from-url")),
        ("postgresql://nova:${DB_PASSWORD}@localhost/nova", "", Some("from-variable")),
        ("postgresql://nova@localhost/nova", "password_file = \"secret\"", Some("from-file")),
        (
            "postgresql://nova@localhost/nova",
            "password_env = \"DB_PASSWORD\"",
            Some("from-variable"),
        ),
        ("postgresql://nova@localhost/nova", "", Some("from-pgpass")),
        ("postgresql://nova@localhost/nova?password=", "", None),
        ("postgresql://other@localhost/nova", "", None),
    ] {
        let text = format!("{LOCAL}url = \"{url}\"\n{lines}\n{ENTRY}");
        let config = load_in(folder.path(), &text, &variables);
        let password = config.upstreams["local"].endpoint.password.clone();
        assert_eq!(password, expected.map(|text| Secret(text.to_owned())), "{url} {lines}");
        assert!(!format!("{config:?}").contains("from-"), "a secret in Debug");
    }
}

#[test]
fn users_come_from_tables_and_from_a_userlist() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("users.txt"), "\"a\" \"1\"\n\"b\" \"2\"\n\"c\" \"3\"\n").unwrap();
    fs::write(folder.path().join("secret"), "4\n").unwrap();
    let text = format!(
        "{LOCAL}url = \"postgresql://nova:x@localhost/nova\"\n\
         [databases.nova]\nupstream = \"local\"\nauth = \"scram-sha-256\"\n\
         users = [\"a\", \"b\", \"d\", \"e\"]\n\
         [users]\nuserlist = \"users.txt\"\n\
         [users.b]\npassword_file = \"secret\"\ncertificate_names = [\"Bee\"]\n\
         [users.d]\nuserlist = \"other.txt\"\n[users.e]\npassword_env = \"E\"\n"
    );
    fs::write(folder.path().join("other.txt"), "\"d\" \"5\"\n").unwrap();
    let config = load_in(folder.path(), &text, &[("E", "6")]);
    let password = |user: &str| config.users[user].password.clone().unwrap().0;
    let found: Vec<String> = ["a", "b", "c", "d", "e"].map(password).to_vec();
    assert_eq!(found, ["1", "4", "3", "5", "6"]);
    let names = |user: &str| config.users[user].certificate_names.iter().next().cloned().unwrap();
    assert_eq!((names("a"), names("b")), ("a".to_owned(), "Bee".to_owned()));
}

#[test]
fn trust_is_allowed_on_loopback_and_sockets() {
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:7432\", \"[::1]:7432\", \"unix:/run/x\"]\n\
         {LOCAL}url = \"postgresql://nova@localhost/nova\"\n\
         [databases.nova]\nupstream = \"local\"\nauth = \"trust\"\nusers = [\"anyone\"]\n"
    );
    assert!(load(&text).server.listen.iter().all(ListenAddress::is_local));
}

#[test]
fn wildcards_yield_to_exact_names_and_to_longer_ones() {
    let entry =
        |name: &str| format!("[databases.\"{name}\"]\nupstream = \"local\"\nauth = \"relay\"\n");
    let text = format!(
        "{LOCAL}url = \"postgresql://localhost/nova\"\n{}{}{}{}",
        entry("test_*"),
        entry("test_long_*"),
        entry("test_"),
        entry("*"),
    );
    let config = load(&text);
    let found = |database: &str| {
        let entry = config.entry(database).unwrap();
        format!("{}{}", entry.name, if entry.wildcard { "*" } else { "" })
    };
    assert_eq!(config.databases.len(), 4);
    assert_eq!(found("test_"), "test_");
    assert_eq!(found("test_1"), "test_*");
    assert_eq!(found("test_long_1"), "test_long_*");
    assert_eq!(found("test_*"), "test_*");
    assert_eq!(found("other"), "*");
}

#[test]
fn sslmode_comes_to_a_tls_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::new();
    fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    authority.client("nova").write(folder.path(), "nova");
    for (parameters, mode, tls, direct) in [
        ("sslmode=disable", SslMode::Disable, false, false),
        ("", SslMode::Prefer, true, false),
        ("sslmode=require&sslnegotiation=direct", SslMode::Require, true, true),
        ("sslmode=verify-full&sslrootcert=ca.crt", SslMode::VerifyFull, true, false),
        ("sslmode=verify-ca&sslrootcert=ca.crt", SslMode::VerifyCa, true, false),
        (
            "sslmode=verify-full&sslrootcert=ca.crt&sslcert=nova.crt&sslkey=nova.key",
            SslMode::VerifyFull,
            true,
            false,
        ),
    ] {
        let url = format!("postgresql://localhost/nova?{parameters}");
        let url = url.trim_end_matches('?');
        let config = load_in(folder.path(), &with_url(url), &[]);
        let endpoint = &config.upstreams["local"].endpoint;
        assert_eq!((endpoint.sslmode, endpoint.tls.is_some()), (mode, tls), "{parameters}");
        assert_eq!(endpoint.direct_tls, direct, "{parameters}");
        if let Some(tls) = &endpoint.tls {
            assert_eq!(tls.alpn_protocols, [b"postgresql".to_vec()]);
            assert_eq!(tls.client_auth_cert_resolver.has_certs(), parameters.contains("sslcert"));
        }
    }
    let socket = load(&with_url("postgresql:///nova?host=/run/postgresql&sslmode=require"));
    let endpoint = &socket.upstreams["local"].endpoint;
    assert!(endpoint.tls.is_none() && endpoint.sslmode == SslMode::Disable);
}

#[test]
fn tls_towards_clients_is_ready_for_use() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::new();
    authority.server(&["localhost"]).write(folder.path(), "server");
    fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    let text = format!(
        "[server.tls]\nmode = \"require\"\ncertificate = \"server.crt\"\n\
         private_key = \"server.key\"\nclient_ca = \"ca.crt\"\n{LOCAL}\
         url = \"postgresql://nova@localhost/nova\"\n\
         [databases.nova]\nupstream = \"local\"\nauth = \"cert\"\nusers = [\"nova\"]\n"
    );
    let tls = load_in(folder.path(), &text, &[]).server.tls;
    assert_eq!(tls.mode, TlsMode::Require);
    assert_eq!(tls.config.unwrap().alpn_protocols, [b"postgresql".to_vec()]);
    assert!(tls.client_certificates && tls.leaf.is_some_and(|leaf| !leaf.is_empty()));
}
