//! The Python module `pgauthority-guard` as its users have it: built into a wheel, installed, held
//! to the same table of cases as the program, and in the `env.py` of a real Alembic project in front
//! of a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pgauthority::cli::guard::report;
use pgauthority::contract::Authority;
use pgauthority::governance::gate::{self, Demand, Variables};
use serde_json::{Value, json};
use support::cluster::PASSWORD;
use support::process::{Folder, run};
use support::proxy::{self, PROGRAM};
use support::tools::{repository, tool};
use support::{Cluster, Proxy};

/// The wheel, unpacked by pip into a folder that `PYTHONPATH` names.
fn installed(folder: &Folder) -> PathBuf {
    let source = repository().join("clients/python");
    let (venv, wheels, site) = (folder.join("venv"), folder.join("wheels"), folder.join("site"));
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let pip = |command: &str| {
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "--disable-pip-version-check", "-q", command]);
        pip.args(["--no-index", "--no-deps"]).env("PYTHONPATH", tool("python"));
        pip
    };
    run(pip("wheel").args(["--no-build-isolation", "-w"]).arg(&wheels).arg(&source));
    let wheel = fs::read_dir(&wheels).unwrap().next().unwrap().unwrap().path();
    let name = wheel.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(name, concat!("pgauthority_guard-", env!("CARGO_PKG_VERSION"), "-py3-none-any.whl"));
    run(pip("install").arg("--target").arg(&site).arg(&wheel));
    assert!(site.join("pgauthority_guard/py.typed").exists());
    site
}

/// The Pythons of this machine that the module is for.
fn pythons() -> Vec<String> {
    let versions = (9..=19).map(|minor| format!("python3.{minor}"));
    let runs = |python: &String| {
        let output = Command::new(python).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    versions.chain(["python3".to_owned()]).filter(runs).collect()
}

fn demand(word: &str) -> Demand {
    match word {
        "show" => Demand::Declared,
        "require neon" => Demand::Authority(Authority::Neon),
        "require local" => Demand::Authority(Authority::Local),
        "migrations" => Demand::Migrations,
        other => panic!("demand {other:?}"),
    }
}

/// A case as in the table, with what the program prints.
fn case(name: &str, word: &str, variables: &Variables) -> Value {
    let report = gate::judge(variables, demand(word));
    json!({
        "name": name,
        "demand": word,
        "variables": variables,
        "exit_code": report.verdict.exit_code(),
        "verdict": report.verdict,
        "checks": report.checks,
        "table": report::table(variables, demand(word), &report, false),
    })
}

/// Every choice that a number leads to, one after another (xorshift64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }

    fn url(&mut self) -> String {
        let hosts = [
            "localhost",
            "db",
            "h.example",
            "ep-x.neon.tech",
            "NEON.TECH.",
            ".neon.tech",
            "10.0.0.1",
            "127.1.2.3",
            "127.0.0.01",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fe80::1%25eth0]",
            "[::1",
            "%2Frun",
            "%2frun%7E",
            "h%FF",
            "h:5",
            "h:0005",
            "h:65536",
            "h:",
            "h:+1",
            "h:٣",
            "a,b:6",
            ",",
            "",
            "ü.example",
            "h%0A",
            "[a%20b::%41]",
            "x~y",
        ];
        let scheme = self.of(&[
            "postgresql",
            "postgres",
            "postgresql+psycopg2",
            "postgresql+asyncpg",
            "postgresql+",
            "jdbc:postgresql",
            "postgis+x_1",
            "psql",
            "pgsql",
            "mysql",
            "postgresql+x y",
            "",
        ]);
        let userinfo = self.of(&[
            "",
            "u@",
            "u:s3cr@",
            "u:s3cr@t:x@",
            "u:s3cr/et@",
            "u:s3cr?et@",
            "u:%00@",
            ":s3cr@",
            "u%40x:s3cr%@",
            "u\t@",
            "u\u{85}@",
            "ü:s3cr@",
            "%FF@",
        ]);
        let path = self.of(&["", "/", "/d", "/d%20e", "/d%FF", "/a/b", "/d@e", "/d\n"]);
        let query = self.of(&[
            "",
            "?",
            "?ssl",
            "?sslmode=require&password=s3cr",
            "?host=localhost&port=7",
            "?host=a,%2Frun&port=1,",
            "?port=x",
            "?host=%FF",
            "?host=",
            "?a.b-c_d=s3cr&&e",
            "?a b=c",
            "?user=&password=s3cr%FF",
            "?dbname=a+b",
            "?host=a+b.c",
            "?host=a&host=ep-y.neon.tech",
            "?host=ep-y.neon.tech:5&host=localhost:",
            "?host=a:x&port=3",
            "?host=::1,/a:b",
            "?host=&host=a",
        ]);
        format!("{scheme}://{userinfo}{}{path}{query}", self.of(&hosts))
    }

    fn variables(&mut self) -> Variables {
        let words = [
            ("DB_AUTHORITY", &["neon", "local", "neon", "local", "Neon", "", "\"", "a=s3cr"][..]),
            ("DB_ENV", &["prod-like", "dev", "test", "prod", "dev\u{85}", "dév"]),
            ("DB_ROLE", &["staging", "prod", "replica", "prod", "analytics", "", "\"\"q\""]),
            ("DB_VIA", &["", "direct", "pgauthority", "proxy"]),
            ("CONFIRM_PROD_MIGRATIONS", &["true", "TRUE", "tRue", "1", "", "trüe", "yes"]),
        ];
        let mut variables = Variables::new();
        for (name, words) in words {
            if self.below(6) > 0 {
                variables.insert(name.to_owned(), self.of(words).to_owned());
            }
        }
        if self.below(8) > 0 {
            let url = if self.below(20) == 0 { String::new() } else { self.url() };
            variables.insert("DATABASE_URL".to_owned(), url);
        }
        if self.below(20) == 0 {
            variables.insert("DB_ENV".to_owned(), "x".repeat(62 + self.below(3)));
        }
        variables
    }
}

