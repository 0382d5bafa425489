//! What a client encodes, quotes and reads values by is the same in every place of its session.

use std::rc::Rc;

use bytes::Bytes;

use super::session::Origin;
use crate::policy::{Denial, Rule};
use crate::upstream::{ConnectError, Connection};

impl Origin {
    /// The client is being told what a server reports, unless it was told before.
    pub(super) fn greeted(self: &Rc<Self>, reports: &[Told]) -> Rc<Origin> {
        if !self.told.is_empty() {
            return self.clone();
        }
        let mut origin = Origin::clone(self);
        origin.told = governing(reports).cloned().collect();
        Rc::new(origin)
    }
}

/// A parameter that its client has been told, and its value.
pub(super) type Told = (Bytes, Bytes);

/// Of what the server reports, what a client encodes, quotes and reads values by. It is not to change
/// under a statement that has been written by it.
fn governing(reports: &[Told]) -> impl Iterator<Item = &Told> {
    const GOVERNING: [&[u8]; 5] = [
        b"client_encoding",
        b"standard_conforming_strings",
        b"DateStyle",
        b"IntervalStyle",
        b"TimeZone",
    ];
    reports.iter().filter(|(name, _)| GOVERNING.contains(&&name[..]))
}

/// What is not on this server as the client has been told.
pub(super) fn differing<'a>(
    told: &'a [Told],
    connection: &'a Connection,
) -> impl Iterator<Item = (&'a Told, &'a [u8])> {
    told.iter().filter_map(|told| {
        let mut here = connection.parameters.iter();
        let (_, here) = here.find(|(name, _)| *name == told.0)?;
        (*here != told.1).then_some((told, &here[..]))
    })
}

/// A server that does not take what the client has been told: why it is asked for that.
pub(super) fn hinted(error: ConnectError, told: &[Told]) -> ConnectError {
    let refuses = matches!(error.sqlstate(), "22023" | "0A000");
    if told.is_empty() || !refuses || error.hint().is_some() {
        return error;
    }
    let values: Vec<String> = told.iter().map(shown).collect();
    let values = values.join(", ");
    error.with_hint(format!(
        "the client has been told {values}, and writes by that: every place of a session has to take it"
    ))
}

/// As `name = value`.
fn shown((name, value): &Told) -> String {
    format!("{} = {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
}

/// Why a session that is told these cannot use a server that has others.
pub(super) fn refused_for(told: &Told, here: &[u8], connection: &Connection) -> Box<Denial> {
    let upstream = &connection.upstream.name;
    let name = String::from_utf8_lossy(&told.0);
    let here = String::from_utf8_lossy(here);
    Box::new(Denial::new(
        Rule::TaskSplit,
        format!(
            "upstream \"{upstream}\" has {name} = {here}, and the client was told {}",
            shown(told)
        ),
        format!("let {name} be the same in both places, by ALTER DATABASE say"),
    ))
}
