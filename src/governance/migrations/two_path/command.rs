//! One command of a path: run by the shell, its output caught, ended when its time is over.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use crate::governance::exec::child_environment::Change;

/// The end of a command's output that is kept, in bytes.
const KEPT: usize = 64 * 1024;
/// How long a command that is told to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long output is waited for once the command has ended.
const TRAILING: Duration = Duration::from_millis(500);
/// How often whoever watches is told.
const TICK: Duration = Duration::from_millis(200);

/// What to run.
pub struct Shell<'a> {
    /// For `sh -c`.
    pub text: &'a str,
    /// Where.
    pub directory: &'a Path,
    /// What differs in its environment.
    pub changes: &'a [Change],
    /// How long it may take.
    pub timeout: Duration,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Succeeded,
    /// In words: an exit code, a signal, or why it could not be started.
    Failed(String),
    /// Its time was over.
    TimedOut,
}

/// A command that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub outcome: Outcome,
    /// The end of its standard output and error, in the order in which they were written.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs it to its end. `tick` is told now and then how long it has been running and the last line
/// that it wrote.
///
/// Cancel safety: a future that is dropped kills the command and what it started.
pub async fn run(shell: &Shell<'_>, mut tick: impl FnMut(Duration, &str)) -> Ran {
    let began = Instant::now();
    let mut output = Vec::new();
    let outcome = match start(shell) {
        Err(error) => Outcome::Failed(format!("cannot be started: {error}")),
        Ok((mut group, mut pipe)) => {
            let mut told = |output: &[u8]| tick(began.elapsed(), &last_line(output));
            watch(&mut group, &mut pipe, shell.timeout, &mut output, &mut told).await
        }
    };
    let output = String::from_utf8_lossy(&output).into_owned();
    Ran { outcome, output, took: began.elapsed() }
}

/// The command and all that it starts: a process group, killed when dropped.
struct Group {
    child: Child,
    id: Option<Pid>,
    over: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // it may have ended this very moment
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            self.signal(Signal::KILL);
        }
    }
}

fn start(shell: &Shell<'_>) -> std::io::Result<(Group, Receiver)> {
    let (reader, writer) = std::io::pipe()?;
    let mut command = Command::new("sh");
    command.arg("-c").arg(shell.text).current_dir(shell.directory).process_group(0);
    for (name, value) in shell.changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn()?;
    // the command holds the ends for writing, and this process must not
    drop(command);
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    Ok((Group { child, id, over: false }, Receiver::from_owned_fd(OwnedFd::from(reader))?))
}

async fn watch(
    group: &mut Group,
    pipe: &mut Receiver,
    limit: Duration,
    output: &mut Vec<u8>,
    tick: &mut impl FnMut(&[u8]),
) -> Outcome {
    let deadline = tokio::time::Instant::now() + limit;
    let mut interval = tokio::time::interval(TICK);
    let mut open = true;
    let ended = loop {
        tokio::select! {
            more = read(pipe, output), if open => open = more,
            status = group.child.wait() => break Some(status),
            _ = interval.tick() => tick(output),
            () = tokio::time::sleep_until(deadline) => break None,
        }
    };
    if ended.is_none() {
        group.signal(Signal::TERM);
        if tokio::time::timeout(GRACE, group.child.wait()).await.is_err() {
            group.signal(Signal::KILL);
            let _ = group.child.wait().await;
        }
    }
    let trailing = async {
        while open {
            open = read(pipe, output).await;
        }
    };
    let _ = tokio::time::timeout(TRAILING, trailing).await;
    // what still holds the output is something that the command has left running
    group.over = !open && ended.is_some();
    match ended {
        None => Outcome::TimedOut,
        Some(Ok(status)) if status.success() => Outcome::Succeeded,
        Some(Ok(status)) => Outcome::Failed(words(status)),
        Some(Err(error)) => Outcome::Failed(error.to_string()),
    }
}

/// Reads what is there; whether there can be more.
async fn read(pipe: &mut Receiver, output: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 8192];
    match pipe.read(&mut buffer).await {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            output.extend_from_slice(&buffer[..count]);
            if output.len() > 2 * KEPT {
                output.drain(..output.len() - KEPT);
            }
            true
        }
    }
}

fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn last_line(output: &[u8]) -> String {
    let tail = &output[output.len().saturating_sub(400)..];
    let text = String::from_utf8_lossy(tail);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran(text: &str, timeout: Duration) -> Ran {
        let changes = [("WORD".to_owned(), Some("said".to_owned()))];
        let shell = Shell { text, directory: Path::new("/"), changes: &changes, timeout };
        run(&shell, |_, _| {}).await
    }

    #[tokio::test(flavor = "current_thread")]
    async fn output_and_end_are_told() {
        let long = Duration::from_secs(60);
        let done = ran("echo $WORD; echo err >&2; pwd", long).await;
        assert_eq!((done.outcome, done.output.as_str()), (Outcome::Succeeded, "said\nerr\n/\n"));
        assert_eq!(ran("exit 3", long).await.outcome, Outcome::Failed("exit code 3".to_owned()));
        let killed = Outcome::Failed("ended by signal 9".to_owned());
        assert_eq!(ran("kill -9 $$", long).await.outcome, killed);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let begun = Instant::now();
        let done = ran("sleep 77 & echo $!; wait", Duration::from_millis(300)).await;
        assert_eq!(done.outcome, Outcome::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(10));
        let left = Path::new("/proc").join(done.output.trim()).join("stat");
        let lives = || {
            let state = std::fs::read_to_string(&left).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        // the signal is sent: when the kernel carries it out is its own affair
        while lives() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_left_running_holds_nobody_up() {
        let begun = Instant::now();
        let done = ran("sleep 78 & echo done", Duration::from_secs(60)).await;
        assert_eq!((done.outcome, done.output.as_str()), (Outcome::Succeeded, "done\n"));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
