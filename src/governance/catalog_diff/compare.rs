//! What two catalogs differ in. Pure.
//!
//! An object that is only in one of them stands for all that is part of it. An object that is in
//! both under different names is told as such, where what it is part of and everything else about
//! it is the same. The order of a table's columns is a difference of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::model::{Catalog, Object, ObjectKey};

/// The property that holds a table's columns in their order.
const COLUMNS: &str = "columns";

/// One property that is not the same; `None` where it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyChange {
    /// Its name.
    pub name: String,
    /// What it is on the left.
    pub left: Option<Value>,
    /// What it is on the right.
    pub right: Option<Value>,
}

/// How an object differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is only on the left.
    OnlyLeft,
    /// It is only on the right.
    OnlyRight,
    /// It is on both sides, and some properties differ.
    Changed(Vec<PropertyChange>),
    /// It has another name on the right, and is the same otherwise.
    Renamed {
        /// The name on the right.
        right: String,
        /// At least one of the two names is one that PostgreSQL makes up itself.
        generated: bool,
    },
    /// A table whose columns, as far as both sides have them, stand in another order.
    ColumnOrder {
        /// The columns in the order of the left.
        left: Vec<String>,
        /// The columns in the order of the right.
        right: Vec<String>,
    },
}

impl Change {
    /// Whether it is no more than a note: nothing that a statement could tell apart by name or
    /// value.
    pub fn is_note(&self) -> bool {
        matches!(self, Change::ColumnOrder { .. } | Change::Renamed { generated: true, .. })
    }

    /// The kind, as it is written in reports and in the file of known differences.
    pub fn kind(&self, left: &str, right: &str) -> String {
        match self {
            Change::OnlyLeft => format!("only_in_{}", left.to_ascii_lowercase()),
            Change::OnlyRight => format!("only_in_{}", right.to_ascii_lowercase()),
            Change::Changed(_) => "changed".to_owned(),
            Change::Renamed { generated: false, .. } => "renamed".to_owned(),
            Change::Renamed { generated: true, .. } => "generated_name".to_owned(),
            Change::ColumnOrder { .. } => "column_order".to_owned(),
        }
    }
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The object; where it has two names, the left one.
    pub key: ObjectKey,
    /// How it differs.
    pub change: Change,
    /// Where it is only on one side: how many objects are part of it.
    pub parts: usize,
    /// The properties where it is only on one side.
    pub properties: Map<String, Value>,
    /// Why it is known, where it is.
    pub known: Option<String>,
}

impl Difference {
    /// Whether it stands for itself: neither declared as known nor a mere note.
    pub fn counts(&self) -> bool {
        self.known.is_none() && !self.change.is_note()
    }
}

/// Two catalogs held side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What the left one is called, a word.
    pub left: String,
    /// What the right one is called, a word.
    pub right: String,
    /// How many objects the left one has.
    pub left_objects: usize,
    /// How many objects the right one has.
    pub right_objects: usize,
    /// By kind and name of the object.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// The differences that are neither known nor notes.
    pub fn counting(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.counts())
    }
}

/// Holds two catalogs side by side; each has a name, a word such as `A`.
pub fn compare(left: (&str, &Catalog), right: (&str, &Catalog)) -> Comparison {
    let ((left_name, left), (right_name, right)) = (left, right);
    let mut only_left = missing(left, right);
    let mut only_right = missing(right, left);
    let mut differences = renamed(&mut only_left, &mut only_right);
    for (key, object) in &left.objects {
        if let Some(other) = right.objects.get(key) {
            differences.extend(changed(key, object, other));
        }
    }
    differences.extend(one_sided(&only_left, left, Change::OnlyLeft));
    differences.extend(one_sided(&only_right, right, Change::OnlyRight));
    differences.sort_by(|a, b| a.key.cmp(&b.key));
    Comparison {
        left: left_name.to_owned(),
        right: right_name.to_owned(),
        left_objects: left.objects.len(),
        right_objects: right.objects.len(),
        differences,
    }
}

type Missing<'a> = BTreeMap<&'a ObjectKey, &'a Object>;

