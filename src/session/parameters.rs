//! The session's `authority.*` parameters under PostgreSQL's own scope rules (contract §2).
//!
//! A parameter has the value it started with (what RESET returns to), a session value, and, inside
//! a transaction, perhaps a local one. SET sets the session value and ends the local one; SET
//! LOCAL sets the local one; COMMIT ends the local one; ROLLBACK and ROLLBACK TO restore what was
//! before. Since rollback restores all at once, it is the whole [`Parameters`] that is saved.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::parameter;
use crate::sql::{Effect, SetScope, Statement};

/// A value with PostgreSQL's three scopes. A scope whose value is `None` stands at the value that
/// the session started with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scoped<T> {
    startup: T,
    session: Option<T>,
    local: Option<Option<T>>,
}

impl<T: Clone> Scoped<T> {
    /// A parameter as the startup packet left it.
    pub fn new(startup: T) -> Self {
        Scoped { startup, session: None, local: None }
    }

    /// The value in force.
    pub fn get(&self) -> &T {
        self.in_force().as_ref().unwrap_or(&self.startup)
    }

    /// RESET would change it.
    pub fn is_set(&self) -> bool
    where
        T: PartialEq,
    {
        *self.get() != self.startup
    }

    fn in_force(&self) -> &Option<T> {
        self.local.as_ref().unwrap_or(&self.session)
    }

    /// SET, SET LOCAL.
    pub fn set(&mut self, value: T, scope: SetScope) {
        self.put(Some(value), scope);
    }

    /// RESET, SET … TO DEFAULT.
    pub fn reset(&mut self, scope: SetScope) {
        self.put(None, scope);
    }

    fn put(&mut self, value: Option<T>, scope: SetScope) {
        match scope {
            SetScope::Session => {
                self.session = value;
                self.local = None;
            }
            SetScope::Local => self.local = Some(value),
        }
    }

    /// RESET ALL. The server passes over what stands at its start value, be it by SET LOCAL … TO
    /// DEFAULT alone: then the session's value is back after the transaction.
    fn reset_all(&mut self) {
        if self.in_force().is_some() {
            self.reset(SetScope::Session);
        }
    }

    fn end_transaction(&mut self) {
        self.local = None;
    }
}

/// A point on the caller's monotonic clock.
pub type Instant = Duration;

/// A confirmation in force, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Confirmation {
    /// When it was given; `None`: not confirmed.
    pub since: Option<Instant>,
    /// Not confirmed any more: it became too old.
    pub lapsed: bool,
}

impl Confirmation {
    /// Given at this time.
    pub fn at(now: Instant) -> Self {
        Confirmation { since: Some(now), lapsed: false }
    }
}

/// Where code that cannot be seen may have withdrawn the confirmation. It cannot have given it:
/// that is no way to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Doubt {
    /// The value in force.
    now: bool,
    /// The value that will be in force once the transaction has committed.
    later: bool,
    /// Such code has run in this transaction: it may have a local value of its own making.
    here: bool,
}

/// Every parameter that the proxy itself reads.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Parameters {
    /// `authority.confirm_prod_migrations`.
    pub confirmation: Scoped<Confirmation>,
    doubt: Doubt,
    /// `authority.ticket`.
    pub ticket: Scoped<Option<Arc<str>>>,
    /// `authority.task`.
    pub task: Scoped<Option<Arc<str>>>,
}

impl Parameters {
    /// As the startup packet left them.
    pub fn new(
        confirmed_at: Option<Instant>,
        ticket: Option<Arc<str>>,
        task: Option<Arc<str>>,
    ) -> Self {
        Parameters {
            confirmation: Scoped::new(Confirmation { since: confirmed_at, lapsed: false }),
            doubt: Doubt::default(),
            ticket: Scoped::new(ticket),
            task: Scoped::new(task),
        }
    }

    /// SET and SET LOCAL of the confirmation.
    pub fn set_confirmation(&mut self, confirmation: Confirmation, scope: SetScope) {
        self.confirmation.set(confirmation, scope);
        self.known(scope);
    }

    /// RESET and SET … TO DEFAULT of the confirmation.
    pub fn reset_confirmation(&mut self, scope: SetScope) {
        self.confirmation.reset(scope);
        self.known(scope);
    }

    fn known(&mut self, scope: SetScope) {
        match scope {
            SetScope::Session => self.doubt = Doubt::default(),
            SetScope::Local => self.doubt.now = false,
        }
    }

    /// RESET ALL.
    pub fn reset_all(&mut self) {
        self.confirmation.reset_all();
        self.ticket.reset_all();
        self.task.reset_all();
        // nobody knows whether there was anything to reset, but this is what is in force now
        self.doubt.now = false;
    }

    /// DISCARD ALL, which runs in no transaction: nothing is local.
    pub fn discard_all(&mut self) {
        self.reset_all();
        self.doubt = Doubt::default();
    }

    /// The end of a transaction that committed: SET LOCAL ends.
    pub fn end_transaction(&mut self) {
        self.confirmation.end_transaction();
        self.ticket.end_transaction();
        self.task.end_transaction();
        self.doubt.now = self.doubt.later;
        self.doubt.here = false;
    }

    /// What happened is not known: nothing is confirmed. (What RESET returns to stays, as it does
    /// on the server.)
    pub fn distrust(&mut self) {
        self.set_confirmation(Confirmation::default(), SetScope::Session);
    }

    /// Code ran that cannot be seen.
    pub fn unseen(&mut self) {
        self.doubt = Doubt { now: true, later: true, here: true };
    }

    /// As `unseen`, for the parameters at the start of the transaction: the code ended it.
    pub fn unseen_before(&mut self) {
        self.doubt = Doubt { now: true, later: true, here: false };
    }

