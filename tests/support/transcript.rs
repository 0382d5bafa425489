//! Scripts of frontend messages, and transcripts of what comes back: a message a line, with what
//! differs from run to run masked, so that a direct run and a proxied one can be compared.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::io;
use std::time::Duration;

use super::cluster::Cluster;
use super::wire::{Frames, Message, Wire};

/// One thing that happens in a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Messages sent with one write.
    Send(Frames),
    /// Receive up to and with the nth message of this tag.
    Until(u8, usize),
    /// Statements that the superuser runs on a connection of his own.
    Aside(&'static str),
    /// A CancelRequest once the server runs a statement for this session.
    Cancel,
    /// Receive until the connection ends.
    UntilClosed,
}

/// A script: a name and its steps.
#[derive(Clone, Debug)]
pub struct Script {
    pub name: &'static str,
    pub steps: Vec<Step>,
    /// Every statement in it may run on a prod entry without confirmation.
    pub ordinary: bool,
}

impl Script {
    pub fn new(name: &'static str) -> Script {
        Script { name, steps: Vec::new(), ordinary: true }
    }

    /// It has statements that a prod entry blocks: it is run through staging entries only.
    pub fn staging_only(mut self) -> Self {
        self.ordinary = false;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub fn send(self, frames: Frames) -> Self {
        self.step(Step::Send(frames))
    }

    pub fn until(self, tag: u8) -> Self {
        self.step(Step::Until(tag, 1))
    }

    /// Receive up to the nth ReadyForQuery.
    pub fn ready(self, count: usize) -> Self {
        self.step(Step::Until(b'Z', count))
    }

    /// A simple query and its answers.
    pub fn query(self, text: &str) -> Self {
        self.send(Frames::new().query(text)).ready(1)
    }

    pub fn aside(self, statements: &'static str) -> Self {
        self.step(Step::Aside(statements))
    }

    pub fn cancel(self) -> Self {
        self.step(Step::Cancel)
    }

    pub fn until_closed(self) -> Self {
        self.step(Step::UntilClosed)
    }

    /// Runs it on a connection; `database` of `cluster` is where asides run.
    pub fn run(&self, wire: &mut Wire, cluster: &Cluster, database: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            match step {
                Step::Send(frames) => {
                    lines.extend(frames.labels.iter().map(|label| format!("-> {label}")));
                    if let Err(error) = wire.send(frames) {
                        lines.push(format!("   cannot send: {}", error.kind()));
                    }
                }
                Step::Until(tag, count) => {
                    let mut left = *count;
                    while left > 0 {
                        let message = match wire.receive() {
                            Ok(message) => message,
                            Err(error) => {
                                lines.push(ending(&error));
                                return lines;
                            }
                        };
                        left -= usize::from(message.tag == *tag);
                        lines.extend(render(&message));
                    }
                }
                Step::UntilClosed => {
                    let error = loop {
                        match wire.receive() {
                            Ok(message) => lines.extend(render(&message)),
                            Err(error) => break error,
                        }
                    };
                    lines.push(ending(&error));
                }
                Step::Aside(statements) => {
                    cluster.sql(database, statements);
                }
                Step::Cancel => {
                    wait_until_busy(cluster);
                    wire.cancel().unwrap();
                }
            }
        }
        lines
    }
}

/// How a connection ended; a reset is an end as good as any.
fn ending(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "   silence".to_owned(),
        _ => "   closed".to_owned(),
    }
}

/// Waits until a session other than the asking one runs a statement on the server.
fn wait_until_busy(cluster: &Cluster) {
    let busy = "SELECT count(*) FROM pg_stat_activity \
                WHERE backend_type = 'client backend' AND state = 'active' \
                AND wait_event = 'PgSleep' AND pid <> pg_backend_pid()";
    super::process::eventually("a statement runs", Duration::from_secs(10), || {
        (cluster.value("postgres", busy) == "1").then_some(())
    });
}

