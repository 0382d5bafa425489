//! Upstreams that lead to test clusters, and what a session does with a connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgauthority::config::{Endpoint, Secret, SslMode, Upstream};
use pgauthority::contract::{Authority, Declaration, Environment, Role};
use pgauthority::protocol::message;
use pgauthority::upstream::{ConnectError, Connection, Login, NoClient, Request, open};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::certificates::{CertificateAuthority, Pair};
use crate::support::cluster::PASSWORD;

/// An upstream declared neon, prod, prod-like, at a port of 127.0.0.1, as user and database `app`.
pub fn upstream(port: u16) -> Upstream {
    Upstream {
        name: "neon-prod".to_owned(),
        declaration: Declaration {
            authority: Authority::Neon,
            role: Role::Prod,
            environment: Environment::ProdLike,
        },
        endpoint: Endpoint {
            host: "localhost".to_owned(),
            hostaddr: None,
            port,
            dbname: "app".to_owned(),
            user: Some("app".to_owned()),
            password: Some(Secret(PASSWORD.to_owned())),
            sslmode: SslMode::Disable,
            tls: None,
            direct_tls: false,
            require_channel_binding: false,
            disable_channel_binding: false,
            connect_timeout: Duration::from_secs(20),
            options: None,
            application_name: None,
        },
        chain: false,
        trusted_routines: Vec::new(),
        require_seal: false,
        backstop: None,
    }
}

/// Changes an upstream before it is shared.
pub fn with(mut upstream: Upstream, change: impl FnOnce(&mut Upstream)) -> Arc<Upstream> {
    change(&mut upstream);
    Arc::new(upstream)
}

/// TLS settings that trust one authority, with a client certificate or none.
pub fn tls(authority: &CertificateAuthority, client: Option<&Pair>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(match client {
        None => config.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    })
}

/// Opens a connection to the upstream's own database with its own credentials.
pub async fn open_own(upstream: &Arc<Upstream>) -> Result<Connection, ConnectError> {
    let request = Request::new(upstream.endpoint.dbname.as_bytes());
    open(upstream, &request, Login::<NoClient>::Own).await
}

/// The first column of the first row, or the error's SQLSTATE.
pub async fn value(connection: &mut Connection, sql: &str) -> Result<String, String> {
    let mut query = BytesMut::new();
    message::frame(&mut query, b'Q', |out| message::put_cstring(out, sql.as_bytes()));
    connection.stream.write_all(&query).await.unwrap();
    connection.stream.flush().await.unwrap();
    let mut answer = Err("no row".to_owned());
    loop {
        let kind = connection.stream.read_u8().await.unwrap();
        let length = connection.stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        connection.stream.read_exact(&mut body).await.unwrap();
        match kind {
            b'D' => {
                let length = u32::from_be_bytes(body[2..6].try_into().unwrap());
                let value = body.get(6..6 + length as usize).unwrap_or_default();
                answer = Ok(String::from_utf8_lossy(value).into_owned());
            }
            b'E' => {
                let code = pgauthority::protocol::Fields::new(&body).code().unwrap();
                answer = Err(String::from_utf8_lossy(code).into_owned());
            }
            b'Z' => return answer,
            _ => {}
        }
    }
}
