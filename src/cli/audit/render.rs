//! An event in two lines at most: when, what became of it, where, who; then by which rule, the
//! statement and why.

use std::io::{self, IsTerminal, Write};

use super::record::Record;
use crate::audit::must_escape;

/// Columns of the first line.
const WHAT: usize = 16;
const WHERE: usize = 22;

/// The second line stands under what became of it.
const INDENT: &str = "                      ";

/// How to write.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    /// Colours.
    pub(super) colour: bool,
    /// The longest line; `None`: as long as it takes.
    pub(super) width: Option<usize>,
}

impl Style {
    /// Coloured and cut to the window on a terminal, plain elsewhere.
    pub(super) fn of_stdout() -> Style {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Style::default();
        }
        let size = rustix::termios::tcgetwinsize(&stdout).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width >= 40);
        Style { colour: Style::wanted(), width }
    }

    /// Whether the environment allows colours (<https://no-color.org>).
    pub(super) fn wanted() -> bool {
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }
}

#[derive(Clone, Copy)]
enum Colour {
    None,
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Colour::None => "",
            Colour::Dim => "\x1b[2m",
            Colour::Bold => "\x1b[1m",
            Colour::Red => "\x1b[1;31m",
            Colour::Green => "\x1b[32m",
            Colour::Yellow => "\x1b[33m",
        }
    }
}

/// Writes one event.
pub(super) fn write(record: &Record, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (what, colour) = what(record);
    let mut first = Cells::new(style);
    first.cell(&time(&record.ts), INDENT.len() - 2, Colour::Dim);
    first.cell(&what, WHAT, colour);
    first.cell(&place(record), WHERE, Colour::None);
    first.cell(&who(record), 0, Colour::None);
    first.finish(out)?;

    // "CREATE TABLE blocked: " has been said already.
    let why = record.reason.as_deref().unwrap_or_default();
    let why = why.split_once(" blocked: ").map_or(why, |(_, why)| why);
    let ticket = record.ticket.as_deref().filter(|ticket| !ticket.is_empty());
    let mut second = Cells::new(style);
    second.text(INDENT, Colour::None);
    let statement = record.statement.as_deref().map(one_line).unwrap_or_default();
    let statement = if statement.is_empty() {
        record.command_tag.as_deref().map(one_line).unwrap_or_default()
    } else if record.truncated == Some(true) {
        format!("{statement} …")
    } else {
        statement
    };
    if let Some(rule) = &record.rule {
        second.text(&format!("{}  ", one_line(rule)), Colour::Bold);
    }
    if let Some(ticket) = ticket {
        second.text(&format!("[{}] ", one_line(ticket)), Colour::Yellow);
    }
    // The statement leaves room for why, which is short and comes from us.
    let why = one_line(why);
    let kept = second.room().map(|room| room.saturating_sub(why.chars().count() + 4));
    second.text(&cut(&statement, kept.map(|kept| kept.max(24))), Colour::None);
    if !why.is_empty() {
        let dash = if statement.is_empty() { "" } else { " -- " };
        second.text(&format!("{dash}{why}"), Colour::Dim);
    }
    if second.used > INDENT.len() { second.finish(out) } else { Ok(()) }
}

/// The event in words, and how alarming it is.
fn what(record: &Record) -> (String, Colour) {
    let (what, colour) = match (record.event.as_str(), record.outcome.as_deref()) {
        ("statement_blocked", _) => ("blocked", Colour::Red),
        ("confirmation_set", _) if record.confirmed == Some(false) => ("withdrawn", Colour::Green),
        ("confirmation_set", _) => ("confirmation", Colour::Yellow),
        ("ddl_confirmed", _) => ("ddl sent", Colour::Yellow),
        ("ddl_outcome", Some("committed")) => ("ddl committed", Colour::Green),
        ("ddl_outcome", Some("rolled_back")) => ("ddl rolled back", Colour::Yellow),
        ("ddl_outcome", Some("failed")) => ("ddl failed", Colour::Red),
        ("ddl_outcome", _) => ("ddl unknown", Colour::Red),
        ("session_refused", _) => ("session refused", Colour::Red),
        ("upstream_refused", _) => ("upstream refused", Colour::Red),
        ("config_loaded", _) => ("config loaded", Colour::Green),
        ("config_refused", _) => ("config refused", Colour::Red),
        ("drift", _) => ("drift", Colour::Yellow),
        (other, _) => return (one_line(other), Colour::Bold),
    };
    (what.to_owned(), colour)
}

/// `2026-01-21 03:04:05Z` of a time as the log writes it.
fn time(ts: &str) -> String {
    match ts.split_once('T') {
        Some((date, time)) => format!("{date} {}Z", time.get(..8).unwrap_or(time)),
        None => one_line(ts),
    }
}

