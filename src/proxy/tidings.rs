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
    /// Of the read leg: the answer to the splitter's question.
    told: Cell<Option<Class>>,
    telling: Notify,
}

impl Tidings {
    /// Notes that the session's task leads elsewhere.
    pub(super) fn stray(&self, astray: Option<Astray>) {
        *self.astray.borrow_mut() = astray;
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
