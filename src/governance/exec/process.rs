//! The command itself: started, sent the signals that `exec` gets, waited for.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Refusal;
use super::child_environment::Change;

/// What is passed on.
const FORWARDED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// Runs the command with its input, output and terminal inherited; gives its exit code, or
/// 128 + n where signal n ended it.
///
/// # Errors
/// [`Refusal::Command`] where it could not be started.
pub(super) async fn run(command: &[OsString], changes: &[Change]) -> Result<u8, Refusal> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Refusal::Command { message: "no command given".to_owned(), exit_code: 127 });
    };
    let failed = |error: io::Error| {
        let exit_code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let message = format!("cannot run \"{}\": {error}", program.to_string_lossy());
        Refusal::Command { message, exit_code }
    };
    // signals are caught before there is a child: none falls between
    let (mut signals, _watch) = watch().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.spawn().map_err(failed)?;
    loop {
        let pid = pid(&child);
        tokio::select! {
            biased;
            status = child.wait() => return status.map(exit_code).map_err(failed),
            Some(origin) = signals.recv() => {
                if let Some(pid) = pid {
                    forward(&origin, pid);
                }
            }
        }
    }
}

/// The child's id while it has not been waited for, so that it cannot be another process's.
fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

fn exit_code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| signal + 128);
    let code = status.code().or_else(signal).unwrap_or(1);
    u8::try_from(code & 0xff).unwrap_or(1)
}

/// A terminal sends its signals to the whole foreground process group, and the command is in it:
/// passing those on would interrupt it twice. What the command sends itself needs no passing on.
fn forward(origin: &Origin, child: Pid) {
    let from_terminal = origin.cause == Cause::Kernel;
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
