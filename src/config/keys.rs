//! Every key of the configuration file: the one list that the reader accepts, that the reference
//! in `docs/configuration.md` is made of, and that the example file must show.

use std::fmt::Write as _;

/// A key of the file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table it stands in, with `*` for a name: `upstreams.*`.
    pub section: &'static str,
    /// The key.
    pub name: &'static str,
    /// Its type, unit and values, for people.
    pub kind: &'static str,
    /// What holds where it is not given.
    pub default: &'static str,
    /// When a changed value takes effect.
    pub effect: Effect,
    /// What it means.
    pub meaning: &'static str,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// After a reload, from the next statement of every session.
    NextStatement,
    /// After a reload, for new client connections.
    NewSessions,
    /// At the reload itself, and at start.
    AtLoad,
    /// At the next start only.
    Restart,
    /// At the next run of a command; the proxy does not need it.
    NextRun,
}

impl Effect {
    /// As the reference says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::NextStatement => "reload, next statement",
            Effect::NewSessions => "reload, new sessions",
            Effect::AtLoad => "start and reload",
            Effect::Restart => "restart",
            Effect::NextRun => "next run",
        }
    }
}

/// The tables of the file, in the order of the reference, each with what it is for.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "Where the proxy listens and what it bears."),
    ("server.tls", "TLS towards clients. Without this table clients connect in plain text."),
    ("server.admin", "The port for metrics and health."),
    ("contract", "How strictly the contract is held."),
    (
        "decision",
        "Rows of the decision table, one a `[[decision]]`, added to the default rows or put in the place of the one for the same task. Reads to neon and writes to local is the only split allowed; a row that denies both closes its task.",
    ),
    ("audit", "The audit log."),
    (
        "upstreams.*",
        "A PostgreSQL server and database behind the proxy. All three declarations are required, and nothing is ever inferred in their place. The name may have letters, digits, `_`, `-` and `.`, at most 63.",
    ),
    (
        "databases.*",
        "An entry: what a client names as the database in its URL. It names either `upstream` (pinned) or `neon` and `local` (routed by the session's task). A name that ends in `*`, on a staging upstream, passes on the database asked for; an exact name is found first, then the longest.",
    ),
    ("users", "The users that the proxy itself authenticates."),
    ("users.*", "One of them. At most one of the keys that give a password."),
];

/// Keys that are planned, refused until they do something.
pub(super) const RESERVED: &[(&str, &str)] = &[
    ("cluster", "sharing cancel requests between instances"),
    ("upstreams.*.pool_mode", "pooling"),
    ("upstreams.*.pool_size", "pooling"),
    ("upstreams.*.min_pool_size", "pooling"),
    ("upstreams.*.reserve", "pooling"),
    ("upstreams.*.queue_timeout", "pooling"),
    ("upstreams.*.idle_timeout", "pooling"),
    ("upstreams.*.max_lifetime", "pooling"),
];

macro_rules! keys {
    ($($section:literal { $($name:literal: $kind:literal, $default:literal, $effect:ident, $meaning:literal;)+ })+) => {
        /// Every key, in the order of the reference.
        pub const KEYS: &[Key] = &[$($(Key {
            section: $section,
            name: $name,
            kind: $kind,
            default: $default,
            effect: Effect::$effect,
            meaning: $meaning,
        },)+)+];
    };
}

