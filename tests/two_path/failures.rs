//! Each kind of failure, in a project that is sound but for it.

use serde_json::Value;

use crate::ground::{Project, failures, json, output, two_path, url};
use crate::support::{Cluster, Major};

const TABLES: [&str; 2] = ["--orm-tables", "@orm_tables.txt"];
const CORE: &str = "migrations/versions/001_core_tables.py";
const PRIORITY: &str = "migrations/versions/002_add_a_priority_and_its_index_to_runs.py";

/// Runs it; gives the failures of a path, which are all there are.
fn only(
    project: &Project,
    cluster: &Cluster,
    arguments: &[&str],
    path: &str,
) -> Vec<(String, String)> {
    let (code, report) = json(project, cluster, &[&TABLES, arguments].concat());
    assert_eq!((code, report["verdict"].as_str()), (1, Some("failed")), "{report:#}");
    for other in report["paths"].as_array().unwrap() {
        let others = other["failures"].as_array().unwrap();
        assert!(other["path"] == path || others.is_empty(), "{report:#}");
    }
    failures(&report, path)
}

fn one(found: &[(String, String)], kind: &str, words: &str) {
    let [(theirs, message)] = found else { panic!("{found:?}") };
    assert_eq!(theirs, kind, "{message}");
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_sound_project_passes_every_path_on_every_server() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let project = Project::new();
        let known = ["--require-equal", "--known", "known.toml"];
        let arguments = [&TABLES[..], &known, &["--version-length", "128"]].concat();
        let (code, stdout, stderr) = output(&mut two_path(&project, &cluster, &arguments));
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert_eq!(stderr, "", "it is quiet in a pipe");
        assert_eq!(stdout.matches("\n  passed\n").count(), 3, "{stdout}");
        assert!(stdout.ends_with("\npassed\n"), "{stdout}");
        // the column that a migration added stands elsewhere, which is no more than a note
        let wanted = "A and B side by side: 3 differences (2 known, 1 of names or order alone)";
        assert!(stdout.contains(wanted), "{stdout}");
        assert!(stdout.contains("= table public.runs  columns in another order"), "{stdout}");
        // without the declared ones it would not do
        let (code, report) = json(&project, &cluster, &["--paths", "A,B", "--require-equal"]);
        assert_eq!(code, 1);
        assert_eq!(report["differing"]["kind"], "schemas_differ");
        assert_eq!(report["differing"]["objects"].as_array().unwrap().len(), 2, "{report:#}");
    }
}

#[test]
fn a_table_that_no_migration_creates_is_named() {
    let cluster = Cluster::builder().start();
    // nothing needs it: the upgrade succeeds all the same
    let project = Project::new();
    project.edit(CORE, "\"sdsr_incidents\", ", "");
    let found = only(&project, &cluster, &[], "A");
    one(
        &found,
        "orm_table_missing",
        "a table that the application owns is missing: sdsr_incidents",
    );

    // a later migration needs it
    let project = Project::new();
    project.edit(CORE, "        \"runs\",\n", "        \"walks\",\n");
    let (code, report) = json(&project, &cluster, &[&TABLES[..], &["--paths", "A,B"]].concat());
    assert_eq!(code, 1);
    one(&failures(&report, "A"), "orm_table_missing", "relation \"runs\" does not exist (42P01)");
    let failure = &report["paths"][0]["failures"][0];
    assert_eq!(failure["objects"], Value::from(vec!["runs"]));
    assert_eq!(failure["revision"], "002_add_a_priority_and_its_index_to_runs");
    assert_eq!(report["comparison"], Value::Null);

    // undeclared, and known all the same since the bootstrap makes it
    let (_, report) = json(&project, &cluster, &["--paths", "A,B"]);
    one(&failures(&report, "A"), "orm_table_missing", "relation \"runs\"");
}

#[test]
fn a_bootstrap_that_forgets_a_table_is_told() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    project.edit("app/db.py", "\"provenance\", ", "");
    let found = only(&project, &cluster, &["--paths", "A,B"], "B");
    one(&found, "orm_table_missing", "missing: provenance");
}

#[test]
fn a_migration_that_fails_on_what_is_there_is_told() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let index = "[\"priority\"], if_not_exists=True";
    project.edit(PRIORITY, index, "[\"priority\"]");
    let found = only(&project, &cluster, &[], "C");
    one(&found, "not_idempotent", "\"ix_runs_priority\" already exists (42P07)");

    let project = Project::new();
    project.edit(PRIORITY, "        if_not_exists=True,\n", "");
    let (code, stdout, _) = output(&mut two_path(&project, &cluster, &["--paths", "C"]));
    assert_eq!(code, 1);
    assert!(stdout.contains("not_idempotent: upgrade failed: column \"priority\""), "{stdout}");
    assert!(stdout.contains("in migration 002_add_a_priority_and_its_index_to_runs"), "{stdout}");
    assert!(stdout.contains("    | sqlalchemy.exc.ProgrammingError"), "{stdout}");
}

#[test]
fn a_stamp_that_was_not_committed_is_told() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    // SQLAlchemy 2: a statement before Alembic's own transaction begins another, never committed
    project.edit("migrations/env.py", "connectable.begin()", "connectable.connect()");
    let (code, report) = json(&project, &cluster, &TABLES);
    assert_eq!(code, 1);
    let b = failures(&report, "B");
    one(
        &b,
        "stamp_not_committed",
        "stamp reported success, and the table alembic_version is not there",
    );
    let hint = report["paths"][1]["failures"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("connectable.begin()"), "{hint}");
    // the same fault loses whole upgrades
    let a = failures(&report, "A");
    assert_eq!(a[0].0, "upgrade_not_committed", "{a:?}");
    assert_eq!(a[1].0, "orm_table_missing", "{a:?}");
    assert_eq!(failures(&report, "C")[0].0, "upgrade_not_committed");
}

