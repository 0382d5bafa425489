//! The BEGIN that a leg gets once the session's transaction reaches it.

use super::Side;
use crate::sql::{Isolation, Modes};

/// BEGIN with the modes that the session asked for. The read leg is READ ONLY whatever they say;
/// READ WRITE governs the write leg only. `recovering`: the leg is a standby, where SERIALIZABLE
/// is not to be had (manual, "Hot Standby").
pub fn begin(side: Side, modes: Modes, recovering: bool) -> String {
    let mut parts = Vec::new();
    match modes.isolation {
        Some(Isolation::ReadUncommitted) => parts.push("ISOLATION LEVEL READ UNCOMMITTED"),
        Some(Isolation::ReadCommitted) => parts.push("ISOLATION LEVEL READ COMMITTED"),
        Some(Isolation::RepeatableRead) => parts.push("ISOLATION LEVEL REPEATABLE READ"),
        Some(Isolation::Serializable) if recovering => {
            parts.push("ISOLATION LEVEL REPEATABLE READ");
        }
        Some(Isolation::Serializable) => parts.push("ISOLATION LEVEL SERIALIZABLE"),
        None => {}
    }
    match (side, modes.read_write) {
        (Side::Read, _) | (Side::Write, Some(false)) => parts.push("READ ONLY"),
        (Side::Write, Some(true)) => parts.push("READ WRITE"),
        (Side::Write, None) => {}
    }
    match modes.deferrable {
        Some(true) => parts.push("DEFERRABLE"),
        Some(false) => parts.push("NOT DEFERRABLE"),
        None => {}
    }
    let separator = if parts.is_empty() { "" } else { " " };
    format!("BEGIN{separator}{}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_read_leg_never_writes() {
        let modes = Modes { read_write: Some(true), ..Modes::default() };
        assert_eq!(begin(Side::Read, modes, false), "BEGIN READ ONLY");
        assert_eq!(begin(Side::Write, modes, false), "BEGIN READ WRITE");
        assert_eq!(begin(Side::Write, Modes::default(), false), "BEGIN");
    }

    #[test]
    fn a_standby_has_no_serializable_transactions() {
        let modes = Modes {
            isolation: Some(Isolation::Serializable),
            deferrable: Some(true),
            read_write: None,
        };
        let on_standby = begin(Side::Read, modes, true);
        assert_eq!(on_standby, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE");
        let elsewhere = begin(Side::Write, modes, false);
        assert_eq!(elsewhere, "BEGIN ISOLATION LEVEL SERIALIZABLE, DEFERRABLE");
    }
}