/// One line of a transcript; `None` for what only the proxy sends (its tags).
pub fn render(message: &Message) -> Option<String> {
    let body = &message.body;
    let text = match message.tag {
        b'S' => {
            let text = message.text();
            let (name, value) = text.split_once('\0').unwrap_or((&text, ""));
            if name.starts_with("authority.") {
                return None;
            }
            format!("ParameterStatus {name}={value}")
        }
        b'K' => "BackendKeyData *".to_owned(),
        b'Z' => format!("ReadyForQuery {}", body[0] as char),
        b'C' => format!("CommandComplete {}", message.text()),
        b'T' => format!("RowDescription{}", row_description(body)),
        b't' => format!("ParameterDescription{}", parameter_description(body)),
        b'D' => {
            let mut line = "DataRow".to_owned();
            for column in raw_columns(body) {
                let _ = write!(line, " {}", column.map_or("NULL".into(), shown));
            }
            line
        }
        b'E' => format!("ErrorResponse {}", fields(message)),
        b'N' => format!("NoticeResponse {}", fields(message)),
        b'A' => format!("NotificationResponse * {}", shown(&body[4..])),
        b'd' => format!("CopyData {}", shown(body)),
        b'c' => "CopyDone".to_owned(),
        b'G' | b'H' | b'W' => format!("CopyResponse {} {body:?}", message.tag as char),
        b'1' => "ParseComplete".to_owned(),
        b'2' => "BindComplete".to_owned(),
        b'3' => "CloseComplete".to_owned(),
        b'n' => "NoData".to_owned(),
        b's' => "PortalSuspended".to_owned(),
        b'I' => "EmptyQueryResponse".to_owned(),
        b'V' => format!("FunctionCallResponse {}", shown(body)),
        other => format!("{:?} {}", other as char, shown(body)),
    };
    Some(format!("   {text}"))
}

/// Objects made by users have other numbers in each run.
fn oid(number: u32) -> String {
    if number >= 16_384 { "*".to_owned() } else { number.to_string() }
}

fn u16_at(body: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([body[at], body[at + 1]])
}

fn u32_at(body: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(body[at..at + 4].try_into().unwrap())
}

fn row_description(body: &[u8]) -> String {
    let mut line = String::new();
    let mut at = 2;
    for _ in 0..u16_at(body, 0) {
        let end = at + body[at..].iter().position(|byte| *byte == 0).unwrap();
        let name = String::from_utf8_lossy(&body[at..end]);
        at = end + 1;
        let (table, attribute) = (oid(u32_at(body, at)), u16_at(body, at + 4));
        let (kind, length) = (oid(u32_at(body, at + 6)), u16_at(body, at + 10).cast_signed());
        let (modifier, format) = (u32_at(body, at + 12).cast_signed(), u16_at(body, at + 16));
        at += 18;
        let _ = write!(line, " {name}:{table}.{attribute}:{kind}/{length}/{modifier}/{format}");
    }
    line
}

fn parameter_description(body: &[u8]) -> String {
    let mut line = String::new();
    for index in 0..usize::from(u16_at(body, 0)) {
        let _ = write!(line, " {}", oid(u32_at(body, 2 + 4 * index)));
    }
    line
}

fn raw_columns(body: &[u8]) -> Vec<Option<&[u8]>> {
    let mut columns = Vec::new();
    let mut rest = &body[2..];
    for _ in 0..u16_at(body, 0) {
        let length = u32_at(rest, 0).cast_signed();
        rest = &rest[4..];
        columns.push(usize::try_from(length).ok().map(|length| {
            let (value, after) = rest.split_at(length);
            rest = after;
            value
        }));
    }
    columns
}

fn fields(message: &Message) -> String {
    let fields = message.fields();
    let shown: Vec<String> =
        fields.0.iter().map(|(letter, text)| format!("{letter}={text:?}")).collect();
    shown.join(" ")
}

/// Bytes for a line: as they are where short, else their length and a hash.
fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= 200 {
        return format!("\"{}\"", bytes.escape_ascii());
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("<{} bytes, {:016x}>", bytes.len(), hasher.finish())
}

/// The first difference of two transcripts and what led to it; `None` where they are the same.
pub fn difference(name: &str, direct: &[String], proxied: &[String]) -> Option<String> {
    if direct == proxied {
        return None;
    }
    let at = direct.iter().zip(proxied).take_while(|(left, right)| left == right).count();
    let nothing = "   (nothing)".to_owned();
    Some(format!(
        "== {name}\n{}\ndirect:  {}\nproxied: {}\n{}",
        direct[at.saturating_sub(6)..at].join("\n"),
        direct.get(at).unwrap_or(&nothing),
        proxied.get(at).unwrap_or(&nothing),
        proxied.iter().skip(at + 1).take(4).cloned().collect::<Vec<_>>().join("\n"),
    ))
}
