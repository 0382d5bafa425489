//! The names of scratch databases, which tell whose they are, and whether that run may still live.

use std::fs;

/// What every scratch database's name begins with.
const PREFIX: &str = "pgauthority_two_path_";

/// One run of the check, as the names of its databases tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The machine's name: its first ten letters and digits.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// A number of its own; also the key of the lock that it holds.
    pub id: u32,
}

impl Run {
    /// This process's, begun now.
    pub fn of_this_process() -> Run {
        Run {
            host: this_host(),
            pid: std::process::id(),
            started: u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0),
            // the last bits of a version 7 UUID are chance
            id: u32::try_from(uuid::Uuid::now_v7().as_u128() & 0xffff_ffff).unwrap_or(0),
        }
    }

    /// The name of its database for a path; at most 63 bytes, and needs no quoting.
    pub fn database(&self, path: &str) -> String {
        let Run { host, pid, started, id } = self;
        format!("{PREFIX}{path}_{host}_{pid}_{started}_{id:08x}")
    }

    /// The run that a database's name tells; `None` for every other name.
    pub fn of_database(name: &str) -> Option<Run> {
        let parts: Vec<&str> = name.strip_prefix(PREFIX)?.split('_').collect();
        let [path, host, pid, started, id] = parts[..] else { return None };
        let run = Run {
            host: host.to_owned(),
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
            id: u32::from_str_radix(id, 16).ok()?,
        };
        // what is written otherwise was not written here
        (run.database(path) == name && matches!(path, "a" | "b" | "c")).then_some(run)
    }

    /// Whether it is this machine's and its process may still be there.
    pub fn may_live(&self) -> bool {
        self.host == this_host()
            && process_start(self.pid).is_some_and(|start| start <= self.started + 2)
    }
}

fn this_host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.to_ascii_lowercase();
    let short: String = name.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    if short.is_empty() { "host".to_owned() } else { short }
}

/// When a process began, in seconds since 1970 (proc(5): `starttime` after `btime`); `None` where
/// there is no such process.
fn process_start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the command's name, in parentheses, may have anything in it
    let after = stat.rsplit_once(')')?.1;
    let ticks: u64 = after.split_whitespace().nth(19)?.parse().ok()?;
    let booted = fs::read_to_string("/proc/stat").ok()?;
    let booted = booted.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted: u64 = booted.trim().parse().ok()?;
    Some(booted + ticks / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_run() {
        let run =
            Run { host: "x".repeat(10), pid: 4_194_304, started: 9_999_999_999, id: u32::MAX };
        let name = run.database("a");
        assert!(name.len() <= 63, "{}", name.len());
        assert_eq!(Run::of_database(&name), Some(run));
        let run = Run { host: "ci1".to_owned(), pid: 7, started: 8, id: 9 };
        assert_eq!(run.database("c"), "pgauthority_two_path_c_ci1_7_8_00000009");
        for other in [
            "app",
            "pgauthority_two_path_a",
            "pgauthority_two_path_d_ci1_7_8_00000009",
            "pgauthority_two_path_c_ci1_07_8_00000009",
            "pgauthority_two_path_c_ci1_7_8_9",
            "pgauthority_two_path_c_ci1_7_8_00000009_x",
        ] {
            assert_eq!(Run::of_database(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_that_began_later_is_another_one() {
        let ours = Run::of_this_process();
        assert!(ours.may_live());
        assert!(!Run { started: 1, ..ours.clone() }.may_live());
        assert!(!Run { host: "elsewhere".to_owned(), ..ours.clone() }.may_live());
        assert!(!Run { pid: u32::MAX, ..ours }.may_live());
    }
}
