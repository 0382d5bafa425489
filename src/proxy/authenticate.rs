//! Who a client is: SCRAM against stored verifiers, TLS certificates, or trust.
//!
//! Unknown users, unknown entries, users who may not open an entry and wrong passwords get the
//! same exchange, of the same length in messages and time, and the same answer.

use std::collections::BTreeMap;
use std::io;

use bytes::{Buf, Bytes, BytesMut};

use super::client::{Client, MAX_SASL_LENGTH, ReceiveError};
use crate::config::{ClientAuth, Config, Entry};
use crate::net::scram::{
    Keys, Mechanism, MockSecret, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, Verifier,
    respond_to_client_first,
};
use crate::net::{random_bytes, scram_nonce, tls};
use crate::protocol::ErrorResponse;
use crate::protocol::message::{auth, authentication, authentication_sasl};

/// What verifies the users of a configuration. Made once a configuration: plain passwords cost
/// a few milliseconds each.
#[derive(Debug)]
pub struct Secrets {
    verifiers: BTreeMap<String, Verifier>,
    mock: MockSecret,
    /// `tls-server-end-point` data of the server's certificate; `None`: -PLUS is not offered.
    end_point: Option<Vec<u8>>,
}

impl Secrets {
    /// Those of a first configuration.
    pub fn new(config: &Config) -> io::Result<Secrets> {
        Ok(Secrets::with(config, &MockSecret::new(random_bytes()?)))
    }

    /// Those of a configuration that follows another one in the same process: users who do not
    /// exist keep looking as they did.
    pub fn reloaded(&self, config: &Config) -> Secrets {
        Secrets::with(config, &self.mock)
    }

    fn with(config: &Config, mock: &MockSecret) -> Secrets {
        let verifiers: BTreeMap<String, Verifier> = config
            .users
            .iter()
            .filter_map(|(name, user)| {
                let secret = user.password.as_ref()?;
                Some((name.clone(), mock.real(name, &secret.0)))
            })
            .collect();
        let mock = mock.shaped_like(verifiers.values());
        let leaf = config.server.tls.leaf.as_ref();
        let end_point = leaf.and_then(|leaf| tls::tls_server_end_point(leaf));
        Secrets { verifiers, mock, end_point }
    }

    /// The verifier to play against a user, who may be nobody, or nobody here.
    fn verifier(&self, user: &str, admitted: bool) -> Verifier {
        let mock = self.mock.verifier(user);
        match self.verifiers.get(user) {
            Some(verifier) if admitted => verifier.clone(),
            Some(verifier) => verifier.clone().doomed(),
            None => mock,
        }
    }
}

/// A client that is who it says.
#[derive(Debug)]
pub struct Authenticated {
    /// The user.
    pub user: String,
    /// What logs in as the user where the same verifier is held; with SCRAM only.
    pub keys: Option<Keys>,
    /// The common name of the certificate that proved it; with certificates only.
    pub certificate: Option<String>,
}

impl Authenticated {
    /// Whether what was proven lets the client into an entry as it is declared now: the proxy logs
    /// in anew for a session that is under way.
    pub(super) fn still_opens(&self, entry: &Entry, config: &Config, secrets: &Secrets) -> bool {
        let listed = entry.users.as_ref().is_some_and(|users| users.contains(&self.user));
        let proven = match (entry.auth, &self.keys, &self.certificate) {
            (ClientAuth::Trust, ..) => true,
            (ClientAuth::ScramSha256, Some(keys), _) => {
                secrets.verifiers.get(&self.user).is_some_and(|verifier| verifier.fits(keys))
            }
            (ClientAuth::Cert, _, Some(name)) => names(config, &self.user, name),
            _ => false,
        };
        listed && proven
    }
}

/// A client that is not let in.
#[derive(Debug)]
pub struct Refused {
    /// What the client is to be told, once the refusal is on record; `None`: it has left.
    pub response: Option<Box<ErrorResponse>>,
    /// What happened, for the operator's log: says what the client must not learn.
    pub reason: String,
}

impl Refused {
    fn new(response: ErrorResponse, reason: impl Into<String>) -> Self {
        Refused { response: Some(Box::new(response)), reason: reason.into() }
    }
}

