//! A login under way: its messages, and what a refusal means.

use std::io;

use bytes::Bytes;

use super::connect::{place, silent};
use super::connection::Reports;
use super::error::{Adaptation, ConnectError, ConnectErrorKind, ErrorFields, Failure};
use super::open::Plan;
use super::tls::{Leg, gone, handshake_words, is_broken, tls_fault};
use super::wire::{Message, Wire, take_string, take_u32};
use crate::config::{SslMode, Upstream};
use crate::protocol::message::auth;

/// An authentication request (PostgreSQL manual, "Message Formats").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    Ok,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<String>),
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
    /// One that is not supported, by name.
    Other(String),
}

impl Authentication {
    fn read(mut body: &[u8]) -> Option<Authentication> {
        Some(match take_u32(&mut body)? {
            auth::OK => Authentication::Ok,
            auth::KRB5 => Authentication::Other("Kerberos V5".to_owned()),
            auth::PASSWORD => Authentication::Cleartext,
            auth::MD5 => Authentication::Md5(body.try_into().ok()?),
            6 => Authentication::Other("SCM credentials".to_owned()),
            auth::GSS | auth::GSS_CONT => Authentication::Other("GSSAPI".to_owned()),
            auth::SSPI => Authentication::Other("SSPI".to_owned()),
            auth::SASL => {
                let mut mechanisms = Vec::new();
                loop {
                    match take_string(&mut body)? {
                        b"" => break,
                        name => mechanisms.push(String::from_utf8_lossy(name).into_owned()),
                    }
                }
                Authentication::Sasl(mechanisms)
            }
            auth::SASL_CONT => Authentication::SaslContinue(body.to_vec()),
            auth::SASL_FIN => Authentication::SaslFinal(body.to_vec()),
            code => Authentication::Other(format!("method {code}")),
        })
    }
}

/// A login under way: everything its steps need.
pub(super) struct Exchange<'a> {
    pub(super) wire: &'a mut Wire,
    pub(super) upstream: &'a Upstream,
    pub(super) leg: &'a Leg,
    plan: &'a Plan,
    /// Whose words the server's refusal is: the proxy's own login is no business of the client.
    own: bool,
    /// A request for authentication was answered: from here on nothing is asked differently.
    answered: bool,
    minor: u16,
    pub(super) reports: Reports,
}

