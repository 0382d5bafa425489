//! `pgauthority drift`: where the declared authority and the world have come apart.

mod html;
mod report;
mod sarif;
mod trend;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};

use super::progress;
use crate::config::{self, Config};
use crate::governance::drift::history::{FILE, History, RULES, Run, Scope};
use crate::governance::drift::project::{self, Looking};
use crate::governance::drift::scan::{self, Options, Scanned};
use crate::governance::drift::{Cache, Finding, Rule, Upstreams, store};

/// Arguments of `pgauthority drift`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority drift --no-history
  pgauthority drift backend scripts .github --config pgauthority.toml
  pgauthority drift --config pgauthority.toml --connect --format sarif --output drift.sarif
  pgauthority drift --trend
  pgauthority drift --trend --format html --output drift.html

Exit codes: 0 no drift, 1 drift, 2 error (something could not be read, a corrupt history),
3 regression: more findings than the best run on record, 78 invalid configuration.")]
pub struct DriftArgs {
    /// Files and folders to look through
    #[arg(value_name = "PATHS", default_value = ".")]
    paths: Vec<PathBuf>,
    /// A configuration whose upstreams nothing else may name
    #[arg(long, value_name = "FILE", env = "PGAUTHORITY_CONFIG")]
    config: Option<PathBuf>,
    /// Also connect to its upstreams: facts against declarations and seals, staging against prod
    #[arg(long, requires = "config")]
    connect: bool,
    /// Look through what .gitignore and .ignore leave out, too
    #[arg(long)]
    ignored: bool,
    /// Look for these rules only
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    only: Vec<Rule>,
    /// Do not look for these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule)]
    without: Vec<Rule>,
    /// Every rule with what it finds, and nothing else
    #[arg(long)]
    rules: bool,
    /// Draw the history of earlier runs instead of looking
    #[arg(long, conflicts_with = "rules")]
    trend: bool,
    /// The history that the run is added to and judged by
    #[arg(long, value_name = "FILE", default_value = FILE, conflicts_with = "no_history")]
    history: PathBuf,
    /// Neither read nor write a history: no regression is told
    #[arg(long)]
    no_history: bool,
    /// Read every file again
    #[arg(long)]
    no_cache: bool,
    /// Write one event into the configuration's audit log for each finding
    #[arg(long, requires = "config")]
    audit: bool,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
    /// A row a finding, or a run and rule with --trend
    Csv,
    /// SARIF 2.1.0, for code review
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// One page with a plot of the history
    Html,
}

fn rule(id: &str) -> Result<Rule, String> {
    Rule::from_id(id)
        .ok_or_else(|| "no such rule (pgauthority drift --rules lists them)".to_owned())
}

/// A run, done.
struct Outcome {
    run: Run,
    findings: Vec<Finding>,
    history: Option<History>,
    unreadable: Vec<String>,
    too_long: u64,
    /// Upstreams that `--connect` had no user for.
    not_looked_at: Vec<String>,
}

impl Outcome {
    /// The best run before this one.
    fn best(&self) -> Option<&Run> {
        self.history.as_ref().and_then(|history| history.best(&self.run.scope))
    }

    fn is_regression(&self) -> bool {
        self.best().is_some_and(|best| self.run.total > best.total)
    }

    fn exit_code(&self) -> u8 {
        if !self.unreadable.is_empty() {
            2
        } else if self.is_regression() {
            3
        } else {
            u8::from(!self.findings.is_empty())
        }
    }
}

/// Looks, writes the report, gives the exit code.
pub fn run(args: &DriftArgs) -> ExitCode {
    match carried_out(args) {
        Ok(code) => ExitCode::from(code),
        Err((code, message)) => {
            let _ = writeln!(io::stderr(), "pgauthority drift: {message}");
            ExitCode::from(code)
        }
    }
}

type Failure = (u8, String);

fn carried_out(args: &DriftArgs) -> Result<u8, Failure> {
    if args.rules {
        return write(&report::rules(args.format == Format::Json), args).map(|()| 0);
    }
    let scope = scope(args);
    if args.trend {
        let history = store::read(&args.history).map_err(|why| (2, why))?;
        return write(&trend::draw(&history, &scope, args)?, args).map(|()| 0);
    }
    // a history that cannot be added to is told before anything is done
    if !args.no_history {
        store::read(&args.history).map_err(|why| (2, why))?;
    }
    let config = args.config.as_deref().map(load).transpose()?;
    let outcome = look(args, scope, config.as_ref())?;
    if let Some(config) = config.as_ref().filter(|_| args.audit) {
        world::record(config, &outcome.findings)?;
    }
    write(&report(args, &outcome), args)?;
    for name in &outcome.not_looked_at {
        let _ = writeln!(
            io::stderr(),
            "pgauthority drift: note: upstream \"{name}\" was not looked at: its url names no user \
             (url = \"postgresql://USER@HOST/DATABASE\", the password in ~/.pgpass)"
        );
    }
    if outcome.run.files == 0 {
        let paths: Vec<_> = args.paths.iter().map(|path| path.to_string_lossy()).collect();
        let _ = writeln!(
            io::stderr(),
            "pgauthority drift: note: no file of a kind that is read is in {}",
            paths.join(", ")
        );
    }
    for why in &outcome.unreadable {
        let _ = writeln!(io::stderr(), "pgauthority drift: cannot read {why}");
    }
    Ok(outcome.exit_code())
}

