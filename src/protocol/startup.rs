//! The packets a client may begin with: startup packet, CancelRequest, SSLRequest, GSSENCRequest.
//!
//! Read as PostgreSQL's `ProcessStartupPacket` reads them. Manual, section "Message Formats".

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use thiserror::Error;

use super::error_response::ErrorResponse;
use super::message::protocol_version;
use super::options::{self, NameNotWritable, OptionsError};

/// PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`: bytes of a packet without its length word.
pub const MAX_STARTUP_PACKET_LENGTH: usize = 10_000;
/// Longest cancel key (manual, BackendKeyData).
pub const MAX_CANCEL_KEY_LENGTH: usize = 256;
/// The code in place of a version that makes a packet a CancelRequest.
pub const CANCEL_REQUEST_CODE: u32 = protocol_version(1234, 5678);
/// The code of an SSLRequest.
pub const NEGOTIATE_SSL_CODE: u32 = protocol_version(1234, 5679);
/// The code of a GSSENCRequest.
pub const NEGOTIATE_GSS_CODE: u32 = protocol_version(1234, 5680);
/// The newest minor version of protocol 3 that is spoken.
pub const LATEST_MINOR: u16 = 2;

/// A packet before authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitialPacket {
    /// A session is asked for.
    Startup(Box<Startup>),
    /// A running query is to be cancelled.
    Cancel {
        /// As BackendKeyData gave it.
        process_id: i32,
        /// As BackendKeyData gave it; 1 to [`MAX_CANCEL_KEY_LENGTH`] bytes.
        key: Bytes,
    },
    /// TLS is asked for.
    SslRequest,
    /// GSSAPI encryption is asked for.
    GssEncRequest,
}

/// `replication`, where it asks for a walsender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// A true boolean: physical replication, without a database.
    Physical,
    /// `database`: logical replication.
    Database,
}

/// Where a setting was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// In `options`.
    Options,
    /// A startup parameter of its own.
    Parameter,
}

/// A setting that a startup packet makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The parameter's name as sent; in `options`, dashes have become underscores. PostgreSQL
    /// compares names without regard to ASCII case: so does [`Setting::is`].
    pub name: String,
    /// The value as sent.
    pub value: Bytes,
    /// Where it was written.
    pub origin: SettingOrigin,
}

impl Setting {
    /// Whether this is the parameter `name`, as PostgreSQL compares names.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value as text; bytes that are not UTF-8 replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}

/// A startup packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// The protocol asked for, major (always 3) and minor.
    pub protocol: (u16, u16),
    /// `user`; never empty.
    pub user: String,
    /// `database`; the user's name where none was given.
    pub database: String,
    /// `replication`, where it is not false.
    pub replication: Option<Replication>,
    /// The settings in the order PostgreSQL applies them, duplicates kept: those of `options`
    /// first, startup parameters behind them. The last of a name is the one in force.
    pub settings: Vec<Setting>,
    /// The parameters as sent, in order, duplicates kept.
    pub parameters: Vec<(Bytes, Bytes)>,
    /// Names of `_pq_.` options, none of which are known.
    pub unrecognized: Vec<String>,
}

impl Startup {
    /// The protocol to speak: the one asked for, or the latest known.
    pub fn protocol_in_use(&self) -> (u16, u16) {
        (self.protocol.0, self.protocol.1.min(LATEST_MINOR))
    }

    /// Whether the client must be told with NegotiateProtocolVersion what was not understood.
    pub fn needs_negotiation(&self) -> bool {
        self.protocol.1 > LATEST_MINOR || !self.unrecognized.is_empty()
    }

