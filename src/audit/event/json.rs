//! One event as one line of JSON.
//!
//! The field names and their order are the log's interface (proxy §6). Whatever bytes a client
//! sends, an event is exactly one line: control characters, and what a terminal or a line-wise
//! reader could take for a line break or a change of direction, are escaped; bytes that are not
//! UTF-8 are written as `\xHH`.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use super::{Event, Outcome};
use crate::sql::normalize::{fingerprint, normalize};

/// The most bytes of statement text that an event holds; past it `truncated` is true.
pub const MAX_STATEMENT_BYTES: usize = 16 * 1024;

/// The most bytes that any other text of an event holds; past it the text ends in `…`.
pub const MAX_FIELD_BYTES: usize = 4 * 1024;

/// Makes the text to show of a text as sent.
pub type TextFn = fn(&[u8]) -> Vec<u8>;

/// How statement text is written.
#[derive(Clone, Copy, Debug)]
pub struct Rendering {
    /// `None` leaves the statement out.
    pub text: Option<TextFn>,
    /// Equal for texts that differ only in their values.
    pub fingerprint: fn(&[u8]) -> String,
}

impl Rendering {
    /// Without the values: literals become `$1`, `$2`, …
    pub const NORMALIZED: Rendering =
        Rendering { text: Some(|text| normalize(text).into_bytes()), fingerprint };

    /// As sent.
    pub const FULL: Rendering = Rendering { text: Some(|text| text.to_vec()), fingerprint };

    /// Without the text.
    pub const NONE: Rendering = Rendering { text: None, fingerprint };
}

impl Event {
    /// Appends the event as one line, its line feed included; `ts` is when it happened.
    ///
    /// Source: proxy §6. Absent fields are left out.
    pub fn write_json(&self, ts: Timestamp, rendering: &Rendering, out: &mut Vec<u8>) {
        const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let mut line = Line { out };
        line.out.extend_from_slice(b"{\"ts\":\"");
        line.out.extend_from_slice(TIME.timestamp_to_string(&ts).as_bytes());
        line.out.extend_from_slice(b"\",\"id\":\"");
        line.out.extend_from_slice(self.id.as_hyphenated().to_string().as_bytes());
        line.out.push(b'"');
        line.text("event", Some(self.kind.as_str()));
        line.text("rule", self.rule);
        line.text("sqlstate", self.sqlstate.as_deref());

        line.text("upstream", self.place.upstream.as_deref());
        line.text("authority", self.place.authority);
        line.text("role", self.place.role);
        line.text("env", self.place.env);
        line.text("database", self.place.database.as_deref());
        line.text("task", self.place.task.as_deref());

        line.text("user", self.who.user.as_deref());
        line.text("application_name", self.who.application_name.as_deref());
        line.text("client", self.who.client.as_deref());
        line.text("session", self.who.session.as_deref());

        line.text("class", self.class);
        line.text("command_tag", self.command_tag.as_deref());
        self.write_statement(rendering, &mut line);

        line.text("outcome", self.outcome.map(Outcome::as_str));
        line.boolean("in_transaction", self.in_transaction);
        line.boolean("confirmed", self.confirmed);
        line.text("ticket", self.ticket.as_deref());
        line.text("reason", self.reason.as_deref());
        line.text("hint", self.hint.as_deref());
        line.out.extend_from_slice(b"}\n");
    }

    /// `statement`, `fingerprint`, `position`, `truncated`.
    fn write_statement(&self, rendering: &Rendering, line: &mut Line<'_>) {
        let Some(text) = self.statement.as_deref() else { return };
        let start = start_of_shown(text, self.offset);
        let shown = rendering.text.map(|render| render(text.get(start..).unwrap_or_default()));
        let mut truncated = start > 0;
        if let Some(shown) = shown {
            let (kept, cut) = cut_text(&shown, MAX_STATEMENT_BYTES);
            truncated |= cut;
            line.bytes("statement", kept, false);
        }
        line.text("fingerprint", Some(&(rendering.fingerprint)(text)));
        if let Some(position) = self.position {
            line.key("position");
            line.out.extend_from_slice(position.to_string().as_bytes());
        }
        if rendering.text.is_some() {
            line.boolean("truncated", Some(truncated));
        }
    }
}

/// Where to start showing a text: at its beginning, or at the offending statement where that
/// could otherwise fall behind the cut.
///
/// A statement's first token starts outside every literal, so the text from there normalises as
/// the whole does.
fn start_of_shown(text: &[u8], offset: u32) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    if text.len() <= MAX_STATEMENT_BYTES || offset < MAX_STATEMENT_BYTES / 2 {
        0
    } else {
        offset.min(text.len())
    }
}

