//! Events grouped by statement: what is tried again and again.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::json;

use super::Format;
use super::record::Record;
use super::render::{cut, one_line};

/// The longest statement in the table; `--format json` has it whole.
const STATEMENT: usize = 160;

/// What makes events the same: fingerprint, kind, rule and upstream.
type Key = (String, String, String, String);

/// Groups under way.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<Key, Group>);

#[derive(Debug, Default)]
struct Group {
    count: u64,
    first: String,
    last: String,
    statement: String,
    users: BTreeSet<String>,
}

impl Groups {
    /// Counts an event; those without a statement have nothing to be grouped by, and an outcome
    /// belongs to an event that was counted already.
    pub(super) fn add(&mut self, record: &Record) {
        let Some(fingerprint) = record.fingerprint.clone() else { return };
        if record.event == "ddl_outcome" {
            return;
        }
        let word = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".into());
        let key = (fingerprint, record.event.clone(), word(&record.rule), word(&record.upstream));
        let group = self.0.entry(key).or_default();
        group.count += 1;
        // Times in one format and time zone sort as text.
        if group.first.is_empty() || record.ts < group.first {
            group.first.clone_from(&record.ts);
        }
        if record.ts >= group.last {
            group.last.clone_from(&record.ts);
            let text = record.statement.as_ref().or(record.command_tag.as_ref());
            group.statement = text.cloned().unwrap_or_default();
        }
        group.users.extend(record.user.clone());
    }

    /// Writes the most frequent groups, the latest first among equals.
    pub(super) fn write(self, most: usize, format: Format, out: &mut dyn Write) -> io::Result<()> {
        let mut groups: Vec<_> = self.0.into_iter().collect();
        groups.sort_by(|(a_key, a), (b_key, b)| {
            (b.count, &b.last, a_key).cmp(&(a.count, &a.last, b_key))
        });
        groups.truncate(most);
        if format == Format::Json {
            for ((fingerprint, event, rule, upstream), group) in groups {
                let object = json!({
                    "count": group.count, "first": group.first, "last": group.last,
                    "event": event, "rule": rule, "upstream": upstream,
                    "fingerprint": fingerprint, "users": group.users,
                    "statement": group.statement,
                });
                writeln!(out, "{object}")?;
            }
            return Ok(());
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["COUNT", "LAST SEEN", "RULE", "UPSTREAM", "STATEMENT"]);
        for ((_, event, rule, upstream), group) in groups {
            let rule = if rule == "-" { event } else { rule };
            let last = group.last.get(..19).unwrap_or(&group.last).replace('T', " ");
            table.add_row([
                group.count.to_string(),
                format!("{}Z", one_line(&last)),
                one_line(&rule),
                one_line(&upstream),
                cut(&one_line(&group.statement), Some(STATEMENT)),
            ]);
        }
        if let Some(counts) = table.column_mut(0) {
            counts.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ts: &str, fingerprint: &str, user: &str) -> Record {
        Record {
            ts: ts.into(),
            event: "statement_blocked".into(),
            rule: Some("prod.ddl_unconfirmed".into()),
            upstream: Some("neon-prod".into()),
            fingerprint: Some(fingerprint.into()),
            statement: Some(format!("DROP TABLE {fingerprint}")),
            user: Some(user.into()),
            ..Record::default()
        }
    }

    #[test]
    fn the_most_frequent_comes_first() {
        let mut groups = Groups::default();
        groups.add(&record("2026-01-21T03:00:00.000000Z", "a", "x"));
        groups.add(&record("2026-01-21T03:00:02.000000Z", "b", "x"));
        groups.add(&record("2026-01-21T03:00:01.000000Z", "b", "y"));
        let outcome = Record { event: "ddl_outcome".into(), ..record("", "a", "x") };
        groups.add(&outcome);
        let mut out = Vec::new();
        groups.write(9, Format::Json, &mut out).unwrap();
        let lines: Vec<serde_json::Value> = std::str::from_utf8(&out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["count"], 2);
        assert_eq!(lines[0]["users"], json!(["x", "y"]));
        assert_eq!(lines[0]["last"], "2026-01-21T03:00:02.000000Z");
        assert_eq!(lines[0]["first"], "2026-01-21T03:00:01.000000Z");
        assert_eq!(lines[1]["fingerprint"], "a");
    }

    #[test]
    fn the_table_is_aligned() {
        let mut groups = Groups::default();
        groups.add(&record("2026-01-21T03:00:00.000000Z", "a", "x"));
        let mut out = Vec::new();
        groups.write(9, Format::Table, &mut out).unwrap();
        let table = String::from_utf8(out).unwrap();
        assert!(
            table.contains("2026-01-21 03:00:00Z") && table.contains("DROP TABLE a"),
            "{table}"
        );
    }
}
