//! Looking through everything inside a statement: the strongest class of any node counts.
//!
//! The tree holds every field of every node, so nothing can hide in a place that was forgotten
//! here. A node whose kind is in no list below makes the statement opaque.

use std::collections::BTreeSet;

use pgauthority_grammar::{Node, field, tag, value};

use super::names::{Qualified, shown, string};
use super::uses::Found;
use super::{temporary, utility};
use crate::sql::routines::{self, Routine};
use crate::sql::{Bound, Class, SetConfig, SyntaxFault};

/// What was found inside a statement so far.
pub(in crate::sql) struct Scan<'c> {
    /// `migration_tables` of the configuration.
    pub(super) migration_tables: &'c BTreeSet<String>,
    /// How many texts deep: bodies and literals that are SQL themselves.
    pub(super) depth: usize,
    /// What is looked at is kept as a definition and not run.
    pub(super) stored: bool,
    pub(super) class: Class,
    pub(super) reason: String,
    pub(super) unseen_code: bool,
    pub(in crate::sql) set_config: Vec<SetConfig>,
    pub(super) objects: Vec<Box<str>>,
    /// What the catalog has to be asked about.
    pub(in crate::sql) found: Found,
    pub(in crate::sql) bound: Bound,
    pub(super) shows_custom: bool,
    /// Cursors that the text declares which is being read.
    pub(super) cursors: Vec<Box<[u8]>>,
    /// What the parser said of the first body that it did not take.
    pub(in crate::sql) fault: Option<SyntaxFault>,
}

impl<'c> Scan<'c> {
    pub(in crate::sql) fn new(migration_tables: &'c BTreeSet<String>) -> Scan<'c> {
        Scan {
            migration_tables,
            depth: 0,
            stored: false,
            class: Class::Session,
            reason: String::new(),
            unseen_code: false,
            set_config: Vec::new(),
            objects: Vec::new(),
            found: Found::default(),
            bound: Bound::No,
            shows_custom: false,
            cursors: Vec::new(),
            fault: None,
        }
    }

    /// Something of class `class` is inside; `reason` says what, for people.
    pub(in crate::sql) fn raise(&mut self, class: Class, reason: impl FnOnce() -> String) {
        if class > self.class || class > self.found.known.class {
            let reason = reason();
            self.found.known.raise(class, &reason);
            self.raise_unknown(class, || reason);
        }
    }

    /// As `raise`, for what is called and not what the statement is: a STABLE routine may.
    pub(in crate::sql) fn raise_called(&mut self, class: Class, reason: impl FnOnce() -> String) {
        if class > self.class || class > self.found.known.class || class > self.found.called.class {
            let reason = reason();
            self.found.called.raise(class, &reason);
            self.raise(class, || reason);
        }
    }

    /// As `raise`, for what the catalog may know better.
    pub(super) fn raise_unknown(&mut self, class: Class, reason: impl FnOnce() -> String) {
        if class > self.class {
            self.class = class;
            self.reason = reason();
        }
    }

    /// Code that cannot be seen into may run.
    pub(super) fn unseen(&mut self) {
        self.unseen_code |= !self.stored;
        self.found.known_unseen |= !self.stored;
    }

    /// The same for code that the catalog may know.
    pub(super) fn unseen_unless_known(&mut self) {
        self.unseen_code |= !self.stored;
    }

    /// Adds a name for people, once.
    pub(super) fn object(&mut self, name: Qualified<'_>) {
        const ENOUGH: usize = 64;
        let shown = name.shown();
        if self.objects.len() < ENOUGH && !self.objects.iter().any(|known| **known == *shown) {
            self.objects.push(shown.into());
        }
    }

    /// Counts a node and everything below it.
    pub(super) fn tree(&mut self, root: Node<'_>) {
        for node in root.descendants() {
            self.visit(node, false);
        }
    }

    /// Counts a statement whose own class is none but that of what is in it, and of everything
    /// below it.
    pub(super) fn below(&mut self, root: Node<'_>) {
        for (index, node) in root.descendants().enumerate() {
            if index > 0 {
                self.visit(node, false);
            }
        }
    }

    /// Counts one node by itself; what is below it comes by its own turn. `root`: it is the
    /// statement itself, so it needs no reason.
    pub(super) fn visit(&mut self, node: Node<'_>, root: bool) {
        self.found.node(node);
        match node.tag() {
            tag::A_Const | tag::String | tag::ResTarget | tag::A_Expr | tag::List => {}
            tag::ColumnRef => self.column(node),
            tag::A_Indirection => {
                self.found.fields_of_values = true;
                self.fields(node.list(field::indirection));
            }
            tag::FuncCall => self.call(node),
            tag::RangeVar => self.object(Qualified::of_relation(node)),
            tag::SelectStmt => self.select(node, root),
            tag::InsertStmt => self.change(node, root, "INSERT"),
            tag::UpdateStmt => self.change(node, root, "UPDATE"),
            tag::DeleteStmt => self.change(node, root, "DELETE"),
            tag::MergeStmt => self.change(node, root, "MERGE"),
            tag::RangeTableSample => self.sample(node),
            other if is_inert(other) => {}
            _ => {
                let own = utility::class(node);
                self.raise(own.class, || match own.reason {
                    "" => format!("contains {}", super::tags::tag(node)),
                    reason => reason.to_owned(),
                });
                if own.unseen_code {
                    self.unseen();
                }
            }
        }
    }

    fn select(&mut self, node: Node<'_>, root: bool) {
        self.raise(Class::Read, String::new);
        if node.has(field::lockingClause) {
            self.raise(Class::Write, || "locks rows".into());
        }
        if let Some(target) = node.node(field::intoClause).and_then(|into| into.node(field::rel)) {
            let class = if temporary::is_temporary(target) { Class::Temp } else { Class::Ddl };
            self.raise(class, || match root {
                true => String::new(),
                false => "contains SELECT INTO".into(),
            });
        }
    }

    fn change(&mut self, node: Node<'_>, root: bool, verb: &str) {
        self.found.about(node);
        self.raise(Class::Write, || match root {
            true => String::new(),
            false => format!("contains {verb}"),
        });
        if let Some(relation) = node.node(field::relation) {
            self.target(relation, "writes");
        }
    }

    /// A relation whose rows are written, or can be by what the statement makes.
    pub(super) fn target(&mut self, relation: Node<'_>, does: &str) {
        let target = Qualified::of_relation(relation);
        let known = std::str::from_utf8(target.name);
        let schema = target.schema.map(std::str::from_utf8).transpose();
        let (Ok(name), Ok(schema)) = (known, schema) else { return };
        if routines::is_system_relation(schema, name) {
            self.raise(Class::Ddl, || format!("{does} the system relation {}", target.shown()));
            // it sets parameters, which ones cannot be told
            if name == "pg_settings" {
                self.found.sets = true;
                self.unseen();
            }
        } else if self.is_migration_table(name) {
            self.raise(Class::MigrationState, || {
                format!("{does} the migration table {}", target.shown())
            });
        }
    }

    /// The names configured are in lower case; some tools write theirs in quotes and mixed case.
    fn is_migration_table(&self, name: &str) -> bool {
        match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.migration_tables.contains(&name.to_ascii_lowercase()),
            false => self.migration_tables.contains(name),
        }
    }

