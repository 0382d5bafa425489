//! Sets of migrations: that the graph is Alembic's, and what is wrong with a broken one.

use super::project::{alembics, as_json, audited, graph_of, migration, options, rules, write};

const WORK: &str =
    "def upgrade():\n    op.create_table('t')\n\n\ndef downgrade():\n    op.drop_table('t')\n";

fn plain(id: &str, parent: &str) -> String {
    migration(id, parent, WORK)
}

/// Every way to write the variables, branches, labels, merges, dependencies.
fn branched() -> Vec<(&'static str, String)> {
    let labelled = |id: &str, parent: &str, label: &str| {
        plain(id, parent).replace("branch_labels = None", &format!("branch_labels = {label}"))
    };
    let needing = |id: &str, parent: &str, needs: &str| {
        plain(id, parent).replace("depends_on = None", &format!("depends_on = {needs}"))
    };
    vec![
        ("a/001_base.py", plain("001_base", "None")),
        (
            "a/002_left.py",
            plain("002_left", "'001_base'").replace("revision = ", "revision: str = "),
        ),
        ("a/003_right.py", plain("003_right", "('001_base',)")),
        ("a/004_merge.py", plain("004_merge", "['002_left', '003_right']").replace(WORK, "")),
        (
            "a/005_after.py",
            "from x.y import z\nPARENT = '004_' + 'merge'\n".to_owned()
                + "revision = down = '005_after'\ndown_revision: str | None = PARENT\n",
        ),
        ("b/900_other.py", labelled("900_other", "None", "('other', 'second')")),
        ("b/901_needs.py", needing("901_needs", "'900_other'", "('004_merge',)")),
        ("b/902_needs_label.py", needing("902_needs_label", "'001_base'", "'other'")),
        ("b/__init__.py", String::new()),
        ("b/deep/903_deep.py", plain("903_deep", "'901_needs'")),
    ]
}

#[test]
fn the_graph_is_alembics() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut files = branched();
    files.push((
        "alembic.ini",
        "[alembic]\nscript_location = %(here)s/scripts\nversion_locations = %(here)s/a:%(here)s/b\n\
         path_separator = os\nrecursive_version_locations = true\n"
            .to_owned(),
    ));
    files.push(("scripts/env.py", String::new()));
    write(root, &files);
    let ours = as_json(&["."], root);
    assert_eq!(ours["summary"]["migrations"], 9);
    assert_eq!(graph_of(&ours), alembics(&["--recursive", "scripts", "a", "b"], root));
    assert_eq!(
        ours["graph"]["heads"],
        serde_json::json!(["005_after", "902_needs_label", "903_deep"])
    );

    // without the folders in it, and by a pyproject.toml
    let toml = "[tool.alembic]\nscript_location = \"%(here)s/scripts\"\n\
                version_locations = [\"%(here)s/a\", \"%(here)s/b\"]\n";
    std::fs::remove_file(root.join("alembic.ini")).unwrap();
    write(root, &[("pyproject.toml", toml.to_owned())]);
    let ours = as_json(&["."], root);
    assert_eq!(ours["summary"]["migrations"], 8);
    assert_eq!(graph_of(&ours), alembics(&["scripts", "a", "b"], root));
}

