//! The proxy's own short queries on a connection that nobody else uses yet.

use std::io;

use bytes::Bytes;

use super::connection::Reports;
use super::wire::Wire;
use crate::protocol::{body, message};

/// The columns of a row, NULL as `None`.
pub(super) type Row = Vec<Option<Bytes>>;

/// Why a query gave no rows.
#[derive(Debug)]
pub(super) enum QueryError {
    /// The connection broke, or what came is not the protocol.
    Io(io::Error),
    /// The server's ErrorResponse; the connection is ready again.
    Server(Bytes),
}

/// Goes before a statement on a standby, should SERIALIZABLE be the default: there it takes no
/// snapshot (manual, "Hot Standby").
const ON_STANDBY: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;";

/// Runs one statement in the simple protocol and gives its rows.
pub(super) async fn query(
    wire: &mut Wire,
    reports: &mut Reports,
    sql: &str,
) -> Result<Vec<Row>, QueryError> {
    // SHOW takes none, and a physical replication connection knows nothing else
    let on_standby = !sql.starts_with("SHOW") && reports.parameter("in_hot_standby") == Some("on");
    let before = if on_standby { ON_STANDBY } else { "" };
    let text = [before.as_bytes(), sql.as_bytes()].concat();
    wire.write(&message::query(&text)).await.map_err(QueryError::Io)?;
    let mut rows = Vec::new();
    let mut error = None;
    loop {
        let message = wire.read().await.map_err(QueryError::Io)?;
        match message.kind() {
            b'D' => rows.push(row(message.body()).ok_or_else(|| malformed("row"))?),
            b'E' => error = Some(message.frame().clone()),
            b'S' => reports.absorb(&message),
            // the row's description, the tag, notices of ours that no client waits for
            b'T' | b'C' | b'N' => {}
            b'Z' if message.body() == b"I" => break,
            _ => return Err(malformed("answer")),
        }
    }
    match error {
        Some(frame) => Err(QueryError::Server(frame)),
        None => Ok(rows),
    }
}

fn malformed(what: &str) -> QueryError {
    QueryError::Io(io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}")))
}

fn row(body: &[u8]) -> Option<Row> {
    let columns = body::row(body)?;
    Some(columns.into_iter().map(|column| column.map(Bytes::copy_from_slice)).collect())
}

/// A string literal that reads the same whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_to_the_last_byte() {
        let body = b"\0\x02\0\0\0\x01a\xff\xff\xff\xff";
        assert_eq!(row(body), Some(vec![Some(Bytes::from_static(b"a")), None]));
        assert_eq!(row(b"\0\x01\0\0\0\x05a"), None);
        assert_eq!(row(b"\0\0x"), None);
    }

    #[test]
    fn literals_hold_quotes_and_backslashes() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
    }
}
