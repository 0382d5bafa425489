//! A comparison for people and as JSON. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::compare::{Change, Comparison, Difference};

/// The longest text of a property that people get to see in whole, in characters.
const SHOWN: usize = 600;

/// One paragraph a difference: what it is, then each property on a line a side.
pub fn table(comparison: &Comparison) -> String {
    let mut text = String::new();
    for difference in &comparison.differences {
        paragraph(&mut text, comparison, difference);
    }
    text
}

fn paragraph(text: &mut String, comparison: &Comparison, difference: &Difference) {
    let Comparison { left, right, .. } = comparison;
    let Difference { key, change, .. } = difference;
    let known = difference.known.as_deref();
    let known = known.map(|reason| format!("  [known: {reason}]")).unwrap_or_default();
    let _ = match change {
        Change::OnlyLeft => {
            writeln!(text, "- {key}  only in {left}{}{known}", contents(difference))
        }
        Change::OnlyRight => {
            writeln!(text, "+ {key}  only in {right}{}{known}", contents(difference))
        }
        Change::Changed(_) => writeln!(text, "~ {key}{known}"),
        Change::Renamed { right: name, generated } => {
            let how = if *generated { "generated name" } else { "named" };
            writeln!(text, "= {key}  {how} {name} in {right}{known}")
        }
        Change::ColumnOrder { .. } => writeln!(text, "= {key}  columns in another order{known}"),
    };
    match change {
        Change::Changed(properties) => {
            let width = properties.iter().map(|property| property.name.len()).max().unwrap_or(0);
            for property in properties {
                let name = &property.name;
                side(text, &format!("{name:width$}"), left, &shown(property.left.as_ref()));
                side(text, &" ".repeat(width), right, &shown(property.right.as_ref()));
            }
        }
        Change::ColumnOrder { left: ours, right: theirs } => {
            side(text, "order", left, &ours.join(", "));
            side(text, "     ", right, &theirs.join(", "));
        }
        Change::OnlyLeft | Change::OnlyRight => {
            if let Some(definition) = difference.properties.get("definition") {
                let _ = writeln!(text, "    {}", indented(&shown(Some(definition)), 4));
            }
        }
        Change::Renamed { .. } => {}
    }
}

fn contents(difference: &Difference) -> String {
    match difference.parts {
        0 => String::new(),
        1 => " (and one object that is part of it)".to_owned(),
        parts => format!(" (and {parts} objects that are part of it)"),
    }
}

fn side(text: &mut String, name: &str, side: &str, value: &str) {
    let lead = format!("    {name}  {side}  ");
    let _ = writeln!(text, "{lead}{}", indented(value, lead.chars().count()));
}

/// Every line but the first moved to the right.
fn indented(value: &str, by: usize) -> String {
    value.replace('\n', &format!("\n{}", " ".repeat(by)))
}

fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => return "(none)".to_owned(),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Array(items)) => {
            let items = items.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            items.collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    };
    let plain: String =
        text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    match plain.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} …", &plain[..at]),
        None => plain,
    }
}

/// One object; keys and their order do not change within a major version.
pub fn object(comparison: &Comparison, unused: &[(String, String)]) -> Value {
    let Comparison { left, right, left_objects, right_objects, differences } = comparison;
    json!({
        "left": left,
        "right": right,
        "objects": { left: left_objects, right: right_objects },
        "counting": comparison.counting().count(),
        "differences": differences.iter().map(|found| one(left, right, found)).collect::<Vec<_>>(),
        "unused_known": unused.iter()
            .map(|(object, kind)| json!({ "object": object, "kind": kind }))
            .collect::<Vec<_>>(),
    })
}

fn one(left: &str, right: &str, difference: &Difference) -> Value {
    let Difference { key, change, parts, properties, known } = difference;
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("object", json!(key.to_string()));
    put("kind", json!(change.kind(left, right)));
    put("counts", json!(difference.counts()));
    put("known", json!(known));
    match change {
        Change::OnlyLeft | Change::OnlyRight => {
            put("parts", json!(parts));
            put("properties", Value::Object(properties.clone()));
        }
        Change::Changed(changes) => {
            let changes = changes.iter().map(
                |change| json!({ "name": change.name, left: change.left, right: change.right }),
            );
            put("changes", changes.collect());
        }
        Change::Renamed { right: name, .. } => {
            put("names", json!({ left: key.identity, right: name }));
        }
        Change::ColumnOrder { left: ours, right: theirs } => {
            put("order", json!({ left: ours, right: theirs }));
        }
    }
    Value::Object(object)
}