#[test]
fn the_module_says_what_the_program_says() {
    let folder = Folder::new();
    let site = installed(&folder);
    let table = repository().join("tests/guard_cases.json");
    let table: Vec<Value> = serde_json::from_str(&fs::read_to_string(table).unwrap()).unwrap();
    let mut cases: Vec<Value> = table
        .iter()
        .map(|row| {
            let variables: BTreeMap<String, String> =
                serde_json::from_value(row["variables"].clone()).unwrap();
            let made =
                case(row["name"].as_str().unwrap(), row["demand"].as_str().unwrap(), &variables);
            assert_eq!(made["checks"], row["checks"]);
            made
        })
        .collect();
    let mut choices = Choices(0x9e37_79b9_7f4a_7c15);
    let demands = ["show", "require neon", "require local", "migrations", "migrations"];
    cases.extend((0..3000).map(|number| {
        let word = choices.of(&demands);
        case(&format!("made {number}"), word, &choices.variables())
    }));
    let cases = folder.write("cases.json", json!(cases).to_string());
    let pythons = pythons();
    assert!(!pythons.is_empty());
    for python in pythons {
        run(Command::new(&python)
            .args(["-W", "error::SyntaxWarning", "-m", "unittest", "discover", "-f"])
            .arg(repository().join("clients/python/tests"))
            .current_dir(folder.path())
            .env("PYTHONPATH", &site)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PGAUTHORITY_GUARD_CASES", &cases));
    }
}

#[test]
fn the_licences_travel_with_the_module() {
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        let ours = read(repository().join(name));
        assert_eq!(ours, read(repository().join("clients/python").join(name)));
    }
}

const MIGRATION: &str = "
from alembic import op
revision, down_revision = '0001_runs', None
def upgrade():
    op.execute('CREATE TABLE runs (id bigint PRIMARY KEY)')
def downgrade():
    op.execute('DROP TABLE runs')
";

