//! `.db_authority_drift_history.json`: every run on record. Pure: text in, runs out, and back.
//!
//! It is one JSON array. The first line holds the header, every further line one run behind a comma,
//! in the order of time; so a line is never changed by another, and merging two files line by line
//! (`merge=union`) gives a sound one. Runs that a newer version wrote are kept as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the file.
pub const FILE: &str = ".db_authority_drift_history.json";

/// The header, as it stands in the first line.
const HEADER: &str = r#"{"history":"pgauthority drift","version":1}"#;

/// Which rules there are: raised when a new one would make more findings of the same tree.
pub const RULES: u32 = 1;

/// What a run looked at: only runs of the same scope can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The paths, relative to the history's folder, sorted.
    pub paths: Vec<String>,
    /// With `--config`.
    pub config: bool,
    /// With `--connect`.
    pub connect: bool,
    /// The generation of the rules, and which of them were left out (`1 -infer.url`).
    pub rules: String,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Unique, and in the order of time (UUIDv7).
    pub id: String,
    /// When, in UTC.
    pub at: String,
    /// The program's version.
    pub version: String,
    /// What it looked at.
    pub scope: Scope,
    /// The commit that was checked out, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub commit: Option<String>,
    /// Files looked at.
    pub files: u64,
    /// Findings, all rules together.
    pub total: u64,
    /// Findings that comments allow.
    pub allowed: u64,
    /// Findings by rule; rules without any are left out.
    pub findings: BTreeMap<String, u64>,
}

/// The whole history.
#[derive(Clone, Debug, Default)]
pub struct History {
    runs: Vec<(Run, Value)>,
}

/// Why a history cannot be read, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Corrupt {
    /// What is wrong, with the line.
    pub what: String,
    /// What to type; `FILE` stands for the file.
    pub repair: &'static str,
}

const MARKERS: &str = "keep both sides of the merge: \
    sed -i -E '/^(<<<<<<<|=======|>>>>>>>|\\|\\|\\|\\|\\|\\|\\|)/d' FILE; and to have git do so: \
    echo 'FILE merge=union' >> .gitattributes";
const OTHERWISE: &str = "take an earlier state from version control (git checkout -- FILE), or correct \
    the line; mv FILE FILE.corrupt begins a new history without the best run on record";

impl History {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Anything that is not a history in all its parts; nothing is guessed or dropped.
    pub fn parse(text: &str) -> Result<History, Corrupt> {
        let corrupt = |what: String, repair| Corrupt { what, repair };
        if let Some(line) = text.lines().position(is_marker) {
            let what = format!("line {} is a mark of an unfinished merge", line + 1);
            return Err(corrupt(what, MARKERS));
        }
        let values: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| corrupt(format!("it is no JSON array: {error}"), OTHERWISE))?;
        let mut values = values.into_iter();
        let header = values.next().unwrap_or_default();
        if header.get("history").and_then(Value::as_str) != Some("pgauthority drift") {
            return Err(corrupt("its first element is not the header".to_owned(), OTHERWISE));
        }
        if header.get("version").and_then(Value::as_u64) != Some(1) {
            let what = "it is of a newer version than this program knows".to_owned();
            return Err(corrupt(what, "use a newer pgauthority"));
        }
        let mut history = History::default();
        for (index, value) in values.enumerate() {
            let run: Run = serde_json::from_value(value.clone())
                .map_err(|error| corrupt(format!("run {}: {error}", index + 1), OTHERWISE))?;
            if let Some((_, known)) = history.runs.iter().find(|(known, _)| known.id == run.id) {
                // a merge may bring a run twice
                if *known == value {
                    continue;
                }
                let what = format!("two different runs have the id {}", run.id);
                return Err(corrupt(what, OTHERWISE));
            }
            history.runs.push((run, value));
        }
        history.sort();
        Ok(history)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!("[{HEADER}\n");
        for (_, value) in &self.runs {
            text.push_str(&format!(",{value}\n"));
        }
        text.push_str("]\n");
        text
    }

    /// Adds a run.
    pub fn add(&mut self, run: Run) {
        let value = serde_json::to_value(&run).unwrap_or_default();
        self.runs.push((run, value));
        self.sort();
    }

    fn sort(&mut self) {
        self.runs.sort_by(|(a, _), (b, _)| (&a.at, &a.id).cmp(&(&b.at, &b.id)));
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.iter().map(|(run, _)| run)
    }

    /// The runs of one scope, oldest first.
    pub fn of(&self, scope: &Scope) -> Vec<&Run> {
        self.runs().filter(|run| run.scope == *scope).collect()
    }

    /// The run with the fewest findings; the latest of several.
    pub fn best(&self, scope: &Scope) -> Option<&Run> {
        self.runs()
            .filter(|run| run.scope == *scope)
            .min_by(|a, b| a.total.cmp(&b.total).then_with(|| b.at.cmp(&a.at)))
    }
}

