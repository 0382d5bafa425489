//! Reports for programs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{drift, text, tree};

const FILES: &[(&str, &str)] = &[
    ("a b/x%1,:y.env", "DATABASE_URL=postgres://u:s3cr@localhost/x\n"),
    ("c.env", "DB_AUTHORITY=Ne\"on,\n"),
];

#[test]
fn sarif_names_rules_places_and_fixes() {
    let folder = tree(FILES);
    let output = drift(folder.path(), &["--no-history", "--format", "sarif"]);
    assert_eq!(output.status.code(), Some(1));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let mut prints = BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].as_str().unwrap().contains("Fix: "));
        prints.insert(result["partialFingerprints"]["pgauthority/v1"].as_str().unwrap());
    }
    assert_eq!(prints.len(), 2);
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/x%251%2C%3Ay.env");
    assert_eq!(place["region"]["startLine"], 1);
}

#[test]
fn github_and_csv_escape_what_they_must() {
    let folder = tree(FILES);
    let lines = text(&drift(folder.path(), &["--no-history", "--format", "github"]).stdout);
    let first = lines.lines().next().unwrap();
    let wanted =
        "::error file=a b/x%251%2C%3Ay.env,line=1,col=1,title=declare.missing::DATABASE_URL";
    assert!(first.starts_with(wanted), "{first}");
    assert!(first.contains("%0Afix: "), "{first}");
    let rows = text(&drift(folder.path(), &["--no-history", "--format", "csv"]).stdout);
    assert!(rows.contains("\r\ndeclare.missing,error,\"a b/x%1,:y.env\",1,1,"), "{rows}");
}

#[test]
fn the_report_goes_where_it_is_told() {
    let folder = tree(FILES);
    let output = drift(folder.path(), &["--no-history", "--output", "out.txt"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let written = std::fs::read_to_string(folder.path().join("out.txt")).unwrap();
    assert!(written.contains("2 findings (2 errors, 0 warnings) in 2 files"), "{written}");
    let output = drift(folder.path(), &["--no-history", "--output", "missing/out.txt"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn one_json_object_has_all() {
    let folder = tree(FILES);
    drift(folder.path(), &[]);
    let output = drift(folder.path(), &["--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["exit_code"], 1);
    assert_eq!(report["regression"], false);
    assert_eq!(report["best"]["total"], 2);
    assert_eq!(report["run"]["findings"]["declare.missing"], 1);
    let severity = |finding: &Value| finding["severity"].as_str().unwrap().to_owned();
    assert!(report["findings"].as_array().unwrap().iter().all(|one| severity(one) == "error"));
}

#[test]
fn the_rules_are_listed() {
    let folder = tree(&[]);
    let listed = text(&drift(folder.path(), &["--rules"]).stdout);
    for rule in pgauthority::governance::drift::Rule::ALL {
        assert!(listed.contains(rule.id()), "{rule}");
    }
}

/// The types of this crate are generated from the schema of OASIS.
#[test]
fn sarif_is_what_its_schema_says() {
    let folder = tree(FILES);
    let output = drift(folder.path(), &["--no-history", "--format", "sarif"]);
    let log: serde_sarif::sarif::Sarif = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log.runs.len(), 1);
    // nothing is written that the schema does not know
    let written: Value = serde_json::from_slice(&output.stdout).unwrap();
    let again = serde_json::to_value(&log).unwrap();
    assert_eq!(written, again);
}
