//! The proxy's own short queries on a connection that nobody else uses yet.

use std::borrow::Cow;
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

/// What one message was answered with: rows, of COPY too, or the server's ErrorResponse.
pub(super) type Answer = Result<Vec<Row>, Bytes>;

/// Runs one statement in the simple protocol and gives its rows.
pub(super) async fn query(
    wire: &mut Wire,
    reports: &mut Reports,
    sql: &str,
) -> Result<Vec<Row>, QueryError> {
    let text = whole(reports, sql);
    wire.write(&message::query(text.as_bytes())).await.map_err(QueryError::Io)?;
    match answer(wire, reports).await.map_err(QueryError::Io)? {
        (answer, b'I') => answer.map_err(QueryError::Server),
        _ => Err(QueryError::Io(malformed("answer"))),
    }
}

/// Runs several, each a message of its own and all sent together: one round trip, an answer for
/// each. An error keeps none of those behind it from running but in a transaction block that they
/// share, so what begins one ends it: with ROLLBACK, which always can.
pub(super) async fn queries(
    wire: &mut Wire,
    reports: &mut Reports,
    texts: &[&str],
) -> io::Result<Vec<Answer>> {
    let messages: Vec<_> = texts.iter().map(|text| message::query(text.as_bytes())).collect();
    wire.write(&messages.concat()).await?;
    let mut answers = Vec::with_capacity(texts.len());
    for _ in texts {
        answers.push(answer(wire, reports).await?.0);
    }
    Ok(answers)
}

/// A statement with what must go before it outside a transaction block.
pub(super) fn whole<'a>(reports: &Reports, sql: &'a str) -> Cow<'a, str> {
    // SHOW takes no snapshot, and a physical replication connection knows nothing else
    if !sql.starts_with("SHOW") && reports.parameter("in_hot_standby") == Some("on") {
        return Cow::Owned([ON_STANDBY, sql].concat());
    }
    Cow::Borrowed(sql)
}

/// All that comes for one message, and the transaction status behind it.
async fn answer(wire: &mut Wire, reports: &mut Reports) -> io::Result<(Answer, u8)> {
    let mut rows = Vec::new();
    let mut error = None;
    loop {
        let message = wire.read().await?;
        match message.kind() {
            b'D' => rows.push(row(message.body()).ok_or_else(|| malformed("row"))?),
            b'd' => rows.push(copied(message.body()).ok_or_else(|| malformed("line"))?),
            b'E' => error = Some(message.frame().clone()),
            b'S' => reports.absorb(&message),
            // descriptions of rows and of COPY, ends, notices of ours that no client waits for
            b'T' | b'H' | b'c' | b'C' | b'N' => {}
            b'Z' => {
                let [status @ (b'I' | b'T' | b'E')] = *message.body() else {
                    return Err(malformed("answer"));
                };
                return Ok((error.map_or(Ok(rows), Err), status));
            }
            _ => return Err(malformed("answer")),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

fn row(body: &[u8]) -> Option<Row> {
    let columns = body::row(body)?;
    Some(columns.into_iter().map(|column| column.map(Bytes::copy_from_slice)).collect())
}

/// A line of COPY's text format (manual, "COPY", "Text Format").
fn copied(line: &[u8]) -> Option<Row> {
    let line = line.strip_suffix(b"\n")?;
    line.split(|byte| *byte == b'\t').map(field).collect()
}

fn field(text: &[u8]) -> Option<Option<Bytes>> {
    if text == br"\N" {
        return Some(None);
    }
    let mut value = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'\\' => match bytes.next()? {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            },
            other => other,
        });
    }
    Some(Some(Bytes::from(value)))
}

/// The columns of rows, one after the other; NULL is empty.
pub(super) fn texts(rows: Vec<Row>) -> impl Iterator<Item = String> {
    let columns = rows.into_iter().flatten();
    columns.map(|column| String::from_utf8_lossy(&column.unwrap_or_default()).into_owned())
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
    fn lines_of_copy_are_read_to_the_last_byte() {
        let text = |text: &'static [u8]| Some(Bytes::from_static(text));
        let line = b"a\\tb\\\\c\\n\t\\N\t\tNULL\n";
        let read = vec![text(b"a\tb\\c\n"), None, text(b""), text(b"NULL")];
        assert_eq!(copied(line), Some(read));
        assert_eq!(copied(b"a"), None);
        assert_eq!(copied(b"a\\\n"), None);
    }

    #[test]
    fn literals_hold_quotes_and_backslashes() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
    }
}
