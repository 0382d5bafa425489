//! Differences that somebody has looked at and gives a reason for. Pure.

use serde::Deserialize;

use super::compare::Comparison;

/// What a file of known differences says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    object: String,
    kind: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<Entry>,
}

/// Why a file of known differences cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnownFault {
    /// It is no TOML, or has keys of its own.
    #[error("{0}")]
    Unreadable(String),
    /// An entry without a reason.
    #[error("the entry for \"{0}\" gives no reason")]
    Reason(String),
    /// A kind that no difference has.
    #[error("the entry for \"{0}\" has the unknown kind \"{1}\"")]
    Kind(String, String),
}

impl Known {
    /// Reads `[[known]]` entries of `object`, `kind` and `reason`.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(text: &str) -> Result<Known, KnownFault> {
        let file: File = toml::from_str(text)
            .map_err(|error| KnownFault::Unreadable(error.to_string().trim_end().to_owned()))?;
        for entry in &file.known {
            if entry.reason.trim().is_empty() {
                return Err(KnownFault::Reason(entry.object.clone()));
            }
            let kinds = ["changed", "renamed", "generated_name", "column_order"];
            if !kinds.contains(&entry.kind.as_str()) && !entry.kind.starts_with("only_in_") {
                return Err(KnownFault::Kind(entry.object.clone(), entry.kind.clone()));
            }
        }
        Ok(Known { entries: file.known })
    }

    /// Notes the reasons in a comparison; gives the entries that no difference needed, each as its
    /// object and kind.
    pub fn apply(&self, comparison: &mut Comparison) -> Vec<(String, String)> {
        let (left, right) = (comparison.left.clone(), comparison.right.clone());
        let mut used = vec![false; self.entries.len()];
        for difference in &mut comparison.differences {
            let (name, kind) = (difference.key.to_string(), difference.change.kind(&left, &right));
            for (entry, used) in self.entries.iter().zip(&mut used) {
                if entry.kind == kind && entry.covers(&name) {
                    difference.known.get_or_insert_with(|| entry.reason.clone());
                    *used = true;
                }
            }
        }
        let unused = self.entries.iter().zip(used).filter(|(_, used)| !used);
        unused.map(|(entry, _)| (entry.object.clone(), entry.kind.clone())).collect()
    }
}

impl Entry {
    /// The object's name, or all that begin so where the entry ends in `*`.
    fn covers(&self, name: &str) -> bool {
        match self.object.strip_suffix('*') {
            Some(stem) => name.starts_with(stem),
            None => name == self.object,
        }
    }
}