/// The three lines of the README's hook, by their numbers.
fn hook() -> [String; 3] {
    let readme = repository().join("clients/python/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let section = readme.split("## Alembic").nth(1).unwrap();
    let code = section.split("```").nth(1).unwrap();
    [1, 2, 3].map(|number| {
        let mark = format!("  # {number}: ");
        let line = code.lines().find(|line| line.contains(&mark)).unwrap();
        line.split(&mark).next().unwrap().to_owned()
    })
}

/// A project as `alembic init` makes it, with the hook in its `env.py`.
struct Project {
    folder: PathBuf,
    python_path: String,
}

impl Project {
    fn new(folder: &Folder, template: &str, site: &Path) -> Project {
        let python_path = format!("{}:{}", site.display(), tool("python").display());
        let project = Project { folder: folder.join(template), python_path };
        fs::create_dir(&project.folder).unwrap();
        let made = project.alembic(&[], "", &["init", "-t", template, "migrations"]);
        assert!(made.status.success(), "{}", text(&made));
        let versions = project.folder.join("migrations/versions/0001_runs.py");
        fs::write(versions, MIGRATION).unwrap();
        let path = project.folder.join("migrations/env.py");
        let mut env = fs::read_to_string(&path).unwrap();
        let [import, gate, declare] = hook();
        let mut after = |line: &str, more: &str| {
            let at = env.find(line).unwrap_or_else(|| panic!("{line:?} in {env}")) + line.len();
            env.insert_str(at, more);
        };
        let set = "import os\nconfig.set_main_option('sqlalchemy.url', \
                   os.environ['DATABASE_URL'].replace('%', '%%'))\n";
        after("config = context.config\n", set);
        after("from alembic import context\n", &format!("{import}\n{gate}\n"));
        after("        poolclass=pool.NullPool,\n    )\n", &format!("{declare}\n"));
        fs::write(&path, env).unwrap();
        project
    }

    fn command(&self, variables: &[(&str, &str)], url: &str, program: &[&str]) -> Output {
        let mut command = Command::new(program[0]);
        for (name, _) in std::env::vars() {
            if name.starts_with("PG") || name.starts_with("DB_") || name.contains("MIGRATIONS") {
                command.env_remove(name);
            }
        }
        command.args(&program[1..]).current_dir(&self.folder).stdin(Stdio::null());
        command.env("PYTHONPATH", &self.python_path).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("DATABASE_URL", url).envs(variables.iter().copied()).output().unwrap()
    }

    fn alembic(&self, variables: &[(&str, &str)], url: &str, arguments: &[&str]) -> Output {
        let program = [&["python3", "-m", "alembic"], arguments].concat();
        self.command(variables, url, &program)
    }
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

const STAGING: [(&str, &str); 4] = [
    ("DB_AUTHORITY", "local"),
    ("DB_ROLE", "staging"),
    ("DB_ENV", "test"),
    ("DB_VIA", "pgauthority"),
];
const PROD: [(&str, &str); 5] = [
    ("DB_AUTHORITY", "neon"),
    ("DB_ROLE", "prod"),
    ("DB_ENV", "prod-like"),
    ("CONFIRM_PROD_MIGRATIONS", "true"),
    ("DB_VIA", "pgauthority"),
];
const UPGRADE: [&str; 2] = ["upgrade", "head"];

#[test]
fn the_hook_in_an_alembic_project_in_front_of_a_server() {
    let folder = Folder::new();
    let site = installed(&folder);
    let (production, staging) = (Cluster::builder().start(), Cluster::builder().start());
    let proxy = Proxy::builder()
        .upstream("neon-prod", proxy::PROD, &production)
        .upstream("local", proxy::STAGING, &staging)
        .scram("nova_prod", "neon-prod", "confirm = \"startup\"")
        .scram("nova_local", "local", "")
        .start();
    let url = |driver: &str, entry: &str| {
        format!("postgresql+{driver}://app:{PASSWORD}@127.0.0.1:{}/{entry}", proxy.port)
    };
    let exists = |cluster: &Cluster| cluster.value("app", "SELECT to_regclass('runs') IS NOT NULL");
    let generic = Project::new(&folder, "generic", &site);
    let asynchronous = Project::new(&folder, "async", &site);
    for (project, driver) in [
        (&generic, "psycopg"),
        (&generic, "psycopg2"),
        (&generic, "pg8000"),
        (&asynchronous, "asyncpg"),
        (&asynchronous, "psycopg"),
    ] {
        for (variables, entry, cluster) in
            [(&STAGING[..], "nova_local", &staging), (&PROD, "nova_prod", &production)]
        {
            for (command, found) in [(&UPGRADE, "t"), (&["downgrade", "base"], "f")] {
                let ran = project.alembic(variables, &url(driver, entry), command);
                assert!(ran.status.success(), "{driver} {command:?}: {}", text(&ran));
                assert_eq!(exists(cluster), found, "{driver} {command:?}");
            }
        }
    }
    let confirmed = proxy.events("ddl_confirmed");
    let tables =
        confirmed.iter().filter(|event| event["statement"].to_string().contains("TABLE runs"));
    assert_eq!(tables.count(), 10, "{confirmed:#?}");

    let psycopg = url("psycopg", "nova_prod");
    let refused = |variables: &[(&str, &str)], url: &str, words: &[&str]| {
        let ran = generic.alembic(variables, url, &UPGRADE);
        let said = text(&ran);
        assert!(!ran.status.success(), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert!(!said.contains(PASSWORD), "{said}");
        assert_eq!((exists(&production), exists(&staging)), ("f".to_owned(), "f".to_owned()));
    };
    // the gate
    refused(&[], &psycopg, &["NotDeclaredError: DB_AUTHORITY is not set (authority.declared)"]);
    let unconfirmed: Vec<_> = PROD.into_iter().filter(|(_, value)| *value != "true").collect();
    refused(&unconfirmed, &psycopg, &["RefusedError", "hint: CONFIRM_PROD_MIGRATIONS=true"]);
    let replica = [&PROD[..], &[("DB_ROLE", "replica")]].concat();
    refused(&replica, &psycopg, &["migrations are always blocked on a replica"]);
    // the proxy: it leads elsewhere than declared; and what is not declared to lead to one declares
    // nothing to it
    refused(&PROD, &url("psycopg", "nova_local"), &["rule expect.mismatch"]);
    refused(&PROD[..4], &psycopg, &["AuthorityWarning: role prod", "has not confirmed"]);
    // what the caller's libpq options say stands beside
    let options = [&PROD[..], &[("PGOPTIONS", "-c authority.ticket=CHG-9")]].concat();
    let ran = generic.alembic(&options, &psycopg, &UPGRADE);
    assert!(ran.status.success(), "{}", text(&ran));
    assert!(proxy.events("ddl_confirmed").iter().any(|event| event["ticket"] == "CHG-9"));
    // under exec, which declares the same
    let exec = [PROGRAM, "exec", "-q", "--", "python3", "-m", "alembic", "downgrade", "base"];
    let ran = asynchronous.command(&PROD, &url("asyncpg", "nova_prod"), &exec);
    assert!(ran.status.success(), "{}", text(&ran));
    assert_eq!(exists(&production), "f");
}
