//! The `authority.*` parameters: who may set them, and to what (contract §2).

use super::decide::View;
use super::{Denial, Policy, Rule};
use crate::contract::parameter::{self, Parameter};
use crate::contract::{Cell, ConfirmHow, DecisionTable};
use crate::sql::{Effect, SetConfig, SetScope, SetValue, Statement};

impl Policy {
    pub(super) fn confirms(&self, statement: &Statement) -> bool {
        let names_confirm = |name: &str| name.eq_ignore_ascii_case(parameter::CONFIRM);
        match &statement.effect {
            Effect::Set { name, .. } | Effect::Reset(name) => names_confirm(name),
            _ => statement
                .set_config
                .iter()
                .any(|call| call.name.as_deref().is_some_and(names_confirm)),
        }
    }

    pub(super) fn parameters(&self, statement: &Statement, view: View) -> Option<Denial> {
        let of_effect = match &statement.effect {
            Effect::Set { name, value, scope } => {
                let value = match value {
                    SetValue::Text(text) => Some(&**text),
                    SetValue::Default => None,
                };
                self.parameter(name, value, *scope, view)
                    .or_else(|| self.lexing(name, value, statement))
            }
            Effect::Reset(name) => self.parameter(name, None, SetScope::Session, view),
            Effect::ResetAll | Effect::DiscardAll if self.set_by_statement && view.in_string => {
                Some(Denial::new(
                    Rule::TagReadonly,
                    format!("{} blocked in a string with other statements", statement.tag),
                    format!("send {} as a statement of its own", statement.tag),
                ))
            }
            // the transaction of its string, which a pool's reset is, ends with it
            Effect::ResetAll if view.ends_string && !view.in_transaction && !view.in_pipeline => {
                None
            }
            Effect::ResetAll if self.routed && view.task_is_set => {
                task_within(view, |first| format!("{first}RESET ALL"))
            }
            Effect::Prepare { inner, .. } => self.parameters(inner, view),
            _ => None,
        };
        of_effect.or_else(|| {
            statement.set_config.iter().find_map(|call| {
                let name = call.name.as_deref()?;
                let scope =
                    if call.is_local == Some(true) { SetScope::Local } else { SetScope::Session };
                let alone = statement.set_config.len() == 1;
                self.set_config((call, alone), name, scope, view)
                    .or_else(|| self.lexing(name, call.value.as_deref(), statement))
            })
        })
    }

    fn set_config(
        &self,
        (call, alone): (&SetConfig, bool),
        name: &str,
        scope: SetScope,
        view: View,
    ) -> Option<Denial> {
        match (&call.value, Parameter::from_name(name)) {
            (_, None) => None,
            // a computed value never confirms; it may carry a ticket
            (None, Some(Parameter::Confirm | Parameter::Ticket)) => None,
            (None, Some(Parameter::Tag | Parameter::Undefined)) => {
                self.parameter(name, Some(""), scope, view)
            }
            (None, Some(_)) => Some(Denial::new(
                Rule::ParameterInvalid,
                format!("\"{name}\" takes a literal value only"),
                format!("use SET {name} = '…'"),
            )),
            // nor beside others: a leg that comes later is told the task and what else was set
            (Some(_), Some(Parameter::Task))
                if self.routed && !(call.bare && alone && call.is_local.is_some()) =>
            {
                Some(Denial::new(
                    Rule::TaskChange,
                    format!("\"{}\" is not set by a part of a statement", parameter::TASK),
                    change_hint("outside a transaction: ", call.value.as_deref()),
                ))
            }
            (Some(value), Some(_)) => self.parameter(name, Some(value), scope, view),
        }
    }

