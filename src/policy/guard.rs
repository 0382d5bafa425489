//! Settings that would undo the judgement itself: lexing, and the read-only default of guarded
//! connections (contract §4).

use super::{Denial, Policy, Rule};
use crate::contract::parameter;
use crate::sql::{Chain, Effect, SetValue, Statement};

impl Policy {
    pub(super) fn lexing(
        &self,
        name: &str,
        value: Option<&str>,
        statement: &Statement,
    ) -> Option<Denial> {
        if self.allows_everything() {
            return None;
        }
        let value = value?;
        unsafe_lexing(name, value).map(|why| {
            Denial::new(
                Rule::LexingUnsafe,
                format!("{} blocked: {why}", statement.tag),
                "statements could not be judged soundly; use UTF8 and \
                 standard_conforming_strings = on",
            )
        })
    }

    pub(super) fn turns_guard_off(&self, statement: &Statement) -> bool {
        let off = |name: &str, value: Option<&str>| match value {
            Some(value) => is_read_only(name) && parameter::boolean(value) != Some(true),
            None => is_read_only(name),
        };
        let by_effect = match &statement.effect {
            Effect::Begin { modes }
            | Effect::SetTransaction { modes }
            | Effect::SetSessionCharacteristics { modes } => modes.read_write == Some(true),
            Effect::Commit(chain) | Effect::Rollback(chain) => *chain == Chain::Yes,
            Effect::Set { name, value: SetValue::Text(text), .. } => off(name, Some(text)),
            Effect::Set { name, value: SetValue::Default, .. } => off(name, None),
            Effect::Reset(name) => {
                name.eq_ignore_ascii_case("transaction_read_only")
                    || (self.set_by_statement && is_read_only(name))
            }
            Effect::Prepare { inner, .. } => return self.turns_guard_off(inner),
            _ => false,
        };
        by_effect
            || statement.set_config.iter().any(|call| match (&call.name, &call.value) {
                (Some(name), value) => off(name, value.as_deref()),
                // the name is computed: a value that is no boolean cannot turn it off
                (None, Some(value)) => parameter::boolean(value) == Some(false),
                (None, None) => true,
            })
    }

    pub(super) fn guard_denial(&self, statement: &Statement) -> Denial {
        Denial::new(
            Rule::ReplicaReadOnly,
            format!(
                "{} blocked: it would make a transaction on upstream \"{}\" writable, which is \
                 role {}",
                statement.tag, self.upstream, self.declaration.role
            ),
            "leave transaction_read_only and default_transaction_read_only on; write through an \
             upstream whose role is staging or prod",
        )
    }
}

fn is_read_only(name: &str) -> bool {
    name.eq_ignore_ascii_case("transaction_read_only")
        || name.eq_ignore_ascii_case("default_transaction_read_only")
}

/// Why a setting would make lexing differ from ours; `None` for a safe one.
pub(crate) fn unsafe_lexing(name: &str, value: &str) -> Option<String> {
    if name.eq_ignore_ascii_case("standard_conforming_strings") {
        return (parameter::boolean(value) != Some(true)).then(|| {
            "standard_conforming_strings = off changes what a backslash means".to_owned()
        });
    }
    if name.eq_ignore_ascii_case("client_encoding") || name.eq_ignore_ascii_case("names") {
        let folded: String =
            value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        const UNSAFE: [&str; 16] = [
            "sjis",
            "mskanji",
            "shiftjis",
            "win932",
            "windows932",
            "shiftjis2004",
            "sjis2004",
            "big5",
            "win950",
            "windows950",
            "gbk",
            "win936",
            "uhc",
            "johab",
            "gb18030",
            "windows936",
        ];
        if UNSAFE.contains(&folded.as_str()) || folded == "win949" || folded == "windows949" {
            return Some(format!(
                "in client encoding \"{value}\" a byte of a character can look like a quote"
            ));
        }
    }
    None
}
