//! One self-contained page: the plot of the history (inline SVG), the runs, and the findings of
//! this run where there was one. No script, nothing from elsewhere.

use std::fmt::Write as _;

use super::Outcome;
use super::report::plain;
use super::trend::{series, words};
use crate::governance::drift::history::{History, Run, Scope};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 36.0;

/// Told apart by those who see no red or green (Okabe and Ito), then again dashed.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b"];

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b6570;--line:#d5dae0;--back:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--dim:#9aa4af;--line:#3a424c;--back:#14181d}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:900px;\
margin:2rem auto;padding:0 1rem}h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
p{margin:.3rem 0}.dim{color:var(--dim)}.bad{color:#c62828;font-weight:600}\
svg{width:100%;height:auto;margin-top:1rem}svg text{fill:var(--dim);font-size:12px}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;\
border-bottom:1px solid var(--line);vertical-align:top}td.n,th.n{text-align:right;\
font-variant-numeric:tabular-nums}code{font-size:.92em}\
.key{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:.5rem 0}.key svg{width:28px;height:10px;\
margin:0 .4rem 0 0;vertical-align:middle}";

/// The page.
pub(super) fn page(history: Option<&History>, scope: &Scope, outcome: Option<&Outcome>) -> String {
    let mut runs: Vec<&Run> = history.map(|history| history.of(scope)).unwrap_or_default();
    runs.extend(outcome.map(|outcome| &outcome.run));
    let best = history.and_then(|history| history.best(scope));
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Database authority drift\
         </title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Database authority drift</h1>\n\
         <p class=\"dim\">{}</p>\n",
        escaped(&place(scope))
    );
    match (runs.last(), best) {
        (None, _) => text.push_str("<p>No run is on record.</p>\n"),
        (Some(last), best) => {
            summary(&mut text, last, best);
            plot(&mut text, &runs, best);
        }
    }
    if let Some(outcome) = outcome {
        findings(&mut text, outcome);
    }
    if !runs.is_empty() {
        listed(&mut text, &runs);
    }
    text.push_str("</body>\n</html>\n");
    text
}

/// What was looked at, in words: a lone `.` would say nothing.
fn place(scope: &Scope) -> String {
    let words = words(scope);
    match words.strip_prefix('.') {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => {
            format!("the folder of the history{rest}")
        }
        _ => words,
    }
}

fn summary(text: &mut String, last: &Run, best: Option<&Run>) {
    let _ = write!(text, "<p><strong>{} findings</strong> in {} files", last.total, last.files);
    if last.allowed > 0 {
        let _ = write!(text, ", {} allowed by comments", last.allowed);
    }
    let _ = write!(text, " ({})", day(last));
    if let Some(best) = best {
        let more = last.total > best.total;
        let verdict = if more { " <span class=\"bad\">regression</span>" } else { "" };
        let _ = write!(text, "; best on record: {} ({}){verdict}", best.total, day(best));
    }
    text.push_str("</p>\n");
}

fn day(run: &Run) -> String {
    escaped(run.at.get(..10).unwrap_or(&run.at))
}

/// Counts by rule over the runs: a step each run, since nothing is known between two.
fn plot(text: &mut String, runs: &[&Run], best: Option<&Run>) {
    let series = series(runs);
    let highest = runs.iter().map(|run| run.total).max().unwrap_or(0).max(1);
    let (step, top) = scale(highest);
    let count = runs.len();
    #[expect(clippy::cast_precision_loss, reason = "a plot of a screen's width")]
    let x = |index: usize| {
        LEFT + (WIDTH - LEFT - RIGHT)
            * if count < 2 { 0.5 } else { index as f64 / (count - 1) as f64 }
    };
    #[expect(clippy::cast_precision_loss, reason = "a plot of a screen's height")]
    let y = |value: u64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value as f64 / top as f64;
    let _ = writeln!(
        text,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"findings by rule over time\">"
    );
    let mut line = 0;
    while line <= top {
        let at = y(line);
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"var(--line)\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{line}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
        line += step;
    }
    dates(text, runs, &x);
    if let Some(best) = best {
        let at = y(best.total);
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"var(--dim)\" \
             stroke-dasharray=\"2 4\"/><text x=\"{:.1}\" y=\"{:.1}\" fill=\"var(--dim)\">best</text>",
            WIDTH - RIGHT,
            LEFT + 4.0,
            at - 5.0
        );
    }
    // the total last, over the others
    for (index, (name, counts)) in series.iter().enumerate().rev() {
        curve(text, index, name, counts, runs, &x, &y);
    }
    text.push_str("</svg>\n<div class=\"key\">\n");
    for (index, (name, _)) in series.iter().enumerate() {
        let _ = writeln!(
            text,
            "<span><svg viewBox=\"0 0 28 10\"><line x1=\"0\" x2=\"28\" y1=\"5\" y2=\"5\" {}/></svg>{}\
             </span>",
            stroke(index),
            escaped(name)
        );
    }
    text.push_str("</div>\n");
}

