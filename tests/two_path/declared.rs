//! Who may, which server, and that nothing happens before that is settled.

use std::fs;
use std::process::Command;

use crate::ground::{Project, bare, nothing_is_left, output, two_path, url};
use crate::support::cluster::PASSWORD;
use crate::support::proxy::PROGRAM;
use crate::support::{CertificateAuthority, Cluster};

const NOWHERE: &str = "postgresql://app@127.0.0.1:1/app";

fn said(command: &mut Command) -> (i32, String) {
    let (code, stdout, stderr) = output(command);
    assert_eq!(stdout, "");
    (code, stderr)
}

#[test]
fn any_role_but_staging_is_refused_before_anything_is_looked_at() {
    let declared = [("DB_AUTHORITY", "local"), ("DB_ENV", "test"), ("DATABASE_URL", NOWHERE)];
    for (role, words) in [
        (None, "DB_ROLE is not set"),
        (Some(""), "DB_ROLE is empty"),
        (Some("prod"), "DB_ROLE is \"prod\""),
        (Some("replica"), "DB_ROLE is \"replica\""),
        (Some("Staging"), "DB_ROLE is \"Staging\""),
    ] {
        let mut command = bare(&["--config", "/nowhere"]);
        command.envs(declared).envs(role.map(|role| ("DB_ROLE", role)));
        let (code, stderr) = said(&mut command);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(&format!("refused: {words}, and the two-path check")), "{stderr}");
    }
}

#[test]
fn a_refused_run_leaves_no_trace_on_the_server() {
    let cluster = Cluster::builder().setting("log_connections", "on").start();
    let project = Project::new();
    let mut command = two_path(&project, &cluster, &[]);
    let (code, _) = said(command.env("DB_ROLE", "prod").env("CONFIRM_PROD_MIGRATIONS", "true"));
    assert_eq!(code, 1);
    let connected = cluster.log().lines().any(|line| line.contains("user=app"));
    assert!(!connected, "{}", cluster.log());
}

#[test]
fn the_authority_is_declared_and_local() {
    let staging = [("DB_ROLE", "staging"), ("DB_ENV", "test"), ("DATABASE_URL", NOWHERE)];
    let (code, stderr) = said(bare(&[]).envs(staging).env("DB_AUTHORITY", "neon"));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("refused: DB_AUTHORITY is neon, and scratch databases"), "{stderr}");
    let (code, stderr) = said(bare(&[]).envs(staging));
    assert_eq!(code, 78, "{stderr}");
    let wanted = "pgauthority migrations two-path: not declared: DB_AUTHORITY is not set\n";
    assert!(stderr.contains(wanted), "{stderr}");
    let (code, stderr) = said(
        bare(&[]).env("DB_ROLE", "staging").env("DB_AUTHORITY", "local").env("DB_ENV", "test"),
    );
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains("DATABASE_URL is not set"), "{stderr}");
}

#[test]
fn a_host_of_neons_is_no_local_server() {
    let url = "postgresql://app@ep-x.neon.tech:1/app?hostaddr=127.0.0.1";
    let mut command = bare(&[]);
    command.env("DB_ROLE", "staging").env("DB_ENV", "dev").env("DB_AUTHORITY", "local");
    let (code, stderr) = said(command.env("DATABASE_URL", url));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("refused: authority local is declared for \"ep-x.neon.tech\""),
        "{stderr}"
    );
}

const QUICK: [&str; 2] = [
    "--upgrade",
    "psql -XAtc 'SHOW authority.role' | grep -x staging && \
     psql -qc 'CREATE TABLE agents (); CREATE TABLE runs ()'",
];

