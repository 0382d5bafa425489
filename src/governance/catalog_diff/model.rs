//! A catalog as a value: objects by kind and name, each with its properties.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// What names an object within its database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// What it is, in PostgreSQL's words: `table`, `column`, `index`, `function`, …
    pub kind: String,
    /// Its name, quoted where SQL needs it: `public.runs.status`, `public.f(integer)`.
    pub identity: String,
}

/// As people and the file of known differences write it: `column public.runs.status`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.identity)
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Object {
    /// The object that it is part of, as [`ObjectKey`] is written: a column's table.
    pub parent: Option<String>,
    /// Everything that makes it what it is, its name apart. What is not there has no property.
    pub properties: Map<String, Value>,
}

/// Every object of a database.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Catalog {
    /// By kind and name.
    pub objects: BTreeMap<ObjectKey, Object>,
}

impl Catalog {
    /// The tables, by their names as they stand in SQL.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().filter(|key| key.kind == "table").map(|key| key.identity.as_str())
    }

    /// The table of that name; a name without a schema is one of any schema.
    pub fn table(&self, name: &str) -> Option<&str> {
        let quoted = format!("\"{name}\"");
        let unqualified = |identity: &str| {
            let last = identity.rsplit_once('.').map(|(_, last)| last);
            !name.contains('.') && last.is_some_and(|last| last == name || last == quoted)
        };
        self.tables().find(|identity| *identity == name || unqualified(identity))
    }

    /// An object by its kind and name.
    pub fn get(&self, kind: &str, identity: &str) -> Option<&Object> {
        let key = ObjectKey { kind: kind.to_owned(), identity: identity.to_owned() };
        self.objects.get(&key)
    }
}
