//! The login: from the startup packet to the first ReadyForQuery.

use bytes::Bytes;

use super::connection::Reports;
use super::error::{Adaptation, ConnectError, ConnectErrorKind, Failure};
use super::exchange::Exchange;
use super::open::{Plan, Request};
use super::relay::{self, NoClient, RelayClient};
use super::startup;
use super::tls::Leg;
use super::wire::{Wire, take_u32};
use crate::config::{Secret, Upstream};
use crate::net::scram::{Credential, Keys};

/// Who logs in, and with what.
pub enum Login<'a, C = NoClient> {
    /// The upstream URL's own user and password.
    Own,
    /// This user, with a password that is known.
    Password {
        /// The user's name, as bytes of the startup packet.
        user: &'a [u8],
        /// The password.
        password: &'a Secret,
    },
    /// This user, with the keys that the client's own proof revealed. Where the upstream has
    /// another verifier, the URL's own credentials are used instead (proxy §2).
    Keys {
        /// The user's name, as bytes of the startup packet.
        user: &'a [u8],
        /// The keys.
        keys: &'a Keys,
    },
    /// This user, authenticated by the upstream through the proxy.
    Relay {
        /// The user's name, as bytes of the startup packet.
        user: &'a [u8],
        /// The client.
        client: &'a mut C,
    },
}

/// What a session has when the server is ready.
pub(super) struct LoggedIn {
    pub(super) user: Bytes,
    pub(super) minor: u16,
    pub(super) process_id: i32,
    pub(super) cancel_key: Bytes,
    pub(super) reports: Reports,
}

/// Logs in over a secured stream.
pub(super) async fn log_in<C: RelayClient>(
    wire: &mut Wire,
    leg: &Leg,
    plan: &Plan,
    upstream: &Upstream,
    request: &Request<'_>,
    login: &mut Login<'_, C>,
) -> Result<LoggedIn, Failure> {
    let user = user(upstream, plan, login).map_err(Failure::Final)?;
    let Some(packet) = startup::packet(upstream, request, &user, plan.minor, plan.ours) else {
        return Err(too_long(upstream, plan));
    };
    let own = matches!(login, Login::Own | Login::Keys { .. });
    let mut exchange = Exchange::new(wire, leg, plan, upstream, own);
    exchange.write(&packet).await?;
    let first = exchange.authentication().await?;
    if let Login::Relay { user, client } = login {
        relay::authenticate(&mut exchange, first, user, *client).await?;
    } else {
        exchange.authenticate(first, &user, secret(upstream, plan, login)).await?;
    }
    exchange.settle(user).await
}

fn secret<'s, C>(
    upstream: &'s Upstream,
    plan: &Plan,
    login: &'s Login<'_, C>,
) -> Option<Credential<'s>> {
    let password = |secret: &'s Secret| Credential::Password(secret.0.as_bytes());
    match login {
        Login::Password { password: secret, .. } => Some(password(secret)),
        Login::Keys { keys, .. } if !plan.own_credentials => Some(Credential::Keys(keys)),
        Login::Own | Login::Keys { .. } => upstream.endpoint.password.as_ref().map(password),
        Login::Relay { .. } => None,
    }
}

fn user<C>(upstream: &Upstream, plan: &Plan, login: &Login<'_, C>) -> Result<Bytes, ConnectError> {
    match login {
        Login::Password { user, .. } | Login::Relay { user, .. } => {
            return Ok(Bytes::copy_from_slice(user));
        }
        Login::Keys { user, .. } if !plan.own_credentials => {
            return Ok(Bytes::copy_from_slice(user));
        }
        Login::Own | Login::Keys { .. } => {}
    }
    match &upstream.endpoint.user {
        Some(user) => Ok(Bytes::copy_from_slice(user.as_bytes())),
        None => {
            let message = format!("upstream \"{}\" has no user of its own", upstream.name);
            let hint = "name one in the upstream's url: postgresql://user@host/database";
            Err(ConnectError::new(ConnectErrorKind::Authentication, "28000", message)
                .with_hint(hint))
        }
    }
}

/// Our options made the packet too long, or it was without them.
fn too_long(upstream: &Upstream, plan: &Plan) -> Failure {
    let message = format!(
        "the startup parameters are too long to be passed on to upstream \"{}\"",
        upstream.name
    );
    let error = ConnectError::new(ConnectErrorKind::Refused, "54000", message)
        .with_detail("PostgreSQL takes 10,000 bytes");
    if plan.sends_options() {
        Failure::Adapt(Adaptation::WithoutOptions, error)
    } else {
        Failure::Final(error)
    }
}

impl Exchange<'_> {
    /// From AuthenticationOk to ReadyForQuery.
    async fn settle(mut self, user: Bytes) -> Result<LoggedIn, Failure> {
        let mut key = None;
        loop {
            let message = self.read().await?;
            match message.kind() {
                b'S' | b'N' => self.reports.absorb(&message),
                b'K' => {
                    let mut body = message.body();
                    let process_id = take_u32(&mut body).map(u32::cast_signed);
                    key = process_id.map(|id| (id, Bytes::copy_from_slice(body)));
                }
                b'Z' if message.body() == b"I" => break,
                kind => return Err(self.unexpected_kind(kind, "the end of the login")),
            }
        }
        // a pooler may send no key: then there is nothing to cancel
        let (process_id, cancel_key) = key.unwrap_or_default();
        Ok(LoggedIn { user, minor: self.minor(), process_id, cancel_key, reports: self.reports })
    }
}
