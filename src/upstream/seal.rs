//! The seal in a database: read from its table, never by SHOW, and held against the declaration.

use super::connect::place;
use super::connection::Reports;
use super::error::{ConnectError, ConnectErrorKind, ErrorFields};
use super::query::{QueryError, query};
use super::tls::gone;
use super::wire::Wire;
use crate::config::Upstream;
use crate::contract::seal::Seal;

/// `ONLY`, and the schema: nothing else of the name is read.
const READ: &str = "SELECT authority, role, env, sealed_at, sealed_by FROM ONLY pgauthority.seal";

/// The seal, as far as it can be read.
pub(super) enum Found {
    /// It is there.
    Sealed(Seal),
    /// There is none, or not exactly one, or it may not be read; why, for people.
    Nothing(String),
}

/// Reads it. One round trip.
pub(super) async fn read(wire: &mut Wire, reports: &mut Reports) -> std::io::Result<Found> {
    let rows = match query(wire, reports, READ).await {
        Ok(rows) => rows,
        Err(QueryError::Server(frame)) => {
            return Ok(Found::Nothing(ErrorFields::read(&frame).message));
        }
        Err(QueryError::Io(error)) => return Err(error),
    };
    let [row] = rows.as_slice() else {
        return Ok(Found::Nothing("its table pgauthority.seal has no row".to_owned()));
    };
    let text = |index: usize| {
        let column = row.get(index).and_then(Option::as_ref);
        column.map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
    };
    Ok(Found::Sealed(Seal {
        authority: text(0),
        role: text(1),
        env: text(2),
        sealed_at: text(3),
        sealed_by: text(4),
    }))
}

/// Refuses an upstream whose database is sealed otherwise, or not at all.
pub(super) async fn require(
    wire: &mut Wire,
    reports: &mut Reports,
    upstream: &Upstream,
    shows_only: bool,
) -> Result<(), ConnectError> {
    if shows_only {
        return Err(missing(upstream, "a physical replication connection cannot read it"));
    }
    match read(wire, reports).await {
        Ok(Found::Sealed(seal)) if seal.agrees(upstream.declaration) => Ok(()),
        Ok(Found::Sealed(seal)) => Err(mismatch(upstream, &seal)),
        Ok(Found::Nothing(why)) => Err(missing(upstream, &why)),
        Err(error) => {
            let message = format!("{}: {}", place(upstream), gone(&error));
            Err(ConnectError::new(ConnectErrorKind::Unreachable, "08006", message))
        }
    }
}

fn mismatch(upstream: &Upstream, seal: &Seal) -> ConnectError {
    let declared = upstream.declaration;
    let message = format!("{} is sealed otherwise than it is declared", place(upstream));
    ConnectError::new(ConnectErrorKind::SealMismatch, "28000", message)
        .with_detail(format!(
            "rule seal.mismatch, declared {}, {}, {}; sealed {} by {} at {}",
            declared.authority,
            declared.role,
            declared.environment,
            seal.words(),
            seal.sealed_by,
            seal.sealed_at,
        ))
        .with_hint(
            "the url leads to another database, or the declaration is wrong: nothing is sent \
             there (docs/rules.md explains \"seal.mismatch\")",
        )
}

fn missing(upstream: &Upstream, why: &str) -> ConnectError {
    let message = format!("{} has no seal, and require_seal = true", place(upstream));
    ConnectError::new(ConnectErrorKind::SealMissing, "28000", message)
        .with_detail(format!("rule seal.missing, {why}"))
        .with_hint(format!(
            "pgauthority seal --upstream {} (docs/rules.md explains \"seal.missing\")",
            upstream.name
        ))
}
