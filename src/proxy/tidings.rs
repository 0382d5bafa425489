//! What the relay of a split session's leg tells the splitter besides the server's messages.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

use crate::gate::Astray;
use crate::sql::Class;

/// Shared by a leg's relay and the splitter, which are tasks of one thread.
#[derive(Default)]
pub(super) struct Tidings {
    /// The session's task leads elsewhere.
    astray: RefCell<Option<Astray>>,
    /// The session has set its task.
    task_is_set: Cell<bool>,
    /// Of the read leg: the answer to the splitter's question.
    told: Cell<Option<Class>>,
    telling: Notify,
}

impl Tidings {
    /// Notes that the session's task leads elsewhere.
    pub(super) fn stray(&self, astray: Option<Astray>) {
        *self.astray.borrow_mut() = astray;
    }

    /// Notes whether the session has set its task.
    pub(super) fn note_task(&self, is_set: bool) {
        self.task_is_set.set(is_set);
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
