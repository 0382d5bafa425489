//! The graph as a picture: a migration a line, heads at the top, what is risky marked.

use std::fmt::Write as _;

use super::svg_lanes::{Lanes, Node, lanes};
use super::{Row, slashed};
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::families::Families;

const LINE: usize = 22;
const LANE: usize = 18;
const LEFT: usize = 24;
const TOP: usize = 76;
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
    let labels = LEFT + placed.width * LANE + 6;
    let longest = newest.iter().map(|row| row.script.stem().chars().count()).max().unwrap_or(0);
    let marks = labels + longest * CHARACTER + 16;
    let (width, height) = ((marks + 260).max(640), TOP + newest.len() * LINE + 16);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, \
         monospace\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    heading(&mut svg, audit, rows, families);
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

fn heading(svg: &mut String, audit: &Audit, rows: &[Row<'_>], families: &Families) {
    let graph = &audit.graph;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"26\" font-size=\"16\" font-weight=\"bold\" fill=\"#111827\">{} \
         migrations, heads: {}, bases: {}, branch points: {}, merges: {}</text>",
        audit.scripts.len(),
        graph.heads.len(),
        graph.bases.len(),
        graph.branch_points().count(),
        graph.merge_points().count(),
    );
    let mut at = LEFT;
    let mut entry = |svg: &mut String, colour: &str, word: &str| {
        let _ = writeln!(
            svg,
            "<circle cx=\"{}\" cy=\"48\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"52\" \
             fill=\"#374151\">{}</text>",
            at + 5,
            at + 15,
            escaped(word)
        );
        at += 15 + word.chars().count() * CHARACTER + 18;
    };
    for (place, family) in families.all().iter().enumerate() {
        let used =
            |row: &Row<'_>| row.script.naming.as_ref().is_some_and(|naming| naming.family == place);
        if rows.iter().any(used) {
            entry(svg, colour(place), &format!("{} {}", family.pattern, family.name));
        }
    }
    if rows.iter().any(|row| row.script.naming.is_none()) {
        entry(svg, OUTSIDE, "in no family");
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

/// `depends_on`: dashed, in a bow to the left.
fn dependencies(svg: &mut String, audit: &Audit, newest: &[&Row<'_>], placed: &Lanes) {
    let place = |number: usize| newest.iter().position(|row| row.number == number);
    for (at, row) in newest.iter().enumerate() {
        for needed in audit.graph.dependencies[row.number].iter().filter_map(|one| place(*one)) {
            let (x0, y0, x1, y1) = (x(placed.of[at]), y(at), x(placed.of[needed]), y(needed));
            let bow = x0.min(x1).saturating_sub(20);
            let _ = writeln!(
                svg,
                "<path d=\"M{x0} {y0} C{bow} {y0} {bow} {y1} {x1} {y1}\" fill=\"none\" \
                 stroke=\"#7c3aed\" stroke-width=\"1.5\" stroke-dasharray=\"4 3\"/>"
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
    words.extend((row.back() != "yes").then_some(("no way back", "#6d28d9")));
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
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
