//! A run for people, as JSON, and as annotations of GitHub Actions. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::command::Outcome;
use super::judge::Failure;
use super::model::{PathRun, Report, StepRun};
use crate::governance::catalog_diff::render;
use crate::governance::github::annotation;

/// How much of a failed command's output people get to see, in lines.
const LINES: usize = 30;

/// For people: paths with their steps and failures, outputs of what failed, differences, verdict.
pub fn table(report: &Report) -> String {
    let mut text = format!("two-path check on {}\n", report.place);
    for (run, failures) in &report.paths {
        let _ = writeln!(text, "\npath {}  {}", run.path.letter(), run.path.title());
        for step in &run.steps {
            let seconds = step.ran.took.as_secs_f64();
            let mark = mark(step);
            let _ =
                writeln!(text, "  {mark:<9} {:<9} {seconds:>6.1}s  {}", step.step, step.command);
        }
        for failure in failures {
            failed(&mut text, failure);
        }
        if failures.is_empty() {
            text.push_str("  passed\n");
        }
        for step in run.steps.iter().filter(|step| step.ran.outcome != Outcome::Succeeded) {
            output(&mut text, step);
        }
        // what reported success and is doubted all the same
        if let (Some(last), false) = (run.steps.last(), failures.is_empty())
            && last.ran.outcome == Outcome::Succeeded
        {
            output(&mut text, last);
        }
    }
    differences(&mut text, report);
    for note in &report.notes {
        let _ = writeln!(text, "\nnote: {note}");
    }
    let _ = writeln!(text, "\n{}", verdict(report));
    text
}

fn verdict(report: &Report) -> &'static str {
    if report.passed() { "passed" } else { "failed" }
}

fn mark(step: &StepRun) -> &'static str {
    match step.ran.outcome {
        Outcome::Succeeded => "ok",
        Outcome::Failed(_) => "FAILED",
        Outcome::TimedOut => "TIMED OUT",
    }
}

fn failed(text: &mut String, failure: &Failure) {
    let _ = writeln!(text, "  {}: {}", failure.kind.as_str(), line(&failure.message));
    if let Some(revision) = &failure.revision {
        let _ = writeln!(text, "    in migration {}", line(revision));
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(text, "    hint: {hint}");
    }
}

fn output(text: &mut String, step: &StepRun) {
    let lines: Vec<&str> = step.ran.output.lines().collect();
    if lines.is_empty() {
        return;
    }
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let _ = match shown.len() == lines.len() {
        true => writeln!(text, "  output of {}:", step.step),
        false => writeln!(text, "  output of {}, its last {LINES} lines:", step.step),
    };
    for one in shown {
        let _ = writeln!(text, "    | {}", line(one));
    }
}

fn differences(text: &mut String, report: &Report) {
    let Some((comparison, unused)) = &report.comparison else { return };
    let all = comparison.differences.len();
    let known = comparison.differences.iter().filter(|found| found.known.is_some()).count();
    let notes = all - known - comparison.counting().count();
    let counts = match all {
        0 => "no difference".to_owned(),
        1 => format!("1 difference ({known} known, {notes} of names or order alone)"),
        _ => format!("{all} differences ({known} known, {notes} of names or order alone)"),
    };
    let _ = writeln!(text, "\nA and B side by side: {counts}");
    text.push_str(&render::table(comparison));
    for (object, kind) in unused {
        let _ = writeln!(text, "? {object}  known as {kind}, and there is no such difference");
    }
    if let Some(failure) = &report.differing {
        failed(text, failure);
    }
}

/// Fit for one line of a terminal.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// One object; its keys do not change within a major version.
pub fn json(report: &Report) -> Value {
    let comparison = report.comparison.as_ref();
    json!({
        "verdict": verdict(report),
        "place": report.place,
        "paths": report.paths.iter().map(|(run, failures)| path(run, failures)).collect::<Vec<_>>(),
        "comparison": comparison.map(|(found, unused)| render::object(found, unused)),
        "differing": report.differing.as_ref().map(failure),
        "notes": report.notes,
    })
}

fn path(run: &PathRun, failures: &[Failure]) -> Value {
    json!({
        "path": run.path.letter(),
        "title": run.path.title(),
        "verdict": if failures.is_empty() { "passed" } else { "failed" },
        "steps": run.steps.iter().map(step).collect::<Vec<_>>(),
        "failures": failures.iter().map(failure).collect::<Vec<_>>(),
    })
}

fn step(step: &StepRun) -> Value {
    let outcome = match &step.ran.outcome {
        Outcome::Succeeded => "succeeded".to_owned(),
        Outcome::Failed(how) => how.clone(),
        Outcome::TimedOut => "timed out".to_owned(),
    };
    let failed = step.ran.outcome != Outcome::Succeeded;
    json!({
        "step": step.step.as_str(),
        "command": step.command,
        "outcome": outcome,
        "seconds": (step.ran.took.as_secs_f64() * 1000.0).round() / 1000.0,
        "sessions": step.sessions,
        "versions": step.versions,
        "errors": step.errors.iter().map(|error| json!({
            "sqlstate": error.sqlstate, "message": error.message, "statement": error.statement,
        })).collect::<Vec<_>>(),
        "output": failed.then_some(&step.ran.output),
    })
}

fn failure(failure: &Failure) -> Value {
    json!({
        "kind": failure.kind.as_str(),
        "message": failure.message,
        "objects": failure.objects,
        "revision": failure.revision,
        "hint": failure.hint,
    })
}

/// `::error` and `::warning` lines, and what people get behind them, as the log of a job shows it.
pub fn github(report: &Report) -> String {
    let mut text = String::new();
    for (run, failures) in &report.paths {
        for failure in failures {
            let title = format!("two-path {}: {}", run.path.letter(), failure.kind.as_str());
            annotate(&mut text, "error", &title, &said(failure));
        }
    }
    if let Some((comparison, unused)) = &report.comparison {
        let level = if report.differing.is_some() { "error" } else { "warning" };
        for found in comparison.counting() {
            let kind = found.change.kind(&comparison.left, &comparison.right);
            annotate(&mut text, level, &format!("two-path: {kind}"), &found.key.to_string());
        }
        for (object, kind) in unused {
            let message = format!("{object} is known as {kind}, and there is no such difference");
            annotate(&mut text, "warning", "two-path: known", &message);
        }
    }
    for note in &report.notes {
        annotate(&mut text, "notice", "two-path", note);
    }
    text + &table(report)
}

fn said(failure: &Failure) -> String {
    let revision = failure.revision.as_ref().map(|id| format!(" (in migration {id})"));
    let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
    format!("{}{}{}", failure.message, revision.unwrap_or_default(), hint.unwrap_or_default())
}

fn annotate(text: &mut String, level: &str, title: &str, message: &str) {
    text.push_str(&annotation(level, None, title, message));
}
