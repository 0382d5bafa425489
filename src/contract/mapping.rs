//! Connection mapping (contract §1): hosts checked against declarations, never instead of them.

use std::fmt;
use std::net::IpAddr;

use super::{Authority, Declaration, Environment, Role};

/// An upstream as far as mapping looks at it.
#[derive(Clone, Copy, Debug)]
pub struct MappedUpstream<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// What is declared.
    pub declaration: Declaration,
    /// The host of its URL: a name, an address or a socket folder. `hostaddr` does not count.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The database.
    pub dbname: &'a str,
    /// The URL leads to another pgauthority: its tags are compared, its host is not judged.
    pub chain: bool,
}

/// A declaration that what can be seen of a URL contradicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The upstream.
    pub upstream: String,
    /// What contradicts what, as a sentence without a period.
    pub message: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upstream \"{}\": {}", self.upstream, self.message)
    }
}

/// A host under `neon.tech`, label by label: `neon.tech` itself or `*.neon.tech`, whatever its
/// case, with or without a final dot. `evilneon.tech` and `neon.tech.example.org` are not.
pub fn is_neon_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host == "neon.tech"
        || host.strip_suffix(".neon.tech").is_some_and(|labels| {
            labels.split('.').all(|label| !label.is_empty())
                && !labels.contains(['/', ':', '@', '%'])
        })
}

/// A host of Neon's connection pooler (`ep-….-pooler.….neon.tech`), which keeps no session state.
pub fn is_neon_pooler(host: &str) -> bool {
    is_neon_host(host)
        && host
            .split('.')
            .next()
            .is_some_and(|label| label.to_ascii_lowercase().ends_with("-pooler"))
}

