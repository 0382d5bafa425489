//! Branches and loops: what certainly runs, what may run, and what holds behind it.

use super::machine::{Machine, Scope};
use super::value::Value;
use crate::governance::migrations::audit::python::{Expr, Stmt};

/// How often a loop is gone through, all loops that it stands in together.
const MAX_ROUNDS: usize = 500;

/// How a statement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// The rest of the body does not run.
    Leave,
    /// The rest may not run.
    Perhaps,
}

impl Machine<'_> {
    /// `if`: the arm that is known to run, else each that may.
    pub(super) fn arms(&mut self, arms: &[(Option<Expr>, Vec<Stmt>)]) -> Flow {
        let before = self.scope().clone();
        let mut ends: Vec<Scope> = Vec::new();
        let (mut flows, mut certain) = (Vec::new(), false);
        for (condition, body) in arms {
            let truth =
                condition.as_ref().map_or(Some(true), |condition| self.eval(condition).truth());
            match truth {
                Some(false) => continue,
                Some(true) if flows.is_empty() => return self.block(body),
                Some(true) => certain = true,
                None => {}
            }
            *self.scope() = before.clone();
            let flow = self.perhaps_flow(body);
            if flow != Flow::Leave {
                ends.push(self.scope().clone());
            }
            flows.push(flow);
            if certain {
                break;
            }
        }
        if flows.is_empty() {
            return Flow::Next;
        }
        if !certain {
            flows.push(Flow::Next);
            ends.push(before.clone());
        }
        *self.scope() = merged(ends, before);
        if flows.iter().all(|flow| *flow == Flow::Leave) {
            Flow::Leave
        } else if flows.iter().all(|flow| *flow == Flow::Next) {
            Flow::Next
        } else {
            Flow::Perhaps
        }
    }

    fn perhaps_flow(&mut self, body: &[Stmt]) -> Flow {
        self.conditional += 1;
        let flow = self.block(body);
        self.conditional -= 1;
        flow
    }

    /// A body that may not run.
    pub(super) fn perhaps(&mut self, body: &[Stmt]) -> Flow {
        match self.perhaps_flow(body) {
            Flow::Next => Flow::Next,
            _ => Flow::Perhaps,
        }
    }

    pub(super) fn repeat(
        &mut self,
        target: &Expr,
        items: &Expr,
        body: &[Stmt],
        otherwise: &[Stmt],
    ) -> Flow {
        let items = self.eval(items).items();
        let fits = |items: &Vec<Value>| self.rounds + items.len() <= MAX_ROUNDS;
        match items.filter(fits) {
            Some(items) => {
                for item in items {
                    self.rounds += 1;
                    self.assign(target, item);
                    // `continue`, `break` and `return` are not told apart
                    self.block(body);
                }
            }
            None => {
                self.assign(target, Value::Unknown);
                self.perhaps(body);
            }
        }
        self.block(otherwise)
    }

    pub(super) fn with(&mut self, items: &[(Expr, Option<Expr>)], body: &[Stmt]) -> Flow {
        let autocommit = self.autocommit;
        for (item, target) in items {
            let value = self.eval(item);
            if value == Value::Autocommit {
                self.autocommit += 1;
            }
            if let Some(target) = target {
                self.assign(target, value);
            }
        }
        let flow = self.block(body);
        self.autocommit = autocommit;
        flow
    }
}

/// What holds after several branches: what they agree on.
fn merged(ends: Vec<Scope>, before: Scope) -> Scope {
    let mut ends = ends.into_iter();
    let Some(mut scope) = ends.next() else { return before };
    for other in ends {
        for (name, value) in &mut scope {
            // what only one branch binds is not used behind the others
            if other.get(name).is_some_and(|another| another != value) {
                *value = Value::Unknown;
            }
        }
        for (name, value) in other {
            scope.entry(name).or_insert(value);
        }
    }
    scope
}
