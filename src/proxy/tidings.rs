//! What the relay of a split session's leg tells the splitter besides the server's messages.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use tokio::sync::Notify;

use super::relay::Relay;
use crate::gate::{Astray, Gate};
use crate::sql::Class;

/// Shared by a leg's relay and the splitter, which are tasks of one thread.
#[derive(Default)]
pub(super) struct Tidings {
    /// The session's task leads elsewhere.
    astray: RefCell<Option<Astray>>,
    /// The session has set its task.
    task_is_set: Cell<bool>,
    /// The task of the leg's gate.
    task: RefCell<Option<Arc<str>>>,
    /// It has changed, and the splitter has not settled that.
    changed: Cell<bool>,
    /// Of the read leg: the answer to the splitter's question.
    told: Cell<Option<Class>>,
    telling: Notify,
    /// What the splitter asks of the server.
    asked: Cell<Bytes>,
    /// The session stays where it is.
    stays: Cell<bool>,
}

impl Relay {
    /// The splitter asks the server something: its words come here by themselves, never with what a
    /// client has sent.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let asked = self.inner.as_ref().map(|splitter| splitter.asked.take());
        match asked.filter(|asked| !asked.is_empty()) {
            Some(asked) => self.leg.send_own(cx, &asked),
            None => Err(io::Error::other("a leg was asked nothing")),
        }
    }
}

impl Tidings {
    /// Of a leg that begins under this task.
    pub(super) fn new(task: Option<Arc<str>>) -> Self {
        Tidings { task: RefCell::new(task), ..Tidings::default() }
    }

    /// The gate has followed its server: a task that has come home leads nowhere any more.
    pub(super) fn follow(&self, gate: &mut Gate) {
        if self.stays.take() {
            gate.stay();
        }
        if !gate.is_astray() {
            *self.astray.borrow_mut() = None;
        }
        self.task_is_set.set(gate.parameters().task.is_set());
        let mut task = self.task.borrow_mut();
        if *task != *gate.parameters().task.get() {
            task.clone_from(gate.parameters().task.get());
            self.changed.set(true);
        }
    }

    /// The task has changed since that was settled.
    pub(super) fn has_changed(&self) -> bool {
        self.changed.get()
    }

    /// As [`Tidings::has_changed`], and settles it.
    pub(super) fn settle(&self) -> bool {
        self.changed.take()
    }

    /// The task of the leg's gate.
    pub(super) fn task(&self) -> Option<Arc<str>> {
        self.task.borrow().clone()
    }

    /// The session stays where it is, wherever its task leads.
    pub(super) fn stay(&self) {
        self.stray(None);
        self.stays.set(true);
    }

    /// What goes to the server next, for [`frontend::ASK`](crate::protocol::frontend::ASK).
    pub(super) fn ask(&self, words: Bytes) {
        self.asked.set(words);
    }

    /// Notes that the session's task leads elsewhere.
    pub(super) fn stray(&self, astray: Option<Astray>) {
        *self.astray.borrow_mut() = astray;
    }

    /// Whether RESET ALL would change the task.
    pub(super) fn task_is_set(&self) -> bool {
        self.task_is_set.get()
    }

    /// Answers the splitter's question.
    pub(super) fn tell(&self, class: Class) {
        self.told.set(Some(class));
        self.telling.notify_one();
    }

    /// The answer to the question that has been asked. Cancel safe.
    pub(super) async fn told(&self) -> Class {
        loop {
            if let Some(class) = self.told.take() {
                return class;
            }
            self.telling.notified().await;
        }
    }

    /// Where the session's task leads, if elsewhere.
    pub(super) fn astray(&self) -> Option<Astray> {
        self.astray.borrow().clone()
    }
}