impl From<ReceiveError> for Refused {
    fn from(error: ReceiveError) -> Self {
        Refused { response: error.response().map(Box::new), reason: error.to_string() }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused { response: None, reason: format!("the connection broke: {error}") }
    }
}

/// Finds out who a client is, as its entry says; `None`: there is no such entry.
///
/// With SCRAM the exchange is complete, AuthenticationSASLFinal included. AuthenticationOk is
/// left to the caller, who sends it once the upstream is there, and so is a refusal's response.
/// Relayed authentication is not done here; an entry that relays is refused.
pub async fn authenticate(
    client: &mut Client,
    entry: Option<&Entry>,
    config: &Config,
    secrets: &Secrets,
) -> Result<Authenticated, Refused> {
    let user = client.startup.user.clone();
    let Some(entry) = entry else {
        let reason = format!("no entry \"{}\"", client.startup.database);
        return scram(client, secrets, &user, Err(reason)).await;
    };
    let admitted = match &entry.users {
        Some(users) if users.contains(&user) => Ok(()),
        _ => Err(format!("user \"{user}\" is not among the users of entry \"{}\"", entry.name)),
    };
    match entry.auth {
        ClientAuth::ScramSha256 => scram(client, secrets, &user, admitted).await,
        ClientAuth::Cert => by_certificate(client, config, user, admitted),
        ClientAuth::Trust => by_trust(client, user, admitted),
        ClientAuth::Relay => Err(Refused::new(
            ErrorResponse::fatal("XX000", "authentication is relayed for this database"),
            "asked to authenticate a relayed client",
        )),
    }
}

fn by_trust(
    client: &Client,
    user: String,
    admitted: Result<(), String>,
) -> Result<Authenticated, Refused> {
    // the configuration sees to this as well
    let local = match client.peer.is_local() {
        true => Ok(()),
        false => Err(format!("trust does not extend to {}", client.peer)),
    };
    match admitted.and(local) {
        Ok(()) => Ok(Authenticated { user, keys: None, certificate: None }),
        Err(reason) => {
            let message = format!("\"trust\" authentication failed for user \"{user}\"");
            Err(Refused::new(ErrorResponse::fatal("28000", message), reason))
        }
    }
}

fn by_certificate(
    client: &Client,
    config: &Config,
    user: String,
    admitted: Result<(), String>,
) -> Result<Authenticated, Refused> {
    let name = match &client.tls {
        None => Err("no TLS".to_owned()),
        Some(tls) if !tls.certificate => Err("no client certificate".to_owned()),
        Some(tls) => tls.common_name.as_deref().ok_or("no single common name".to_owned()),
    };
    let fits = name.and_then(|name| match names(config, &user, name) {
        true => Ok(name),
        false => Err(format!("the certificate of \"{name}\" is not one of user \"{user}\"")),
    });
    match admitted.and(fits) {
        Ok(name) => {
            let certificate = Some(name.to_owned());
            Ok(Authenticated { user, keys: None, certificate })
        }
        Err(reason) => {
            let message = format!("certificate authentication failed for user \"{user}\"");
            Err(Refused::new(ErrorResponse::fatal("28000", message), reason))
        }
    }
}

/// Whether a certificate of this common name is the user's.
fn names(config: &Config, user: &str, name: &str) -> bool {
    let mapped = config.users.get(user).map(|secret| &secret.certificate_names);
    match mapped.filter(|names| !names.is_empty()) {
        Some(names) => names.contains(name),
        None => name == user,
    }
}

