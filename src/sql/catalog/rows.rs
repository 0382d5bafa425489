//! Reading the columns of a row, and the arrays that PostgreSQL writes as text.

use super::{Row, Unreadable};
use crate::sql::How;

/// One row, column by column.
pub(super) struct Columns<'r> {
    row: &'r Row,
}

impl<'r> Columns<'r> {
    /// The row's kind and its columns.
    pub(super) fn of(row: &'r Row) -> Result<(u8, Columns<'r>), Unreadable> {
        let columns = Columns { row };
        match (columns.text(0)?.as_bytes(), row.len()) {
            (&[kind], 20) => Ok((kind, columns)),
            _ => Err(Unreadable("a row of an unknown shape".into())),
        }
    }

    /// A column that may be NULL.
    pub(super) fn optional(&self, index: usize) -> Result<Option<&'r str>, Unreadable> {
        match self.row.get(index) {
            None => Err(Unreadable(format!("a row has no column {index}"))),
            Some(None) => Ok(None),
            Some(Some(bytes)) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Unreadable("a text that is not UTF-8".into())),
        }
    }

    /// A column that may not be NULL.
    pub(super) fn text(&self, index: usize) -> Result<&'r str, Unreadable> {
        self.optional(index)?.ok_or_else(|| Unreadable(format!("column {index} is NULL")))
    }

    /// A number, 0 for NULL.
    pub(super) fn number(&self, index: usize) -> Result<u32, Unreadable> {
        match self.optional(index)? {
            None => Ok(0),
            Some(text) => text.parse().map_err(|_| Unreadable(format!("\"{text}\" is no number"))),
        }
    }

    /// A `"char"`, 0 for NULL and for the empty one.
    pub(super) fn letter(&self, index: usize) -> Result<u8, Unreadable> {
        Ok(self.optional(index)?.and_then(|text| text.bytes().next()).unwrap_or(0))
    }

    /// A boolean.
    pub(super) fn flag(&self, index: usize) -> Result<bool, Unreadable> {
        Ok(matches!(self.optional(index)?, Some("true" | "t")))
    }

    /// The OIDs in a list, an array or an oidvector; zeros are left out.
    pub(super) fn oids(&self, index: usize) -> Result<Box<[u32]>, Unreadable> {
        let all = self.all_oids(index)?;
        Ok(all.iter().copied().filter(|oid| *oid != 0).collect())
    }

    /// The same with zeros, for lists whose places tell.
    pub(super) fn all_oids(&self, index: usize) -> Result<Box<[u32]>, Unreadable> {
        let text = self.optional(index)?.unwrap_or_default();
        text.split(|c: char| !c.is_ascii_digit())
            .filter(|number| !number.is_empty())
            .map(|number| number.parse().map_err(|_| Unreadable(format!("\"{number}\" is no OID"))))
            .collect()
    }

    /// The items of an array of texts, without NULLs.
    pub(super) fn texts(&self, index: usize) -> Result<Vec<String>, Unreadable> {
        match self.optional(index)? {
            None => Ok(Vec::new()),
            Some(text) => array(text).ok_or_else(|| Unreadable(format!("\"{text}\" is no array"))),
        }
    }
}

/// The items of a one-dimensional array as `array_out` writes it.
fn array(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('{')?;
    let mut items = Vec::new();
    if rest == "}" {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut characters = rest.char_indices();
        let quoted = rest.starts_with('"');
        if quoted {
            characters.next();
        }
        let end = loop {
            match characters.next()? {
                (_, '\\') => item.push(characters.next()?.1),
                (at, '"') if quoted => break at + 1,
                (at, ',' | '}') if !quoted => break at,
                (_, other) => item.push(other),
            }
        };
        if quoted || !item.eq_ignore_ascii_case("null") {
            items.push(item);
        }
        rest = rest.get(end..)?;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (rest == "}").then_some(items),
        }
    }
}

/// The second column where it is an OID.
pub(super) fn second(kind: u8, c: &Columns<'_>) -> Result<u32, Unreadable> {
    match kind {
        b'a' | b'k' | b'i' | b'g' | b'h' => c.number(2),
        _ => Ok(0),
    }
}

/// `TRIGGER_TYPE_INSERT` and so on of `pg_trigger.h`.
pub(super) fn trigger_events(bits: u32) -> How {
    [(4, How::INSERT), (8, How::DELETE), (16, How::UPDATE), (32, How::TRUNCATE)]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .fold(How::default(), |how, (_, event)| how.and(event))
}

/// The event of a rule. A view's own query runs when it is changed through, too; that of a
/// materialized one when it is refreshed.
pub(super) fn rule_events(event: u8, kind: u8) -> How {
    match (event, kind) {
        (b'1', b'm') => How::MAINTAIN,
        (b'1', _) => How::SELECT.and(How::CHANGE),
        (b'2', _) => How::UPDATE,
        (b'3', _) => How::INSERT,
        (b'4', _) => How::DELETE,
        _ => How::SELECT.and(How::CHANGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_as_they_are_written() {
        let read = |text| array(text);
        let list = |items: &[&str]| Some(items.iter().map(|i| i.to_string()).collect::<Vec<_>>());
        assert_eq!(read("{}"), list(&[]));
        assert_eq!(read("{a,NULL,\"NULL\",\"\"}"), list(&["a", "NULL", ""]));
        assert_eq!(read(r#"{"a\"b,}\\",c}"#), list(&["a\"b,}\\", "c"]));
        for broken in ["", "{", "{a", "{\"a}", "{a}x", "{a,", "a"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn rows_that_are_none_are_errors() {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let row = |kind: &str, second: Option<Vec<u8>>| {
            let mut row: Row = vec![None; 20];
            row[0] = text(kind);
            row[1] = second;
            row
        };
        assert!(Columns::of(&vec![]).is_err());
        assert!(Columns::of(&vec![None; 20]).is_err());
        assert!(Columns::of(&vec![text("n")]).is_err());
        assert!(Columns::of(&row("no", None)).is_err());
        let bytes = row("n", Some(vec![0xff]));
        let (kind, columns) = Columns::of(&bytes).map_err(|_| ()).unwrap();
        assert_eq!(kind, b'n');
        assert!(columns.text(1).is_err() && columns.text(2).is_err() && columns.text(99).is_err());
        assert_eq!(columns.number(2), Ok(0));
        let row = row("n", text("{16384,0,5 99999}"));
        let (_, columns) = Columns::of(&row).map_err(|_| ()).unwrap();
        assert_eq!(columns.oids(1).unwrap()[..], [16384, 5, 99999]);
        assert_eq!(columns.all_oids(1).unwrap().len(), 4);
        assert!(columns.number(1).is_err());
    }
}
