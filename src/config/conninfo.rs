//! What the parameters of a connection string mean: libpq's, by libpq's names and rules.

use std::net::IpAddr;
use std::time::Duration;

use super::model::SslMode;
use super::url::{self, Malformed};
use super::words::{self, Word};
use crate::contract::nearest;

/// A connection string, read. Paths are as written. Not `Debug`, for the password in it.
pub(super) struct ConnInfo {
    pub(super) host: String,
    pub(super) hostaddr: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) dbname: String,
    pub(super) user: Option<String>,
    /// `Some("")`: written down as empty.
    pub(super) password: Option<String>,
    pub(super) passfile: Option<String>,
    pub(super) sslmode: SslMode,
    pub(super) sslrootcert: Option<String>,
    pub(super) sslcert: Option<String>,
    pub(super) sslkey: Option<String>,
    pub(super) direct_tls: bool,
    pub(super) require_channel_binding: bool,
    pub(super) disable_channel_binding: bool,
    pub(super) connect_timeout: Duration,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
}

/// The parameters that are understood.
const KNOWN: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslnegotiation",
    "channel_binding",
    "connect_timeout",
    "options",
    "application_name",
    "target_session_attrs",
    "gssencmode",
    "sslcompression",
    "sslsni",
];

/// Parameters of libpq that are refused, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("client_encoding", "each client sets its own"),
    ("fallback_application_name", "write application_name"),
    ("gssdelegation", "GSSAPI is not supported"),
    ("gsslib", "GSSAPI is not supported"),
    ("keepalives", "set tcp_keepalive in [server]"),
    ("keepalives_count", "set tcp_keepalive in [server]"),
    ("keepalives_idle", "set tcp_keepalive in [server]"),
    ("keepalives_interval", "set tcp_keepalive in [server]"),
    ("krbsrvname", "GSSAPI is not supported"),
    ("load_balance_hosts", "declare an upstream for each host"),
    ("max_protocol_version", "each client negotiates its own"),
    ("min_protocol_version", "each client negotiates its own"),
    ("replication", "say replication = true in the entry"),
    ("require_auth", "use channel_binding=require or sslmode=verify-full"),
    ("requirepeer", "use a socket folder that only the server can write to"),
    ("scram_client_key", "write the password, or relay authentication"),
    ("scram_server_key", "write the password, or relay authentication"),
    ("service", "write the service's parameters here"),
    ("servicefile", "write the service's parameters here"),
    ("ssl_max_protocol_version", "TLS 1.3 and 1.2 are used"),
    ("ssl_min_protocol_version", "TLS 1.3 and 1.2 are used"),
    ("sslcertmode", "leave sslcert away to send no certificate"),
    ("sslcrl", "certificate revocation lists are not supported"),
    ("sslcrldir", "certificate revocation lists are not supported"),
    ("sslkeylogfile", "secrets of TLS sessions are not logged"),
    ("sslpassword", "decrypt the key: openssl pkey -in KEY -out PLAIN_KEY"),
    ("tcp_user_timeout", "set tcp_keepalive in [server]"),
];

/// Reads a connection string.
///
/// # Errors
/// Every fault of it at once. No message quotes a value but those of closed lists.
pub(super) fn read(text: &str) -> Result<ConnInfo, Vec<Malformed>> {
    let parameters = url::split(text).map_err(|fault| vec![fault])?;
    let mut reader = Reader { parameters: &parameters, faults: Vec::new() };
    reader.refuse_names();
    let info = reader.read();
    if reader.faults.is_empty() { Ok(info) } else { Err(reader.faults) }
}

struct Reader<'a> {
    parameters: &'a [(String, String)],
    faults: Vec<Malformed>,
}

