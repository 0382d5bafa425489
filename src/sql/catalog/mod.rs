//! What the catalog of a database says about what a statement uses: routines and their bodies,
//! and what runs unnamed behind relations, operators, types and casts.
//!
//! A [`Catalog`] is a snapshot made from the rows of one SELECT ([`Catalog::QUERY`]), immutable
//! and shared by all threads. [`Catalog::resolve`] follows everything that a statement may run, by
//! name where only text tells and by OID where the catalog does, and gives the strongest class met.

mod path;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Class, Statement};

pub use path::Path;

/// A routine that the operator vouches for: what cannot be read in its body counts as `write`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its argument types as `pg_get_function_identity_arguments` writes them without names;
    /// `None`: every routine of the name.
    pub arguments: Option<Box<[Box<str>]>>,
}

/// What a snapshot is judged by besides its rows.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The unqualified names of version tables, folded.
    pub migration_tables: Arc<BTreeSet<String>>,
    /// Routines vouched for.
    pub trusted: Arc<[Trusted]>,
}

/// What a statement is once the catalog was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The statement's class, with everything that it runs.
    pub class: Class,
    /// The class of what the catalog alone knows: to be counted besides
    /// [`TempUse::class`](super::TempUse::class) where that applies.
    pub found: Class,
    /// As [`Statement::unseen_code`]: something runs that is not sure to leave the session's
    /// state and its temporary names alone.
    pub unseen_code: bool,
    /// Some routine runs that is not PostgreSQL's own, whatever its class.
    pub runs_routines: bool,
    /// A routine or relation is named that the snapshot does not have: worth a newer one.
    pub missing: bool,
    /// What made the class what it is, for people; may be empty.
    pub reason: Box<str>,
}

/// A row of [`Catalog::QUERY`]: its columns' bytes in text format.
pub type Row = Vec<Option<Vec<u8>>>;

/// Rows that are not those of [`Catalog::QUERY`] on a server that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub(super) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the catalog cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A snapshot of what a database's catalog says about what statements run.
#[derive(Debug)]
pub struct Catalog {
    _private: (),
}

impl Catalog {
    /// One SELECT that gives all that a snapshot needs: every column `text`. Nothing in it depends
    /// on `search_path` or can be shadowed; it runs for any user, in a READ ONLY transaction too,
    /// on servers of majors 15 to 18. Names come in the client's encoding: read it with UTF8.
    pub const QUERY: &'static str = "";

    /// One SELECT of one value, cheap, that is another one whenever the result of
    /// [`Catalog::QUERY`] may be another one. Compare it as it is.
    pub const VERSION_QUERY: &'static str = "";

    /// Makes a snapshot of the rows of [`Catalog::QUERY`].
    ///
    /// # Errors
    ///
    /// Rows that are malformed, missing, or of a server whose major is not known.
    pub fn build(
        rows: impl IntoIterator<Item = Row>,
        options: &Options,
    ) -> Result<Catalog, Unreadable> {
        let _ = (rows.into_iter(), options);
        Err(Unreadable("not there yet".into()))
    }

    /// What a statement is. `path`: the session's, if it is known for certain. `backstop`: event
    /// triggers in the database refuse hidden DDL, so what a routine hides is `write`.
    ///
    /// A statement without [`Statement::uses`] is what its text says.
    pub fn resolve(&self, statement: &Statement, path: &Path, backstop: bool) -> Resolved {
        let _ = (path, backstop);
        Resolved {
            class: statement.class,
            found: Class::Session,
            unseen_code: statement.unseen_code,
            runs_routines: statement.unseen_code,
            missing: true,
            reason: statement.reason.clone(),
        }
    }

    /// What the fastpath call of a routine by OID is, or the use of a routine whose OID is known.
    pub fn resolve_routine(&self, oid: u32, path: &Path, backstop: bool) -> Resolved {
        let _ = (oid, path, backstop);
        Resolved {
            class: Class::Opaque,
            found: Class::Opaque,
            unseen_code: true,
            runs_routines: true,
            missing: true,
            reason: "".into(),
        }
    }

    /// What giving a parameter of this type is: the types of a Parse message may be domains, whose
    /// checks run at Bind.
    pub fn resolve_type(&self, oid: u32, path: &Path, backstop: bool) -> Resolved {
        self.resolve_routine(oid, path, backstop)
    }
}