/// A host that looks local: `localhost`, a loopback address, a Unix socket's folder, or a bare
/// one-label name (a service of a container network).
pub fn is_local_host(host: &str) -> bool {
    if host.starts_with('/') {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    !name.is_empty() && !name.contains(['.', ':'])
}

/// Every mismatch between declarations and URLs, upstream by upstream in the order given.
pub fn mismatches(upstreams: &[MappedUpstream<'_>]) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (index, upstream) in upstreams.iter().enumerate() {
        let mut report = |message: String| {
            found.push(Mismatch { upstream: upstream.name.to_owned(), message });
        };
        if !upstream.chain {
            host_against_authority(upstream, &mut report);
        }
        let Declaration { role, environment, .. } = upstream.declaration;
        if role == Role::Prod && environment != Environment::ProdLike {
            report(format!("role prod is declared with env {environment}, not env prod-like"));
        }
        for other in &upstreams[..index] {
            same_place(upstream, other, &mut report);
        }
    }
    found
}

fn host_against_authority(upstream: &MappedUpstream<'_>, report: &mut impl FnMut(String)) {
    let Declaration { authority, role, .. } = upstream.declaration;
    let host = upstream.host;
    match authority {
        Authority::Neon if !is_neon_host(host) => {
            report(format!("authority neon expects a host under neon.tech, not \"{host}\""));
        }
        Authority::Local if !is_local_host(host) => report(format!(
            "authority local expects localhost, a loopback address, a Unix socket or a one-label \
             service name, not \"{host}\""
        )),
        Authority::Neon | Authority::Local => {}
    }
    if role == Role::Prod && is_local_host(host) {
        report(format!("role prod is declared for \"{host}\", which looks local"));
    }
}

fn same_place(
    upstream: &MappedUpstream<'_>,
    other: &MappedUpstream<'_>,
    report: &mut impl FnMut(String),
) {
    let same = upstream.port == other.port
        && upstream.dbname == other.dbname
        && comparable_host(upstream.host) == comparable_host(other.host);
    if !same {
        return;
    }
    let (mine, theirs) = (upstream.declaration, other.declaration);
    if mine.role != theirs.role || mine.authority != theirs.authority {
        report(format!(
            "it names the same host, port and database as upstream \"{}\", \
             which is declared {} {}, not {} {}",
            other.name, theirs.authority, theirs.role, mine.authority, mine.role
        ));
    }
}

/// Hosts that name the same place compare equal: case and a final dot do not count, and all of
/// loopback is `localhost`.
fn comparable_host(host: &str) -> String {
    if host.starts_with('/') {
        return host.trim_end_matches('/').to_owned();
    }
    match host.parse::<IpAddr>() {
        Ok(address) if address.to_canonical().is_loopback() => "localhost".to_owned(),
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neon_hosts_are_judged_label_by_label() {
        for host in [
            "neon.tech",
            "NEON.tech",
            "neon.tech.",
            "ep-cool-name-123456.eu-central-1.aws.neon.tech",
            "ep-x.eu-central-1.aws.Neon.Tech.",
        ] {
            assert!(is_neon_host(host), "{host}");
        }
        for host in [
            "evilneon.tech",
            "neon.tech.evil.org",
            "neon.tech..",
            ".neon.tech",
            "a..neon.tech",
            "neon",
            "tech",
            "localhost",
            "/run/neon.tech",
            "/x.neon.tech",
            "",
        ] {
            assert!(!is_neon_host(host), "{host}");
        }
    }

    #[test]
    fn poolers_are_known_by_their_first_label() {
        assert!(is_neon_pooler("ep-x-123-pooler.eu-central-1.aws.neon.tech"));
        assert!(!is_neon_pooler("ep-x-123.eu-central-1.aws.neon.tech"));
        assert!(!is_neon_pooler("ep-x-pooler.example.org"));
        assert!(!is_neon_pooler("ep-x.x-pooler.neon.tech"));
    }

    #[test]
    fn local_hosts_are_local() {
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "db",
            "postgres_1",
            "/run/postgresql",
            "localhost.",
        ] {
            assert!(is_local_host(host), "{host}");
        }
        for host in ["", "10.0.0.1", "db.example.org", "fe80::1", "0.0.0.0", "x.neon.tech", "."] {
            assert!(!is_local_host(host), "{host}");
        }
    }

    fn upstream<'a>(name: &'a str, words: [&str; 3], host: &'a str) -> MappedUpstream<'a> {
        MappedUpstream {
            name,
            declaration: Declaration {
                authority: Authority::from_word(words[0]).unwrap(),
                role: Role::from_word(words[1]).unwrap(),
                environment: Environment::from_word(words[2]).unwrap(),
            },
            host,
            port: 5432,
            dbname: "nova",
            chain: false,
        }
    }

    fn messages(upstreams: &[MappedUpstream<'_>]) -> Vec<String> {
        mismatches(upstreams).iter().map(Mismatch::to_string).collect()
    }

    #[test]
    fn what_agrees_says_nothing() {
        let sound = [
            upstream("p", ["neon", "prod", "prod-like"], "ep-x.aws.neon.tech"),
            upstream("r", ["neon", "replica", "prod-like"], "ep-r.aws.neon.tech"),
            upstream("l", ["local", "staging", "dev"], "localhost"),
            upstream("c", ["local", "staging", "test"], "db"),
        ];
        assert_eq!(messages(&sound), [""; 0]);
    }

    #[test]
    fn contradictions_are_worded() {
        let prod = ["neon", "prod", "prod-like"];
        assert_eq!(
            messages(&[upstream("p", prod, "db.example.org")]),
            [
                r#"upstream "p": authority neon expects a host under neon.tech, not "db.example.org""#
            ]
        );
        assert_eq!(
            messages(&[upstream("p", ["neon", "prod", "dev"], "localhost")]),
            [
                r#"upstream "p": authority neon expects a host under neon.tech, not "localhost""#,
                r#"upstream "p": role prod is declared for "localhost", which looks local"#,
                r#"upstream "p": role prod is declared with env dev, not env prod-like"#,
            ]
        );
        assert_eq!(
            messages(&[upstream("l", ["local", "staging", "dev"], "x.neon.tech")]),
            ["upstream \"l\": authority local expects localhost, a loopback address, a Unix \
              socket or a one-label service name, not \"x.neon.tech\""]
        );
    }

    #[test]
    fn one_place_has_one_declaration() {
        let prod = upstream("p", ["neon", "prod", "prod-like"], "X.neon.tech.");
        let replica = upstream("r", ["neon", "replica", "prod-like"], "x.neon.tech");
        assert_eq!(
            messages(&[prod, replica]),
            ["upstream \"r\": it names the same host, port and database as upstream \"p\", \
              which is declared neon prod, not neon replica"]
        );
        assert_eq!(messages(&[prod, MappedUpstream { port: 5433, ..replica }]), [""; 0]);
        assert_eq!(messages(&[prod, MappedUpstream { dbname: "other", ..replica }]), [""; 0]);
        let twice = upstream("q", ["neon", "prod", "prod-like"], "x.neon.tech");
        assert_eq!(messages(&[prod, twice]), [""; 0]);
    }

    #[test]
    fn a_chain_is_not_judged_by_its_host() {
        let mut chain = upstream("c", ["neon", "prod", "prod-like"], "127.0.0.1");
        chain.chain = true;
        assert_eq!(messages(&[chain]), [""; 0]);
    }
}