fn load(path: &Path) -> Result<Config, Failure> {
    config::load(path).map_err(|faults| {
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        (faults.exit_code(), faults.paint(colour).to_string())
    })
}

/// What this run looks at, as the history says it.
fn scope(args: &DriftArgs) -> Scope {
    let here = std::env::current_dir().unwrap_or_default();
    let folder = args.history.parent().filter(|folder| !folder.as_os_str().is_empty());
    let base = folder.map_or_else(|| here.clone(), |folder| here.join(folder));
    let base = std::fs::canonicalize(&base).unwrap_or(base);
    let paths = args.paths.iter().map(|path| {
        let whole = std::fs::canonicalize(path).unwrap_or_else(|_| here.join(path));
        scan::shown(&whole, &base)
    });
    let mut rules = RULES.to_string();
    let (only, without) = chosen(args);
    rules.extend(only.iter().map(|rule| format!(" +{rule}")));
    rules.extend(without.iter().map(|rule| format!(" -{rule}")));
    if args.ignored {
        rules.push_str(" ignored");
    }
    Scope {
        paths: paths.collect::<BTreeSet<_>>().into_iter().collect(),
        config: args.config.is_some(),
        connect: args.connect,
        rules,
    }
}

fn chosen(args: &DriftArgs) -> (BTreeSet<Rule>, BTreeSet<Rule>) {
    (args.only.iter().copied().collect(), args.without.iter().copied().collect())
}

fn look(args: &DriftArgs, scope: Scope, config: Option<&Config>) -> Result<Outcome, Failure> {
    let (only, without) = chosen(args);
    let looking =
        Looking { upstreams: config.map(Upstreams::of), connects: args.connect, only, without };
    let cache = if args.no_cache { None } else { Cache::path(&args.paths, args.ignored) };
    let options = Options { paths: args.paths.clone(), ignored: args.ignored, cache };
    let line = |progress: &scan::Progress| {
        let seen = progress.seen.load(Ordering::Relaxed);
        let parsed = progress.parsed.load(Ordering::Relaxed);
        format!("{seen} files, {parsed} of them read")
    };
    let mut scanned = progress::shown_as(&scan::Progress::default(), line, |progress| {
        scan::scan(&options, progress)
    })
    .map_err(|why| (2, why))?;
    let elsewhere = match (args.config.as_deref(), config) {
        (Some(path), Some(config)) => world::findings(path, config, args.connect, &mut scanned)?,
        _ => Vec::new(),
    };
    let judged = project::judge(&scanned.files, &scanned.paths, &scan::one, &looking, elsewhere);
    let Scanned { count, unreadable, too_long, .. } = scanned;
    let mut findings = BTreeMap::new();
    for finding in &judged.findings {
        *findings.entry(finding.rule.id().to_owned()).or_insert(0) += 1;
    }
    let run = Run {
        id: uuid::Uuid::now_v7().to_string(),
        at: now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope,
        commit: store::commit(Path::new(".")),
        files: count,
        total: judged.findings.len() as u64,
        allowed: judged.allowed as u64,
        findings,
    };
    // a run that saw less than all would be the best on record for that
    let history = match (args.no_history, unreadable.is_empty()) {
        (true, _) => None,
        (false, true) => Some(store::add(&args.history, run.clone()).map_err(|why| (2, why))?),
        (false, false) => Some(store::read(&args.history).map_err(|why| (2, why))?),
    };
    let unnamed = config.filter(|_| args.connect).into_iter().flat_map(|config| {
        config.upstreams.values().filter(|upstream| upstream.endpoint.user.is_none())
    });
    let not_looked_at = unnamed.map(|upstream| upstream.name.clone()).collect();
    let findings = judged.findings;
    Ok(Outcome { run, findings, history, unreadable, too_long, not_looked_at })
}

/// This moment in UTC, to the second.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn report(args: &DriftArgs, outcome: &Outcome) -> String {
    match args.format {
        Format::Table => report::table(outcome, colours(args)),
        Format::Json => report::json(outcome),
        Format::Csv => report::csv(outcome),
        Format::Sarif => sarif::log(outcome),
        Format::Github => report::github(outcome),
        Format::Html => html::page(outcome.history.as_ref(), &outcome.run.scope, Some(outcome)),
    }
}

fn colours(args: &DriftArgs) -> bool {
    args.output.is_none()
        && io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn write(text: &str, args: &DriftArgs) -> Result<(), Failure> {
    let written = match &args.output {
        Some(path) => File::create(path).and_then(|mut file| file.write_all(text.as_bytes())),
        None => io::stdout().write_all(text.as_bytes()),
    };
    written.map_err(|error| {
        let place =
            args.output.as_ref().map_or("standard output".into(), |path| path.to_string_lossy());
        (2, format!("cannot write {place}: {error}"))
    })
}
