//! A throw-away PostgreSQL cluster, and a streaming replica of one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::certificates::{CertificateAuthority, NEON_HOST};
use super::process::{self, Folder, Process, SERVER_USER};
use super::tools;
use super::wire::{Login, Wire};

/// The password of every role that a cluster has from the start.
pub const PASSWORD: &str = "s3cret";

/// A major version of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Major {
    V15,
    V16,
    V17,
    V18,
}

impl Major {
    /// The oldest and the newest supported: what most tests run on.
    pub const ALL: [Major; 2] = [Major::V15, Major::V18];

    /// Every supported one.
    pub const EVERY: [Major; 4] = [Major::V15, Major::V16, Major::V17, Major::V18];

    /// Its programs.
    pub fn bin(self) -> PathBuf {
        tools::tool(match self {
            Major::V15 => "postgresql-15",
            Major::V16 => "postgresql-16",
            Major::V17 => "postgresql-17",
            Major::V18 => "postgresql-18",
        })
        .join("bin")
    }
}

/// How `pg_hba.conf` wants TCP clients to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    Scram,
    Md5,
    Password,
    Trust,
    /// A TLS client certificate; needs [`Builder::tls`].
    Cert,
}

impl Auth {
    fn method(self) -> &'static str {
        match self {
            Auth::Scram => "scram-sha-256",
            Auth::Md5 => "md5",
            Auth::Password => "password",
            Auth::Trust => "trust",
            Auth::Cert => "cert",
        }
    }
}

/// What a cluster is to be; see [`Cluster::builder`].
pub struct Builder<'a> {
    major: Major,
    auth: Auth,
    tls: Option<(&'a CertificateAuthority, Vec<&'a str>)>,
    tls_only: bool,
    settings: Vec<(String, String)>,
}

impl<'a> Builder<'a> {
    pub fn major(mut self, major: Major) -> Self {
        self.major = major;
        self
    }

    /// How TCP clients authenticate (default: SCRAM).
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Offers TLS with a certificate for `localhost`, 127.0.0.1 and [`NEON_HOST`].
    pub fn tls(self, authority: &'a CertificateAuthority) -> Self {
        self.tls_for(authority, &["localhost", "127.0.0.1", NEON_HOST])
    }

    /// Offers TLS with a certificate for these names.
    pub fn tls_for(mut self, authority: &'a CertificateAuthority, names: &[&'a str]) -> Self {
        self.tls = Some((authority, names.to_vec()));
        self
    }

    /// Refuses TCP clients without TLS.
    pub fn tls_only(mut self) -> Self {
        self.tls_only = true;
        self
    }

    /// A line of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, with the database `app` owned by the role `app` (which may create databases),
    /// and the roles `postgres` (superuser) and `reader`, all with the password [`PASSWORD`].
    pub fn start(self) -> Cluster {
        let folder = Folder::new();
        process::run(
            Command::new("cp").arg("-a").arg(template(self.major)).arg(folder.join("data")),
        );
        self.configure(&folder);
        let mut cluster = Cluster { major: self.major, port: 0, process: None, folder };
        cluster.start();
        let password = format!("PASSWORD '{PASSWORD}'");
        for statement in [
            format!("ALTER ROLE postgres {password}"),
            format!("CREATE ROLE app LOGIN CREATEDB {password}"),
            format!("CREATE ROLE reader LOGIN {password}"),
            "CREATE DATABASE app OWNER app".to_owned(),
        ] {
            cluster.sql("postgres", &statement);
        }
        cluster.sql("app", "GRANT ALL ON SCHEMA public TO PUBLIC");
        cluster
    }

    fn configure(&self, folder: &Folder) {
        let data = folder.join("data");
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("unix_socket_directories = '{}'", folder.path().display()),
            // nothing here is worth surviving a crash of the machine
            "fsync = off".to_owned(),
            "full_page_writes = off".to_owned(),
            "wal_level = replica".to_owned(),
            "max_wal_senders = 5".to_owned(),
            "max_prepared_transactions = 20".to_owned(),
            "shared_buffers = 16MB".to_owned(),
            "dynamic_shared_memory_type = mmap".to_owned(),
            "autovacuum = off".to_owned(),
            "log_line_prefix = '%m [%p] %q%u@%d '".to_owned(),
        ];
        if let Some((authority, names)) = &self.tls {
            authority.server(names).write(&data, "server");
            fs::write(data.join("ca.crt"), authority.pem()).unwrap();
            lines.extend(
                [
                    "ssl = on",
                    "ssl_cert_file = 'server.crt'",
                    "ssl_key_file = 'server.key'",
                    "ssl_ca_file = 'ca.crt'",
                ]
                .map(str::to_owned),
            );
        }
        if self.auth == Auth::Md5 {
            lines.push("password_encryption = md5".to_owned());
        }
        lines.extend(self.settings.iter().map(|(name, value)| format!("{name} = '{value}'")));
        append(&data.join("postgresql.conf"), &lines.join("\n"));
        let kind = if self.tls_only || self.auth == Auth::Cert { "hostssl" } else { "host" };
        let method = self.auth.method();
        let rules = format!(
            "local all all trust\nlocal replication all trust\n{kind} all all 127.0.0.1/32 {method}\n"
        );
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
        process::give_to_server_user(folder.path());
    }
}

/// A running cluster; stopped and removed when dropped.
pub struct Cluster {
    major: Major,
    port: u16,
    process: Option<Process>,
    folder: Folder,
}

