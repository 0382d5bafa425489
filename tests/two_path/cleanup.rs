//! Scratch databases go away whatever happens, and nobody else's do.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Project, left, nothing_is_left, output, two_path};
use crate::support::Cluster;
use crate::support::process::eventually;

const PATIENCE: Duration = Duration::from_secs(30);

/// A run whose upgrade sleeps in the server; ended when dropped.
struct Sleeping {
    child: Child,
    databases: Vec<String>,
}

impl Sleeping {
    fn start(project: &Project, cluster: &Cluster) -> Sleeping {
        let before = left(cluster);
        let sleep = "echo $$ > $$.pid; psql -c 'SELECT pg_sleep(300)'";
        let mut command = two_path(project, cluster, &["--paths", "A,C", "--upgrade", sleep]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                      AND datname LIKE 'pgauthority%'";
        let wanted = before.iter().filter(|name| name.contains("_a_")).count() + 1;
        eventually("the upgrade sleeps", PATIENCE, || {
            (cluster.value("postgres", asleep) == wanted.to_string()).then_some(())
        });
        let databases: Vec<String> =
            left(cluster).into_iter().filter(|name| !before.contains(name)).collect();
        assert_eq!(databases.len(), 2, "{databases:?}");
        Sleeping { child, databases }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut text).unwrap();
        (status.code(), text)
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_interrupted_run_cleans_up() {
    let cluster = Cluster::builder().start();
    for (signal, code, name) in
        [(Signal::INT, 130, "SIGINT"), (Signal::TERM, 143, "SIGTERM"), (Signal::HUP, 129, "SIGHUP")]
    {
        let project = Project::new();
        let run = Sleeping::start(&project, &cluster);
        run.signal(signal);
        let (ended, said) = run.end();
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(&format!("interrupted by {name}")), "{said}");
        nothing_is_left(&cluster);
        // and so is the command that was under way
        let files = std::fs::read_dir(project.path()).unwrap().flatten();
        let pid = files
            .filter_map(|file| file.file_name().into_string().ok())
            .find_map(|name| name.strip_suffix(".pid").map(str::to_owned))
            .unwrap();
        eventually("the command is gone", PATIENCE, || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
    }
}

#[test]
fn a_killed_run_is_swept_by_the_next_one_and_a_living_one_is_not() {
    let cluster = Cluster::builder().start();
    cluster.sql("postgres", "CREATE DATABASE pgauthority_two_path_of_somebody OWNER app");
    let (first, second, third) = (Project::new(), Project::new(), Project::new());
    let living = Sleeping::start(&first, &cluster);
    let killed = Sleeping::start(&second, &cluster);
    let dead = killed.databases.clone();
    killed.signal(Signal::KILL);
    let _ = killed.end();
    let quick =
        ["--paths", "B", "--bootstrap", "psql -c 'SELECT 1'", "--stamp", "psql -c 'SELECT 1'"];
    let current = ["--current", "psql -XAtc \"SELECT '(head)'\"", "--version-table", ""];
    // the server notices at its own pace that the lock's holder is gone
    eventually("what the dead run has left is swept", PATIENCE, || {
        let mut command = two_path(&third, &cluster, &[&quick[..], &current].concat());
        let (code, stdout, stderr) = output(&mut command);
        assert_eq!(code, 0, "{stdout}{stderr}");
        dead.iter().all(|name| stderr.contains(&format!("dropped {name}, "))).then_some(())
    });
    let mut expected = living.databases.clone();
    expected.push("pgauthority_two_path_of_somebody".to_owned());
    assert_eq!(left(&cluster), expected);
    living.signal(Signal::INT);
    let (code, said) = living.end();
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(left(&cluster), ["pgauthority_two_path_of_somebody"]);
}

#[test]
fn a_server_that_restarts_meanwhile_is_cleaned_up_too() {
    let mut cluster = Cluster::builder().start();
    let project = Project::new();
    let run = Sleeping::start(&project, &cluster);
    cluster.restart();
    // the path under way has failed, and the next one's upgrade sleeps: it ends that too
    eventually("the other upgrade sleeps", PATIENCE, || {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE wait_event = 'PgSleep' AND datname LIKE 'pgauthority%'";
        (!cluster.sql("postgres", end).is_empty()).then_some(())
    });
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    nothing_is_left(&cluster);
}

#[test]
fn a_terminal_sees_it_go_on() {
    let cluster = Cluster::builder().start();
    let project = Project::new();
    let script = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b""
try:
    while more := os.read(terminal, 1000):
        said += more
except OSError:
    pass
print(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let sleep = "echo under way; sleep 1; psql -c 'SELECT 1'";
    let inner =
        two_path(&project, &cluster, &["--paths", "A", "--upgrade", sleep, "--version-table", ""]);
    let mut python = Command::new("python3");
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    python.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
    let (code, stdout, stderr) = output(python.current_dir(project.path()).stdin(Stdio::null()));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("path A  upgrade  0s  under way"), "{stdout}");
    assert!(stdout.contains("path A walked in "), "{stdout}");
}
