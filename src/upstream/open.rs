//! The way in: attempts, adaptations and pauses until there is a connection or a reason.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::connect::{ServerAddress, dial};
use super::connection::Connection;
use super::declare::{self, Wanted, declare};
use super::error::{Adaptation, ConnectError, Failure};
use super::login::{LoggedIn, Login, log_in};
use super::relay::RelayClient;
use super::startup::Ours;
use super::tls::{Encryption, Leg};
use super::wire::{Patience, Wire, after};
use crate::config::Upstream;
use crate::contract::Role;
use crate::protocol::Startup;

/// What a session asks of an upstream.
#[derive(Clone)]
pub struct Request<'a> {
    /// The database: the endpoint's, or for a wildcard entry the one asked for.
    pub database: &'a [u8],
    /// The client's plain startup parameters, in order. `user`, `database`, `options`, protocol
    /// options (`_pq_.`) and the tags are left out whether they are in it or not.
    pub parameters: Vec<(&'a [u8], &'a [u8])>,
    /// The client's `options`, as it sent them.
    pub options: Option<&'a [u8]>,
    /// The minor version of protocol 3 that the client speaks: 0 or 2.
    pub protocol_minor: u16,
    /// The connection must be read-only by default. True anyway for role `replica`.
    pub guarded: bool,
    /// The task that the session begins under, be it the client's or its entry's: set as the tags
    /// are.
    pub task: Option<&'a str>,
    /// What its client has been told of parameters that it reads and writes values by: they are to
    /// be so here from the start, as `options`, so that RESET leaves them.
    pub reported: &'a [(Bytes, Bytes)],
}

impl<'a> Request<'a> {
    /// Nothing but a database.
    pub fn new(database: &'a [u8]) -> Request<'a> {
        Request {
            database,
            parameters: Vec::new(),
            options: None,
            protocol_minor: 0,
            guarded: false,
            task: None,
            reported: &[],
        }
    }

    /// What a client's startup packet asks for, but for `options`, which the caller gives as
    /// policy left them (see [`Startup::options`]).
    pub fn from_startup(startup: &'a Startup, database: &'a [u8]) -> Request<'a> {
        let parameters = startup.parameters.iter();
        Request {
            database,
            parameters: parameters.map(|(name, value)| (&name[..], &value[..])).collect(),
            options: None,
            protocol_minor: startup.protocol_in_use().1,
            guarded: false,
            task: None,
            reported: &[],
        }
    }

    /// Whether it asks for physical replication, where no SQL runs.
    fn is_physical_replication(&self) -> bool {
        let replication = self.parameters.iter().rev().find(|(name, _)| *name == b"replication");
        replication.is_some_and(|(_, value)| {
            let no: [&[u8]; 5] = [b"database", b"false", b"off", b"no", b"0"];
            !no.iter().any(|word| value.eq_ignore_ascii_case(word))
        })
    }
}

/// Startup parameters can hold what a user would not want in a log.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("database", &String::from_utf8_lossy(self.database))
            .field("protocol_minor", &self.protocol_minor)
            .field("guarded", &self.guarded)
            .finish_non_exhaustive()
    }
}

/// Opens a connection: reached, secured, logged in, tagged and guarded, at ReadyForQuery `I`.
///
/// Retries what may pass (connection refused or reset, 57P03, a name server out of order) with
/// growing pauses until `connect_timeout`; never once a client took part in the login, nor once
/// a statement was sent. Other failures return at once.
///
/// Cancel safety: dropping the future closes whatever was opened.
///
/// # Errors
/// A [`ConnectError`], which may be shown to a client.
pub async fn open<C: RelayClient>(
    upstream: &Arc<Upstream>,
    request: &Request<'_>,
    mut login: Login<'_, C>,
) -> Result<Connection, ConnectError> {
    let mut request = request.clone();
    request.guarded |= upstream.declaration.role == Role::Replica;
    if request.guarded {
        declare::refuse_guard_on_pooler(upstream)?;
    }
    let made = establish(upstream, &request, &mut login, Purpose::Session).await?;
    let Established { mut wire, leg, peer, sent, logged_in } = made;
    let LoggedIn { user, minor, process_id, cancel_key, mut reports } = logged_in;
    let wanted = Wanted {
        sent,
        guarded: request.guarded,
        shows_only: request.is_physical_replication(),
        task: request.task,
    };
    let declared = declare(&mut wire, &mut reports, upstream, wanted).await?;
    for observation in &declared.observations {
        tracing::warn!(upstream = %upstream.name, "{observation}");
    }
    let (stream, buffered) = wire.into_parts();
    Ok(Connection {
        stream,
        buffered,
        process_id,
        cancel_key,
        parameters: reports.parameters,
        notices: reports.notices,
        protocol_minor: minor,
        upstream: Arc::clone(upstream),
        peer,
        encrypted: leg.is_tls(),
        user,
        relayed: matches!(login, Login::Relay { .. }),
        tags: declared.tags,
        guard: declared.guard,
        search_path: declared.search_path,
        serializable: declared.serializable,
        current_user: declared.current_user,
        pooler: declare::is_pooler(upstream),
        announced: declared.announced,
        signable: declared.signable,
        observations: declared.observations,
    })
}

