//! What a statement names that only the catalog can judge, collected on the walk over its tree.
//!
//! More is never weaker: where the text cannot tell what a name is, it is listed as all that it
//! may be. So are names in PostgreSQL's own schemas: a user may have put something there.

use std::collections::{BTreeMap, BTreeSet};

use pgauthority_grammar::{Node, field, tag, value};

use super::coerced::Coerced;
use super::given::{Parameters, given, is_parameter};
use super::names::{Names, Qualified, name, owned, string};
use super::scan::Scan;
use super::telling::{MAINTAINING, MAKING, POPULATING, READING, compares, indexes, reads_keys};
use super::utility::{ANALYSED, ANALYSED_WITHIN, NAMING};
use super::{temporary, utility};
use crate::sql::{Call, CallKind, Class, Given, How, Name, RelationUse, Uses};

/// Different things of one kind in a statement beyond which anything may be in it.
const ENOUGH: usize = 4096;

/// Calls in a statement beyond which types of arguments are not listed.
const TYPED_CALLS: usize = 256;

/// A class and what made it so.
#[derive(Debug)]
pub(in crate::sql) struct Verdict {
    pub class: Class,
    pub reason: String,
}

impl Default for Verdict {
    fn default() -> Self {
        Verdict { class: Class::Session, reason: String::new() }
    }
}