    /// The setting in force for a parameter.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.is(name))
    }

    /// A value of `options` that makes the settings of the client's own `options` in order, but
    /// for those that `keep` drops, written in one spelling that reads the same everywhere.
    /// Append further ones with [`options::append`].
    pub fn options(&self, keep: impl Fn(&Setting) -> bool) -> Result<Vec<u8>, NameNotWritable> {
        let mut out = Vec::new();
        for setting in self.settings.iter().filter(|s| s.origin == SettingOrigin::Options) {
            if keep(setting) {
                options::append(&mut out, &setting.name, &setting.value)?;
            }
        }
        Ok(out)
    }

    fn parse(version: u32, body: Bytes) -> Result<Startup, StartupError> {
        let protocol = ((version >> 16) as u16, version as u16);
        if protocol.0 != 3 {
            return Err(StartupError::Protocol { major: protocol.0, minor: protocol.1 });
        }
        let mut gathered = Gathered::default();
        let parameters = parameters(body)?;
        for (name, value) in &parameters {
            gathered.add(name, value)?;
        }
        gathered.finish(protocol, parameters)
    }
}

/// Name and value pairs up to the terminator, which must be the packet's last byte.
fn parameters(mut rest: Bytes) -> Result<Vec<(Bytes, Bytes)>, StartupError> {
    let mut parameters = Vec::new();
    loop {
        let name = cstring(&mut rest).ok_or(StartupError::Layout)?;
        if name.is_empty() {
            return if rest.is_empty() { Ok(parameters) } else { Err(StartupError::Layout) };
        }
        let value = cstring(&mut rest).ok_or(StartupError::Layout)?;
        parameters.push((name, value));
    }
}

fn cstring(rest: &mut Bytes) -> Option<Bytes> {
    let end = memchr::memchr(0, rest)?;
    let text = rest.split_to(end);
    rest.advance(1);
    Some(text)
}

/// What the parameters say, as far as they have been looked at.
#[derive(Default)]
struct Gathered {
    user: Option<String>,
    database: Option<String>,
    options: Option<Bytes>,
    walsender: bool,
    database_walsender: bool,
    settings: Vec<Setting>,
    unrecognized: Vec<String>,
}

impl Gathered {
    fn add(&mut self, name: &Bytes, value: &Bytes) -> Result<(), StartupError> {
        match &name[..] {
            b"user" => self.user = Some(text(value)?),
            b"database" => self.database = Some(text(value)?),
            b"options" => self.options = Some(value.clone()),
            b"replication" if &value[..] == b"database" => {
                (self.walsender, self.database_walsender) = (true, true);
            }
            b"replication" => {
                self.walsender = parse_bool(value).ok_or_else(|| {
                    StartupError::Replication(String::from_utf8_lossy(value).into_owned())
                })?;
            }
            name if name.starts_with(b"_pq_.") => self.unrecognized.push(text(name)?),
            name => self.settings.push(Setting {
                name: text(name)?,
                value: value.clone(),
                origin: SettingOrigin::Parameter,
            }),
        }
        Ok(())
    }

    fn finish(
        self,
        protocol: (u16, u16),
        parameters: Vec<(Bytes, Bytes)>,
    ) -> Result<Startup, StartupError> {
        let given = |name: Option<String>| name.filter(|name| !name.is_empty());
        let user = given(self.user).ok_or(StartupError::NoUser)?;
        let database = given(self.database).unwrap_or_else(|| user.clone());
        let switches = options::parse(self.options.as_deref().unwrap_or_default())?;
        let mut settings: Vec<Setting> = switches
            .into_iter()
            .map(|(name, value)| Setting { name, value, origin: SettingOrigin::Options })
            .collect();
        settings.extend(self.settings);
        let replication = match (self.walsender, self.database_walsender) {
            (false, _) => None,
            (true, false) => Some(Replication::Physical),
            (true, true) => Some(Replication::Database),
        };
        let unrecognized = self.unrecognized;
        Ok(Startup { protocol, user, database, replication, settings, parameters, unrecognized })
    }
}

/// Names are matched against a configuration in UTF-8, and written to logs in it.
fn text(bytes: &[u8]) -> Result<String, StartupError> {
    let text = std::str::from_utf8(bytes).map_err(|_| StartupError::Encoding)?;
    Ok(text.to_owned())
}

