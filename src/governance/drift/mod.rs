//! The drift detector: places in a source tree, and facts of the running world, where the declared
//! authority and what is there have come apart.
//!
//! `analyse` turns one file into [`facts`] (pure; what the cache keeps), [`project`] judges all files
//! together (pure), [`scan`] walks, [`history`] is the record of all runs (pure) and [`store`] keeps
//! it on disk. [`rule`] is the closed list of what can be found.

mod allow;
mod analyse;
mod cache;
pub mod connect;
mod context;
mod data;
pub mod facts;
pub mod history;
mod kind;
mod languages;
mod names;
pub mod project;
pub mod rule;
pub mod scan;
pub mod store;
mod syntax;
mod upstreams;
pub mod world;

pub use cache::Cache;
pub use project::{Finding, Judged, Looking};
pub use rule::{Needs, Rule, Severity};
pub use upstreams::Upstreams;
