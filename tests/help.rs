//! What `--help` says: every command has an example that works as typed, and all are alike in how
//! they write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use pgauthority::cli;
use rustix::process::{Pid, Signal, kill_process};
use support::cluster::PASSWORD;
use support::process::{Folder, eventually, free_port, run};
use support::proxy::{PROD, PROGRAM, STAGING};
use support::tools::{repository, tool};
use support::{CertificateAuthority, Cluster, Proxy};

/// They write no report: one runs until it is ended, the other's output is its command's.
const WITHOUT_REPORT: [&str; 2] = ["serve", "exec"];

/// Every command that is no group of others, by its words.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    fn collect(
        command: &clap::Command,
        words: &[String],
        into: &mut Vec<(Vec<String>, clap::Command)>,
    ) {
        let subcommands = || command.get_subcommands().filter(|one| one.get_name() != "help");
        if subcommands().next().is_none() {
            into.push((words.to_vec(), command.clone()));
        }
        for one in subcommands() {
            collect(one, &[words, &[one.get_name().to_owned()]].concat(), into);
        }
    }
    let mut root = cli::command();
    root.build();
    let mut found = Vec::new();
    collect(&root, &[], &mut found);
    found
}

/// The examples of `--help`, each as it is typed.
fn examples(words: &[String]) -> Vec<String> {
    let help = run(Command::new(PROGRAM).args(words).arg("--help"));
    let heading = |line: &&str| line.starts_with("Example") && line.ends_with(':');
    let lines = help.lines().skip_while(|line| !heading(line)).skip(1);
    let mut found: Vec<String> = Vec::new();
    for line in lines.take_while(|line| line.starts_with("  ")) {
        match found.last_mut().filter(|last| last.ends_with('\\')) {
            Some(last) => *last = format!("{last}\n{line}"),
            None => found.push(line.trim_start().to_owned()),
        }
    }
    found
}

/// The examples of a command and of the groups that it is in, where those are its.
fn examples_of(words: &[String]) -> Vec<String> {
    let called = format!("pgauthority {}", words.join(" "));
    let mut found: Vec<String> = (1..=words.len()).flat_map(|n| examples(&words[..n])).collect();
    found.retain(|example| example.contains(&called));
    found.dedup();
    found
}

