//! How a text is analysed, where that tells which of several routines it calls: types of arguments
//! count while the catalog is the one by which the server analyses it.

use std::rc::Rc;

use smallvec::smallvec;

use super::Gate;
use super::before::Before;
use super::plan::Plan;
use crate::protocol::body;
use crate::session::{Instant, Meanings};
use crate::sql::catalog::Analysis;
use crate::sql::{Given, Judgement, Statement};

/// Texts of a session that are kept as analysed: those of which that matters are few.
const KEPT: usize = 4;

/// Judgements, each with the same one as analysed some way; the latest last.
pub(super) type Analyses = Vec<(Rc<Judgement>, Rc<Judgement>)>;

impl Gate {
    /// A text as it is analysed now, where that may let it run, and whether it is on the short path.
    /// `types`: those of its parameters, as a Parse message gives them.
    #[inline]
    pub(super) fn as_analysed(
        &mut self,
        judgement: Rc<Judgement>,
        types: Option<&[u8]>,
        now: Instant,
    ) -> (Rc<Judgement>, bool) {
        match self.is_plain(&judgement, now) {
            true => (judgement, true),
            false => self.by_types(judgement, types, now),
        }
    }

    fn by_types(
        &mut self,
        judgement: Rc<Judgement>,
        types: Option<&[u8]>,
        now: Instant,
    ) -> (Rc<Judgement>, bool) {
        let allowed = |gate: &Gate| gate.is_plain_known(&judgement, now);
        let Some(highest) = highest_parameter(&judgement).filter(|_| !allowed(self)) else {
            return (judgement, false);
        };
        let number = self.analysing(now);
        let Some(lookups) = &mut self.lookups else { return (judgement, false) };
        let types = types.map(|types| body::parameter_types(types).take(highest));
        let same = |analysis: &Analysis| {
            analysis.number == number
                && match (&analysis.parameters, types.clone()) {
                    (None, None) => true,
                    (Some(known), Some(types)) => known.iter().copied().eq(types),
                    _ => false,
                }
        };
        let is_known = |(text, analysed): &(Rc<Judgement>, Rc<Judgement>)| {
            Rc::ptr_eq(text, &judgement) && analysed.analysis.as_deref().is_some_and(same)
        };
        let analysed = match lookups.analyses.iter().find(|known| is_known(known)) {
            Some((_, analysed)) => Rc::clone(analysed),
            None => {
                let parameters = types.clone().map(Iterator::collect);
                let analysed = Rc::new(judgement.analysed(Analysis { number, parameters }));
                if lookups.analyses.len() == KEPT {
                    lookups.analyses.remove(0);
                }
                lookups.analyses.push((judgement, Rc::clone(&analysed)));
                analysed
            }
        };
        let plain = self.is_plain(&analysed, now);
        (analysed, plain)
    }

    /// The number of the snapshot that shows the catalog by which the server analyses what is sent
    /// now; 0 where none does for certain.
    pub(super) fn analysing(&self, now: Instant) -> u64 {
        let changed = self.before().changed;
        let Some(lookups) = self.lookups.as_ref().filter(|_| !changed) else { return 0 };
        let overdue = lookups.is_overdue(now);
        match lookups
            .snapshot(now)
            .filter(|_| !overdue && !lookups.is_frozen() && !lookups.borrowed)
        {
            Some(snapshot) => snapshot.number,
            None => 0,
        }
    }

    /// Where what runs may make types of the session's own, what a name of one means is less certain.
    pub(super) fn may_have_types(&self, makes: bool) {
        if let Some(lookups) = self.lookups.as_ref().filter(|_| makes) {
            lookups.temporary.set(true);
        }
    }
}

impl Plan {
    /// What a name means that a statement of a text gives a query.
    pub(super) fn meaning(&self, query: &Statement) -> Meanings {
        let Before { changed, lost, types, .. } = self.before;
        let number = if changed || lost || types { 0 } else { self.analysing };
        let analysis = Some(Box::new(Analysis { number, parameters: None }));
        smallvec![Rc::new(Judgement { analysis, ..Judgement::of(query.clone()) })]
    }
}

/// The highest parameter in calls of a text that say something of their arguments; `None`: no call
/// does.
fn highest_parameter(judgement: &Judgement) -> Option<usize> {
    let uses = judgement.statements.iter().filter_map(|one| one.uses.as_deref());
    let given = uses.flat_map(|uses| &uses.calls).flat_map(|call| &call.given);
    let number = |given: &Given| match given {
        Given::Parameter { number, .. } => usize::from(*number),
        Given::Anything | Given::Constant(_) | Given::Cast { .. } => 0,
    };
    given.map(number).max()
}
