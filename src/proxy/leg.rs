//! One server connection of a session, and the one way to it.

use std::io;
use std::task::Context;

use super::looking::Looking;
use super::port::Port;
use crate::gate::Gate;
use crate::observe::UpstreamMetrics;
use crate::policy::Permit;

/// A server connection that serves the session, with the gate that guards it.
pub(super) struct Leg {
    pub(super) port: Port,
    pub(super) gate: Gate,
    pub(super) metrics: UpstreamMetrics,
    /// `None`: routines are not looked up here.
    pub(super) looking: Option<Box<Looking>>,
}

impl Leg {
    /// The one way to a server.
    #[inline]
    pub(super) fn send(&mut self, cx: &mut Context<'_>, permit: &Permit<'_>) -> io::Result<()> {
        self.port.send(cx, permit.bytes())
    }

    /// Bytes that the gate itself made: substitutes and the proxy's own statements.
    pub(super) fn send_own(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        self.port.send(cx, bytes)
    }
}
