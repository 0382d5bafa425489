//! A map from bytes to a judgement that never holds more than its budget.
//!
//! Eviction is second chance (CLOCK): a hit sets a bit, the hand clears it once before it evicts.
//! Keys are compared on every hit, so that a hash an attacker can collide with gains nothing but
//! a miss; the hash comes from the caller, whose seed is secret.

use std::mem::size_of;
use std::rc::Rc;

use hashbrown::HashTable;

use crate::sql::{Effect, Given, Judgement, Name, Statement, Uses};

#[derive(Debug)]
struct Slot {
    hash: u64,
    key: Box<[u8]>,
    value: Rc<Judgement>,
    weight: usize,
    recent: bool,
}

/// Entries by hash and key, at most `budget` bytes of them.
#[derive(Debug)]
pub(super) struct Store {
    index: HashTable<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    hand: usize,
    bytes: usize,
    budget: usize,
    evicted: u64,
}

impl Store {
    pub(super) fn new(budget: usize) -> Self {
        Store {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            budget,
            evicted: 0,
        }
    }

    /// The entry of `key`, marked as used.
    pub(super) fn get(&mut self, hash: u64, key: &[u8]) -> Option<Rc<Judgement>> {
        self.find(hash, key).map(|slot| Rc::clone(&slot.value))
    }

    /// The entry of `key`, marked as used and changed by `change`.
    pub(super) fn change(
        &mut self,
        hash: u64,
        key: &[u8],
        change: impl FnOnce(&mut Rc<Judgement>),
    ) -> Option<Rc<Judgement>> {
        let slot = self.find(hash, key)?;
        let before = kept(&slot.value);
        change(&mut slot.value);
        let after = kept(&slot.value);
        let value = Rc::clone(&slot.value);
        if before != after {
            slot.weight = slot.weight - before + after;
            self.bytes = self.bytes - before + after;
            self.make_room(0);
        }
        Some(value)
    }

    fn find(&mut self, hash: u64, key: &[u8]) -> Option<&mut Slot> {
        let slots = &self.slots;
        let found = self.index.find(hash, |&at| {
            slots.get(at as usize).and_then(Option::as_ref).is_some_and(|slot| &*slot.key == key)
        });
        let slot = self.slots.get_mut(*found? as usize)?.as_mut()?;
        slot.recent = true;
        Some(slot)
    }

