//! Statements that may name a temporary relation of the session: the write leg says which are.

use bytes::{Buf, Bytes, BytesMut};

use super::leg::{Kind, Pass};
use super::run::unsupported;
use super::{Block, End, Protocol, Split};
use crate::protocol::{HEADER_LENGTH, message};
use crate::split::{self, Known, Route, Side, Temporary};
use crate::sql::{Class, Effect, Statement};

impl Split {
    /// What a statement is, and where it belongs, the write leg having been asked where that
    /// depends on names that may be temporary relations. `None`: nothing is to go, and the client
    /// has been told why.
    pub(super) async fn routed(
        &mut self,
        statement: &Statement,
        text: &[u8],
    ) -> Result<Option<(Class, Route)>, End> {
        let Some(class) = self.class(statement, text).await? else { return Ok(None) };
        let in_place = self.is_placed(statement, class).await?;
        Ok(in_place.then(|| (class, self.route(statement, class))))
    }

    /// The names that a statement's route depends on are certain, and what it runs by name is in its
    /// place. False: nothing is to go, and the client has been told why.
    pub(super) async fn is_placed(
        &mut self,
        statement: &Statement,
        class: Class,
    ) -> Result<bool, End> {
        match self.runs(statement).cloned() {
            Some(known) => self.is_in_place(&known).await,
            None => self.names_are_certain(statement, class).await,
        }
    }

    /// What EXECUTE and EXPLAIN EXECUTE name.
    fn runs(&self, statement: &Statement) -> Option<&Known> {
        by_name(statement).and_then(|name| self.statements.get(name.as_bytes()))
    }

    /// Which leg a statement is for depends on which names are temporary relations when it runs.
    pub(super) fn goes_by_names(&self, statement: &Statement, class: Class) -> bool {
        match (by_name(statement), self.runs(statement)) {
            (Some(_), None) => true,
            (_, Some(known)) => placed(known).is_some(),
            (None, None) => split::goes_by_names(statement, class),
        }
    }

    /// Which names are temporary relations is known, if the statement's route depends on it. False:
    /// the client has been told why nothing is to go.
    pub(super) async fn names_are_certain(
        &mut self,
        statement: &Statement,
        class: Class,
    ) -> Result<bool, End> {
        let asks = self.temporary.is_doubted()
            && split::goes_by_names(statement, class)
            && !matches!(self.block, Block::Failed(..));
        if !asks {
            return Ok(true);
        }
        if !self.is_open(Side::Write) {
            self.temporary.none();
            return Ok(true);
        }
        self.settle().await?;
        if self.pipeline_failed || matches!(self.block, Block::Failed(..)) {
            return Ok(true);
        }
        self.ask_names().await
    }

    /// Asks the write leg. Where it takes no part in what is open, a failure leaves the names in
    /// doubt, and nothing else; where it does, that has failed, and the client is told.
    async fn ask_names(&mut self) -> Result<bool, End> {
        let executed = Side::BOTH.map(|side| self.executed(side));
        let alone = matches!(self.block, Block::None) && executed == [0; 2];
        if alone && self.leg(Side::Write)?.pipeline && !self.portals.is_any_on(Side::Write) {
            // nothing is there that it would end
            self.request(Side::Write, Kind::Sync, Pass::Nothing, message::SYNC).await?;
        }
        // what is open there takes a snapshot now, and can be no block of other modes later
        let begins = matches!(self.block, Block::Open(_)) && self.leg(Side::Write)?.pipeline;
        if begins && !self.ready_leg(Side::Write).await? {
            return Ok(false);
        }
        let leg = self.leg(Side::Write)?;
        let inside = leg.begun || leg.pipeline;
        let synced = !leg.pipeline;
        leg.kept = Some(BytesMut::new());
        let pass = if inside { Pass::ErrorsAlone } else { Pass::Nothing };
        self.run_in_pipeline(Side::Write, Temporary::QUESTION.as_bytes(), None, pass).await?;
        if synced {
            // it commits nothing
            self.leg(Side::Write)?.ran = false;
            self.request(Side::Write, Kind::Sync, Pass::Nothing, message::SYNC).await?;
        }
        self.quiet(Side::Write).await?;
        let leg = self.leg(Side::Write)?;
        // what the client sends is as alone as it was
        leg.executed = executed[Side::Write as usize];
        let rows = leg.kept.take().unwrap_or_default();
        if leg.failed {
            self.pipeline_failed |= inside && self.protocol == Protocol::Extended;
            return Ok(!inside);
        }
        self.temporary.told(names(rows.freeze()));
        Ok(true)
    }