impl<'a> Exchange<'a> {
    /// Before the first message. `own`: the login is the proxy's, not the client's.
    pub(super) fn new(
        wire: &'a mut Wire,
        leg: &'a Leg,
        plan: &'a Plan,
        upstream: &'a Upstream,
        own: bool,
    ) -> Exchange<'a> {
        let reports = Reports::default();
        Exchange { wire, upstream, leg, plan, own, answered: false, minor: plan.minor, reports }
    }

    /// The protocol version in use, as far as the server has said.
    pub(super) fn minor(&self) -> u16 {
        self.minor
    }

    /// Marks that the client or a secret of ours took part: no second attempt may follow.
    pub(super) fn commit(&mut self) {
        self.answered = true;
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.wire.write(bytes).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// The next authentication request; what may come in between is taken note of.
    pub(super) async fn authentication(&mut self) -> Result<Authentication, Failure> {
        loop {
            let message = self.read().await?;
            match message.kind() {
                b'R' => {
                    return Authentication::read(message.body())
                        .ok_or_else(|| self.unexpected("a malformed authentication request"));
                }
                b'v' => self.minor = self.negotiated(&message)?,
                b'N' => self.reports.absorb(&message),
                kind => return Err(self.unexpected_kind(kind, "an authentication request")),
            }
        }
    }

    /// The next message that is no error.
    pub(super) async fn read(&mut self) -> Result<Message, Failure> {
        match self.wire.read().await {
            Ok(message) if message.kind() == b'E' => Err(self.refused(message.frame().clone())),
            Ok(message) => Ok(message),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// NegotiateProtocolVersion: a version no newer than the one asked for.
    fn negotiated(&self, message: &Message) -> Result<u16, Failure> {
        let mut body = message.body();
        let version = take_u32(&mut body).unwrap_or_default();
        // PostgreSQL writes the whole version, the manual says the minor one alone
        let minor = (version & 0xffff) as u16;
        if !matches!(version >> 16, 0 | 3) || minor > self.plan.minor {
            return Err(self.unexpected("a protocol version that was not asked for"));
        }
        Ok(minor)
    }

    pub(super) fn error(&self, sqlstate: &str, what: &str) -> ConnectError {
        let message = format!("{} {what}", place(self.upstream));
        ConnectError::new(ConnectErrorKind::Authentication, sqlstate, message)
    }

    pub(super) fn unsupported(&self, name: &str) -> Failure {
        let what = format!("asks for authentication by {name}, which is not supported");
        let hint = "let it ask for scram-sha-256, md5, password or cert in pg_hba.conf";
        Failure::Final(self.error("28000", &what).with_hint(hint))
    }

    pub(super) fn unbound(&self) -> Failure {
        let what = "does not bind the login to the TLS channel, and channel_binding=require is set";
        let hint = "use scram-sha-256 over TLS at the server, or channel_binding=prefer";
        Failure::Final(self.error("28000", what).with_hint(hint))
    }

    pub(super) fn unexpected(&self, what: &str) -> Failure {
        let message = format!("{} sent {what}", place(self.upstream));
        Failure::Final(ConnectError::new(ConnectErrorKind::Protocol, "08P01", message))
    }

    pub(super) fn unexpected_kind(&self, kind: u8, expected: &str) -> Failure {
        self.unexpected(&format!("a message '{}' instead of {expected}", kind.escape_ascii()))
    }

    /// The connection broke, or nothing came.
    fn broken(&self, error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::TimedOut {
            return Failure::Final(silent(self.upstream));
        }
        let lost = |kind, what: &str| {
            let message = format!("{}: {what}", place(self.upstream));
            ConnectError::new(kind, "08006", message)
        };
        if let Some(fault) = tls_fault(error) {
            let (what, hint) = handshake_words(fault, &self.upstream.endpoint.host);
            let failed = lost(ConnectErrorKind::Tls, &what);
            return Failure::Final(match hint {
                Some(hint) => failed.with_hint(hint),
                None => failed,
            });
        }
        if error.kind() == io::ErrorKind::InvalidData {
            return Failure::Final(lost(ConnectErrorKind::Protocol, &gone(error)));
        }
        let failed = lost(ConnectErrorKind::Unreachable, &gone(error));
        if is_broken(error) && !self.answered {
            Failure::Transient(failed)
        } else {
            Failure::Final(failed)
        }
    }

    /// The server said no.
    fn refused(&self, frame: Bytes) -> Failure {
        let fields = ErrorFields::read(&frame);
        let starting = fields.sqlstate == "57P03";
        let error = if starting {
            let what = format!("is not accepting connections: {}", fields.message);
            ConnectError::new(
                ConnectErrorKind::NotReady,
                "57P03",
                format!("{} {what}", place(self.upstream)),
            )
        } else {
            self.words(&fields, frame)
        };
        if self.answered {
            return Failure::Final(error);
        }
        match self.adaptation(&fields) {
            Some(adaptation) => Failure::Adapt(adaptation, error),
            None if starting => Failure::Transient(error),
            None => Failure::Final(error),
        }
    }

    /// Whose words reach the client: the server's own, but for a login that is the proxy's.
    fn words(&self, fields: &ErrorFields, frame: Bytes) -> ConnectError {
        if fields.sqlstate == "55P02" && fields.message.contains("authority.") {
            return super::declare::another_pgauthority(self.upstream);
        }
        if !fields.sqlstate.starts_with("28") {
            return ConnectError::verbatim(ConnectErrorKind::Refused, frame);
        }
        if !self.own {
            return ConnectError::verbatim(ConnectErrorKind::Authentication, frame);
        }
        let what = format!("refused the proxy's own login: {}", fields.message);
        // a pgauthority says itself what to do
        let hint = fields.hint.as_deref().unwrap_or(
            "check the user and password in the upstream's url, and the server's pg_hba.conf",
        );
        self.error("08004", &what).with_hint(hint)
    }

    /// What else could be asked for, by the server's refusal.
    fn adaptation(&self, fields: &ErrorFields) -> Option<Adaptation> {
        let message = fields.message.to_ascii_lowercase();
        let sslmode = self.upstream.endpoint.sslmode;
        if self.plan.sends_options() && message.contains("unsupported startup parameter") {
            return Some(Adaptation::WithoutOptions);
        }
        if self.plan.minor > 0 && message.contains("unsupported") && message.contains("protocol") {
            return Some(Adaptation::OlderProtocol);
        }
        let passing = matches!(fields.sqlstate.get(..2), Some("53" | "57"));
        match self.leg {
            Leg::Plain if sslmode == SslMode::Allow && !passing => Some(Adaptation::Encrypt),
            Leg::Tls(_) if sslmode == SslMode::Prefer && fields.sqlstate == "28000" => {
                Some(Adaptation::Unencrypted)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_requests_are_read() {
        let read = |bytes: &[u8]| Authentication::read(bytes);
        assert_eq!(read(b"\0\0\0\0"), Some(Authentication::Ok));
        assert_eq!(read(b"\0\0\0\x05salt"), Some(Authentication::Md5(*b"salt")));
        assert_eq!(read(b"\0\0\0\x05sal"), None);
        assert_eq!(
            read(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
            Some(Authentication::Sasl(vec![
                "SCRAM-SHA-256-PLUS".to_owned(),
                "SCRAM-SHA-256".to_owned()
            ]))
        );
        assert_eq!(read(b"\0\0\0\x0aSCRAM"), None);
        assert_eq!(read(b"\0\0\0\x07"), Some(Authentication::Other("GSSAPI".to_owned())));
        assert_eq!(read(b"\0\0"), None);
    }
}
