//! `pgauthority exec`, run as people run it, with real servers and real drivers behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "exec/announcer.rs"]
mod announcer;
#[path = "exec/drivers.rs"]
mod drivers;
#[path = "exec/proxied.rs"]
mod proxied;
mod support;
#[path = "exec/surroundings.rs"]
mod surroundings;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use announcer::{announce, announce_on_tls};
use rustix::process::{Pid, Signal, kill_process};
use support::cluster::PASSWORD;
use support::process::{Folder, is_root};
use support::proxy::PROGRAM;
use support::wire::Frames;
use support::{CertificateAuthority, Cluster, Login, Wire};

const PROD: &[(&str, &str)] = &[
    ("authority.upstream", "neon-prod"),
    ("authority.authority", "neon"),
    ("authority.role", "prod"),
    ("authority.env", "prod-like"),
];
const STAGING: &[(&str, &str)] = &[
    ("authority.upstream", "local"),
    ("authority.authority", "local"),
    ("authority.role", "staging"),
    ("authority.env", "test"),
];
const DECLARED_PROD: &[(&str, &str)] = &[
    ("DB_AUTHORITY", "neon"),
    ("DB_ROLE", "prod"),
    ("DB_ENV", "prod-like"),
    ("CONFIRM_PROD_MIGRATIONS", "true"),
];
const DECLARED_STAGING: &[(&str, &str)] =
    &[("DB_AUTHORITY", "local"), ("DB_ROLE", "staging"), ("DB_ENV", "test")];
const CONFIRM: &str = "authority.confirm_prod_migrations";

/// Whether the program has the command yet.
fn exists() -> bool {
    let help = Command::new(PROGRAM).args(["exec", "--help"]).output().unwrap();
    if !help.status.success() {
        eprintln!("skipped: the program has no exec");
    }
    help.status.success()
}

/// `pgauthority exec` with nothing of the surrounding environment but what is given.
fn exec(environment: &[(&str, &str)], url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars() {
        if name.starts_with("PG") || name.starts_with("DB_") || name.contains("MIGRATIONS") {
            command.env_remove(name);
        }
    }
    command.env("DATABASE_URL", url).envs(environment.iter().copied());
    command.arg("exec").args(arguments).stdin(Stdio::null());
    command
}

fn url(port: u16) -> String {
    format!("postgresql://app:{PASSWORD}@127.0.0.1:{port}/app")
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (shown(status), text(stdout), text(stderr))
}

/// How a process ended, as a shell shows it.
fn shown(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap()
}

fn succeeds(command: &mut Command) -> String {
    let (code, stdout, stderr) = output(command);
    assert_eq!(code, 0, "{stdout}{stderr}");
    stdout.trim().to_owned()
}