impl Cluster {
    /// A cluster of version 15 with SCRAM and no TLS, unless told otherwise.
    pub fn builder<'a>() -> Builder<'a> {
        Builder {
            major: Major::V15,
            auth: Auth::Scram,
            tls: None,
            tls_only: false,
            settings: Vec::new(),
        }
    }

    /// A streaming replica, once it has caught up.
    pub fn replica(&self) -> Cluster {
        let folder = Folder::new();
        let mut backup = self.connect("postgres");
        backup.sql("SELECT pg_backup_start('replica', true)");
        process::run(
            Command::new("cp").arg("-a").arg(self.folder.join("data")).arg(folder.join("data")),
        );
        let rows = backup.sql("SELECT labelfile FROM pg_backup_stop(false)");
        let label = rows[0][0].clone().unwrap();
        let data = folder.join("data");
        fs::write(data.join("backup_label"), label).unwrap();
        fs::write(data.join("standby.signal"), "").unwrap();
        for leftover in ["postmaster.pid", "postmaster.opts"] {
            let _ = fs::remove_file(data.join(leftover));
        }
        append(
            &data.join("postgresql.conf"),
            &format!(
                "unix_socket_directories = '{}'\nhot_standby = on\n\
                 primary_conninfo = 'host={} port={} user=postgres'",
                folder.path().display(),
                self.folder.path().display(),
                self.port,
            ),
        );
        process::give_to_server_user(folder.path());
        let mut replica = Cluster { major: self.major, port: 0, process: None, folder };
        replica.start();
        self.wait_for_replica(&replica);
        replica
    }

    /// Waits until `replica` has replayed everything written so far.
    pub fn wait_for_replica(&self, replica: &Cluster) {
        let position = self.sql("postgres", "SELECT pg_current_wal_flush_lsn()")[0][0].clone();
        let position = position.unwrap();
        process::eventually("the replica catches up", Duration::from_secs(20), || {
            let caught_up = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
            let rows = replica.sql("postgres", &caught_up);
            (rows[0][0].as_deref() == Some("t")).then_some(())
        });
    }

    pub fn major(&self) -> Major {
        self.major
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        let text = fs::read(self.folder.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A connection URL with a password, for TCP.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}:{PASSWORD}@localhost:{}/{database}", self.port)
    }

    /// A connection as the superuser over the Unix socket.
    pub fn connect(&self, database: &str) -> Wire {
        let socket = self.folder.join(&format!(".s.PGSQL.{}", self.port));
        let login = Login::new("postgres", database);
        Wire::unix(&socket, &login).unwrap_or_else(|error| panic!("{}: {error}", socket.display()))
    }

    /// Runs statements as the superuser; gives the rows of the last one as text.
    pub fn sql(&self, database: &str, statements: &str) -> Vec<Vec<Option<String>>> {
        self.connect(database).sql(statements)
    }

    /// The first column of the first row, as the superuser.
    pub fn value(&self, database: &str, query: &str) -> String {
        self.sql(database, query)[0][0].clone().unwrap_or_default()
    }

    /// Starts it (again), on another port only where its own is taken.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it is running");
        for _ in 0..5 {
            if self.port == 0 {
                self.port = process::free_port();
            }
            if self.try_start() {
                return;
            }
            self.port = 0;
        }
        panic!("the server does not start:\n{}", process::tail(&self.folder.join("server.log")));
    }

    fn try_start(&mut self) -> bool {
        let data = self.folder.join("data");
        let arguments =
            ["-D".to_owned(), data.display().to_string(), "-p".to_owned(), self.port.to_string()];
        let user = process::is_root().then_some(SERVER_USER);
        let log = self.folder.join("server.log");
        let mut process =
            Process::start(&self.major.bin().join("postgres"), &arguments, &[], user, "QUIT", &log)
                .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if process.ended().is_some() {
                return false;
            }
            // the eighth line says what the server is about to say itself
            let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            if pid_file.lines().nth(7).is_some_and(|state| state.trim() == "ready")
                && pid_file.lines().next() == Some(&process.id().to_string())
            {
                self.process = Some(process);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server is not ready after 30 s:\n{}", process::tail(&log));
    }

    /// A fast shutdown: sessions end with 57P01.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// An immediate shutdown, as in a crash: the next start recovers.
    pub fn kill(&mut self) {
        self.end(Signal::QUIT);
    }

    /// A fast shutdown and a start on the same port.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            process.end(signal, Duration::from_secs(15));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end(Signal::QUIT);
        if std::thread::panicking() {
            eprintln!("-- the server's log\n{}", process::tail(&self.folder.join("server.log")));
        }
    }
}

/// An initialised data directory of this version, made once and copied from then on.
fn template(major: Major) -> PathBuf {
    let bin = major.bin();
    let version = process::run(Command::new(bin.join("postgres")).arg("--version"));
    let version: String = version.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let base = process::base();
    let path = base.join(format!("template-{version}"));
    let lock = fs::File::create(base.join("template.lock")).unwrap();
    lock.lock().unwrap();
    if !path.exists() {
        let new = base.join("template.new");
        let _ = fs::remove_dir_all(&new);
        fs::create_dir(&new).unwrap();
        process::give_to_server_user(&new);
        process::run(
            process::as_server_user(bin.join("initdb"))
                .args(["--username=postgres", "--auth=trust", "--no-sync", "--wal-segsize=1"])
                .args(["--encoding=UTF8", "--locale=C.UTF-8", "-D"])
                .arg(&new)
                .current_dir("/"),
        );
        fs::set_permissions(&new, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(&new, &path).unwrap();
    }
    path
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = fs::File::options().append(true).open(path).unwrap();
    writeln!(file, "\n{text}").unwrap();
}