/// The first `most` bytes, fewer where a UTF-8 character would be cut; and whether any were left.
fn cut_text(text: &[u8], most: usize) -> (&[u8], bool) {
    if text.len() <= most {
        return (text, false);
    }
    let mut end = most;
    // At most three continuation bytes belong to a character; text that is not UTF-8 may hold more.
    for _ in 0..3 {
        match text.get(end) {
            Some(byte) if (0x80..0xc0).contains(byte) => end -= 1,
            _ => break,
        }
    }
    (text.get(..end).unwrap_or(text), true)
}

/// An object that has its opening brace and first field already.
struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    /// `,"name":`; names are ours and need no escapes.
    fn key(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            let (kept, cut) = cut_text(value.as_bytes(), MAX_FIELD_BYTES);
            self.bytes(name, kept, cut);
        }
    }

    fn boolean(&mut self, name: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.key(name);
            self.out.extend_from_slice(if value { b"true" } else { b"false" });
        }
    }

    fn bytes(&mut self, name: &str, value: &[u8], cut: bool) {
        self.key(name);
        self.out.push(b'"');
        for chunk in value.utf8_chunks() {
            escape(chunk.valid(), self.out);
            for byte in chunk.invalid() {
                self.out.extend_from_slice(format!("\\\\x{byte:02x}").as_bytes());
            }
        }
        if cut {
            self.out.extend_from_slice("…".as_bytes());
        }
        self.out.push(b'"');
    }
}

/// JSON's escapes, and those of characters that only look like text.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let named: &[u8] = match character {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '\n' => b"\\n",
            '\r' => b"\\r",
            '\t' => b"\\t",
            ' '..='~' => continue,
            _ if must_escape(character) => b"",
            _ => continue,
        };
        out.extend_from_slice(text.get(plain..at).unwrap_or_default().as_bytes());
        if named.is_empty() {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        } else {
            out.extend_from_slice(named);
        }
        plain = at + character.len_utf8();
    }
    out.extend_from_slice(text.get(plain..).unwrap_or_default().as_bytes());
}

