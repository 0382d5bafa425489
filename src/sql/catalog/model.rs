//! What a snapshot holds.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::body::Body;
use super::definition::Argument;
use super::families::Families;
use super::tree::Refs;
use super::types::Types;
use crate::sql::{Class, How, routines};

/// A map whose keys come from a server.
pub(super) type Map<K, V> = HashMap<K, V, ahash::RandomState>;

/// The language of a routine, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Sql,
    Plpgsql,
    /// `c` and `internal`.
    Native,
    /// A language that is not read here.
    Other,
}

/// A routine that is not PostgreSQL's own.
#[derive(Debug)]
pub(super) struct Routine {
    pub schema: Box<str>,
    pub name: Box<str>,
    /// `prokind`: f, p, a or w.
    pub kind: u8,
    pub language: Language,
    /// The language's name, for people.
    pub language_name: Box<str>,
    pub volatile: bool,
    /// Types of the input arguments.
    pub inputs: Box<[u32]>,
    /// All arguments, OUT ones included.
    pub arguments: Box<[Argument]>,
    /// How many of the last input arguments have defaults.
    pub defaults: usize,
    /// The last input takes any number of arguments of this type; 0 if not.
    pub variadic: u32,
    /// Types of arguments and of the result that are not PostgreSQL's own.
    pub types: Box<[u32]>,
    /// It returns a cursor that it has opened.
    pub gives_cursor: bool,
    /// Default expressions.
    pub default: Refs,
    /// An SQL-standard body.
    pub standard_body: Option<Refs>,
    /// `prosrc`, or the statement that makes the routine where that is needed to read it.
    pub source: Box<str>,
    /// Its SET clauses, each `name=value`.
    pub config: Box<[Box<str>]>,
    pub extension: Option<Box<str>>,
    /// What an aggregate consists of.
    pub parts: Box<[u32]>,
    /// The operator vouches for it.
    pub trusted: bool,
    /// The body, once it was needed.
    pub body: OnceLock<Body>,
}

impl Routine {
    /// Its own statements may change rows: it is VOLATILE, which PostgreSQL asks for where it runs a
    /// routine, or it is SQL, whose query planning puts in the place of the call.
    pub(super) fn may_change(&self) -> bool {
        self.volatile || self.language == Language::Sql
    }
}

/// A relation that is not PostgreSQL's own.
#[derive(Debug, Default)]
pub(super) struct Relation {
    pub schema: Box<str>,
    pub name: Box<str>,
    /// `relkind`.
    pub kind: u8,
    /// Its row type.
    pub row_type: u32,
    /// Row security is on.
    pub row_security: bool,
    /// Handlers of its access method and of its foreign data wrapper.
    pub handlers: Vec<u32>,
    /// A foreign table that runs a program of the server.
    pub program: bool,
    /// Types of columns that are not PostgreSQL's own.
    pub types: Vec<u32>,
    /// Expressions and queries that run when something is done with it.
    pub parts: Vec<(How, Refs)>,
    /// Conditions and expressions of its constraints, indexes and statistics: as parts, and planning
    /// a query simplifies them.
    pub conditions: Vec<(How, Refs)>,
    /// Trigger functions.
    pub triggers: Vec<(How, u32)>,
    /// Operator classes in which something is the user's, and operators, that its indexes and
    /// constraints use.
    pub classes: Vec<u32>,
    pub operators: Vec<u32>,
    /// Partitions and children.
    pub children: Vec<u32>,
    /// What it is a partition or a child of.
    pub parents: Vec<u32>,
    /// What says into which partition a row belongs: operator classes and expressions.
    pub key: Option<(Vec<u32>, Refs)>,
    /// What foreign keys do to the other table; nothing: they look for a row in it.
    pub cascades: Vec<(How, u32, How)>,
    /// A foreign key of it, or to it, can be checked at the end of the transaction.
    pub deferrable: bool,
}

/// An operator that is not PostgreSQL's own.
#[derive(Debug)]
pub(super) struct Operator {
    pub schema: Box<str>,
    pub code: u32,
    /// It takes values of many types.
    pub is_any: bool,
    /// Its commutator and its negator, either of which the planner may take instead.
    pub others: [u32; 2],
    /// Families that it sorts, hashes or compares by.
    pub families: Vec<u32>,
}

/// A type that is not PostgreSQL's own.
#[derive(Debug, Default)]
pub(super) struct Type {
    pub schema: Box<str>,
    pub name: Box<str>,
    /// `typtype`.
    pub kind: u8,
    /// The relation whose rows it has; 0 if none.
    pub relation: u32,
    /// Element, base, subtype, range of a multirange.
    pub inner: Vec<u32>,
    /// Functions that run with any value: input and output, of operator classes, of casts that are
    /// not written.
    pub carry: Vec<u32>,
    /// Operator classes.
    pub classes: Vec<u32>,
    /// Functions of casts to it that are written.
    pub casts: Vec<u32>,
    /// Constraints and default of a domain.
    pub checks: Vec<Refs>,
}

/// What a snapshot knows, by OID and by name.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub routines: Map<u32, Routine>,
    pub routine_names: Map<Box<str>, Vec<u32>>,
    /// PostgreSQL's own routines that do more than read.
    pub builtins: Map<u32, (routines::Routine, Box<str>)>,
    /// The classes of their symbols, by which a function of language `internal` names them.
    pub symbols: Map<Box<str>, Class>,
    pub relations: Map<u32, Relation>,
    pub relation_names: Map<Box<str>, Vec<u32>>,
    /// PostgreSQL's own views that show rules: schema and name.
    pub rule_views: Map<u32, (Box<str>, Box<str>)>,
    pub operators: Map<u32, Operator>,
    pub operator_names: Map<Box<str>, Vec<u32>>,
    pub types: Map<u32, Type>,
    pub type_names: Map<Box<str>, Vec<u32>>,
    /// Functions of operator classes.
    pub families: Families,
    /// Functions of casts between PostgreSQL's own types, which any expression may use.
    pub everywhere: Vec<u32>,
    /// Functions of casts that are written, by the type of PostgreSQL's own.
    pub casts: Map<u32, Vec<u32>>,
    /// Names of PostgreSQL's own types, row types aside.
    pub builtin_types: Map<u32, Box<str>>,
    /// What types are to each other.
    pub relatives: Types,
    pub event_triggers: Vec<u32>,
    /// Those that are ENABLE ALWAYS: the function and the event.
    pub always: Vec<(u32, Box<str>)>,
    /// Types that have a domain in them which checks.
    pub checked: HashSet<u32, ahash::RandomState>,
    /// Types of which a value may run something, by name in lower case.
    pub declarable: Map<Box<str>, Vec<u32>>,
}
