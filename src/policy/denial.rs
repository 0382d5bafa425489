//! What a refusal says: to the client as an error, to the log as an event.

use std::borrow::Cow;

use super::Rule;
use crate::sql::{Class, SyntaxFault};

/// A refused statement, parameter or session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The rule that refused it.
    pub rule: Rule,
    /// The primary message.
    pub message: String,
    /// What to do instead, in words that can be typed.
    pub hint: String,
    /// The class of the statement.
    pub class: Option<Class>,
    /// Its command tag.
    pub tag: Option<&'static str>,
    /// Byte offset of the statement in the message's text.
    pub location: Option<u32>,
    /// Why the class is what it is, where the class alone does not tell.
    pub reason: String,
    /// What PostgreSQL's parser said, where `reason` is that it did not take the text.
    pub fault: Option<Box<SyntaxFault>>,
    /// The SQLSTATE, where it is another than the rule's.
    pub code: Option<Box<str>>,
}

impl Denial {
    /// A refusal that concerns no statement's class.
    pub fn new(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Denial {
            rule,
            message: message.into(),
            hint: hint.into(),
            class: None,
            tag: None,
            location: None,
            reason: String::new(),
            fault: None,
            code: None,
        }
    }

    /// The SQLSTATE that the client gets.
    pub fn sqlstate(&self) -> Cow<'static, str> {
        match &self.code {
            Some(code) => String::from(&**code).into(),
            None => self.rule.sqlstate().into(),
        }
    }

    /// The reason in full, for whoever sent the text: it may quote it.
    pub fn told(&self) -> String {
        match &self.fault {
            Some(fault) => format!("{}: {}", self.reason, fault.message),
            None => self.reason.clone(),
        }
    }

    /// The reason for a log: nothing of the text is in it.
    pub fn logged(&self) -> String {
        match &self.fault {
            Some(fault) => format!("{}: {}", self.reason, fault.kind()),
            None => self.reason.clone(),
        }
    }

    /// Byte offset in the message's text that an error points at: where the parser stopped, else
    /// where the statement begins.
    pub fn points_at(&self) -> Option<u32> {
        self.fault.as_ref().and_then(|fault| fault.at).or(self.location)
    }

    /// At this byte offset of the text.
    pub fn at(mut self, location: u32) -> Self {
        self.location = Some(location);
        self
    }

    /// The text that it is about stands this many bytes further on in the message's.
    pub fn move_by(&mut self, bytes: u32) {
        let moved = |at: u32| at.saturating_add(bytes);
        self.location = self.location.map(moved);
        if let Some(fault) = &mut self.fault {
            fault.at = fault.at.map(moved);
        }
    }

    /// The hint with the page that explains the rule.
    pub fn full_hint(&self) -> String {
        let page = format!("docs/rules.md explains \"{}\"", self.rule.id());
        if self.hint.is_empty() { page } else { format!("{} ({page})", self.hint) }
    }
}