/// A command under way that prints its relay's port first.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn start(environment: &[(&str, &str)], url: &str, script: &str) -> Running {
        Running::prepared(environment, url, ":", script)
    }

    /// Once `prepare` has run in the command.
    fn prepared(environment: &[(&str, &str)], url: &str, prepare: &str, script: &str) -> Running {
        let script = format!("{prepare}; echo $PGPORT; {script}");
        let mut child = exec(environment, url, &["--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Running { child, port: line.trim().parse().unwrap() }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        Some(shown(self.child.wait().unwrap()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

#[test]
fn what_is_not_declared_is_not_run() {
    if !exists() {
        return;
    }
    let touched = Folder::new().join("touched");
    let touch = ["--", "touch", touched.to_str().unwrap()];
    let refused = |environment: &[(&str, &str)], url: &str, words: &[&str]| {
        let (code, _, stderr) = output(&mut exec(environment, url, &touch));
        assert_eq!(code, 125, "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in {stderr}");
        }
        assert!(!stderr.contains(PASSWORD), "{stderr}");
        // the pgauthority is no upstream of this command's
        assert!(!stderr.contains("upstream \"DATABASE_URL\""), "{stderr}");
        assert!(!stderr.contains("the upstream's url"), "{stderr}");
        assert!(!touched.exists());
    };
    let nowhere = url(1);
    refused(&[], "", &["DB_AUTHORITY", "DB_ROLE", "DB_ENV", "DATABASE_URL", "not declared"]);
    refused(&DECLARED_PROD[..3], &nowhere, &["CONFIRM_PROD_MIGRATIONS=true", "refused"]);
    let replica = [("DB_AUTHORITY", "neon"), ("DB_ROLE", "replica"), ("DB_ENV", "prod-like")];
    refused(&replica, &nowhere, &["replica"]);
    let direct = [DECLARED_STAGING, &[("DB_VIA", "direct")]].concat();
    refused(&direct, &nowhere, &["DB_VIA"]);
    refused(DECLARED_STAGING, "sqlite:///x", &["DATABASE_URL", "hint:"]);
    refused(DECLARED_STAGING, "postgresql://h1,h2/d", &["several hosts"]);
    refused(DECLARED_STAGING, "postgresql+psycopg2://app@/d?host=h1:5&host=h2", &["several hosts"]);
    refused(DECLARED_STAGING, &format!("{nowhere}\n"), &["line break"]);
    refused(DECLARED_STAGING, &format!("{nowhere}?sslmode=so"), &["unknown value of sslmode"]);
    refused(DECLARED_STAGING, "postgresql://app@nowhere.invalid/d", &["nowhere.invalid"]);
    refused(DECLARED_STAGING, "postgresql://app@/d", &["no host"]);
    refused(DECLARED_STAGING, "postgresql://127.0.0.1/d", &["no user"]);
    let binding = format!("{nowhere}?channel_binding=require");
    refused(DECLARED_STAGING, &binding, &["channel_binding=prefer"]);
    refused(DECLARED_STAGING, &format!("{nowhere}?connect_timeout=2"), &["127.0.0.1:1"]);
}

#[test]
fn only_the_declared_upstream_is_run_against() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    let refused = |environment: &[(&str, &str)], port: u16, word: &str| {
        let (code, stdout, stderr) =
            output(&mut exec(environment, &url(port), &["--", "echo", "ran"]));
        assert_eq!((code, stdout.as_str()), (125, ""), "{stderr}");
        assert!(stderr.contains(word), "{word:?} is not in {stderr}");
    };
    refused(DECLARED_STAGING, cluster.port(), "no pgauthority");
    let prod = announce(cluster.port(), PROD);
    let staging = announce(cluster.port(), STAGING);
    refused(DECLARED_STAGING, prod, "its role is \"prod\" and DB_ROLE is staging");
    refused(DECLARED_PROD, staging, "its env is \"test\" and DB_ENV is prod-like");
    let wrong = format!("postgresql://app:wrong@127.0.0.1:{staging}/app");
    let (code, _, stderr) = output(&mut exec(DECLARED_STAGING, &wrong, &["--", "echo", "ran"]));
    assert!(code == 125 && stderr.contains("password authentication failed"), "{stderr}");
}

#[test]
fn the_declarations_reach_every_session_and_nothing_else_does() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    cluster.sql("app", "CREATE DATABASE other OWNER app");
    let prod = url(announce(cluster.port(), PROD));
    let shown =
        |environment: &[(&str, &str)], url: &str, options: &[&str], psql: &[&str], name: &str| {
            let query = format!("SELECT current_setting('{name}', true)");
            let arguments = [options, &["--", "psql", "-XAtc", &query], psql].concat();
            succeeds(&mut exec(environment, url, &arguments))
        };
    assert_eq!(shown(DECLARED_PROD, &prod, &[], &[], CONFIRM), "true");
    assert_eq!(shown(DECLARED_PROD, &prod, &[], &[], "authority.expect_role"), "prod");
    assert_eq!(shown(DECLARED_PROD, &prod, &[], &[], "authority.expect_env"), "prod-like");
    assert_eq!(shown(DECLARED_PROD, &prod, &["--ticket", "a b"], &[], "authority.ticket"), "a b");
    assert_eq!(shown(DECLARED_PROD, &prod, &["--task", "t"], &[], "authority.task"), "t");
    let task = [DECLARED_PROD, &[("PGAUTHORITY_TASK", "u")]].concat();
    assert_eq!(shown(&task, &prod, &[], &[], "authority.task"), "u");
    // a database that DATABASE_URL does not name was not confirmed
    assert_eq!(shown(DECLARED_PROD, &prod, &[], &["-d", "other"], CONFIRM), "");
    assert_eq!(shown(DECLARED_PROD, &prod, &[], &["-d", "other"], "authority.expect_role"), "prod");
    let withdrawn = [DECLARED_PROD, &[("PGOPTIONS", "-c authority.confirm_prod_migrations=off")]];
    assert_eq!(shown(&withdrawn.concat(), &prod, &[], &[], CONFIRM), "off");
    // staging confirms nothing, whatever the environment says
    let staging = url(announce(cluster.port(), STAGING));
    let confirmed = [DECLARED_STAGING, &DECLARED_PROD[3..]].concat();
    assert_eq!(shown(&confirmed, &staging, &[], &[], CONFIRM), "");
}