impl Verdict {
    /// Takes over a stronger class.
    pub(super) fn raise(&mut self, class: Class, reason: &str) {
        if class > self.class {
            *self = Verdict { class, reason: reason.to_owned() };
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(in crate::sql) struct Found {
    /// What is looked at is kept or only named: nothing of it runs.
    pub(super) off: bool,
    /// The next call met is that of a CALL.
    procedure: bool,
    /// The class without calls of what is unknown.
    pub(super) known: Verdict,
    pub(super) known_unseen: bool,
    /// The class of known calls alone.
    pub(super) called: Verdict,
    pub(super) sets: bool,
    pub(super) renames: bool,
    pub(super) fires: bool,
    planned: bool,
    stored: bool,
    /// It makes a relation.
    pub(super) makes: bool,
    populates: bool,
    makes_any: bool,
    reads_all: bool,
    reads_keys: bool,
    coerced: Coerced,
    maintains_all: bool,
    indexes: bool,
    /// Values are cast or compared, of types that nothing names.
    compares: bool,
    code: String,
    /// `a.f` may be of an `a` that is no row.
    pub(in crate::sql) fields_of_values: bool,
    fields: BTreeSet<Box<str>>,
    calls: BTreeSet<Call>,
    parameters: Parameters,
    /// The statement is analysed before anything of it runs, and is no text within another.
    pub(super) typed: bool,
    /// And with the parameters of its message.
    numbered: bool,
    relations: BTreeMap<Name, How>,
    /// Relations that need not be there: WITH queries, and what the statement makes.
    pub(super) optional: BTreeSet<Box<str>>,
    operators: Names,
    types: Names,
    casts: Names,
    arrays: Names,
}

impl Found {
    /// PL/pgSQL code is in it, whose variables have types that are not listed.
    pub(in crate::sql) fn code(&mut self, body: &str) {
        self.code.push_str(body);
        self.code.push('\n');
    }

    /// Code in it makes values of a type that nothing names.
    pub(in crate::sql) fn makes_of_any_type(&mut self) {
        self.makes_any |= !self.off;
    }

    fn relation(&mut self, relation: Node<'_>, how: How) {
        let found = Qualified::of_relation(relation);
        if self.off || found.name.is_empty() {
            return;
        }
        self.used(owned(found), how);
    }

    pub(super) fn used(&mut self, name: Name, how: How) {
        let known = self.relations.entry(name).or_default();
        let again = how == How::SELECT && known.any(How::SELECT);
        *known = known.and(if again { How::AGAIN } else { how });
    }

    fn data_type(&mut self, node: Node<'_>) {
        if let Some(found) = Qualified::of_list(node.list(field::names)) {
            self.types.add(found.in_any_major());
        }
    }

    /// A cast that is written, to one of PostgreSQL's own types too: it may be the user's.
    fn cast(&mut self, target: Node<'_>) {
        if let Some(found) = Qualified::of_list(target.list(field::names)) {
            let array = target.has(field::arrayBounds);
            let list = if array { &mut self.arrays } else { &mut self.casts };
            list.add(found.in_any_major());
        }
    }

    fn operator(&mut self, symbol: &'static [u8]) {
        self.operators.add(Qualified { schema: None, name: symbol, catalog: false });
    }

    fn expression(&mut self, node: Node<'_>) {
        let operators: &[&'static [u8]] = match node.value(field::kind) {
            value::AEXPR_BETWEEN | value::AEXPR_BETWEEN_SYM => &[b">=", b"<="],
            value::AEXPR_NOT_BETWEEN | value::AEXPR_NOT_BETWEEN_SYM => &[b"<", b">"],
            _ => &[],
        };
        for symbol in operators {
            self.operator(symbol);
        }
        self.parameters.doubled |= !operators.is_empty();
        if operators.is_empty() {
            self.named_operator(node.list(field::name));
        }
    }

    fn named_operator<'t>(&mut self, parts: impl Iterator<Item = Node<'t>>) {
        if let Some(found) = Qualified::of_list(parts) {
            self.operators.add(found);
        }
    }

    /// A call, whatever is known of its name.
    pub(super) fn call(&mut self, call: Node<'_>, found: Qualified<'_>) {
        let kind = match std::mem::take(&mut self.procedure) {
            true => CallKind::Procedure,
            false => CallKind::Function,
        };
        if self.off {
            return;
        }
        self.populates |= POPULATING.contains(&found.name);
        let (makes, reads) = (MAKING.contains(&found.name), READING.contains(&found.name));
        // these are STABLE: EXPLAIN calls them for its estimates, and so all that they run
        self.planned &= !makes && !reads;
        self.makes_any |= makes;
        self.reads_all |= reads;
        self.reads_keys |= std::str::from_utf8(found.name).is_ok_and(reads_keys);
        self.maintains_all |= MAINTAINING.contains(&found.name);
        self.coerced.call(found.name);
        let arguments = || call.list(field::args);
        let ordered = match call.flag(field::agg_within_group) {
            true => call.list(field::agg_order).count(),
            false => 0,
        };
        let named = arguments()
            .filter(|argument| argument.tag() == tag::NamedArgExpr)
            .map(|argument| argument.bytes(field::name).map(name).unwrap_or_default());
        let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let typed = self.typed && ordered == 0 && self.calls.len() < TYPED_CALLS;
        let mut types: Box<[Given]> = match typed {
            true => arguments().map(|one| given(one, self.numbered)).collect(),
            false => Box::default(),
        };
        if types.iter().all(|one| *one == Given::Anything) {
            types = Box::default();
        }
        self.calls.insert(Call {
            name: owned(found),
            kind,
            arguments: number(arguments().count() + ordered),
            parameters: number(arguments().filter(|one| is_parameter(*one)).count()),
            given: types,
            named: named.collect(),
            variadic: call.flag(field::func_variadic),
            star: call.flag(field::agg_star),
        });
    }

    /// `.f` behind something.
    pub(super) fn field(&mut self, text: &str) {
        if !self.off && !self.fields.contains(text) {
            self.fields.insert(text.into());
        }
    }

    /// A TABLESAMPLE method.
    pub(super) fn sampling(&mut self, method: Option<Qualified<'_>>) {
        if let Some(found) = method.filter(|_| !self.off) {
            self.plain(owned(found), CallKind::Sampling, 1, 0);
        }
    }

    /// A call of which no more is known than how many arguments it may have, and how few.
    pub(super) fn plain(&mut self, name: Name, kind: CallKind, arguments: u16, parameters: u16) {
        self.calls.insert(Call {
            name,
            kind,
            arguments,
            parameters,
            given: Box::default(),
            named: Box::default(),
            variadic: false,
            star: false,
        });
    }

    /// Looks at one node by itself, calls aside.
    pub(super) fn node(&mut self, node: Node<'_>) {
        if self.off {
            return;
        }
        self.compares |= compares(node);
        self.indexes |= indexes(node);
        self.newer(node);
        self.coerced.node(node);
        match node.tag() {
            tag::A_Expr => self.expression(node),
            tag::ParamRef => self.parameters.note(node),
            tag::RangeVar => self.relation(node, How::SELECT),
            tag::TypeName => self.data_type(node),
            // in JSON, of DEFAULT … ON EMPTY
            tag::TypeCast | tag::JsonOutput | tag::JsonTableColumn => {
                if let Some(target) = node.node(field::typeName) {
                    self.cast(target);
                }
            }
            // what is returned is text where that is not written
            tag::JsonFuncExpr => {
                self.casts.add(Qualified {
                    schema: Some(b"pg_catalog"),
                    name: b"text",
                    catalog: false,
                });
            }
            tag::SortBy => self.named_operator(node.list(field::useOp)),
            tag::SubLink if node.has(field::operName) => {
                self.named_operator(node.list(field::operName));
            }
            // these compare by whatever "=" is found by name
            tag::SubLink | tag::CaseExpr | tag::JoinExpr => self.operator(b"="),
            tag::RangeFunction | tag::RangeTableFunc | tag::JsonTable => {
                self.fields_of_values = true;
            }
            tag::CommonTableExpr => {
                self.optional.extend(node.bytes(field::ctename).map(name));
            }
            tag::IntoClause => self.made(node.node(field::rel)),
            tag::CreateStmt => self.made(node.node(field::relation)),
            tag::ViewStmt => self.made(node.node(field::view)),
            _ => {}
        }
    }

    fn made(&mut self, relation: Option<Node<'_>>) {
        self.makes = true;
        self.optional.extend(relation.map(|made| name(Qualified::of_relation(made).name)));
    }

    /// Looks at a DML statement, or another one that is about relations.
    pub(super) fn about(&mut self, node: Node<'_>) {
        self.indexes |= node.tag() == tag::IndexStmt;
        let mut target = |how| {
            if let Some(relation) = node.node(field::relation) {
                self.relation(relation, how);
            }
        };
        match node.tag() {
            tag::InsertStmt => {
                let updates = node
                    .node(field::onConflictClause)
                    .is_some_and(|clause| clause.value(field::action) == value::ONCONFLICT_UPDATE);
                target(if updates { How::INSERT.and(How::UPDATE) } else { How::INSERT });
            }
            tag::UpdateStmt => target(How::UPDATE),
            tag::DeleteStmt => target(How::DELETE),
            tag::MergeStmt => target(How::CHANGE),
            tag::CopyStmt if node.flag(field::is_from) => target(How::INSERT),
            tag::RefreshMatViewStmt
            | tag::IndexStmt
            | tag::AlterTableStmt
            | tag::ReindexStmt
            | tag::ClusterStmt => target(How::MAINTAIN),
            tag::TruncateStmt => {
                for relation in node.list(field::relations) {
                    self.relation(relation, How::TRUNCATE);
                }
            }
            tag::VacuumStmt => {
                self.maintains_all |= !node.has(field::rels);
                for relation in node.list(field::rels).filter_map(|r| r.node(field::relation)) {
                    self.relation(relation, How::MAINTAIN);
                }
            }
            tag::CallStmt => self.procedure = true,
            // the root of a tree is not visited by itself
            tag::CreateStmt | tag::ViewStmt => self.node(node),
            _ => {}
        }
    }

    /// What the catalog has to be asked about, if anything.
    pub(in crate::sql) fn into_uses(self, is_temporary: bool) -> Option<Box<Uses>> {
        let sizes = [
            self.calls.len(),
            self.relations.len(),
            self.operators.len(),
            self.types.len(),
            self.fields.len(),
        ];
        let names = sizes.iter().any(|size| *size > 0);
        let any = self.maintains_all
            || self.reads_all
            || self.reads_keys
            || self.makes_any
            || self.indexes
            || self.fires
            || self.compares;
        if !names && !any && self.code.is_empty() && !is_temporary {
            return None;
        }
        let is_named = |name: &str| self.relations.keys().any(|one| &*one.name == name);
        let composes = self.coerced.composes(is_named);
        let optional = &self.optional;
        let relations = self.relations.into_iter().map(|(name, how)| RelationUse {
            optional: name.schema.is_none() && optional.contains(&name.name),
            name,
            how,
        });
        Some(Box::new(Uses {
            class: self.known.class,
            unseen_code: self.known_unseen,
            reason: self.known.reason.into(),
            called: self.called.class,
            called_reason: self.called.reason.into(),
            sets: self.sets,
            renames: self.renames,
            fires: self.fires,
            planned: self.planned,
            stored: self.stored,
            too_many: sizes.iter().any(|size| *size > ENOUGH),
            populates: self.populates,
            makes_any: self.makes_any,
            reads_all: self.reads_all,
            reads_keys: self.reads_keys,
            coerces: self.coerced.literals,
            composes,
            maintains_all: self.maintains_all,
            indexes: self.indexes,
            code: self.code.into(),
            fields_of_values: self.fields_of_values,
            fields: self.fields.into_iter().collect(),
            calls: self.parameters.settled(self.calls),
            relations: relations.collect(),
            operators: self.operators.into_list(),
            types: self.types.into_list(),
            casts: self.casts.into_list(),
            arrays: self.arrays.into_list(),
        }))
    }
}

impl Scan<'_> {
    /// Decides whether what a statement names is used by running it, and notes what it is about.
    pub(super) fn begin_uses(&mut self, node: Node<'_>) {
        let kept = utility::is_definition(node);
        self.found.stored |= kept && self.depth == 0;
        let permanent = kept && temporary::of(node) == temporary::Temp::No;
        self.found.off = permanent || NAMING.contains(&node.tag());
        self.found.numbered = ANALYSED.contains(&node.tag());
        self.found.typed =
            self.depth == 0 && (self.found.numbered || ANALYSED_WITHIN.contains(&node.tag()));
        self.found.about(node);
    }

    /// What EXPLAIN plans and does not run.
    pub(super) fn begin_plan(&mut self, query: Node<'_>) {
        let evaluates = query.descendants().any(|below| below.tag() == tag::ExecuteStmt);
        self.found.planned = self.depth == 0 && !evaluates;
    }

    /// Field selections.
    pub(super) fn note_fields<'t>(&mut self, fields: impl Iterator<Item = Node<'t>>) {
        for field in fields.filter_map(string) {
            match std::str::from_utf8(field) {
                Ok(text) => self.found.field(text),
                Err(_) => self.found.field(&name(field)),
            }
        }
    }
}
