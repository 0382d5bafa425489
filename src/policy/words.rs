//! What refusals by class, task and host say.

use super::decide::View;
use super::{Denial, Policy, Rule, SplitLeg};
use crate::contract::{AdminRule, ConfirmHow, Role, parameter};
use crate::sql::{Class, Statement};

impl Policy {
    pub(super) fn class_denial(&self, statement: &Statement, class: Class, view: View) -> Denial {
        let (rule, why) = match self.role() {
            Role::Prod => self.prod_rule(class, view),
            Role::Replica | Role::Staging => (replica_rule(class), String::new()),
        };
        let what = if statement.is_unreadable() { "statement" } else { statement.tag };
        let upstream = &self.upstream;
        let message = match self.split {
            Some(SplitLeg::Read) => format!(
                "{what} blocked: upstream \"{upstream}\" is where this session reads, and nothing \
                 else"
            ),
            _ => {
                format!(
                    "{what} blocked: upstream \"{upstream}\" is role {}{why}",
                    self.declaration.role
                )
            }
        };
        Denial::new(rule, message, self.class_hint(rule, statement))
    }

    fn prod_rule(&self, class: Class, view: View) -> (Rule, String) {
        let unconfirmed = if view.lapsed {
            " and the session's confirmation has lapsed (confirm_max_age)".to_owned()
        } else {
            " and the session has not confirmed".to_owned()
        };
        match class {
            Class::MigrationState => (Rule::ProdMigrationStateUnconfirmed, unconfirmed),
            Class::Privilege => (Rule::ProdPrivilegeUnconfirmed, unconfirmed),
            Class::Opaque => {
                (Rule::ProdOpaqueUnconfirmed, format!(", its effect cannot be shown{unconfirmed}"))
            }
            Class::Admin if self.admin == AdminRule::Block => {
                (Rule::ProdAdminBlocked, ", where administrative statements are blocked".to_owned())
            }
            Class::Admin => (Rule::ProdAdminUnconfirmed, unconfirmed),
            _ => (Rule::ProdDdlUnconfirmed, unconfirmed),
        }
    }

    fn class_hint(&self, rule: Rule, statement: &Statement) -> String {
        match statement.fault {
            Some(_) => format!("if this is a typing error, mend it; {}", self.role_hint(rule)),
            None => self.role_hint(rule),
        }
    }

    fn role_hint(&self, rule: Rule) -> String {
        match rule {
            Rule::ProdAdminBlocked => "run it outside the proxy under your break-glass procedure, \
                or let the entry say admin = \"confirm\""
                .to_owned(),
            _ if self.split == Some(SplitLeg::Read) => {
                "what it would run writes there; write to the local database by name of a table, \
                 or declare a task that works on one authority"
                    .to_owned()
            }
            _ if self.declaration.role == Role::Prod => self.confirm_hint(),
            _ => "connect to an upstream whose role is staging or prod; a replica is read-only"
                .to_owned(),
        }
    }

    /// How this session could confirm: only ways that the entry allows.
    pub(super) fn confirm_hint(&self) -> String {
        if !self.user_may_confirm {
            return "this user may not confirm on this entry: connect as one of its confirm_users"
                .to_owned();
        }
        match self.confirm {
            ConfirmHow::Session => format!(
                "if this is meant for production, confirm: SET {} = true, or connect with \
                 options='-c {}=true'",
                parameter::CONFIRM,
                parameter::CONFIRM
            ),
            ConfirmHow::Startup => format!(
                "if this is meant for production, connect with options='-c {}=true'; this entry \
                 takes no confirmation later",
                parameter::CONFIRM
            ),
            ConfirmHow::Never => {
                "this entry never takes a confirmation: use an entry for migrations".to_owned()
            }
        }
    }

    /// Why a startup packet may not confirm here; `None`: it may.
    pub fn startup_confirmation(&self) -> Option<Denial> {
        let allowed = self.confirm != ConfirmHow::Never && self.user_may_confirm;
        (!allowed && self.declaration.role == Role::Prod).then(|| {
            Denial::new(
                Rule::ConfirmDenied,
                "confirmation refused: this session cannot confirm",
                self.confirm_hint(),
            )
        })
    }

    pub(super) fn task_denial(&self, statement: &Statement, class: Class) -> Denial {
        if self.displaced {
            let hint = match self.movable {
                true => format!(
                    "declare the task again, outside a transaction, and the session goes there: \
                     SET {} = '…'; SHOW {} tells the present one",
                    parameter::TASK,
                    parameter::TASK
                ),
                false => "connect again: a new session goes there".to_owned(),
            };
            return Denial::new(
                Rule::TaskDenied,
                format!(
                    "{} blocked: the row of the session's task leads to other upstreams since a \
                     reload",
                    statement.tag
                ),
                hint,
            );
        }
        let kind = if class == Class::Read { "reads" } else { "writes" };
        Denial::new(
            Rule::TaskDenied,
            format!("{} blocked: the session's task denies {kind}", statement.tag),
            format!(
                "declare another task outside a transaction: SET {} = '…'; SHOW {} tells the \
                 present one",
                parameter::TASK,
                parameter::TASK
            ),
        )
    }

    pub(super) fn pooler_denial(&self, statement: &Statement) -> Denial {
        Denial::new(
            Rule::ProdPooler,
            format!(
                "{} blocked: upstream \"{}\" is a transaction-pooled host, which keeps no session \
                 state for a confirmation",
                statement.tag, self.upstream
            ),
            "declare an upstream with the direct host name (without \"-pooler\") for migrations",
        )
    }
}

fn replica_rule(class: Class) -> Rule {
    match class {
        Class::Session | Class::Read | Class::Write => Rule::ReplicaWrite,
        Class::Temp => Rule::ReplicaTemp,
        Class::Maintenance => Rule::ReplicaMaintenance,
        Class::MigrationState => Rule::ReplicaMigrationState,
        Class::Ddl => Rule::ReplicaDdl,
        Class::Privilege => Rule::ReplicaPrivilege,
        Class::Opaque => Rule::ReplicaOpaque,
        Class::Admin => Rule::ReplicaAdmin,
    }
}
