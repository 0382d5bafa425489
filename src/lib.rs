//! pgauthority: a PostgreSQL wire-protocol proxy that enforces declared database authority.
//!
//! The library is a **pure core** (no sockets, files, clock or randomness) and an **IO shell**
//! around it. Imports point one way only; `tests/architecture.rs` holds it:
//!
//! | module | kind | may import |
//! |---|---|---|
//! | [`contract`], [`protocol`], [`sql`] | core | nothing of ours |
//! | [`session`] | core | `contract`, `protocol`, `sql` |
//! | [`split`] | core | those and `session`: which leg a statement belongs to |
//! | [`policy`] | core | those and `session` |
//! | [`gate`] | core | those, `session` and `policy`: bytes of both sides in, actions out |
//! | [`audit::event`](audit) | core | `contract`, `policy`, `sql` |
//! | [`config`], [`net`], [`upstream`], [`proxy`], [`observe`], [`governance`] | shell | the core and each other |
//! | [`cli`] | shell | everything; nobody imports it |

pub mod audit;
pub mod cli;
pub mod config;
pub mod contract;
pub mod gate;
pub mod governance;
pub mod net;
pub mod observe;
pub mod policy;
pub mod protocol;
pub mod proxy;
pub mod session;
pub mod split;
pub mod sql;
pub mod upstream;
