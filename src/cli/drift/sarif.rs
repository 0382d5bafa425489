//! Findings as SARIF 2.1.0 (OASIS), with fingerprints that stay when lines move.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Outcome;
use crate::governance::drift::{Finding, Rule};
use crate::governance::github::uri;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The whole log.
pub(super) fn log(outcome: &Outcome) -> String {
    let rules: Vec<Value> = Rule::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id(),
                "shortDescription": { "text": rule.summary() },
                "help": { "text": rule.fix() },
                "defaultConfiguration": { "level": rule.severity().as_str() },
            })
        })
        .collect();
    let mut seen: HashMap<(&str, Rule, &str), u32> = HashMap::new();
    let results: Vec<Value> = outcome
        .findings
        .iter()
        .map(|finding| {
            let nth = seen.entry((&finding.path, finding.rule, &finding.message)).or_default();
            *nth += 1;
            result(finding, *nth)
        })
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pgauthority drift",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "automationDetails": { "guid": outcome.run.id },
            "invocations": [{
                "executionSuccessful": outcome.unreadable.is_empty(),
                "endTimeUtc": outcome.run.at,
                "exitCode": outcome.exit_code(),
            }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn result(finding: &Finding, nth: u32) -> Value {
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": finding.rule.severity().as_str(),
        "message": { "text": format!("{}. Fix: {}", finding.message, finding.fix) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&finding.path) },
            "region": { "startLine": finding.line, "startColumn": finding.column },
        }}],
        "partialFingerprints": {
            "pgauthority/v1": format!("{}:{}:{}:{nth}", finding.rule, finding.path, finding.message),
        },
    })
}
