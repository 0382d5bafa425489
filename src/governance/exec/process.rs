//! The command itself: started, sent the signals that `exec` gets, waited for.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::{DumpableBehavior, Pid, Signal, getpid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Refusal;
use super::child_environment::Change;
use crate::upstream::in_words;

/// What is passed on.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// What a script without a `#!` line is run by, as `env` and shells do.
const SHELL: &str = "/bin/sh";
/// "Exec format error" (errno(3)).
const ENOEXEC: i32 = 8;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Signalled(i32),
}

/// Runs the command with its input, output and terminal inherited.
///
/// # Errors
/// [`Refusal::Command`] where it could not be started.
pub(super) async fn run(command: &[OsString], changes: &[Change]) -> Result<Ended, Refusal> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Refusal::Command { message: "no command given".to_owned(), exit_code: 127 });
    };
    let failed = |error: io::Error| {
        let exit_code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let message = format!("cannot run \"{}\": {}", program.to_string_lossy(), in_words(&error));
        Refusal::Command { message, exit_code }
    };
    // signals are caught before there is a child: none falls between
    let (mut signals, _watch) = watch().map_err(failed)?;
    // where SIGCHLD is ignored (by whoever started this process) a child's status is lost
    let _children = signal(SignalKind::child()).map_err(failed)?;
    let mut child = spawn(program, arguments, changes).map_err(failed)?;
    loop {
        let pid = pid(&child);
        tokio::select! {
            biased;
            status = child.wait() => return status.map(ended).map_err(failed),
            Some(origin) = signals.recv() => {
                if let Some(pid) = pid {
                    forward(&origin, pid);
                }
            }
        }
    }
}

fn spawn(program: &OsStr, arguments: &[OsString], changes: &[Change]) -> io::Result<Child> {
    let start = |program: &OsStr, script: Option<&Path>| {
        let mut command = Command::new(program);
        command.args(script).args(arguments);
        for (name, value) in changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.spawn()
    };
    match start(program, None) {
        Err(error) if error.raw_os_error() == Some(ENOEXEC) => {
            start(OsStr::new(SHELL), Some(&found(program)))
        }
        started => started,
    }
}

/// Where a program that could be found is.
fn found(program: &OsStr) -> PathBuf {
    let path = std::env::var_os("PATH").filter(|_| Path::new(program).components().count() == 1);
    let folders = path.iter().flat_map(std::env::split_paths);
    let mut places = folders.map(|folder| folder.join(program));
    places.find(|place| place.is_file()).unwrap_or_else(|| program.into())
}

/// Ends this process by the signal that ended its command, so that whoever waits for it sees what
/// it would see without `exec`: a shell's loop ends at Ctrl-C. Gives 128 + n where that cannot be,
/// as in the first process of a container, which signals do not end.
pub fn end_by(signal: i32) -> u8 {
    if getpid() != Pid::INIT {
        // the core would be this process's, of which nothing went wrong
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    u8::try_from(signal).unwrap_or_default().saturating_add(128)
}

/// The child's id while it has not been waited for, so that it cannot be another process's.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

fn ended(status: ExitStatus) -> Ended {
    match status.signal() {
        Some(signal) => Ended::Signalled(signal),
        None => Ended::Exited(u8::try_from(status.code().unwrap_or(1) & 0xff).unwrap_or(1)),
    }
}

/// A terminal sends its signals to the whole foreground process group, and the command is in it:
/// passing those on would interrupt it twice. That the terminal is gone only the session's leader
/// is told. What the command sends itself needs no passing on.
fn forward(origin: &Origin, child: Pid) {
    let told_alone = origin.signal == SIGHUP && leads_session();
    let from_terminal = origin.cause == Cause::Kernel && !told_alone;
    let from_child =
        origin.process.as_ref().is_some_and(|sender| sender.pid == child.as_raw_nonzero().get());
    if from_terminal || from_child {
        return;
    }
    if let Some(signal) = Signal::from_named_raw(origin.signal) {
        // the command may have ended this very moment; its status says so next
        let _ = kill_process(child, signal);
    }
}

/// Whether this process leads its session. `getsid` cannot be asked: in a container the leader may
/// be outside, its id is 0 then (pid_namespaces(7)), which rustix holds to be impossible.
fn leads_session() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // pid (command) state ppid pgrp session: a command may hold spaces and parentheses
    let Some((own, rest)) = stat.split_once(" (") else { return false };
    let after = rest.rsplit_once(") ").map_or("", |(_, after)| after);
    after.split(' ').nth(3) == Some(own)
}

/// Ends the watching thread when dropped.
struct Watch(signal_hook::iterator::Handle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Catches what is passed on, but for signals that were ignored when `exec` started (`nohup`, a
/// background job): the command inherits that.
fn watch() -> io::Result<(UnboundedReceiver<Origin>, Watch)> {
    let ignored = ignored_signals()?;
    let caught = FORWARDED.iter().filter(|signal| ignored & (1 << (*signal - 1)) == 0);
    let mut signals = SignalsInfo::<WithOrigin>::new(caught)?;
    let watch = Watch(signals.handle());
    let (sender, receiver) = unbounded_channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for origin in &mut signals {
            if sender.send(origin).is_err() {
                return;
            }
        }
    })?;
    Ok((receiver, watch))
}

/// The set of ignored signals, bit n - 1 for signal n (proc(5), `SigIgn`).
fn ignored_signals() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.ok_or_else(|| io::Error::other("/proc/self/status has no SigIgn"))
}