    /// A prepared statement is on the leg that it would be prepared on now. False: it is not, since
    /// a temporary relation that it names has come or gone; the client has been told.
    pub(super) async fn is_in_place(&mut self, known: &Known) -> Result<bool, End> {
        if known.side == Side::Read && self.temporary.is_empty() {
            return Ok(true);
        }
        // an EXECUTE that was prepared itself
        let mut known = known;
        for _ in 0..8 {
            match first(known).and_then(|statement| self.runs(statement)) {
                Some(runs) => known = runs,
                None => break,
            }
        }
        let known = &known.clone();
        let Some((statement, class)) = placed(known) else { return Ok(true) };
        if !self.names_are_certain(statement, class).await? || self.pipeline_failed {
            return Ok(false);
        }
        let is_local = self.temporary.is_named_in(statement);
        if is_local == (known.side == Side::Write) || matches!(self.block, Block::Failed(..)) {
            return Ok(true);
        }
        let denial = unsupported(
            "a prepared statement cannot change its place with the temporary relations that it names",
            "prepare it again",
        );
        self.refuse(denial, None).await?;
        Ok(false)
    }

    /// A statement of the client's is about to run on a leg: what is noted of it before.
    pub(super) fn goes(&mut self, statement: &Statement, side: Side) {
        self.warn(statement, side);
        self.may_report(statement);
        if side == Side::Read {
            // SHOW takes no snapshot
            self.queried(statement.tag != "SHOW");
            return;
        }
        let prepared = match &statement.effect {
            Effect::Execute(name) => self.statements.get(name.as_bytes()),
            _ => None,
        };
        let judgement = prepared.and_then(|known| known.judgement.clone());
        let runs = judgement.as_ref().and_then(|judgement| judgement.statements.first());
        let runs = runs.filter(|_| statement.class <= Class::Read);
        self.stirs(Some(runs.unwrap_or(statement)));
    }

    /// What is about to run on a leg, nobody knows.
    pub(super) fn runs_unknown(&mut self, side: Side) {
        match side {
            Side::Write => self.stirs(None),
            Side::Read => self.queried(true),
        }
    }

    /// Something runs on the read leg.
    fn queried(&mut self, takes_snapshot: bool) {
        if let Some(leg) = &mut self.legs[Side::Read as usize] {
            leg.queried |= takes_snapshot;
        }
    }

    /// Something runs on the write leg.
    pub(super) fn stirs(&mut self, statement: Option<&Statement>) {
        let alone = self.protocol == Protocol::Simple && matches!(self.block, Block::None);
        self.temporary.ran(statement, !alone);
    }
}

/// The statement that something prepared runs.
fn first(known: &Known) -> Option<&Statement> {
    known.judgement.as_ref().and_then(|judgement| judgement.statements.first())
}

/// The same, and what it is there, if its leg depends on which names are temporary relations.
fn placed(known: &Known) -> Option<(&Statement, Class)> {
    let statement = first(known).filter(|_| known.route == Route::To(known.side))?;
    let class = match known.side {
        // whatever its text says, it has been found to read
        Side::Read => Class::Read,
        Side::Write => statement.class,
    };
    split::goes_by_names(statement, class).then_some((statement, class))
}

/// The prepared statement that a statement runs, or shows the plan of.
fn by_name(statement: &Statement) -> Option<&str> {
    match &statement.effect {
        Effect::Execute(name) => Some(name),
        _ => statement.explains.as_deref(),
    }
}

/// Names in it are looked up when it runs, not when it is bound.
pub(super) fn looks_up_late(statement: &Statement) -> bool {
    by_name(statement).is_some()
        || matches!(statement.effect, Effect::Prepare { .. })
        || matches!(statement.tag, "COPY" | "LOCK TABLE")
}

/// The first column of each row.
pub(super) fn names(mut rows: Bytes) -> impl Iterator<Item = Box<str>> {
    std::iter::from_fn(move || {
        let length = rows.get(1..HEADER_LENGTH)?.get_u32() as usize + 1;
        let row = (rows.len() >= length).then(|| rows.split_to(length))?;
        // behind the number of columns and the value's length
        let name = row.get(HEADER_LENGTH + 6..).unwrap_or_default();
        Some(String::from_utf8_lossy(name).into())
    })
}