#[test]
fn the_environment_leads_to_the_relay() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    let prod = announce(cluster.port(), PROD);
    let environment = [
        DECLARED_PROD,
        &[("PGHOSTADDR", "127.0.0.1"), ("PGSERVICE", "other"), ("PGSSLMODE", "prefer")],
    ]
    .concat();
    let script = "echo $DATABASE_URL $PGHOST:$PGPORT $PGUSER $PGDATABASE $PGPASSWORD $PGSSLMODE \
                  $DB_VIA $CONFIRM_PROD_MIGRATIONS [$PGHOSTADDR$PGSERVICE]";
    let url = format!("postgresql+asyncpg://app:{PASSWORD}@127.0.0.1:{prod}/app?ssl=prefer");
    let said = succeeds(&mut exec(&environment, &url, &["--", "sh", "-c", script]));
    let port = said.split_whitespace().nth(1).unwrap().strip_prefix("127.0.0.1:").unwrap();
    assert_ne!(port, prod.to_string());
    let wanted = format!(
        "postgresql+asyncpg://app:{PASSWORD}@127.0.0.1:{port}/app?ssl=disable 127.0.0.1:{port} \
         app app {PASSWORD} disable pgauthority true []"
    );
    assert_eq!(said, wanted);
    // a password file knows the proxy's address
    let folder = Folder::new();
    let passfile = folder.write("pgpass", format!("127.0.0.1:{prod}:*:app:{PASSWORD}\n"));
    std::fs::set_permissions(&passfile, PermissionsExt::from_mode(0o600)).unwrap();
    let environment = [DECLARED_PROD, &[("PGPASSFILE", passfile.to_str().unwrap())]].concat();
    let bare = format!("postgresql://app@127.0.0.1:{prod}/app");
    let psql = ["--", "psql", "-XAtwc", "SELECT current_user"];
    assert_eq!(succeeds(&mut exec(&environment, &bare, &psql)), "app");
}

#[test]
fn exit_codes_are_the_commands() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    let url = url(announce(cluster.port(), STAGING));
    let code = |arguments: &[&str]| output(&mut exec(DECLARED_STAGING, &url, arguments)).0;
    assert_eq!(code(&["true"]), 0);
    assert_eq!(code(&["--", "sh", "-c", "exit 7"]), 7);
    assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), 137);
    assert_eq!(code(&["no-such-command-anywhere"]), 127);
    let folder = Folder::new();
    let script = folder.write("script", "#!/bin/sh\n");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(code(&[script.to_str().unwrap()]), 126);
    let (_, stdout, stderr) = output(&mut exec(
        DECLARED_STAGING,
        &url,
        &["-q", "sh", "-c", "cat; echo out; echo err >&2"],
    ));
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\n", "err\n"));
    // what has failed and was never here is told why
    let told = |arguments: &[&str]| {
        let (_, _, stderr) = output(&mut exec(DECLARED_STAGING, &url, arguments));
        stderr.contains("no connection of its came through exec")
    };
    assert!(told(&["sh", "-c", "exit 7"]));
    assert!(!told(&["true"]) && !told(&["-q", "false"]));
}