    /// Puts in an entry whose key is not there yet, evicting others to stay within the budget.
    /// An entry that alone exceeds a sixteenth of it is not taken.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8], value: Rc<Judgement>) {
        let weight = weight(key, &value);
        if weight > self.budget / 16 {
            return;
        }
        self.make_room(weight);
        let slot = Slot { hash, key: key.into(), value, weight, recent: false };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                let Ok(at) = u32::try_from(self.slots.len()) else { return };
                self.slots.push(None);
                at
            }
        };
        if let Some(place) = self.slots.get_mut(at as usize) {
            *place = Some(slot);
        }
        self.bytes += weight;
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |&at| {
            slots.get(at as usize).and_then(Option::as_ref).map_or(0, |slot| slot.hash)
        });
    }

    fn make_room(&mut self, weight: usize) {
        while self.bytes + weight > self.budget {
            self.evict_one();
        }
    }

    /// Moves the hand to the next entry that was not used since it last passed, and drops that.
    fn evict_one(&mut self) {
        // after one round every bit is cleared: two rounds find a victim if there is any entry
        for _ in 0..=2 * self.slots.len() {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let at = self.hand;
            self.hand += 1;
            let Some(place) = self.slots.get_mut(at) else { break };
            match place {
                Some(slot) if slot.recent => slot.recent = false,
                Some(_) => {
                    if let Some(slot) = place.take() {
                        self.forget(at, &slot);
                    }
                    return;
                }
                None => {}
            }
        }
        self.bytes = 0; // no entry is left
    }

    fn forget(&mut self, at: usize, slot: &Slot) {
        if let Ok(entry) = self.index.find_entry(slot.hash, |&found| found as usize == at) {
            entry.remove();
        }
        if let Ok(at) = u32::try_from(at) {
            self.free.push(at);
        }
        self.bytes -= slot.weight;
        self.evicted += 1;
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many were evicted since the start.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// What an entry takes, allocations and their overhead included.
fn weight(key: &[u8], value: &Judgement) -> usize {
    const INDEX: usize = 16; // the table's place, its control byte, its spare room, the free list
    const RC: usize = 2 * size_of::<usize>();
    let statements: usize = value.statements.iter().map(statement).sum();
    INDEX
        + size_of::<Slot>()
        + allocation(key.len())
        + RC
        + size_of::<Judgement>()
        + statements
        + kept(value)
}

/// What the text takes that a judgement may keep: the one part of an entry that changes.
fn kept(value: &Judgement) -> usize {
    value.text.as_ref().map_or(0, |text| allocation(2 * size_of::<usize>() + text.len()))
}

fn statement(statement: &Statement) -> usize {
    let temp = statement.temp.as_ref().map_or(0, |temp| 48 + names(&temp.names));
    let set_config: usize = statement
        .set_config
        .iter()
        .map(|call| size_of_val(call) + text(call.name.as_deref()) + text(call.value.as_deref()))
        .sum();
    size_of::<Statement>()
        + effect(&statement.effect)
        + temp
        + set_config
        + names(&statement.objects)
        + text(Some(&statement.reason))
        + statement
            .fault
            .as_ref()
            .map_or(0, |fault| size_of_val(&**fault) + text(Some(&fault.message)))
        + statement.uses.as_ref().map_or(0, |uses| uses_of(uses))
}

fn uses_of(uses: &Uses) -> usize {
    let name = |name: &Name| text(name.schema.as_deref()) + text(Some(&name.name));
    let given = |given: &Given| match given {
        Given::Cast { name: of, .. } => name(of),
        Given::Anything | Given::Constant(_) | Given::Parameter { .. } => 0,
    };
    let calls = uses.calls.iter().map(|call| {
        let types =
            allocation(size_of_val(&*call.given)) + call.given.iter().map(given).sum::<usize>();
        size_of_val(call) + name(&call.name) + names(&call.named) + types
    });
    let relations =
        uses.relations.iter().map(|relation| size_of_val(relation) + name(&relation.name));
    let others = uses.operators.iter().chain(&uses.types).chain(&uses.casts).chain(&uses.arrays);
    let others = others.map(|other| size_of_val(other) + name(other));
    size_of_val(uses)
        + text(Some(&uses.reason))
        + text(Some(&uses.called_reason))
        + text(Some(&uses.code))
        + names(&uses.fields)
        + calls.chain(relations).chain(others).sum::<usize>()
}

fn effect(effect: &Effect) -> usize {
    match effect {
        Effect::Prepare { name, inner } => text(Some(name)) + statement(inner),
        Effect::Set { name, value, .. } => {
            let value = match value {
                crate::sql::SetValue::Text(value) => Some(&**value),
                crate::sql::SetValue::Default => None,
            };
            text(Some(name)) + text(value)
        }
        Effect::Savepoint(name)
        | Effect::Release(name)
        | Effect::RollbackTo(name)
        | Effect::Reset(name)
        | Effect::Execute(name)
        | Effect::Declare { name, .. }
        | Effect::Fetch(name) => text(Some(name)),
        Effect::Deallocate(name) | Effect::CloseCursor(name) => text(name.as_deref()),
        Effect::CreateTemp { names: list, .. } | Effect::Forget { names: list } => names(list),
        Effect::None
        | Effect::Begin { .. }
        | Effect::Commit(_)
        | Effect::Rollback(_)
        | Effect::PrepareTransaction
        | Effect::SetTransaction { .. }
        | Effect::SetSessionCharacteristics { .. }
        | Effect::ResetAll
        | Effect::DiscardAll
        | Effect::DiscardTemp
        | Effect::DiscardOther => 0,
    }
}

fn names(names: &[Box<str>]) -> usize {
    names.iter().map(|name| size_of::<Box<str>>() + text(Some(name))).sum()
}

fn text(text: Option<&str>) -> usize {
    text.map_or(0, |text| allocation(text.len()))
}

fn allocation(length: usize) -> usize {
    if length == 0 { 0 } else { length.next_multiple_of(16) + 16 }
}
