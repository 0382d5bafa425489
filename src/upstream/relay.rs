//! Authentication that is the upstream's: its questions go to the client, the client's answers
//! to it (proxy §2, `auth = "relay"`).
//!
//! A SCRAM client signs what it was told about channel binding, so an exchange with an upstream
//! that offers -PLUS can be passed through only for a client that says `n`. A client on TLS says
//! `y`; it is asked for its password inside its TLS instead, and the proxy logs in with it,
//! bound to the upstream's channel.

use std::future::Future;
use std::io;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

use super::error::{ConnectError, ConnectErrorKind, Failure, in_words};
use super::exchange::{Authentication, Exchange};
use super::tls::Leg;
use super::wire::{Patience, take_string};
use crate::net::scram::{Credential, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use crate::protocol::HEADER_LENGTH;
use crate::protocol::message::{self, auth};

/// The client whose authentication is relayed.
pub trait RelayClient {
    /// Whether it is on TLS.
    fn is_tls(&self) -> bool;

    /// Whether nobody can listen on its way here: a Unix socket or the loopback interface.
    fn is_local(&self) -> bool;

    /// The protocol version that the upstream speaks (its minor version, at most the one asked
    /// for). Called once, before anything is sent to the client: where it is older than the one
    /// the client asked for, the client is owed a NegotiateProtocolVersion first.
    fn negotiated(&mut self, minor: u16) -> impl Future<Output = io::Result<()>>;

    /// Sends whole frames to it.
    fn send(&mut self, frames: &[u8]) -> impl Future<Output = io::Result<()>>;

    /// The body of its next message, which must be of type `p`: for anything else the error is
    /// `InvalidData`, and its text goes to the client.
    fn receive_password(&mut self) -> impl Future<Output = io::Result<Bytes>>;
}

/// The [`RelayClient`] of logins that relay nothing; there is no value of it.
#[derive(Clone, Copy, Debug)]
pub enum NoClient {}

impl RelayClient for NoClient {
    fn is_tls(&self) -> bool {
        match *self {}
    }

    fn is_local(&self) -> bool {
        match *self {}
    }

    async fn negotiated(&mut self, _: u16) -> io::Result<()> {
        match *self {}
    }

    async fn send(&mut self, _: &[u8]) -> io::Result<()> {
        match *self {}
    }

    async fn receive_password(&mut self) -> io::Result<Bytes> {
        match *self {}
    }
}

/// Relays an authentication up to the upstream's AuthenticationOk, which is not passed on: the
/// session's start sends its own.
pub(super) async fn authenticate<C: RelayClient>(
    exchange: &mut Exchange<'_>,
    first: Authentication,
    user: &[u8],
    client: &mut C,
) -> Result<(), Failure> {
    // a person may have to type: the connect timeout bounds each of the server's answers
    let timeout = exchange.upstream.endpoint.connect_timeout;
    exchange.wire.set_patience(Patience::Each(timeout));
    exchange.commit();
    client.negotiated(exchange.minor()).await.map_err(left)?;
    match first {
        Authentication::Sasl(mechanisms) => scram(exchange, &mechanisms, client).await,
        _ if exchange.upstream.endpoint.require_channel_binding => Err(exchange.unbound()),
        Authentication::Ok => trusted(exchange, user, client),
        Authentication::Md5(salt) => {
            let answer = ask(client, |out| message::authentication_md5_password(out, salt)).await?;
            pass_on(exchange, &answer).await?;
            exchange.expect_ok().await
        }
        Authentication::Cleartext => {
            refuse_overheard(exchange, client)?;
            let password = ask_password(client).await?;
            exchange.send_password(&password).await?;
            exchange.expect_ok().await
        }
        Authentication::Other(name) => Err(exchange.unsupported(&name)),
        Authentication::SaslContinue(_) | Authentication::SaslFinal(_) => {
            Err(exchange.unexpected("a SASL message outside a SASL exchange"))
        }
    }
}

/// The upstream asked for nothing: it trusts the proxy's address or certificate, and would let
/// anybody in who reaches the proxy. As `auth = "trust"`, only from this machine.
fn trusted<C: RelayClient>(
    exchange: &Exchange<'_>,
    user: &[u8],
    client: &C,
) -> Result<(), Failure> {
    if client.is_local() {
        return Ok(());
    }
    let what = format!(
        "let user \"{}\" in without asking for anything, which counts only for clients on the \
         proxy's own machine",
        String::from_utf8_lossy(user)
    );
    let hint = "let the server ask for a password (pg_hba.conf), or give the entry an auth of \
                its own: auth = \"scram-sha-256\"";
    Err(Failure::Final(exchange.error("28000", &what).with_hint(hint)))
}

/// A password in clear text crosses neither leg where somebody could listen.
fn refuse_overheard<C: RelayClient>(exchange: &Exchange<'_>, client: &C) -> Result<(), Failure> {
    let (which, hint) = if *exchange.leg == Leg::Plain {
        ("the proxy's connection to it is", "use sslmode=verify-full in the upstream's url")
    } else if client.is_tls() || client.is_local() {
        return Ok(());
    } else {
        ("the client's connection is", "connect with sslmode=require")
    };
    let what = format!("asks for the password in clear text, and {which} not encrypted");
    Err(Failure::Final(exchange.error("28000", &what).with_hint(hint)))
}

async fn scram<C: RelayClient>(
    exchange: &mut Exchange<'_>,
    mechanisms: &[String],
    client: &mut C,
) -> Result<(), Failure> {
    let offers = |name: &str| mechanisms.iter().any(|mechanism| mechanism == name);
    let plus = offers(SCRAM_SHA_256_PLUS);
    if plus && client.is_tls() {
        let password = ask_password(client).await?;
        return exchange.scram(mechanisms, Credential::Password(&password)).await;
    }
    if exchange.upstream.endpoint.require_channel_binding {
        let what = "requires channel binding (channel_binding=require), which only a client on \
                    TLS can be given";
        let hint = "connect with sslmode=require";
        return Err(Failure::Final(exchange.error("28000", what).with_hint(hint)));
    }
    if !offers(SCRAM_SHA_256) {
        return Err(exchange.unsupported(&format!("SASL {}", mechanisms.join(", "))));
    }
    pass_through(exchange, plus, client).await
}

/// SCRAM-SHA-256 between the two, message by message.
async fn pass_through<C: RelayClient>(
    exchange: &mut Exchange<'_>,
    stripped: bool,
    client: &mut C,
) -> Result<(), Failure> {
    let first = ask(client, |out| message::authentication_sasl(out, &[SCRAM_SHA_256])).await?;
    check_first(&first, stripped).map_err(|(what, hint)| {
        let error = ConnectError::new(ConnectErrorKind::Client, "28000", what);
        Failure::Final(error.with_hint(hint))
    })?;
    pass_on(exchange, &first).await?;
    let Authentication::SaslContinue(server_first) = exchange.authentication().await? else {
        return Err(exchange.unexpected("something other than the next SCRAM message"));
    };
    let question =
        |out: &mut BytesMut| message::authentication(out, auth::SASL_CONT, &server_first);
    let answer = ask(client, question).await?;
    pass_on(exchange, &answer).await?;
    let Authentication::SaslFinal(server_final) = exchange.authentication().await? else {
        return Err(exchange.unexpected("something other than the last SCRAM message"));
    };
    exchange.expect_ok().await?;
    let mut proof = BytesMut::new();
    message::authentication(&mut proof, auth::SASL_FIN, &server_final);
    client.send(&proof).await.map_err(left)
}

/// Sends a question to the client and gives the body of its answer.
async fn ask<C: RelayClient>(
    client: &mut C,
    question: impl FnOnce(&mut BytesMut),
) -> Result<Bytes, Failure> {
    let mut out = BytesMut::new();
    question(&mut out);
    client.send(&out).await.map_err(left)?;
    client.receive_password().await.map_err(left)
}

/// Passes a client's answer on to the upstream.
async fn pass_on(exchange: &mut Exchange<'_>, answer: &[u8]) -> Result<(), Failure> {
    let mut out = BytesMut::with_capacity(answer.len() + HEADER_LENGTH);
    message::sasl_response(&mut out, answer);
    exchange.write(&out).await
}

/// Whether a SASLInitialResponse can be passed on: SCRAM-SHA-256, and where -PLUS was taken out
/// of the offer, from a client that never supported it.
fn check_first(mut body: &[u8], stripped: bool) -> Result<(), (&'static str, &'static str)> {
    let mechanism = take_string(&mut body).unwrap_or_default();
    if mechanism != SCRAM_SHA_256.as_bytes() {
        return Err((
            "client chose an authentication mechanism that was not offered",
            "connect with channel_binding=prefer",
        ));
    }
    let flag = body.get(4).copied().unwrap_or_default();
    match flag {
        b'y' if stripped => Err((
            "client says that it supports channel binding (SCRAM gs2 flag \"y\") over a connection \
             without TLS, which the upstream would refuse",
            "connect to the proxy over TLS: sslmode=require",
        )),
        b'p' => Err((
            "client asks for channel binding, which a relayed login cannot have",
            "connect with channel_binding=prefer",
        )),
        _ => Ok(()),
    }
}

/// Asks the client for its password, in its TLS or on this machine.
async fn ask_password<C: RelayClient>(client: &mut C) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let answer = ask(client, message::authentication_cleartext_password).await?;
    let mut password = Zeroizing::new(answer.to_vec());
    if password.pop() != Some(0) || password.contains(&0) {
        let message = "client sent a malformed password message";
        let error = ConnectError::new(ConnectErrorKind::Client, "08P01", message);
        return Err(Failure::Final(error));
    }
    if password.is_empty() {
        // libpq never sends one; PostgreSQL answers with the same words
        let error = ConnectError::new(
            ConnectErrorKind::Client,
            "28P01",
            "empty password returned by client",
        );
        return Err(Failure::Final(error));
    }
    Ok(password)
}

/// The client went away, or sent something else.
fn left(error: io::Error) -> Failure {
    let (sqlstate, message) = match error.kind() {
        io::ErrorKind::InvalidData => ("08P01", in_words(&error)),
        _ => ("08006", format!("client left during authentication: {}", in_words(&error))),
    };
    Failure::Final(ConnectError::new(ConnectErrorKind::Client, sqlstate, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_upstream_would_accept_is_passed_on() {
        let n = b"SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=abcd";
        let y = b"SCRAM-SHA-256\0\0\0\0\x0cy,,n=,r=abcd";
        let p = b"SCRAM-SHA-256-PLUS\0\0\0\0\x0cp=tls-server-end-point,,n=,r=abcd";
        assert!(check_first(n, true).is_ok());
        assert!(check_first(n, false).is_ok());
        assert!(check_first(y, false).is_ok());
        assert!(check_first(y, true).is_err());
        assert!(check_first(p, false).is_err());
        assert!(check_first(b"", false).is_err());
    }
}