/// Plays SCRAM; with a reason against the user it is played to its end all the same.
async fn scram(
    client: &mut Client,
    secrets: &Secrets,
    user: &str,
    admitted: Result<(), String>,
) -> Result<Authenticated, Refused> {
    let verifier = secrets.verifier(user, admitted.is_ok());
    let known = secrets.verifiers.contains_key(user);
    let end_point = secrets.end_point.as_deref().filter(|_| client.tls.is_some());
    let failed = |error: ScramError| match error.response() {
        Some(response) => Refused::new(response, error.to_string()),
        None => Refused::new(
            ErrorResponse::fatal(
                "28P01",
                format!("password authentication failed for user \"{user}\""),
            ),
            match (&admitted, known) {
                (Err(reason), _) => reason.clone(),
                (Ok(()), false) => format!("user \"{user}\" has no password"),
                (Ok(()), true) => "wrong password".to_owned(),
            },
        ),
    };

    let mut out = BytesMut::new();
    match end_point {
        Some(_) => authentication_sasl(&mut out, &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256]),
        None => authentication_sasl(&mut out, &[SCRAM_SHA_256]),
    }
    client.send(&out).await?;
    let initial = client.receive_password(MAX_SASL_LENGTH).await?;
    let (mechanism, client_first) = initial_response(initial)?;
    if mechanism == Mechanism::Plus && end_point.is_none() {
        return Err(invalid_mechanism());
    }
    let client_first = match client_first {
        Some(message) => message,
        // the client wants to be asked for its first message
        None => {
            exchange(client, auth::SASL_CONT, b"").await?;
            client.receive_password(MAX_SASL_LENGTH).await?
        }
    };
    let nonce = scram_nonce()?;
    let (server_first, waiting) =
        respond_to_client_first(mechanism, end_point, verifier, &client_first, &nonce)
            .map_err(&failed)?;
    exchange(client, auth::SASL_CONT, server_first.as_bytes()).await?;
    let client_final = client.receive_password(MAX_SASL_LENGTH).await?;
    let (server_final, keys) = waiting.finish(&client_final).map_err(&failed)?;
    exchange(client, auth::SASL_FIN, server_final.as_bytes()).await?;
    Ok(Authenticated { user: user.to_owned(), keys: Some(keys), certificate: None })
}

async fn exchange(client: &mut Client, code: u32, data: &[u8]) -> io::Result<()> {
    let mut out = BytesMut::new();
    authentication(&mut out, code, data);
    client.send(&out).await
}

fn invalid_mechanism() -> Refused {
    let message = "client selected an invalid SASL authentication mechanism";
    Refused::new(ErrorResponse::fatal("08P01", message), message)
}

/// Reads a SASLInitialResponse: the mechanism, and its first message unless that is left out.
fn initial_response(mut body: Bytes) -> Result<(Mechanism, Option<Bytes>), Refused> {
    let malformed = || {
        let message = "invalid message format";
        Refused::new(ErrorResponse::fatal("08P01", message), "malformed SASLInitialResponse")
    };
    let end = memchr::memchr(0, &body).ok_or_else(malformed)?;
    let name = body.split_to(end);
    body.advance(1);
    let mechanism = Mechanism::from_name(&name).ok_or_else(invalid_mechanism)?;
    match body.try_get_i32().map_err(|_| malformed())? {
        -1 if body.is_empty() => Ok((mechanism, None)),
        length if usize::try_from(length) == Ok(body.len()) => Ok((mechanism, Some(body))),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_responses_are_read() {
        let read = |body: &'static [u8]| {
            initial_response(Bytes::from_static(body)).map_err(|refused| refused.reason)
        };
        let first = Bytes::from_static(b"n,,");
        assert_eq!(
            read(b"SCRAM-SHA-256\0\0\0\0\x03n,,"),
            Ok((Mechanism::Plain, Some(first.clone())))
        );
        assert_eq!(read(b"SCRAM-SHA-256-PLUS\0\0\0\0\x03n,,"), Ok((Mechanism::Plus, Some(first))));
        assert_eq!(read(b"SCRAM-SHA-256\0\xff\xff\xff\xff"), Ok((Mechanism::Plain, None)));
        for malformed in [
            &b""[..],
            b"SCRAM-SHA-256",
            b"SCRAM-SHA-256\0",
            b"SCRAM-SHA-256\0\0\0\0\x04n,,",
            b"SCRAM-SHA-256\0\0\0\0\x02n,,",
            b"SCRAM-SHA-256\0\xff\xff\xff\xffx",
            b"SCRAM-SHA-256\0\x80\0\0\0",
        ] {
            assert_eq!(read(malformed), Err("malformed SASLInitialResponse".to_owned()));
        }
        let invalid = "client selected an invalid SASL authentication mechanism";
        assert_eq!(read(b"PLAIN\0\0\0\0\0"), Err(invalid.to_owned()));
    }
}
