//! One line of the log as it is read back, and the filters over it.

use clap::Args;
use jiff::{Span, Timestamp, Zoned, civil, tz::TimeZone};
use serde::Deserialize;

/// How every event begins: what a half line glued to a whole one is told apart by.
const BEGINNING: &[u8] = b"{\"ts\":\"";

/// An event; fields that this version does not know are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) ts: String,
    pub(super) id: String,
    pub(super) event: String,
    pub(super) rule: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) role: Option<String>,
    pub(super) database: Option<String>,
    pub(super) task: Option<String>,
    pub(super) user: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) client: Option<String>,
    pub(super) session: Option<String>,
    pub(super) command_tag: Option<String>,
    pub(super) statement: Option<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) truncated: Option<bool>,
    pub(super) outcome: Option<String>,
    pub(super) confirmed: Option<bool>,
    pub(super) ticket: Option<String>,
    pub(super) reason: Option<String>,
    /// How many bytes of the line stand before the event.
    #[serde(skip)]
    pub(super) skipped: usize,
}

impl Record {
    /// Reads a line; `None` where it holds no whole event.
    ///
    /// Where a machine died in the middle of a line and the next event was appended to it, that
    /// event is found.
    pub(super) fn read(line: &[u8]) -> Option<Record> {
        if let Ok(record) = serde_json::from_slice::<Record>(line) {
            return (!record.event.is_empty()).then_some(record);
        }
        let at = memchr::memmem::rfind(line, BEGINNING).filter(|at| *at > 0)?;
        let record = serde_json::from_slice::<Record>(line.get(at..)?).ok()?;
        (!record.event.is_empty()).then_some(Record { skipped: at, ..record })
    }

    /// The part of the line that is the event.
    pub(super) fn own_line<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.get(self.skipped..).unwrap_or(line)
    }
}

/// Which events are wanted: all of the given ones must match; a trailing `*` matches any rest.
#[derive(Args, Debug, Default)]
pub(super) struct Filter {
    /// Only events of this rule (`prod.*` for all that begin so)
    #[arg(long)]
    rule: Option<String>,
    /// Only events on this upstream
    #[arg(long)]
    upstream: Option<String>,
    /// Only events of this user
    #[arg(long)]
    user: Option<String>,
    /// Only events of this kind (`statement_blocked`, `ddl_*`)
    #[arg(long)]
    event: Option<String>,
    /// Only events of this session
    #[arg(long)]
    session: Option<String>,
    /// Only the event with this id, which an error's DETAIL gives
    #[arg(long)]
    id: Option<String>,
    /// Only events since then: `1h`, `2d 30m`, `2026-01-21T03:00:00Z`, `2026-01-21 03:00` (UTC)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<Timestamp>,
}

impl Filter {
    /// Whether the event is wanted.
    pub(super) fn passes(&self, record: &Record) -> bool {
        let pairs = [
            (&self.rule, record.rule.as_deref()),
            (&self.upstream, record.upstream.as_deref()),
            (&self.user, record.user.as_deref()),
            (&self.event, Some(record.event.as_str())),
            (&self.session, record.session.as_deref()),
            (&self.id, Some(record.id.as_str())),
        ];
        let matching = |(wanted, found): &(&Option<String>, Option<&str>)| match (wanted, found) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(found)) => match wanted.strip_suffix('*') {
                Some(beginning) => found.starts_with(beginning),
                None => wanted == found,
            },
        };
        let recent = self.since.is_none_or(|since| {
            // An event whose time cannot be read is shown rather than hidden.
            record.ts.parse::<Timestamp>().map_or(true, |ts| ts >= since)
        });
        recent && pairs.iter().all(matching)
    }

    /// Whether the filter itself bounds what is shown.
    pub(super) fn is_bounded(&self) -> bool {
        self.since.is_some() || self.id.is_some()
    }
}

/// A point in time: as long ago as the span says, or at the time given.
fn when(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = text.parse::<Span>() {
        let then = Zoned::now().with_time_zone(TimeZone::UTC).checked_sub(span.abs());
        return then.map(|then| then.timestamp()).map_err(|error| error.to_string());
    }
    if let Ok(ts) = text.parse::<Timestamp>() {
        return Ok(ts);
    }
    text.parse::<civil::DateTime>()
        .and_then(|civil| civil.to_zoned(TimeZone::UTC))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| "try 1h, 2d or 2026-01-21T03:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"ts":"2026-01-21T03:04:05.000006Z","id":"i","event":"statement_blocked","rule":"prod.ddl_unconfirmed","user":"deploy","new_field":[1]}"#;

    #[test]
    fn an_event_glued_to_a_half_line_is_found() {
        let mut glued = br#"{"ts":"2026-01-21T03:0"#.to_vec();
        glued.extend_from_slice(LINE);
        let record = Record::read(&glued).unwrap();
        assert_eq!(record.rule.as_deref(), Some("prod.ddl_unconfirmed"));
        assert_eq!(record.own_line(&glued), LINE);
        assert_eq!(Record::read(&LINE[..60]), None);
        assert_eq!(Record::read(b"{}"), None);
    }

    #[test]
    fn every_filter_must_match() {
        let record = Record::read(LINE).unwrap();
        let rule = |rule: &str| Filter { rule: Some(rule.into()), ..Filter::default() };
        assert!(Filter::default().passes(&record));
        assert!(rule("prod.ddl_unconfirmed").passes(&record));
        assert!(rule("prod.*").passes(&record));
        assert!(!rule("prod").passes(&record));
        assert!(!Filter { user: Some("eve".into()), ..rule("prod.*") }.passes(&record));
        assert!(!Filter { upstream: Some("*".into()), ..Filter::default() }.passes(&record));
        let since = |text| Filter { since: Some(when(text).unwrap()), ..Filter::default() };
        assert!(since("2026-01-21T03:04:05Z").passes(&record));
        assert!(!since("2026-01-21 04:00").passes(&record));
    }

    #[test]
    fn times_as_people_type_them() {
        for ago in ["1h", "90m", "2d", "1d 2h", "1 week"] {
            assert!(when(ago).unwrap() < Timestamp::now(), "{ago}");
        }
        for at in ["2026-01-21", "2026-01-21 03:00", "2026-01-21T03:00:00+02:00"] {
            assert!(when(at).is_ok(), "{at}");
        }
        assert!(when("yesterday").unwrap_err().contains("1h"));
    }
}
