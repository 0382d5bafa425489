//! What a refusal says: to the client as an error, to the log as an event.

use super::Rule;
use crate::sql::Class;

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
        }
    }

    /// At this byte offset of the text.
    pub fn at(mut self, location: u32) -> Self {
        self.location = Some(location);
        self
    }

    /// The hint with the page that explains the rule.
    pub fn full_hint(&self) -> String {
        let page = format!("docs/rules.md explains \"{}\"", self.rule.id());
        if self.hint.is_empty() { page } else { format!("{} ({page})", self.hint) }
    }
}
