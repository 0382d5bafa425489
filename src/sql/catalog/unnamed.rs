//! What runs without being named: casts, comparisons, and what PostgreSQL's own routines take from
//! their arguments.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pgauthority_grammar::Mode;

use super::names;
use super::walk::{At, Walk};
use crate::sql::classify::{Scan, maintains, makes_any};
use crate::sql::{How, Uses};

/// The relation that functions of PostGIS read, many of them and by a cache.
const SPATIAL: &str = "spatial_ref_sys";

/// The queries by which they do, as far as they name anything.
const SPATIAL_QUERIES: &str = "
    SELECT proj4text, auth_name, auth_srid, srtext FROM spatial_ref_sys WHERE srid = 1 LIMIT 1;
    SELECT 'urn:' || auth_name || '::' || auth_srid FROM spatial_ref_sys WHERE srid = '1';
    SELECT srid FROM spatial_ref_sys, regexp_matches($1::text, 'x', 'gi') AS re
        WHERE re[1] ILIKE auth_name AND int4(re[2]) = auth_srid;
    SELECT pronamespace FROM pg_catalog.pg_proc WHERE proname = 'postgis_full_version'";

static SPATIAL_USES: LazyLock<Option<Box<Uses>>> = LazyLock::new(|| {
    let none = BTreeSet::new();
    let mut scan = Scan::new(&none);
    scan.text(SPATIAL_QUERIES.as_bytes(), Mode::Statements);
    scan.found.into_uses(false)
});

impl Walk<'_> {
    /// What functions of PostGIS run by themselves: they look up a reference system, some of them
    /// in whatever relation of the name the path leads to.
    pub(super) fn visit_spatial(&mut self, at: At) {
        let model = self.ground.model;
        let found = model.relation_names.get(SPATIAL).into_iter().flatten();
        found.for_each(|oid| self.relation(*oid, How::SELECT, at));
        if let Some(uses) = SPATIAL_USES.as_deref() {
            names::follow(self, uses, at, names::By::Body { changes: false });
        }
    }

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
