//! Logins that end without a session: on record first, then told to the client.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::recorder::describe;
use super::session::Newcomer;
use crate::audit::{Event, EventKind, Place};
use crate::policy::{Denial, Rule};
use crate::protocol::ErrorResponse;
use crate::upstream::{ConnectError, ConnectErrorKind};

/// Why there is no session.
pub(super) enum Refusal {
    /// The contract or a limit.
    Denied(Box<Denial>),
    /// The client is not who it says.
    Unproven(super::authenticate::Refused),
    /// No connection to the upstream.
    Upstream(ConnectError),
    /// The client is gone.
    Gone(io::Error),
}

impl From<Box<Denial>> for Refusal {
    fn from(denial: Box<Denial>) -> Self {
        Refusal::Denied(denial)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Gone(error)
    }
}

impl Refusal {
    /// As the refusal of a statement, in a session that goes on: under the server's own SQLSTATE
    /// where that has said why.
    pub(super) fn into_denial(self, hint: &str) -> Box<Denial> {
        match self {
            Refusal::Denied(denial) => denial,
            Refusal::Upstream(error) => Box::new(Denial {
                reason: error.detail().unwrap_or_default().to_owned(),
                code: error.is_verbatim().then(|| error.sqlstate().into()),
                ..Denial::new(
                    rule_of(&error),
                    error.message().to_owned(),
                    error.hint().unwrap_or(hint).to_owned(),
                )
            }),
            Refusal::Unproven(_) | Refusal::Gone(_) => Box::new(Denial::new(
                Rule::UpstreamUnreachable,
                "the upstream cannot be reached",
                hint.to_owned(),
            )),
        }
    }
}

/// The rule that a connection's failure falls under.
fn rule_of(error: &ConnectError) -> Rule {
    match error.kind() {
        ConnectErrorKind::Contract => Rule::UpstreamContradiction,
        ConnectErrorKind::SealMismatch => Rule::SealMismatch,
        ConnectErrorKind::SealMissing => Rule::SealMissing,
        ConnectErrorKind::Authentication | ConnectErrorKind::Client => Rule::AuthenticationFailed,
        _ => Rule::UpstreamUnreachable,
    }
}

impl Newcomer {
    /// Records why there is no session, and ends the login with a FATAL error.
    pub(super) async fn answer(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Denied(denial) => self.refuse(*denial).await,
            Refusal::Unproven(refused) => {
                let event = self.event(Rule::AuthenticationFailed, refused.reason.clone());
                self.record(Rule::AuthenticationFailed, event).await;
                if let Some(response) = refused.response {
                    self.client.refuse(&response).await;
                }
            }
            Refusal::Upstream(error) => self.refuse_upstream(&error).await,
            Refusal::Gone(error) => {
                tracing::info!(client = %self.client.peer, %error, "login ended");
            }
        }
    }

    /// Ends the login because of a rule.
    pub(super) async fn refuse(&mut self, denial: Denial) {
        let mut event = self.event(denial.rule, String::new());
        describe(&mut event, &denial);
        let known = self.record(denial.rule, event).await;
        let mut error = ErrorResponse::fatal(denial.sqlstate(), denial.message.clone());
        if denial.rule != Rule::AuthenticationFailed {
            error = error
                .with_detail(detail(&self.place, denial.rule, &known, None))
                .with_hint(denial.full_hint());
        }
        self.client.refuse(&error).await;
    }

    /// Ends the login because there is no connection to its upstream. What the upstream itself
    /// said is passed on as it is.
    async fn refuse_upstream(&mut self, error: &ConnectError) {
        let rule = rule_of(error);
        let mut event = self.event(rule, error.message().to_owned());
        event.hint = error.hint().map(str::to_owned);
        if error.is_verbatim() {
            event.sqlstate = Some(error.sqlstate().to_owned().into());
        }
        let known = self.record(rule, event).await;
        if error.is_verbatim() {
            return self.client.end_with(&error.frame()).await;
        }
        let mut response = ErrorResponse::fatal(rule.sqlstate(), error.message())
            .with_detail(detail(&self.place, rule, &known, error.detail()));
        response.hint = error.hint().map(str::to_owned);
        self.client.refuse(&response).await;
    }

    fn event(&self, rule: Rule, reason: String) -> Event {
        let kind = match rule {
            Rule::UpstreamContradiction | Rule::SealMismatch | Rule::SealMissing => {
                EventKind::UpstreamRefused
            }
            _ => EventKind::SessionRefused,
        };
        let (place, who) = (Arc::new(self.place.clone()), Arc::new(self.who()));
        Event {
            rule: Some(rule.id()),
            sqlstate: Some(rule.sqlstate().into()),
            reason: Some(reason),
            ..Event::new(Uuid::now_v7(), kind, place, who)
        }
    }

    /// Writes the event and counts the refusal; gives how the client may refer to it.
    async fn record(&self, rule: Rule, event: Event) -> String {
        let id = event.id;
        let recorded = self.worker.shared.audit.record(event).await.is_ok();
        self.worker.metrics.session_refused(rule.id());
        if recorded { format!("event {id}") } else { "not recorded".to_owned() }
    }
}

/// DETAIL: the declarations as far as they are known, in one line that can be searched for.
pub(super) fn detail(place: &Place, rule: Rule, event: &str, more: Option<&str>) -> String {
    let mut detail = format!("rule {}", rule.id());
    for (name, value) in [
        ("upstream", place.upstream.as_deref()),
        ("authority", place.authority),
        ("role", place.role),
        ("env", place.env),
        ("task", place.task.as_deref()),
    ] {
        if let Some(value) = value {
            detail += &format!(", {name} {value}");
        }
    }
    detail += &format!(", {event}");
    if let Some(more) = more {
        detail += &format!("; {more}");
    }
    detail
}

/// The one answer to unknown users, unknown entries and wrong passwords.
pub(super) fn authentication_failed(user: &str) -> Box<Denial> {
    Box::new(Denial::new(
        Rule::AuthenticationFailed,
        format!("password authentication failed for user \"{user}\""),
        "",
    ))
}
