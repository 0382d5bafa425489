//! The decision: class × role × confirmation (contract §4), and the guarded parameters (§2, §4).

use std::sync::Arc;
use std::time::Duration;

use crate::contract::{AdminRule, ConfirmHow, DecisionTable, Declaration, Role};
use crate::policy::Denial;
use crate::sql::{Class, Statement};

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
    /// The row of the session's task leads elsewhere since a reload: the session may only leave.
    pub displaced: bool,
    /// The entry is routed, so a task decides which cells apply.
    pub routed: bool,
    /// Another task may move the session to other upstreams: the proxy can log in there by itself.
    pub movable: bool,
    /// The decision table.
    pub decisions: Arc<DecisionTable>,
    /// The connection also runs with `default_transaction_read_only = on`.
    pub guarded: bool,
    /// Which leg of a split session it is (spec of the proxy, section 4); `None`: of no split one.
    pub split: Option<SplitLeg>,
    /// The guard and tags were set with SET, so RESET ALL and DISCARD ALL would end them.
    pub set_by_statement: bool,
    /// The upstream's host pools transactions and keeps no session state.
    pub pooler: bool,
}

/// A leg of a session that reads in one place and writes in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitLeg {
    /// Where it reads: nothing else is allowed there, whatever the role.
    Read,
    /// Where it writes.
    Write,
}

/// The session's state as a decision needs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// Confirmed, and the confirmation has not lapsed.
    pub confirmed: bool,
    /// It was confirmed, and that has lapsed since.
    pub lapsed: bool,
    /// A transaction block is open (or will be, once what is in flight is done).
    pub in_transaction: bool,
    /// The statement stands in a string with others.
    pub in_string: bool,
    /// Nothing stands behind it in its string.
    pub ends_string: bool,
    /// It runs in a pipeline behind others, without a Sync between.
    pub in_pipeline: bool,
    /// RESET would change `authority.task`.
    pub task_is_set: bool,
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
    /// The law that follows from an upstream's declaration alone: any way to confirm, no
    /// administration, no task.
    pub fn new(upstream: &str, declaration: Declaration) -> Policy {
        Policy {
            upstream: upstream.to_owned(),
            declaration,
            confirm: ConfirmHow::Session,
            user_may_confirm: true,
            admin: AdminRule::Block,
            confirm_max_age: None,
            read_denied: false,
            write_denied: false,
            displaced: false,
            routed: false,
            movable: false,
            decisions: Arc::new(DecisionTable::default()),
            guarded: declaration.role == Role::Replica,
            split: None,
            set_by_statement: false,
            pooler: false,
        }
    }

    /// A statement of this class runs whatever the session's state is. The gate's short path.
    #[inline]
    pub fn always_allows(&self, class: Class) -> bool {
        self.verdict(class) == Verdict::Allow && !self.denied(class)
    }

    /// Neither role nor task ever refuses a statement here, so unsafe lexing cannot hide one.
    pub fn allows_everything(&self) -> bool {
        self.role() == Role::Staging && !self.read_denied && !self.write_denied
    }

    /// The role that decides: a read leg is as good as a replica.
    pub(super) fn role(&self) -> Role {
        match self.split {
            Some(SplitLeg::Read) => Role::Replica,
            _ => self.declaration.role,
        }
    }

    fn denied(&self, class: Class) -> bool {
        match class {
            Class::Session => false,
            Class::Read => self.read_denied,
            _ => self.write_denied,
        }
    }

    fn verdict(&self, class: Class) -> Verdict {
        match (self.role(), class) {
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
                self.class_denial(statement, Class::Opaque, view)
            } else {
                self.guard_denial(statement)
            };
            return self.block(statement, class, denial);
        }
        let reads_nothing = statement.only_sets() || statement.shows_authority;
        if self.denied(class) && !(class == Class::Read && reads_nothing) {
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
                self.block(statement, class, self.class_denial(statement, class, view))
            }
        }
    }

    fn block(&self, statement: &Statement, class: Class, denial: Denial) -> Decision {
        Decision::Block(Box::new(Denial {
            class: Some(class),
            tag: Some(statement.tag),
            location: Some(statement.location),
            reason: statement.reason.to_string(),
            fault: statement.fault.clone(),
            ..denial
        }))
    }
}
