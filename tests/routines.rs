//! The catalog against real servers: what a statement runs through routines, views, triggers,
//! types and operators is never judged weaker than what the server is seen to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path as File;
use std::sync::Arc;

use pgauthority::sql::catalog::{Catalog, Options, Path, Resolved, Row, Trusted};
use pgauthority::sql::{Class, Judgement, judge};
use support::wire::Frames;
use support::{Cluster, Login, Major, Wire};

const WATCH: &str = "
    CREATE SCHEMA oracle; GRANT USAGE ON SCHEMA oracle TO PUBLIC;
    CREATE FUNCTION oracle.note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'fired: %', tg_tag; END $$;
    CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION oracle.note();";

fn read(name: &str) -> String {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/routines");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn options(trusted: &[&str]) -> Options {
    let tables: BTreeSet<String> = ["alembic_version".to_owned()].into();
    Options {
        migration_tables: Arc::new(tables),
        trusted: trusted.iter().map(|text| Trusted::parse(text).unwrap()).collect(),
    }
}

fn judged(text: &str) -> Judgement {
    judge(text.as_bytes(), &options(&[]).migration_tables)
}

fn rows(wire: &mut Wire) -> Vec<Row> {
    let bytes = |column: Option<String>| column.map(String::into_bytes);
    let rows = wire.sql(Catalog::QUERY);
    rows.into_iter().map(|row| row.into_iter().map(bytes).collect()).collect()
}

fn snapshot(wire: &mut Wire, options: &Options) -> Catalog {
    Catalog::build(rows(wire), options).unwrap()
}

fn public() -> Path {
    Path::of_setting("public", None)
}

/// What all statements of a text are together.
fn resolved(catalog: &Catalog, text: &str, path: &Path, backstop: bool) -> Resolved {
    let judgement = judged(text);
    let all = judgement.statements.iter().map(|one| catalog.resolve(one, path, backstop));
    all.max_by_key(|resolved| resolved.class).unwrap()
}

/// The event triggers that a statement fired, and its error code.
fn run(wire: &mut Wire, statement: &str) -> (Vec<String>, Option<String>) {
    let (mut fired, mut code) = (Vec::new(), None);
    for message in wire.exchange(&Frames::new().query(statement)) {
        match message.tag {
            b'N' => {
                fired.extend(message.fields().message().strip_prefix("fired: ").map(str::to_owned))
            }
            b'E' => code = Some(message.fields().code().to_owned()),
            _ => {}
        }
    }
    (fired, code)
}

struct Case {
    known: String,
    unknown: String,
    statement: String,
}

fn cases() -> Vec<Case> {
    let table = read("cases.tsv");
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (classes, statement) = line.split_once('\t').unwrap();
            let (known, unknown) = classes.split_once('/').unwrap_or((classes, classes));
            Case { known: known.into(), unknown: unknown.into(), statement: statement.into() }
        })
        .collect()
}

#[test]
fn nothing_is_judged_weaker_than_what_the_server_does() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).setting("statement_timeout", "5s").start();
        let mut wire = cluster.connect("app");
        wire.sql(&read("schema.sql"));
        let catalog = snapshot(&mut wire, &options(&[]));
        wire.sql(WATCH);
        // row security does not apply to superusers
        wire.sql("GRANT CREATE ON SCHEMA public, lib TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC");
        let mut plain = Wire::tcp(
            cluster.port(),
            &Login::new("app", "app").password(support::cluster::PASSWORD),
        )
        .unwrap();
        for wire in [&mut wire, &mut plain] {
            wire.sql("SET search_path = public");
        }
        let (mut wrong, mut fires, mut refused) = (String::new(), 0, 0);
        for Case { known, unknown, statement } in cases() {
            for (path, expected) in [(public(), known), (Path::Unknown, unknown)] {
                let found = resolved(&catalog, &statement, &path, false);
                if found.class.as_str() != expected {
                    let Resolved { class, reason, .. } = &found;
                    writeln!(wrong, "{statement}\n  {path:?}: {class}, not {expected}: {reason}")
                        .unwrap();
                }
            }
            let found = resolved(&catalog, &statement, &public(), false);
            for wire in [&mut wire, &mut plain] {
                run(wire, "BEGIN");
                let (fired, _) = run(wire, &statement);
                run(wire, "ROLLBACK");
                run(wire, "DEALLOCATE ALL");
                run(wire, "BEGIN READ ONLY");
                let (_, code) = run(wire, &statement);
                run(wire, "ROLLBACK");
                run(wire, "DEALLOCATE ALL");
                fires += usize::from(!fired.is_empty());
                refused += usize::from(code.as_deref() == Some("25006"));
                let temporary =
                    fired.iter().all(|_| statement.contains("TEMP") || statement.contains("temp"));
                if !fired.is_empty() && found.class < Class::Ddl && !temporary
                    || code.as_deref() == Some("25006") && found.class <= Class::Read
                {
                    writeln!(wrong, "{statement}\n  is {found:?}, does {fired:?} {code:?}")
                        .unwrap();
                }
            }
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        assert!(fires > 100 && refused > 100, "{fires} fired, {refused} were refused");
    }
}
