//! The proxy as a process of its own, with a configuration made for a test.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::certificates::{CertificateAuthority, NEON_HOST};
use super::cluster::{Cluster, PASSWORD};
use super::process::{self, Folder, Process};
use super::wire::{Failure, Login, Wire};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_pgauthority");

/// An upstream's declarations: authority, role, env.
#[derive(Clone, Copy, Debug)]
pub struct Declared(pub &'static str, pub &'static str, pub &'static str);

/// Production, on Neon.
pub const PROD: Declared = Declared("neon", "prod", "prod-like");
/// A replica of it.
pub const REPLICA: Declared = Declared("neon", "replica", "prod-like");
/// The local staging database.
pub const STAGING: Declared = Declared("local", "staging", "test");

/// A configuration in the making; [`Builder::start`] writes it and starts the proxy.
pub struct Builder<'a> {
    folder: Folder,
    authority: Option<&'a CertificateAuthority>,
    listen: String,
    server: String,
    contract: String,
    audit: String,
    body: String,
    environment: Vec<(String, String)>,
}

impl<'a> Builder<'a> {
    /// Offers TLS to clients with a certificate for `localhost`; `mode` is `allow` or `require`.
    pub fn tls(mut self, authority: &'a CertificateAuthority, mode: &str) -> Self {
        authority.server(&["localhost", "127.0.0.1"]).write(self.folder.path(), "proxy");
        fs::write(self.folder.join("ca.crt"), authority.pem()).unwrap();
        write!(
            self.server,
            "[server.tls]\nmode = \"{mode}\"\ncertificate = \"{0}/proxy.crt\"\n\
             private_key = \"{0}/proxy.key\"\nclient_ca = \"{0}/ca.crt\"\n",
            self.folder.path().display(),
        )
        .unwrap();
        self.authority = Some(authority);
        self
    }

    /// An upstream reached over plain TCP with the proxy's own credentials (role `app`).
    pub fn upstream(self, name: &str, declared: Declared, cluster: &Cluster) -> Self {
        self.upstream_at(name, declared, &cluster.url("app", "app"), "")
    }

    /// An upstream reached over TLS under the name of a Neon endpoint, fully verified.
    pub fn neon_upstream(self, name: &str, declared: Declared, cluster: &Cluster) -> Self {
        let root = self.folder.join("upstream-ca.crt");
        fs::copy(cluster.data().join("ca.crt"), &root).expect("the cluster has TLS");
        let url = format!(
            "postgresql://app:{PASSWORD}@{NEON_HOST}:{}/app?sslmode=verify-full&sslrootcert={}",
            cluster.port(),
            root.display(),
        );
        self.upstream_at(name, declared, &url, "hostaddr = \"127.0.0.1\"")
    }

    /// An upstream by its URL, with further lines.
    pub fn upstream_at(mut self, name: &str, declared: Declared, url: &str, lines: &str) -> Self {
        let Declared(authority, role, env) = declared;
        write!(
            self.body,
            "[upstreams.{name}]\nauthority = \"{authority}\"\nrole = \"{role}\"\n\
             env = \"{env}\"\nurl = \"{url}\"\n{lines}\n\n",
        )
        .unwrap();
        self
    }

    /// A pinned entry where the upstream authenticates the client; with further lines.
    pub fn relayed(self, name: &str, upstream: &str, lines: &str) -> Self {
        self.entry(name, &format!("upstream = \"{upstream}\"\nauth = \"relay\"\n{lines}"))
    }

    /// A pinned entry that the user `app` opens without a password; with further lines.
    pub fn trusted(self, name: &str, upstream: &str, lines: &str) -> Self {
        self.entry(
            name,
            &format!("upstream = \"{upstream}\"\nauth = \"trust\"\nusers = [\"app\"]\n{lines}"),
        )
    }

    /// A pinned entry that the user `app` opens with SCRAM and [`PASSWORD`]; with further lines.
    pub fn scram(self, name: &str, upstream: &str, lines: &str) -> Self {
        let lines = format!(
            "upstream = \"{upstream}\"\nauth = \"scram-sha-256\"\nusers = [\"app\"]\n{lines}"
        );
        self.entry(name, &lines)
    }

    /// An entry by its lines.
    pub fn entry(mut self, name: &str, lines: &str) -> Self {
        write!(self.body, "[databases.\"{name}\"]\n{lines}\n\n").unwrap();
        self
    }

    /// Listens on another address too; `PORT` in it is the port of the first.
    pub fn listen(mut self, address: &str) -> Self {
        write!(self.listen, ", \"{address}\"").unwrap();
        self
    }

    /// Further lines of `[server]`.
    pub fn server(mut self, lines: &str) -> Self {
        self.server = format!("{lines}\n{}", self.server);
        self
    }

