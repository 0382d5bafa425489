//! The tasks of a routed entry: which it serves, and whether it names what their rows need.

use std::collections::BTreeSet;

use super::entries::Rules;
use crate::config::draft::DraftEntry;
use crate::config::fault::Located;
use crate::config::model::ClientAuth;
use crate::config::source::quoted;
use crate::contract::{Authority, DecisionRow, nearest};

/// The names in a list.
pub(super) fn named(list: &Located<Vec<Located<String>>>) -> BTreeSet<String> {
    list.value.iter().map(|name| name.value.clone()).collect()
}

impl Rules<'_, '_> {
    /// A routed entry's tasks are known, and the upstreams of their rows are there.
    pub(super) fn tasks(&self, draft: &DraftEntry) {
        if draft.upstream.is_some() {
            let keys = [
                ("task", draft.task.as_ref().map(|task| &task.at)),
                ("tasks", draft.tasks.as_ref().map(|tasks| &tasks.at)),
            ];
            for (key, at) in keys {
                if let Some(at) = at {
                    let message =
                        format!("a pinned entry needs no {key}: its upstream is the declaration");
                    self.fault(at, message, format!("remove {key}"));
                }
            }
            return;
        }
        self.served(draft);
        if let Some(task) = &draft.task {
            self.task(draft, task);
        }
        self.needs(draft);
    }

    fn known(&self, task: &Located<String>, write: &str) -> Option<&DecisionRow> {
        let row = self.decisions.lookup(&task.value);
        if row.is_none() {
            let hint = match self.decisions.nearest(&task.value) {
                Some(near) => format!("write {write}\"{near}\""),
                None => {
                    let tasks: Vec<_> =
                        self.decisions.iter().map(|row| row.task.as_str()).collect();
                    format!("add a [[decision]] for it; there are {}", tasks.join(", "))
                }
            };
            self.fault(&task.at, format!("unknown task {}", quoted(&task.value)), hint);
        }
        row
    }

    fn served(&self, draft: &DraftEntry) {
        let Some(tasks) = &draft.tasks else { return };
        if tasks.value.is_empty() {
            let message = format!("entry \"{}\" serves no task", draft.name.value);
            self.fault(&tasks.at, message, "name its tasks, or remove tasks: then it serves all");
        }
        for task in &tasks.value {
            self.known(task, "");
        }
    }

    /// The task of clients that declare none.
    fn task(&self, draft: &DraftEntry, task: &Located<String>) {
        let Some(row) = self.known(task, "task = ") else { return };
        if row.is_closed() {
            let message = format!("task \"{}\" may neither read nor write", row.task);
            self.fault(&task.at, message, "choose another task, or remove task");
        }
        if let Some(tasks) = draft.tasks.as_ref().map(named)
            && !tasks.contains(&task.value)
        {
            let message = format!("task \"{}\" is not one of the entry's tasks", row.task);
            let hint = match nearest(&task.value, tasks.iter().map(String::as_str)) {
                Some(near) => format!("write task = \"{near}\""),
                None => format!("add \"{}\" to tasks, or remove task", row.task),
            };
            self.fault(&task.at, message, hint);
        }
        if row.is_split()
            && let Some(auth) = draft.auth.as_ref().filter(|auth| auth.value == ClientAuth::Relay)
        {
            let message = format!(
                "task \"{}\" reads from {} and writes to {}: one login cannot be relayed to both",
                row.task, row.read, row.write
            );
            self.fault(&auth.at, message, "write auth = \"scram-sha-256\" and users = [\"USER\"]");
        }
    }

    /// Sessions may have any task that the entry serves: it names what each row needs.
    fn needs(&self, draft: &DraftEntry) {
        let given = |authority| match authority {
            Authority::Neon => draft.neon.is_some(),
            Authority::Local => draft.local.is_some(),
        };
        if !given(Authority::Neon) && !given(Authority::Local) {
            return;
        }
        let only = draft.tasks.as_ref().map(named);
        let serves = |row: &&DecisionRow| only.as_ref().is_none_or(|only| only.contains(&row.task));
        let rows: Vec<&DecisionRow> = self.decisions.iter().filter(serves).collect();
        for authority in [Authority::Neon, Authority::Local] {
            let needing = |row: &&&DecisionRow| row.authorities().any(|one| one == authority);
            let names: Vec<&str> =
                rows.iter().filter(needing).map(|row| row.task.as_str()).collect();
            if given(authority) || names.is_empty() {
                continue;
            }
            let message = format!(
                "entry \"{}\" names no upstream for {authority}, and so cannot serve {}",
                draft.name.value,
                names.join(", ")
            );
            let served = rows.iter().filter(|row| !row.is_closed());
            let served = served.filter(|row| row.authorities().all(given));
            let served: Vec<String> = served.map(|row| format!("\"{}\"", row.task)).collect();
            let hint = match &served[..] {
                [] => format!("add {authority} = \"NAME\""),
                some => format!(
                    "add {authority} = \"NAME\", or declare that it serves no such task: \
                     tasks = [{}]",
                    some.join(", ")
                ),
            };
            let at = draft.tasks.as_ref().map_or(&draft.name.at, |tasks| &tasks.at);
            self.fault(at, message, hint);
        }
    }
}
