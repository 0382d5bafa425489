//! Where each task leads on each routed entry, and by which cells.

use serde_json::{Value, json};

use crate::config::{ClientAuth, Config, Entry, EntryTarget};
use crate::contract::{Cell, DecisionRow};

/// Header and rows: the task, its cells, and what they come to on each routed entry.
pub(super) fn rows(config: &Config) -> (Vec<String>, Vec<Vec<String>>) {
    let routed: Vec<_> = config.databases.iter().filter(|(_, entry)| is_routed(entry)).collect();
    let mut header = ["task", "read", "write"].map(str::to_owned).to_vec();
    header.extend(routed.iter().map(|(name, _)| format!("on \"{name}\"")));
    let rows = config.decisions.iter().map(|row| {
        let mut cells = vec![row.task.clone(), row.read.to_string(), row.write.to_string()];
        cells.extend(routed.iter().map(|(_, entry)| on(entry, row)));
        cells
    });
    (header, rows.collect())
}

/// The same of one entry, for programs; empty for a pinned one.
pub(super) fn json(config: &Config, entry: &Entry) -> Value {
    let rows = config.decisions.iter().filter(|_| is_routed(entry));
    rows.map(|row| {
        let refused = refusal(entry, row);
        let place = |cell: Cell| {
            let authority = cell.authority().filter(|_| refused.is_none())?;
            entry.target.upstream(authority).map(|upstream| upstream.name.clone())
        };
        json!({ "task": row.task, "reads": place(row.read), "writes": place(row.write), "refused": refused })
    })
    .collect()
}

fn is_routed(entry: &Entry) -> bool {
    matches!(entry.target, EntryTarget::Routed { .. })
}

/// Why sessions of a row's task are refused on an entry.
fn refusal(entry: &Entry, row: &DecisionRow) -> Option<String> {
    if entry.decisions.leaves_out(&row.task) {
        return Some("the entry does not serve it".to_owned());
    }
    let lacking = row.authorities().find(|authority| entry.target.upstream(*authority).is_none());
    match lacking {
        Some(authority) => Some(format!("the entry has no {authority} upstream")),
        None if row.is_closed() => Some("the row denies both".to_owned()),
        None if row.is_split() && entry.auth == ClientAuth::Relay => {
            Some("a relayed login cannot be repeated on a second upstream".to_owned())
        }
        None => None,
    }
}

fn on(entry: &Entry, row: &DecisionRow) -> String {
    if let Some(why) = refusal(entry, row) {
        return format!("refused: {why}");
    }
    let place = |cell: Cell| {
        let upstream = cell.authority().and_then(|authority| entry.target.upstream(authority));
        upstream.map(|upstream| &*upstream.name)
    };
    match (place(row.read), place(row.write)) {
        (Some(read), Some(write)) if read == write => read.to_owned(),
        (Some(read), Some(write)) => format!("reads {read}, writes {write}"),
        (Some(read), None) => format!("{read}, reads only"),
        (None, Some(write)) => format!("{write}, writes only"),
        (None, None) => String::new(),
    }
}
