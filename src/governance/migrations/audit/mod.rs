//! The audit of an Alembic project, from its files alone: nothing of it is imported or run.
//!
//! `locate` finds and reads the files; everything else is pure. `python` reads a file's code.

pub mod graph;
mod ini;
pub mod locate;
pub mod python;
pub mod script;

use locate::Located;
use script::Script;

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The migrations, in the order of their files.
    pub scripts: Vec<Script>,
    /// How they hang together.
    pub graph: graph::Graph,
}

/// Audits a project that was found.
///
/// # Errors
/// The grammar of Python cannot be loaded.
pub fn audit(located: &Located) -> Result<Audit, python::Unavailable> {
    let mut reader = python::Reader::new()?;
    let scripts: Vec<Script> = located
        .files
        .iter()
        .map(|file| Script::read(file.path.clone(), &file.text, &reader.module(&file.text)))
        .collect();
    let graph = graph::Graph::new(&scripts);
    Ok(Audit { scripts, graph })
}
