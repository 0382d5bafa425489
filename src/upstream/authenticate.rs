//! Authentication with credentials that are known here.

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use zeroize::{Zeroize, Zeroizing};

use super::error::{Adaptation, ConnectError, ConnectErrorKind, Failure};
use super::exchange::{Authentication, Exchange};
use super::tls::Leg;
use crate::net::scram::{
    ChannelBinding, ClientFirst, Credential, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError,
};
use crate::net::scram_nonce;
use crate::protocol::message;

impl Exchange<'_> {
    pub(super) async fn authenticate(
        &mut self,
        first: Authentication,
        user: &[u8],
        credential: Option<Credential<'_>>,
    ) -> Result<(), Failure> {
        if let Authentication::Sasl(mechanisms) = first {
            let credential = credential.ok_or_else(|| self.no_password())?;
            return self.scram(&mechanisms, credential).await;
        }
        if self.upstream.endpoint.require_channel_binding {
            return Err(self.unbound());
        }
        match first {
            Authentication::Ok => Ok(()),
            Authentication::Cleartext => {
                self.refuse_plain_leg()?;
                let password = self.password(credential)?;
                self.send_password(password).await?;
                self.expect_ok().await
            }
            Authentication::Md5(salt) => {
                let answer = Zeroizing::new(md5_hash(user, self.password(credential)?, salt));
                self.send_password(answer.as_bytes()).await?;
                self.expect_ok().await
            }
            Authentication::Other(name) => Err(self.unsupported(&name)),
            Authentication::Sasl(_)
            | Authentication::SaslContinue(_)
            | Authentication::SaslFinal(_) => {
                Err(self.unexpected("a SASL message outside a SASL exchange"))
            }
        }
    }

    /// A SCRAM exchange: bound to the TLS channel wherever both sides can.
    pub(super) async fn scram(
        &mut self,
        mechanisms: &[String],
        credential: Credential<'_>,
    ) -> Result<(), Failure> {
        let binding = self.binding(mechanisms)?;
        self.commit();
        let nonce = scram_nonce().map_err(|error| self.scram_fault(&error.to_string()))?;
        let scram = ClientFirst::new(binding, nonce);
        let mut out = BytesMut::new();
        message::sasl_initial_response(&mut out, scram.mechanism(), scram.message().as_bytes());
        self.write(&out).await?;
        let Authentication::SaslContinue(server_first) = self.authentication().await? else {
            return Err(self.unexpected("something other than the next SCRAM message"));
        };
        let scram = match scram.respond(&server_first, credential) {
            Ok(scram) => scram,
            Err(ScramError::OtherVerifier) => return Err(self.other_verifier()),
            Err(fault) => return Err(self.scram_fault(&fault.to_string())),
        };
        out.clear();
        message::sasl_response(&mut out, scram.message().as_bytes());
        self.write(&out).await?;
        let Authentication::SaslFinal(server_final) = self.authentication().await? else {
            // AuthenticationOk here would be a server that never proved itself
            return Err(self.unexpected("something other than the last SCRAM message"));
        };
        scram.verify(&server_final).map_err(|fault| self.scram_fault(&fault.to_string()))?;
        self.expect_ok().await
    }

    /// The strongest mechanism, and the gs2 flag that tells the server the truth.
    fn binding(&self, offered: &[String]) -> Result<ChannelBinding, Failure> {
        let endpoint = &self.upstream.endpoint;
        let offers = |name: &str| offered.iter().any(|mechanism| mechanism == name);
        let usable = self.leg.binding().filter(|_| !endpoint.disable_channel_binding);
        match usable {
            Some(data) if offers(SCRAM_SHA_256_PLUS) => Ok(ChannelBinding::EndPoint(data.to_vec())),
            _ if endpoint.require_channel_binding => Err(self.unbound()),
            Some(_) if offers(SCRAM_SHA_256) => Ok(ChannelBinding::NotOffered),
            None if offers(SCRAM_SHA_256) => Ok(ChannelBinding::Unsupported),
            _ => Err(self.unsupported(&format!("SASL {}", offered.join(", ")))),
        }
    }

    /// Sends a zero-terminated PasswordMessage.
    pub(super) async fn send_password(&mut self, password: &[u8]) -> Result<(), Failure> {
        if password.contains(&0) {
            let message = "the password contains a zero byte";
            let kind = ConnectErrorKind::Authentication;
            return Err(Failure::Final(ConnectError::new(kind, "28P01", message)));
        }
        self.commit();
        let mut out = BytesMut::with_capacity(password.len() + 6);
        message::password(&mut out, password);
        let written = self.write(&out).await;
        out.as_mut().zeroize();
        written
    }

    pub(super) async fn expect_ok(&mut self) -> Result<(), Failure> {
        match self.authentication().await? {
            Authentication::Ok => Ok(()),
            Authentication::Other(name) => Err(self.unsupported(&name)),
            _ => Err(self.unexpected("a second request for authentication")),
        }
    }

    fn password<'s>(&self, credential: Option<Credential<'s>>) -> Result<&'s [u8], Failure> {
        match credential {
            Some(Credential::Password(password)) => Ok(password),
            Some(Credential::Keys(_)) => Err(self.other_verifier()),
            None => Err(self.no_password()),
        }
    }

    fn refuse_plain_leg(&self) -> Result<(), Failure> {
        if *self.leg != Leg::Plain {
            return Ok(());
        }
        let what = "asks for the password in clear text over a connection without TLS";
        let hint = "use sslmode=verify-full in the upstream's url, or scram-sha-256 at the server";
        Err(Failure::Final(self.error("28000", what).with_hint(hint)))
    }

    fn no_password(&self) -> Failure {
        let hint = "give one in the upstream's url, password_file, password_env or ~/.pgpass";
        Failure::Final(
            self.error("28P01", "asks for a password, and there is none").with_hint(hint),
        )
    }

    fn other_verifier(&self) -> Failure {
        let what = "has another SCRAM verifier for this user than the proxy";
        let hint = "copy the upstream's verifier (pg_authid.rolpassword) into [users], \
                    or give the upstream's url a user of its own";
        let error = self.error("28000", what).with_hint(hint);
        if self.upstream.endpoint.user.is_some() {
            Failure::Adapt(Adaptation::OwnCredentials, error)
        } else {
            Failure::Final(error)
        }
    }

    fn scram_fault(&self, what: &str) -> Failure {
        Failure::Final(self.error("08P01", &format!("failed at SCRAM: {what}")))
    }
}
