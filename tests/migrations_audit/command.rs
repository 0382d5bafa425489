//! The command: exit codes, formats, and that its help and page are true.

use std::fs;

use pgauthority::governance::migrations::audit::finding::RULES;
use serde_json::Value;

use super::generated::{ORM_TABLES, project};
use super::project::{migration, run, write};
use crate::support::tools::repository;

#[test]
fn exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let drops =
        "def upgrade():\n    op.drop_table('a')\n\n\ndef downgrade():\n    raise ValueError\n";
    write(root, &[("versions/001_first.py", migration("001_first", "None", drops))]);
    let code = |arguments: &[&str]| run(arguments, root).status.code().unwrap();
    assert_eq!(code(&["versions"]), 0);
    assert_eq!(code(&["versions", "--fail-on", "warning"]), 1);
    assert_eq!(code(&["versions", "--fail-on", "note"]), 1);
    assert_eq!(code(&["versions", "--fail-on", "never", "--version-length", "3"]), 0);
    assert_eq!(code(&["versions", "--version-length", "3"]), 1);
    assert_eq!(code(&[".", "--fail-on", "never"]), 0, "a folder with a folder versions");
    for (arguments, error) in [
        (vec!["nowhere"], "could not read \"nowhere\""),
        (vec!["versions", "--ini", "no.ini"], "could not read \"no.ini\""),
        (vec!["versions", "--families", "no.toml"], "could not read \"no.toml\""),
        (vec!["versions", "--orm-tables", "@no.txt"], "could not read \"no.txt\""),
    ] {
        let output = run(&arguments, root);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(error), "{stderr}");
    }
    fs::create_dir(root.join("empty")).unwrap();
    let output = run(&["empty"], root);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no alembic.ini"));
}

#[test]
fn for_people() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    project(root);
    let output = run(&["backend", "--orm-tables", ORM_TABLES], root);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["FILE", "LINES", "DATE", "FAMILY", "DOES", "RISKS", "BACK"]);
    let newest: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(newest[0], "122_knowledge_plane_registry.py");
    assert_eq!(newest[3], "sequential");
    assert!(text.contains("116_w2_audit_events.py"));
    assert!(text.contains("sequential (workload)"), "{text}");
    assert!(
        text.contains(
            "124 migrations, 1 head (122_knowledge_plane_registry), 1 base, 1 branch point, 1 merge"
        ),
        "{text}"
    );
    assert_eq!(output.stderr, b"", "nothing but the audit in a pipe");
}

#[test]
fn for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    project(root);
    let written = |format: &str| {
        let output = run(&["backend", "--format", format, "--output", "out"], root);
        assert_eq!(output.stdout, b"");
        fs::read_to_string(root.join("out")).unwrap()
    };
    let csv = written("csv");
    assert_eq!(csv.lines().count(), 125);
    assert!(csv.starts_with("file,revision,down_revision,"), "{csv}");
    assert!(csv.contains(
        "backend/alembic/versions/042_change_42.py,042_change_42,040_change_40 041_change_41,"
    ));

    let json: Value = serde_json::from_str(&written("json")).unwrap();
    assert_eq!(json["format"], 1);
    let findings = json["findings"].as_array().unwrap();

    let sarif: Value = serde_json::from_str(&written("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), findings.len());
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert!(root.join(place["artifactLocation"]["uri"].as_str().unwrap()).is_file());
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    }

    let github = written("github");
    assert_eq!(github.lines().filter(|line| line.starts_with("::")).count(), findings.len());
    assert!(github.contains("::warning file=backend/alembic/versions/"), "{github}");

    let mermaid = written("mermaid");
    assert!(mermaid.starts_with("flowchart BT\n"));
    assert_eq!(mermaid.lines().filter(|line| line.contains(" --> ")).count(), 124);

    let svg = written("svg");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<title>").count(), 124);
    assert!(!svg.contains("&&") && svg.matches('<').count() == svg.matches('>').count());
}

#[test]
fn families_are_declared_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let empty = "def upgrade():\n    pass\n";
    write(
        root,
        &[
            ("versions/h1_quick.py", migration("h1_quick", "None", empty)),
            ("versions/h3_quick.py", migration("h3_quick", "'h1_quick'", empty)),
            (
                "families.toml",
                "[[family]]\npattern = \"hN_\"\nname = \"hotfix\"\ngaps = true\n".into(),
            ),
        ],
    );
    let output = run(&["versions", "--families", "families.toml"], root);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("hotfix"), "{text}");
    assert!(text.contains("hN_: nothing has the numbers 2"), "{text}");
}

#[test]
fn the_page_has_every_rule() {
    let page = fs::read_to_string(repository().join("docs/migrations-audit.md")).unwrap();
    for rule in RULES {
        let row = format!("| `{}` | {} |", rule.id, rule.severity.as_str());
        assert!(page.contains(&row), "docs/migrations-audit.md lacks: {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `") && line.contains('.')).count();
    assert!(rows >= RULES.len());
}
