//! The process's own figures, under the names that every Prometheus client library gives them.

use std::fs;

use rustix::process::Resource;
use rustix::time::ClockId;

use super::exposition::{Kind, Page};

/// Appends what the system tells; figures that it does not tell are left out.
pub(super) fn render(page: &mut Page) {
    let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    page.family(
        "process_cpu_seconds_total",
        Kind::Counter,
        "User and system CPU time spent, in seconds.",
    );
    page.fraction(&[], cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    if let Some(bytes) = resident_bytes() {
        page.family("process_resident_memory_bytes", Kind::Gauge, "Resident memory in bytes.");
        page.sample(&[], bytes);
    }
    if let Ok(folder) = fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", Kind::Gauge, "Open file descriptors.");
        // The descriptor that reads the folder is one of them.
        page.sample(&[], (folder.count() as u64).saturating_sub(1));
    }
    if let Some(most) = rustix::process::getrlimit(Resource::Nofile).current {
        page.family("process_max_fds", Kind::Gauge, "Most file descriptors that may be open.");
        page.sample(&[], most);
    }
}

/// The second number of `/proc/self/statm`, which counts pages (proc(5)).
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}
