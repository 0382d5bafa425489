//! The seal in a database: read from its table, never by SHOW, and held against the declaration.
//!
//! Whoever may make a schema can have put anything there, and whoever looks may be a superuser.
//! So it is read by COPY, which reads a table and nothing else: it refuses views and foreign
//! tables, is not planned (a plan computes what indexes and checks call), and calls no cast, no
//! operator and, with `row_security` off, no policy. What is found is believed by its owner.

use super::connect::place;
use super::connection::Reports;
use super::error::{ConnectError, ConnectErrorKind, ErrorFields};
use super::query::{Answer, queries};
use super::wire::Wire;
use crate::config::Upstream;
use crate::contract::seal::Seal;

/// One message each. Nothing without its schema: no `search_path` puts anything in its place.
///
/// Who may drop or rename a schema or its table owns it: where both are of one whom we believe, no
/// other can put another table there before it is read. A superuser is a member of every role.
pub(super) const READ: [&str; 3] = [
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL row_security = off; \
     SELECT pg_catalog.pg_get_userbyid(c.relowner), \
            c.relowner OPERATOR(pg_catalog.=) n.nspowner \
            AND pg_catalog.pg_has_role(c.relowner, d.datdba, 'MEMBER'), \
            c.relkind OPERATOR(pg_catalog.=) 'r' \
        FROM pg_catalog.pg_namespace AS n \
        JOIN pg_catalog.pg_class AS c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid \
        JOIN pg_catalog.pg_database AS d \
            ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
        WHERE n.nspname OPERATOR(pg_catalog.=) 'pgauthority' \
            AND c.relname OPERATOR(pg_catalog.=) 'seal'",
    "COPY pgauthority.seal (authority, role, env, sealed_at, sealed_by) TO STDOUT \
     (ENCODING 'UTF8')",
    "ROLLBACK",
];

/// The seal, as far as it can be read.
pub(super) enum Found {
    /// It is there.
    Sealed(Seal),
    /// There is none, or none that may be read or believed; why, for people.
    Nothing(String),
}

/// Reads it. One round trip.
pub(super) async fn read(wire: &mut Wire, reports: &mut Reports) -> std::io::Result<Found> {
    let answers = queries(wire, reports, &READ).await?;
    Ok(found(answers.into_iter()))
}

/// What the answers to [`READ`] say.
pub(super) fn found(mut answers: impl Iterator<Item = Answer>) -> Found {
    let mut next = || {
        let answer = answers.next().unwrap_or_else(|| Ok(Vec::new()));
        answer.map_err(|frame| Found::Nothing(ErrorFields::read(&frame).message))
    };
    let (owner, rows) = match (next(), next()) {
        (Ok(owner), Ok(rows)) => (owner, rows),
        (Err(why), _) | (_, Err(why)) => return why,
    };
    let text = |row: &[Option<bytes::Bytes>], index: usize| {
        let column = row.get(index).and_then(Option::as_ref);
        column.map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
    };
    let believed = |row: &Vec<_>| text(row, 1) == "t";
    if !owner.iter().any(believed) {
        return Found::Nothing(format!(
            "its schema and table pgauthority.seal do not both belong to one role that is a \
             superuser or this database's owner (the table is \"{}\"'s)",
            owner.first().map(|row| text(row, 0)).unwrap_or_default()
        ));
    }
    if owner.iter().any(|row| text(row, 2) != "t") {
        return Found::Nothing("pgauthority.seal is not a table".to_owned());
    }
    let [row] = rows.as_slice() else {
        return Found::Nothing("its table pgauthority.seal has no row".to_owned());
    };
    Found::Sealed(Seal {
        authority: text(row, 0),
        role: text(row, 1),
        env: text(row, 2),
        sealed_at: text(row, 3),
        sealed_by: text(row, 4),
    })
}

/// Where SHOW is all that can be asked.
pub(super) fn unreadable(upstream: &Upstream) -> ConnectError {
    missing(upstream, "a physical replication connection cannot read it")
}

/// Refuses an upstream whose database is sealed otherwise, or not at all.
pub(super) fn require(found: &Found, upstream: &Upstream) -> Result<(), ConnectError> {
    match found {
        Found::Sealed(seal) if seal.agrees(upstream.declaration) => Ok(()),
        Found::Sealed(seal) => Err(mismatch(upstream, seal)),
        Found::Nothing(why) => Err(missing(upstream, why)),
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
