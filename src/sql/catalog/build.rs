//! From rows to a model: each kind of row, then what they are to each other.

use std::sync::OnceLock;

use super::definition::REFCURSOR;
use super::model::{Language, Map, Model, Operator, Relation, Routine, Type};
use super::rows::Columns;
use super::tree::{FIRST_UNPINNED, Refs};
use super::types::Fact;
use super::unnamed::Unnamed;
use super::{Options, Row, Unreadable, body, definition, families, relations, values};
use crate::sql::Class;
use crate::sql::classify::{maintains, makes_any, reads_any, reads_keys};
use crate::sql::routines;

/// Majors whose catalogs and stored trees are known.
const MAJORS: std::ops::RangeInclusive<u32> = 15..=18;

/// `json` and `jsonb`.
const JSON: [u32; 2] = [114, 3802];

/// Kinds of rows in the order in which they are taken; later ones refer to earlier ones.
const KINDS: &[u8] = b"Vnjybtrpqocxsfadkieglwhzmvu";

pub(super) fn model(
    rows: impl IntoIterator<Item = Row>,
    options: &Options,
) -> Result<Model, Unreadable> {
    let mut by_kind: Vec<Vec<Row>> = KINDS.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let (kind, _) = Columns::of(&row)?;
        let place = KINDS.iter().position(|known| *known == kind);
        let list = place.and_then(|place| by_kind.get_mut(place));
        list.ok_or_else(|| Unreadable("a row of an unknown kind".into()))?.push(row);
    }
    let mut builder = Builder { model: Model::default(), schemas: Map::default(), options };
    let mut version = false;
    for row in by_kind.into_iter().flatten() {
        let (kind, columns) = Columns::of(&row)?;
        version |= kind == b'V';
        builder.row(kind, &columns)?;
    }
    if !version || builder.schemas.is_empty() || builder.model.builtins.is_empty() {
        return Err(Unreadable("rows are missing".into()));
    }
    values::finish(&mut builder.model);
    Ok(builder.model)
}

struct Builder<'o> {
    model: Model,
    schemas: Map<u32, Box<str>>,
    options: &'o Options,
}