/// PostgreSQL's `parse_bool`: `true`, `false`, `yes`, `no`, `on`, `off`, `1`, `0`, any case, and
/// prefixes of them that are unambiguous.
pub fn parse_bool(value: &[u8]) -> Option<bool> {
    let word = value.to_ascii_lowercase();
    let begins =
        |whole: &str, least: usize| word.len() >= least && whole.as_bytes().starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == b"1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == b"0" {
        Some(false)
    } else {
        None
    }
}

impl InitialPacket {
    /// The length of what follows a packet's length word.
    pub fn body_length(length_word: [u8; 4]) -> Result<usize, StartupError> {
        let length = i32::from_be_bytes(length_word);
        match usize::try_from(i64::from(length) - 4) {
            Ok(length) if (4..=MAX_STARTUP_PACKET_LENGTH).contains(&length) => Ok(length),
            _ => Err(StartupError::Length),
        }
    }

    /// Reads a packet without its length word.
    pub fn parse(mut packet: Bytes) -> Result<InitialPacket, StartupError> {
        if packet.len() > MAX_STARTUP_PACKET_LENGTH {
            return Err(StartupError::Length);
        }
        match packet.try_get_u32().map_err(|_| StartupError::Length)? {
            NEGOTIATE_SSL_CODE if packet.is_empty() => Ok(InitialPacket::SslRequest),
            NEGOTIATE_GSS_CODE if packet.is_empty() => Ok(InitialPacket::GssEncRequest),
            NEGOTIATE_SSL_CODE | NEGOTIATE_GSS_CODE => Err(StartupError::Length),
            CANCEL_REQUEST_CODE => {
                let process_id = packet.try_get_i32().map_err(|_| StartupError::CancelLength)?;
                match packet.len() {
                    1..=MAX_CANCEL_KEY_LENGTH => {
                        Ok(InitialPacket::Cancel { process_id, key: packet })
                    }
                    _ => Err(StartupError::CancelLength),
                }
            }
            version => Ok(InitialPacket::Startup(Box::new(Startup::parse(version, packet)?))),
        }
    }
}

/// Why a packet is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartupError {
    /// Under 8 bytes or over the limit. Not answered, as PostgreSQL does not.
    #[error("invalid length of startup packet")]
    Length,
    /// A CancelRequest with an impossible key. Not answered, as no CancelRequest is.
    #[error("invalid length of cancel request packet")]
    CancelLength,
    /// Not protocol 3.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")]
    Protocol {
        /// Asked for.
        major: u16,
        /// Asked for.
        minor: u16,
    },
    /// No terminator, or something behind it.
    #[error("invalid startup packet layout: expected terminator as last byte")]
    Layout,
    /// No `user`.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// `replication` is neither a boolean nor `database`.
    #[error("invalid value for parameter \"replication\": \"{0}\"")]
    Replication(String),
    /// A name that is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\" in the startup packet")]
    Encoding,
    /// `options` cannot be read.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

impl StartupError {
    /// What the client is told; `None`: nothing, the connection is closed.
    pub fn response(&self) -> Option<ErrorResponse> {
        let code = match self {
            StartupError::Length | StartupError::CancelLength => return None,
            StartupError::Protocol { .. } => "0A000",
            StartupError::Layout => "08P01",
            StartupError::NoUser => "28000",
            StartupError::Replication(_) => "22023",
            StartupError::Encoding | StartupError::Options(OptionsError::NameEncoding) => "22021",
            StartupError::Options(_) => "42601",
        };
        let response = ErrorResponse::fatal(code, self.to_string());
        Some(match self {
            StartupError::Replication(_) => {
                response.with_hint("Valid values are: \"false\", 0, \"true\", 1, \"database\".")
            }
            StartupError::Options(OptionsError::NameEncoding) => response,
            StartupError::Options(_) => {
                response.with_hint("settings in options are written \"-c name=value\"")
            }
            _ => response,
        })
    }

    /// Whether the client speaks a protocol before 3, and expects errors in its form.
    pub fn speaks_protocol_2(&self) -> bool {
        matches!(self, StartupError::Protocol { major: 0..=2, .. })
    }
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