#[test]
fn constants_and_helpers_of_the_projects_own_modules_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &[
        ("app/__init__.py", String::new()),
        ("app/names.py", "from .more import LABEL\nPARENT = None\nclass Run:\n    __tablename__ = 'runs'\n".into()),
        ("app/more.py", "from alembic import op\nLABEL = 'expand'\n\ndef drop(table):\n    _drop(table)\n\n\
            def _drop(table):\n    op.drop_table(table)\n".into()),
        ("app/migrations/env.py", String::new()),
        ("app/migrations/versions/001_first.py", "from app import names\nfrom app.names import Run\n\
            from app.more import drop\nrevision = '001_first'\ndown_revision = names.PARENT\n\
            branch_labels = (names.LABEL,)\n\n\ndef upgrade():\n    drop('x')\n    drop(Run.__tablename__)\n\n\
            def downgrade():\n    raise ValueError\n".into()),
    ]);
    let ours = as_json(&["app/migrations"], root);
    assert_eq!(graph_of(&ours)["migrations"][0]["branch_labels"], serde_json::json!(["expand"]));
    let drops: Vec<(&str, u64)> = ours["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["rule"] == "destructive.drop-table")
        .map(|one| (one["message"].as_str().unwrap(), one["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(drops, [("drops table x", 10), ("drops table runs", 11)]);
}

#[test]
fn what_is_wrong_with_a_set() {
    let long = "x".repeat(129);
    let files = [
        ("001_first.py", plain("001_first", "None")),
        ("002_second.py", plain("002_second", "'001_first'")),
        ("002_again.py", plain("002_second", "'001_first'")),
        ("005_lost.py", plain("005_lost", "'004_gone'")),
        ("006_one.py", plain("006_one", "'007_two'")),
        ("007_two.py", plain("007_two", "'006_one'")),
        ("008_named.py", plain("another_id", "'002_second'")),
        ("009_broken.py", plain("009_broken", "'002_second'") + "def x(:\n"),
        ("010_none.py", "x = 1\n".to_owned()),
        ("011_long.py", plain(&long, "'002_second'")),
        ("add_users.py", plain("add_users", "'002_second'")),
        ("012_empty.py", migration("012_empty", "'002_second'", "def upgrade():\n    pass\n")),
        ("013_back.py", plain("013_back", "'014_later'")),
        ("014_later.py", plain("014_later", "'002_second'")),
    ];
    let audit = audited(&files, &options());
    let of = |rule: &str| -> Vec<String> {
        let about = audit.findings.iter().filter(|finding| finding.rule.id == rule);
        about
            .map(|finding| {
                let file = finding.path.as_ref().map(|path| path.display().to_string());
                format!("{}: {}", file.unwrap_or_default(), finding.message)
            })
            .collect()
    };
    assert_eq!(
        of("id.duplicate"),
        ["002_second.py: 002_second is the id of 002_again.py too"]
            .map(|_| "002_again.py: 002_second is the id of 002_second.py too")
    );
    assert_eq!(of("name.number-twice"), ["002_again.py: 002_second has the number 2 too"]);
    assert_eq!(of("graph.missing-parent"), ["005_lost.py: names 004_gone, which no file has"]);
    assert_eq!(of("graph.cycle"), ["006_one.py: 006_one, 007_two follow each other"]);
    assert_eq!(of("file.no-revision").len(), 1);
    assert_eq!(of("file.unreadable").len(), 1);
    assert_eq!(of("file.empty"), ["012_empty.py: upgrade() does nothing"]);
    assert_eq!(
        of("id.too-long"),
        ["011_long.py: the id has 129 characters, the version column 128"]
    );
    assert_eq!(of("name.family"), ["add_users.py: add_users is in no family"]);
    assert_eq!(of("name.gap"), [": NNN_: nothing has the numbers 3-4"]);
    assert_eq!(
        of("name.order"),
        ["006_one.py: 6 comes after 7 (007_two)", "013_back.py: 13 comes after 14 (014_later)"]
    );
    assert!(
        of("name.mismatch").contains(
            &"008_named.py: the file is 008_named.py, the revision another_id".to_owned()
        )
    );
    assert_eq!(of("graph.heads").len(), 1);
}

#[test]
fn tables_that_no_migration_creates() {
    let body = "def upgrade():\n    op.add_column('runs', sa.Column('a', sa.Text()))\n    \
                op.create_table('notes', sa.Column('run', sa.Integer(), sa.ForeignKey('agents.id')))\n\n\n\
                def downgrade():\n    op.drop_table('notes')\n    op.drop_column('runs', 'a')\n";
    let files = [("001_first.py", migration("001_first", "None", body))];
    let said = |tables: &[&str]| {
        let mut options = options();
        options.orm_tables = tables.iter().map(|name| (*name).to_owned()).collect();
        let audit = audited(&files, &options);
        audit
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.rule.id, finding.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said(&[]),
        [
            "table.unknown uses agents, which no migration creates",
            "table.not-created alters runs, which no migration creates",
        ]
    );
    assert_eq!(said(&["runs", "agents"]), ["table.orm alters the application's own table runs"]);
    assert_eq!(
        said(&["runs", "agents", "notes"]),
        [
            "table.orm alters the application's own table runs",
            "table.orm-created creates notes, which is declared as the application's own",
        ]
    );
}

#[test]
fn a_list_of_tables_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let body = "def upgrade():\n    op.add_column('runs', sa.Column('a', sa.Text()))\n\n\n\
                def downgrade():\n    op.drop_column('runs', 'a')\n";
    write(
        root,
        &[
            ("versions/001_first.py", migration("001_first", "None", body)),
            ("tables.txt", "# the application's own\nagents, `Runs`\n".to_owned()),
        ],
    );
    let with = as_json(&["versions", "--orm-tables", "@tables.txt"], root);
    assert!(rules(&with).contains_key("table.orm"));
    let without = as_json(&["versions"], root);
    assert!(rules(&without).contains_key("table.not-created"));
}
