//! `pgauthority audit`: the audit log for people.

mod follow;
mod record;
mod render;
mod top;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use follow::Lines;
use record::{Filter, Record};
use render::Style;

/// How many events `tail` shows where nothing bounds it.
const DEFAULT_COUNT: usize = 20;

/// How many broken lines are mentioned one by one.
const MENTIONED: u64 = 5;

/// Arguments of `pgauthority audit`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority audit tail -f
  pgauthority audit tail --since 1h --rule 'prod.*' --upstream neon-prod
  pgauthority audit top --since 1d --event statement_blocked
  zcat /var/log/pgauthority/audit.jsonl.2.gz | pgauthority audit tail -

Exit codes: 0, and 2 for a log that cannot be read.")]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the latest events, and with --follow those to come
    #[command(after_long_help = "\
Examples:
  pgauthority audit tail -f
  pgauthority audit tail --since 1h --rule 'prod.*' --upstream neon-prod
  pgauthority audit tail --format json --since 1d --output events.jsonl")]
    Tail {
        /// Keep on showing events as they are written, through rotations
        #[arg(short, long)]
        follow: bool,
        /// Show this many of the latest events [default: 20, or all with --since]
        #[arg(short = 'n', long, value_name = "COUNT")]
        lines: Option<usize>,
        #[command(flatten)]
        common: Common,
    },
    /// Group events by statement: how often, when last, by which rule
    #[command(after_long_help = "\
Examples:
  pgauthority audit top
  pgauthority audit top --since 1d --event statement_blocked --format json")]
    Top {
        /// Show this many groups
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
        lines: usize,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args, Debug)]
struct Common {
    /// Logs to read, oldest first; `-` is standard input [default: the configuration's]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration whose [audit] path is read
    #[arg(long, value_name = "FILE", env = "PGAUTHORITY_CONFIG", default_value = crate::config::DEFAULT_PATH)]
    config: PathBuf,
    #[command(flatten)]
    filter: Filter,
    /// How to write the events: for people, or as they are in the log
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write them to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object a line
    Json,
}

/// Runs the command.
pub fn run(args: &AuditArgs) -> ExitCode {
    let (Command::Tail { common, .. } | Command::Top { common, .. }) = &args.command;
    let done = match &common.output {
        None => execute(args, Style::of_stdout(), &mut io::stdout().lock()),
        Some(path) => File::create(path)
            .map_err(|error| Fault::Told(format!("cannot write {}: {error}", path.display())))
            .and_then(|mut file| execute(args, Style::default(), &mut file)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // `| head` has read enough.
        Err(Fault::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("pgauthority audit: {fault}");
            ExitCode::from(2)
        }
    }
}

fn execute(args: &AuditArgs, style: Style, out: &mut dyn Write) -> Result<(), Fault> {
    match &args.command {
        Command::Tail { follow, lines, common } => tail(common, *follow, *lines, style, out),
        Command::Top { lines, common } => {
            let mut groups = top::Groups::default();
            read(common, |record| groups.add(record))?;
            Ok(groups.write(*lines, common.format, out)?)
        }
    }
}

/// Why the log cannot be shown.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Told(String),
}

fn tail(
    common: &Common,
    follow: bool,
    lines: Option<usize>,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let files = files(common)?;
    if follow && files.len() > 1 {
        return Err(Fault::Told("--follow takes one log; name only the newest".into()));
    }
    let show = |out: &mut dyn Write, record: &Record, line: &[u8]| -> io::Result<()> {
        match common.format {
            Format::Json => {
                out.write_all(line)?;
                out.write_all(b"\n")
            }
            Format::Table => render::write(record, &style, out),
        }
    };
    let mut notes = Notes::default();
    // What comes through a pipe is shown as it comes: its end may be far away.
    if let Some(only) = files.first().filter(|file| follow && is_stdin(file)) {
        return each_line(only, &mut notes, |record, line| {
            if common.filter.passes(record) {
                show(out, record, line)?;
                out.flush()?;
            }
            Ok(())
        })
        .map(drop);
    }
    let most = lines.unwrap_or(if common.filter.is_bounded() { usize::MAX } else { DEFAULT_COUNT });
    let mut latest: VecDeque<(Record, Vec<u8>)> = VecDeque::new();
    let mut last = None;
    for file in &files {
        last = each_line(file, &mut notes, |record, line| {
            if most > 0 && common.filter.passes(record) {
                if latest.len() >= most {
                    latest.pop_front();
                }
                latest.push_back((record.clone(), line.to_vec()));
            }
            Ok(())
        })?;
    }
    for (record, line) in latest.drain(..) {
        show(out, &record, &line)?;
    }
    out.flush()?;
    let (true, Some(mut lines)) = (follow, last) else {
        notes.finish();
        return Ok(());
    };
    loop {
        let line = lines.wait(&mut |note| notes.say(note))?;
        match Record::read(&line) {
            Some(record) if common.filter.passes(&record) => {
                show(out, &record, record.own_line(&line))?;
                out.flush()?;
            }
            Some(_) => {}
            None => notes.broken(lines.place(), &line),
        }
    }
}

/// Gives every event of the logs that passes the filter.
fn read(common: &Common, mut each: impl FnMut(&Record)) -> Result<(), Fault> {
    let mut notes = Notes::default();
    for file in files(common)? {
        each_line(&file, &mut notes, |record, _| {
            if common.filter.passes(record) {
                each(record);
            }
            Ok(())
        })?;
    }
    notes.finish();
    Ok(())
}

