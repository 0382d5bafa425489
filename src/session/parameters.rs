//! The session's `authority.*` parameters under PostgreSQL's own scope rules (contract §2).
//!
//! A parameter has the value it started with (what RESET returns to), a session value, and, inside
//! a transaction, perhaps a local one. SET sets the session value and ends the local one; SET
//! LOCAL sets the local one; COMMIT ends the local one; ROLLBACK and ROLLBACK TO restore what was
//! before. Since rollback restores all at once, it is the whole [`Parameters`] that is saved.

use std::sync::Arc;
use std::time::Duration;

use crate::sql::SetScope;

/// A value with PostgreSQL's three scopes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scoped<T> {
    startup: T,
    session: T,
    local: Option<T>,
}

impl<T: Clone> Scoped<T> {
    /// A parameter as the startup packet left it.
    pub fn new(startup: T) -> Self {
        Scoped { session: startup.clone(), startup, local: None }
    }

    /// The value in force.
    pub fn get(&self) -> &T {
        self.local.as_ref().unwrap_or(&self.session)
    }

    /// SET, SET LOCAL.
    pub fn set(&mut self, value: T, scope: SetScope) {
        match scope {
            SetScope::Session => {
                self.session = value;
                self.local = None;
            }
            SetScope::Local => self.local = Some(value),
        }
    }

    /// RESET, SET … TO DEFAULT.
    pub fn reset(&mut self, scope: SetScope) {
        self.set(self.startup.clone(), scope);
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
}

/// Every parameter that the proxy itself reads.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Parameters {
    /// `authority.confirm_prod_migrations`.
    pub confirmation: Scoped<Confirmation>,
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
            confirmation: Scoped::new(Confirmation { since: confirmed_at }),
            ticket: Scoped::new(ticket),
            task: Scoped::new(task),
        }
    }

    /// RESET ALL, DISCARD ALL.
    pub fn reset_all(&mut self) {
        self.confirmation.reset(SetScope::Session);
        self.ticket.reset(SetScope::Session);
        self.task.reset(SetScope::Session);
    }

    /// The end of a transaction that committed: SET LOCAL ends.
    pub fn end_transaction(&mut self) {
        self.confirmation.end_transaction();
        self.ticket.end_transaction();
        self.task.end_transaction();
    }

    /// What happened is not known: nothing is confirmed. (What RESET returns to stays, as it does
    /// on the server.)
    pub fn distrust(&mut self) {
        self.confirmation.session = Confirmation::default();
        self.confirmation.local = None;
    }

    /// Nothing is confirmed in any scope that a rollback can return to.
    pub fn is_distrusted(&self) -> bool {
        self.confirmation.session.since.is_none() && self.confirmation.local.is_none()
    }

    /// Confirmed whatever ends: the transaction, or the local scope alone.
    pub fn is_confirmed_throughout(&self) -> bool {
        self.confirmation.session.since.is_some()
            && self.confirmation.local.is_none_or(|local| local.since.is_some())
    }

    /// Ends a confirmation older than `max_age`. The caller sees to it that no transaction is open.
    pub fn lapse(&mut self, now: Instant, max_age: Duration) -> bool {
        let lapsed = |confirmation: &Confirmation| {
            confirmation.since.is_some_and(|since| now.saturating_sub(since) > max_age)
        };
        let was = self.confirmation.get().since.is_some();
        for value in [&mut self.confirmation.startup, &mut self.confirmation.session] {
            if lapsed(value) {
                *value = Confirmation::default();
            }
        }
        was && self.confirmation.get().since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Confirmation {
        Confirmation { since: Some(Duration::from_secs(seconds)) }
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
    fn a_lapse_ends_the_startup_value_too() {
        let mut parameters = Parameters::new(Some(Duration::from_secs(1)), None, None);
        assert!(!parameters.lapse(Duration::from_secs(60), Duration::from_secs(60)));
        assert!(parameters.lapse(Duration::from_secs(62), Duration::from_secs(60)));
        parameters.reset_all();
        assert_eq!(parameters.confirmation.get().since, None);
    }
}