fn curve(
    text: &mut String,
    index: usize,
    name: &str,
    counts: &[u64],
    runs: &[&Run],
    x: &dyn Fn(usize) -> f64,
    y: &dyn Fn(u64) -> f64,
) {
    let points: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(run, value)| format!("{:.1},{:.1}", x(run), y(*value)))
        .collect();
    let _ = writeln!(
        text,
        "<polyline fill=\"none\" {} points=\"{}\"/>",
        stroke(index),
        points.join(" ")
    );
    if counts.len() > 60 {
        return;
    }
    for (run, value) in counts.iter().enumerate() {
        let radius = if index == 0 { 3.5 } else { 2.5 };
        let at = runs.get(run).map(|run| escaped(&run.at)).unwrap_or_default();
        let _ = writeln!(
            text,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" fill=\"{}\"><title>{}: {value} ({at})\
             </title></circle>",
            x(run),
            y(*value),
            colour(index),
            escaped(name)
        );
    }
}

/// The first and the last day, and some between where there is room.
fn dates(text: &mut String, runs: &[&Run], x: &dyn Fn(usize) -> f64) {
    let last = runs.len() - 1;
    let between = last.div_ceil(6).max(1);
    let mut marked: Vec<usize> = (0..=last).step_by(between).collect();
    if marked.last() != Some(&last) {
        // the last day is always told; one too near to it makes room
        if marked.last().is_some_and(|index| last - index < between) && marked.len() > 1 {
            marked.pop();
        }
        marked.push(last);
    }
    for index in marked {
        let anchor = match index {
            _ if last == 0 => "middle",
            0 => "start",
            index if index == last => "end",
            _ => "middle",
        };
        if let Some(run) = runs.get(index) {
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                x(index),
                HEIGHT - 12.0,
                day(run)
            );
        }
    }
}

fn colour(index: usize) -> &'static str {
    match index {
        0 => "var(--ink)",
        index => COLOURS.get((index - 1) % COLOURS.len()).copied().unwrap_or("#0072b2"),
    }
}

fn stroke(index: usize) -> String {
    let width = if index == 0 { "2.5" } else { "1.8" };
    let dash = match index.saturating_sub(1) / COLOURS.len() {
        0 => "",
        1 => " stroke-dasharray=\"6 3\"",
        _ => " stroke-dasharray=\"2 2\"",
    };
    format!("stroke=\"{}\" stroke-width=\"{width}\"{dash}", colour(index))
}

/// The distance of the grid's lines, and the highest one: at most six lines, round numbers.
fn scale(highest: u64) -> (u64, u64) {
    let mut power = 1;
    loop {
        for step in [power, 2 * power, 5 * power] {
            if highest.div_ceil(step) <= 5 {
                return (step, highest.div_ceil(step) * step);
            }
        }
        power *= 10;
    }
}

fn findings(text: &mut String, outcome: &Outcome) {
    text.push_str("<h2>Findings</h2>\n");
    if outcome.findings.is_empty() {
        text.push_str("<p>None.</p>\n");
        return;
    }
    text.push_str("<table>\n<tr><th>where</th><th>rule</th><th>what, and what to do</th></tr>\n");
    for finding in &outcome.findings {
        let _ = writeln!(
            text,
            "<tr><td><code>{}:{}</code></td><td>{}<br><span class=\"dim\">{}</span></td>\
             <td>{}<br><span class=\"dim\">{}</span></td></tr>",
            escaped(&finding.path),
            finding.line,
            finding.rule.id(),
            finding.rule.severity().as_str(),
            escaped(&finding.message),
            escaped(&finding.fix)
        );
    }
    text.push_str("</table>\n");
}

/// The newest first, as many as anybody reads.
fn listed(text: &mut String, runs: &[&Run]) {
    text.push_str(
        "<h2>Runs</h2>\n<table>\n<tr><th>when (UTC)</th><th>commit</th><th class=\"n\">files</th>\
         <th class=\"n\">allowed</th><th class=\"n\">findings</th></tr>\n",
    );
    for run in runs.iter().rev().take(50) {
        let commit = run.commit.as_deref().and_then(|id| id.get(..10)).unwrap_or_default();
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>",
            escaped(&run.at),
            escaped(commit),
            run.files,
            run.allowed,
            run.total
        );
    }
    text.push_str("</table>\n");
}

fn escaped(text: &str) -> String {
    let text = plain(text).replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_few_round_lines() {
        for (highest, wanted) in
            [(1, (1, 1)), (5, (1, 5)), (6, (2, 6)), (23, (5, 25)), (100, (20, 100))]
        {
            assert_eq!(scale(highest), wanted, "{highest}");
        }
    }
}
