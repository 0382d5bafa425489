//! What a source says, before it is checked as a whole: each value with its place, `None` where
//! it was not given or where a fault about it has been noted already. None of it is `Debug`: URLs
//! and passwords are in it as written.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::{At, Located};
use super::model::{
    AuditTarget, ClientAuth, Limits, MappingMode, StatementText, TlsMode, TrustedRoutine,
};
use crate::contract::{AdminRule, Authority, Cell, ConfirmHow, Environment, Role};

/// A configuration as written.
pub(super) struct Draft {
    /// What relative paths are relative to.
    pub(super) folder: PathBuf,
    pub(super) server: DraftServer,
    pub(super) mapping: MappingMode,
    pub(super) confirm_max_age: Option<Duration>,
    pub(super) migration_tables: BTreeSet<String>,
    pub(super) orm_tables: Vec<String>,
    pub(super) decisions: Vec<DraftDecision>,
    pub(super) audit: (AuditTarget, StatementText, bool),
    pub(super) upstreams: Vec<DraftUpstream>,
    pub(super) databases: Vec<DraftEntry>,
    pub(super) userlist: Option<Located<String>>,
    pub(super) users: Vec<DraftUser>,
}

/// `[server]`.
pub(super) struct DraftServer {
    pub(super) listen: Vec<Located<String>>,
    pub(super) admin_listen: Option<Located<String>>,
    pub(super) admin_users: BTreeSet<String>,
    pub(super) tls: Option<DraftTls>,
    pub(super) worker_threads: usize,
    pub(super) io_uring: bool,
    pub(super) limits: Limits,
    pub(super) login_timeout: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) tcp_keepalive: Duration,
}

/// `[server.tls]`.
pub(super) struct DraftTls {
    pub(super) at: At,
    pub(super) mode: Option<Located<TlsMode>>,
    pub(super) certificate: Option<Located<String>>,
    pub(super) private_key: Option<Located<String>>,
    pub(super) client_ca: Option<Located<String>>,
}

/// A `[[decision]]`.
pub(super) struct DraftDecision {
    pub(super) task: Located<String>,
    pub(super) read: Cell,
    pub(super) write: Cell,
}

/// `[upstreams.*]`.
pub(super) struct DraftUpstream {
    pub(super) name: Located<String>,
    pub(super) authority: Option<Located<Authority>>,
    pub(super) role: Option<Located<Role>>,
    pub(super) env: Option<Located<Environment>>,
    pub(super) url: Option<Located<String>>,
    pub(super) hostaddr: Option<Located<String>>,
    pub(super) password_file: Option<Located<String>>,
    pub(super) password_env: Option<Located<String>>,
    pub(super) chain: bool,
    pub(super) trusted_routines: Vec<TrustedRoutine>,
    pub(super) require_seal: bool,
    pub(super) backstop_key_file: Option<Located<String>>,
    pub(super) backstop_key_env: Option<Located<String>>,
}

/// `[databases.*]`.
pub(super) struct DraftEntry {
    /// As written, `*` included.
    pub(super) name: Located<String>,
    /// One of `upstream`, `neon` and `local` is given, soundly or not.
    pub(super) leads_somewhere: bool,
    pub(super) upstream: Option<Located<String>>,
    pub(super) neon: Option<Located<String>>,
    pub(super) local: Option<Located<String>>,
    pub(super) task: Option<Located<String>>,
    pub(super) tasks: Option<Located<Vec<Located<String>>>>,
    pub(super) auth: Option<Located<ClientAuth>>,
    /// `users` is given, soundly or not.
    pub(super) names_users: bool,
    pub(super) users: Option<Located<Vec<Located<String>>>>,
    pub(super) confirm: Option<Located<ConfirmHow>>,
    pub(super) confirm_users: Option<Located<Vec<Located<String>>>>,
    pub(super) admin: Option<Located<AdminRule>>,
    pub(super) replication: Option<Located<bool>>,
}

/// `[users.*]`.
pub(super) struct DraftUser {
    pub(super) name: Located<String>,
    pub(super) password: Option<Located<String>>,
    pub(super) password_file: Option<Located<String>>,
    pub(super) password_env: Option<Located<String>>,
    pub(super) userlist: Option<Located<String>>,
    pub(super) certificate_names: Option<Located<Vec<Located<String>>>>,
}

/// Whether an upstream may be called so: names travel in startup options and metrics' labels.
pub(super) fn names_upstream(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (1..=63).contains(&name.len()) && name.chars().all(allowed)
}

/// The version tables of the migration tools that are known, folded to lower case.
pub(crate) const MIGRATION_TABLES: &[&str] = &[
    "__diesel_schema_migrations",
    "__drizzle_migrations",
    "__efmigrationshistory",
    "_prisma_migrations",
    "_sqlx_migrations",
    "_yoyo_migration",
    "alembic_version",
    "ar_internal_metadata",
    "atlas_schema_revisions",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "doctrine_migration_versions",
    "flyway_schema_history",
    "goose_db_version",
    "gorp_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "kysely_migration",
    "kysely_migration_lock",
    "migrations",
    "mikro_orm_migrations",
    "pgmigrations",
    "phinxlog",
    "refinery_schema_history",
    "schema_migrations",
    "schema_version",
    "seaql_migrations",
    "sequelizemeta",
];

impl Default for DraftServer {
    fn default() -> Self {
        DraftServer {
            listen: vec![Located { value: DEFAULT_LISTEN.to_owned(), at: At::Nowhere }],
            admin_listen: None,
            admin_users: BTreeSet::new(),
            tls: None,
            worker_threads: std::thread::available_parallelism().map_or(1, usize::from),
            io_uring: true,
            limits: Limits {
                max_client_connections: 10_000,
                max_connections_per_user: 0,
                max_connections_per_entry: 0,
                max_connections_per_address: 0,
                max_statement_bytes: 64 << 20,
            },
            login_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            tcp_keepalive: Duration::from_secs(60),
        }
    }
}

impl Draft {
    /// Everything at its default, and nothing behind the proxy yet.
    pub(super) fn new(folder: PathBuf) -> Draft {
        Draft {
            folder,
            server: DraftServer::default(),
            mapping: MappingMode::Warn,
            confirm_max_age: None,
            migration_tables: MIGRATION_TABLES.iter().map(|&name| name.to_owned()).collect(),
            orm_tables: Vec::new(),
            decisions: Vec::new(),
            audit: (AuditTarget::Stdout, StatementText::Normalized, false),
            upstreams: Vec::new(),
            databases: Vec::new(),
            userlist: None,
            users: Vec::new(),
        }
    }

    /// A path of the source: relative ones are relative to its folder.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }
}

const DEFAULT_LISTEN: &str = "127.0.0.1:7432";
