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
    /// The same behind a Flush: the pipeline stays open. Among messages of the extended protocol
    /// that are no COPY alone, and behind a [`Item::Settle`].
    Pause,
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
            Item::Pause => pausing(frames),
        }
    }
}

/// Ends whatever is open and makes the end of the answers known: COPY-in, a pipeline, then three
/// Closes in a row, which no script has by itself. Nothing of it touches the unnamed statement.
fn settling(frames: Frames) -> Frames {
    let frames = frames.copy_fail("settle").sync();
    (0..3).fold(frames, |frames, _| frames.close_statement("no such")).sync()
}

/// Makes the end of the answers known in an open pipeline: three Closes, and a Flush.
fn pausing(frames: Frames) -> Frames {
    (0..3).fold(frames, |frames, _| frames.close_statement("no such")).flush()
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

/// The messages of groups one by one.
fn flat(items: &[Item]) -> Vec<&Item> {
    items
        .iter()
        .flat_map(|item| match item {
            Item::Group(items) => flat(items),
            item => vec![item],
        })
        .collect()
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
        let (mut syncs, mut failed) = (0, false);
        for item in flat(items) {
            if *item == Item::Pause {
                self.write(&std::mem::take(&mut frames));
                if self.pause(syncs, &mut failed).is_err() {
                    return Vec::new();
                }
                syncs = 0;
                continue;
            }
            syncs += usize::from(*item == Item::Sync);
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
                self.over(&error);
                Vec::new()
            }
        }
    }

    /// Receives everything that a Flush brings behind so many Syncs: up to the end that `pausing`
    /// makes known, or to the error that `failed` the pipeline, behind which nothing comes.
    fn pause(&mut self, syncs: usize, failed: &mut bool) -> io::Result<()> {
        let mut frames = pausing(Frames::new());
        frames.labels.clear();
        self.write(&frames);
        self.transcript.push("-> Flush, and a look".into());
        let (mut left, mut closed) = (syncs, 0);
        *failed &= syncs == 0;
        while closed < 3 && !(*failed && left == 0) {
            let message = self.wire.receive().inspect_err(|error| self.over(error))?;
            closed = if message.tag == b'3' { closed + 1 } else { 0 };
            match message.tag {
                b'Z' => left -= 1,
                b'E' => *failed = left == 0,
                _ => {}
            }
            self.transcript.extend(render(&message));
        }
        if closed == 3 {
            self.transcript.truncate(self.transcript.len() - 3);
        }
        Ok(())
    }

    fn over(&mut self, error: &io::Error) {
        let how = match error.kind() {
            io::ErrorKind::TimedOut => "silence",
            _ => "closed",
        };
        self.transcript.push(format!("   {how}"));
        self.status = None;
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