fn missing<'a>(here: &'a Catalog, there: &Catalog) -> Missing<'a> {
    here.objects.iter().filter(|(key, _)| !there.objects.contains_key(key)).collect()
}

/// Pairs what is missing on both sides and differs in nothing but its name; takes the pairs out.
fn renamed(only_left: &mut Missing<'_>, only_right: &mut Missing<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    // a column or a table of another name is another one, whatever it looks like
    let pairs_up = |key: &ObjectKey| {
        matches!(
            key.kind.as_str(),
            "constraint" | "index" | "sequence" | "trigger" | "statistics" | "policy"
        )
    };
    for key in only_left.keys().copied().filter(|key| pairs_up(key)).collect::<Vec<_>>() {
        let Some(object) = only_left.get(key) else { continue };
        if object.parent.is_none() {
            continue;
        }
        let twin = only_right
            .iter()
            .find(|(other, candidate)| other.kind == key.kind && *candidate == object)
            .map(|(other, _)| *other);
        if let Some(twin) = twin {
            let parent = object.parent.as_deref().unwrap_or_default();
            let generated = is_generated(key, parent) || is_generated(twin, parent);
            let change = Change::Renamed { right: twin.identity.clone(), generated };
            found.push(difference(key, change));
            only_left.remove(key);
            only_right.remove(twin);
        }
    }
    found
}

/// Whether the name is one that PostgreSQL makes up: the table's, columns', and what it is.
fn is_generated(key: &ObjectKey, parent: &str) -> bool {
    const SUFFIXES: [&str; 8] =
        ["_pkey", "_key", "_fkey", "_check", "_excl", "_idx", "_seq", "_stat"];
    let last = |identity: &str| identity.rsplit('.').next().unwrap_or_default().replace('"', "");
    let (name, table) = (last(&key.identity), last(parent));
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.starts_with(&format!("{table}_")) && SUFFIXES.iter().any(|suffix| bare.ends_with(suffix))
}

/// One difference for each object whose parent is there on both sides, and how much is in it.
fn one_sided(only: &Missing<'_>, catalog: &Catalog, change: Change) -> Vec<Difference> {
    let names: BTreeSet<String> = only.keys().map(ToString::to_string).collect();
    let is_part = |object: &Object| object.parent.as_ref().is_some_and(|p| names.contains(p));
    let tops = only.iter().filter(|(_, object)| !is_part(object));
    tops.map(|(key, object)| {
        let name = key.to_string();
        let of = |part: &&Object| part.parent.as_ref() == Some(&name);
        Difference {
            parts: catalog.objects.values().filter(of).count(),
            properties: object.properties.clone(),
            ..difference(key, change.clone())
        }
    })
    .collect()
}

fn changed(key: &ObjectKey, left: &Object, right: &Object) -> Vec<Difference> {
    let mut found = Vec::new();
    let in_order = key.kind == "table" || key.kind == "foreign table";
    let names: BTreeSet<&String> = left.properties.keys().chain(right.properties.keys()).collect();
    let properties = names
        .into_iter()
        .filter(|name| !(in_order && *name == COLUMNS))
        .filter(|name| left.properties.get(*name) != right.properties.get(*name))
        .map(|name| PropertyChange {
            name: name.clone(),
            left: left.properties.get(name).cloned(),
            right: right.properties.get(name).cloned(),
        })
        .collect::<Vec<_>>();
    if !properties.is_empty() {
        found.push(difference(key, Change::Changed(properties)));
    }
    if in_order {
        let (left, right) = (columns(left), columns(right));
        let both = |names: &[String], others: &[String]| -> Vec<String> {
            names.iter().filter(|name| others.contains(name)).cloned().collect()
        };
        let (left, right) = (both(&left, &right), both(&right, &left));
        if left != right {
            found.push(difference(key, Change::ColumnOrder { left, right }));
        }
    }
    found
}

fn columns(object: &Object) -> Vec<String> {
    let listed = object.properties.get(COLUMNS).and_then(Value::as_array);
    let names = listed.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

fn difference(key: &ObjectKey, change: Change) -> Difference {
    Difference { key: key.clone(), change, parts: 0, properties: Map::new(), known: None }
}
