//! The graph for Mermaid: heads at the top.

use std::fmt::Write as _;

use super::{Row, plain};
use crate::governance::migrations::audit::Audit;

pub(super) fn render(audit: &Audit, rows: &[Row<'_>]) -> String {
    let mut text = String::from("flowchart BT\n");
    for row in rows {
        let _ = writeln!(text, "  n{}[\"{}\"]", row.number, label(&row.script.id()));
    }
    for row in rows {
        for parent in &audit.graph.parents[row.number] {
            let _ = writeln!(text, "  n{parent} --> n{}", row.number);
        }
        for needed in &audit.graph.dependencies[row.number] {
            let _ = writeln!(text, "  n{needed} -.-> n{}", row.number);
        }
    }
    let class = |text: &mut String, name: &str, style: &str, which: &dyn Fn(&Row<'_>) -> bool| {
        let nodes: Vec<String> =
            rows.iter().filter(|row| which(row)).map(|row| format!("n{}", row.number)).collect();
        if !nodes.is_empty() {
            let _ = writeln!(text, "  classDef {name} {style}\n  class {} {name}", nodes.join(","));
        }
    };
    class(&mut text, "loses", "stroke:#b3261e,stroke-width:2px", &|row| {
        !row.destructive.is_empty()
    });
    class(&mut text, "head", "fill:#dceefb,stroke:#1b4f8a,stroke-width:2px", &|row| {
        audit.graph.heads.contains(&row.number)
    });
    text
}

/// A text between quotes of Mermaid's.
fn label(text: &str) -> String {
    let mut label = String::new();
    for c in plain(text).chars() {
        match c {
            '#' => label.push_str("#35;"),
            '&' => label.push_str("#amp;"),
            '"' => label.push_str("#quot;"),
            '<' => label.push_str("#lt;"),
            '>' => label.push_str("#gt;"),
            other => label.push(other),
        }
    }
    label
}
