//! A project in a folder of its own, a server, and the command run on both.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::cluster::PASSWORD;
use crate::support::process::{self, Folder};
use crate::support::proxy::PROGRAM;
use crate::support::{Cluster, tools};

/// A copy of `tests/two_path/project`, to be changed.
pub struct Project {
    pub folder: Folder,
}

impl Project {
    pub fn new() -> Project {
        let folder = Folder::new();
        let source = tools::repository().join("tests/two_path/project");
        process::run(Command::new("cp").arg("-a").arg(source.join(".")).arg(folder.path()));
        Project { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces a text that stands in a file once.
    pub fn edit(&self, file: &str, old: &str, new: &str) -> &Project {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{file}: {old}");
        fs::write(path, text.replace(old, new)).unwrap();
        self
    }
}

/// The URL of the application's database, in SQLAlchemy's spelling.
pub fn url(cluster: &Cluster) -> String {
    format!("postgresql+psycopg://app:{PASSWORD}@localhost:{}/app", cluster.port())
}

/// The command with nothing of the surrounding environment but what is given.
pub fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars() {
        let leads =
            name.starts_with("PG") || name.starts_with("DB_") || name.contains("MIGRATIONS");
        if leads || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command
        .args(["migrations", "two-path"])
        .args(arguments)
        .env("PYTHONPATH", tools::tool("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null());
    command
}

/// The same with the declarations of the local staging server, in a project's folder.
pub fn two_path(project: &Project, cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command
        .current_dir(project.path())
        .env("DATABASE_URL", url(cluster))
        .env("DB_AUTHORITY", "local")
        .env("DB_ROLE", "staging")
        .env("DB_ENV", "test");
    command
}

/// Exit code, standard output, standard error.
pub fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Runs it with `--format json`; gives the exit code and the object.
pub fn json(project: &Project, cluster: &Cluster, arguments: &[&str]) -> (i32, Value) {
    let arguments = [arguments, &["--format", "json"]].concat();
    let (code, stdout, stderr) = output(&mut two_path(project, cluster, &arguments));
    let value =
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{code}\n{stdout}{stderr}"));
    nothing_is_left(cluster);
    (code, value)
}

/// The names of scratch databases.
pub fn left(cluster: &Cluster) -> Vec<String> {
    let list = "SELECT datname FROM pg_database WHERE datname LIKE 'pgauthority%' ORDER BY 1";
    cluster.sql("postgres", list).into_iter().flatten().flatten().collect()
}

pub fn nothing_is_left(cluster: &Cluster) {
    assert_eq!(left(cluster), Vec::<String>::new());
}

/// The failures of a path, each as its kind and message.
pub fn failures(report: &Value, path: &str) -> Vec<(String, String)> {
    let paths = report["paths"].as_array().unwrap();
    let path = paths.iter().find(|one| one["path"] == path).unwrap_or_else(|| panic!("{report:#}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let failures = path["failures"].as_array().unwrap().iter();
    failures.map(|failure| (text(&failure["kind"]), text(&failure["message"]))).collect()
}
