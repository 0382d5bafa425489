//! Faults: what is wrong with a configuration, where, and what to type instead.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use super::source::{Excerpt, Source};

/// Exit code of an undeclared or invalid configuration (`EX_CONFIG` of sysexits).
pub const EXIT_INVALID: u8 = 78;

/// Where something was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// In no particular place.
    Nowhere,
    /// In the file, at these bytes.
    Span(usize, usize),
    /// In an environment variable; the number keeps the order of the documentation.
    Variable(usize, &'static str),
}

impl From<Range<usize>> for At {
    fn from(span: Range<usize>) -> At {
        At::Span(span.start, span.end)
    }
}

/// A value and where it was given.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// Collects the faults of one configuration.
pub(super) struct Report {
    pub(super) source: Source,
    found: RefCell<Vec<(At, String, Option<String>)>>,
}

impl Report {
    pub(super) fn new(source: Source) -> Report {
        Report { source, found: RefCell::default() }
    }

    /// Notes a fault with what to type instead.
    pub(super) fn fault(&self, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        self.note(at, message.into(), Some(hint.into()));
    }

    /// Notes a fault, with a hint where there is one.
    pub(super) fn note(&self, at: &At, message: String, hint: Option<String>) {
        let mut found = self.found.borrow_mut();
        let entry = (at.clone(), message, hint);
        if !found.contains(&entry) {
            found.push(entry);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// All that was noted, in the order of the file.
    pub(super) fn into_faults(self) -> Faults {
        let Report { source, found } = self;
        let mut found = found.into_inner();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let faults = found
            .into_iter()
            .map(|(at, message, hint)| {
                let (variable, excerpt) = match at {
                    At::Nowhere => (None, None),
                    At::Span(start, end) => (None, Some(source.excerpt(&(start..end)))),
                    At::Variable(_, name) => (Some(name), None),
                };
                Fault { variable, excerpt, message, hint }
            })
            .collect();
        Faults { source: source.path, faults }
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    variable: Option<&'static str>,
    excerpt: Option<Excerpt>,
    message: String,
    hint: Option<String>,
}

impl Fault {
    /// What is wrong; no secret is in it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to type instead.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Line and column, counted from 1, the column in characters; `None` where the fault is not in
    /// one place of a file.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.excerpt.as_ref().map(|excerpt| (excerpt.line, excerpt.column))
    }

    /// The environment variable it is about.
    pub fn variable(&self) -> Option<&'static str> {
        self.variable
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, source: &str, paint: Paint) -> fmt::Result {
        let Paint { strong, alarm, dim, plain } = paint;
        match (&self.excerpt, self.variable) {
            (Some(Excerpt { line, column, .. }), _) => {
                write!(f, "{strong}{source}:{line}:{column}:{plain} ")?;
            }
            (None, Some(variable)) => write!(f, "{strong}{source}:{variable}:{plain} ")?,
            (None, None) => write!(f, "{strong}{source}:{plain} ")?,
        }
        writeln!(f, "{}", self.message)?;
        let mut margin = 2;
        if let Some(Excerpt { line, text, caret: (start, length), .. }) = &self.excerpt {
            let number = line.to_string();
            margin = number.len() + 3;
            writeln!(f, " {dim}{number} |{plain} {text}")?;
            let (gap, caret) = (" ".repeat(*start), "^".repeat(*length));
            writeln!(f, " {:w$} {dim}|{plain} {gap}{alarm}{caret}{plain}", "", w = number.len())?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "{:margin$}{dim}hint:{plain} {hint}", "")?;
        }
        Ok(())
    }
}

/// Every fault of a configuration; never empty.
#[derive(Clone, Debug)]
pub struct Faults {
    source: String,
    faults: Vec<Fault>,
}

impl Faults {
    /// One fault of a source that could not even be read.
    pub(super) fn unreadable(source: String, message: String, hint: String) -> Faults {
        let fault = Fault { variable: None, excerpt: None, message, hint: Some(hint) };
        Faults { source, faults: vec![fault] }
    }

    /// The file's path, or `environment`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Each fault, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }

    /// Each fault on one line, without the source's name: for a log.
    pub fn in_one_line(&self) -> String {
        let lines = self.faults.iter().map(|fault| match (fault.position(), fault.variable) {
            (Some((line, _)), _) => format!("line {line}: {}", fault.message),
            (None, Some(variable)) => format!("{variable}: {}", fault.message),
            (None, None) => fault.message.clone(),
        });
        lines.collect::<Vec<_>>().join("; ")
    }

    /// The exit code of a command that met them.
    pub const fn exit_code(&self) -> u8 {
        EXIT_INVALID
    }

    /// As `Display`, with colours for a terminal if `colour` is true.
    pub fn paint(&self, colour: bool) -> impl fmt::Display {
        Painted { faults: self, paint: if colour { Paint::COLOUR } else { Paint::PLAIN } }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Painted { faults: self, paint: Paint::PLAIN }.fmt(f)
    }
}

impl std::error::Error for Faults {}

/// Escape sequences, or nothing.
#[derive(Clone, Copy)]
struct Paint {
    strong: &'static str,
    alarm: &'static str,
    dim: &'static str,
    plain: &'static str,
}

impl Paint {
    const PLAIN: Paint = Paint { strong: "", alarm: "", dim: "", plain: "" };
    const COLOUR: Paint =
        Paint { strong: "\x1b[1m", alarm: "\x1b[1;31m", dim: "\x1b[36m", plain: "\x1b[0m" };
}

struct Painted<'a> {
    faults: &'a Faults,
    paint: Paint,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { source, faults } = self.faults;
        for fault in faults {
            fault.write(f, source, self.paint)?;
            writeln!(f)?;
        }
        match faults.len() {
            1 => write!(f, "{source}: 1 fault"),
            many => write!(f, "{source}: {many} faults"),
        }
    }
}
