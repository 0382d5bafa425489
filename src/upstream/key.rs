//! The relation of the backstop's key, read only where nobody can have put code in its way.
//!
//! A materialized view cannot be read by COPY before PostgreSQL 18. So a SELECT reads it, which of
//! another kind of relation could run anything, and which is planned. What it is is looked up first,
//! in the same transaction. Whom it and its schema belong to is the lock: nobody else can drop,
//! rename or add to them, so what was looked up is what is read.

use super::connection::Reports;
use super::query::{QueryError, Row, queries};
use super::wire::Wire;

/// Read only: once a snapshot is taken, nothing can make the transaction READ WRITE again.
///
/// Believed is a superuser, who owns an event trigger (whoever may make one runs code in everybody's
/// schema changes anyway), and the login itself. Types are told by their OIDs:
/// 17 is bytea, 25 text.
const LOOK: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; \
    SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off; \
    SELECT set_config(name, 'view, foreign-table', true) FROM pg_settings \
        WHERE name = 'restrict_nonsystem_relation_kind'; \
    SELECT 'key', CASE \
            WHEN n.nspowner <> c.relowner OR NOT (o.rolsuper \
                OR o.rolname = SESSION_USER AND o.rolname = CURRENT_USER \
                OR EXISTS (SELECT FROM pg_event_trigger AS t WHERE t.evtowner = o.oid)) \
            THEN 'foreign' \
            WHEN c.relkind <> 'm' \
                OR EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid) \
                OR EXISTS (SELECT FROM pg_statistic_ext AS x WHERE x.stxrelid = c.oid) \
                OR (SELECT string_agg(concat(a.attname, ' ', a.atttypid), ', ' \
                        ORDER BY a.attnum) \
                    FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0) \
                IS DISTINCT FROM 'key 17, fingerprint 25, inner_block 17, outer_block 17' \
            THEN 'other' \
            WHEN NOT c.relispopulated THEN 'empty' \
            ELSE 'installed' END, o.rolname \
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
        JOIN pg_roles AS o ON o.oid = c.relowner \
        WHERE n.nspname = 'pgauthority' AND c.relname = 'key'";

const END: &str = "ROLLBACK";

/// What came of it.
pub(super) enum Reading {
    /// There is no such relation, or nothing in it yet.
    Nothing,
    /// It is not what an installation makes, so it was not read; why, for people.
    Strange(String),
    /// Its value.
    Value(String),
}

/// Reads a value from it, by an expression of `pg_catalog`'s. Two round trips.
pub(super) async fn read(
    wire: &mut Wire,
    reports: &mut Reports,
    value: &str,
) -> Result<Reading, QueryError> {
    let mut ask = async |texts: &[&str]| {
        let answers = queries(wire, reports, texts).await.map_err(QueryError::Io)?;
        let first = answers.into_iter().next().unwrap_or_else(|| Ok(Vec::new()));
        Ok(first.map_err(QueryError::Server))
    };
    let text = |row: &Row, index: usize| {
        let column = row.get(index).and_then(Option::as_ref);
        column.map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
    };
    let looked = match ask(&[LOOK]).await? {
        Ok(rows) => rows,
        Err(error) => {
            let _ = ask(&[END]).await?;
            return Err(error);
        }
    };
    let key = looked.iter().find(|row| text(row, 0) == "key");
    let (verdict, owner) = key.map(|row| (text(row, 1), text(row, 2))).unwrap_or_default();
    if verdict == "installed" {
        let select = format!("SELECT {value} FROM pgauthority.key");
        let rows = ask(&[&select, END]).await??;
        return Ok(rows.first().map_or(Reading::Nothing, |row| Reading::Value(text(row, 0))));
    }
    let _ = ask(&[END]).await?;
    Ok(match verdict.as_str() {
        "foreign" => Reading::Strange(format!(
            "pgauthority.key, or its schema, belongs to \"{owner}\" or another role that has made \
             no event trigger and is neither a superuser nor this login"
        )),
        "other" => Reading::Strange(format!(
            "pgauthority.key, which is \"{owner}\"'s, is not what an installation makes"
        )),
        _ => Reading::Nothing,
    })
}