#[test]
fn an_id_longer_than_the_version_column_is_told() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    // Alembic's own column has 32 characters, and the second id 40
    project.edit("migrations/env.py", "__dialect__ = \"postgresql\"", "__dialect__ = \"other\"");
    let (_, report) = json(&project, &cluster, &["--paths", "A,B"]);
    one(&failures(&report, "A"), "version_too_long", "upgrade failed: value too long for type");
    let failure = &report["paths"][0]["failures"][0];
    assert_eq!(failure["objects"], Value::from(vec!["002_add_a_priority_and_its_index_to_runs"]));
    // the head itself is short: the stamp works, and the next upgrade would not
    let b = failures(&report, "B");
    one(&b, "version_too_long", "the version column holds 32 characters, and \"002_add");

    // all ids fit, and the column is short of what is demanded
    for file in [PRIORITY, "migrations/versions/s6_trace_immutability.py"] {
        project.edit(file, "= \"002_add_a_priority_and_its_index_to_runs\"", "= \"002_priority\"");
    }
    let (code, report) = json(&project, &cluster, &["--paths", "A"]);
    assert_eq!(code, 0, "{report:#}");
    let note = report["notes"][0].as_str().unwrap();
    assert!(note.contains("holds 32 characters and the longest id has 21"), "{note}");
    let found = only(&project, &cluster, &["--paths", "A", "--version-length", "128"], "A");
    one(&found, "version_column", "holds 32 characters, and 128 are demanded");
    let found = only(&project, &cluster, &["--paths", "A", "--version-length", "20"], "A");
    one(&found, "version_too_long", "\"s6_trace_immutability\" has 21 characters, more than 20");
}

#[test]
fn a_database_that_is_not_at_head_is_told() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let stamp = ["--paths", "B", "--stamp", "python3 -m alembic stamp 001_core_tables"];
    let words = "the database stands at 001_core_tables, not at s6_trace_immutability";
    one(&only(&project, &cluster, &stamp, "B"), "not_at_head", words);
    // without a history, from what current says
    let stamp = [&stamp[..], &["--history", ""]].concat();
    one(&only(&project, &cluster, &stamp, "B"), "not_at_head", "not that the database is at head");
}

#[test]
fn a_command_that_goes_round_the_proxy_is_told() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let direct = url(&cluster).replace("+psycopg", "");
    let bootstrap = format!("psql -XAtc 'SELECT 1' {direct}");
    let found = only(&project, &cluster, &["--paths", "B", "--bootstrap", &bootstrap], "B");
    let went = found.iter().find(|(kind, _)| kind == "went_round").unwrap();
    assert!(went.1.contains("bootstrap had no session with the scratch database"), "{found:?}");
}

#[test]
fn commands_go_through_a_proxy_that_says_what_it_is() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let tags = "SELECT current_setting('authority.role'), current_setting('authority.authority'), \
                current_database() LIKE 'pgauthority_two_path_a_%', current_user";
    let sh = format!(
        "psql -XAtc \"{tags}\" && psql -XAtc \"{tags}\" \"$(echo $DATABASE_URL | sed s/+psycopg//)\" \
         && echo $DB_ROLE $DB_AUTHORITY $DB_ENV $DB_VIA $CONFIRM_PROD_MIGRATIONS; exit 3"
    );
    let mut command = two_path(&project, &cluster, &["--paths", "A", "--upgrade", &sh]);
    let (code, stdout, _) = output(command.env("CONFIRM_PROD_MIGRATIONS", "true"));
    assert_eq!(code, 1, "{stdout}");
    assert_eq!(stdout.matches("| staging|local|t|app\n").count(), 2, "{stdout}");
    assert!(stdout.contains("| staging local test pgauthority\n"), "{stdout}");
    assert!(stdout.contains("command_failed: upgrade failed: exit code 3"), "{stdout}");
}

#[test]
fn a_command_that_takes_too_long_is_ended() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let arguments =
        ["--paths", "A", "--timeout", "1", "--upgrade", "psql -c 'SELECT pg_sleep(99)'"];
    one(&only(&project, &cluster, &arguments, "A"), "timed_out", "upgrade took longer than 1s");
}

#[test]
fn a_password_in_an_output_is_masked() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let arguments = ["--paths", "A", "--upgrade", "echo url $DATABASE_URL; false"];
    let (_, stdout, _) = output(&mut two_path(&project, &cluster, &arguments));
    assert!(stdout.contains("| url postgresql+psycopg://app:***@127.0.0.1:"), "{stdout}");
}

#[test]
fn annotations_name_what_fails() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    project.edit(CORE, "\"memories\",\n", "\n");
    let arguments = [&TABLES[..], &["--paths", "A,B", "--format", "github"]].concat();
    let (code, stdout, _) = output(&mut two_path(&project, &cluster, &arguments));
    assert_eq!(code, 1);
    let error = "::error title=two-path A%3A orm_table_missing::a table that the application owns \
                 is missing: memories%0Ahint: ";
    assert!(stdout.contains(error), "{stdout}");
    assert!(
        stdout.contains("::warning title=two-path%3A only_in_b::table public.memories\n"),
        "{stdout}"
    );
}
