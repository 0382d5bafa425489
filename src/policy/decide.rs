//! The decision: class × role × confirmation (contract §4), and the guarded parameters (§2, §4).

use std::sync::Arc;
use std::time::Duration;

use crate::contract::parameter::{self, Parameter};
use crate::contract::{AdminRule, Cell, ConfirmHow, DecisionTable, Declaration, Role};
use crate::policy::{Denial, Rule};
use crate::sql::{Chain, Class, Effect, SetConfig, SetScope, SetValue, Statement};

/// Everything about a session that decides besides its own state. Replaced when the configuration
/// is reloaded.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The upstream's name.
    pub upstream: String,
    /// Its declarations.
    pub declaration: Declaration,
    /// How the entry lets a session confirm.
    pub confirm: ConfirmHow,
    /// The session's user is among the entry's `confirm_users`.
    pub user_may_confirm: bool,
    /// The entry's `admin`.
    pub admin: AdminRule,
    /// `confirm_max_age`.
    pub confirm_max_age: Option<Duration>,
    /// The task's read cell is `deny`.
    pub read_denied: bool,
    /// The task's write cell is `deny`.
    pub write_denied: bool,
    /// The entry is routed, so a task decides which cells apply.
    pub routed: bool,
    /// The decision table.
    pub decisions: Arc<DecisionTable>,
    /// The connection also runs with `default_transaction_read_only = on`.
    pub guarded: bool,
    /// The guard and tags were set with SET, so RESET ALL and DISCARD ALL would end them.
    pub set_by_statement: bool,
    /// The upstream's host pools transactions and keeps no session state.
    pub pooler: bool,
}

/// The session's state as a decision needs it.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Confirmed, and the confirmation has not lapsed.
    pub confirmed: bool,
    /// A transaction block is open (or will be, once what is in flight is done).
    pub in_transaction: bool,
    /// The statement stands in a string with others.
    pub in_string: bool,
}

/// What to do with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Forward,
    /// It may run because the session has confirmed: it needs an audit event first.
    ForwardConfirmed,
    /// It changes the confirmation: that needs an audit event first.
    ForwardConfirming,
    /// It may not run.
    Block(Box<Denial>),
}

/// What a role does with a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Confirm,
    Block,
}

impl Policy {
    /// A statement of this class runs whatever the session's state is. The gate's short path.
    #[inline]
    pub fn always_allows(&self, class: Class) -> bool {
        self.verdict(class) == Verdict::Allow && !self.denied(class)
    }

    /// Neither role nor task ever refuses a statement here, so unsafe lexing cannot hide one.
    pub fn allows_everything(&self) -> bool {
        self.declaration.role == Role::Staging && !self.read_denied && !self.write_denied
    }

    fn denied(&self, class: Class) -> bool {
        match class {
            Class::Session => false,
            Class::Read => self.read_denied,
            _ => self.write_denied,
        }
    }

    fn verdict(&self, class: Class) -> Verdict {
        match (self.declaration.role, class) {
            (Role::Staging, _) => Verdict::Allow,
            (Role::Replica, Class::Session | Class::Read) => Verdict::Allow,
            (Role::Replica, _) => Verdict::Block,
            (Role::Prod, Class::Session | Class::Read | Class::Temp) => Verdict::Allow,
            (Role::Prod, Class::Write | Class::Maintenance) => Verdict::Allow,
            (Role::Prod, Class::MigrationState | Class::Ddl) => Verdict::Confirm,
            (Role::Prod, Class::Privilege | Class::Opaque) => Verdict::Confirm,
            (Role::Prod, Class::Admin) => match self.admin {
                AdminRule::Block => Verdict::Block,
                AdminRule::Confirm => Verdict::Confirm,
            },
        }
    }

    /// Whether a statement of `class` could be let through or refused by the confirmation.
    pub fn needs_confirmation(&self, class: Class) -> bool {
        self.verdict(class) == Verdict::Confirm
    }

