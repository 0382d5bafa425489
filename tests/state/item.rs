//! What scripts are made of: frontend messages, and points at which everything is answered.

use std::io;

use super::support::transcript::render;
use super::support::wire::{Frames, Message, Wire};

/// One frontend message, or more that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A Query of these statements.
    Query(Vec<String>),
    Parse(&'static str, String),
    /// Portal, statement.
    Bind(&'static str, &'static str),
    /// Of the unnamed statement, with a parameter.
    #[allow(dead_code)]
    BindTo(&'static str),
    DescribeStatement(&'static str),
    DescribePortal(&'static str),
    /// Portal, rows (0: all).
    Execute(&'static str, u32),
    CloseStatement(&'static str),
    ClosePortal(&'static str),
    Sync,
    Flush,
    CopyData(&'static [u8]),
    CopyDone,
    CopyFail,
    FunctionCall(u32, Vec<&'static str>),
    /// Messages that are not taken apart when a script is made shorter.
    Group(Vec<Item>),
    /// Everything sent so far is answered before anything follows.
    Settle,
}

impl Item {
    /// Parse, Bind and Execute of the unnamed statement.
    pub fn run(text: impl Into<String>) -> Vec<Item> {
        vec![Item::Parse("", text.into()), Item::Bind("", ""), Item::Execute("", 0)]
    }

    /// Adds the message to others.
    pub fn add_to(&self, frames: Frames) -> Frames {
        match self {
            Item::Query(statements) => frames.query(&statements.join("; ")),
            Item::Parse(name, text) => frames.parse(name, text, &[]),
            Item::Bind(portal, statement) => frames.bind(portal, statement, &[]),
            Item::BindTo(value) => frames.bind("", "", &[Some(value)]),
            Item::DescribeStatement(name) => frames.describe_statement(name),
            Item::DescribePortal(name) => frames.describe_portal(name),
            Item::Execute(portal, rows) => frames.execute(portal, *rows),
            Item::CloseStatement(name) => frames.close_statement(name),
            Item::ClosePortal(name) => frames.close_portal(name),
            Item::Sync => frames.sync(),
            Item::Flush => frames.flush(),
            Item::CopyData(data) => frames.copy_data(data),
            Item::CopyDone => frames.copy_done(),
            Item::CopyFail => frames.copy_fail("no more"),
            Item::FunctionCall(oid, arguments) => frames.function_call(*oid, arguments),
            Item::Group(items) => items.iter().fold(frames, |frames, item| item.add_to(frames)),
            Item::Settle => settling(frames),
        }
    }
}

/// Ends whatever is open and makes the end of the answers known: COPY-in, a pipeline, then three
/// Closes in a row, which no script has by itself. Nothing of it touches the unnamed statement.
fn settling(frames: Frames) -> Frames {
    let frames = frames.copy_fail("settle").sync();
    (0..3).fold(frames, |frames, _| frames.close_statement("no such")).sync()
}

/// Receives up to the end that `settling` made known.
fn settled(wire: &mut Wire) -> io::Result<Vec<Message>> {
    let mut messages: Vec<Message> = Vec::new();
    loop {
        messages.push(wire.receive()?);
        let tags = messages.iter().rev().map(|message| message.tag);
        if tags.take(4).eq(*b"Z333") {
            return Ok(messages);
        }
    }
}

/// A session in the course of a script.
pub struct Session<'a> {
    pub wire: &'a mut Wire,
    /// What was sent and received, a line each.
    pub transcript: Vec<String>,
    /// The status of the last ReadyForQuery; `None` once the connection is over.
    pub status: Option<u8>,
    /// Each message has a write of its own.
    pub split: bool,
}

impl<'a> Session<'a> {
    pub fn new(wire: &'a mut Wire, split: bool) -> Session<'a> {
        Session { wire, transcript: Vec::new(), status: Some(b'I'), split }
    }

    /// Sends messages and settles.
    pub fn send(&mut self, items: &[Item]) -> Vec<Message> {
        if self.status.is_none() {
            return Vec::new();
        }
        let mut frames = Frames::new();
        for item in items {
            frames = item.add_to(frames);
            if self.split {
                self.write(&std::mem::take(&mut frames));
            }
        }
        let written = frames.labels.len();
        frames = settling(frames);
        frames.labels.truncate(written);
        self.write(&frames);
        match settled(self.wire) {
            Ok(messages) => {
                let scripts = &messages[..messages.len() - 4];
                self.transcript.extend(scripts.iter().filter_map(render));
                self.status = messages.last().map(|message| message.body[0]);
                messages
            }
            Err(error) => {
                let how = match error.kind() {
                    io::ErrorKind::TimedOut => "silence",
                    _ => "closed",
                };
                self.transcript.push(format!("   {how}"));
                self.status = None;
                Vec::new()
            }
        }
    }

    fn write(&mut self, frames: &Frames) {
        self.transcript.extend(frames.labels.iter().map(|label| format!("-> {label}")));
        // where the connection is over, reading says so
        let _ = self.wire.send(frames);
    }

    /// A whole script.
    pub fn run(&mut self, items: &[Item]) {
        for segment in items.split(|item| *item == Item::Settle) {
            self.send(segment);
        }
    }
}