impl Reader<'_> {
    fn fault(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Malformed { message: message.into(), hint: hint.into() });
    }

    /// The last value given under a name; an empty one counts as none, as in libpq.
    fn get(&self, name: &str) -> Option<&str> {
        let given = self.parameters.iter().rev().find(|(known, _)| known == name);
        given.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn refuse_names(&mut self) {
        for (name, _) in self.parameters {
            if KNOWN.contains(&name.as_str()) {
                continue;
            }
            if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| refused == name) {
                self.fault(format!("parameter \"{name}\" is not supported"), *instead);
            } else if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.is_empty() {
                let hint = match nearest(name, KNOWN.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}", KNOWN.join(", ")),
                };
                self.fault(format!("unknown parameter \"{name}\""), hint);
            } else {
                // whatever this is, a part of it may be a password
                let hint = "in user, password and values write ? as %3F and & as %26";
                self.fault("a parameter's name is none that libpq knows", hint);
            }
        }
    }

    fn word<T: Word>(&mut self, name: &str, default: T) -> T {
        let Some(value) = self.owned(name) else { return default };
        T::read(&value).unwrap_or_else(|| {
            let words = T::WORDS.iter().map(|(word, _)| *word);
            let hint = match nearest(&value, words.clone()) {
                Some(near) => format!("write {name}={near}; it is one of {}", words::list(words)),
                None => format!("{name} is one of {}", words::list(words)),
            };
            self.fault(format!("unknown value of {name}"), hint);
            default
        })
    }

    fn read(&mut self) -> ConnInfo {
        let sslrootcert = self.owned("sslrootcert");
        let system = sslrootcert.as_deref() == Some("system");
        let strictest = if system { SslMode::VerifyFull } else { SslMode::Prefer };
        let sslmode = self.word("sslmode", strictest);
        if system && sslmode != SslMode::VerifyFull {
            let message = "sslrootcert=system is too weak without sslmode=verify-full";
            self.fault(message, "write sslmode=verify-full");
        }
        let binding = self.word("channel_binding", ChannelBinding::Prefer);
        if binding == ChannelBinding::Require && sslmode == SslMode::Disable {
            let message = "channel_binding=require cannot be had with sslmode=disable";
            self.fault(message, "write sslmode=verify-full");
        }
        let negotiation = self.word("sslnegotiation", Negotiation::Postgres);
        if negotiation == Negotiation::Direct && sslmode.is_weak() {
            let message = "sslnegotiation=direct needs sslmode=require or stricter";
            self.fault(message, "write sslmode=verify-full");
        }
        self.refuse_values();
        ConnInfo {
            hostaddr: self.hostaddr(),
            host: self.host(),
            port: self.port(),
            dbname: self.dbname(),
            user: self.owned("user"),
            password: self
                .parameters
                .iter()
                .rev()
                .find(|(name, _)| name == "password")
                .map(|(_, value)| value.clone()),
            passfile: self.owned("passfile"),
            sslmode,
            sslrootcert,
            sslcert: self.owned("sslcert"),
            sslkey: self.owned("sslkey"),
            direct_tls: negotiation == Negotiation::Direct,
            require_channel_binding: binding == ChannelBinding::Require,
            disable_channel_binding: binding == ChannelBinding::Disable,
            connect_timeout: self.connect_timeout(),
            options: self.owned("options"),
            application_name: self.owned("application_name"),
        }
    }

    fn refuse_values(&mut self) {
        for (name, harmless, instead) in [
            (
                "target_session_attrs",
                &["any"][..],
                "remove it: what the server is is declared by role, never discovered",
            ),
            ("gssencmode", &["disable", "prefer"], "GSSAPI is not supported: gssencmode=disable"),
            ("sslcompression", &["0"], "TLS compression is not supported: remove it"),
            ("sslsni", &["1"], "the host's name is always sent: remove it"),
        ] {
            if self.get(name).is_some_and(|value| !harmless.contains(&value)) {
                self.fault(format!("this value of {name} is not supported"), instead);
            }
        }
    }

    /// libpq's list of hosts, of which one is taken.
    fn one(&mut self, name: &str) -> Option<String> {
        let value = self.owned(name)?;
        if value.contains(',') {
            let message = "several hosts: an upstream is one server, with one declaration";
            let hint = "declare an upstream for each host";
            if !self.faults.iter().any(|fault| fault.message == message) {
                self.fault(message, hint);
            }
            return value.split(',').find(|one| !one.is_empty()).map(str::to_owned);
        }
        Some(value)
    }

    fn host(&mut self) -> String {
        match self.one("host").or_else(|| self.one("hostaddr")) {
            Some(host) if host.starts_with('@') => {
                self.fault("abstract Unix sockets are not supported", "name a socket's folder");
                host
            }
            Some(host) => host,
            None => {
                let hint = "write postgresql://USER@HOST:5432/DATABASE, or \
                            postgresql:///DATABASE?host=/run/postgresql for a socket";
                self.fault("no host: which server it is has to be declared", hint);
                String::new()
            }
        }
    }

    fn hostaddr(&mut self) -> Option<IpAddr> {
        let address = self.one("hostaddr")?.parse().ok();
        if address.is_none() {
            self.fault("hostaddr is not an IP address", "write hostaddr=127.0.0.1");
        }
        address
    }

    fn port(&mut self) -> u16 {
        let Some(port) = self.one("port") else { return 5432 };
        match port.trim().parse() {
            Ok(port) if port > 0 => port,
            _ => {
                // the "port" may be the head of a password with an unencoded "/" in it
                let hint = "if the password has a / or @ in it, write %2F or %40";
                self.fault("the port is not a number from 1 to 65535", hint);
                5432
            }
        }
    }

    fn dbname(&mut self) -> String {
        self.owned("dbname").unwrap_or_else(|| {
            let hint = "end it with /DATABASE; it is not taken from the user's name";
            self.fault("no database: which one it is has to be declared", hint);
            String::new()
        })
    }

    fn connect_timeout(&mut self) -> Duration {
        const DEFAULT: u64 = 30;
        let seconds = match self.get("connect_timeout").map(|text| text.trim().parse::<u64>()) {
            None => DEFAULT,
            Some(Ok(seconds)) if (1..=86_400).contains(&seconds) => seconds,
            Some(_) => {
                let message = "connect_timeout is not a number of seconds from 1 to 86400";
                self.fault(message, "write connect_timeout=30");
                DEFAULT
            }
        };
        Duration::from_secs(seconds)
    }
}

impl SslMode {
    /// The connection may end up without TLS.
    pub fn is_weak(self) -> bool {
        matches!(self, SslMode::Disable | SslMode::Allow | SslMode::Prefer)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

impl Word for ChannelBinding {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
}

#[derive(Clone, Copy, PartialEq)]
enum Negotiation {
    Postgres,
    Direct,
}

impl Word for Negotiation {
    const WORDS: &'static [(&'static str, Self)] =
        &[("postgres", Negotiation::Postgres), ("direct", Negotiation::Direct)];
}

#[cfg(test)]
mod tests;