    /// Decides one statement, `class` being its class in this session at this moment (temporary
    /// and prepared names resolved).
    pub fn decide(&self, statement: &Statement, class: Class, view: View) -> Decision {
        if let Some(denial) = self.parameters(statement, view) {
            return self.block(statement, class, denial);
        }
        if self.guarded && (statement.do_or_call || self.turns_guard_off(statement)) {
            let denial = if statement.do_or_call {
                self.class_denial(statement, Class::Opaque)
            } else {
                self.guard_denial(statement)
            };
            return self.block(statement, class, denial);
        }
        if self.denied(class) {
            return self.block(statement, class, self.task_denial(statement, class));
        }
        match self.verdict(class) {
            Verdict::Allow if self.confirms(statement) => Decision::ForwardConfirming,
            Verdict::Allow => Decision::Forward,
            Verdict::Confirm if view.confirmed && self.pooler => {
                self.block(statement, class, self.pooler_denial(statement))
            }
            Verdict::Confirm if view.confirmed => Decision::ForwardConfirmed,
            Verdict::Confirm | Verdict::Block => {
                self.block(statement, class, self.class_denial(statement, class))
            }
        }
    }

    fn block(&self, statement: &Statement, class: Class, denial: Denial) -> Decision {
        Decision::Block(Box::new(Denial {
            class: Some(class),
            tag: Some(statement.tag),
            location: Some(statement.location),
            reason: statement.reason.to_string(),
            ..denial
        }))
    }

    // -- refusals by class --------------------------------------------------------------------

    fn class_denial(&self, statement: &Statement, class: Class) -> Denial {
        let (rule, why) = match self.declaration.role {
            Role::Prod => self.prod_rule(class),
            Role::Replica | Role::Staging => (replica_rule(class), String::new()),
        };
        let what = if statement.tag == "???" { "statement" } else { statement.tag };
        let message = format!(
            "{what} blocked: upstream \"{}\" is role {}{why}",
            self.upstream, self.declaration.role
        );
        Denial::new(rule, message, self.class_hint(rule))
    }

    fn prod_rule(&self, class: Class) -> (Rule, String) {
        let unconfirmed = " and the session has not confirmed".to_owned();
        match class {
            Class::MigrationState => (Rule::ProdMigrationStateUnconfirmed, unconfirmed),
            Class::Privilege => (Rule::ProdPrivilegeUnconfirmed, unconfirmed),
            Class::Opaque => (
                Rule::ProdOpaqueUnconfirmed,
                ", its effect cannot be shown and the session has not confirmed".to_owned(),
            ),
            Class::Admin if self.admin == AdminRule::Block => {
                (Rule::ProdAdminBlocked, ", where administrative statements are blocked".to_owned())
            }
            Class::Admin => (Rule::ProdAdminUnconfirmed, unconfirmed),
            _ => (Rule::ProdDdlUnconfirmed, unconfirmed),
        }
    }

    fn class_hint(&self, rule: Rule) -> String {
        match rule {
            Rule::ProdAdminBlocked => "run it outside the proxy under your break-glass procedure, \
                or let the entry say admin = \"confirm\""
                .to_owned(),
            _ if self.declaration.role == Role::Prod => self.confirm_hint(),
            _ => "connect to an upstream whose role is staging or prod; a replica is read-only"
                .to_owned(),
        }
    }

