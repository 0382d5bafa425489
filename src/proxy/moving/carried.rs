//! What a session takes along to other upstreams, and what it cannot.

use std::collections::HashMap;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};

use super::breaking::Breaking;
use super::question::{self, NAME, end};
use super::talk::{Line, Reply, exchange, patiently, said};
use crate::contract::parameter::{self, Parameter};
use crate::gate::MAX_NOTED;
use crate::policy::{Denial, Rule};
use crate::protocol::{Fields, error_response::field, frontend, message};
use crate::sql::catalog::FIRST_NORMAL;
use crate::sql::quote::{identifier, literal};

/// A prepared statement, by Parse: one statement, which Parse does not run.
#[derive(Debug)]
struct Prepared {
    name: Bytes,
    text: Bytes,
    types: Vec<u32>,
}

/// What a session has, in UTF8.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Its `client_encoding`, where it has set one.
    encoding: Option<Bytes>,
    settings: Vec<(Bytes, Bytes)>,
    channels: Vec<Bytes>,
    prepared: Vec<Prepared>,
    /// What cannot be taken along, as a sentence has it, and how to be rid of it.
    hindrance: Option<(String, &'static str)>,
}

/// Why something could not be taken along.
pub(super) enum Failed {
    /// The new place refuses it.
    Refused(Box<Denial>),
    /// The line broke.
    Lost(io::Error),
    /// The proxy is to end.
    Drained,
}

impl Failed {
    /// With this hint, where there is none.
    fn hinted(mut self, hint: &str) -> Self {
        if let Failed::Refused(denial) = &mut self
            && denial.hint.is_empty()
        {
            hint.clone_into(&mut denial.hint);
        }
        self
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Lost(error)
    }
}

impl Carried {
    /// Adds what the session has on this server. Legs of one session have the same settings.
    /// `noted`: names of parameters that it has set. `not_its_own`: those that the proxy itself has
    /// set there.
    ///
    /// # Errors
    /// The line broke.
    pub(super) async fn ask(
        &mut self,
        noted: &[Box<str>],
        not_its_own: &[&str],
        line: &mut impl Line,
        (aside, breaking): (&mut BytesMut, &Breaking),
    ) -> io::Result<()> {
        if noted.len() >= MAX_NOTED {
            let many = "what it has set, more than can be told again,".to_owned();
            self.hindrance.get_or_insert((many, "RESET ALL"));
        }
        let custom = noted.iter().map(|name| &**name).filter(|name| name.contains('.'));
        let Reply { rows, error, .. } = question::ask(custom, line, aside, breaking).await?;
        if let Some(body) = error {
            let why = format!("what it has, which the server does not tell ({}),", said(&body));
            self.hindrance = Some((why, "try again"));
            return Ok(());
        }
        let mut before = HashMap::new();
        for row in rows {
            let [Some(kind), name, value, types, from_sql] = &row[..] else { continue };
            let name = name.clone().unwrap_or_default();
            let known = value.is_some();
            let value = value.clone().unwrap_or_default();
            match &kind[..] {
                b"before" => drop(before.insert(name, value)),
                b"default" => {
                    let is_noted = noted.iter().any(|one| one.as_bytes() == name);
                    if let Some(own) = before.remove(&name)
                        && (own != value || is_noted)
                    {
                        self.setting(name, own);
                    }
                }
                b"setting" if not_its_own.iter().any(|one| name == one.as_bytes()) => {}
                b"setting" if known => self.setting(name, value),
                b"custom" if types.as_ref() != Some(&value) => self.setting(name, value),
                b"role" if name == value => {}
                b"listens" if !self.channels.contains(&name) => self.channels.push(name),
                // its text is all of the string that PREPARE stood in, which must not run again
                b"prepared" if from_sql.as_deref() != Some(b"f") => self.hinders(b"PREPARE", &name),
                b"prepared" => self.prepared.push(Prepared {
                    name,
                    text: value,
                    types: oids(types.as_deref().unwrap_or_default()),
                }),
                other => self.hinders(other, &name),
            }
        }
        Ok(())
    }

    /// It LISTENs.
    pub(super) fn listens(&self) -> bool {
        !self.channels.is_empty()
    }

