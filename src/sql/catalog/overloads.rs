//! Which routines of a name a call may mean: by number and names of arguments, and by their types
//! where those are certain (`func_get_detail` of `parse_func.c`, `FuncnameGetCandidates` of
//! `namespace.c`).

use std::ops::RangeInclusive;

use super::model::{Model, Routine};
use super::path::Path;
use crate::sql::{Call, CallKind, Given, UNKNOWN};

/// Types in a Parse message.
const UNSPECIFIED: u32 = 0;
const VOID: u32 = 2278;

/// What is known of the moment at which a statement is analysed.
#[derive(Clone, Copy, Debug)]
pub struct Analysed<'a> {
    /// Types of its parameters, by OID, as the Parse message gives them; `None`: any may have any.
    pub parameters: Option<&'a [u32]>,
    /// The statement is analysed by the catalog that is asked: types of arguments count. One that was
    /// prepared keeps what it meant by an earlier one.
    pub now: bool,
    /// The session may have temporary types that the catalog does not show.
    pub temporary: bool,
}

impl Analysed<'_> {
    /// The type of a parameter: `None` where the message gives none.
    fn parameter(&self, number: u16) -> Option<u32> {
        let index = usize::from(number).checked_sub(1)?;
        let given = self.parameters?.get(index).copied();
        given.filter(|oid| ![UNSPECIFIED, UNKNOWN].contains(oid))
    }
}

/// A call, and what is known of its arguments.
pub(super) struct Meant<'m> {
    pub(super) call: &'m Call,
    pub(super) model: &'m Model,
    /// How many arguments PostgreSQL counts.
    given: RangeInclusive<usize>,
    /// Their types, where certain: those given by name last. Empty: nothing of any.
    types: Vec<Option<u32>>,
}

