//! The audit of an Alembic project, from its files alone: nothing of it is imported or run.
//!
//! `locate`, `text` and `imports` find and read the files; everything else is pure. `python` reads a file's code, `run`
//! follows what it does to the database, `graph` and `families` say where it belongs, `findings`
//! what is to be said of it, `render` writes it down.

pub mod families;
pub mod finding;
pub mod findings;
pub mod graph;
mod imports;
mod ini;
pub mod locate;
pub mod operation;
pub mod python;
pub mod render;
pub mod run;
pub mod script;
mod text;

use finding::{Finding, Severity};
use findings::Options;
use locate::Located;
use script::Script;

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The migrations, in the order of their files.
    pub scripts: Vec<Script>,
    /// How they hang together.
    pub graph: graph::Graph,
    /// What is to be said of them.
    pub findings: Vec<Finding>,
}

/// Audits a project that was found. `progress` is told how many files have been looked at.
///
/// # Errors
/// The grammar of Python cannot be loaded.
pub fn audit(
    located: &Located,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Audit, python::Unavailable> {
    let mut reader = python::Reader::new()?;
    let modules = imports::Files::new(&located.versions, python::Reader::new()?);
    let mut scripts = Vec::with_capacity(located.files.len());
    for (number, file) in located.files.iter().enumerate() {
        progress(number, located.files.len());
        let module = reader.module(&file.text);
        scripts.push(Script::read(file, &module, &options.families, &modules));
    }
    let graph = graph::Graph::new(&scripts);
    let findings = findings::findings(&scripts, &graph, options);
    Ok(Audit { scripts, graph, findings })
}

impl Audit {
    /// How many findings have a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The most that any finding matters.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// The findings of a migration whose rules begin with a word.
    pub fn of<'a>(
        &'a self,
        script: &'a Script,
        group: &'a str,
    ) -> impl Iterator<Item = &'a Finding> + 'a {
        self.findings.iter().filter(move |finding| {
            finding.path.as_ref() == Some(&script.path) && finding.rule.id.starts_with(group)
        })
    }
}
