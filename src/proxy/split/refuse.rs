//! What the splitter itself refuses, and errors that no leg can tell.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Block, End, Protocol, Split};
use crate::audit::{Event, EventKind};
use crate::policy::{Decision, Denial, Policy, View};
use crate::protocol::ErrorResponse;
use crate::proxy::recorder::describe;
use crate::split::Side;
use crate::sql::{Class, Statement};

/// A statement of a string, its class, and its leg; `None`: both.
type Part<'a> = (&'a Statement, Class, Option<Side>);

/// The first statement of a parted string that the law of its leg refuses: none of them is to run.
/// `view`: the session as it is before it.
pub(in crate::proxy) fn refused_in_string<'a>(
    policies: &[Policy; 2],
    parts: impl IntoIterator<Item = Part<'a>>,
    view: View,
) -> Option<(&'a Statement, Side, Box<Denial>)> {
    let mut parts = parts.into_iter().peekable();
    std::iter::from_fn(|| Some((parts.next()?, parts.peek().is_none()))).find_map(|(part, last)| {
        let (statement, class, on) = part;
        let view = View { in_string: true, ends_string: last, ..view };
        let concerned = |side: &Side| on.is_none_or(|on| on == *side);
        Side::BOTH.into_iter().filter(concerned).find_map(|side| {
            match policies[side as usize].decide(statement, class, view) {
                Decision::Block(denial) => Some((statement, side, denial)),
                _ => None,
            }
        })
    })
}

impl Split {
    /// The session as the law sees it.
    pub(super) fn view(&self) -> View {
        View {
            in_transaction: !matches!(self.block, Block::None),
            task_is_set: self.legs.iter().flatten().any(|leg| leg.tidings.task_is_set()),
            ..View::default()
        }
    }

    /// Both legs are to run a statement, and one alone does so now (`first`): if the law of the other
    /// one refuses it, neither does. True: so it is, and the client has been told.
    pub(super) async fn refused_elsewhere(
        &mut self,
        statement: &Statement,
        text: &Bytes,
        first: Side,
    ) -> Result<bool, End> {
        let view = self.view();
        let task = self.task.clone();
        let law = self.ground.law(task.as_deref());
        let [first, other] = [first, first.other()]
            .map(|side| law[side as usize].decide(statement, statement.class, view));
        match (first, other) {
            // the first one's gate says so itself
            (Decision::Block(_), _) => Ok(false),
            (_, Decision::Block(denial)) => {
                self.refuse(*denial, Some((statement, text))).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Refuses a statement: on record first, then told, as an error like any other: an open
    /// transaction has failed, on a leg that takes part in it if one does. Behind an error of the
    /// open pipeline nothing is refused.
    pub(super) async fn refuse(
        &mut self,
        mut denial: Denial,
        about: Option<(&Statement, &Bytes)>,
    ) -> Result<(), End> {
        self.settle().await?;
        // what came before it has failed meanwhile: it is skipped
        if self.pipeline_failed {
            return Ok(());
        }
        let (place, who) = (self.ground.place.clone(), self.ground.who.clone());
        let mut event =
            Event::new(Uuid::now_v7(), EventKind::StatementBlocked, Arc::new(place), Arc::new(who));
        let mut position = None;
        if let Some((statement, text)) = about {
            denial.class = Some(statement.class);
            denial.tag = Some(statement.tag);
            let start = (statement.location as usize).min(text.len());
            let characters = super::text::characters(&text[..start]);
            position = Some(characters + 1);
            event.statement = Some(text.clone());
            event.position = position;
            event.offset = statement.location;
        }
        describe(&mut event, &denial);
        event.in_transaction = Some(!matches!(self.block, Block::None));
        let id = event.id;
        self.flush().await?;
        let worker = self.ground.worker.clone();
        let recorded = worker.shared.audit.record(event).await.is_ok();
        worker.metrics.upstream(self.ground.name(self.primary())).blocked(denial.rule.id());
        let mut detail = format!("rule {}", denial.rule.id());
        if let Some(class) = denial.class {
            detail += &format!(", class {class}");
        }
        if let Some(task) = &self.ground.place.task {
            detail += &format!(", task {task}");
        }
        detail += &match recorded {
            true => format!(", event {id}"),
            false => ", not recorded".to_owned(),
        };
        if !denial.reason.is_empty() {
            detail += &format!("; {}", denial.told());
        }
        let mut error = ErrorResponse::error(denial.sqlstate(), denial.message.clone())
            .with_detail(detail)
            .with_hint(denial.full_hint());
        error.position = position;
        self.fails_by_itself().await?;
        self.error_of_own(&error);
        Ok(())
    }

    /// A message that no leg can be sent: what its server would say.
    pub(super) async fn malformed(&mut self, what: &str) -> Result<(), End> {
        self.fails_with(&ErrorResponse::error("08P01", what)).await
    }

    /// An error that no leg tells, unless what came before it has failed: then it is skipped.
    pub(super) async fn fails_with(&mut self, error: &ErrorResponse) -> Result<(), End> {
        self.settle().await?;
        if !self.pipeline_failed {
            self.fails_by_itself().await?;
            self.error_of_own(error);
        }
        Ok(())
    }

    /// An error that no leg tells.
    pub(super) fn error_of_own(&mut self, error: &ErrorResponse) {
        error.encode(&mut self.out);
        self.pipeline_failed |= self.protocol == Protocol::Extended;
        self.fail(None);
    }
}
