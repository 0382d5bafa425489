//! A stand-in for a pgauthority: passes everything to a real server, and announces tags as a
//! proxy does; on TLS it offers channel binding as well, as a proxy does. It enforces nothing;
//! what it is for is what `exec` makes of what is announced.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::support::CertificateAuthority;

/// Tags by parameter name.
pub type Tags = &'static [(&'static str, &'static str)];

/// Announces these tags in front of the server at `port`; gives its own port.
pub fn announce(port: u16, tags: Tags) -> u16 {
    start(port, tags, None)
}

/// The same on TLS only, with a certificate for `localhost`.
pub fn announce_on_tls(port: u16, tags: Tags, authority: &CertificateAuthority) -> u16 {
    let pair = authority.server(&["localhost"]);
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    start(port, tags, Some(TlsAcceptor::from(Arc::new(config))))
}

fn start(port: u16, tags: Tags, tls: Option<TlsAcceptor>) -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let own = listener.local_addr().unwrap().port();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(negotiate(client, server, tags, tls.clone()));
            }
        });
    });
    own
}

const SSL_REQUEST: [u8; 4] = [4, 210, 22, 47];

async fn negotiate(
    mut client: TcpStream,
    server: SocketAddr,
    tags: Tags,
    tls: Option<TlsAcceptor>,
) -> io::Result<()> {
    let mut head = [0; 8];
    client.read_exact(&mut head).await?;
    let asked = head[4..] == SSL_REQUEST;
    match tls {
        Some(tls) if asked => {
            client.write_all(b"S").await?;
            let mut client = tls.accept(client).await?;
            client.read_exact(&mut head).await?;
            serve(client, head, server, tags, true).await
        }
        Some(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        None => {
            if asked {
                client.write_all(b"N").await?;
                client.read_exact(&mut head).await?;
            }
            serve(client, head, server, tags, false).await
        }
    }
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    head: [u8; 8],
    server: SocketAddr,
    tags: Tags,
    binding: bool,
) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    server.write_all(&head).await?;
    // the packet's rest, then one message of the client for each that asks for one
    let rest = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize - 8;
    let mut packet = vec![0; rest];
    client.read_exact(&mut packet).await?;
    server.write_all(&packet).await?;
    // exec's own login would take up the offer, which the server behind cannot keep
    let own = packet.windows(16).any(|window| window == b"pgauthority exec");
    loop {
        let (kind, mut body) = message(&mut server).await?;
        let code = body.get(..4).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
        if binding && !own && (kind, code) == (b'R', Some(10)) {
            body.splice(4..4, b"SCRAM-SHA-256-PLUS\0".iter().copied());
        }
        write(&mut client, kind, &body).await?;
        match (kind, code) {
            (b'R', Some(0)) => break,
            // SASLFinal is followed by AuthenticationOk, unasked
            (b'R', Some(12)) => {}
            (b'R', _) => {
                let (kind, body) = message(&mut client).await?;
                write(&mut server, kind, &body).await?;
            }
            _ => {}
        }
    }
    for (name, value) in tags {
        write(&mut client, b'S', format!("{name}\0{value}\0").as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

async fn message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 5];
    from.read_exact(&mut header).await?;
    let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4;
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    Ok((header[0], body))
}

async fn write(to: &mut (impl AsyncWrite + Unpin), kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap();
    to.write_all(&[&[kind], &length.to_be_bytes()[..], body].concat()).await?;
    to.flush().await
}