#[test]
fn an_upstream_of_the_configuration_will_do() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let file = project.folder.join("pgauthority.toml");
    let upstream = |name: &str, authority: &str, role: &str| {
        format!(
            "[upstreams.{name}]\nauthority = \"{authority}\"\nrole = \"{role}\"\nenv = \"{}\"\n\
             url = \"postgresql://app:{PASSWORD}@localhost:{}/app\"\n",
            if role == "prod" { "prod-like" } else { "test" },
            cluster.port()
        )
    };
    let text = format!(
        "{}{}[contract]\norm_tables = [\"agents\", \"runs\"]\n\
         [databases.x]\nupstream = \"here\"\nauth = \"relay\"\n",
        upstream("here", "local", "staging"),
        upstream("there", "neon", "prod")
    );
    fs::write(&file, text).unwrap();
    let run = |name: &str, more: &[&str], environment: &[(&str, &str)]| {
        let config = file.to_str().unwrap();
        let target =
            ["--config", config, "--upstream", name, "--version-table", "", "--paths", "A"];
        let more = if more.is_empty() { &QUICK[..] } else { more };
        let mut command = bare(&[&target[..], more].concat());
        command.current_dir(project.path()).env("DB_ROLE", "staging");
        output(command.envs(environment.iter().copied()))
    };
    let (code, stdout, stderr) = run("here", &[], &[]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    // the commands' driver has its own spelling
    let scheme = ["--scheme", "postgresql+psycopg"];
    let python = "python3 -m alembic upgrade head";
    let tables = ["--version-table", "alembic_version", "--orm-tables", "agents"];
    let arguments = [&scheme[..], &["--upgrade", python], &tables].concat();
    let file = file.to_str().unwrap();
    let mut command =
        bare(&[&["--config", file, "--upstream", "here", "--paths", "A"], &arguments[..]].concat());
    let (code, stdout, stderr) =
        output(command.current_dir(project.path()).env("DB_ROLE", "staging"));
    assert_eq!(code, 0, "{stdout}{stderr}");

    // the configuration names the tables, unless the command line does
    let upgrade = ["--upgrade", "psql -c 'CREATE TABLE runs ()'"];
    let (code, stdout, _) = run("here", &upgrade, &[]);
    assert_eq!(code, 1);
    assert!(stdout.contains("the application owns is missing: agents\n"), "{stdout}");
    let (code, ..) = run("here", &[&upgrade[..], &["--orm-tables", "public.runs"]].concat(), &[]);
    assert_eq!(code, 0);

    let (code, _, stderr) = run("there", &[], &[]);
    assert_eq!(code, 1);
    assert!(stderr.contains("refused: upstream \"there\" is declared neon, prod"), "{stderr}");
    let (code, _, stderr) = run("here", &[], &[("DB_ENV", "dev")]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("DB_ENV is \"dev\", and upstream \"here\" is declared test"),
        "{stderr}"
    );
    let (code, _, stderr) = run("nowhere", &[], &[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no upstream \"nowhere\""), "{stderr}");
    nothing_is_left(&cluster);
}

#[test]
fn a_server_that_wants_tls_gets_it() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().tls(&authority).tls_only().start();
    let project = Project::new();
    let root = project.folder.write("root.crt", authority.pem());
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", url(&cluster), root.display());
    let mut command = two_path(&project, &cluster, &["--paths", "A,B", "--orm-tables", "runs"]);
    let (code, stdout, stderr) = output(command.env("DATABASE_URL", url));
    assert_eq!(code, 0, "{stdout}{stderr}");
    nothing_is_left(&cluster);
}

#[test]
fn what_keeps_it_from_starting_is_an_error() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let error = |command: &mut Command, words: &str| {
        let (code, stderr) = said(command);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(!stderr.contains(PASSWORD), "{stderr}");
    };
    let reader = url(&cluster).replace("//app:", "//reader:");
    error(
        two_path(&project, &cluster, &QUICK).env("DATABASE_URL", reader),
        "role \"reader\" may not create databases",
    );
    let wrong = url(&cluster).replace(PASSWORD, "wrong");
    error(two_path(&project, &cluster, &QUICK).env("DATABASE_URL", wrong), "password");
    error(&mut two_path(&project, &cluster, &["--known", "/nowhere"]), "cannot read /nowhere");
    error(&mut two_path(&project, &cluster, &["--orm-tables", ","]), "names no table");
    let alone = ["--require-equal", "--paths", "A"];
    error(&mut two_path(&project, &cluster, &alone), "compares A and B");
    error(&mut two_path(&project, &cluster, &["--directory", "/nowhere"]), "no folder /nowhere");
    error(
        &mut two_path(&project, &cluster, &["--template", "no such one"]),
        "template database \"no such one\" does not exist",
    );
    nothing_is_left(&cluster);
}

#[test]
fn the_example_of_the_help_works_as_typed() {
    let cluster = Cluster::builder().start();
    cluster.sql("postgres", "CREATE ROLE nova LOGIN CREATEDB PASSWORD 'novapass'");
    cluster.sql("postgres", "CREATE DATABASE nova_aos OWNER nova");
    let project = Project::new();
    let (_, help, _) = output(&mut bare(&["--help"]));
    let lines: Vec<&str> = help.lines().skip_while(|line| !line.starts_with("Example")).collect();
    let example = lines[1..].iter().take_while(|line| !line.is_empty());
    let example = example.copied().collect::<Vec<_>>().join("\n");
    assert!(example.contains("localhost:5433/nova_aos"), "{example}");
    // typed but for the port, where no test can count on that one, and the driver that is here
    let example = example
        .replace(":5433/", &format!(":{}/", cluster.port()))
        .replace("=postgresql://", "=postgresql+psycopg://");
    let folder = std::path::Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    for (name, value) in bare(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.args(["-c", &example]).env("PATH", path).current_dir(project.path());
    let (code, stdout, stderr) = output(&mut shell);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.ends_with("passed\n"), "{stdout}");
}