    /// How this session could confirm: only ways that the entry allows.
    fn confirm_hint(&self) -> String {
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

    fn task_denial(&self, statement: &Statement, class: Class) -> Denial {
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

    fn pooler_denial(&self, statement: &Statement) -> Denial {
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

    // -- authority.* parameters ---------------------------------------------------------------

    fn confirms(&self, statement: &Statement) -> bool {
        let names_confirm = |name: &str| name.eq_ignore_ascii_case(parameter::CONFIRM);
        match &statement.effect {
            Effect::Set { name, .. } | Effect::Reset(name) => names_confirm(name),
            _ => statement
                .set_config
                .iter()
                .any(|call| call.name.as_deref().is_some_and(names_confirm)),
        }
    }

    fn parameters(&self, statement: &Statement, view: View) -> Option<Denial> {
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
            Effect::Prepare { inner, .. } => self.parameters(inner, view),
            _ => None,
        };
        of_effect.or_else(|| {
            statement.set_config.iter().find_map(|call| {
                let name = call.name.as_deref()?;
                let scope =
                    if call.is_local == Some(true) { SetScope::Local } else { SetScope::Session };
                self.set_config(call, name, scope, view)
                    .or_else(|| self.lexing(name, call.value.as_deref(), statement))
            })
        })
    }

    fn set_config(
        &self,
        call: &SetConfig,
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
        let refuse = |message: String, hint: &str| {
            Some(Denial::new(Rule::TaskChange, message, hint.to_owned()))
        };
        if self.routed && scope == SetScope::Local {
            return refuse(
                "\"authority.task\" cannot be set with SET LOCAL".to_owned(),
                "use SET authority.task = '…' outside a transaction",
            );
        }
        if self.routed && (view.in_transaction || view.in_string) {
            return refuse(
                "\"authority.task\" cannot be changed inside a transaction".to_owned(),
                "COMMIT or ROLLBACK first, then send SET authority.task = '…' by itself",
            );
        }
        let task = value?;
        let Some(row) = self.decisions.lookup(task) else {
            return Some(unknown_task(&self.decisions, task));
        };
        if !self.routed {
            return None;
        }
        if row.is_split() {
            return Some(split_task(task));
        }
        match row.single_authority() {
            Some(authority) if authority != self.declaration.authority => refuse(
                format!(
                    "task \"{task}\" works on authority {authority}, and this session is \
                     connected to {}",
                    self.declaration.authority
                ),
                &format!("connect again with options='-c {}={task}'", parameter::TASK),
            ),
            _ => None,
        }
    }

    /// The session's task is now this one: its row's cells apply (contract §3).
    pub fn follow_task(&mut self, task: Option<&str>) {
        if !self.routed {
            return;
        }
        let row = task.and_then(|task| self.decisions.lookup(task));
        self.read_denied = row.is_none_or(|row| row.read == Cell::Deny);
        self.write_denied = row.is_none_or(|row| row.write == Cell::Deny);
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

    // -- guarded parameters -------------------------------------------------------------------

    fn lexing(&self, name: &str, value: Option<&str>, statement: &Statement) -> Option<Denial> {
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

    fn turns_guard_off(&self, statement: &Statement) -> bool {
        let off = |name: &str, value: Option<&str>| match value {
            Some(value) => is_read_only(name) && parameter::boolean(value) != Some(true),
            None => is_read_only(name),
        };
        let by_effect = match &statement.effect {
            Effect::Begin { read_write }
            | Effect::SetTransaction { read_write }
            | Effect::SetSessionCharacteristics { read_write } => *read_write == Some(true),
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

    fn guard_denial(&self, statement: &Statement) -> Denial {
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

/// A task that the decision table does not have.
pub fn unknown_task(decisions: &DecisionTable, task: &str) -> Denial {
    let known: Vec<&str> = decisions.iter().map(|row| row.task.as_str()).collect();
    let nearest = match decisions.nearest(task) {
        Some(near) => format!("did you mean {near}? "),
        None => String::new(),
    };
    Denial::new(
        Rule::TaskUnknown,
        format!("task \"{task}\" is not in the decision table"),
        format!("{nearest}the declared tasks are {}", known.join(", ")),
    )
}

/// A task that reads and writes in different places.
pub fn split_task(task: &str) -> Denial {
    Denial::new(
        Rule::TaskSplit,
        format!("task \"{task}\" reads from neon and writes to local, which is not served yet"),
        "declare a task that works on one authority, such as run_verification (neon) or \
         integration_tests (local)",
    )
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