#[test]
fn signals_reach_the_command() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    let url = url(announce(cluster.port(), STAGING));
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
    ] {
        let trap = format!("trap 'exit 42' {name}");
        let wait = "while :; do sleep 0.05; done";
        let mut running = Running::prepared(DECLARED_STAGING, &url, &trap, wait);
        running.signal(signal);
        assert_eq!(running.code(), Some(42), "{name}");
    }
    let mut running = Running::start(DECLARED_STAGING, &url, "exec sleep 60");
    running.signal(Signal::TERM);
    assert_eq!(running.code(), Some(128 + 15));
}

#[test]
fn signals_reach_the_command_of_a_container() {
    // the session's leader is outside, where a container's processes cannot see it
    let container = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", program]);
        command
    };
    if !exists() || !container("true").status().is_ok_and(|status| status.success()) {
        return;
    }
    let cluster = Cluster::builder().start();
    let url = url(announce(cluster.port(), STAGING));
    let script = r#"
exec 3< <(exec "$0" exec -q -- sh -c 'trap "exit 42" HUP; echo; while :; do sleep 0.05; done')
read -r -u 3 _ && kill -HUP $! && wait $!
"#;
    let inner = exec(DECLARED_STAGING, &url, &[]);
    let mut command = container("bash");
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let (code, stdout, stderr) = output(command.args(["-c", script, PROGRAM]));
    assert_eq!(code, 42, "{stdout}{stderr}");
}

#[test]
fn a_terminal_interrupts_the_command_once_and_an_ignored_signal_stays_ignored() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    let url = url(announce(cluster.port(), STAGING));
    let script = r#"
import os, pty, sys, time
child = "import signal, time; n = []; signal.signal(signal.SIGINT, lambda *a: n.append(1)); " \
        "print('ready', flush=True); time.sleep(0.6); time.sleep(0.6); print('interrupts', len(n), flush=True)"
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "exec", "-q", "--", sys.executable, "-c", child])
said = b""
while b"ready" not in said:
    said += os.read(terminal, 1000)
os.write(terminal, b"\x03")
try:
    while True:
        said += os.read(terminal, 1000)
except OSError:
    pass
