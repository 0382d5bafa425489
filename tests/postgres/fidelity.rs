//! What is not blocked is as direct: every script gives the same transcript through the proxy.

use super::scripts::{SETUP, all};
use super::support::cluster::PASSWORD;
use super::support::proxy::{PROD, STAGING};
use super::support::transcript::{Script, difference};
use super::support::wire::Frames;
use super::support::{CertificateAuthority, Cluster, Login, Major, Proxy, Wire};

/// Brings the database to where every script begins.
fn reset(cluster: &Cluster) {
    cluster.sql(
        "app",
        &format!(
            "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public; \
             GRANT ALL ON SCHEMA public TO PUBLIC; \
             ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE SELECT ON TABLES FROM reader; \
             SET ROLE app; {SETUP}"
        ),
    );
}

fn direct(cluster: &Cluster, script: &Script) -> Vec<String> {
    reset(cluster);
    let login = Login::new("app", "app").password(PASSWORD);
    let mut wire = Wire::tcp(cluster.port(), &login).unwrap();
    let transcript = script.run(&mut wire, cluster, "app");
    if std::env::var_os("SHOW").is_some() {
        eprintln!("== {}\n{}", script.name, transcript.join("\n"));
    }
    transcript
}

fn same_through(cluster: &Cluster, connect: impl Fn(&str) -> Wire, entries: &[(&str, bool)]) {
    let mut faults = Vec::new();
    for script in all() {
        let expected = direct(cluster, &script);
        assert_eq!(expected.iter().position(|line| line == "   silence"), None, "{expected:#?}");
        for (entry, everything) in entries {
            if *everything || script.ordinary {
                reset(cluster);
                let proxied = script.run(&mut connect(entry), cluster, "app");
                let name = format!("{entry}: {}", script.name);
                faults.extend(difference(&name, &expected, &proxied));
            }
        }
    }
    assert!(faults.is_empty(), "{} transcripts differ\n{}", faults.len(), faults.join("\n"));
}

fn transcripts_are_equal(major: Major) {
    let cluster = Cluster::builder().major(major).start();
    let proxy = Proxy::builder()
        .upstream("staging", STAGING, &cluster)
        .upstream("prod", PROD, &cluster)
        .trusted("staging", "staging", "")
        .trusted("prod", "prod", "")
        .start();
    same_through(&cluster, |entry| proxy.connect(entry), &[("staging", true), ("prod", false)]);
    assert_eq!(proxy.events("statement_blocked"), Vec::<serde_json::Value>::new());
}

#[test]
fn transcripts_are_equal_on_15() {
    transcripts_are_equal(Major::V15);
}

#[test]
fn transcripts_are_equal_on_18() {
    transcripts_are_equal(Major::V18);
}

/// TLS and SCRAM on both legs change nothing.
#[test]
fn transcripts_are_equal_over_tls() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).tls_only().start();
    let proxy = Proxy::builder()
        .tls(&authority, "require")
        .neon_upstream("prod", PROD, &cluster)
        .scram("own", "prod", "confirm = \"startup\"")
        .relayed("app", "prod", "")
        .start();
    let confirmed = "-c authority.confirm_prod_migrations=on";
    let connect = |entry: &str| {
        let login = proxy.login(entry).tls(authority.pem(), "localhost").options(confirmed);
        Wire::tcp(proxy.port, &login).unwrap()
    };
    let mut faults = Vec::new();
    // on prod these are blocked, confirmed or not
    let blocked = ["privileges", "text that the grammar refuses"];
    for script in all().into_iter().filter(|script| !blocked.contains(&script.name)) {
        reset(&cluster);
        let login = Login::new("app", "app").password(PASSWORD).tls(authority.pem(), "localhost");
        // the connection ends at once: it may hold locks
        let expected = script.run(&mut Wire::tcp(cluster.port(), &login).unwrap(), &cluster, "app");
        for entry in ["own", "app"] {
            reset(&cluster);
            let proxied = script.run(&mut connect(entry), &cluster, "app");
            faults.extend(difference(&format!("{entry}: {}", script.name), &expected, &proxied));
        }
    }
    assert!(faults.is_empty(), "{} transcripts differ\n{}", faults.len(), faults.join("\n"));
}

/// What no client should send ends the session, with the server's own words.
#[test]
fn malformed_messages_end_the_session() {
    let cluster = Cluster::builder().start();
    let proxy = Proxy::builder()
        .upstream("staging", STAGING, &cluster)
        .trusted("staging", "staging", "")
        .start();
    let long = [b"Q".as_slice(), &u32::MAX.to_be_bytes()].concat();
    for bytes in [b"?\0\0\0\x04".as_slice(), b"Q\0\0\0\x03", &long] {
        let answer = |mut wire: Wire| {
            wire.send_bytes(bytes).unwrap();
            let mut codes = Vec::new();
            while let Ok(message) = wire.receive() {
                codes.push((message.tag, message.fields().code().to_owned()));
            }
            codes
        };
        let login = Login::new("app", "app").password(PASSWORD);
        let direct = answer(Wire::tcp(cluster.port(), &login).unwrap());
        let proxied = answer(proxy.connect("staging"));
        // the server says nothing where the length itself is wrong; the proxy says it all the same
        let said = vec![(b'E', "08P01".to_owned())];
        assert!(direct == said || direct.is_empty(), "{direct:?}");
        assert_eq!(proxied, said, "{}", bytes.escape_ascii());
    }
}

/// Terminate ends a session, but not before what came ahead of it has been answered.
#[test]
fn a_goodbye_waits_for_the_answers() {
    let cluster = Cluster::builder().start();
    let proxy = Proxy::builder()
        .upstream("staging", STAGING, &cluster)
        .trusted("staging", "staging", "")
        .start();
    let mut wire = proxy.connect("staging");
    wire.send(&Frames::new().query("SELECT 1").terminate()).unwrap();
    assert_eq!(wire.receive_until(b'Z').last().unwrap().body, b"I");
}
