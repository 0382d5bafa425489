//! `/metrics` read by Prometheus' own client library, over HTTP.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use pgauthority::observe::{CacheResult, HealthServer, Metrics, Readiness, Verdict};
use pgauthority::sql::Class;

/// Reads the page as Prometheus would, and prints `name{labels} value` of every sample.
const READER: &str = r"
import sys
from prometheus_client.parser import text_string_to_metric_families
names = set()
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type != 'unknown', family
    assert (family.name, family.type) not in names, family.name
    names.add((family.name, family.type))
    for sample in family.samples:
        print(sample.name, sorted(sample.labels.items()), float(sample.value))
";

#[test]
fn prometheus_reads_the_page() {
    let importable = Command::new("python3")
        .args(["-c", "import prometheus_client"])
        .stderr(Stdio::null())
        .status();
    if !importable.is_ok_and(|status| status.success()) {
        eprintln!("skipped: python3 has no prometheus_client");
        return;
    }
    let metrics = Metrics::new();
    metrics.declare_rules(&["prod.ddl_unconfirmed", "replica.ddl"]);
    metrics.config_loaded(["neon-prod", "odd \"name\" \\ with\nbreaks"]);
    let worker = metrics.worker();
    let _session = worker.session();
    worker.session_refused("task.undeclared");
    worker.cache(CacheResult::Miss);
    worker.judged(Duration::from_micros(40));
    worker.login(Duration::from_millis(4));
    let upstream = worker.upstream("odd \"name\" \\ with\nbreaks");
    upstream.statements(Class::Ddl, Verdict::Blocked, 1);
    upstream.blocked("prod.ddl_unconfirmed");
    upstream.connected(Duration::from_millis(3));

    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = HealthServer::start(listen, metrics, Readiness::new()).unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, page) = answer.split_once("\r\n\r\n").unwrap();

    let mut reader = Command::new("python3")
        .args(["-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "{page}");
    let samples = String::from_utf8(read.stdout).unwrap();
    for wanted in [
        "pgauthority_sessions [] 1.0",
        "pgauthority_blocks_total [('rule', 'replica.ddl'), ('upstream', 'neon-prod')] 0.0",
        "('decision', 'blocked'), ('upstream', 'odd \"name\" \\\\ with\\nbreaks')] 1.0",
        "pgauthority_judge_seconds_bucket [('le', '0.00005')] 1.0",
    ] {
        assert!(samples.contains(wanted), "{wanted} is not in\n{samples}");
    }
}