    /// Adds a setting, unless it is known.
    pub(super) fn setting(&mut self, name: Bytes, value: Bytes) {
        let known = std::str::from_utf8(&name).ok().and_then(Parameter::from_name);
        // a confirmation was given for the old place; tags and tokens are the proxy's own
        let comes = match known {
            None => true,
            Some(kind) => matches!(
                kind,
                Parameter::Ticket
                    | Parameter::ExpectAuthority
                    | Parameter::ExpectRole
                    | Parameter::ExpectEnv
            ),
        };
        if name == b"client_encoding"[..] {
            self.encoding = Some(value);
        } else if comes && !self.settings.iter().any(|(one, _)| *one == name) {
            self.settings.push((name, value));
        }
    }

    /// What the client was told at its start and the new place does not begin with.
    pub(super) fn told(&mut self, name: Bytes, value: Bytes) {
        if name != b"client_encoding"[..] || self.encoding.is_none() {
            self.setting(name, value);
        }
    }

    fn hinders(&mut self, kind: &[u8], name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        let (what, remedy) = match kind {
            b"cursor" => (format!("cursor \"{name}\" WITH HOLD"), "CLOSE ALL"),
            b"temporary" => (format!("temporary relation \"{name}\""), "DISCARD TEMP"),
            b"made" => (format!("temporary routine or type \"{name}\""), "DISCARD TEMP"),
            b"lock" => ("an advisory lock".to_owned(), "SELECT pg_advisory_unlock_all()"),
            b"PREPARE" => (format!("prepared statement \"{name}\" by PREPARE"), "DEALLOCATE it"),
            b"role" => (format!("role \"{name}\""), "RESET ROLE"),
            b"user" => (format!("session authorization \"{name}\""), "RESET SESSION AUTHORIZATION"),
            _ => return,
        };
        self.hindrance.get_or_insert((what, remedy));
    }

    /// What keeps the session where it is, if anything does.
    pub(super) fn hindrance(&self, task: &str) -> Result<(), Box<Denial>> {
        let refuse = |what: String, hint: String| {
            Err(Box::new(Denial::new(
                Rule::TaskChange,
                format!("task \"{task}\" works on other upstreams, and {what}"),
                hint,
            )))
        };
        if let Some((what, remedy)) = &self.hindrance {
            return refuse(
                format!("{what} of this session cannot go there"),
                format!("{remedy} first, or connect again with options='-c authority.task={task}'"),
            );
        }
        let strange = |one: &&Prepared| one.types.iter().any(|oid| *oid >= FIRST_NORMAL);
        if let Some(prepared) = self.prepared.iter().find(strange) {
            let name = String::from_utf8_lossy(&prepared.name);
            return refuse(
                format!("prepared statement \"{name}\" has parameters of a type of this one"),
                "DEALLOCATE it first, or declare its parameters as text".to_owned(),
            );
        }
        Ok(())
    }

    /// Does all of it again, as a client of the new place: so all of it is judged there.
    ///
    /// What can no longer be prepared there is left out: its name is free.
    pub(super) async fn repeat(
        &self,
        task: &str,
        line: &mut impl Line,
        aside: &mut BytesMut,
    ) -> Result<(), Failed> {
        let foreign = !self.is_ascii();
        if foreign {
            must(line, b"SET client_encoding = 'UTF8'", aside).await?;
        }
        let own = (parameter::TASK.as_bytes(), task.as_bytes());
        let settings = self.settings.iter().map(|(name, value)| (&name[..], &value[..]));
        let (timeouts, settings): (Vec<_>, Vec<_>) =
            settings.partition(|(name, _)| name.ends_with(b"_timeout"));
        for setting in settings.into_iter().chain([own]) {
            set(line, setting, task, aside).await?;
        }
        for channel in &self.channels {
            let listened =
                must(line, &[b"LISTEN ", &identifier(channel)[..]].concat(), aside).await;
            listened.map_err(|failed| failed.hinted("UNLISTEN * first"))?;
        }
        for prepared in &self.prepared {
            exchange(line, &prepared.request(), aside).await?;
        }
        match &self.encoding {
            Some(encoding) => must(line, &set_config(b"client_encoding", encoding), aside).await?,
            None if foreign => must(line, b"RESET client_encoding", aside).await?,
            None => {}
        }
        for setting in timeouts {
            set(line, setting, task, aside).await?;
        }
        forget(line, aside).await
    }

