//! The BEGIN that a leg gets once the session's transaction reaches it.

use super::Side;
use crate::sql::{Effect, Isolation, Modes, SetScope, SetValue, Statement};

/// The parameter that says how transactions are isolated from now on.
pub const ISOLATION: &str = "default_transaction_isolation";

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

/// SET TRANSACTION with the modes that [`begin`] gives.
pub fn set_transaction(side: Side, modes: Modes, recovering: bool) -> String {
    begin(side, modes, recovering).replacen("BEGIN", "SET TRANSACTION", 1)
}

/// What a statement makes of `default_transaction_isolation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolates {
    /// Nothing, or what a standby has.
    #[default]
    As,
    /// SERIALIZABLE; true: to the end of the transaction.
    Serializable(bool),
    /// What it was at the session's start.
    Reset(bool),
}

impl Isolates {
    /// Of a statement, as far as it says so itself.
    pub fn of(statement: &Statement) -> Isolates {
        let concerns = |name: &str| name.eq_ignore_ascii_case(ISOLATION);
        let is_serializable = |value: &str| value.eq_ignore_ascii_case("serializable");
        match &statement.effect {
            Effect::SetSessionCharacteristics { modes } => match modes.isolation {
                Some(Isolation::Serializable) => Isolates::Serializable(false),
                _ => Isolates::As,
            },
            Effect::Set { name, value, scope } if concerns(name) => {
                let local = *scope == SetScope::Local;
                match value {
                    SetValue::Text(value) if is_serializable(value) => {
                        Isolates::Serializable(local)
                    }
                    SetValue::Text(_) => Isolates::As,
                    SetValue::Default => Isolates::Reset(local),
                }
            }
            Effect::Reset(name) if concerns(name) => Isolates::Reset(false),
            Effect::ResetAll | Effect::DiscardAll => Isolates::Reset(false),
            _ => {
                let mut calls = statement.set_config.iter();
                let sets = calls.find(|call| {
                    call.name.as_deref().is_some_and(concerns)
                        && call.value.as_deref().is_some_and(is_serializable)
                });
                sets.map_or(Isolates::As, |call| {
                    Isolates::Serializable(call.is_local == Some(true))
                })
            }
        }
    }

    /// What a standby is told behind the statement, since SERIALIZABLE is not to be had there.
    /// `serializable`: it is so from the session's start.
    pub fn on_standby(self, serializable: bool) -> Option<&'static str> {
        match self {
            Isolates::Serializable(true) => {
                Some("SET LOCAL default_transaction_isolation TO 'repeatable read'")
            }
            Isolates::Serializable(false) => {
                Some("SET default_transaction_isolation TO 'repeatable read'")
            }
            Isolates::Reset(local) if serializable => {
                Isolates::Serializable(local).on_standby(serializable)
            }
            Isolates::Reset(_) | Isolates::As => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_standby_is_not_made_serializable() {
        const LASTS: Isolates = Isolates::Serializable(false);
        const LOCAL: Isolates = Isolates::Serializable(true);
        for (expected, text) in [
            (LASTS, "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
            (LASTS, "SET Default_Transaction_Isolation = 'Serializable'"),
            (LOCAL, "SET LOCAL default_transaction_isolation TO serializable"),
            (LASTS, "SELECT set_config('default_transaction_isolation', 'serializable', false)"),
            (LOCAL, "SELECT set_config('default_transaction_isolation', 'serializable', true)"),
            (Isolates::Reset(false), "RESET default_transaction_isolation"),
            (Isolates::Reset(false), "RESET ALL"),
            (Isolates::Reset(false), "DISCARD ALL"),
            (Isolates::Reset(true), "SET LOCAL default_transaction_isolation TO DEFAULT"),
            (Isolates::As, "SET default_transaction_isolation = 'repeatable read'"),
            (Isolates::As, "SET work_mem = '1MB'"),
        ] {
            let judgement = crate::sql::judge(text.as_bytes(), &BTreeSet::new());
            assert_eq!(Isolates::of(&judgement.statements[0]), expected, "{text}");
        }
        assert_eq!(Isolates::Reset(false).on_standby(false), None);
        assert_eq!(Isolates::Reset(true).on_standby(true), LOCAL.on_standby(false));
    }

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
