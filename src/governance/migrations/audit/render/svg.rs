//! The graph as a picture: a migration a line, heads at the top, what is risky marked.

use std::fmt::Write as _;

use super::svg_lanes::{Lanes, Node, lanes};
use super::{Row, plain, slashed};
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::families::Families;

const LINE: usize = 22;
const LANE: usize = 18;
const LEFT: usize = 24;
const TOP: usize = 76;
/// What the lines of `depends_on` take between the lanes and the names.
const GUTTER: usize = 24;
/// The width of a character of the labels, a little generous.
const CHARACTER: usize = 8;
const OUTSIDE: &str = "#6b7280";

/// One colour a family, told apart by people who confuse red and green too (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a6d00", "#5b3fa0"];

pub(super) fn render(audit: &Audit, rows: &[Row<'_>], families: &Families) -> String {
    let newest: Vec<&Row<'_>> = rows.iter().rev().collect();
    let nodes: Vec<Node> = newest
        .iter()
        .map(|row| Node { number: row.number, parents: audit.graph.parents[row.number].clone() })
        .collect();
    let placed = lanes(&nodes);
    let needs = audit.graph.dependencies.iter().any(|needed| !needed.is_empty());
    let labels = LEFT + placed.width * LANE + if needs { GUTTER } else { 6 };
    let longest = newest.iter().map(|row| row.script.stem().chars().count()).max().unwrap_or(0);
    let marks = labels + longest * CHARACTER + 16;
    let title = title(audit);
    let legend = legend(rows, families);
    // the title is larger
    let top = (title.chars().count() * 11).max(legend.iter().map(entry_width).sum());
    let width = (marks + 260).max(640).max(LEFT + top);
    let height = TOP + newest.len() * LINE + 16;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, \
         monospace\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    heading(&mut svg, &title, &legend);
    edges(&mut svg, &placed);
    dependencies(&mut svg, audit, &newest, &placed);
    for (at, row) in newest.iter().enumerate() {
        node(&mut svg, audit, row, (placed.of[at], at), (labels, marks));
    }
    svg.push_str("</svg>\n");
    svg
}

fn x(lane: usize) -> usize {
    LEFT + lane * LANE
}

fn y(row: usize) -> usize {
    TOP + row * LINE + LINE / 2
}

fn title(audit: &Audit) -> String {
    let graph = &audit.graph;
    format!(
        "{} migrations, heads: {}, bases: {}, branch points: {}, merges: {}",
        audit.scripts.len(),
        graph.heads.len(),
        graph.bases.len(),
        graph.branch_points().count(),
        graph.merge_points().count(),
    )
}

/// The families in use, each with its colour.
fn legend(rows: &[Row<'_>], families: &Families) -> Vec<(&'static str, String)> {
    let used = |place: usize| {
        let is =
            |row: &Row<'_>| row.script.naming.as_ref().map(|naming| naming.family) == Some(place);
        rows.iter().any(is)
    };
    let all = families.all().iter().enumerate().filter(|(place, _)| used(*place));
    let mut legend: Vec<(&'static str, String)> = all
        .map(|(place, family)| (colour(place), format!("{} {}", family.pattern, family.name)))
        .collect();
    if rows.iter().any(|row| row.script.naming.is_none()) {
        legend.push((OUTSIDE, "in no family".to_owned()));
    }
    legend
}

fn entry_width((_, word): &(&'static str, String)) -> usize {
    15 + word.chars().count() * CHARACTER + 18
}

fn heading(svg: &mut String, title: &str, legend: &[(&'static str, String)]) {
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"26\" font-size=\"16\" font-weight=\"bold\" \
         fill=\"#111827\">{title}</text>",
    );
    let mut at = LEFT;
    for entry in legend {
        let (colour, word) = entry;
        let _ = writeln!(
            svg,
            "<circle cx=\"{}\" cy=\"48\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"52\" \
             fill=\"#374151\">{}</text>",
            at + 5,
            at + 15,
            escaped(word)
        );
        at += entry_width(entry);
    }
}

fn colour(family: usize) -> &'static str {
    COLOURS[family % COLOURS.len()]
}

fn edges(svg: &mut String, placed: &Lanes) {
    for edge in &placed.edges {
        let (from, to) = (placed.of[edge.from], placed.of[edge.to]);
        let (x0, y0, x1, y1) = (x(from), y(edge.from), x(to), y(edge.to));
        let through = x(edge.lane);
        let _ = write!(svg, "<path d=\"M{x0} {y0}");
        if through == x0 && through == x1 {
            let _ = write!(svg, " V{y1}");
        } else {
            let half = LINE / 2;
            if through != x0 {
                let (turn, end) = (y0 + half, y0 + LINE);
                let _ = write!(svg, " C{x0} {turn} {through} {turn} {through} {end}");
            }
            if through == x1 {
                let _ = write!(svg, " V{y1}");
            } else {
                let begin = y1.saturating_sub(LINE);
                let turn = y1.saturating_sub(half);
                let _ = write!(svg, " V{begin} C{through} {turn} {x1} {turn} {x1} {y1}");
            }
        }
        svg.push_str("\" fill=\"none\" stroke=\"#9ca3af\" stroke-width=\"2\"/>\n");
    }
}

/// `depends_on`: dashed, between the lanes and the names, where no other line runs down.
fn dependencies(svg: &mut String, audit: &Audit, newest: &[&Row<'_>], placed: &Lanes) {
    let place = |number: usize| newest.iter().position(|row| row.number == number);
    let mut drawn = 0;
    for (at, row) in newest.iter().enumerate() {
        for needed in audit.graph.dependencies[row.number].iter().filter_map(|one| place(*one)) {
            let (upper, lower) = (at.min(needed), at.max(needed));
            if upper == lower {
                continue;
            }
            let (x0, y0, x1, y1) = (x(placed.of[upper]), y(upper), x(placed.of[lower]), y(lower));
            // neighbours are told apart by where they run
            let turn = LEFT + placed.width * LANE + 5 * (drawn % 4);
            let (from, begin, end) = (turn - 6, y0 + 6, y1 - 6);
            drawn += 1;
            let _ = writeln!(
                svg,
                "<path d=\"M{x0} {y0} H{from} Q{turn} {y0} {turn} {begin} V{end} Q{turn} {y1} {from} \
                 {y1} H{x1}\" fill=\"none\" stroke=\"#7c3aed\" stroke-width=\"1.5\" \
                 stroke-dasharray=\"4 3\"/>"
            );
        }
    }
}

fn node(
    svg: &mut String,
    audit: &Audit,
    row: &Row<'_>,
    (lane, at): (usize, usize),
    (labels, marks): (usize, usize),
) {
    let fill = row.script.naming.as_ref().map_or(OUTSIDE, |naming| colour(naming.family));
    let head = audit.graph.heads.contains(&row.number);
    let (stroke, weight) = if head { ("#111827", "bold") } else { ("#ffffff", "normal") };
    let (cx, cy) = (x(lane), y(at));
    let title =
        format!("{}\n{}\n{}", row.script.id(), slashed(&row.script.path), row.script.message);
    let _ = writeln!(
        svg,
        "<g><title>{}</title><circle cx=\"{cx}\" cy=\"{cy}\" r=\"6\" fill=\"{fill}\" \
         stroke=\"{stroke}\" stroke-width=\"2\"/><text x=\"{labels}\" y=\"{}\" fill=\"#111827\" \
         font-weight=\"{weight}\">{}</text>",
        escaped(title.trim()),
        cy + 4,
        escaped(&row.script.stem()),
    );
    let mut words = Vec::new();
    words.extend(head.then_some(("head", "#111827")));
    words.extend((!row.destructive.is_empty()).then_some(("loses data", "#b3261e")));
    words.extend((!row.locks.is_empty()).then_some(("locks", "#b45309")));
    words.extend((!row.fails.is_empty()).then_some(("fails", "#b45309")));
    words.extend(
        (row.script.revision.is_some() && row.back() != "yes")
            .then_some(("no way back", "#6d28d9")),
    );
    let mut from = marks;
    for (word, colour) in words {
        let _ = write!(
            svg,
            "<text x=\"{from}\" y=\"{}\" font-size=\"11\" fill=\"{colour}\">{word}</text>",
            cy + 4
        );
        from += word.len() * 7 + 14;
    }
    svg.push_str("</g>\n");
}

fn escaped(text: &str) -> String {
    let text: Vec<String> = text.split('\n').map(plain).collect();
    text.join("\n")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
