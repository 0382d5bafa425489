//! What a statement sets whatever else is set: one that sets the same again makes up for it, so
//! that a leg which has missed both needs only the later one.

use super::Lasts;
use crate::sql::{Effect, Statement};

/// Parameters that others depend on: whom rights are asked of, and how a text is read. Only what
/// sets them again at once makes up for them.
const OTHERS_DEPEND_ON: &[&str] = &[
    "role",
    "session_authorization",
    "client_encoding",
    "standard_conforming_strings",
    "backslash_quote",
    "datestyle",
    "intervalstyle",
];

/// What a statement sets, if it does so whatever else is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sets(Option<Box<[Box<str>]>>);

impl Sets {
    /// Of a statement with this text.
    pub fn of(statement: &Statement, text: &[u8]) -> Sets {
        let names: Vec<Box<str>> = match &statement.effect {
            Effect::Set { name, .. } | Effect::Reset(name) => {
                vec![name.to_ascii_lowercase().into()]
            }
            Effect::SetSessionCharacteristics { modes } => {
                let set = [
                    (modes.isolation.is_some(), "default_transaction_isolation"),
                    (modes.read_write.is_some(), "default_transaction_read_only"),
                    (modes.deferrable.is_some(), "default_transaction_deferrable"),
                ];
                set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name.into()).collect()
            }
            // undone by a LISTEN alone, which both legs hear at once
            Effect::None if statement.tag == "UNLISTEN" => {
                vec![String::from_utf8_lossy(text).into()]
            }
            Effect::None => {
                let calls = &statement.set_config;
                let names = calls.iter().map(|call| {
                    let name = call.name.as_deref().filter(|_| call.constant)?;
                    (call.is_local == calls.first()?.is_local)
                        .then(|| name.to_ascii_lowercase().into())
                });
                calls
                    .iter()
                    .all(|call| call.is_local.is_some())
                    .then(|| names.collect::<Option<Vec<Box<str>>>>())
                    .flatten()
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        };
        // a part of it stays as it was set before
        let relative = names.iter().any(|name| **name == *"datestyle");
        let known = !names.is_empty() && !relative;
        Sets(known.then(|| names.into()))
    }

    /// The same, the parameters having these types (what follows the text in Parse): how others than
    /// texts and booleans are written depends on other settings.
    pub fn with_types(self, types: &[u8]) -> Sets {
        const UNSPECIFIED: u32 = 0;
        const PLAIN: [u32; 5] = [UNSPECIFIED, 16, 25, 705, 1043];
        let (types, _) = types.get(2..).unwrap_or_default().as_chunks::<4>();
        match types.iter().all(|oid| PLAIN.contains(&u32::from_be_bytes(*oid))) {
            true => self,
            false => Sets::default(),
        }
    }

    /// It sets something known, and that does not depend on anything.
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// The place, counted from the latest, of what needs not be told any more once this is: nothing
    /// in between may depend on it.
    pub fn make_up_for<'a>(
        &self,
        latest: impl Iterator<Item = (Lasts, &'a Sets)>,
        lasts: Lasts,
    ) -> Option<usize> {
        let names = self.0.as_deref()?;
        let is = |wanted: &str| names.iter().any(|name| **name == *wanted);
        let others_depend = OTHERS_DEPEND_ON.iter().any(|name| is(name));
        for (back, (other_lasts, other)) in latest.enumerate() {
            if other_lasts == lasts && self.replaces(other) {
                return Some(back);
            }
            let between = other.0.as_deref()?;
            // this is looked up in the schemas of the time
            let looked_up = between.iter().any(|name| **name == *"default_text_search_config");
            if others_depend || looked_up && is("search_path") {
                return None;
            }
        }
        None
    }

    /// It sets this parameter.
    pub fn is_of(&self, name: &str) -> bool {
        self.0.iter().flatten().any(|one| **one == *name)
    }

    /// They set the same.
    pub fn replaces(&self, other: &Sets) -> bool {
        self.is_known() && self == other
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(text: &str) -> Sets {
        let judgement = crate::sql::judge(text.as_bytes(), &BTreeSet::new());
        Sets::of(&judgement.statements[0], text.as_bytes())
    }

    /// Whether the last of them makes up for the first.
    fn makes_up(texts: &[&str]) -> bool {
        let sets: Vec<Sets> = texts.iter().map(|text| of(text)).collect();
        let (last, earlier) = sets.split_last().unwrap();
        let latest = earlier.iter().rev().map(|sets| (Lasts::Resettable, sets));
        last.make_up_for(latest, Lasts::Resettable) == Some(earlier.len() - 1)
    }

    #[test]
    fn what_is_written_by_another_setting_depends_on_it() {
        let sets = of("SELECT set_config('my.a', $1::text, false)");
        for (oid, known) in [(25_u32, true), (1082, false)] {
            let types = [&1_u16.to_be_bytes()[..], &oid.to_be_bytes()].concat();
            assert_eq!(sets.clone().with_types(&types).is_known(), known);
        }
    }

    #[test]
    fn what_is_set_again_makes_up_for_it_where_nothing_depends_on_it() {
        for texts in [
            &["SET my.a = '1'", "SET MY.A = '2'"][..],
            &["SET my.a = '1'", "RESET my.a"],
            &["SET my.a = '1'", "SELECT set_config('my.a', '2', false)"],
            &["SELECT set_config('my.a', $1, false)", "SELECT set_config('my.a', $1::text, false)"],
            &["SET my.a = '1'", "SET search_path = a", "SET ROLE x", "SET my.a = '1'"],
            &["SET search_path = a", "SET my.a = '1'", "SET search_path = b"],
            &["SET ROLE a", "RESET ROLE"],
            &["SET NAMES 'LATIN1'", "SET client_encoding = 'UTF8'"],
            &["UNLISTEN a", "SET my.a = '1'", "UNLISTEN a"],
            &[
                "SELECT set_config('my.a', '1', false), set_config('my.b', '1', false)",
                "SELECT set_config('my.a', '2', false), set_config('my.b', '2', false)",
            ],
            &[
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                "SET default_transaction_read_only = on",
            ],
        ] {
            assert!(makes_up(texts), "{texts:?}");
        }
        for texts in [
            &["SET my.a = '1'", "SET my.b = '1'"][..],
            &[
                "SET my.a = '1'",
                "SELECT set_config('my.b', current_setting('my.a'), false)",
                "SET my.a = '1'",
            ],
            &["SELECT set_config('my.a', current_setting('my.a') || '1', false)"; 2],
            &["SELECT set_config('my.a', $1, $2)"; 2],
            &["SELECT set_config('my.a', a, false) FROM pg_class AS x (a)"; 2],
            &["SET ROLE a", "SET my.a = '1'", "RESET ROLE"],
            &["SET NAMES 'LATIN1'", "SET my.a = '1'", "SET NAMES 'UTF8'"],
            &["SET search_path = a", "SET default_text_search_config = x", "SET search_path = b"],
            &["SET datestyle = german", "SET datestyle = ymd"],
            &["RESET ALL"; 2],
        ] {
            assert!(!makes_up(texts), "{texts:?}");
        }
    }
}
