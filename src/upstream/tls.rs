//! TLS towards an upstream, negotiated exactly as libpq's `sslmode` and `sslnegotiation` say.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::{Socket, place};
use super::error::{Adaptation, ConnectError, ConnectErrorKind, Failure, in_words};
use crate::config::{Endpoint, SslMode, Upstream};
use crate::net::tls::{ALPN, tls_server_end_point};
use crate::net::{self, Stream};
use crate::protocol::message;

/// What one attempt asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Plain,
    Tls,
}

impl Encryption {
    /// What libpq tries first. Unix sockets are never encrypted.
    pub(super) fn first(endpoint: &Endpoint) -> Encryption {
        match endpoint.sslmode {
            SslMode::Disable | SslMode::Allow => Encryption::Plain,
            SslMode::Prefer | SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                Encryption::Tls
            }
        }
    }
}

/// What protects the connection to the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// Nothing: plain TCP.
    Plain,
    /// The machine: a Unix socket.
    Local,
    /// TLS, with what SCRAM can be bound to where the certificate allows it.
    Tls(TlsFacts),
}

impl Leg {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Leg::Tls(_))
    }

    /// TLS version and cipher suite.
    pub(super) fn agreed(&self) -> Option<(String, String)> {
        match self {
            Leg::Tls(facts) => Some((facts.version.clone(), facts.cipher.clone())),
            Leg::Plain | Leg::Local => None,
        }
    }

    /// The `tls-server-end-point` data.
    pub(super) fn binding(&self) -> Option<&[u8]> {
        match self {
            Leg::Tls(facts) => facts.end_point.as_deref(),
            Leg::Plain | Leg::Local => None,
        }
    }
}

/// What was agreed on in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsFacts {
    pub(super) version: String,
    pub(super) cipher: String,
    end_point: Option<Vec<u8>>,
}

/// A stream ready for the startup packet.
pub(super) struct Secured {
    pub(super) stream: Stream,
    pub(super) leg: Leg,
}

/// Secures a connected socket.
pub(super) async fn secure(
    socket: Socket,
    upstream: &Upstream,
    encryption: Encryption,
) -> Result<Secured, Failure> {
    let mut tcp = match socket {
        Socket::Unix(stream) => {
            return Ok(Secured { stream: stream.into(), leg: Leg::Local });
        }
        Socket::Tcp(stream) => stream,
    };
    if encryption == Encryption::Plain {
        return Ok(Secured { stream: tcp.into(), leg: Leg::Plain });
    }
    let endpoint = &upstream.endpoint;
    if !endpoint.direct_tls {
        let answer = negotiate(&mut tcp).await.map_err(|error| cut_off(upstream, &error))?;
        match answer {
            Answer::Go => {}
            Answer::No if endpoint.sslmode == SslMode::Prefer => {
                return Ok(Secured { stream: tcp.into(), leg: Leg::Plain });
            }
            Answer::No => return Err(Failure::Final(not_offered(upstream))),
            // its text is not authenticated: it is not shown to anybody (CVE-2024-10977)
            Answer::Error => {
                let what = "the server answered the request for TLS with an error";
                return Err(Failure::Transient(tls_error(upstream, what)));
            }
            Answer::Other(what) => return Err(Failure::Final(tls_error(upstream, &what))),
        }
    }
    let stream = handshake(tcp, upstream).await?;
    let leg = Leg::Tls(facts(&stream));
    Ok(Secured { stream: Stream::TlsClient(Box::new(stream)), leg })
}

enum Answer {
    Go,
    No,
    Error,
    Other(String),
}

async fn negotiate(tcp: &mut TcpStream) -> io::Result<Answer> {
    let mut request = BytesMut::with_capacity(8);
    message::ssl_request(&mut request);
    tcp.write_all(&request).await?;
    // two bytes: whatever comes behind the answer came before TLS did, and anybody on the way
    // could have put it there (CVE-2021-23222)
    let mut answer = [0_u8; 2];
    let count = tcp.read(&mut answer).await?;
    Ok(match (count, answer[0]) {
        (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
        (1, b'S') => Answer::Go,
        (1, b'N') => Answer::No,
        (_, b'E') => Answer::Error,
        (_, b'S' | b'N') => Answer::Other(
            "the server sent unencrypted bytes behind its answer to the request for TLS".to_owned(),
        ),
        _ => Answer::Other("what answers there does not speak the PostgreSQL protocol".to_owned()),
    })
}

async fn handshake(
    tcp: TcpStream,
    upstream: &Upstream,
) -> Result<TlsStream<net::Socket<TcpStream>>, Failure> {
    let endpoint = &upstream.endpoint;
    let Some(config) = client_config(endpoint) else {
        return Err(Failure::Final(tls_error(upstream, "no TLS settings were made for it")));
    };
    // a name goes into SNI; rustls leaves SNI out for an address
    let Ok(name) = ServerName::try_from(endpoint.host.clone()) else {
        let what = format!("\"{}\" is neither a host name nor an address", endpoint.host);
        return Err(Failure::Final(tls_error(upstream, &what)));
    };
    let stream = match TlsConnector::from(config).connect(name, net::Socket::new(tcp)).await {
        Ok(stream) => stream,
        Err(error) => return Err(handshake_failed(upstream, &error)),
    };
    if endpoint.direct_tls && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        let what = "the server does not know direct TLS (no ALPN protocol \"postgresql\")";
        let hint = "leave sslnegotiation=direct out of the upstream's url";
        return Err(Failure::Final(tls_error(upstream, what).with_hint(hint)));
    }
    Ok(stream)
}

