//! Operator families: the functions by which PostgreSQL sorts, hashes and compares, as far as they
//! are the user's. No statement names them: ORDER BY, DISTINCT, GREATEST and a join find them by a
//! type or by an operator.

use super::Unreadable;
use super::model::{Map, Model};
use super::rows::Columns;
use super::tree::FIRST_UNPINNED;

/// What families have that is not PostgreSQL's own.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// The family of an operator class.
    classes: Map<u32, u32>,
    /// Functions of a family, those of its operators too.
    members: Map<u32, Vec<u32>>,
    /// Functions that run wherever values of PostgreSQL's own types are sorted, hashed or compared:
    /// any expression may have some.
    pub everywhere: Vec<u32>,
    /// Families that are asked without being named.
    unnamed: Vec<u32>,
    /// Of all families that sort or hash, functions that take nothing but PostgreSQL's own types.
    plain: Vec<(u32, u32)>,
}

impl Families {
    /// The functions of the family that a class is of.
    pub(super) fn of_class(&self, class: u32) -> Option<u32> {
        self.classes.get(&class).copied()
    }

    /// A family's functions.
    pub(super) fn members(&self, family: u32) -> &[u32] {
        self.members.get(&family).map_or(&[], Vec::as_slice)
    }

    /// All families.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        self.members.keys().copied()
    }

    /// Those whose entries all are known by now: those that nothing has to name.
    pub(super) fn finish(&mut self) {
        let plain = std::mem::take(&mut self.plain).into_iter();
        let unnamed = plain.filter(|(family, _)| self.unnamed.contains(family));
        self.everywhere = unnamed.map(|(_, function)| function).collect();
        self.everywhere.sort_unstable();
        self.everywhere.dedup();
    }
}

/// An operator class of a family in which something is the user's.
pub(super) fn class(model: &mut Model, c: &Columns<'_>) -> Result<(), Unreadable> {
    let (class, data_type, family) = (c.number(1)?, c.number(2)?, c.number(3)?);
    model.families.classes.insert(class, family);
    let (default, sorts) = (c.flag(4)?, c.flag(5)?);
    match model.types.get_mut(&data_type) {
        Some(found) if !found.classes.contains(&class) => found.classes.push(class),
        Some(_) => {}
        // json has no order of PostgreSQL's own; varchar, and what is like another type, may get one
        None if default && sorts => model.families.unnamed.push(family),
        None => {}
    }
    Ok(())
}

/// A function or an operator that the user has put into a family.
pub(super) fn entry(model: &mut Model, c: &Columns<'_>) -> Result<(), Unreadable> {
    let (family, types) = (c.number(1)?, [c.number(2)?, c.number(3)?]);
    let (function, operator, sorts) = (c.number(4)?, c.number(5)?, c.flag(6)?);
    model.families.members.entry(family).or_default().push(function);
    if !sorts {
        return Ok(()); // an index has to be there, and names the class
    }
    let mut plain = true;
    for data_type in types {
        if let Some(found) = model.types.get_mut(&data_type) {
            found.carry.push(function);
            plain = false;
        }
    }
    if plain {
        model.families.plain.push((family, function));
    }
    // of the families that have an operator of PostgreSQL's own, sorting by it takes any
    let shared = operator != 0 && operator < FIRST_UNPINNED;
    if shared || family < FIRST_UNPINNED {
        model.families.unnamed.push(family);
    }
    if let Some(operator) = model.operators.get_mut(&operator) {
        operator.families.push(family);
    }
    Ok(())
}

/// What an aggregate consists of, and the types of its states, the first of which may be given as
/// text; the order that it is the first or the last of, too.
pub(super) fn aggregate(model: &mut Model, c: &Columns<'_>) -> Result<(), Unreadable> {
    let Model { operators, families, routines, .. } = model;
    let Some(routine) = routines.get_mut(&c.number(1)?) else { return Ok(()) };
    let order = operators.get(&c.number(3)?).into_iter().flat_map(|operator| {
        let functions = operator.families.iter().flat_map(|family| families.members(*family));
        functions.chain([&operator.code])
    });
    routine.parts = c.oids(2)?.into_vec().into_iter().chain(order.copied()).collect();
    let states = c.oids(4)?.into_vec().into_iter().filter(|oid| *oid >= FIRST_UNPINNED);
    routine.types = routine.types.iter().copied().chain(states).collect();
    Ok(())
}