    /// A SET (`value` given), RESET or SET … TO DEFAULT of one parameter.
    fn parameter(
        &self,
        name: &str,
        value: Option<&str>,
        scope: SetScope,
        view: View,
    ) -> Option<Denial> {
        let kind = Parameter::from_name(name)?;
        match kind {
            Parameter::Tag => Some(Denial::new(
                Rule::TagReadonly,
                format!("parameter \"{name}\" cannot be changed: the proxy alone sets it"),
                format!("use SHOW {} to read it", name.to_ascii_lowercase()),
            )),
            Parameter::Undefined => Some(undefined(name)),
            Parameter::Confirm => self.confirm_value(name, value?),
            Parameter::Ticket => ticket_value(name, value?),
            Parameter::Task => self.task_value(value, scope, view),
            Parameter::ExpectAuthority | Parameter::ExpectRole | Parameter::ExpectEnv => {
                self.expectation(kind, value?)
            }
        }
    }

    fn confirm_value(&self, name: &str, value: &str) -> Option<Denial> {
        match parameter::boolean(value) {
            None => Some(Denial::new(
                Rule::ParameterInvalid,
                format!("parameter \"{name}\" requires a Boolean value"),
                format!("use SET {name} = true to confirm, false to withdraw"),
            )),
            Some(false) => None,
            Some(true) if self.confirm == ConfirmHow::Session && self.user_may_confirm => None,
            Some(true) => Some(Denial::new(
                Rule::ConfirmDenied,
                "confirmation refused: this session cannot confirm with a statement",
                self.confirm_hint(),
            )),
        }
    }

    fn task_value(&self, value: Option<&str>, scope: SetScope, view: View) -> Option<Denial> {
        if self.routed && scope == SetScope::Local {
            return Some(Denial::new(
                Rule::TaskChange,
                format!("\"{}\" cannot be set for a transaction with SET LOCAL", parameter::TASK),
                change_hint("outside a transaction: ", value),
            ));
        }
        if self.routed
            && let Some(denial) = task_within(view, |first| change_hint(first, value))
        {
            return Some(denial);
        }
        let task = value?;
        let Some(row) = self.decisions.lookup(task) else {
            return Some(unknown_task(&self.decisions, task));
        };
        if !self.routed {
            return None;
        }
        if self.movable || !self.leads_elsewhere(task) {
            return None;
        }
        let places = |split| match split {
            true => "reads from neon and writes to local".to_owned(),
            false => "works in one place".to_owned(),
        };
        let there = match row.single_authority() {
            Some(authority) => format!("works on authority {authority}"),
            None => places(row.is_split()),
        };
        let here = match self.split {
            Some(_) => places(true),
            None => format!("is connected to authority {}", self.declaration.authority),
        };
        Some(Denial::new(
            Rule::TaskChange,
            format!("task \"{task}\" {there}, and this session {here}"),
            format!(
                "the client's own authentication cannot be repeated there: connect again with \
                 options='-c {}={task}'",
                parameter::TASK
            ),
        ))
    }

    /// The task's row names other upstreams than those of this session (contract §3). A row
    /// that denies both names none, nor does a task without a row.
    pub fn leads_elsewhere(&self, task: &str) -> bool {
        let Some(row) = self.decisions.lookup(task) else { return false };
        if !self.routed || row.is_closed() {
            return false;
        }
        match (row.single_authority(), self.split) {
            (Some(authority), None) => authority != self.declaration.authority,
            (single, split) => single.is_none() != split.is_some(),
        }
    }

    /// The session's task is now this one: its row's cells apply (contract §3).
    pub fn follow_task(&mut self, task: Option<&str>) {
        if !self.routed {
            return;
        }
        let row = task.and_then(|task| self.decisions.lookup(task));
        self.displaced = task.is_some_and(|task| self.leads_elsewhere(task));
        self.read_denied = self.displaced || row.is_none_or(|row| row.read == Cell::Deny);
        self.write_denied = self.displaced || row.is_none_or(|row| row.write == Cell::Deny);
    }