/// Where: the upstream and its role, else the entry that was asked for.
fn place(record: &Record) -> String {
    let place = match (&record.upstream, &record.role, &record.database) {
        (Some(upstream), Some(role), _) => format!("{upstream} ({role})"),
        (Some(upstream), None, _) => upstream.clone(),
        (None, _, Some(database)) => format!("entry {database}"),
        (None, _, None) => "-".to_owned(),
    };
    match &record.task {
        Some(task) => format!("{place} {task}"),
        None => place,
    }
}

/// Who: `deploy@10.0.0.7:51234 alembic`.
fn who(record: &Record) -> String {
    let mut who = record.user.clone().unwrap_or_default();
    if let Some(client) = &record.client {
        who.push('@');
        who.push_str(client);
    }
    if let Some(name) = record.application_name.as_deref().filter(|name| !name.is_empty()) {
        who.push(' ');
        who.push_str(name);
    }
    who
}

/// One line that a terminal shows as text and nothing else: runs of white space become one blank,
/// what a terminal would act on is spelled out.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_ascii_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            if must_escape(character) {
                line.extend(character.escape_unicode());
            } else {
                line.push(character);
            }
        }
    }
    line
}

/// The text, or its beginning and `…` where it is longer than that.
pub(super) fn cut(text: &str, most: Option<usize>) -> String {
    match most {
        Some(0) => String::new(),
        Some(most) if text.chars().count() > most => {
            text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
        }
        _ => text.to_owned(),
    }
}

/// One line under way, cut to the width.
struct Cells<'a> {
    style: &'a Style,
    line: String,
    used: usize,
}

impl<'a> Cells<'a> {
    fn new(style: &'a Style) -> Cells<'a> {
        Cells { style, line: String::new(), used: 0 }
    }

    /// What is left of the width.
    fn room(&self) -> Option<usize> {
        self.style.width.map(|width| width.saturating_sub(self.used))
    }

    /// Text padded to a column, and two blanks.
    fn cell(&mut self, text: &str, width: usize, colour: Colour) {
        let text = one_line(text);
        let padding = width.saturating_sub(text.chars().count());
        self.text(&text, colour);
        let blanks = if width == 0 { 0 } else { padding + 2 };
        self.text(&" ".repeat(blanks), Colour::None);
    }

    fn text(&mut self, text: &str, colour: Colour) {
        let text = cut(text, self.room());
        self.used += text.chars().count();
        let code = if self.style.colour { colour.code() } else { "" };
        self.line.push_str(code);
        self.line.push_str(&text);
        if !code.is_empty() {
            self.line.push_str("\x1b[0m");
        }
    }

    fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            ts: "2026-01-21T03:04:05.123456Z".into(),
            event: "statement_blocked".into(),
            rule: Some("prod.ddl_unconfirmed".into()),
            upstream: Some("neon-prod".into()),
            role: Some("prod".into()),
            user: Some("deploy".into()),
            client: Some("10.0.0.7:51234".into()),
            application_name: Some("alembic".into()),
            statement: Some("CREATE TABLE runs (\n  id bigint\n)".into()),
            reason: Some("CREATE TABLE blocked: the session has not confirmed".into()),
            ..Record::default()
        }
    }

    fn shown(record: &Record, style: Style) -> String {
        let mut out = Vec::new();
        write(record, &style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn two_lines_tell_when_what_where_who_and_why() {
        assert_eq!(
            shown(&record(), Style::default()),
            "2026-01-21 03:04:05Z  blocked           neon-prod (prod)        \
             deploy@10.0.0.7:51234 alembic\n\
             \u{20}                     prod.ddl_unconfirmed  CREATE TABLE runs ( id bigint ) \
             -- the session has not confirmed\n"
        );
    }

    #[test]
    fn fits_the_window_and_keeps_why() {
        let mut record = record();
        record.statement = Some("SELECT ".repeat(500));
        let shown = shown(&record, Style { colour: false, width: Some(110) });
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().all(|line| line.chars().count() <= 110), "{shown}");
        assert!(shown.contains("… -- the session has not confirmed"), "{shown}");
    }

    #[test]
    fn nothing_in_an_event_reaches_the_terminal_but_text() {
        let mut record = record();
        record.user = Some("eve\x1b]0;owned\x07\u{9b}31m\u{202e}".into());
        record.statement = Some("SELECT '\x1b[2J'".into());
        let shown = shown(&record, Style::default());
        assert!(shown.chars().all(|c| c == '\n' || !must_escape(c)), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J"), "{shown}");
    }

    #[test]
    fn colours_only_where_wanted() {
        let coloured = shown(&record(), Style { colour: true, width: None });
        assert!(coloured.contains("\x1b[1;31mblocked\x1b[0m"), "{coloured:?}");
    }

    #[test]
    fn an_event_of_a_later_version_is_shown_as_it_is() {
        let record = Record { event: "new_kind".into(), ..Record::default() };
        assert!(shown(&record, Style::default()).contains("new_kind"));
    }
}
