//! What `exec` is run in and what it runs: terminals, parents, scripts, daemons, URLs of every kind.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::announcer::announce;
use super::support::Cluster;
use super::support::cluster::PASSWORD;
use super::support::process::Folder;
use super::support::proxy::{self, PROGRAM, Proxy};
use super::support::tools::tool;
use super::{DECLARED_STAGING, STAGING, exec, output, succeeds, url};

fn staging() -> (Cluster, String) {
    let cluster = Cluster::builder().start();
    let url = url(announce(cluster.port(), STAGING));
    (cluster, url)
}

/// Runs a Python script that is given the program, with the environment of `exec`.
fn python(url: &str, script: &str) -> (i32, String) {
    let mut command = Command::new("python3");
    for (name, value) in exec(DECLARED_STAGING, url, &[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("PYTHONPATH", tool("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    let (code, stdout, stderr) = output(command.args(["-c", script, PROGRAM]).stdin(Stdio::null()));
    (code, format!("{stdout}{stderr}"))
}

#[test]
fn whoever_waits_sees_the_signal_that_ended_the_command() {
    let (_cluster, url) = staging();
    for signal in [2, 6, 9, 11, 15] {
        let kill = format!("kill -{signal} $$");
        let status = exec(DECLARED_STAGING, &url, &["-q", "sh", "-c", &kill]).status().unwrap();
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal), false), "{signal}");
    }
    // a shell's loop ends at Ctrl-C, as it does without exec
    let (code, said) = python(
        &url,
        r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    body = "for i in 1 2 3; do " + sys.argv[1] + " exec -q -- sh -c 'echo ready; exec sleep 60'; done"
    os.execvp("bash", ["bash", "-c", body])
said = b""
try:
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while True:
        said += os.read(terminal, 1000)
except OSError:
    pass
print(said.count(b"ready"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#,
    );
    assert_eq!((code, said.as_str()), (0, "1 -2\n"));
}

#[test]
fn a_terminal_that_is_gone_is_said_to_the_command() {
    let (_cluster, url) = staging();
    let folder = Folder::new();
    let file = folder.join("said");
    let script = r#"
import os, pty, sys, time
child = "trap 'echo hangup > FILE; exit' HUP; echo ready; while :; do sleep 0.05; done"
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "exec", "-q", "--", "sh", "-c", child])
said = b""
while b"ready" not in said:
    said += os.read(terminal, 1000)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let (code, said) = python(&url, &script.replace("FILE", &file.display().to_string()));
    assert_eq!((code, said.as_str()), (0, "0\n"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hangup\n");
}

#[test]
fn a_parent_that_ignores_its_children_changes_nothing() {
    let (_cluster, url) = staging();
    let script = "
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], [sys.argv[1], 'exec', '-q', '--', 'sh', '-c', 'echo ran; exit 3'])
";
    assert_eq!(python(&url, script), (3, "ran\n".to_owned()));
}

#[test]
fn what_can_be_run_is_what_env_can_run() {
    let (_cluster, url) = staging();
    let folder = Folder::new();
    let script = folder.write("plain", "echo \"$# $2\"\nexit 5\n");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let run = |program: &str| {
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let environment = [DECLARED_STAGING, &[("PATH", &path)]].concat();
        let (code, stdout, _) =
            output(&mut exec(&environment, &url, &["-q", "--", program, "a b", "c"]));
        (code, stdout)
    };
    // no `#!` line, by its path and by its name
    assert_eq!(run(script.to_str().unwrap()), (5, "2 c\n".to_owned()));
    assert_eq!(run("plain"), (5, "2 c\n".to_owned()));
    assert_eq!(run(folder.path().to_str().unwrap()).0, 126);
    assert_eq!(run("").0, 127);
    // an environment of a megabyte and a half
    let large: Vec<(String, String)> =
        (0..15).map(|n| (format!("LARGE{n}"), "x".repeat(100_000))).collect();
    let mut command = exec(DECLARED_STAGING, &url, &["-q", "sh", "-c", "echo ${#LARGE14}"]);
    assert_eq!(succeeds(command.envs(large)), "100000");
    // within itself
    let nested = ["-q", PROGRAM, "exec", "-q", "psql", "-XAtc", "SHOW authority.expect_role"];
    assert_eq!(succeeds(&mut exec(DECLARED_STAGING, &url, &nested)), "staging");
}

#[test]
fn what_was_sent_arrives_and_what_is_left_behind_is_not_waited_for() {
    let (cluster, url) = staging();
    cluster.sql("app", "CREATE TABLE sent (n int); GRANT ALL ON sent TO app");
    let script = r#"
import os, psycopg, socket, struct
connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
raw = socket.socket(fileno=os.dup(connection.fileno()))
text = b"INSERT INTO sent SELECT 1 -- " + b"x" * 400000 + b"\0"
raw.sendall(b"Q" + struct.pack(">i", len(text) + 4) + text)
os._exit(0)
"#;
    let site = tool("python");
    let environment = [DECLARED_STAGING, &[("PYTHONPATH", site.to_str().unwrap())]].concat();
    for round in 1..=5 {
        succeeds(&mut exec(&environment, &url, &["-q", "--", "python3", "-c", script]));
        let sent = || cluster.value("app", "SELECT count(*) FROM sent") == round.to_string();
        super::support::process::eventually("a row", std::time::Duration::from_secs(10), || {
            sent().then_some(())
        });
    }
    // a process with a session open, which is idle
    let folder = Folder::new();
    let started = std::time::Instant::now();
    let daemon = "(echo 'SELECT 1;'; sleep 20) | setsid psql -XAt \"$DATABASE_URL\" \
                  >$0/out 2>&1 & until [ -s $0/out ]; do sleep 0.02; done";
    let arguments = ["-q", "sh", "-c", daemon, folder.path().to_str().unwrap()];
    succeeds(exec(DECLARED_STAGING, &url, &arguments).stdout(Stdio::null()).stderr(Stdio::null()));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn urls_of_every_kind_lead_to_the_relay() {
    let cluster = Cluster::builder().start();
    cluster.sql("app", "CREATE ROLE \"p%u@x\" LOGIN PASSWORD 'p%25@/:?#&'; GRANT app TO \"p%u@x\"");
    let sockets = Folder::new();
    let folder = sockets.path().display().to_string();
    let proxy = Proxy::builder()
        .upstream("local", proxy::STAGING, &cluster)
        .relayed("nova", "local", "")
        .listen(&format!("unix:{folder}"))
        .listen("[::1]:PORT")
        .start();
    let port = proxy.port;
    let query = "SELECT concat_ws(' ', current_user, current_setting('authority.expect_role'), \
                 current_setting('a.b', true))";
    let psql = "psql -XAtc \"$0\" \"$DATABASE_URL\"";
    let sqlalchemy = "
import asyncio, os, sys
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
url = make_url(os.environ['DATABASE_URL'])
async def main():
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        print((await connection.exec_driver_sql(sys.argv[1])).scalar())
    await engine.dispose()
if 'async' in url.drivername:
    asyncio.run(main())
else:
    print(create_engine(url).connect().exec_driver_sql(sys.argv[1]).scalar())
";
    let site = tool("python");
    let environment = [DECLARED_STAGING, &[("PYTHONPATH", site.to_str().unwrap())]].concat();
    let user = "p%25u%40x:p%2525%40%2F%3A%3F%23%26";
    let app = format!("app:{PASSWORD}");
    for (url, wanted) in [
        (format!("postgres://{app}@localhost:{port}/nova"), "app staging"),
        (format!("postgresql://{app}@[::1]:{port}/nova"), "app staging"),
        (format!("postgresql://{user}@127.0.0.1:{port}/nova"), "p%u@x staging"),
        (
            format!("postgresql:///nova?host={folder}&port={port}&user=app&password={PASSWORD}"),
            "app staging",
        ),
        (format!("postgresql://{app}@{}:{port}/nova", folder.replace('/', "%2F")), "app staging"),
        (
            format!(
                "postgresql://{app}@127.0.0.1:{port}/nova?options=-c%20a.b%3Dc&target_session_attrs=any"
            ),
            "app staging c",
        ),
        (format!("postgresql+psycopg2://{app}@/nova?host=127.0.0.1:{port}"), "app staging"),
        (format!("postgresql+psycopg2://{app}@/nova?host={folder}&port={port}"), "app staging"),
        (
            format!("postgresql+psycopg://{user}@127.0.0.1:{port}/nova?options=-c+a.b=d"),
            "p%u@x staging d",
        ),
        (format!("postgresql+pg8000://{user}@127.0.0.1:{port}/nova"), "p%u@x staging"),
        (format!("postgresql+asyncpg://{user}@127.0.0.1:{port}/nova"), "p%u@x staging"),
        (format!("postgresql+asyncpg://{app}@/nova?host={folder}&port={port}"), "app staging"),
        (format!("postgresql+psycopg_async://{app}@127.0.0.1:{port}/nova"), "app staging"),
    ] {
        let program = if url.contains("+p") || url.contains("+a") {
            ["python3", "-c", sqlalchemy, query]
        } else {
            ["sh", "-c", psql, query]
        };
        let mut command = exec(&environment, &url, &[&["-q", "--"][..], &program].concat());
        assert_eq!(succeeds(&mut command), wanted, "{url}");
    }
}
