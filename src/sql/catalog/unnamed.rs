//! What runs without being named: casts, comparisons, and what PostgreSQL's own routines take from
//! their arguments.

use super::walk::{At, Walk};
use crate::sql::How;
use crate::sql::classify::{maintains, makes_any};

impl Walk<'_> {
    /// What any expression may run without naming it: casts between PostgreSQL's own types that are
    /// not written, and what sorts, hashes and compares their values.
    pub(super) fn everywhere(&mut self, at: At) {
        let model = self.ground.model;
        model.everywhere.iter().for_each(|oid| self.routine(*oid, at));
        let at = At { planned: false, ..at };
        model.families.everywhere.iter().for_each(|oid| self.routine(*oid, at));
    }

    /// A cast to a type that is written: what brings about the values of PostgreSQL's own types
    /// that are in it.
    pub(super) fn casts(&mut self, oid: u32, at: At) {
        let model = self.ground.model;
        if model.casts.is_empty() {
            return;
        }
        let functions: Vec<&Vec<u32>> = match model.relatives.parts(oid) {
            Some(parts) => parts.iter().filter_map(|part| model.casts.get(part)).collect(),
            None => model.casts.values().collect(),
        };
        functions.into_iter().flatten().for_each(|function| self.routine(*function, at));
    }

    /// What one of PostgreSQL's own runs or reads without naming it.
    pub(super) fn by_name(&mut self, name: &str, at: At) {
        if name.contains("_to_xml") {
            self.all_relations(How::SELECT, at);
        }
        if maintains(name) {
            self.all_relations(How::MAINTAIN, at);
        }
        if makes_any(name) {
            self.any_types(at);
        }
    }

    /// Any type of which a value may run something.
    pub(super) fn any_types(&mut self, at: At) {
        let model = self.ground.model;
        model.declarable.values().flatten().for_each(|oid| self.data_type(*oid, true, at));
    }
}