fn is_marker(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].iter().any(|mark| line.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, at: &str, total: u64) -> Run {
        Run {
            id: id.to_owned(),
            at: at.to_owned(),
            version: "0.1.0".to_owned(),
            scope: scope(),
            commit: None,
            files: 1,
            total,
            allowed: 0,
            findings: BTreeMap::new(),
        }
    }

    fn scope() -> Scope {
        Scope { paths: vec![".".to_owned()], config: false, connect: false, rules: "1".to_owned() }
    }

    fn history(runs: &[Run]) -> History {
        let mut history = History::default();
        for run in runs {
            history.add(run.clone());
        }
        history
    }

    #[test]
    fn a_history_reads_what_it_wrote() {
        let text = history(&[run("b", "2026-01-02", 3), run("a", "2026-01-01", 5)]).to_text();
        assert!(
            text.starts_with("[{\"history\":\"pgauthority drift\",\"version\":1}\n,{\"id\":\"a\"")
        );
        let read = History::parse(&text).unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!(read.best(&scope()).unwrap().id, "b");
        assert_eq!(History::parse(&history(&[]).to_text()).unwrap().runs().count(), 0);
    }

    #[test]
    fn lines_of_two_histories_merge_into_one() {
        let (base, ours, theirs) =
            (run("a", "2026-01-01", 5), run("b", "2026-01-02", 3), run("c", "2026-01-03", 4));
        let ours = history(&[base.clone(), ours]).to_text();
        let theirs = history(&[base, theirs]).to_text();
        // what git's union merge does with two additions at one place
        let mut lines: Vec<&str> = ours.lines().collect();
        let theirs: Vec<&str> = theirs.lines().collect();
        lines.insert(2, theirs[2]);
        lines.insert(2, theirs[1]);
        let merged = History::parse(&lines.join("\n")).unwrap();
        let ids: Vec<&str> = merged.runs().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn a_newer_versions_fields_are_kept() {
        let text = history(&[run("a", "2026-01-01", 5)]).to_text();
        let text = text.replace("\"files\":1", "\"files\":1,\"mood\":\"good\"");
        let mut read = History::parse(&text).unwrap();
        read.add(run("b", "2026-01-02", 5));
        assert!(read.to_text().contains("\"mood\":\"good\""));
    }

    #[test]
    fn what_is_no_history_is_told_and_how_to_repair_it() {
        let good = history(&[run("a", "2026-01-01", 5)]).to_text();
        let merge = good.replace(",{\"id\"", "<<<<<<< ours\n,{\"id\"");
        let fault = History::parse(&merge).unwrap_err();
        assert_eq!(fault.what, "line 2 is a mark of an unfinished merge");
        assert!(fault.repair.contains("sed -i"));
        for text in
            ["", "{}", "[]", "[1]", &good[..good.len() - 4], &good.replace("\"total\":5,", "")]
        {
            assert!(History::parse(text).unwrap_err().repair.contains("mv FILE"), "{text}");
        }
        let twice =
            good.replace("\n]", "\n") + &good.lines().nth(1).unwrap().replace(":5,", ":6,") + "\n]";
        assert!(History::parse(&twice).unwrap_err().what.contains("two different runs"));
        let newer = good.replace("\"version\":1}", "\"version\":2}");
        assert!(History::parse(&newer).unwrap_err().what.contains("newer"));
    }

    #[test]
    fn the_best_run_is_of_the_same_scope() {
        let mut other = run("x", "2026-01-05", 0);
        other.scope.config = true;
        let history = history(&[run("a", "2026-01-01", 2), run("b", "2026-01-02", 2), other]);
        assert_eq!(history.best(&scope()).unwrap().id, "b");
        assert_eq!(history.of(&scope()).len(), 2);
    }
}
