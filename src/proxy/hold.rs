//! Why a direction of a relay stands still, and how far its end has got.

use std::ops::Range;

use tokio::sync::oneshot;

use super::judges::Judged;
use super::looking::{Building, Waiting};
use crate::audit::Receipt;
use crate::gate::{EventId, Refusal};

/// Why the frontend direction stands still.
pub(super) enum Hold {
    None,
    /// The bytes held are incomplete: they must grow to this length first.
    Grow(usize),
    /// The server has to answer first.
    Answers,
    /// The text at this place of the bytes held is to be judged elsewhere.
    ToJudge(Range<usize>),
    /// It is being judged; the bytes held are there meanwhile.
    Judging(oneshot::Receiver<Judged>),
    /// Another session looks at the catalog.
    Waiting(Waiting),
    /// A snapshot of the catalog is being made.
    Building(Building),
    /// What the text in the bytes held runs is being read elsewhere.
    Reading(oneshot::Receiver<()>),
    /// Events are being written.
    Receipt(Receipt, AfterReceipt),
}

pub(super) enum AfterReceipt {
    /// Let the message at the front go.
    Clear(Vec<EventId>),
    /// Refuse it.
    Refuse(Box<Refusal>, uuid::Uuid),
}

/// Why the backend direction stands still.
pub(super) enum Pause {
    None,
    /// Outcomes are being written; then this many bytes of what is held go to the client.
    Receipt(Receipt, usize),
}

/// How far a session's end has got.
pub(super) enum Ending {
    No,
    /// Write what is unsent to the client, then close.
    Flush,
}