impl Builder<'_> {
    fn row(&mut self, kind: u8, c: &Columns<'_>) -> Result<(), Unreadable> {
        match kind {
            b'V' => {
                let major = c.number(1)? / 10_000;
                if !MAJORS.contains(&major) {
                    return Err(Unreadable(format!("major {major} of PostgreSQL is not known")));
                }
            }
            b'n' => drop(self.schemas.insert(c.number(1)?, c.text(2)?.into())),
            b'j' => {
                let view = (self.schema(c, 3)?, c.text(2)?.into());
                self.model.rule_views.insert(c.number(1)?, view);
            }
            b'y' => self.own_type(c)?,
            b'b' => self.builtin(c)?,
            b't' => self.data_type(c)?,
            b'r' => self.relation(c)?,
            b'p' => self.routine(c)?,
            b'q' => self.own_routine(c)?,
            b'o' => self.operator(c)?,
            b'c' => self.cast(c)?,
            b'x' => {
                let implicit = c.letter(3)? == b'i';
                self.model.relatives.add_cast(c.number(1)?, c.number(2)?, implicit);
            }
            b'u' => self.model.everywhere.push(c.number(1)?),
            b's' => families::class(&mut self.model, c)?,
            b'f' => families::entry(&mut self.model, c)?,
            b'm' => families::aggregate(&mut self.model, c)?,
            b'v' => {
                self.model.event_triggers.push(c.number(1)?);
                if c.letter(3)? == b'A' {
                    self.model.always.push((c.number(1)?, c.text(2)?.into()));
                }
            }
            _ => relations::attach(&mut self.model, kind, c)?,
        }
        Ok(())
    }

    fn schema(&self, c: &Columns<'_>, index: usize) -> Result<Box<str>, Unreadable> {
        // made after the namespaces were read: no name of it can be meant by anybody yet
        Ok(self.schemas.get(&c.number(index)?).cloned().unwrap_or_default())
    }

    fn builtin(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let verdict = match routines::lookup(None, c.text(2)?) {
            routines::Routine::Unknown => routines::lookup(Some("information_schema"), c.text(2)?),
            known => known,
        };
        if let Some(class) = class_of(verdict) {
            let known = self.model.symbols.entry(c.text(3)?.into()).or_insert(class);
            *known = class.max(*known);
        }
        if verdict != routines::Routine::Read || is_special(c.text(2)?) {
            self.model.builtins.insert(c.number(1)?, (verdict, c.text(2)?.into()));
        }
        Ok(())
    }

    /// A function of the server's own in C whose row has been written anew. It runs by its OID, whatever
    /// the row says, and GRANT leaves it what it is; another name, schema or default does not.
    fn own_routine(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let model = &self.model;
        let (schema, name, symbol) = (self.schema(c, 3)?, c.text(2)?, c.text(16)?);
        let known = routines::lookup(Some(&schema), name) != routines::Routine::Unknown;
        let names = routines::names_of_symbol(symbol);
        let matters = body::class_of_symbol(symbol).is_some_and(|class| class > Class::Read)
            || names.iter().any(|name| is_special(name));
        let plain = |oid: &u32| {
            *oid < FIRST_UNPINNED
                && !model.builtins.contains_key(oid)
                && !model.routines.contains_key(oid)
        };
        let default = Refs::of([c.optional(15)?]);
        let same = (known && names.contains(&name)) || !matters;
        let constant = default.routines.iter().all(plain)
            && default.operators.is_empty()
            && default.relations.is_empty()
            && default.made.is_empty()
            && default.carried.is_empty();
        if same && constant {
            return Ok(());
        }
        self.routine(c)?;
        if let Some(routine) = self.model.routines.get_mut(&c.number(1)?) {
            // as a call of what is not known
            routine.volatile |= !known;
        }
        Ok(())
    }

    /// One of PostgreSQL's own types; those of its relations are numbered by initdb.
    fn own_type(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let oid = c.number(1)?;
        if oid < 10_000 && c.number(5)? == 0 {
            self.model.builtin_types.insert(oid, c.text(2)?.into());
        }
        self.relate(oid, c, 7)
    }

    /// What a type is to others; `array`: the column of the array of it.
    fn relate(&mut self, oid: u32, c: &Columns<'_>, array: usize) -> Result<(), Unreadable> {
        let inner = c.all_oids(6)?;
        let inner = |place: usize| inner.get(place).copied().unwrap_or(0);
        let fact = Fact {
            kind: c.letter(4)?,
            row: c.number(5)? != 0,
            element: inner(0),
            base: inner(1),
            array: c.number(array)?,
        };
        self.model.relatives.add(oid, self.schema(c, 3)?, c.text(2)?.into(), fact);
        Ok(())
    }

    fn data_type(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let oid = c.number(1)?;
        let user = |oids: Box<[u32]>| {
            oids.iter().copied().filter(|oid| *oid >= FIRST_UNPINNED).collect::<Vec<_>>()
        };
        let name: Box<str> = c.text(2)?.into();
        let found = Type {
            schema: self.schema(c, 3)?,
            name: name.clone(),
            kind: c.letter(4)?,
            relation: c.number(5)?,
            inner: c.oids(6)?.into_vec(),
            carry: user(c.oids(7)?),
            classes: c.oids(9)?.into_vec(),
            casts: Vec::new(),
            checks: c.optional(10)?.map(|tree| Refs::of([Some(tree)])).into_iter().collect(),
        };
        // a multirange is made of its range
        let multirange = c.number(8)?;
        if multirange != 0 {
            self.model.types.entry(multirange).or_default().inner.push(oid);
        }
        self.relate(oid, c, 11)?;
        let known = self.model.types.remove(&oid).map(|before| before.inner).unwrap_or_default();
        let inner = [known, found.inner.clone()].concat();
        self.model.types.insert(oid, Type { inner, ..found });
        self.model.type_names.entry(name).or_default().push(oid);
        Ok(())
    }

    fn relation(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let name: Box<str> = c.text(2)?.into();
        let handlers = [c.number(7)?, c.number(8)?];
        let options = c.texts(9)?;
        let relation = Relation {
            schema: self.schema(c, 3)?,
            name: name.clone(),
            kind: c.letter(4)?,
            row_type: c.number(5)?,
            row_security: c.flag(6)?,
            handlers: handlers.into_iter().filter(|oid| *oid >= FIRST_UNPINNED).collect(),
            program: options.iter().any(|option| option.starts_with("program=")),
            ..Relation::default()
        };
        let is_type = relation.kind == b'c';
        self.model.relations.insert(c.number(1)?, relation);
        if !is_type {
            self.model.relation_names.entry(name).or_default().push(c.number(1)?);
        }
        Ok(())
    }

    fn routine(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let name: Box<str> = c.text(2)?.into();
        let arguments = definition::Arguments::of(&c.all_oids(12)?, c.texts(13)?, c.texts(14)?);
        let language = match c.text(5)? {
            "sql" => Language::Sql,
            "plpgsql" => Language::Plpgsql,
            "c" | "internal" => Language::Native,
            _ => Language::Other,
        };
        let source = c.optional(16)?.unwrap_or_default();
        let result = c.number(11)?;
        let schema = self.schema(c, 3)?;
        let routine = Routine {
            kind: c.letter(4)?,
            language,
            language_name: c.text(5)?.into(),
            volatile: c.letter(6)? == b'v',
            inputs: arguments.inputs(),
            defaults: c.number(8)? as usize,
            variadic: c.number(9)?,
            types: arguments
                .all
                .iter()
                .map(|argument| argument.data_type)
                .chain([result])
                .filter(|oid| *oid >= FIRST_UNPINNED)
                .collect(),
            gives_cursor: result == REFCURSOR || arguments.gives(REFCURSOR),
            default: Refs::of([c.optional(15)?]),
            standard_body: c.optional(17)?.map(|tree| Refs::of([Some(tree)])),
            source: match language {
                Language::Plpgsql => {
                    let is_row = |oid: u32| definition::is_row(&self.model, oid);
                    let set = c.flag(10)?;
                    definition::plpgsql(&arguments, c.letter(4)?, result, set, source, is_row)
                }
                _ => source.into(),
            }
            .into(),
            config: c.texts(18)?.into_iter().map(Into::into).collect(),
            extension: c.optional(19)?.map(Into::into),
            parts: Box::new([]),
            trusted: self
                .options
                .trusted
                .iter()
                .any(|one| one.names(&schema, &name, &arguments.inputs(), &self.model)),
            arguments: arguments.all.into(),
            body: OnceLock::new(),
            schema,
            name: name.clone(),
        };
        self.model.routines.insert(c.number(1)?, routine);
        self.model.routine_names.entry(name).or_default().push(c.number(1)?);
        Ok(())
    }

    fn operator(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let operator = Operator {
            schema: self.schema(c, 3)?,
            code: c.number(4)?,
            is_any: c.oids(7)?.iter().any(values::is_any),
            others: [c.number(5)?, c.number(6)?],
            families: Vec::new(),
        };
        self.model.operators.insert(c.number(1)?, operator);
        self.model.operator_names.entry(c.text(2)?.into()).or_default().push(c.number(1)?);
        Ok(())
    }

    fn cast(&mut self, c: &Columns<'_>) -> Result<(), Unreadable> {
        let (source, target, function) = (c.number(1)?, c.number(2)?, c.number(3)?);
        let written = c.letter(4)? == b'e';
        match (source < FIRST_UNPINNED, target < FIRST_UNPINNED) {
            (true, true) if !written => self.model.everywhere.push(function),
            (_, true) if written => self.model.casts.entry(target).or_default().push(function),
            _ => {}
        }
        // what turns values into JSON takes casts that are not written
        if written
            && JSON.contains(&target)
            && let Some(found) = self.model.types.get_mut(&source)
        {
            found.carry.push(function);
        }
        for (oid, is_target) in [(source, false), (target, true)] {
            if let Some(found) = self.model.types.get_mut(&oid) {
                match written {
                    true if is_target => found.casts.push(function),
                    true => {}
                    false => found.carry.push(function),
                }
            }
        }
        Ok(())
    }
}

/// A built-in that is there for what it reads, makes or computes without naming it.
fn is_special(name: &str) -> bool {
    makes_any(name)
        || reads_any(name)
        || reads_keys(name)
        || maintains(name)
        || Unnamed::of(name).is_some()
        || name.contains("populate_record")
}

/// The class of a built-in of which nothing but its name is known; `None`: `read`.
pub(super) fn class_of(verdict: routines::Routine) -> Option<Class> {
    Some(match verdict {
        routines::Routine::Read => return None,
        routines::Routine::Session => Class::Session,
        routines::Routine::Write | routines::Routine::Unknown => Class::Write,
        routines::Routine::Admin => Class::Admin,
        routines::Routine::SetConfig | routines::Routine::Dynamic => Class::Opaque,
    })
}
