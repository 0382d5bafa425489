//! Sessions that read in one place and write in another: which leg a statement belongs to, and
//! what of the session a leg that comes later has to be told (spec of the proxy, section 4).
//!
//! Pure: texts and judgements in, routes out. [`crate::proxy`] moves the bytes.

mod journal;
mod modes;
mod names;
mod route;
mod sets;
mod temporary;

pub use journal::{Journal, Lasts, Note, Savepoint, Told, Values};
pub use modes::{ISOLATION, Isolates, begin, set_transaction};
pub use names::{Known, Names};
pub use route::{
    Route, control_refused, goes_by_names, lets_write, minds_blocks, placed, read, reads_besides,
    route, within_string, written,
};
pub use sets::Sets;
pub use temporary::Temporary;

/// A leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where the session reads: neon.
    Read,
    /// Where it writes: local.
    Write,
}

impl Side {
    /// Both.
    pub const BOTH: [Side; 2] = [Side::Read, Side::Write];

    /// The other one.
    pub const fn other(self) -> Side {
        match self {
            Side::Read => Side::Write,
            Side::Write => Side::Read,
        }
    }

    /// Its word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Read => "read leg",
            Side::Write => "write leg",
        }
    }
}
