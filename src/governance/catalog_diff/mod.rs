//! Two databases' catalogs, object by object: read, compared, shown.
//!
//! [`read`] takes everything that a schema change can make out of one database; the rest is pure:
//! [`compare`], [`known`] differences with their reasons, and what is shown of both ([`render`]).

pub mod compare;
pub mod known;
pub mod model;
pub mod read;
pub mod render;
#[cfg(test)]
mod tests;

pub use compare::{Change, Comparison, Difference, PropertyChange, compare};
pub use known::{Known, KnownFault};
pub use model::{Catalog, Object, ObjectKey};
pub use read::read;
