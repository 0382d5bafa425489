//! Relayed authentication, with a client that answers as libpq or another driver would.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use pgauthority::config::{SslMode, Upstream};
use pgauthority::net::scram::{ChannelBinding, ClientFinal, ClientFirst, Credential};
use pgauthority::net::scram_nonce;
use pgauthority::protocol::message;
use pgauthority::upstream::{
    ConnectError, ConnectErrorKind, Connection, Login, RelayClient, Request, open,
};

use crate::fixture::{tls, upstream, value, with};
use crate::support::cluster::PASSWORD;
use crate::support::{Auth, CertificateAuthority, Cluster};

/// A client behind the proxy.
struct Client {
    tls: bool,
    local: bool,
    /// Its gs2 flag: `n` or `y`.
    binding: ChannelBinding,
    password: &'static str,
    /// The authentication requests it got, by code.
    asked: Vec<u32>,
    minor: Option<u16>,
    answer: Option<BytesMut>,
    first: Option<ClientFirst>,
    last: Option<ClientFinal>,
    verified: bool,
}

impl Client {
    fn new(tls: bool, local: bool) -> Client {
        // libpq says `y` over TLS where -PLUS is not offered
        let binding = if tls { ChannelBinding::NotOffered } else { ChannelBinding::Unsupported };
        Client {
            tls,
            local,
            binding,
            password: PASSWORD,
            asked: Vec::new(),
            minor: None,
            answer: None,
            first: None,
            last: None,
            verified: false,
        }
    }
}

impl RelayClient for Client {
    fn is_tls(&self) -> bool {
        self.tls
    }

    fn is_local(&self) -> bool {
        self.local
    }

    async fn negotiated(&mut self, minor: u16) -> io::Result<()> {
        assert!(self.minor.is_none() && self.asked.is_empty(), "once, and first");
        self.minor = Some(minor);
        Ok(())
    }

    async fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        assert!(self.minor.is_some() && frames[0] == b'R');
        let mut body = &frames[5..];
        assert_eq!(u32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize, body.len() + 4);
        let code = body.get_u32();
        self.asked.push(code);
        let mut out = BytesMut::new();
        match code {
            3 => message::password(&mut out, self.password.as_bytes()),
            5 => {
                let salt = body.try_into().unwrap();
                let password = self.password.as_bytes();
                let hash = postgres_protocol::authentication::md5_hash(b"app", password, salt);
                message::password(&mut out, hash.as_bytes());
            }
            10 => {
                assert_eq!(body, b"SCRAM-SHA-256\0\0");
                let first = ClientFirst::new(self.binding.clone(), scram_nonce()?);
                let text = first.message();
                message::sasl_initial_response(&mut out, "SCRAM-SHA-256", text.as_bytes());
                self.first = Some(first);
            }
            11 => {
                let credential = Credential::Password(self.password.as_bytes());
                let last = self.first.take().unwrap().respond(body, credential).unwrap();
                message::sasl_response(&mut out, last.message().as_bytes());
                self.last = Some(last);
            }
            12 => {
                self.last.take().unwrap().verify(body).unwrap();
                self.verified = true;
            }
            code => panic!("authentication request {code}"),
        }
        self.answer = Some(out);
        Ok(())
    }

    async fn receive_password(&mut self) -> io::Result<Bytes> {
        let mut answer = self.answer.take().unwrap();
        answer.advance(5);
        Ok(answer.freeze())
    }
}

async fn relay(upstream: &Arc<Upstream>, client: &mut Client) -> Result<Connection, ConnectError> {
    open(upstream, &Request::new(b"app"), Login::Relay { user: b"app", client }).await
}

fn secured(cluster: &Cluster, authority: &CertificateAuthority) -> Upstream {
    let mut upstream = upstream(cluster.port());
    upstream.endpoint.sslmode = SslMode::VerifyFull;
    upstream.endpoint.tls = Some(tls(authority, None));
    // no login of its own: a relayed one needs none
    upstream.endpoint.user = None;
    upstream.endpoint.password = None;
    upstream
}