print(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let mut command = exec(DECLARED_STAGING, &url, &[]);
    let environment: Vec<_> =
        command.get_envs().map(|(n, v)| (n.to_owned(), v.map(ToOwned::to_owned))).collect();
    let mut python = Command::new("python3");
    for (name, value) in environment {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    let (code, stdout, stderr) = output(python.args(["-c", script, PROGRAM]).stdin(Stdio::null()));
    assert!(code == 0 && stdout.contains("interrupts 1"), "{code} {stdout}{stderr}");

    command = Command::new("nohup");
    let inner = exec(DECLARED_STAGING, &url, &[]);
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ignored = ["-q", "--", "sh", "-c", "kill -HUP $PPID; kill -HUP $$; echo lives"];
    let said = succeeds(command.args([PROGRAM, "exec"]).args(ignored).stdin(Stdio::null()));
    assert_eq!(said, "lives");
}

fn app() -> Login {
    Login::new("app", "app").password(PASSWORD)
}

#[test]
fn a_session_through_the_relay_is_a_session() {
    if !exists() {
        return;
    }
    let cluster = Cluster::builder().start();
    let proxy = announce(cluster.port(), PROD);
    let mut running = Running::start(DECLARED_PROD, &url(proxy), "exec cat /dev/zero >/dev/null");
    let port = running.port;
    // SCRAM end to end, and what the server says unchanged
    let refused = Wire::tcp(port, &Login::new("app", "app").password("no")).err().unwrap();
    assert_eq!(refused.fields().code(), "28P01");
    let mut wire = Wire::tcp(port, &app()).unwrap();
    assert_eq!(wire.parameters["authority.role"], "prod");
    assert_eq!(wire.value(&format!("SHOW {CONFIRM}")), "true");
    assert_eq!(wire.error("SELECT 1/0").code(), "22012");
    // large values, both ways
    let large = wire.value("SELECT repeat('x', 20000000)");
    assert_eq!(large.len(), 20_000_000);
    let length = format!("SELECT length('{}')", "y".repeat(5_000_000));
    assert_eq!(wire.value(&length), "5000000");
    // a cancel request goes through the relay too
    let mut sleeper = Wire::tcp(port, &app()).unwrap();
    sleeper.send(&Frames::new().query("SELECT pg_sleep(60)")).unwrap();
    while cluster.value("app", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        != "1"
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    sleeper.cancel().unwrap();
    let cancelled = sleeper.receive_until(b'Z');
    assert!(
        cancelled.iter().any(|message| message.tag == b'E' && message.fields().code() == "57014")
    );
    // many at once
    let sessions: Vec<_> = (0..40)
        .map(|n| {
            std::thread::spawn(move || {
                let mut wire = Wire::tcp(port, &app()).unwrap();
                (0..20).all(|i| wire.value(&format!("SELECT {n} * {i}")) == (n * i).to_string())
            })
        })
        .collect();
    assert!(sessions.into_iter().all(|session| session.join().unwrap()));
    // an expectation of the client's own must agree
    let other = app().parameter("authority.expect_role", "staging");
    assert_eq!(Wire::tcp(port, &other).err().unwrap().fields().code(), "28000");
    // TLS from the first byte on is declined in TLS's own words
    let mut direct = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    direct.write_all(&[0x16, 3, 1, 0, 4, 1, 0, 0, 0]).unwrap();
    let mut answer = Vec::new();
    let _ = direct.read_to_end(&mut answer);
    assert_eq!(answer, [0x15, 3, 1, 0, 2, 2, 40]);
    // the relay ends with the command
    running.signal(Signal::TERM);
    assert_eq!(running.code(), Some(143));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    let _ = wire.send(&Frames::new().query("SELECT 1"));
    assert!(wire.receive().is_err());
}

#[test]
fn another_user_of_the_machine_is_refused() {
    if !exists() || !is_root() {
        return;
    }
    let cluster = Cluster::builder().start();
    let url = url(announce(cluster.port(), PROD));
    let psql = ["--", "runuser", "-u", "postgres", "--", "psql", "-XAtc", "SELECT 1"];
    let (code, stdout, stderr) = output(&mut exec(DECLARED_PROD, &url, &psql));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("serves a command of user 0 only"), "{stderr}");
}

#[test]
fn the_relay_speaks_tls_to_the_proxy_as_the_url_says() {
    if !exists() {
        return;
    }
    let authority = CertificateAuthority::new();
    let cluster = Cluster::builder().start();
    let proxy = announce_on_tls(cluster.port(), PROD, &authority);
    let folder = Folder::new();
    let root = folder.write("root.crt", authority.pem());
    let base = format!("postgresql://app:{PASSWORD}@localhost:{proxy}/app");
    let show = ["--", "psql", "-XAtc", "SHOW authority.confirm_prod_migrations"];
    let large =
        ["--", "psql", "-XAtc", "SELECT length(repeat('x', 30000000)), repeat('x', 30000000)"];
    let verified = format!("{base}?sslmode=verify-full&sslrootcert={}", root.display());
    assert_eq!(succeeds(&mut exec(DECLARED_PROD, &verified, &show)), "true");
    assert_eq!(succeeds(&mut exec(DECLARED_PROD, &verified, &large)).len(), 30_000_009);
    // the command's own connections take the URL of its environment
    let through = ["--", "sh", "-c", "psql -XAtc 'SHOW authority.expect_role' \"$DATABASE_URL\""];
    assert_eq!(succeeds(&mut exec(DECLARED_PROD, &verified, &through)), "prod");
    for environment in [[("PGSSLMODE", "require")], [("PGSSLMODE", "allow")]] {
        let environment = [DECLARED_PROD, &environment].concat();
        assert_eq!(succeeds(&mut exec(&environment, &base, &show)), "true");
    }
    let stranger = folder.write("other.crt", CertificateAuthority::new().pem());
    let by_address = base.replace("localhost", "127.0.0.1");
    for url in [
        format!("{base}?sslmode=verify-full&sslrootcert={}", stranger.display()),
        format!("{by_address}?sslmode=verify-full&sslrootcert={}", root.display()),
        format!("{base}?sslmode=verify-full&sslrootcert=/nowhere"),
        format!("{base}?sslmode=disable&connect_timeout=1"),
    ] {
        let (code, stdout, stderr) = output(&mut exec(DECLARED_PROD, &url, &show));
        assert_eq!((code, stdout.as_str()), (125, ""), "{url}: {stderr}");
    }
}