    /// `a.b` may be the call `b(a)`.
    fn column(&mut self, node: Node<'_>) {
        let mut parts = node.list(field::fields);
        if parts.next().is_some() {
            self.fields(parts);
        }
    }

    fn fields<'t>(&mut self, fields: impl Iterator<Item = Node<'t>> + Clone) {
        self.note_fields(fields.clone());
        for name in fields.filter_map(string) {
            let Ok(text) = std::str::from_utf8(name) else { continue };
            let class = match routines::lookup_field(text) {
                Routine::Write => Class::Write,
                Routine::Admin => Class::Admin,
                Routine::Dynamic => Class::Opaque,
                // set_config takes three arguments, a field is a call with one
                Routine::Read | Routine::Session | Routine::SetConfig | Routine::Unknown => {
                    continue;
                }
            };
            self.raise_called(class, || format!("\"{}\" may be a call of {0}()", shown(name)));
        }
    }

    /// TABLESAMPLE calls its method's handler.
    fn sample(&mut self, node: Node<'_>) {
        let method = Qualified::of_list(node.list(field::method));
        let known = method.is_some_and(|method| {
            matches!(method.schema, None | Some(b"pg_catalog"))
                && matches!(method.name, b"bernoulli" | b"system")
        });
        self.found.sampling(method);
        if !known {
            self.raise_unknown(Class::Write, || {
                "uses a TABLESAMPLE method that is no built-in".into()
            });
            self.unseen_unless_known();
        }
    }

    /// Counts what EXPLAIN without ANALYZE can run of a statement: planning folds calls, and a
    /// routine that cannot be seen into may do anything. Arguments of EXECUTE are evaluated.
    pub(super) fn planned(&mut self, root: Node<'_>) {
        self.begin_plan(root);
        for node in root.descendants() {
            self.found.node(node);
            self.found.about(node);
            match node.tag() {
                tag::FuncCall => self.planned_call(node),
                tag::ColumnRef => self.note_fields(node.list(field::fields).skip(1)),
                tag::A_Indirection => {
                    self.found.fields_of_values = true;
                    self.note_fields(node.list(field::indirection));
                }
                tag::ExecuteStmt => {
                    for argument in node.list(field::params) {
                        self.tree(argument);
                    }
                }
                tag::RangeVar => self.object(Qualified::of_relation(node)),
                tag::RangeTableSample => self.sample(node),
                // the target's schema is made when its name is looked up
                tag::IntoClause if node.node(field::rel).is_some_and(temporary::is_temporary) => {
                    self.raise(Class::Temp, || "makes the temporary schema".into());
                }
                _ => {}
            }
        }
    }

    /// The tag of a SELECT that locks rows: the strongest lock of the outermost level.
    pub(super) fn lock_tag(select: Node<'_>) -> Option<&'static str> {
        let strength = |clause: Node<'_>| clause.value(field::strength);
        Some(match select.list(field::lockingClause).map(strength).max()? {
            value::LCS_FORKEYSHARE => "SELECT FOR KEY SHARE",
            value::LCS_FORSHARE => "SELECT FOR SHARE",
            value::LCS_FORNOKEYUPDATE => "SELECT FOR NO KEY UPDATE",
            _ => "SELECT FOR UPDATE",
        })
    }
}