#[tokio::test]
async fn scram_with_an_upstream_that_binds_channels() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).tls_only().start();
    let upstream = with(secured(&cluster, &authority), |_| {});

    // on TLS: its password is asked for, and the proxy logs in with it, bound
    let bound = with(secured(&cluster, &authority), |upstream| {
        upstream.endpoint.require_channel_binding = true;
    });
    for upstream in [&upstream, &bound] {
        let mut client = Client::new(true, false);
        let mut connection = relay(upstream, &mut client).await.unwrap();
        assert_eq!((&*client.asked, client.minor), (&[3][..], Some(0)));
        assert!(connection.relayed);
        assert_eq!(value(&mut connection, "SELECT current_user").await.unwrap(), "app");
    }

    // plain and honest: passed through, with -PLUS taken out
    let mut client = Client::new(false, false);
    relay(&upstream, &mut client).await.unwrap();
    assert_eq!(client.asked, [10, 11, 12]);
    assert!(client.verified);

    // plain and able (pg8000): the upstream would refuse, so it is told what to do
    let mut client = Client::new(false, false);
    client.binding = ChannelBinding::NotOffered;
    let refused = relay(&upstream, &mut client).await.unwrap_err();
    assert_eq!((refused.kind(), refused.sqlstate()), (ConnectErrorKind::Client, "28000"));
    assert!(refused.message().contains("gs2 flag \"y\""), "{refused}");
    assert!(refused.hint().unwrap().contains("sslmode=require"));

    // channel_binding=require cannot be had through a plain client
    let refused = relay(&bound, &mut Client::new(false, true)).await.unwrap_err();
    assert!(refused.message().contains("channel_binding=require"), "{refused}");

    // the upstream's own words for a wrong password, either way
    for (tls, asked) in [(true, &[3][..]), (false, &[10, 11][..])] {
        let mut client = Client::new(tls, false);
        client.password = "wr0ng";
        let refused = relay(&upstream, &mut client).await.unwrap_err();
        assert!(refused.is_verbatim() && refused.sqlstate() == "28P01", "{refused}");
        assert_eq!(client.asked, asked);
    }
    let mut client = Client::new(true, false);
    client.password = "";
    assert_eq!(relay(&upstream, &mut client).await.unwrap_err().sqlstate(), "28P01");
}

#[tokio::test]
async fn scram_and_md5_without_channel_binding_are_passed_through() {
    let scram = Cluster::builder().start();
    let upstream = with(upstream(scram.port()), |_| {});
    for tls in [true, false] {
        let mut client = Client::new(tls, false);
        let mut connection = relay(&upstream, &mut client).await.unwrap();
        assert_eq!(client.asked, [10, 11, 12]);
        assert!(client.verified);
        assert_eq!(value(&mut connection, "SELECT current_user").await.unwrap(), "app");
    }
    let md5 = Cluster::builder().auth(Auth::Md5).start();
    let upstream = with(crate::fixture::upstream(md5.port()), |_| {});
    let mut client = Client::new(false, false);
    relay(&upstream, &mut client).await.unwrap();
    assert_eq!(client.asked, [5]);
    let mut client = Client::new(false, false);
    client.password = "wr0ng";
    let refused = relay(&upstream, &mut client).await.unwrap_err();
    assert!(refused.is_verbatim() && refused.sqlstate() == "28P01", "{refused}");
}

#[tokio::test]
async fn a_password_in_clear_is_asked_for_only_where_nobody_listens() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).auth(Auth::Password).start();
    let secure = with(secured(&cluster, &authority), |_| {});
    let plain = with(upstream(cluster.port()), |_| {});
    for (upstream, tls, local, allowed) in [
        (&secure, true, false, true),
        (&secure, false, true, true),
        (&secure, false, false, false),
        (&plain, true, false, false),
        (&plain, false, true, false),
    ] {
        let mut client = Client::new(tls, local);
        let opened = relay(upstream, &mut client).await;
        assert_eq!(opened.is_ok(), allowed, "tls {tls}, local {local}: {opened:?}");
        assert_eq!(client.asked.is_empty(), !allowed);
    }
}

#[tokio::test]
async fn an_upstream_that_trusts_the_proxy_is_no_open_door() {
    let cluster = Cluster::builder().auth(Auth::Trust).start();
    let upstream = with(upstream(cluster.port()), |_| {});
    assert!(relay(&upstream, &mut Client::new(false, true)).await.is_ok());
    for tls in [false, true] {
        let refused = relay(&upstream, &mut Client::new(tls, false)).await.unwrap_err();
        assert!(refused.message().contains("without asking for anything"), "{refused}");
    }
}
