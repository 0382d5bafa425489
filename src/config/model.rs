//! The configuration as the rest of the program sees it: validated, with defaults applied.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::{AdminRule, Authority, ConfirmHow, DecisionTable, Declaration, backstop};
use crate::sql::catalog::Trusted;

/// A sound configuration.
#[derive(Debug)]
pub struct Config {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[contract]`.
    pub contract: Contract,
    /// The decision table: the defaults with `[[decision]]` rows added or replaced.
    pub decisions: Arc<DecisionTable>,
    /// `[audit]`.
    pub audit: AuditSettings,
    /// `[upstreams.*]` by name.
    pub upstreams: BTreeMap<String, Arc<Upstream>>,
    /// `[databases.*]` by name as written: a wildcard's key keeps its `*`.
    pub databases: BTreeMap<String, Arc<Entry>>,
    /// `[users.*]` by name.
    pub users: BTreeMap<String, UserSecret>,
    /// Mismatches between declarations and what can be seen of hosts; warnings, already worded.
    pub warnings: Vec<String>,
    /// Where it came from: the file's path, or `environment`.
    pub source: String,
}

impl Config {
    /// The entry that a client's database name leads to: the exact name, else the longest
    /// matching wildcard.
    pub fn entry(&self, database: &str) -> Option<&Arc<Entry>> {
        if let Some(entry) = self.databases.get(database).filter(|entry| !entry.wildcard) {
            return Some(entry);
        }
        self.databases
            .values()
            .filter(|entry| entry.wildcard && database.starts_with(entry.name.as_str()))
            .max_by_key(|entry| entry.name.len())
    }

    /// What is set and does nothing; already worded.
    pub fn without_effect(&self) -> Vec<String> {
        let admins = !self.server.admin_users.is_empty();
        let what = "[server.admin] users has no effect: this version has no admin database";
        admins.then(|| what.to_owned()).into_iter().collect()
    }
}

/// A secret: never shown by `Debug`, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where the proxy listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A socket `.s.PGSQL.<port>` in a folder, as PostgreSQL names it.
    Unix {
        /// The folder; it must exist.
        folder: PathBuf,
        /// The port that names the socket: clients say `host=FOLDER port=PORT`.
        port: u16,
    },
}

impl ListenAddress {
    /// The socket's path, for a Unix socket.
    pub fn socket_path(&self) -> Option<PathBuf> {
        match self {
            ListenAddress::Tcp(_) => None,
            ListenAddress::Unix { folder, port } => Some(folder.join(format!(".s.PGSQL.{port}"))),
        }
    }

    /// Only processes of this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            ListenAddress::Tcp(address) => address.ip().to_canonical().is_loopback(),
            ListenAddress::Unix { .. } => true,
        }
    }
}

/// As it is written in the configuration.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix { folder, port } => {
                write!(f, "unix:{}:{port}", folder.display())
            }
        }
    }
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `listen`; never empty.
    pub listen: Vec<ListenAddress>,
    /// `[server.admin] listen`: metrics and health.
    pub admin_listen: Option<SocketAddr>,
    /// `[server.admin] users`.
    pub admin_users: BTreeSet<String>,
    /// `[server.tls]`.
    pub tls: ServerTls,
    /// `worker_threads`; default: the number of cores.
    pub worker_threads: usize,
    /// `io_uring`; default: used where the kernel allows it.
    pub io_uring: bool,
    /// Limits.
    pub limits: Limits,
    /// `login_timeout`: from accept to the session's start.
    pub login_timeout: Duration,
    /// `drain_timeout`: how long running transactions may finish after SIGTERM.
    pub drain_timeout: Duration,
    /// `tcp_keepalive`: idle time before probes.
    pub tcp_keepalive: Duration,
}

/// Limits; each answers 53300 (or 54000 for a statement) when passed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `max_client_connections`.
    pub max_client_connections: usize,
    /// `max_connections_per_user`; 0: no limit.
    pub max_connections_per_user: usize,
    /// `max_connections_per_entry`; 0: no limit.
    pub max_connections_per_entry: usize,
    /// `max_connections_per_address`; 0: no limit.
    pub max_connections_per_address: usize,
    /// `max_statement_bytes`: the longest statement text that is judged.
    pub max_statement_bytes: usize,
}

/// `[server.tls]` with its files read and parsed.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// `mode`.
    pub mode: TlsMode,
    /// The certificate chain and key, ready for use; `None` with `disable`.
    pub config: Option<Arc<rustls::ServerConfig>>,
    /// The leaf certificate in DER, for `tls-server-end-point` channel binding.
    pub leaf: Option<Arc<Vec<u8>>>,
    /// `client_ca` is given: clients may show a certificate, and it is verified if they do.
    pub client_certificates: bool,
}

/// Whether clients may, must or cannot use TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// SSLRequest is answered `N`.
    Disable,
    /// Offered.
    Allow,
    /// Plain TCP connections are refused (Unix sockets are not).
    Require,
}

/// `[contract]`.
#[derive(Clone, Debug)]
pub struct Contract {
    /// `mapping`.
    pub mapping: MappingMode,
    /// `confirm_max_age`.
    pub confirm_max_age: Option<Duration>,
    /// `migration_tables`: unqualified names, folded.
    pub migration_tables: Arc<BTreeSet<String>>,
    /// `orm_tables`: for the two-path check.
    pub orm_tables: Vec<String>,
}

/// What a host that contradicts its declaration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingMode {
    /// A warning at start and in `check`.
    Warn,
    /// The process does not start.
    Enforce,
}

/// `[audit]`.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// `path`.
    pub target: AuditTarget,
    /// `statement`.
    pub statement: StatementText,
    /// `fsync`: every event survives a power cut.
    pub fsync: bool,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Appended to this file, reopened on SIGHUP.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// How much of a statement an event holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementText {
    /// Literals become `$1`, `$2`, …
    Normalized,
    /// As sent.
    Full,
    /// Nothing.
    None,
}

/// `[upstreams.*]`.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its declarations.
    pub declaration: Declaration,
    /// Where and how to connect.
    pub endpoint: Endpoint,
    /// `chain`: it may be another pgauthority.
    pub chain: bool,
    /// `trusted_routines`: what they hide counts as `write`.
    pub trusted_routines: Vec<TrustedRoutine>,
    /// `require_seal`: the seal in the database must agree with the declaration.
    pub require_seal: bool,
    /// The key of the backstop in the database, from `backstop_key_file` or `backstop_key_env`.
    pub backstop: Option<Arc<backstop::Key>>,
}

/// An item of `trusted_routines`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRoutine {
    /// Which routine.
    pub routine: Trusted,
    /// As it was written.
    pub signature: String,
    /// Why its effect is known.
    pub reason: String,
}

/// Where and how to connect; libpq's connection parameters by their libpq names.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `host`: a name, an address, or a socket folder (starts with `/`).
    pub host: String,
    /// `hostaddr`: where to connect, the host name being kept for SNI and verification.
    pub hostaddr: Option<IpAddr>,
    /// `port`.
    pub port: u16,
    /// `dbname`.
    pub dbname: String,
    /// `user`: the proxy's own login; `None` where every entry relays.
    pub user: Option<String>,
    /// The password for it, from the URL, `password_file`, `password_env` or `~/.pgpass`.
    pub password: Option<Secret>,
    /// `sslmode`.
    pub sslmode: SslMode,
    /// The TLS client configuration that carries out `sslmode` (verification, client
    /// certificate); `None` with `disable`.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// `sslnegotiation=direct`.
    pub direct_tls: bool,
    /// `channel_binding=require`.
    pub require_channel_binding: bool,
    /// `channel_binding=disable`.
    pub disable_channel_binding: bool,
    /// `connect_timeout`: until when connecting is retried (default 30 s).
    pub connect_timeout: Duration,
    /// `options` of the URL: sent on every connection before the client's and the proxy's own.
    pub options: Option<String>,
    /// `application_name` of the URL, for connections that carry no client's name.
    pub application_name: Option<String>,
}

impl Endpoint {
    /// The host is a folder that holds a Unix socket.
    pub fn is_unix_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Host, port and database as people read them; no user, never a secret.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}/{}", self.host, self.port, self.dbname)
        } else {
            format!("{}:{}/{}", self.host, self.port, self.dbname)
        }
    }
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Plain first, TLS where the server insists.
    Allow,
    /// TLS where the server offers it.
    Prefer,
    /// TLS, unverified (verified as `VerifyCa` where a root certificate is given, as libpq).
    Require,
    /// TLS, chain verified.
    VerifyCa,
    /// TLS, chain and name verified.
    VerifyFull,
}

/// `[databases.*]`.
#[derive(Debug)]
pub struct Entry {
    /// Its name, without the trailing `*` of a wildcard.
    pub name: String,
    /// The name ends in `*`: the database asked for is passed on.
    pub wildcard: bool,
    /// What it leads to.
    pub target: EntryTarget,
    /// The rows that its sessions may have: all, or those of its `tasks`.
    pub decisions: Arc<DecisionTable>,
    /// `auth`.
    pub auth: ClientAuth,
    /// `confirm`.
    pub confirm: ConfirmHow,
    /// `confirm_users`; `None`: everyone.
    pub confirm_users: Option<BTreeSet<String>>,
    /// `admin`.
    pub admin: AdminRule,
    /// `users`: who may open it; `None` only where the entry relays authentication.
    pub users: Option<BTreeSet<String>>,
    /// `replication`.
    pub replication: bool,
}

/// What an entry leads to.
#[derive(Clone, Debug)]
pub enum EntryTarget {
    /// One upstream: the entry is the declaration.
    Pinned(Arc<Upstream>),
    /// One upstream per authority; the session's task decides.
    Routed {
        /// The upstream declared neon.
        neon: Option<Arc<Upstream>>,
        /// The upstream declared local.
        local: Option<Arc<Upstream>>,
        /// `task`: for clients that declare none.
        task: Option<String>,
    },
}

impl EntryTarget {
    /// The upstream for an authority; `None` where the entry names none for it.
    pub fn upstream(&self, authority: Authority) -> Option<&Arc<Upstream>> {
        match self {
            EntryTarget::Pinned(upstream) => {
                Some(upstream).filter(|upstream| upstream.declaration.authority == authority)
            }
            EntryTarget::Routed { neon, local, .. } => match authority {
                Authority::Neon => neon.as_ref(),
                Authority::Local => local.as_ref(),
            },
        }
    }
}

/// `auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// The upstream authenticates the client through the proxy.
    Relay,
    /// SCRAM-SHA-256 (and -PLUS over TLS) against `[users]`.
    ScramSha256,
    /// A TLS client certificate whose CN is the user (or is mapped to it).
    Cert,
    /// Nobody is asked; loopback and Unix sockets only.
    Trust,
}

/// `[users.*]`.
#[derive(Clone, Debug)]
pub struct UserSecret {
    /// A SCRAM verifier as in `pg_authid`, or a plain password (a verifier is made from it).
    pub password: Option<Secret>,
    /// `certificate_names`: common names that log in as this user under `auth = "cert"`
    /// (default: the user's own name).
    pub certificate_names: BTreeSet<String>,
}
