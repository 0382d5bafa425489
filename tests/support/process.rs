//! Child processes that never outlive the test, and folders that are swept.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, Once, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// The user as whom root runs the servers, which refuse root.
pub const SERVER_USER: &str = "postgres";

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs as the user postgres where this process is root.
pub fn as_server_user(program: impl AsRef<Path>) -> Command {
    if !is_root() {
        return Command::new(program.as_ref());
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", SERVER_USER, "--regid", SERVER_USER, "--clear-groups", "--"]);
    command.arg(program.as_ref());
    command
}

/// Gives a folder to the user as whom servers run.
pub fn give_to_server_user(path: &Path) {
    if is_root() {
        let owner = format!("{SERVER_USER}:{SERVER_USER}");
        run(Command::new("chown").arg("-R").arg(owner).arg(path));
    }
}

/// Runs a command to its end; panics with its output unless it succeeds.
pub fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    stdout
}

/// A child that the kernel signals when this process dies, and that is killed when dropped.
pub struct Process {
    child: Child,
    name: String,
}

type Job = Box<dyn FnOnce() + Send>;

/// The kernel's parent-death signal comes when the *thread* that started the child ends, and
/// libtest runs each test on a thread of its own: so one thread that never ends starts them all.
static STARTER: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<Job>();
    thread::spawn(move || receiver.into_iter().for_each(|job| job()));
    Mutex::new(sender)
});

impl Process {
    /// Starts `program`, as the user `user` if given, its output going to the file `log`.
    ///
    /// `on_death`: the signal that it gets when this process dies (`INT`, `TERM`, `KILL`).
    pub fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        user: Option<&str>,
        on_death: &str,
        log: &Path,
    ) -> io::Result<Process> {
        let mut command = Command::new("setpriv");
        if let Some(user) = user {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.args(["--pdeathsig", on_death, "--"]).arg(program).args(arguments);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let output = fs::File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let (sender, receiver) = mpsc::sync_channel(1);
        let job: Job = Box::new(move || {
            let _ = sender.send(command.spawn());
        });
        STARTER.lock().unwrap().send(job).unwrap();
        let child = receiver.recv().unwrap()?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Process { child, name })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal; nothing happens where it has ended already.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until it has ended; `None` where it has not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends `signal`, waits, and kills what does not end within `limit`.
    pub fn end(&mut self, signal: Signal, limit: Duration) -> ExitStatus {
        self.signal(signal);
        if let Some(status) = self.wait(limit) {
            return status;
        }
        eprintln!("{} ({}) did not end within {limit:?}: killed", self.name, self.id());
        self.signal(Signal::KILL);
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A folder of this run, removed when dropped; kept where `KEEP` is set in the environment.
///
/// A lock is held on it as long as it is in use, by which other runs tell it from a leftover: a
/// process id would not do, since a run in another namespace may have the same.
pub struct Folder {
    path: PathBuf,
    _in_use: fs::File,
}

impl Folder {
    /// A new folder. It can be entered by the user postgres, so it is not where only root may go.
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        let base = base();
        SWEEP.call_once(|| sweep(&base));
        let _no_sweep = locked(&base, FlockOperation::LockShared).unwrap();
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("run-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.unwrap(),
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            let in_use = locked(&path, FlockOperation::NonBlockingLockExclusive).unwrap();
            return Folder { path, _in_use: in_use };
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file into it and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The folder of all runs of this user, short enough for a socket's path.
pub fn base() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("pgauthority-tests-{user}"));
    fs::create_dir_all(&path).unwrap();
    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o755));
    path
}

/// Removes what runs that are over left behind, servers included.
fn sweep(base: &Path) {
    let Ok(_alone) = locked(base, FlockOperation::NonBlockingLockExclusive) else { return };
    for entry in fs::read_dir(base).unwrap().flatten() {
        let is_run = entry.file_name().to_string_lossy().starts_with("run-");
        if !is_run || locked(&entry.path(), FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        if let Ok(pid_file) = fs::read_to_string(entry.path().join("data/postmaster.pid")) {
            end_leftover(pid_file.lines().next().unwrap_or_default(), &entry.path());
        }
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// The folder at `path`, open and with a lock that ends when it is closed.
fn locked(path: &Path, lock: FlockOperation) -> io::Result<fs::File> {
    let folder = fs::File::open(path)?;
    flock(&folder, lock)?;
    Ok(folder)
}

/// Ends a server whose test is gone, if the process of that id is that server still.
fn end_leftover(pid: &str, folder: &Path) {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
        && let Some(pid) = pid.parse().ok().and_then(Pid::from_raw)
    {
        let _ = kill_process(pid, Signal::QUIT);
        thread::sleep(Duration::from_millis(200));
    }
}

/// What this process has been given: a name for each port, which ends with it.
static PORTS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// A port of the loopback interface that nothing listens on, that no client's end of a connection is
/// given (those are from 32768 on) and that no other test has been given while this process lives.
/// scripts/ground.py goes by the same names.
pub fn free_port() -> u16 {
    loop {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let port = 10_000 + any.port() % 22_000;
        let name = SocketAddr::from_abstract_name(format!("pgauthority-port-{port}")).unwrap();
        let Ok(claim) = UnixListener::bind_addr(&name) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            PORTS.lock().unwrap().push(claim);
            return port;
        }
    }
}

/// Waits until `condition` gives a value; panics with `what` after `limit`.
pub fn eventually<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The last lines of a log, for a panic's message.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|text| String::from_utf8_lossy(&text).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