    /// Compares an `authority.expect_*` value with the declaration.
    pub fn expectation(&self, kind: Parameter, value: &str) -> Option<Denial> {
        let (what, declared) = match kind {
            Parameter::ExpectAuthority => ("authority", self.declaration.authority.as_str()),
            Parameter::ExpectRole => ("role", self.declaration.role.as_str()),
            Parameter::ExpectEnv => ("env", self.declaration.environment.as_str()),
            _ => return None,
        };
        (!value.is_empty() && value != declared).then(|| {
            Denial::new(
                Rule::ExpectMismatch,
                format!(
                    "upstream \"{}\" is {what} {declared}, and the session expects \"{value}\"",
                    self.upstream
                ),
                format!(
                    "check DATABASE_URL: it leads to {what} {declared}; or expect {declared} in \
                     authority.expect_{what}"
                ),
            )
        })
    }
}

/// The task holds for whole transactions: it is not changed inside one, be it implicit, as
/// PostgreSQL keeps what belongs outside (25001: SET TRANSACTION behind a query, VACUUM).
fn task_within(view: View, hint: impl Fn(&str) -> String) -> Option<Denial> {
    let (place, first) = match view {
        View { in_transaction: true, .. } => {
            ("inside a transaction block", "COMMIT or ROLLBACK first, then: ")
        }
        View { in_string: true, .. } => {
            ("in a string with other statements", "as a message of its own: ")
        }
        View { in_pipeline: true, .. } => ("in a pipeline behind others", "behind a Sync: "),
        _ => return None,
    };
    Some(Denial::new(
        Rule::TaskChange,
        format!("\"{}\" cannot be changed {place}", parameter::TASK),
        hint(first),
    ))
}

/// Why a statement may not run in a pipeline behind others, if it changes the task.
pub fn task_in_pipeline(statement: &Statement, task_is_set: bool) -> Option<Denial> {
    let view = View { in_pipeline: true, task_is_set, ..View::default() };
    let is_task = |name: &str| name.eq_ignore_ascii_case(parameter::TASK);
    let denial = |value: Option<&str>| task_within(view, |first| change_hint(first, value));
    match &statement.effect {
        Effect::Set { name, value: SetValue::Text(value), .. } if is_task(name) => {
            denial(Some(value))
        }
        Effect::Set { name, .. } | Effect::Reset(name) if is_task(name) => denial(None),
        Effect::ResetAll if task_is_set => task_within(view, |first| format!("{first}RESET ALL")),
        _ => {
            let mut calls = statement.set_config.iter();
            let call = calls.find(|call| call.name.as_deref().is_some_and(is_task))?;
            denial(call.value.as_deref())
        }
    }
}

/// How another task is declared; `value`: this one.
fn change_hint(first: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{first}SET {} = '{}'", parameter::TASK, value.replace('\'', "''")),
        None => format!("{first}RESET {}", parameter::TASK),
    }
}

/// A task that the decision table does not have.
pub fn unknown_task(decisions: &DecisionTable, task: &str) -> Denial {
    let known: Vec<&str> = decisions.iter().map(|row| row.task.as_str()).collect();
    let nearest = match decisions.nearest(task) {
        Some(near) => format!("did you mean {near}? "),
        None => String::new(),
    };
    let known = known.join(", ");
    match decisions.leaves_out(task) {
        true => Denial::new(
            Rule::TaskUnknown,
            format!("task \"{task}\" is none of those that this entry serves"),
            format!("connect to another entry; the tasks of this one are {known}"),
        ),
        false => Denial::new(
            Rule::TaskUnknown,
            format!("task \"{task}\" is not in the decision table"),
            format!("{nearest}the declared tasks are {known}"),
        ),
    }
}

/// An `authority.*` name that does not exist.
pub(super) fn undefined(name: &str) -> Denial {
    Denial::new(
        Rule::ParameterUnknown,
        format!("unrecognized configuration parameter \"{name}\""),
        "the parameters are authority.task, authority.confirm_prod_migrations, authority.ticket, \
         authority.expect_authority, authority.expect_role and authority.expect_env",
    )
}

fn ticket_value(name: &str, value: &str) -> Option<Denial> {
    (value.chars().count() > parameter::TICKET_LIMIT).then(|| {
        Denial::new(
            Rule::ParameterInvalid,
            format!("\"{name}\" is longer than {} characters", parameter::TICKET_LIMIT),
            "name the ticket, not its text",
        )
    })
}
