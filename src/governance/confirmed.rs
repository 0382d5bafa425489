//! Schema changes that a command makes itself on a declared upstream: confirmed on prod, and on
//! record before they run.

use std::sync::Arc;

use uuid::Uuid;

use crate::audit::{AuditLog, Event, EventKind, Outcome, Place, Who};
use crate::config::{AuditTarget, Config, Upstream};
use crate::contract::Role;
use crate::upstream::DirectError;

/// The variable that confirms, as for migrations.
pub const VARIABLE: &str = "CONFIRM_PROD_MIGRATIONS";

/// Whether a schema change by a command is allowed there: on prod it has to be confirmed by
/// `--confirm` or by [`VARIABLE`] being true.
pub fn is_allowed(upstream: &Upstream, flag: bool, variable: Option<&str>) -> bool {
    let confirmed = flag || variable.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    upstream.declaration.role != Role::Prod || confirmed
}

/// The record of one such change.
#[derive(Debug)]
pub struct Recorded {
    log: Option<AuditLog>,
    event: Event,
}

impl Recorded {
    /// Writes `ddl_confirmed`, before anything runs. Only a log in a file is written to, and only
    /// on prod: standard output is the command's own, and elsewhere nothing needs a confirmation.
    ///
    /// # Errors
    /// The log cannot be written; the change must not be made.
    pub async fn begin(
        config: &Config,
        upstream: &Upstream,
        command: &str,
        tag: &str,
        statement: &str,
    ) -> Result<Recorded, String> {
        let place =
            Place::of(&upstream.name, upstream.declaration, &upstream.endpoint.dbname, None);
        let who = Who {
            user: upstream.endpoint.user.clone(),
            application_name: Some(format!("pgauthority {command}")),
            client: Some("local".to_owned()),
            session: None,
        };
        let event = Event {
            class: Some("ddl"),
            command_tag: Some(tag.to_owned()),
            statement: Some(bytes::Bytes::copy_from_slice(statement.as_bytes())),
            confirmed: Some(true),
            reason: Some(format!("by the command pgauthority {command}")),
            ..Event::new(Uuid::now_v7(), EventKind::DdlConfirmed, Arc::new(place), Arc::new(who))
        };
        let recorded = upstream.declaration.role == Role::Prod
            && matches!(config.audit.target, AuditTarget::File(_));
        if !recorded {
            return Ok(Recorded { log: None, event });
        }
        let log = AuditLog::open(&config.audit).map_err(|error| error.to_string())?;
        log.record(event.clone()).await.map_err(|error| error.to_string())?;
        Ok(Recorded { log: Some(log), event })
    }

    /// Writes `ddl_outcome`. Gives why it could not be written, which changes nothing any more.
    pub async fn end<T>(self, result: &Result<T, DirectError>) -> Option<String> {
        let outcome = match result {
            Ok(_) => Outcome::Committed,
            Err(DirectError::Server { .. }) => Outcome::Failed,
            Err(DirectError::Broken(_)) => Outcome::Unknown,
        };
        let event = Event { kind: EventKind::DdlOutcome, outcome: Some(outcome), ..self.event };
        let written = self.log?.record(event).await;
        written.err().map(|error| error.to_string())
    }
}
