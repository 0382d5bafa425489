//! A client that speaks protocol 3.0 message by message: what a driver hides is what is tested.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificates::Pair;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(15);

/// A backend message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub tag: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// The fields of an ErrorResponse or NoticeResponse.
    pub fn fields(&self) -> Fields {
        let mut fields = BTreeMap::new();
        for field in self.body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
            fields.insert(field[0] as char, String::from_utf8_lossy(&field[1..]).into_owned());
        }
        Fields(fields)
    }

    /// The columns of a DataRow as text.
    pub fn columns(&self) -> Vec<Option<String>> {
        let count = i16::from_be_bytes([self.body[0], self.body[1]]);
        let mut rest = &self.body[2..];
        let mut columns = Vec::new();
        for _ in 0..count {
            let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
            rest = &rest[4..];
            columns.push(usize::try_from(length).ok().map(|length| {
                let (value, after) = rest.split_at(length);
                rest = after;
                String::from_utf8_lossy(value).into_owned()
            }));
        }
        columns
    }

    /// The text of a CommandComplete, without its terminator.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.body.strip_suffix(&[0]).unwrap_or(&self.body)).into_owned()
    }
}

/// The fields of an error or notice by their letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(pub BTreeMap<char, String>);

impl Fields {
    /// A field's text; empty where it is absent.
    pub fn get(&self, letter: char) -> &str {
        self.0.get(&letter).map_or("", String::as_str)
    }
    pub fn code(&self) -> &str {
        self.get('C')
    }
    pub fn message(&self) -> &str {
        self.get('M')
    }
    pub fn detail(&self) -> &str {
        self.get('D')
    }
    pub fn hint(&self) -> &str {
        self.get('H')
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.get('S'), self.code(), self.message())?;
        for (label, letter) in [("DETAIL", 'D'), ("HINT", 'H'), ("POSITION", 'P')] {
            if let Some(text) = self.0.get(&letter) {
                write!(f, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

/// Why a connection could not be made, or ended.
#[derive(Debug)]
pub enum Failure {
    /// An ErrorResponse, FATAL at startup.
    Server(Fields),
    /// The connection broke.
    Io(io::Error),
}

impl Failure {
    /// The server's error; panics for anything else.
    pub fn fields(self) -> Fields {
        match self {
            Failure::Server(fields) => fields,
            Failure::Io(error) => panic!("the connection broke: {error}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Server(fields) => fields.fmt(f),
            Failure::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

/// Frontend messages in the order they are to be sent, with a label each for the transcript.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    pub bytes: Vec<u8>,
    pub labels: Vec<String>,
}

impl Frames {
    pub fn new() -> Frames {
        Frames::default()
    }

    /// Any message: its tag, its body.
    pub fn raw(mut self, tag: u8, body: &[u8]) -> Self {
        self.bytes.push(tag);
        self.bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        self.bytes.extend(body);
        self
    }

    fn labelled(mut self, label: String, tag: u8, body: &[u8]) -> Self {
        self.labels.push(label);
        self.raw(tag, body)
    }

    pub fn query(self, text: &str) -> Self {
        self.query_bytes(text.as_bytes())
    }

    /// A Query whose text need not be UTF-8.
    pub fn query_bytes(self, text: &[u8]) -> Self {
        let label = format!("Query {}", abbreviate(text));
        self.labelled(label, b'Q', &[text, b"\0"].concat())
    }

    pub fn parse(self, name: &str, text: &str, types: &[u32]) -> Self {
        let mut body = [name.as_bytes(), b"\0", text.as_bytes(), b"\0"].concat();
        body.extend(u16::try_from(types.len()).unwrap().to_be_bytes());
        types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
        let label = format!("Parse {name:?} {}", abbreviate(text.as_bytes()));
        self.labelled(label, b'P', &body)
    }

    /// A Bind with text parameters and text results.
    pub fn bind(self, portal: &str, statement: &str, values: &[Option<&str>]) -> Self {
        let values: Vec<Option<&[u8]>> = values.iter().map(|v| v.map(str::as_bytes)).collect();
        self.bind_formats(portal, statement, 0, &values, 0)
    }

    /// A Bind with one format for all parameters and one for all results (0 text, 1 binary).
    pub fn bind_formats(
        self,
        portal: &str,
        statement: &str,
        parameter_format: u16,
        values: &[Option<&[u8]>],
        result_format: u16,
    ) -> Self {
        let mut body = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"].concat();
        body.extend(1_u16.to_be_bytes());
        body.extend(parameter_format.to_be_bytes());
        body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            match value {
                None => body.extend((-1_i32).to_be_bytes()),
                Some(value) => {
                    body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                    body.extend(*value);
                }
            }
        }
        body.extend(1_u16.to_be_bytes());
        body.extend(result_format.to_be_bytes());
        self.labelled(format!("Bind {portal:?} {statement:?}"), b'B', &body)
    }

    pub fn describe_statement(self, name: &str) -> Self {
        let body = [b"S", name.as_bytes(), b"\0"].concat();
        self.labelled(format!("Describe S {name:?}"), b'D', &body)
    }

    pub fn describe_portal(self, name: &str) -> Self {
        let body = [b"P", name.as_bytes(), b"\0"].concat();
        self.labelled(format!("Describe P {name:?}"), b'D', &body)
    }

    /// An Execute; at most `rows` rows, 0 for all.
    pub fn execute(self, portal: &str, rows: u32) -> Self {
        let body = [portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat();
        self.labelled(format!("Execute {portal:?} {rows}"), b'E', &body)
    }

    /// Parse, Bind, Execute of the unnamed statement and portal, text formats.
    pub fn run(self, text: &str, values: &[Option<&str>]) -> Self {
        self.parse("", text, &[]).bind("", "", values).execute("", 0)
    }

    pub fn close_statement(self, name: &str) -> Self {
        let body = [b"S", name.as_bytes(), b"\0"].concat();
        self.labelled(format!("Close S {name:?}"), b'C', &body)
    }

    pub fn close_portal(self, name: &str) -> Self {
        let body = [b"P", name.as_bytes(), b"\0"].concat();
        self.labelled(format!("Close P {name:?}"), b'C', &body)
    }

    pub fn sync(self) -> Self {
        self.labelled("Sync".into(), b'S', b"")
    }

    pub fn flush(self) -> Self {
        self.labelled("Flush".into(), b'H', b"")
    }

    pub fn copy_data(self, data: &[u8]) -> Self {
        let label = format!("CopyData {}", abbreviate(data));
        self.labelled(label, b'd', data)
    }

    pub fn copy_done(self) -> Self {
        self.labelled("CopyDone".into(), b'c', b"")
    }

    pub fn copy_fail(self, reason: &str) -> Self {
        let body = [reason.as_bytes(), b"\0"].concat();
        self.labelled(format!("CopyFail {reason:?}"), b'f', &body)
    }

    /// A FunctionCall with text arguments and a text result.
    pub fn function_call(self, oid: u32, arguments: &[&str]) -> Self {
        let mut body = oid.to_be_bytes().to_vec();
        body.extend(0_u16.to_be_bytes());
        body.extend(u16::try_from(arguments.len()).unwrap().to_be_bytes());
        for argument in arguments {
            body.extend(u32::try_from(argument.len()).unwrap().to_be_bytes());
            body.extend(argument.as_bytes());
        }
        body.extend(0_u16.to_be_bytes());
        self.labelled(format!("FunctionCall {oid}"), b'F', &body)
    }

    pub fn terminate(self) -> Self {
        self.labelled("Terminate".into(), b'X', b"")
    }
}

fn abbreviate(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(160)]);
    if text.len() > 160 {
        format!("{shown:?}… ({} bytes)", text.len())
    } else {
        format!("{shown:?}")
    }
}

/// How a client logs in.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub database: String,
    pub password: Option<String>,
    /// Further startup parameters.
    pub parameters: Vec<(String, String)>,
    /// TLS: the authority's certificate in PEM, and the name to verify.
    pub tls: Option<(String, String)>,
    /// TLS: a client certificate and key in PEM.
    pub certificate: Option<(String, String)>,
    /// The protocol version: 3.0 unless said otherwise.
    pub protocol: (u16, u16),
}

impl Login {
    pub fn new(user: &str, database: &str) -> Login {
        Login {
            user: user.to_owned(),
            database: database.to_owned(),
            password: None,
            parameters: Vec::new(),
            tls: None,
            certificate: None,
            protocol: (3, 0),
        }
    }

    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// libpq's `options`.
    pub fn options(self, options: &str) -> Self {
        self.parameter("options", options)
    }

    /// TLS, the certificate verified against `authority` for `name`.
    pub fn tls(mut self, authority: &str, name: &str) -> Self {
        self.tls = Some((authority.to_owned(), name.to_owned()));
        self
    }

    pub fn client_certificate(mut self, pair: &Pair) -> Self {
        self.certificate = Some((pair.certificate.clone(), pair.key.clone()));
        self
    }

    fn startup(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.protocol.0.to_be_bytes());
        body.extend(self.protocol.1.to_be_bytes());
        let own = [("user", self.user.as_str()), ("database", self.database.as_str())];
        let further = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(further) {
            body.extend(name.as_bytes());
            body.push(0);
            body.extend(value.as_bytes());
            body.push(0);
        }
        body.push(0);
        [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
    }
}

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

#[derive(Clone, Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connection.
pub struct Wire {
    stream: Box<dyn Duplex>,
    address: Address,
    buffer: Vec<u8>,
    start: usize,
    /// What BackendKeyData said: process id and secret key.
    pub key: (u32, Vec<u8>),
    /// Every ParameterStatus so far, the last value of each.
    pub parameters: BTreeMap<String, String>,
    /// Every message from the startup packet to the first ReadyForQuery.
    pub startup: Vec<Message>,
    end_point: Option<Vec<u8>>,
}

impl Wire {
    /// Connects to a port of 127.0.0.1 and logs in.
    pub fn tcp(port: u16, login: &Login) -> Result<Wire, Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let Some((authority, name)) = &login.tls else {
            return Wire::start(Box::new(stream), Address::Tcp(address), None, login);
        };
        let (stream, end_point) = negotiate_tls(stream, authority, name, login)?;
        Wire::start(Box::new(stream), Address::Tcp(address), Some(end_point), login)
    }

    /// Connects to a Unix socket and logs in.
    pub fn unix(socket: &Path, login: &Login) -> Result<Wire, Failure> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Wire::start(Box::new(stream), Address::Unix(socket.to_owned()), None, login)
    }

    /// A connection over TLS whose login fails.
    pub fn refused(port: u16, login: &Login) -> Wire {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (authority, name) = login.tls.as_ref().unwrap();
        let (stream, end_point) = negotiate_tls(stream, authority, name, login).unwrap();
        let mut wire = Wire::over(Box::new(stream), Address::Tcp(address), Some(end_point));
        wire.send_bytes(&login.startup()).unwrap();
        wire.log_in(login).unwrap_err();
        wire
    }

    fn over(stream: Box<dyn Duplex>, address: Address, end_point: Option<Vec<u8>>) -> Wire {
        Wire {
            stream,
            address,
            buffer: Vec::new(),
            start: 0,
            key: (0, Vec::new()),
            parameters: BTreeMap::new(),
            startup: Vec::new(),
            end_point,
        }
    }

    /// How the connection ends: an error where TLS does not say so.
    pub fn end(&mut self) -> io::Result<()> {
        while self.stream.read(&mut [0; 1024])? > 0 {}
        Ok(())
    }

    fn start(
        stream: Box<dyn Duplex>,
        address: Address,
        end_point: Option<Vec<u8>>,
        login: &Login,
    ) -> Result<Wire, Failure> {
        let mut wire = Wire::over(stream, address, end_point);
        wire.stream.write_all(&login.startup())?;
        wire.stream.flush()?;
        wire.log_in(login)?;
        Ok(wire)
    }

    fn log_in(&mut self, login: &Login) -> Result<(), Failure> {
        let password = login.password.as_deref().unwrap_or_default();
        let mut scram: Option<ScramSha256> = None;
        loop {
            let message = self.receive()?;
            self.startup.push(message.clone());
            match message.tag {
                b'E' => return Err(Failure::Server(message.fields())),
                b'Z' => return Ok(()),
                b'R' => {}
                _ => continue,
            }
            let code = u32::from_be_bytes(message.body[..4].try_into().unwrap());
            let data = &message.body[4..];
            match code {
                0 => {}
                3 => self.answer(&[password.as_bytes(), b"\0"].concat())?,
                5 => {
                    let salt = data.try_into().unwrap();
                    let hash = md5_hash(login.user.as_bytes(), password.as_bytes(), salt);
                    self.answer(&[hash.as_bytes(), b"\0"].concat())?;
                }
                10 => {
                    let plus = data.windows(19).any(|part| part == b"SCRAM-SHA-256-PLUS\0");
                    let (name, binding) = match &self.end_point {
                        Some(end_point) if plus => (
                            "SCRAM-SHA-256-PLUS",
                            ChannelBinding::tls_server_end_point(end_point.clone()),
                        ),
                        Some(_) => ("SCRAM-SHA-256", ChannelBinding::unrequested()),
                        None => ("SCRAM-SHA-256", ChannelBinding::unsupported()),
                    };
                    let exchange = ScramSha256::new(password.as_bytes(), binding);
                    let first = exchange.message();
                    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
                    self.answer(&[name.as_bytes(), b"\0", &length, first].concat())?;
                    scram = Some(exchange);
                }
                11 => {
                    let exchange = scram.as_mut().expect("SASLContinue without an exchange");
                    exchange.update(data)?;
                    let response = exchange.message().to_vec();
                    self.answer(&response)?;
                }
                12 => scram.as_mut().expect("SASLFinal without an exchange").finish(data)?,
                other => panic!("authentication request {other}"),
            }
        }
    }

    fn answer(&mut self, body: &[u8]) -> io::Result<()> {
        self.send(&Frames::new().raw(b'p', body))
    }

    /// Sends frames with one write.
    pub fn send(&mut self, frames: &Frames) -> io::Result<()> {
        self.send_bytes(&frames.bytes)
    }

    /// Sends bytes that need not be whole messages.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// The next message; an error where the connection ends or nothing comes for long.
    pub fn receive(&mut self) -> io::Result<Message> {
        loop {
            let rest = &self.buffer[self.start..];
            if rest.len() >= 5 {
                let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize + 1;
                if rest.len() >= length {
                    let message = Message { tag: rest[0], body: rest[5..length].to_vec() };
                    self.start += length;
                    self.note(&message);
                    return Ok(message);
                }
                self.buffer.reserve(length);
            }
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let old = self.buffer.len();
            let room = (self.buffer.capacity() - old).clamp(16 << 10, 1 << 20);
            self.buffer.resize(old + room, 0);
            let read = self.stream.read(&mut self.buffer[old..]);
            self.buffer.truncate(old + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!("no answer within {PATIENCE:?}"),
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a message has come in part.
    pub fn is_within_message(&self) -> bool {
        self.buffer.len() > self.start
    }

    fn note(&mut self, message: &Message) {
        match message.tag {
            b'S' => {
                let text = message.text();
                if let Some((name, value)) = text.split_once('\0') {
                    self.parameters.insert(name.to_owned(), value.to_owned());
                }
            }
            b'K' => {
                let id = u32::from_be_bytes(message.body[..4].try_into().unwrap());
                self.key = (id, message.body[4..].to_vec());
            }
            _ => {}
        }
    }

    /// Messages up to and with the next one of this tag.
    pub fn receive_until(&mut self, tag: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let message = self.receive().unwrap_or_else(|error| {
                panic!("{error} while waiting for {:?} after {messages:?}", tag as char)
            });
            let last = message.tag == tag;
            messages.push(message);
            if last {
                return messages;
            }
        }
    }

    /// Sends frames and gives the answers up to the first ReadyForQuery.
    pub fn exchange(&mut self, frames: &Frames) -> Vec<Message> {
        self.send(frames).unwrap();
        self.receive_until(b'Z')
    }

    /// Runs a simple query to its ReadyForQuery: the rows of its last statement, or its error.
    pub fn try_sql(&mut self, text: &str) -> Result<Vec<Vec<Option<String>>>, Fields> {
        let answers = self.exchange(&Frames::new().query(text));
        let mut rows = Vec::new();
        for message in answers {
            match message.tag {
                b'E' => return Err(message.fields()),
                b'T' => rows.clear(),
                b'D' => rows.push(message.columns()),
                _ => {}
            }
        }
        Ok(rows)
    }

    /// [`Wire::try_sql`] of what must succeed.
    pub fn sql(&mut self, text: &str) -> Vec<Vec<Option<String>>> {
        self.try_sql(text).unwrap_or_else(|fields| panic!("{text}\n{fields}"))
    }

    /// [`Wire::try_sql`] of what must fail.
    pub fn error(&mut self, text: &str) -> Fields {
        match self.try_sql(text) {
            Err(fields) => fields,
            Ok(rows) => panic!("{text}\nran: {rows:?}"),
        }
    }

    /// The first column of the first row.
    pub fn value(&mut self, query: &str) -> String {
        self.sql(query)[0][0].clone().unwrap_or_default()
    }

    /// The transaction status after an empty query: `I`, `T` or `E`.
    pub fn status(&mut self) -> char {
        self.exchange(&Frames::new().query("")).last().unwrap().body[0] as char
    }

    /// Sends a CancelRequest for this connection over one of its own.
    pub fn cancel(&self) -> io::Result<()> {
        self.cancel_with(self.key.0, &self.key.1)
    }

    /// Sends a CancelRequest with this key.
    pub fn cancel_with(&self, process: u32, secret: &[u8]) -> io::Result<()> {
        let request = cancel_request(process, secret);
        match &self.address {
            Address::Tcp(address) => deliver(TcpStream::connect(address)?, &request),
            Address::Unix(socket) => deliver(UnixStream::connect(socket)?, &request),
        }
    }
}

/// Sends a CancelRequest for a connection over TLS as this login has it; gives how that ends: an error
/// where the other side does not say so.
pub fn cancel_encrypted(wire: &Wire, login: &Login) -> Result<usize, Failure> {
    let Address::Tcp(address) = &wire.address else { panic!("not TCP") };
    let (authority, name) = login.tls.as_ref().unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut stream, _) = negotiate_tls(stream, authority, name, login)?;
    stream.write_all(&cancel_request(wire.key.0, &wire.key.1))?;
    stream.flush()?;
    Ok(stream.read(&mut [0; 1])?)
}

fn cancel_request(process: u32, secret: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + secret.len()).unwrap().to_be_bytes();
    let code = 80_877_102_u32.to_be_bytes();
    [&length[..], &code, &process.to_be_bytes(), secret].concat()
}

fn deliver(mut stream: impl Read + Write, request: &[u8]) -> io::Result<()> {
    stream.write_all(request)?;
    // the server closes the connection once it has acted
    let _ = stream.read(&mut [0; 1]);
    Ok(())
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// SSLRequest and handshake; gives the stream and the leaf's hash for channel binding.
fn negotiate_tls(
    mut stream: TcpStream,
    authority: &str,
    name: &str,
    login: &Login,
) -> Result<(TlsStream, Vec<u8>), Failure> {
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer != *b"S" {
        return Err(io::Error::other("the server offers no TLS").into());
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match &login.certificate {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let leaf = &connection.peer_certificates().unwrap()[0];
    let end_point = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf).as_ref().to_vec();
    Ok((StreamOwned::new(connection, stream), end_point))
}