keys! {
    "server" {
        "listen": "list of `ADDRESS:PORT` or `unix:/FOLDER[:PORT]`", "`[\"127.0.0.1:7432\"]`", Restart,
            "Where clients connect. A socket folder gets `.s.PGSQL.PORT`; its port is that of the first TCP address, else 7432.";
        "max_client_connections": "integer, 1 to 1,000,000", "`10000`", NewSessions,
            "Client connections at a time; one more is answered 53300.";
        "max_connections_per_user": "integer, 0 to 1,000,000", "`0`: no limit", NewSessions,
            "The same for each user.";
        "max_connections_per_entry": "integer, 0 to 1,000,000", "`0`: no limit", NewSessions,
            "The same for each entry.";
        "max_connections_per_address": "integer, 0 to 1,000,000", "`0`: no limit", NewSessions,
            "The same for each client address.";
        "max_statement_bytes": "size, 1KiB to 1GiB", "`\"64MiB\"`", NewSessions,
            "The longest statement text that is judged; a longer one is refused (54000).";
        "login_timeout": "duration", "`\"1min\"`", NewSessions,
            "From accepting a connection to the session's start.";
        "drain_timeout": "duration", "`\"30s\"`", AtLoad,
            "How long running transactions may finish after SIGTERM.";
        "tcp_keepalive": "duration", "`\"1min\"`", NewSessions,
            "Idle time on a TCP connection before it is probed.";
        "worker_threads": "integer, 1 to 1024", "the number of cores", Restart,
            "Threads that carry sessions.";
        "io_uring": "boolean", "`true`", Restart,
            "Whether a thread's messages go together, through `io_uring`; where the kernel does not let it, each goes by itself, which costs more.";
    }
    "server.tls" {
        "mode": "`\"disable\"`, `\"allow\"` or `\"require\"`", "required", NewSessions,
            "Whether clients cannot, may or must use TLS. `require` does not concern Unix sockets.";
        "certificate": "path, PEM", "required unless disabled", NewSessions,
            "The server's certificate chain, its own certificate first.";
        "private_key": "path, PEM, not encrypted", "required unless disabled", NewSessions,
            "The key of that certificate.";
        "client_ca": "path, PEM", "none", NewSessions,
            "Authorities of client certificates; enables `auth = \"cert\"`. A client without a certificate can still use other entries.";
    }
    "server.admin" {
        "listen": "`ADDRESS:PORT`", "none", Restart,
            "Where `/metrics`, `/healthz` and `/readyz` are served.";
        "users": "list of user names", "`[]`", NewSessions,
            "No effect yet, which the proxy says at its start: for an admin database `pgauthority`, which there is not.";
    }
    "contract" {
        "mapping": "`\"warn\"` or `\"enforce\"`", "`\"warn\"`", AtLoad,
            "What a declaration that a host contradicts does: a warning, or a refusal to start.";
        "confirm_max_age": "duration", "none: it never lapses", NextStatement,
            "When a confirmation lapses; never inside a transaction.";
        "migration_tables": "list of table names", "the tables of the known migration tools", NextStatement,
            "The version tables of migration tools, without schema, compared without regard to case. Replaces the default list.";
        "orm_tables": "list of table names", "`[]`", NextRun,
            "The tables that the application owns, which `migrations two-path` wants to find, with or without schema. `--orm-tables` replaces the list.";
    }
    "decision" {
        "task": "string", "required", NextStatement,
            "The task that the row is for.";
        "read": "`\"neon\"`, `\"local\"` or `\"deny\"`", "required", NextStatement,
            "Where its reads go.";
        "write": "`\"neon\"`, `\"local\"` or `\"deny\"`", "required", NextStatement,
            "Where its writes (DML and DDL) go.";
    }
    "audit" {
        "path": "path, or `\"stdout\"`", "`\"stdout\"`", Restart,
            "Where events go; the file is reopened on SIGHUP.";
        "statement": "`\"normalized\"`, `\"full\"` or `\"none\"`", "`\"normalized\"`", Restart,
            "How much of a statement an event holds: with literals as `$1`, as sent, or nothing.";
        "fsync": "boolean", "`false`", Restart,
            "Whether each event is made to survive a power cut.";
    }
    "upstreams.*" {
        "authority": "`\"neon\"` or `\"local\"`", "required", NewSessions,
            "Whose data is true. `local` is always `staging`.";
        "role": "`\"staging\"`, `\"prod\"` or `\"replica\"`", "required", NewSessions,
            "What migrations may do there.";
        "env": "`\"prod-like\"`, `\"dev\"` or `\"test\"`", "required", NewSessions,
            "What kind of environment it is.";
        "url": "URL or `keyword=value` string", "required", NewSessions,
            "Where it is, as libpq reads it (see below).";
        "hostaddr": "IP address", "none: the host is looked up", NewSessions,
            "Where to connect; the host name is kept for SNI and verification.";
        "password_file": "path", "none", NewSessions,
            "A file that holds the password of the URL's user.";
        "password_env": "variable name", "none", NewSessions,
            "An environment variable that holds it.";
        "chain": "boolean", "`false`", NewSessions,
            "It may be another pgauthority: its tags are compared, its host is not judged.";
        "trusted_routines": "list of `SCHEMA.NAME -- REASON`, `SCHEMA.NAME(TYPE, …) -- REASON`", "`[]`", NextStatement,
            "Routines whose effect is known though it cannot be read: what would be `opaque` in their own body counts as `write`. Each has a reason.";
        "require_seal": "boolean", "`false`", NewSessions,
            "Whether a database that is [sealed](seal.md) otherwise, or not at all, is refused at connect.";
        "backstop_key_file": "path", "none", NewSessions,
            "A file that holds the key of the [backstop](backstop.md) in the database, as `pgauthority backstop install` writes it. On prod upstreams only.";
        "backstop_key_env": "variable name", "none", NewSessions,
            "An environment variable that holds it.";
    }
    "databases.*" {
        "upstream": "upstream name", "none", NewSessions,
            "The one upstream of a pinned entry.";
        "neon": "upstream name", "none", NewSessions,
            "The upstream of a routed entry for authority neon.";
        "local": "upstream name", "none", NewSessions,
            "The upstream of a routed entry for authority local.";
        "task": "task of the decision table", "none: each client declares one", NewSessions,
            "The task of clients that declare none, on a routed entry.";
        "tasks": "list of tasks of the decision table", "all of them", NextStatement,
            "The tasks that sessions on a routed entry may have. The entry has to name the upstreams that their rows need.";
        "auth": "`\"relay\"`, `\"scram-sha-256\"`, `\"cert\"` or `\"trust\"`", "required", NewSessions,
            "How clients authenticate. With all but `relay` the proxy logs in to the upstream with the URL's own user, or, under `scram-sha-256`, as the client's user where the upstream has the same verifier.";
        "users": "list of user names", "required unless `relay`; then everyone", NewSessions,
            "Who may open the entry. On a relayed one it narrows whom the upstream gets to see.";
        "confirm": "`\"session\"`, `\"startup\"` or `\"never\"`", "`\"session\"`", NextStatement,
            "How a session may confirm: any way, in the startup packet only, or not at all.";
        "confirm_users": "list of user names", "everyone who may open it", NextStatement,
            "Who may confirm.";
        "admin": "`\"block\"` or `\"confirm\"`", "`\"block\"`", NextStatement,
            "What class `admin` meets on prod.";
        "replication": "boolean", "`false`", NewSessions,
            "Allows `replication=` connections; on staging and replica upstreams only.";
    }
    "users" {
        "userlist": "path", "none", NewSessions,
            "A file in PgBouncer's format (`\"user\" \"secret\"`, one a line); every line declares a user. A table of the same name wins.";
    }
    "users.*" {
        "password": "SCRAM verifier as in `pg_authid`, or a password", "none", NewSessions,
            "What the user logs in with under `scram-sha-256`.";
        "password_file": "path", "none", NewSessions,
            "A file that holds it.";
        "password_env": "variable name", "none", NewSessions,
            "An environment variable that holds it.";
        "userlist": "path", "none", NewSessions,
            "A file in PgBouncer's format that has a line for this user.";
        "certificate_names": "list of common names", "the user's own name", NewSessions,
            "Common names of client certificates that log in as this user under `cert`.";
    }
}

/// The keys of a table.
pub(super) fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

/// The tables right under a table, by their last name; none for names (`*`).
pub(super) fn tables_under(section: &str) -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().filter_map(move |(name, _)| {
        let rest = match section {
            "" => Some(name.split('.').next()?),
            _ => name.strip_prefix(section)?.strip_prefix('.'),
        };
        rest.filter(|rest| !rest.contains('.') && *rest != "*")
    })
}

/// The reference as Markdown: a table a section, a row a key.
pub fn reference() -> String {
    let mut text = String::new();
    for (section, meaning) in SECTIONS {
        let header = match *section {
            "decision" => "[[decision]]".to_owned(),
            section => format!("[{}]", section.replace('*', "NAME")),
        };
        // writing to a String cannot fail
        let _ = write!(text, "### `{header}`\n\n{meaning}\n\n");
        text.push_str("| key | type, unit | default | takes effect | meaning |\n");
        text.push_str("|---|---|---|---|---|\n");
        for Key { name, kind, default, effect, meaning, .. } in keys_of(section) {
            let effect = effect.as_str();
            let _ = writeln!(text, "| `{name}` | {kind} | {default} | {effect} | {meaning} |");
        }
        text.push('\n');
    }
    text
}
