//! A server made of the parts under test alone. It lets nobody further than AuthenticationOk:
//! behind it comes a FATAL that says what it knows of the client.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgauthority::config::{
    AuditSettings, AuditTarget, ClientAuth, Config, Contract, Entry, EntryTarget, Limits,
    ListenAddress, MappingMode, Secret, ServerSettings, ServerTls, StatementText, TlsMode,
    UserSecret,
};
use pgauthority::contract::{AdminRule, ConfirmHow, DecisionTable};
use pgauthority::net::scram::Verifier;
use pgauthority::net::{Bound, Listener, Peer, Stream};
use pgauthority::protocol::ErrorResponse;
use pgauthority::protocol::message::authentication_ok;
use pgauthority::proxy::{Client, Handshake, Secrets, authenticate, handshake};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{CertificateAuthority, tools};

pub const KEEPALIVE: Duration = Duration::from_secs(60);

/// A server made of the parts under test, on its own thread.
pub struct Server {
    port: u16,
    folder: tempfile::TempDir,
    authority: CertificateAuthority,
    /// Ends the thread's runtime when dropped.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    pub fn start(mode: TlsMode) -> Server {
        let authority = CertificateAuthority::new();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for user in ["nova", "cn-of-ops"] {
            authority.client(user).write(folder.path(), user);
        }
        let config = Arc::new(config(mode, &authority));
        let tcp = Bound::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let ListenAddress::Tcp(address) = *tcp.address() else { panic!("not TCP") };
        let port = address.port();
        let unix = ListenAddress::Unix { folder: folder.path().to_owned(), port };
        let unix = Bound::bind(&unix).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(tokio::runtime::LocalOptions::default());
            runtime.unwrap().block_on(async move {
                let secrets = Arc::new(Secrets::new(&config).unwrap());
                for bound in [&tcp, &unix] {
                    let listener = bound.listener(KEEPALIVE).unwrap();
                    tokio::task::spawn_local(serve(
                        listener,
                        Arc::clone(&config),
                        Arc::clone(&secrets),
                    ));
                }
                ready.send(()).unwrap();
                let _ = stopped.await;
            });
        });
        wait.recv().unwrap();
        Server { port, folder, authority, _stop: stop }
    }

    /// The folder of its Unix socket, its authority's and its clients' certificates.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its authority's certificate.
    pub fn authority(&self) -> &str {
        self.authority.pem()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What psql has to say after `psql DSN`, the password in its environment.
    pub fn psql(&self, dsn: &str, password: &str) -> String {
        let mut command = Command::new("psql");
        command.arg("-w").arg(self.dsn(dsn)).env("PGPASSWORD", password);
        said(&mut command, self.folder.path())
    }

    /// The same of a Python driver.
    pub fn python(&self, script: &str, dsn: &str) -> String {
        let mut command = Command::new("python3");
        command.args(["-c", script, &self.dsn(dsn), &self.port.to_string()]);
        command.arg(self.path("ca.crt")).env("PYTHONPATH", tools::tool("python"));
        said(&mut command, self.folder.path())
    }

    /// With the server's address and authority.
    fn dsn(&self, rest: &str) -> String {
        let ca = self.path("ca.crt");
        format!("host=localhost port={} sslrootcert={} {rest}", self.port, ca.display())
    }

    pub fn connect(&self) -> TcpStream {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

/// What a client prints, its settings coming from nowhere else.
fn said(command: &mut Command, home: &Path) -> String {
    command.env("HOME", home).env_remove("PGSERVICE").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

async fn serve(listener: Listener, config: Arc<Config>, secrets: Arc<Secrets>) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let (config, secrets) = (Arc::clone(&config), Arc::clone(&secrets));
        tokio::task::spawn_local(async move { one(stream, peer, &config, &secrets).await });
    }
}

async fn one(stream: Stream, peer: Peer, config: &Config, secrets: &Secrets) {
    let mut client = match handshake(stream, peer, &config.server).await {
        Ok(Handshake::Startup(client)) => client,
        _ => return,
    };
    let entry = config.entry(&client.startup.database).cloned();
    match authenticate(&mut client, entry.as_deref(), config, secrets).await {
        Ok(authenticated) => {
            let known = describe(&client, &authenticated.user, authenticated.keys.is_some());
            let mut out = BytesMut::new();
            authentication_ok(&mut out);
            client.send(&out).await.unwrap();
            client.refuse(&ErrorResponse::fatal("57P01", known)).await;
        }
        Err(refused) => {
            if let Some(response) = &refused.response {
                client.refuse(response).await;
            }
        }
    }
}

fn describe(client: &Client, user: &str, keys: bool) -> String {
    let tls = match &client.tls {
        None => "no TLS".to_owned(),
        Some(tls) => {
            let how = if tls.direct { "direct" } else { "requested" };
            let name = tls.server_name.as_deref().unwrap_or("no name");
            format!("{how} {} for {name}", tls.version)
        }
    };
    let (_, minor) = client.startup.protocol;
    let place = if client.peer.address.is_some() { "TCP" } else { "socket" };
    format!("reached as {user}, {place}, {tls}, protocol 3.{minor}, keys {keys}")
}

pub fn config(mode: TlsMode, authority: &CertificateAuthority) -> Config {
    let pair = authority.server(&["localhost", "127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let leaf = Arc::new(certificate.to_vec());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    )
    .allow_unauthenticated()
    .build()
    .unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let offered = mode != TlsMode::Disable;
    let user = |password: Option<&str>, names: &[&str]| UserSecret {
        password: password.map(|password| Secret(password.to_owned())),
        certificate_names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let verifier = Verifier::from_password("stored pässword".as_bytes(), b"sixteen bytes ok", 5000);
    let entry = |name: &str, auth, users: &[&str]| {
        let entry = Entry {
            name: name.to_owned(),
            wildcard: false,
            decisions: Arc::default(),
            target: EntryTarget::Routed { neon: None, local: None, task: None },
            auth,
            confirm: ConfirmHow::Session,
            confirm_users: None,
            admin: AdminRule::Block,
            users: Some(users.iter().map(|user| (*user).to_owned()).collect()),
            replication: false,
        };
        (name.to_owned(), Arc::new(entry))
    };
    Config {
        server: ServerSettings {
            listen: Vec::new(),
            admin_listen: None,
            admin_users: Default::default(),
            tls: ServerTls {
                mode,
                config: offered.then(|| Arc::new(tls)),
                leaf: offered.then_some(leaf),
                client_certificates: true,
            },
            worker_threads: 1,
            io_uring: true,
            limits: Limits {
                max_client_connections: 100,
                max_connections_per_user: 0,
                max_connections_per_entry: 0,
                max_connections_per_address: 0,
                max_statement_bytes: 1 << 20,
            },
            login_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(60),
            tcp_keepalive: KEEPALIVE,
        },
        contract: Contract {
            mapping: MappingMode::Warn,
            confirm_max_age: None,
            migration_tables: Default::default(),
            orm_tables: Vec::new(),
        },
        decisions: DecisionTable::default().into(),
        audit: AuditSettings {
            target: AuditTarget::Stdout,
            statement: StatementText::None,
            fsync: false,
        },
        upstreams: Default::default(),
        databases: [
            entry("app", ClientAuth::ScramSha256, &["nova", "stored", "bare"]),
            entry("certified", ClientAuth::Cert, &["nova", "ops"]),
            entry("trusting", ClientAuth::Trust, &["nova"]),
        ]
        .into(),
        users: [
            ("nova".to_owned(), user(Some("s3cret"), &[])),
            ("stored".to_owned(), user(Some(&verifier.to_secret_text()), &[])),
            ("outsider".to_owned(), user(Some("s3cret"), &[])),
            ("bare".to_owned(), user(None, &[])),
            ("ops".to_owned(), user(None, &["cn-of-ops"])),
        ]
        .into(),
        warnings: Vec::new(),
        source: "test".to_owned(),
    }
}
