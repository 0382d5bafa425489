//! The findings as SARIF 2.1.0.

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::slashed;
use crate::governance::github::uri;
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::finding::{Finding, RULES};

pub(super) fn render(audit: &Audit) -> String {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.summary },
                "help": { "text": rule.fix },
                "defaultConfiguration": { "level": rule.severity },
            })
        })
        .collect();
    let results: Vec<Value> = audit.findings.iter().map(|finding| result(audit, finding)).collect();
    let object = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pgauthority migrations audit",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    format!("{object:#}\n")
}

fn result(audit: &Audit, finding: &Finding) -> Value {
    // what is about the whole set stands at a head: there is no place without a file
    let head = audit.graph.heads.first().map(|head| &audit.scripts[*head].path);
    let path = finding.path.as_ref().or(head).map(|path| slashed(path)).unwrap_or_default();
    let number = RULES.iter().position(|rule| rule.id == finding.rule.id);
    let of = finding.revision.as_deref().unwrap_or_default();
    let print = Md5::digest(format!("{}\n{of}\n{}", finding.rule.id, finding.message));
    let print: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": number,
        "level": finding.severity,
        "message": { "text": format!("{}. Fix: {}", finding.message, finding.rule.fix) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&path) },
            "region": { "startLine": finding.line },
        }}],
        "partialFingerprints": { "pgauthority/v1": print },
    })
}
