//! How a relay ends: refused, drained, left by either side; and the books that are closed then.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::hold::{AfterReceipt, Ending, Hold, Pause};
use super::relay::Relay;
use crate::gate::{Decided, Fate};
use crate::observe::Verdict;
use crate::policy::{Denial, Rule};
use crate::protocol::ErrorResponse;

/// Why a relay is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// The session is over.
    Over,
    /// Its task leads elsewhere, and its client waits for ReadyForQuery. It can go on, once
    /// [`Relay::stay`] has been called.
    Moves,
}

/// SIGTERM, as a server says it.
pub(super) fn shutdown() -> ErrorResponse {
    ErrorResponse::fatal(
        Rule::Shutdown.sqlstate(),
        "terminating connection due to administrator command",
    )
}

impl Relay {
    pub(super) fn count_block(&self, rule: Rule) {
        self.leg.metrics.blocked(rule.id());
    }

    pub(super) fn settle_metrics(&mut self) {
        for (class, decided, count) in self.leg.gate.take_tally() {
            let verdict = match decided {
                Decided::Allowed => Verdict::Allowed,
                Decided::Confirmed => Verdict::Confirmed,
                Decided::Blocked => Verdict::Blocked,
            };
            self.leg.metrics.statements(class, verdict, u64::from(count));
        }
    }

    /// Goes on where it is.
    pub(super) fn stay(&mut self) {
        self.moving = false;
        self.leg.gate.stay();
        if matches!(self.hold, Hold::Answers) {
            self.hold = Hold::None;
        }
    }

    /// Ends the session with a FATAL error.
    pub(super) fn end_with(&mut self, cx: &mut Context<'_>, denial: &Denial) -> io::Result<()> {
        self.count_block(denial.rule);
        let (id, receipt) = self.recorder.ended(&mut self.leg.gate, denial);
        self.farewell = Some(receipt);
        let detail = self.leg.gate.detail(denial, &id.to_string());
        let error = ErrorResponse::fatal(denial.sqlstate(), denial.message.clone())
            .with_detail(detail)
            .with_hint(denial.full_hint());
        self.ending = Ending::Flush;
        self.client.send(cx, &error.to_bytes())
    }

    /// SIGTERM: an idle session ends; a busy one when it is idle, or when time is up.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let waits = self.inner.is_some() && !self.worker.drain_is_over();
        if !matches!(self.ending, Ending::No) || !self.worker.drains() || waits {
            return Ok(());
        }
        let idle = self.leg.gate.is_idle()
            && self.client.held.is_empty()
            && self.leg.port.held.is_empty()
            && matches!(self.hold, Hold::None)
            && matches!(self.pause, Pause::None);
        if idle || self.worker.drain_is_over() {
            self.ending = Ending::Flush;
            self.client.send(cx, &shutdown().to_bytes())?;
        }
        Ok(())
    }

    pub(super) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.worker.leaves() {
            return Poll::Ready(Ok(()));
        }
        match self.ending {
            Ending::No => Poll::Pending,
            Ending::Flush => {
                if let Some(receipt) = &mut self.farewell {
                    if Pin::new(receipt).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.farewell = None;
                }
                if self.client.poll_flush(cx)?.is_pending() {
                    return Poll::Pending;
                }
                self.client.poll_shutdown(cx)
            }
        }
    }

    /// Records what became of statements whose end nobody will report any more.
    pub(super) fn close_books(&mut self) {
        self.settle_metrics();
        let mut fates = self.leg.gate.take_fates();
        if let Hold::Receipt(_, AfterReceipt::Clear(ids)) = &self.hold {
            // it was on its way into the log, and will not be sent
            fates.extend(ids.iter().map(|id| (*id, Fate::Failed)));
        }
        if !fates.is_empty() {
            drop(self.recorder.outcomes(&fates));
        }
        let undecided = self.leg.gate.undecided();
        if !undecided.is_empty() {
            drop(self.recorder.unknown(&undecided));
        }
    }
}