impl<'m> Meant<'m> {
    pub(super) fn of(
        call: &'m Call,
        model: &'m Model,
        path: &Path,
        analysed: Option<Analysed<'_>>,
    ) -> Meant<'m> {
        let most = usize::from(call.arguments);
        let vanishing = vanishing(call, analysed).min(most);
        let type_of = |given: &Given, analysed: Analysed<'_>| match given {
            Given::Anything => None,
            Given::Constant(oid) => Some(*oid),
            Given::Cast { name, array } => {
                model.relatives.named(name, *array, path, analysed.temporary)
            }
            Given::Parameter { number, .. } => analysed.parameter(*number),
        };
        let types = match analysed.filter(|analysed| analysed.now && vanishing == 0) {
            Some(analysed) => call.given.iter().map(|given| type_of(given, analysed)).collect(),
            None => Vec::new(),
        };
        Meant { call, model, given: most - vanishing..=most, types }
    }

    /// It may have so many arguments.
    pub(super) fn may_have(&self, arguments: usize) -> bool {
        self.given.contains(&arguments)
    }

    /// Of all routines that the name can mean, those that the call can. `own`: it may mean one of
    /// PostgreSQL's own instead of any of them.
    pub(super) fn among(&self, visible: Vec<u32>, own: bool) -> Vec<u32> {
        let mut found = visible;
        found.retain(|oid| self.routine(*oid).is_some_and(|routine| self.takes(routine)));
        if self.types.iter().all(Option::is_none) {
            return found;
        }
        let accepting: Vec<u32> = found
            .iter()
            .copied()
            .filter(|oid| self.routine(*oid).is_some_and(|routine| self.accepts(routine)))
            .collect();
        // an error for the server to make; the catalog may be out of date
        if accepting.is_empty() && !own {
            return found;
        }
        self.exact(accepting)
    }

    fn routine(&self, oid: u32) -> Option<&'m Routine> {
        self.model.routines.get(&oid)
    }

    /// Whether a routine takes so many arguments, of these names.
    fn takes(&self, routine: &Routine) -> bool {
        let Meant { call, given, .. } = self;
        let inputs = routine.inputs.len();
        let least = inputs.saturating_sub(routine.defaults);
        let (least, most) = match (routine.kind == b'p', routine.variadic != 0 && !call.variadic) {
            // OUT arguments stand in a CALL, too
            (true, false) => (least, routine.arguments.len()),
            (false, false) => (least, inputs),
            // the last one may get none
            (_, true) => (least.saturating_sub(1), usize::MAX),
        };
        let fits = *given.start() <= most && least <= *given.end();
        let named = |name: &str| {
            routine.arguments.iter().any(|argument| argument.name.as_deref() == Some(name))
        };
        let kind = match call.kind {
            CallKind::Procedure => routine.kind == b'p',
            CallKind::Function | CallKind::Sampling | CallKind::Word => routine.kind != b'p',
        };
        kind && call.named.iter().all(|name| named(name)) && (call.star || fits)
    }

    /// Whether every argument may be given for what stands in its place.
    fn accepts(&self, routine: &Routine) -> bool {
        self.places(routine, |given, wanted| self.model.relatives.may_become(given, wanted))
    }

    /// Whether for each argument whose type is certain `fits` holds for some type that may be wanted
    /// in its place.
    fn places(&self, routine: &Routine, fits: impl Fn(u32, u32) -> bool) -> bool {
        let in_order = self.types.len().saturating_sub(self.call.named.len());
        self.types.iter().enumerate().all(|(place, given)| {
            let Some(given) = *given else { return true };
            let name = place.checked_sub(in_order).and_then(|named| self.call.named.get(named));
            let wanted = match name {
                Some(name) => by_name(routine, name),
                None => by_place(routine, place),
            };
            wanted.is_empty() || wanted.iter().any(|wanted| fits(given, *wanted))
        })
    }

    /// A routine that takes exactly these types is the one, whatever else could: of those that are
    /// found whenever it is, the rest of its schema.
    fn exact(&self, found: Vec<u32>) -> Vec<u32> {
        let Meant { call, types, .. } = self;
        let plain = call.named.is_empty() && !call.variadic && !call.star;
        let certain = types.iter().all(|one| one.is_some_and(|oid| oid != UNKNOWN));
        if !plain || !certain || found.len() < 2 {
            return found;
        }
        let is_exact = |routine: &Routine| {
            let wanted = routine.inputs.get(..types.len());
            let no_out = routine.inputs.len() == routine.arguments.len();
            routine.variadic == 0
                && (no_out || call.kind == CallKind::Function)
                && wanted.is_some_and(|wanted| {
                    wanted.iter().zip(types).all(|(wanted, given)| Some(*wanted) == *given)
                })
        };
        let routines = || found.iter().filter_map(|oid| self.routine(*oid));
        let schemas: Vec<&str> =
            routines().filter(|one| is_exact(one)).map(|one| &*one.schema).collect();
        let stays = |oid: &u32| {
            self.routine(*oid).is_none_or(|routine| {
                !schemas.contains(&&*routine.schema)
                    || self.places(routine, |given, wanted| given == wanted)
            })
        };
        found.iter().copied().filter(stays).collect()
    }
}

/// How many arguments of a call may be none: PostgreSQL drops parameters of type `void`, which any
/// place of a statement may make of one whose type is not given (`ParseFuncOrColumn`).
fn vanishing(call: &Call, analysed: Option<Analysed<'_>>) -> usize {
    let all = usize::from(call.parameters);
    let Some(analysed) = analysed.filter(|one| one.parameters.is_some() && !call.given.is_empty())
    else {
        return all;
    };
    let may_vanish = |given: &&Given| match given {
        Given::Anything | Given::Constant(_) => false,
        Given::Cast { name, .. } => &*name.name == "void",
        Given::Parameter { number, once } => match analysed.parameter(*number) {
            Some(oid) => oid == VOID,
            None => !once,
        },
    };
    call.given.iter().filter(may_vanish).count().min(all)
}

/// Types that an argument in this place may be wanted of.
fn by_place(routine: &Routine, place: usize) -> Vec<u32> {
    let last = routine.inputs.len().saturating_sub(1);
    let mut wanted: Vec<u32> = routine.inputs.get(place).copied().into_iter().collect();
    if routine.variadic != 0 && place >= last {
        wanted.push(routine.variadic);
    }
    // OUT arguments stand in a CALL, too
    if routine.kind == b'p' {
        wanted.extend(routine.arguments.get(place).map(|argument| argument.data_type));
    }
    wanted
}

fn by_name(routine: &Routine, name: &str) -> Vec<u32> {
    let named = routine.arguments.iter().filter(|one| one.name.as_deref() == Some(name));
    named.map(|argument| argument.data_type).collect()
}
