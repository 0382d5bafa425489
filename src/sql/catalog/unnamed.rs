//! What runs without being named: casts, comparisons, and what PostgreSQL's own routines take from
//! their arguments.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pgauthority_grammar::Mode;

use super::names;
use super::walk::{At, Node, Walk};
use crate::sql::classify::{Scan, maintains, makes_any};
use crate::sql::{How, Uses};

/// What runs SQL of its own, which no statement names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unnamed {
    /// Functions of PostGIS look up a reference system.
    Spatial,
    /// Built-ins in SQL cast whatever they are given to text, as if that was written.
    Text,
    /// Built-ins list the relations of a schema or of the database.
    Xml,
    /// Built-ins read rules, of views too.
    Rules,
}

impl Unnamed {
    /// What one of PostgreSQL's own of this name or symbol runs.
    pub(super) fn of(name: &str) -> Option<Unnamed> {
        let starts = |with: [&str; 2]| with.iter().any(|one| name.starts_with(one));
        match name {
            "anytextcat" | "quote_literal" | "quote_nullable" | "textanycat" => Some(Unnamed::Text),
            _ if starts(["schema_to_xml", "database_to_xml"]) => Some(Unnamed::Xml),
            _ if starts(["pg_get_ruledef", "pg_get_viewdef"]) => Some(Unnamed::Rules),
            _ => None,
        }
    }

    /// As [`Unnamed::of`], for those in SQL, of which the planner takes the expression:
    /// `quote_literal(anyelement)`, `quote_nullable(anyelement)`, `textanycat` and `anytextcat`.
    pub(super) fn of_routine(oid: u32) -> Option<Unnamed> {
        matches!(oid, 1285 | 1290 | 2003 | 2004).then_some(Unnamed::Text)
    }

    /// As [`Unnamed::of`], for what an operator of PostgreSQL's own calls.
    pub(super) fn of_operator(name: &str) -> Option<Unnamed> {
        (name == "||").then_some(Unnamed::Text)
    }
}

/// The function of an operator of PostgreSQL's own, where that casts to text.
pub(super) fn code_of(operator: u32) -> Option<u32> {
    match operator {
        2779 => Some(2003),
        2780 => Some(2004),
        _ => None,
    }
}

/// `text`.
const TEXT: u32 = 25;

/// The relation that functions of PostGIS read, many of them and by a cache.
const SPATIAL: &str = "spatial_ref_sys";

/// The queries by which they do, as far as they name anything.
const SPATIAL_QUERIES: &str = "
    SELECT proj4text, auth_name, auth_srid, srtext FROM spatial_ref_sys WHERE srid = 1 LIMIT 1;
    SELECT 'urn:' || auth_name || '::' || auth_srid FROM spatial_ref_sys WHERE srid = '1';
    SELECT srid FROM spatial_ref_sys, regexp_matches($1::text, 'x', 'gi') AS re
        WHERE re[1] ILIKE auth_name AND int4(re[2]) = auth_srid;
    SELECT pronamespace FROM pg_catalog.pg_proc WHERE proname = 'postgis_full_version'";

/// Those of `xml.c`.
const XML_QUERIES: &str = "
    SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = 1 AND relkind IN ('r', 'm', 'v')
        AND pg_catalog.has_table_privilege(oid, 'SELECT') ORDER BY relname;
    SELECT oid FROM pg_catalog.pg_class WHERE relkind IN ('r', 'm', 'v')
        AND pg_catalog.has_table_privilege(oid, 'SELECT') AND relnamespace IN (
        SELECT oid FROM pg_catalog.pg_namespace WHERE pg_catalog.has_schema_privilege(oid, 'USAGE')
        AND NOT (nspname ~ '^pg_' OR nspname = 'information_schema') ORDER BY nspname);
    SELECT 1 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'";

/// Those of `ruleutils.c`.
const RULE_QUERIES: &str = "
    SELECT * FROM pg_catalog.pg_rewrite WHERE oid = $1;
    SELECT * FROM pg_catalog.pg_rewrite WHERE ev_class = $1 AND rulename = $2";

static SPATIAL_USES: LazyLock<Option<Box<Uses>>> = LazyLock::new(|| uses(SPATIAL_QUERIES));
static XML_USES: LazyLock<Option<Box<Uses>>> = LazyLock::new(|| uses(XML_QUERIES));
static RULE_USES: LazyLock<Option<Box<Uses>>> = LazyLock::new(|| uses(RULE_QUERIES));

fn uses(queries: &str) -> Option<Box<Uses>> {
    let none = BTreeSet::new();
    let mut scan = Scan::new(&none);
    scan.text(queries.as_bytes(), Mode::Statements);
    scan.found.into_uses(false)
}

impl Walk<'_> {
    /// Something that runs SQL of its own is called.
    pub(super) fn unnamed(&mut self, what: Option<Unnamed>, at: At) {
        if let Some(what) = what {
            // a cast is put in line; others are STABLE, and EXPLAIN calls them for its estimates
            let planned = at.planned && matches!(what, Unnamed::Text | Unnamed::Spatial);
            self.push(Node::Unnamed(what), At { planned, ..at });
        }
    }

    pub(super) fn visit_unnamed(&mut self, what: Unnamed, at: At) {
        let uses = match what {
            Unnamed::Text => return self.casts(TEXT, at),
            Unnamed::Spatial => {
                let model = self.ground.model;
                // some look it up in whatever relation of the name the path leads to
                let found = model.relation_names.get(SPATIAL).into_iter().flatten();
                found.for_each(|oid| self.relation(*oid, How::SELECT, at));
                &*SPATIAL_USES
            }
            Unnamed::Xml => &*XML_USES,
            Unnamed::Rules => &*RULE_USES,
        };
        if let Some(uses) = uses.as_deref() {
            names::follow(self, uses, at, names::By::Body { changes: false });
        }
    }

    /// Statements that fire event triggers.
    pub(super) fn event_triggers(&mut self, at: At) {
        for oid in &self.ground.model.event_triggers {
            self.routine(*oid, at);
        }
    }

    /// Any relation that may run something.
    pub(super) fn all_relations(&mut self, how: How, at: At) {
        let model = self.ground.model;
        let all = model.relations.keys().chain(model.rule_views.keys());
        all.for_each(|oid| self.relation(*oid, how, at));
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
        self.unnamed(Unnamed::of(name), at);
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
