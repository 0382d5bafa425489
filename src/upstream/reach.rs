//! For commands that are themselves clients of a pgauthority: a stream on which nothing was said
//! yet, and a look at what the other side announces.

use super::backoff::Backoff;
use super::connect::dial;
use super::connection::Announced;
use super::error::{ConnectError, Failure};
use super::login::Login;
use super::open::{Purpose, Request, establish};
use super::relay::NoClient;
use super::tls::Encryption;
use super::wire::after;
use crate::config::Upstream;
use crate::net::Stream;
use crate::protocol::message;

/// A stream to the upstream, secured as its `sslmode` says, for whoever speaks the protocol on it.
/// Retries what may pass until `connect_timeout`.
///
/// `sslmode=allow` gets no TLS: that a server insists on it only shows when a startup packet is
/// refused, and there is none yet.
///
/// Cancel safety: dropping the future closes whatever was opened.
///
/// # Errors
/// No connection, or not as `sslmode` wants it.
pub async fn reach(upstream: &Upstream) -> Result<Stream, ConnectError> {
    let deadline = after(upstream.endpoint.connect_timeout);
    let mut backoff = Backoff::until(deadline);
    let mut encryption = Encryption::first(&upstream.endpoint);
    loop {
        match dial(upstream, encryption, deadline).await {
            Ok((secured, _)) => return Ok(secured.stream),
            Err(Failure::Transient(error)) => backoff.wait(error).await?,
            Err(Failure::Adapt(_, error)) if encryption == Encryption::Plain => return Err(error),
            Err(Failure::Adapt(..)) => encryption = Encryption::Plain,
            Err(Failure::Final(error)) => return Err(error),
        }
    }
}

/// Logs in with the URL's own credentials and these startup parameters, and leaves again without
/// a statement; gives the tags that another pgauthority announced.
///
/// # Errors
/// As [`open`](super::open).
pub async fn announcement(
    upstream: &Upstream,
    request: &Request<'_>,
) -> Result<Option<Announced>, ConnectError> {
    let mut login = Login::<NoClient>::Own;
    let mut made = establish(upstream, request, &mut login, Purpose::Look).await?;
    // politeness: the server's log shows no broken connection
    let _ = made.wire.write(message::TERMINATE).await;
    Ok(made.logged_in.reports.announced())
}