    /// Nothing depends on a doubt any more.
    pub fn trust(&mut self) {
        self.doubt = Doubt::default();
    }

    /// Whether the confirmation in force may have been withdrawn unseen.
    pub fn is_doubted(&self) -> bool {
        self.doubt.now
    }

    /// The server has been asked for the value in force: `confirmed`, or not.
    pub fn asked(&mut self, confirmed: bool) {
        if !confirmed {
            return self.distrust();
        }
        self.doubt.now = false;
        // what is in force is the session's own value unless there can be a local one
        if !self.doubt.here && self.confirmation.local.is_none() {
            self.doubt.later = false;
        }
    }

    /// [`Parameters::distrust`] would change nothing.
    pub fn is_distrusted(&self) -> bool {
        self.confirmation.session == Some(Confirmation::default())
            && self.confirmation.local.is_none()
            && self.doubt == Doubt::default()
    }

    /// Confirmed whatever ends: the transaction, or the local scope alone.
    pub fn is_confirmed_throughout(&self) -> bool {
        self.of_session().since.is_some() && self.confirmation.get().since.is_some()
    }

    /// There is a confirmation that could be withdrawn.
    pub fn is_confirmed_anywhere(&self) -> bool {
        self.of_session().since.is_some() || self.confirmation.get().since.is_some()
    }

    /// The value that is in force once the transaction has committed.
    fn of_session(&self) -> &Confirmation {
        self.confirmation.session.as_ref().unwrap_or(&self.confirmation.startup)
    }

    /// Ends confirmations that were older than `max_age` at this time. True: something was ended.
    pub fn lapse(&mut self, now: Instant, max_age: Duration) -> bool {
        let lapsed = |confirmation: &Confirmation| {
            confirmation.since.is_some_and(|since| now.saturating_sub(since) > max_age)
        };
        let Scoped { startup, session, .. } = &mut self.confirmation;
        let mut ended = false;
        for value in std::iter::once(startup).chain(session) {
            if lapsed(value) {
                *value = Confirmation { since: None, lapsed: true };
                ended = true;
            }
        }
        ended
    }
}

/// It sets `authority.task`, or sets it back. RESET ALL aside, which does more.
pub fn declares_task(statement: &Statement) -> bool {
    let task = |name: &str| name.eq_ignore_ascii_case(parameter::TASK);
    match &statement.effect {
        Effect::Set { name, .. } | Effect::Reset(name) => task(name),
        _ => statement.set_config.iter().any(|call| call.name.as_deref().is_some_and(task)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Confirmation {
        Confirmation::at(Duration::from_secs(seconds))
    }

    #[test]
    fn set_local_hides_the_session_value_until_the_transaction_ends() {
        let mut parameters = Parameters::default();
        parameters.confirmation.set(at(1), SetScope::Session);
        parameters.confirmation.set(Confirmation::default(), SetScope::Local);
        assert_eq!(parameters.confirmation.get().since, None);
        parameters.end_transaction();
        assert_eq!(*parameters.confirmation.get(), at(1));
    }

    #[test]
    fn set_after_set_local_wins() {
        let mut parameters = Parameters::default();
        parameters.confirmation.set(Confirmation::default(), SetScope::Local);
        parameters.confirmation.set(at(1), SetScope::Session);
        assert_eq!(*parameters.confirmation.get(), at(1));
    }

    #[test]
    fn reset_returns_to_the_startup_value() {
        let mut parameters = Parameters::new(Some(Duration::from_secs(1)), None, None);
        parameters.confirmation.set(Confirmation::default(), SetScope::Session);
        parameters.reset_all();
        assert_eq!(*parameters.confirmation.get(), at(1));
    }

    #[test]
    fn reset_all_passes_over_what_is_local_and_at_its_start_value() {
        let mut parameters = Parameters::new(Some(Duration::from_secs(1)), None, None);
        parameters.confirmation.set(Confirmation::default(), SetScope::Session);
        parameters.confirmation.reset(SetScope::Local);
        parameters.reset_all();
        assert_eq!(*parameters.confirmation.get(), at(1));
        parameters.end_transaction();
        assert_eq!(parameters.confirmation.get().since, None);
    }

    #[test]
    fn a_doubt_is_answered_for_the_scope_that_the_answer_speaks_of() {
        let mut parameters = Parameters::new(Some(Duration::from_secs(1)), None, None);
        parameters.unseen();
        parameters.asked(true);
        assert!(!parameters.is_doubted());
        parameters.end_transaction();
        assert!(parameters.is_doubted(), "it may have been local");
        parameters.asked(true);
        parameters.end_transaction();
        assert!(!parameters.is_doubted());
        parameters.unseen();
        parameters.set_confirmation(at(2), SetScope::Local);
        assert!(!parameters.is_doubted());
        parameters.end_transaction();
        parameters.asked(false);
        assert_eq!(parameters.confirmation.get().since, None);
    }

    #[test]
    fn a_lapse_ends_the_startup_value_too() {
        let mut parameters = Parameters::new(Some(Duration::from_secs(1)), None, None);
        assert!(!parameters.lapse(Duration::from_secs(60), Duration::from_secs(60)));
        assert!(parameters.lapse(Duration::from_secs(62), Duration::from_secs(60)));
        parameters.reset_all();
        assert_eq!(parameters.confirmation.get().since, None);
        assert!(parameters.confirmation.get().lapsed);
        parameters.set_confirmation(Confirmation::default(), SetScope::Session);
        assert!(!parameters.confirmation.get().lapsed, "withdrawn, not lapsed");
    }
}