/// Nodes that do nothing by themselves: what is below them is visited anyway.
fn is_inert(node: u16) -> bool {
    static INERT: [bool; 1024] = {
        let mut table = [false; 1024];
        let mut index = 0;
        while index < HARMLESS.len() {
            table[HARMLESS[index] as usize] = true;
            index += 1;
        }
        table
    };
    INERT.get(usize::from(node)).copied().unwrap_or(false)
}

/// Expressions, clauses and parts of statements. Every kind of node that a raw parse tree can
/// hold is here, in [`Scan::visit`] or in `utility`.
const HARMLESS: &[u16] = &[
    0, // NULL in a list
    tag::AccessPriv,
    tag::Alias,
    tag::AlterTableCmd,
    tag::ATAlterConstraint,
    tag::A_ArrayExpr,
    tag::A_Const,
    tag::A_Expr,
    tag::A_Indices,
    tag::A_Star,
    tag::BitString,
    tag::BoolExpr,
    tag::Boolean,
    tag::BooleanTest,
    tag::CTECycleClause,
    tag::CTESearchClause,
    tag::CaseExpr,
    tag::CaseWhen,
    tag::CoalesceExpr,
    tag::CollateClause,
    tag::ColumnDef,
    tag::CommonTableExpr,
    tag::Constraint,
    tag::CreateOpClassItem,
    tag::CurrentOfExpr,
    tag::DefElem,
    tag::Float,
    tag::FunctionParameter,
    tag::GroupingFunc,
    tag::GroupingSet,
    tag::IndexElem,
    tag::InferClause,
    tag::IntList,
    tag::Integer,
    tag::IntoClause,
    tag::JoinExpr,
    tag::JsonAggConstructor,
    tag::JsonArgument,
    tag::JsonArrayAgg,
    tag::JsonArrayConstructor,
    tag::JsonArrayQueryConstructor,
    tag::JsonBehavior,
    tag::JsonFormat,
    tag::JsonFuncExpr,
    tag::JsonIsPredicate,
    tag::JsonKeyValue,
    tag::JsonObjectAgg,
    tag::JsonObjectConstructor,
    tag::JsonOutput,
    tag::JsonParseExpr,
    tag::JsonReturning,
    tag::JsonScalarExpr,
    tag::JsonSerializeExpr,
    tag::JsonTable,
    tag::JsonTableColumn,
    tag::JsonTablePathSpec,
    tag::JsonValueExpr,
    tag::List,
    tag::LockingClause,
    tag::MergeSupportFunc,
    tag::MergeWhenClause,
    tag::MinMaxExpr,
    tag::MultiAssignRef,
    tag::NamedArgExpr,
    tag::NullTest,
    tag::ObjectWithArgs,
    tag::OnConflictClause,
    tag::ParamRef,
    tag::PartitionBoundSpec,
    tag::PartitionCmd,
    tag::PartitionElem,
    tag::PartitionRangeDatum,
    tag::PartitionSpec,
    tag::PublicationObjSpec,
    tag::PublicationTable,
    tag::RangeFunction,
    tag::RangeSubselect,
    tag::RangeTableFunc,
    tag::RangeTableFuncCol,
    tag::RawStmt,
    tag::ReplicaIdentityStmt, // a clause of ALTER TABLE
    tag::ResTarget,
    tag::ReturnStmt, // RETURN in an SQL-standard function body
    tag::ReturningClause,
    tag::ReturningOption,
    tag::RoleSpec,
    tag::RowExpr,
    tag::SQLValueFunction,
    tag::SetToDefault,
    tag::SortBy,
    tag::StatsElem,
    tag::String,
    tag::SubLink,
    tag::TableLikeClause,
    tag::TriggerTransition,
    tag::TypeCast,
    tag::TypeName,
    tag::VacuumRelation,
    tag::WindowDef,
    tag::WithClause,
    tag::XmlExpr,
    tag::XmlSerialize,
];
