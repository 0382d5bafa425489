//! The words an operator writes for the values of a closed list.

use super::model::{ClientAuth, MappingMode, SslMode, StatementText, TlsMode};
use crate::contract::{AdminRule, Authority, Cell, ConfirmHow, Environment, Role, nearest};

/// A value of a closed list.
pub trait Word: Copy + PartialEq + 'static {
    /// Every word and its value, in the order the documentation lists them.
    const WORDS: &'static [(&'static str, Self)];

    /// Reads a word, exactly as spelled; `None` for anything else.
    fn read(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }

    /// The word for a value.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

/// A hint that names the word nearest to a mistyped one, and every word there is.
pub(super) fn hint<T: Word>(key: &str, mistyped: &str) -> String {
    let words = T::WORDS.iter().map(|(word, _)| *word);
    match nearest(mistyped, words.clone()) {
        Some(near) => format!("write {key} = \"{near}\"; it is one of {}", list(words)),
        None => format!("{key} is one of {}", list(words)),
    }
}

/// `"a", "b" or "c"`.
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

impl Word for Authority {
    const WORDS: &'static [(&'static str, Self)] =
        &[("neon", Authority::Neon), ("local", Authority::Local)];
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Self)] =
        &[("staging", Role::Staging), ("prod", Role::Prod), ("replica", Role::Replica)];
}

impl Word for Environment {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("prod-like", Environment::ProdLike),
        ("dev", Environment::Dev),
        ("test", Environment::Test),
    ];
}

impl Word for Cell {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("neon", Cell::To(Authority::Neon)),
        ("local", Cell::To(Authority::Local)),
        ("deny", Cell::Deny),
    ];
}

impl Word for TlsMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("disable", TlsMode::Disable), ("allow", TlsMode::Allow), ("require", TlsMode::Require)];
}

impl Word for MappingMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("warn", MappingMode::Warn), ("enforce", MappingMode::Enforce)];
}

impl Word for StatementText {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("normalized", StatementText::Normalized),
        ("full", StatementText::Full),
        ("none", StatementText::None),
    ];
}

impl Word for ClientAuth {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("relay", ClientAuth::Relay),
        ("scram-sha-256", ClientAuth::ScramSha256),
        ("cert", ClientAuth::Cert),
        ("trust", ClientAuth::Trust),
    ];
}

impl Word for ConfirmHow {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("session", ConfirmHow::Session),
        ("startup", ConfirmHow::Startup),
        ("never", ConfirmHow::Never),
    ];
}

impl Word for AdminRule {
    const WORDS: &'static [(&'static str, Self)] =
        &[("block", AdminRule::Block), ("confirm", AdminRule::Confirm)];
}

impl Word for SslMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_words_are_the_contracts() {
        assert!(Authority::ALL.iter().all(|value| value.word() == value.as_str()));
        assert!(Role::ALL.iter().all(|value| value.word() == value.as_str()));
        assert!(Environment::ALL.iter().all(|value| value.word() == value.as_str()));
        assert!(Cell::ALL.iter().all(|value| value.word() == value.as_str()));
    }

    #[test]
    fn words_are_read_exactly() {
        assert_eq!(Role::read("prod"), Some(Role::Prod));
        assert_eq!(Role::read("Prod"), None);
        assert_eq!(Role::read(" prod"), None);
    }

    #[test]
    fn hints_name_the_nearest() {
        assert_eq!(
            hint::<Role>("role", "prodd"),
            r#"write role = "prod"; it is one of "staging", "prod" or "replica""#
        );
        assert_eq!(hint::<MappingMode>("mapping", "x"), r#"mapping is one of "warn" or "enforce""#);
    }
}
