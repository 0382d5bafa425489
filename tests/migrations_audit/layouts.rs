//! Layouts and files that other tools and accidents make: Flask-Migrate, `multidb`, pipes, links,
//! names that a terminal cannot take.

use std::path::Path;
use std::process::{Command, Output};

use super::project::{as_json, audited, migration, options, rules, run, write};

const WORK: &str =
    "def upgrade():\n    op.create_table('t')\n\n\ndef downgrade():\n    op.drop_table('t')\n";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_ini_file_beside_env_py_need_not_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        root,
        &[
            ("app.py", "print('hello')\n".into()),
            ("migrations/env.py", String::new()),
            ("migrations/alembic.ini", "[alembic]\n# set by Flask-Migrate\n".into()),
            (
                "migrations/versions/001_first.py",
                migration("001_first", "None", "def upgrade():\n    op.drop_table('t')\n"),
            ),
        ],
    );
    assert_eq!(as_json(&["migrations"], root)["summary"]["migrations"], 1);
    // the application's own files are no migrations
    let output = run(&[], root);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.ends_with("; hint: pgauthority migrations audit migrations\n"), "{said}");
    // and paths are git's
    let output = run(&[".", "--format", "sarif", "--fail-on", "never"], &root.join("migrations"));
    let sarif = String::from_utf8(output.stdout).unwrap();
    assert!(sarif.contains("\"uri\": \"versions/001_first.py\""), "{sarif}");
}

#[test]
fn functions_that_are_found_by_name_are_followed() {
    let body = "def upgrade(engine_name):\n    globals()['upgrade_%s' % engine_name]()\n\n\n\
                def downgrade(engine_name):\n    globals()['downgrade_%s' % engine_name]()\n\n\n\
                def upgrade_one():\n    op.drop_table('orders')\n\n\n\
                def downgrade_one():\n    pass\n\n\n\
                def upgrade_two():\n    op.execute('TRUNCATE a')\n\n\n\
                def downgrade_two():\n    pass\n";
    let audit = audited(&[("001_first.py", migration("001_first", "None", body))], &options());
    let found: Vec<&str> = audit.findings.iter().map(|finding| finding.rule.id).collect();
    for rule in ["destructive.drop-table", "destructive.truncate", "irreversible.empty"] {
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
    for (code, rule) in [
        ("getattr(op, 'drop_' + 'table')('w')", "destructive.drop-table"),
        ("list(map(op.drop_table, ['a', 'b']))", "destructive.drop-table"),
        (
            "import functools\n    functools.partial(op.drop_table, 'pp')()",
            "destructive.drop-table",
        ),
        (
            "class H:\n        def s(self):\n            op.drop_table('h')\n    H().s()",
            "destructive.drop-table",
        ),
        ("HANDLERS[name]('w')", "code.unseen"),
        ("getattr(op, name)('w')", "code.unseen"),
    ] {
        let body = format!("def upgrade():\n    {code}\n\n\ndef downgrade():\n    op.x()\n");
        let audit = audited(&[("001_first.py", migration("001_first", "None", &body))], &options());
        let found: Vec<&str> = audit.findings.iter().map(|finding| finding.rule.id).collect();
        assert!(found.contains(&rule), "{code}: {found:?}");
    }
}

fn patient(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new("timeout");
    command.args(["20", env!("CARGO_BIN_EXE_pgauthority"), "migrations", "audit"]);
    command.args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn what_is_no_regular_file_is_told_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &[("versions/001_first.py", migration("001_first", "None", WORK))]);
    let pipe = root.join("versions/002_pipe.py");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    std::os::unix::fs::symlink("nowhere.py", root.join("versions/003_gone.py")).unwrap();
    std::os::unix::fs::symlink("001_first.py", root.join("versions/004_twice.py")).unwrap();
    std::fs::write(root.join("versions/005_latin.py"), b"revision = '005'\nx = '\xe4'\n").unwrap();
    let output = patient(&["versions", "--format", "json", "--fail-on", "never"], root);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let audit: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rules(&audit)["file.unreadable"], 3);
    assert_eq!(rules(&audit)["id.duplicate"], 1);
}

#[test]
fn control_characters_stay_out_of_terminals_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let name = "versions/006\u{1b}[31m\nx.py";
    let text = migration("006", "None", WORK)
        .replace("revision = \"006\"", "revision = \"006\u{1b}[31m\"");
    write(root, &[(name, text)]);
    for format in ["table", "svg", "mermaid"] {
        let output = run(&["versions", "--format", format, "--fail-on", "never"], root);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("006\u{fffd}[31m"), "{format}: {text}");
        assert!(!text.contains('\u{1b}'), "{format}: {text}");
    }
}

#[test]
fn labels_have_to_tell_heads_apart() {
    let labelled = |id: &str, parent: &str, label: &str| {
        migration(id, parent, WORK)
            .replace("branch_labels = None", &format!("branch_labels = {label}"))
    };
    let severity = |files: &[(&str, String)]| {
        let audit = audited(files, &options());
        let heads = audit.findings.iter().find(|finding| finding.rule.id == "graph.heads");
        heads.unwrap().severity.as_str()
    };
    let two = [
        ("001_a.py", labelled("001_a", "None", "'all'")),
        ("002_b.py", migration("002_b", "'001_a'", WORK)),
        ("003_c.py", migration("003_c", "'001_a'", WORK)),
    ];
    assert_eq!(severity(&two), "warning", "both follow the label");
    let told =
        [two[0].clone(), ("002_b.py", labelled("002_b", "'001_a'", "'left'")), two[2].clone()];
    assert_eq!(severity(&told), "note");
}

#[test]
fn the_legend_fits_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let names = ["001_a", "m01_a", "s1_a", "pb_s1_a", "c1_a", "w1_a", "other"];
    for name in names {
        let file = format!("versions/{name}.py");
        write(root, &[(file.as_str(), migration(name, "None", WORK))]);
    }
    let output = run(&["versions", "--format", "svg", "--fail-on", "never"], root);
    let svg = String::from_utf8(output.stdout).unwrap();
    let number = |text: &str| text.split('"').next().unwrap().parse::<usize>().unwrap();
    let width = number(svg.split("width=\"").nth(1).unwrap());
    let last = svg.lines().find(|line| line.contains(">in no family<")).unwrap();
    let begins = number(last.split("<text x=\"").nth(1).unwrap());
    assert!(begins + "in no family".len() * 8 <= width, "{begins} {width}");
}