/// Characters that a terminal acts on or a line-wise reader breaks at: C0, DEL, C1, the line and
/// paragraph separators, bidirectional marks, zero-width characters and tags.
pub const fn must_escape(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::{EventKind, Place, Who};
    use super::*;
    use crate::contract::{Authority, Declaration, Environment, Role};

    const FULL: Rendering = Rendering { fingerprint: |_| "feed".to_owned(), ..Rendering::FULL };

    fn event() -> Event {
        let declared = Declaration {
            authority: Authority::Neon,
            role: Role::Prod,
            environment: Environment::ProdLike,
        };
        let place = Place::of("neon-prod", declared, "nova_prod", Some("schema_experiments"));
        let who = Who {
            user: Some("deploy".into()),
            application_name: Some("alembic".into()),
            client: Some("10.0.0.7:51234".into()),
            session: Some("s-1".into()),
        };
        Event::new(uuid::Uuid::nil(), EventKind::StatementBlocked, Arc::new(place), Arc::new(who))
    }

    fn line(event: &Event, rendering: &Rendering) -> String {
        let mut out = Vec::new();
        let ts: Timestamp = "2026-01-21T03:04:05.000006789Z".parse().unwrap();
        event.write_json(ts, rendering, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn parsed(line: &str) -> Value {
        assert!(line.ends_with("}\n"), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn every_field_in_the_order_of_the_table() {
        let mut event = event();
        event.kind = EventKind::DdlOutcome;
        event.rule = Some("prod.ddl_unconfirmed");
        event.sqlstate = Some("42501".into());
        event.class = Some("ddl");
        event.command_tag = Some("CREATE TABLE".into());
        event.statement = Some(Bytes::from_static(b"CREATE TABLE t ()"));
        event.position = Some(1);
        event.outcome = Some(Outcome::RolledBack);
        event.in_transaction = Some(true);
        event.confirmed = Some(false);
        event.ticket = Some("OPS-1".into());
        event.reason = Some("why".into());
        event.hint = Some("how".into());
        assert_eq!(
            line(&event, &FULL),
            concat!(
                r#"{"ts":"2026-01-21T03:04:05.000006Z","id":"00000000-0000-0000-0000-000000000000","#,
                r#""event":"ddl_outcome","rule":"prod.ddl_unconfirmed","sqlstate":"42501","#,
                r#""upstream":"neon-prod","authority":"neon","role":"prod","env":"prod-like","#,
                r#""database":"nova_prod","task":"schema_experiments","user":"deploy","#,
                r#""application_name":"alembic","client":"10.0.0.7:51234","session":"s-1","#,
                r#""class":"ddl","command_tag":"CREATE TABLE","statement":"CREATE TABLE t ()","#,
                r#""fingerprint":"feed","position":1,"truncated":false,"#,
                r#""outcome":"rolled_back","in_transaction":true,"confirmed":false,"#,
                r#""ticket":"OPS-1","reason":"why","hint":"how"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn absent_fields_are_left_out() {
        let line = line(
            &Event::new(uuid::Uuid::nil(), EventKind::ConfigLoaded, Arc::default(), Arc::default()),
            &FULL,
        );
        let value = parsed(&line);
        let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["ts", "id", "event"]);
    }

    #[test]
    fn text_that_is_not_utf8_and_control_characters_stay_one_line() {
        let mut event = event();
        event.statement =
            Some(Bytes::from_static(b"SELECT 'caf\xe9\n\r\x00\x1b[2J\xc2\x85\xe2\x80\xa8'"));
        event.reason = Some("a\u{202e}b\u{9b}c\u{e0001}".into());
        let line = line(&event, &FULL);
        assert!(line.trim_end().chars().all(|c| !must_escape(c)), "{line}");
        let value = parsed(&line);
        assert_eq!(value["statement"], "SELECT 'caf\\xe9\n\r\0\u{1b}[2J\u{85}\u{2028}'");
        assert_eq!(value["reason"], "a\u{202e}b\u{9b}c\u{e0001}");
    }

    #[test]
    fn without_statement_text_the_fingerprint_remains() {
        let mut event = event();
        event.statement = Some(Bytes::from_static(b"SELECT 'secret'"));
        let value = parsed(&line(&event, &Rendering { text: None, ..FULL }));
        assert!(value.get("statement").is_none());
        assert!(value.get("truncated").is_none());
        assert_eq!(value["fingerprint"], "feed");
    }

    #[test]
    fn normalised_text_holds_no_value_wherever_it_is_cut() {
        let mut event = event();
        let mut text = "INSERT INTO t VALUES ('secret', 42);".repeat(2048);
        event.offset = u32::try_from(text.len()).unwrap();
        text.push_str("UPDATE t SET a = 'secret' WHERE b = 42");
        event.statement = Some(text.into());
        let value = parsed(&line(&event, &Rendering::NORMALIZED));
        assert_eq!(value["statement"], "UPDATE t SET a = $1 WHERE b = $2");
        event.offset = 0;
        let line = line(&event, &Rendering::NORMALIZED);
        assert!(!line.contains("secret") && !line.contains("42,"), "{line}");
        assert_eq!(parsed(&line)["truncated"], true);
        assert_eq!(parsed(&line)["fingerprint"], value["fingerprint"]);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut event = event();
        event.statement = Some(format!("x{}", "é".repeat(MAX_STATEMENT_BYTES)).into());
        let value = parsed(&line(&event, &FULL));
        assert_eq!(value["truncated"], true);
        let shown = value["statement"].as_str().unwrap();
        assert_eq!(shown.len(), MAX_STATEMENT_BYTES - 1);
        assert!(shown.ends_with('é'));
    }

    #[test]
    fn a_long_text_shows_the_offending_statement() {
        let mut event = event();
        let mut text = "SELECT 1;".repeat(4096);
        event.offset = u32::try_from(text.len()).unwrap();
        text.push_str("DROP TABLE runs");
        event.statement = Some(text.into());
        let value = parsed(&line(&event, &FULL));
        assert_eq!(value["statement"], "DROP TABLE runs");
        assert_eq!(value["truncated"], true);
    }

    #[test]
    fn other_long_fields_are_cut_with_an_ellipsis() {
        let mut event = event();
        event.reason = Some("r".repeat(MAX_FIELD_BYTES + 1));
        let value = parsed(&line(&event, &FULL));
        assert_eq!(value["reason"], format!("{}…", "r".repeat(MAX_FIELD_BYTES)));
    }

    proptest! {
        #[test]
        fn any_bytes_make_one_line_that_reads_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            text in ".{0,80}",
            offset in any::<u32>(),
        ) {
            let mut event = event();
            event.statement = Some(bytes.clone().into());
            event.offset = offset;
            event.ticket = Some(text.as_str().into());
            let line = line(&event, &FULL);
            prop_assert!(!line.trim_end_matches('\n').chars().any(must_escape));
            let value = parsed(&line);
            prop_assert_eq!(value["ticket"].as_str(), Some(text.as_str()));
            if let Ok(valid) = std::str::from_utf8(&bytes) {
                prop_assert_eq!(value["statement"].as_str(), Some(valid));
            }
        }
    }
}