    /// All texts are the same in every encoding.
    fn is_ascii(&self) -> bool {
        let settings = self.settings.iter().flat_map(|(name, value)| [name, value]);
        let prepared = self.prepared.iter().flat_map(|one| [&one.name, &one.text]);
        settings.chain(prepared).chain(&self.channels).all(|text| text.is_ascii())
    }
}

/// Sets a parameter there; the new place may have no such one, or not let it have that value.
async fn set(
    line: &mut impl Line,
    (name, value): (&[u8], &[u8]),
    task: &str,
    aside: &mut BytesMut,
) -> Result<(), Failed> {
    let set = must(line, &set_config(name, value), aside).await;
    set.map_err(|failed| {
        failed.hinted(&format!(
            "RESET {} first, or connect again with options='-c {}={task}'",
            String::from_utf8_lossy(name),
            parameter::TASK
        ))
    })
}

fn set_config(name: &[u8], value: &[u8]) -> Vec<u8> {
    let text: [&[u8]; 5] =
        [b"SELECT pg_catalog.set_config(", &literal(name), b", ", &literal(value), b", false)"];
    text.concat()
}

impl Prepared {
    fn request(&self) -> BytesMut {
        let mut out = BytesMut::new();
        message::frame(&mut out, frontend::PARSE, |out| {
            message::put_cstring(out, &self.name);
            message::put_cstring(out, &self.text);
            out.put_u16(u16::try_from(self.types.len()).unwrap_or_default());
            self.types.iter().for_each(|oid| out.put_u32(*oid));
        });
        message::sync(&mut out);
        out
    }
}

/// Runs a statement that has to succeed; behind the last one, [`forget`].
pub(super) async fn must(
    line: &mut impl Line,
    text: &[u8],
    aside: &mut BytesMut,
) -> Result<(), Failed> {
    let mut request = BytesMut::new();
    message::run(&mut request, &NAME, text);
    message::sync(&mut request);
    match patiently(line, &request, aside, || false).await?.error {
        None => Ok(()),
        Some(body) => {
            let fields = Fields::new(&body);
            if fields.code().is_some_and(|code| code.starts_with(b"08")) {
                // one of two places cannot be reached
                return Err(Failed::Lost(io::Error::other(said(&body))));
            }
            let hint = fields.get(field::HINT).map(String::from_utf8_lossy);
            Err(Failed::Refused(Box::new(Denial::new(
                Rule::TaskChange,
                format!("the session cannot go where the task leads: {}", said(&body)),
                hint.unwrap_or_default().into_owned(),
            ))))
        }
    }
}

/// Leaves nothing of the proxy's own statements behind.
pub(super) async fn forget(line: &mut impl Line, aside: &mut BytesMut) -> Result<(), Failed> {
    let mut request = BytesMut::new();
    end(&mut request);
    exchange(line, &request, aside).await?;
    Ok(())
}

/// An array of OIDs, as its output function writes it.
fn oids(text: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(text);
    let numbers = text.trim_matches(['{', '}']).split(',').filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().unwrap_or(u32::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_from_an_array() {
        assert_eq!(oids(b"{23,25}"), [23, 25]);
        assert_eq!(oids(b"{}"), [0; 0]);
    }

    #[test]
    fn a_confirmation_and_the_proxys_own_stay_behind() {
        let mut carried = Carried::default();
        for name in [
            "authority.confirm_prod_migrations",
            "authority.role",
            "authority.task",
            "Authority.Ticket",
            "work_mem",
            "client_encoding",
        ] {
            carried.setting(Bytes::from_static(name.as_bytes()), Bytes::from_static(b"UTF8"));
        }
        let names: Vec<_> = carried.settings.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, [&b"Authority.Ticket"[..], b"work_mem"]);
        assert_eq!(carried.encoding.as_deref(), Some(&b"UTF8"[..]));
    }
}