    /// Further lines of `[contract]`.
    pub fn contract(mut self, lines: &str) -> Self {
        self.contract = format!("[contract]\n{lines}\n");
        self
    }

    /// Further lines of `[audit]`.
    pub fn audit(mut self, lines: &str) -> Self {
        self.audit.push_str(lines);
        self.audit.push('\n');
        self
    }

    /// Anything else, at the end of the file.
    pub fn raw(mut self, text: &str) -> Self {
        self.body.push_str(text);
        self.body.push('\n');
        self
    }

    /// A variable of the proxy's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn text(&self, port: u16, admin_port: u16) -> String {
        let folder = self.folder.path().display();
        format!(
            "[server]\nlisten = [\"127.0.0.1:{port}\"{}]\n{}\n\
             [server.admin]\nlisten = \"127.0.0.1:{admin_port}\"\n\n{}\n\
             [audit]\npath = \"{folder}/audit.jsonl\"\n{}\n{}\n\
             [users.app]\npassword = \"{PASSWORD}\"\n",
            self.listen.replace("PORT", &port.to_string()),
            self.server,
            self.contract,
            self.audit,
            self.body,
        )
    }

    /// Writes the configuration without starting anything; gives its path and the folder, which
    /// must be kept.
    pub fn write(self) -> (PathBuf, Folder) {
        let text = self.text(process::free_port(), process::free_port());
        let path = self.folder.write("pgauthority.toml", text);
        (path, self.folder)
    }

    /// Starts the proxy; panics with its log where it does not serve within ten seconds.
    pub fn start(self) -> Proxy {
        let (port, admin_port) = (process::free_port(), process::free_port());
        let config = self.folder.write("pgauthority.toml", self.text(port, admin_port));
        let mut proxy = Proxy {
            port,
            admin_port,
            config,
            folder: self.folder,
            process: None,
            environment: self.environment,
        };
        proxy.start();
        proxy
    }
}

/// A running proxy; ended when dropped.
pub struct Proxy {
    pub port: u16,
    pub admin_port: u16,
    pub config: PathBuf,
    folder: Folder,
    process: Option<Process>,
    environment: Vec<(String, String)>,
}

impl Proxy {
    pub fn builder<'a>() -> Builder<'a> {
        Builder {
            folder: Folder::new(),
            authority: None,
            listen: String::new(),
            server: String::new(),
            contract: String::new(),
            audit: String::new(),
            body: String::new(),
            environment: Vec::new(),
        }
    }

    /// Starts it (again) with the same configuration and ports.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it is running");
        let arguments =
            ["serve".to_owned(), "--config".to_owned(), self.config.display().to_string()];
        let log = self.folder.join("proxy.log");
        let environment = &self.environment;
        let program = PathBuf::from(PROGRAM);
        let mut process =
            Process::start(&program, &arguments, environment, None, "KILL", &log).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let ended = process.ended();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the proxy does not serve ({ended:?})\n{}\n{}",
                process::tail(&log),
                fs::read_to_string(&self.config).unwrap(),
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it is running").id()
    }

    /// Its folder: configuration, logs, certificates.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A login of the user `app` to an entry, with [`PASSWORD`].
    pub fn login(&self, entry: &str) -> Login {
        Login::new("app", entry).password(PASSWORD)
    }

    /// Connects as `app` to an entry.
    pub fn connect(&self, entry: &str) -> Wire {
        self.try_connect(&self.login(entry)).unwrap_or_else(|failure| {
            panic!("{entry}: {failure}\n{}", self.log());
        })
    }

    /// Connects with a login of its own.
    pub fn try_connect(&self, login: &Login) -> Result<Wire, Failure> {
        Wire::tcp(self.port, login)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        let text = fs::read(self.folder.join("proxy.log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Where its audit log is.
    pub fn audit_path(&self) -> PathBuf {
        self.folder.join("audit.jsonl")
    }

    /// Every audit event so far.
    pub fn audit(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.audit_path()).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The audit events of one kind so far.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.audit().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// SIGHUP: reloads the configuration and reopens the audit log.
    pub fn reload(&mut self) {
        self.process.as_mut().expect("it is running").signal(Signal::HUP);
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&mut self) {
        self.process.as_mut().expect("it is running").signal(Signal::TERM);
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let status = self.process.as_mut().expect("it is running").wait(limit);
        if status.is_some() {
            self.process = None;
        }
        status
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end(Signal::KILL, Duration::from_secs(5));
        }
    }

    /// What a path of the admin listener answers: status code and body.
    pub fn admin(&self, path: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.admin_port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("-- the proxy's log\n{}", process::tail(&self.folder.join("proxy.log")));
        }
    }
}

/// Runs the program with these arguments and environment; gives its output.
pub fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