/// What a connection is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client's session.
    Session,
    /// A look at it, without tags.
    Look,
}

/// A logged-in stream, not yet declared.
pub(super) struct Established {
    pub(super) wire: Wire,
    pub(super) leg: Leg,
    pub(super) peer: ServerAddress,
    pub(super) sent: Ours,
    pub(super) logged_in: LoggedIn,
}

/// What one attempt asks for.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    encryption: Encryption,
    pub(super) minor: u16,
    pub(super) ours: Ours,
    pub(super) own_credentials: bool,
    taken: Vec<Adaptation>,
}

impl Plan {
    fn first(upstream: &Upstream, request: &Request<'_>, purpose: Purpose) -> Plan {
        let session = purpose == Purpose::Session;
        Plan {
            encryption: Encryption::first(&upstream.endpoint),
            minor: request.protocol_minor.min(2),
            // another pgauthority refuses tags that are not its own
            ours: Ours { tags: session && !upstream.chain, guard: session && request.guarded },
            own_credentials: false,
            taken: Vec::new(),
        }
    }

    /// Whether anything of ours is in `options`.
    pub(super) fn sends_options(&self) -> bool {
        self.ours.tags || self.ours.guard
    }

    /// Changes what is asked for; false where that was tried before.
    fn adapt(&mut self, adaptation: Adaptation) -> bool {
        if self.taken.contains(&adaptation) {
            return false;
        }
        self.taken.push(adaptation);
        match adaptation {
            Adaptation::Encrypt => self.encryption = Encryption::Tls,
            Adaptation::Unencrypted => self.encryption = Encryption::Plain,
            Adaptation::OlderProtocol => self.minor = 0,
            Adaptation::WithoutOptions => self.ours = Ours { tags: false, guard: false },
            Adaptation::OwnCredentials => self.own_credentials = true,
        }
        true
    }
}

/// Attempts until one succeeds, or none can any more.
pub(super) async fn establish<C: RelayClient>(
    upstream: &Upstream,
    request: &Request<'_>,
    login: &mut Login<'_, C>,
    purpose: Purpose,
) -> Result<Established, ConnectError> {
    let deadline = after(upstream.endpoint.connect_timeout);
    let mut plan = Plan::first(upstream, request, purpose);
    let mut backoff = Backoff::until(deadline);
    loop {
        match attempt(upstream, request, login, &plan, deadline).await {
            Ok(made) => return Ok(made),
            Err(Failure::Transient(error)) => backoff.wait(error).await?,
            Err(Failure::Adapt(adaptation, error)) => {
                tracing::debug!(?adaptation, %error, "asking the upstream differently");
                if !plan.adapt(adaptation) {
                    return Err(error);
                }
            }
            Err(Failure::Final(error)) => return Err(error),
        }
    }
}

async fn attempt<C: RelayClient>(
    upstream: &Upstream,
    request: &Request<'_>,
    login: &mut Login<'_, C>,
    plan: &Plan,
    deadline: Instant,
) -> Result<Established, Failure> {
    let (secured, peer) = dial(upstream, plan.encryption, deadline).await?;
    let mut wire = Wire::new(secured.stream, Patience::Until(deadline));
    let leg = secured.leg;
    let logged_in = log_in(&mut wire, &leg, plan, upstream, request, login).await?;
    Ok(Established { wire, leg, peer, sent: plan.ours, logged_in })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Endpoint, SslMode};
    use crate::contract::{Authority, Declaration, Environment};
    use std::time::Duration;

    /// An upstream declared neon, prod, prod-like at a port where nobody listens.
    pub(in crate::upstream) fn upstream(name: &str) -> Upstream {
        Upstream {
            name: name.to_owned(),
            declaration: Declaration {
                authority: Authority::Neon,
                role: Role::Prod,
                environment: Environment::ProdLike,
            },
            endpoint: Endpoint {
                host: "127.0.0.1".to_owned(),
                hostaddr: None,
                port: 1,
                dbname: "nova".to_owned(),
                user: Some("app".to_owned()),
                password: None,
                sslmode: SslMode::Disable,
                tls: None,
                direct_tls: false,
                require_channel_binding: false,
                disable_channel_binding: false,
                connect_timeout: Duration::from_millis(400),
                options: None,
                application_name: None,
            },
            chain: false,
            trusted_routines: Vec::new(),
            require_seal: false,
            backstop: None,
        }
    }

    #[test]
    fn an_adaptation_is_taken_once() {
        let mut plan = Plan::first(&upstream("x"), &Request::new(b"d"), Purpose::Session);
        assert!(plan.sends_options());
        assert!(plan.adapt(Adaptation::WithoutOptions));
        assert!(!plan.sends_options());
        assert!(!plan.adapt(Adaptation::WithoutOptions));
    }

    #[test]
    fn physical_replication_is_told_from_logical() {
        let asks = |value: &'static [u8]| {
            let mut request = Request::new(b"d");
            request.parameters = vec![(b"replication", value)];
            request.is_physical_replication()
        };
        assert!(asks(b"true") && asks(b"1") && asks(b"on"));
        assert!(!asks(b"database") && !asks(b"off"));
    }
}
