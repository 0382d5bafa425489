//! Configuration: a [`Config`] that exists is sound ("parse, don't validate").
//!
//! `file` reads TOML with spans, `environment` reads `--from-env`, `build` turns either into a
//! [`Config`] or into *all* faults at once, each with file, line and caret.

mod model;

pub use crate::contract::{AdminRule, ConfirmHow};
pub use model::{
    AuditSettings, AuditTarget, ClientAuth, Config, Contract, Endpoint, Entry, EntryTarget, Limits,
    ListenAddress, MappingMode, Secret, ServerSettings, ServerTls, SslMode, StatementText, TlsMode,
    Upstream, UserSecret,
};