/// Gives every event that the log holds now; what is left open can be followed.
fn each_line(
    file: &Path,
    notes: &mut Notes,
    mut each: impl FnMut(&Record, &[u8]) -> io::Result<()>,
) -> Result<Option<Lines>, Fault> {
    if is_stdin(file) {
        for (number, line) in io::stdin().lock().split(b'\n').enumerate() {
            let line = line?;
            match Record::read(&line) {
                Some(record) => each(&record, record.own_line(&line))?,
                None => notes.broken(format!("line {} of standard input", number + 1), &line),
            }
        }
        return Ok(None);
    }
    let mut lines = Lines::open(file)
        .map_err(|error| Fault::Told(format!("audit log \"{}\": {error}", file.display())))?;
    while let Some(line) = lines.next()? {
        match Record::read(&line) {
            Some(record) => each(&record, record.own_line(&line))?,
            None => notes.broken(lines.place(), &line),
        }
    }
    Ok(Some(lines))
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// The logs named, else the configuration's.
///
/// Only `[audit] path` is read, not the configuration as a whole: whoever may read the log need
/// not be allowed to read the keys and passwords that a whole configuration leads to.
fn files(common: &Common) -> Result<Vec<PathBuf>, Fault> {
    if !common.files.is_empty() {
        return Ok(common.files.clone());
    }
    let config = common.config.display();
    let told = |what: &str| {
        Fault::Told(format!(
            "{what}\nhint: name the log: pgauthority audit tail /var/log/pgauthority/audit.jsonl"
        ))
    };
    let text = std::fs::read_to_string(&common.config)
        .map_err(|error| told(&format!("configuration \"{config}\": {error}")))?;
    let table: toml::Table =
        text.parse().map_err(|error| told(&format!("configuration \"{config}\": {error}")))?;
    let path = table.get("audit").and_then(|audit| audit.get("path")).and_then(toml::Value::as_str);
    match path {
        None | Some("stdout") => Err(Fault::Told(
            "the audit log goes to standard output\n\
             hint: journalctl -u pgauthority -o cat | pgauthority audit tail -"
                .into(),
        )),
        Some(path) if path.contains("${") => {
            Err(told(&format!("[audit] path \"{path}\" depends on the proxy's environment")))
        }
        // A relative path is relative to the configuration, as every path in it.
        Some(path) => Ok(vec![match common.config.parent() {
            Some(folder) => folder.join(path),
            None => path.into(),
        }]),
    }
}

/// What is said about the log itself, on standard error.
#[derive(Debug, Default)]
struct Notes {
    broken: u64,
}

impl Notes {
    /// A line that is no event. Blank lines, and lines that never tried to be JSON (the journal
    /// holds others too), are not worth a word.
    fn broken(&mut self, place: String, line: &[u8]) {
        if line.first() != Some(&b'{') {
            return;
        }
        self.broken += 1;
        if self.broken <= MENTIONED {
            self.say(&format!("{place} is not a whole event; skipped"));
        }
    }

    fn say(&self, note: &str) {
        let dim = io::stderr().is_terminal() && Style::wanted();
        let (on, off) = if dim { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        // Nobody to tell is no reason to stop.
        let _ = writeln!(io::stderr(), "{on}pgauthority audit: {note}{off}");
    }

    fn finish(&self) {
        if self.broken > MENTIONED {
            self.say(&format!("{} broken lines skipped in all", self.broken));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: AuditArgs,
    }

    fn event(second: usize, user: &str) -> String {
        format!(
            "{{\"ts\":\"2026-01-21T03:04:{second:02}.000000Z\",\"id\":\"i{second}\",\
             \"event\":\"statement_blocked\",\"user\":\"{user}\",\
             \"statement\":\"DROP TABLE t\",\"fingerprint\":\"f\"}}\n"
        )
    }

    fn output(arguments: &[&str]) -> Result<String, Fault> {
        let cli = Cli::try_parse_from(["audit"].iter().chain(arguments)).unwrap();
        let mut out = Vec::new();
        execute(&cli.args, Style::default(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shows_the_latest_events_and_skips_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut text: String = (0..30).map(|second| event(second, "deploy")).collect();
        text.push_str("{\"ts\":\"2026\n");
        text.push_str(&event(30, "eve"));
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let latest = output(&["tail", path, "--format", "json"]).unwrap();
        assert_eq!(latest.lines().count(), DEFAULT_COUNT);
        assert_eq!(latest.lines().last(), Some(event(30, "eve").trim_end()));
        let one = output(&["tail", path, "--user", "eve"]).unwrap();
        assert_eq!(one.lines().count(), 2, "{one}");
        assert!(output(&["tail", path, "-n", "3", "--id", "i7"]).unwrap().contains("03:04:07Z"));
        let since = output(&["tail", path, "--since", "2026-01-21 03:04:05", "--format", "json"]);
        assert_eq!(since.unwrap().lines().count(), 26);
        let top = output(&["top", path]).unwrap();
        assert!(top.contains("31") && top.contains("DROP TABLE t"), "{top}");
    }

    #[test]
    fn finds_the_log_through_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("audit.jsonl"), event(1, "deploy")).unwrap();
        let config = folder.path().join("pgauthority.toml");
        let config = config.to_str().unwrap();
        std::fs::write(config, "[audit]\npath = \"audit.jsonl\"\n[broken]\n").unwrap();
        assert!(output(&["tail", "--config", config]).unwrap().contains("deploy"));
        std::fs::write(config, "[audit]\npath = \"stdout\"\n").unwrap();
        let told = output(&["tail", "--config", config]).unwrap_err().to_string();
        assert!(told.contains("journalctl"), "{told}");
        std::fs::write(config, "").unwrap();
        assert!(output(&["tail", "--config", config]).is_err());
        std::fs::write(config, "[audit]\npath = \"${LOGS}/audit.jsonl\"\n").unwrap();
        let told = output(&["tail", "--config", config]).unwrap_err().to_string();
        assert!(told.contains("hint: name the log"), "{told}");
    }
}