/// The endpoint's TLS settings, with ALPN where the negotiation depends on it.
fn client_config(endpoint: &Endpoint) -> Option<Arc<ClientConfig>> {
    let config = endpoint.tls.as_ref()?;
    let named = config.alpn_protocols.iter().any(|name| name == ALPN);
    if named || !endpoint.direct_tls {
        return Some(Arc::clone(config));
    }
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Some(Arc::new(config))
}

fn facts(stream: &TlsStream<net::Socket<TcpStream>>) -> TlsFacts {
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    };
    let cipher = match session.negotiated_cipher_suite() {
        Some(suite) => format!("{:?}", suite.suite()),
        None => String::new(),
    };
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let end_point = certificate.and_then(|certificate| tls_server_end_point(certificate));
    TlsFacts { version, cipher, end_point }
}

fn tls_error(upstream: &Upstream, what: &str) -> ConnectError {
    let message = format!("no TLS with {}: {what}", place(upstream));
    ConnectError::new(ConnectErrorKind::Tls, "08001", message)
}

fn not_offered(upstream: &Upstream) -> ConnectError {
    tls_error(upstream, "the server does not offer it, and sslmode requires it")
        .with_hint("turn TLS on at the server (ssl = on)")
}

/// The server went away where it should have answered: it may be starting.
fn cut_off(upstream: &Upstream, error: &io::Error) -> Failure {
    Failure::Transient(tls_error(upstream, &gone(error)))
}

/// A broken connection in words.
pub(super) fn gone(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server reset the connection".to_owned()
        }
        _ => in_words(error),
    }
}

/// Whether a connection broke rather than said no.
pub(super) fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn handshake_failed(upstream: &Upstream, error: &io::Error) -> Failure {
    let (what, hint) = match tls_fault(error) {
        Some(fault) => handshake_words(fault, &upstream.endpoint.host),
        None if upstream.endpoint.direct_tls => {
            let hint = "servers before version 17 do not know sslnegotiation=direct";
            (gone(error), Some(hint.to_owned()))
        }
        None => (gone(error), None),
    };
    let mut failed = tls_error(upstream, &what);
    if let Some(hint) = hint {
        failed = failed.with_hint(hint);
    }
    if upstream.endpoint.sslmode == SslMode::Prefer {
        Failure::Adapt(Adaptation::Unencrypted, failed)
    } else if is_broken(error) {
        Failure::Transient(failed)
    } else {
        Failure::Final(failed)
    }
}

/// The TLS fault inside an error, if it is one. A client certificate is refused only after the
/// handshake, in the first read.
pub(super) fn tls_fault(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What went wrong, and a hint.
pub(super) fn handshake_words(fault: &rustls::Error, host: &str) -> (String, Option<String>) {
    use rustls::AlertDescription as Alert;
    let hint = |text: &str| Some(text.to_owned());
    match fault {
        // another authority of the same name is known by its signature only
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => (
            "its certificate is not signed by an authority that is trusted here".to_owned(),
            hint("name the authority's certificate: sslrootcert=… in the upstream's url"),
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            format!("its certificate is not for the host name \"{host}\""),
            hint(
                "use a host name that the certificate names; hostaddr says where to connect instead",
            ),
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => ("its certificate has expired".to_owned(), hint("renew the server's certificate")),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => (
            "its certificate is not valid yet".to_owned(),
            hint("check the clocks of both machines"),
        ),
        rustls::Error::InvalidCertificate(CertificateError::Revoked) => {
            ("its certificate has been revoked".to_owned(), None)
        }
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate
            | Alert::CertificateExpired
            | Alert::CertificateRevoked,
        ) => (
            format!("the server does not accept our certificate ({fault})"),
            hint("check sslcert and sslkey in the upstream's url"),
        ),
        _ => (format!("{fault}"), None),
    }
}
