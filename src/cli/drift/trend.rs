//! The history drawn: in the terminal, as CSV and JSON; as a page by `html`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use super::{DriftArgs, Failure, Format, html, report};
use crate::governance::drift::history::{History, Run, Scope};

/// The most runs that one line of the terminal draws.
const WIDEST: usize = 48;

/// Draws the runs of a scope.
pub(super) fn draw(history: &History, scope: &Scope, args: &DriftArgs) -> Result<String, Failure> {
    let runs = history.of(scope);
    match args.format {
        Format::Table => Ok(terminal(history, scope, &runs)),
        Format::Csv => Ok(csv(&runs)),
        Format::Json => {
            let object = json!({ "scope": scope, "best": history.best(scope), "runs": runs });
            Ok(format!("{object:#}\n"))
        }
        Format::Html => Ok(html::page(Some(history), scope, None)),
        Format::Sarif | Format::Github => {
            Err((2, "--trend has the formats table, json, csv and html".to_owned()))
        }
    }
}

/// The rules that any of these runs found, and the total first.
pub(super) fn series(runs: &[&Run]) -> Vec<(String, Vec<u64>)> {
    let rules: BTreeSet<&String> = runs.iter().flat_map(|run| run.findings.keys()).collect();
    let of = |rule: &String| -> Vec<u64> {
        runs.iter().map(|run| run.findings.get(rule).copied().unwrap_or(0)).collect()
    };
    let mut series = vec![("total".to_owned(), runs.iter().map(|run| run.total).collect())];
    series.extend(rules.into_iter().map(|rule| (rule.clone(), of(rule))));
    series
}

/// What a scope is, for people.
pub(super) fn words(scope: &Scope) -> String {
    let mut text = scope.paths.join(" ");
    if scope.config {
        text.push_str(" --config");
    }
    if scope.connect {
        text.push_str(" --connect");
    }
    if let Some((_, more)) = scope.rules.split_once(' ') {
        let _ = write!(text, " ({more})");
    }
    text
}

fn terminal(history: &History, scope: &Scope, runs: &[&Run]) -> String {
    let mut text = String::new();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        let _ = writeln!(text, "no run of \"{}\" is on record", words(scope));
        let others: BTreeSet<&Scope> = history.runs().map(|run| &run.scope).collect();
        for other in others {
            let _ = writeln!(text, "  {} runs of: {}", history.of(other).len(), words(other));
        }
        return text;
    };
    let _ = writeln!(
        text,
        "{} runs of \"{}\", {} to {}\n",
        runs.len(),
        words(scope),
        first.at.get(..10).unwrap_or_default(),
        last.at.get(..10).unwrap_or_default()
    );
    let series = series(runs);
    let shown = match runs.len() > WIDEST {
        true => format!(" (of the last {WIDEST})"),
        false => String::new(),
    };
    let width = series.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let _ = writeln!(text, "{:width$}  first  best  last  trend{shown}", "");
    for (name, counts) in &series {
        let (first, last) = (counts.first().unwrap_or(&0), counts.last().unwrap_or(&0));
        let best = counts.iter().min().unwrap_or(&0);
        let line = sparkline(&counts[counts.len().saturating_sub(WIDEST)..]);
        let _ = writeln!(text, "{name:width$}  {first:>5}  {best:>4}  {last:>4}  {line}");
    }
    if let Some(best) = history.best(scope) {
        let verdict = if last.total > best.total { "REGRESSION since the" } else { "at the" };
        let day = best.at.get(..10).unwrap_or_default();
        let _ = writeln!(text, "\n{verdict} best run on record: {} ({day})", best.total);
    }
    text
}

/// One character a run, scaled to the row's own highest count; a run without any is a dot.
fn sparkline(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| match count {
        0 => '·',
        count => {
            let step = (count * 8).div_ceil(highest).clamp(1, 8) - 1;
            BARS.get(usize::try_from(step).unwrap_or(7)).copied().unwrap_or('█')
        }
    };
    counts.iter().map(bar).collect()
}

fn csv(runs: &[&Run]) -> String {
    let mut text = "id,at,commit,files,allowed,rule,findings\r\n".to_owned();
    let series = series(runs);
    for (index, run) in runs.iter().enumerate() {
        for (name, counts) in &series {
            let (files, allowed) = (run.files.to_string(), run.allowed.to_string());
            let count = counts.get(index).copied().unwrap_or(0).to_string();
            let commit = run.commit.as_deref().unwrap_or_default();
            text.push_str(&report::row(&[
                &run.id, &run.at, commit, &files, &allowed, name, &count,
            ]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_zero_and_its_highest() {
        assert_eq!(sparkline(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(sparkline(&[5, 5]), "██");
        assert_eq!(sparkline(&[0]), "·");
    }
}
