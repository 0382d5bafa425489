//! What ends a move under way: a cancel request of the client's, and the proxy's own end.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::carried::Failed;
use crate::policy::{Denial, Rule};
use crate::proxy::registry::Moving;
use crate::proxy::worker::{SessionHandle, Worker};

/// Of one move.
pub(super) struct Breaking {
    /// `None`: no cancel request can come.
    moving: Option<Arc<Moving>>,
    handle: Option<Rc<SessionHandle>>,
    worker: Rc<Worker>,
}

impl Breaking {
    /// `handle`: how the session that moves is woken.
    pub(super) fn new(
        moving: Option<Arc<Moving>>,
        handle: Option<Rc<SessionHandle>>,
        worker: Rc<Worker>,
    ) -> Self {
        Breaking { moving, handle, worker }
    }

    /// A cancel request has come.
    pub(super) fn is_cancelled(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| moving.cancelled.is_asked())
    }

    /// The server that the session is on has said what it has: requests are no longer passed on to
    /// it.
    pub(super) fn asked(&self) -> Result<(), Failed> {
        if let Some(moving) = &self.moving {
            moving.asking.store(false, Ordering::SeqCst);
        }
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Ready when the proxy is to end. Cancel safe.
    pub(super) async fn drained(&self) -> Failed {
        poll_fn(|cx| {
            if let Some(handle) = &self.handle {
                handle.register(cx.waker());
            }
            if self.worker.drains() { Poll::Ready(Failed::Drained) } else { Poll::Pending }
        })
        .await
    }

    /// Ready when a request has come, or the proxy is to end. Cancel safe.
    pub(super) async fn broken(&self) -> Failed {
        let request = async {
            match &self.moving {
                Some(moving) => moving.cancelled.asked().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = request => cancelled(),
            drained = self.drained() => drained,
        }
    }
}

fn cancelled() -> Failed {
    Failed::Refused(Box::new(Denial {
        code: Some("57014".into()),
        ..Denial::new(
            Rule::TaskChange,
            "canceling statement due to user request",
            "the session stays where it is, under the task of before",
        )
    }))
}
