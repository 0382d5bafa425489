//! Transactions, savepoints and the one parameter that decides, as PostgreSQL has them: the witness.
//!
//! A statement that may not run without the confirmation, and runs here without it, is a miss.

use pgauthority::contract::{Role, parameter};
use pgauthority::sql::{Chain, Class, Effect, SetScope, SetValue, Statement};

use super::script::Choices;

/// The confirmation with PostgreSQL's scopes.
#[derive(Clone, Copy, Debug, Default)]
struct Confirmation {
    startup: bool,
    session: bool,
    local: Option<bool>,
}

impl Confirmation {
    fn get(self) -> bool {
        self.local.unwrap_or(self.session)
    }

    fn set(&mut self, value: bool, local: bool) {
        if local {
            self.local = Some(value);
        } else {
            (self.session, self.local) = (value, None);
        }
    }
}

/// What running a statement did besides.
pub struct Ran {
    pub tag: String,
    /// The transaction is over.
    pub ended: bool,
    /// Prepared statements are gone.
    pub forgets: bool,
}

pub struct Transaction {
    role: Role,
    /// BEGIN opened a block.
    pub explicit: bool,
    failed: bool,
    confirmation: Confirmation,
    at_start: Option<Confirmation>,
    savepoints: Vec<(Box<str>, Confirmation)>,
    /// Code withdrew the confirmation in this string or pipeline: that counts from the next on.
    withdrawn: bool,
    /// Something has run since the last ReadyForQuery.
    ran: bool,
}

impl Transaction {
    pub fn new(role: Role, confirmed: bool) -> Self {
        Transaction {
            role,
            explicit: false,
            failed: false,
            confirmation: Confirmation { startup: confirmed, session: confirmed, local: None },
            at_start: None,
            savepoints: Vec::new(),
            withdrawn: false,
            ran: false,
        }
    }

    pub fn is_confirmed(&self) -> bool {
        self.confirmation.get()
    }

    pub fn begin(&mut self) {
        self.at_start.get_or_insert(self.confirmation);
        self.ran = true;
    }

    fn commit(&mut self) {
        self.confirmation.local = None;
        self.end();
    }

    fn roll_back(&mut self) {
        if let Some(start) = self.at_start {
            self.confirmation = start;
        }
        self.end();
    }

    fn end(&mut self) {
        (self.explicit, self.failed, self.at_start) = (false, false, None);
        self.savepoints.clear();
    }

    /// An error; true: the transaction is over.
    pub fn fail(&mut self) -> bool {
        if self.explicit {
            self.failed = true;
        } else {
            self.roll_back();
        }
        !self.explicit
    }

    /// ReadyForQuery, and the status it carries.
    pub fn ready(&mut self) -> u8 {
        if !self.explicit {
            self.commit();
        }
        (self.withdrawn, self.ran) = (false, false);
        match (self.explicit, self.failed) {
            (false, _) => b'I',
            (true, false) => b'T',
            (true, true) => b'E',
        }
    }

    /// In a failed transaction nothing may be done but ending it.
    pub fn allowed(&self, statement: Option<&Statement>) -> Result<(), &'static str> {
        let ends = |statement: &Statement| {
            matches!(
                statement.effect,
                Effect::Commit(_)
                    | Effect::Rollback(_)
                    | Effect::RollbackTo(_)
                    | Effect::PrepareTransaction
            )
        };
        if self.failed && !statement.is_some_and(ends) { Err("25P02") } else { Ok(()) }
    }

    /// Code that nobody sees into: it can withdraw the confirmation.
    pub fn code_runs(&mut self, choices: &mut Choices<'_>) {
        if choices.once_in(8) {
            let local = choices.below(2) == 1;
            self.begin();
            self.confirmation.set(false, local);
            self.withdrawn = true;
        }
    }

    /// Runs a statement; `in_string`: with others in one Query.
    pub fn run(
        &mut self,
        statement: &Statement,
        in_string: bool,
        choices: &mut Choices<'_>,
    ) -> Result<Ran, &'static str> {
        if statement.is_unreadable() {
            return Err("42601");
        }
        let alone = !self.explicit && !in_string && !self.ran;
        self.begin();
        let failed = self.failed;
        let mut ran = Ran { tag: statement.tag.to_owned(), ended: false, forgets: false };
        match &statement.effect {
            Effect::Begin { .. } => self.explicit = true,
            Effect::Commit(chain) | Effect::Rollback(chain) => {
                if *chain == Chain::Yes && !self.explicit {
                    return Err("25P01");
                }
                if failed || matches!(statement.effect, Effect::Rollback(_)) {
                    self.roll_back();
                    ran.tag = "ROLLBACK".to_owned();
                } else {
                    self.commit();
                }
                if *chain == Chain::Yes {
                    self.begin();
                    self.explicit = true;
                }
                ran.ended = true;
            }
            Effect::PrepareTransaction if !self.explicit => ran.tag = "ROLLBACK".to_owned(),
            Effect::PrepareTransaction => {
                if failed {
                    self.roll_back();
                    ran.tag = "ROLLBACK".to_owned();
                } else {
                    self.commit();
                }
                ran.ended = true;
            }
            Effect::Savepoint(name) if self.explicit => {
                self.savepoints.push((name.clone(), self.confirmation));
            }
            Effect::Savepoint(_) => return Err("25P01"),
            Effect::Release(name) => {
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at);
            }
            Effect::RollbackTo(name) => {
                let at = self.savepoint(name)?;
                self.savepoints.truncate(at + 1);
                self.confirmation = self.savepoints[at].1;
                self.failed = false;
            }
            Effect::DiscardAll if !alone => return Err("25001"),
            Effect::DiscardAll => {
                self.reset();
                ran.forgets = true;
            }
            Effect::ResetAll => self.reset(),
            Effect::Reset(name) if name.eq_ignore_ascii_case(parameter::CONFIRM) => self.reset(),
            Effect::Set { name, value: SetValue::Text(value), scope }
                if name.eq_ignore_ascii_case(parameter::CONFIRM) =>
            {
                let value = parameter::boolean(value).ok_or("22023")?;
                self.confirmation.set(value, *scope == SetScope::Local);
            }
            _ => self.witness(statement),
        }
        for call in &statement.set_config {
            if let (Some(name), Some(value)) = (&call.name, &call.value)
                && name.eq_ignore_ascii_case(parameter::CONFIRM)
            {
                let value = parameter::boolean(value).ok_or("22023")?;
                self.confirmation.set(value, call.is_local == Some(true));
            }
        }
        if statement.may_run_unseen_code() {
            self.code_runs(choices);
            if statement.do_or_call && !self.explicit && choices.once_in(4) {
                self.roll_back();
                self.begin();
            }
        }
        Ok(ran)
    }

    fn savepoint(&self, name: &str) -> Result<usize, &'static str> {
        self.savepoints.iter().rposition(|(known, _)| &**known == name).ok_or("3B001")
    }

    fn reset(&mut self) {
        self.confirmation.set(self.confirmation.startup, false);
    }

    /// A statement runs: may it?
    fn witness(&self, statement: &Statement) {
        if statement.temp.is_some() {
            return; // a temporary relation's name decides
        }
        let may = match (self.role, statement.class) {
            (Role::Staging, _) => true,
            (Role::Replica, class) => class <= Class::Read,
            (Role::Prod, Class::Admin) => false,
            (Role::Prod, class) => {
                class <= Class::Maintenance || self.confirmation.get() || self.withdrawn
            }
        };
        let (class, tag) = (statement.class, statement.tag);
        assert!(may, "{tag} of class {class} ran on {:?}, unconfirmed", self.role);
    }
}