fn write_program(folder: &Folder, name: &str, text: &str) {
    let path = folder.write(name, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn path_with(folder: &Folder) -> String {
    format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap())
}

#[test]
fn every_command_has_an_example_that_it_understands() {
    let (stubs, calls) = (Folder::new(), Folder::new());
    // a shell takes the examples apart, and the command line is asked what it makes of that
    write_program(&stubs, "pgauthority", "printf '%s\\n' \"$@\" >\"$CALLS/$$\"");
    for name in ["alembic", "pg_dump", "zcat"] {
        write_program(&stubs, name, "exit 0");
    }
    for (words, _) in commands() {
        let examples = examples_of(&words);
        assert!(!examples.is_empty(), "{words:?} has no example");
        for example in examples {
            let _ = run(Command::new("sh")
                .args(["-c", &example])
                .current_dir(stubs.path())
                .env("PATH", path_with(&stubs))
                .env("CALLS", calls.path()));
            let files: Vec<PathBuf> =
                fs::read_dir(calls.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!files.is_empty(), "{example}: runs nothing");
            for file in files {
                let call = fs::read_to_string(&file).unwrap();
                fs::remove_file(file).unwrap();
                let arguments = ["pgauthority"].into_iter().chain(call.lines());
                if let Err(error) = cli::command().try_get_matches_from(arguments) {
                    panic!("{example}: {error}");
                }
            }
        }
    }
}

#[test]
fn every_command_writes_alike() {
    for (words, command) in commands() {
        let argument = |name: &str| {
            command.get_arguments().find(|argument| argument.get_long() == Some(name)).cloned()
        };
        if words.len() == 1 && WITHOUT_REPORT.contains(&words[0].as_str()) {
            continue;
        }
        let format = argument("format").unwrap_or_else(|| panic!("{words:?} has no --format"));
        let values: Vec<String> =
            format.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        assert!(values.contains(&"json".to_owned()), "{words:?}: {values:?}");
        assert_eq!(format.get_default_values(), ["table"], "{words:?}");
        let output = argument("output").unwrap_or_else(|| panic!("{words:?} has no --output"));
        assert_eq!(output.get_value_names().unwrap(), ["FILE"], "{words:?}");
        // 2: what no command understands
        let code = |arguments: &[&str]| {
            let mut command = Command::new(PROGRAM);
            let output = command.args(&words).args(arguments).stdin(Stdio::null()).output();
            output.unwrap().status.code()
        };
        assert_eq!(code(&["--no-such-option"]), Some(2), "{words:?}");
        assert_eq!(code(&["--format", "no-such-format"]), Some(2), "{words:?}");
    }
}

/// Servers, the proxy in front of them, and a folder with what the examples name.
struct Scene {
    _clusters: [Cluster; 2],
    proxy: Proxy,
    bin: Folder,
    work: Folder,
    staging_url: String,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    fn new() -> Scene {
        let authority = CertificateAuthority::new();
        let production = Cluster::builder().tls(&authority).start();
        let staging = Cluster::builder().start();
        // event triggers are a superuser's
        production.sql("app", "ALTER ROLE app SUPERUSER");
        staging.sql("app", "CREATE DATABASE shop");
        let proxy = Proxy::builder()
            .neon_upstream("neon-prod", PROD, &production)
            .upstream("local", STAGING, &staging)
            .scram("nova_prod", "neon-prod", "")
            .scram("nova_local", "local", "")
            .entry(
                "nova",
                "neon = \"neon-prod\"\nlocal = \"local\"\nauth = \"trust\"\nusers = [\"app\"]",
            )
            .start();
        let (bin, work) = (Folder::new(), Folder::new());
        symlink(PROGRAM, bin.join("pgauthority")).unwrap();
        let demo = repository().join("demo");
        run(Command::new("cp").arg("-r").arg(format!("{}/.", demo.display())).arg(work.path()));
        write_program(&bin, "alembic", "exec python3 -m alembic \"$@\"");
        for cluster in [&production, &staging] {
            let url = cluster.url("app", "app").replace("postgresql:", "postgresql+psycopg:");
            run(Command::new("python3")
                .args(["-c", "from app.db import init_db; init_db()"])
                .current_dir(work.path())
                .env("PYTHONPATH", tool("python"))
                .env("DATABASE_URL", url));
        }
        let config = fs::read_to_string(&proxy.config).unwrap();
        work.write("pgauthority.toml", config);
        work.write("schema.sql", "CREATE TABLE t (id int);\nSELECT 1;\n");
        work.write("migrations/0007_add_orders.sql", "ALTER TABLE t ADD note text;\n");
        // something is in the log
        let _ = proxy.connect("nova_prod").error("DROP TABLE runs");
        run(Command::new("cp").arg(proxy.audit_path()).arg(work.join("audit.jsonl.2")));
        run(Command::new("gzip").arg(work.join("audit.jsonl.2")));
        let variables = vec![
            ("PATH", path_with(&bin)),
            ("PYTHONPATH", tool("python").display().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("PGAUTHORITY_CONFIG", work.join("pgauthority.toml").display().to_string()),
            ("DB_AUTHORITY", "local".to_owned()),
            ("DB_ROLE", "staging".to_owned()),
            ("DB_ENV", "test".to_owned()),
            ("DB_VIA", "pgauthority".to_owned()),
            ("PGHOST", "localhost".to_owned()),
            ("PGPORT", staging.port().to_string()),
            ("PGUSER", "app".to_owned()),
            ("PGPASSWORD", PASSWORD.to_owned()),
        ];
        let staging_url = staging.url("app", "app");
        Scene { _clusters: [production, staging], proxy, bin, work, staging_url, variables }
    }

    /// The example where this scene's places stand for those that it names.
    fn adapted(&self, example: &str) -> String {
        let url = format!("'{}'", self.staging_url);
        example
            .replace("/etc/pgauthority/pgauthority.toml", "elsewhere.toml")
            .replace("/var/log/pgauthority/", "")
            .replace("postgresql://nova@localhost:5433/nova_aos", &url)
            .replace("postgresql://nova:novapass@localhost:5433/nova_aos", &url)
            .replace("postgresql://localhost/nova", &url)
            .replace("DB_ENV=dev", "DB_ENV=test")
    }

    fn command(&self, example: &str) -> Command {
        let entry = if example.contains("DB_ROLE=prod") { "nova_prod" } else { "nova_local" };
        let url =
            format!("postgresql+psycopg://app:{PASSWORD}@127.0.0.1:{}/{entry}", self.proxy.port);
        let mut command = Command::new("sh");
        command.args(["-c", example]).current_dir(self.work.path()).stdin(Stdio::null());
        command.env_remove("CONFIRM_PROD_MIGRATIONS").env("DATABASE_URL", url);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs an example that ends by itself.
    fn run(&self, example: &str) -> Output {
        self.command(example).output().unwrap()
    }

    /// Runs an example that does not end, until it prints something; ends it.
    fn begin(&self, example: &str, signal: Signal, words: &str) -> Option<i32> {
        let log = self.work.join("log");
        let file = fs::File::create(&log).unwrap();
        let example = example.replace("pgauthority ", "exec pgauthority ");
        let mut command = self.command(&example);
        let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        eventually(&example, Duration::from_secs(20), || {
            let said = fs::read_to_string(&log).unwrap();
            assert!(
                child.try_wait().unwrap().is_none() || said.contains(words),
                "{example}: {said}"
            );
            said.contains(words).then_some(())
        });
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap().code()
    }

    /// As `backstop install` says: the proxy, and whoever looks, needs the key.
    fn configure_the_key(&self) {
        let path = self.work.join("pgauthority.toml");
        let section = "[upstreams.neon-prod]\n";
        let with_key = format!("{section}backstop_key_file = \"backstop.key\"\n");
        fs::write(&path, fs::read_to_string(&path).unwrap().replace(section, &with_key)).unwrap();
    }

    /// The configuration at other ports, for another proxy.
    fn elsewhere(&self) {
        let config = fs::read_to_string(&self.proxy.config).unwrap();
        let moved = config
            .replace(&format!(":{}\"", self.proxy.port), &format!(":{}\"", free_port()))
            .replace(&format!(":{}\"", self.proxy.admin_port), &format!(":{}\"", free_port()));
        self.work.write("elsewhere.toml", moved);
    }
}

/// Commands whose examples need more than this scene has; their own tests run them.
const ELSEWHERE: [&str; 2] = ["drift", "migrations audit"];

/// What an example is expected to exit with: 1 where it says no, as to a DROP TABLE on prod, or to
/// the demo's migrations, which need tables that only its bootstrap makes.
fn expected(example: &str) -> i32 {
    let says_no = ["explain --database nova_prod", "migrations two-path"];
    i32::from(says_no.iter().any(|command| example.contains(command)))
}

#[test]
fn every_example_works_as_typed() {
    let mut scene = Scene::new();
    let mut seen = Vec::new();
    for (words, _) in commands() {
        if ELSEWHERE.contains(&words.join(" ").as_str()) {
            continue;
        }
        for example in examples_of(&words) {
            if seen.contains(&example) {
                continue;
            }
            scene.elsewhere();
            let typed = scene.adapted(&example);
            if words == ["serve"] {
                let port = free_port();
                scene.variables.push(("PGAUTHORITY_LISTEN", format!("127.0.0.1:{port}")));
                let code = scene.begin(&typed, Signal::TERM, "listening on");
                assert_eq!(code, Some(0), "{example}");
            } else if example.contains("tail -f") {
                assert_eq!(scene.begin(&typed, Signal::INT, "app@"), None, "{example}");
            } else {
                let ran = scene.run(&typed);
                let said = String::from_utf8_lossy(&ran.stdout).into_owned()
                    + &String::from_utf8_lossy(&ran.stderr);
                assert_eq!(ran.status.code(), Some(expected(&example)), "{example}\n{said}");
                assert!(!said.contains(PASSWORD), "{example}\n{said}");
            }
            if example.contains("backstop install") {
                scene.configure_the_key();
            }
            seen.push(example);
        }
    }
    assert!(seen.len() > 25, "{seen:#?}");
    assert!(Path::new(&scene.work.join("backstop.key")).exists());
    drop(scene.bin);
}
