//! The audit events of one session: what the gate reports, made into log records.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::audit::{AuditLog, Event, EventKind, Outcome, Place, Receipt, Who};
use crate::gate::{ConfirmedStatement, EventId, Fate, Gate, Record, Refusal};
use crate::policy::Denial;

/// Events by the id that the gate knows them by.
type Open = HashMap<EventId, Event>;

/// Writes a session's events.
#[derive(Debug)]
pub(super) struct Recorder {
    audit: AuditLog,
    place: Arc<Place>,
    who: Arc<Who>,
    /// `ddl_confirmed` events whose outcome is not known yet.
    open: Option<Box<Open>>,
}

impl Recorder {
    pub(super) fn new(audit: AuditLog, place: Place, who: Who) -> Self {
        Recorder { audit, place: Arc::new(place), who: Arc::new(who), open: None }
    }

    /// Takes over what changed in the session since the last event.
    fn refresh(&mut self, gate: &mut Gate) {
        if let Some(name) = gate.take_application_name()
            && self.who.application_name.as_deref() != Some(&*name)
        {
            Arc::make_mut(&mut self.who).application_name = Some(name.to_string());
        }
        let task = gate.parameters().task.get();
        if self.place.task.as_deref() != task.as_deref() {
            Arc::make_mut(&mut self.place).task = task.as_deref().map(str::to_owned);
        }
    }

    fn event(&mut self, gate: &mut Gate, kind: EventKind) -> Event {
        self.refresh(gate);
        Event {
            in_transaction: Some(gate.in_transaction()),
            confirmed: Some(gate.parameters().confirmation.get().since.is_some()),
            ticket: gate.parameters().ticket.get().clone(),
            ..Event::new(Uuid::now_v7(), kind, self.place.clone(), self.who.clone())
        }
    }

    /// `statement_blocked`. Gives the event's id, to be shown to the client.
    pub(super) fn blocked(&mut self, gate: &mut Gate, refusal: &Refusal) -> (Uuid, Receipt) {
        let denial = &refusal.denial;
        let mut event = self.event(gate, EventKind::StatementBlocked);
        describe(&mut event, denial);
        event.statement = refusal.text.as_deref().map(Bytes::copy_from_slice);
        event.position = refusal.position(true);
        event.offset = refusal.denial.location.unwrap_or(0);
        event.in_transaction = Some(refusal.in_transaction);
        event.confirmed = Some(refusal.confirmed);
        (event.id, self.audit.record(event))
    }

    /// `confirmation_set` and `ddl_confirmed` events. Gives the ids of the confirmed statements.
    pub(super) fn confirmed(
        &mut self,
        gate: &mut Gate,
        record: &Record,
    ) -> (Vec<EventId>, Receipt) {
        let text = Bytes::copy_from_slice(&record.text);
        let mut events = Vec::new();
        if let Some(statement) = &record.confirming {
            let mut event = self.about(gate, EventKind::ConfirmationSet, statement, &text);
            event.in_transaction = Some(record.in_transaction);
            event.confirmed = Some(record.confirms);
            events.push(event);
        }
        let mut ids = Vec::new();
        for statement in &record.confirmed {
            let mut event = self.about(gate, EventKind::DdlConfirmed, statement, &text);
            event.in_transaction = Some(record.in_transaction);
            event.confirmed = Some(true);
            ids.push(event.id.as_u128());
            self.open.get_or_insert_default().insert(event.id.as_u128(), event.clone());
            events.push(event);
        }
        (ids, self.audit.record_all(events))
    }

    fn about(
        &mut self,
        gate: &mut Gate,
        kind: EventKind,
        statement: &ConfirmedStatement,
        text: &Bytes,
    ) -> Event {
        let mut event = self.event(gate, kind);
        event.class = Some(statement.class.as_str());
        event.command_tag = Some(statement.tag.to_owned());
        // of a string the statement alone: a thousand of them would each bring all the others
        let start = (statement.location as usize).min(text.len());
        let end = start.saturating_add(statement.length as usize).min(text.len());
        event.statement = Some(text.slice(start..end));
        event.position = Some(statement.location + 1);
        event
    }

    /// The events could not be written, so the statements will not run.
    pub(super) fn withdraw(&mut self, ids: &[EventId]) {
        if let Some(open) = &mut self.open {
            for id in ids {
                open.remove(id);
            }
        }
    }

    /// `ddl_outcome` events.
    pub(super) fn outcomes(&mut self, fates: &[(EventId, Fate)]) -> Receipt {
        let events = fates
            .iter()
            .filter_map(|(id, fate)| {
                let outcome = match fate {
                    Fate::Committed => Outcome::Committed,
                    Fate::RolledBack => Outcome::RolledBack,
                    Fate::Failed => Outcome::Failed,
                    Fate::Unknown => Outcome::Unknown,
                };
                self.outcome(*id, outcome)
            })
            .collect();
        self.audit.record_all(events)
    }

    /// The connection broke: what became of the rest is unknown.
    pub(super) fn unknown(&mut self, ids: &[EventId]) -> Receipt {
        let events = ids.iter().filter_map(|id| self.outcome(*id, Outcome::Unknown)).collect();
        self.audit.record_all(events)
    }

    fn outcome(&mut self, id: EventId, outcome: Outcome) -> Option<Event> {
        let confirmed = self.open.as_mut()?.remove(&id)?;
        Some(Event { kind: EventKind::DdlOutcome, outcome: Some(outcome), ..confirmed })
    }

    /// Where and who, as of the last event.
    pub(super) fn told(&self) -> (Arc<Place>, Arc<Who>) {
        (self.place.clone(), self.who.clone())
    }

    /// `session_refused`, for a session that ends because of a rule.
    pub(super) fn ended(&mut self, gate: &mut Gate, denial: &Denial) -> (Uuid, Receipt) {
        let mut event = self.event(gate, EventKind::SessionRefused);
        describe(&mut event, denial);
        (event.id, self.audit.record(event))
    }
}

/// What a denial says, in an event.
pub(super) fn describe(event: &mut Event, denial: &Denial) {
    event.rule = Some(denial.rule.id());
    event.sqlstate = Some(denial.sqlstate());
    event.class = denial.class.map(|class| class.as_str());
    event.command_tag = denial.tag.map(str::to_owned);
    event.reason = Some(if denial.reason.is_empty() {
        denial.message.clone()
    } else {
        format!("{} ({})", denial.message, denial.logged())
    });
    event.hint = Some(denial.full_hint());
}
