//! The registry: every worker's counters, added up for `/metrics`.
//!
//! Labels are bounded: upstreams come from the configuration, classes, decisions and rules from
//! closed lists. Counters survive a reload; an upstream that has left the configuration keeps its
//! series until the process ends, as Prometheus wants of counters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::counters::{Counter, HistogramSum, Shard, UpstreamShard, Verdict, WorkerMetrics, lock};
use super::exposition::{Kind, Page};
use super::process;
use crate::audit::AuditWatch;
use crate::sql::Class;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    started: SystemTime,
    shards: Mutex<Vec<Arc<Shard>>>,
    /// Upstreams and rules that have series from the first scrape on, before they count anything:
    /// `increase()` cannot see the step from no series to 1.
    known: Mutex<Known>,
    audit: Mutex<Option<AuditWatch>>,
    config_loads: Counter,
    config_refusals: Counter,
    config_refused_last: std::sync::atomic::AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    upstreams: Vec<String>,
    rules: &'static [&'static str],
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            started: SystemTime::now(),
            shards: Mutex::default(),
            known: Mutex::default(),
            audit: Mutex::default(),
            config_loads: Counter::default(),
            config_refusals: Counter::default(),
            config_refused_last: false.into(),
        }
    }
}

impl Metrics {
    /// A registry that has counted nothing yet.
    pub fn new() -> Arc<Metrics> {
        Arc::default()
    }

    /// Counters for a new worker thread; call it once a thread.
    pub fn worker(&self) -> WorkerMetrics {
        let shard = Arc::new(Shard::new());
        lock(&self.shards).push(Arc::clone(&shard));
        WorkerMetrics(shard)
    }

    /// A configuration took effect; these are its upstreams.
    pub fn config_loaded<'a>(&self, upstreams: impl IntoIterator<Item = &'a str>) {
        self.config_loads.add(1);
        self.config_refused_last.store(false, std::sync::atomic::Ordering::Relaxed);
        let mut known = lock(&self.known);
        for name in upstreams {
            if !known.upstreams.iter().any(|known| known == name) {
                known.upstreams.push(name.to_owned());
            }
        }
    }

    /// A configuration was refused and the old one kept.
    pub fn config_refused(&self) {
        self.config_refusals.add(1);
        self.config_refused_last.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// The closed list of rules.
    pub fn declare_rules(&self, rules: &'static [&'static str]) {
        lock(&self.known).rules = rules;
    }

    /// The audit log to report on.
    pub fn watch_audit(&self, audit: AuditWatch) {
        *lock(&self.audit) = Some(audit);
    }

    /// The page for `/metrics`.
    pub fn render(&self) -> String {
        let shards: Vec<_> = lock(&self.shards).clone();
        let mut page = Page::default();
        self.render_process(&mut page);
        render_sessions(&mut page, &shards);
        self.render_upstreams(&mut page, &shards);
        render_judging(&mut page, &shards);
        self.render_audit(&mut page);
        page.finish()
    }

    fn render_process(&self, page: &mut Page) {
        page.family("pgauthority_build_info", Kind::Gauge, "Always 1; the label says what runs.");
        page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.family(
            "pgauthority_start_time_seconds",
            Kind::Gauge,
            "When the process started, in seconds since the epoch.",
        );
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        page.fraction(&[], started.as_secs_f64());
        page.family(
            "pgauthority_config_loads_total",
            Kind::Counter,
            "Configurations that took effect, the first included.",
        );
        page.sample(&[], self.config_loads.get());
        page.family(
            "pgauthority_config_refusals_total",
            Kind::Counter,
            "Reloads that were refused, the old configuration being kept.",
        );
        page.sample(&[], self.config_refusals.get());
        page.family(
            "pgauthority_config_last_reload_refused",
            Kind::Gauge,
            "1 while the configuration in force is older than the one last asked for.",
        );
        let refused = self.config_refused_last.load(std::sync::atomic::Ordering::Relaxed);
        page.sample(&[], refused.into());
        process::render(page);
    }

    fn render_upstreams(&self, page: &mut Page, shards: &[Arc<Shard>]) {
        let (names, rules) = {
            let known = lock(&self.known);
            (known.upstreams.clone(), known.rules)
        };
        let mut upstreams: BTreeMap<String, Vec<Arc<UpstreamShard>>> =
            names.into_iter().map(|name| (name, Vec::new())).collect();
        for shard in shards {
            for (name, counters) in lock(&shard.upstreams).iter() {
                upstreams.entry(name.clone()).or_default().push(Arc::clone(counters));
            }
        }
        render_statements(page, &upstreams);
        render_blocks(page, &upstreams, rules);
        page.family(
            "pgauthority_upstream_connect_seconds",
            Kind::Histogram,
            "Time to connect and log in to an upstream, retries included.",
        );
        for (name, copies) in &upstreams {
            let mut sum = HistogramSum::default();
            copies.iter().for_each(|copy| copy.connect.add_to(&mut sum));
            if !sum.buckets.is_empty() {
                page.histogram(&[("upstream", name)], &sum);
            }
        }
        page.family(
            "pgauthority_upstream_connect_failures_total",
            Kind::Counter,
            "Connections to an upstream that were given up.",
        );
        for (name, copies) in &upstreams {
            let failures = copies.iter().map(|copy| copy.connect_failures.get()).sum();
            page.sample(&[("upstream", name)], failures);
        }
    }

    fn render_audit(&self, page: &mut Page) {
        let Some(audit) = lock(&self.audit).clone() else { return };
        let (events, errors) = audit.counts();
        page.family(
            "pgauthority_audit_events_total",
            Kind::Counter,
            "Audit events written to the log.",
        );
        page.sample(&[], events);
        page.family(
            "pgauthority_audit_errors_total",
            Kind::Counter,
            "Audit events that could not be written when they were due.",
        );
        page.sample(&[], errors);
        page.family(
            "pgauthority_audit_writable",
            Kind::Gauge,
            "1 while the audit log can be written; at 0, what needs an event is refused.",
        );
        page.sample(&[], audit.healthy().into());
    }
}

fn render_sessions(page: &mut Page, shards: &[Arc<Shard>]) {
    page.family("pgauthority_sessions", Kind::Gauge, "Client sessions open now.");
    // Shares may wrap where a guard is dropped on another thread; their sum does not.
    let open = shards.iter().fold(0_u64, |sum, shard| sum.wrapping_add(shard.sessions.get()));
    page.sample(&[], open);
    page.family("pgauthority_sessions_total", Kind::Counter, "Client sessions accepted.");
    page.sample(&[], total(shards, |shard| &shard.sessions_total));
    page.family(
        "pgauthority_sessions_refused_total",
        Kind::Counter,
        "Client sessions refused, by rule.",
    );
    let mut refused: BTreeMap<&'static str, u64> = BTreeMap::new();
    for shard in shards {
        for (rule, count) in lock(&shard.refused).iter() {
            *refused.entry(rule).or_default() += count;
        }
    }
    for (rule, count) in refused {
        page.sample(&[("rule", rule)], count);
    }
    page.family("pgauthority_bytes_total", Kind::Counter, "Bytes forwarded.");
    let to_upstream = total(shards, |shard| &shard.bytes_to_upstream);
    page.sample(&[("direction", "to_upstream")], to_upstream);
    page.sample(&[("direction", "to_client")], total(shards, |shard| &shard.bytes_to_client));
    page.family(
        "pgauthority_login_seconds",
        Kind::Histogram,
        "Time from accepting a client to its session's start.",
    );
    let mut sum = HistogramSum::default();
    shards.iter().for_each(|shard| shard.login.add_to(&mut sum));
    page.histogram(&[], &sum);
}

fn render_judging(page: &mut Page, shards: &[Arc<Shard>]) {
    page.family(
        "pgauthority_judgement_cache_hits_total",
        Kind::Counter,
        "Statement texts whose judgement was known.",
    );
    page.sample(&[], total(shards, |shard| &shard.cache_hits));
    page.family(
        "pgauthority_judgement_cache_shape_hits_total",
        Kind::Counter,
        "Statement texts whose judgement was known from the same text with other literals.",
    );
    page.sample(&[], total(shards, |shard| &shard.cache_shape_hits));
    page.family(
        "pgauthority_judgement_cache_misses_total",
        Kind::Counter,
        "Statement texts that had to be parsed.",
    );
    page.sample(&[], total(shards, |shard| &shard.cache_misses));
    page.family(
        "pgauthority_judge_seconds",
        Kind::Histogram,
        "Time to parse and judge a statement text that no cache knew.",
    );
    let mut sum = HistogramSum::default();
    shards.iter().for_each(|shard| shard.judge.add_to(&mut sum));
    page.histogram(&[], &sum);
}

fn render_statements(page: &mut Page, upstreams: &BTreeMap<String, Vec<Arc<UpstreamShard>>>) {
    page.family(
        "pgauthority_statements_total",
        Kind::Counter,
        "Statements judged, by upstream, class and decision.",
    );
    for (name, copies) in upstreams {
        for class in Class::ALL {
            for verdict in Verdict::ALL {
                let count = |copy: &Arc<UpstreamShard>| {
                    let row = copy.statements.get(*class as usize)?;
                    Some(row.get(*verdict as usize)?.get())
                };
                let labels = [
                    ("upstream", name.as_str()),
                    ("class", class.as_str()),
                    ("decision", verdict.as_str()),
                ];
                page.sample(&labels, copies.iter().filter_map(count).sum());
            }
        }
    }
}

fn render_blocks(
    page: &mut Page,
    upstreams: &BTreeMap<String, Vec<Arc<UpstreamShard>>>,
    rules: &'static [&'static str],
) {
    page.family(
        "pgauthority_blocks_total",
        Kind::Counter,
        "Statements blocked, by rule and upstream.",
    );
    for (name, copies) in upstreams {
        let mut blocks: BTreeMap<&'static str, u64> = rules.iter().map(|rule| (*rule, 0)).collect();
        for copy in copies {
            for (rule, count) in lock(&copy.blocks).iter() {
                *blocks.entry(rule).or_default() += count;
            }
        }
        for (rule, count) in blocks {
            page.sample(&[("rule", rule), ("upstream", name)], count);
        }
    }
}

fn total(shards: &[Arc<Shard>], counter: impl Fn(&Shard) -> &Counter) -> u64 {
    shards.iter().map(|shard| counter(shard).get()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{CacheResult, Direction};
    use super::*;

    fn value(page: &str, series: &str) -> String {
        let line = page.lines().find(|line| line.rsplit_once(' ').is_some_and(|s| s.0 == series));
        line.unwrap_or_else(|| panic!("{series} is not in\n{page}"))
            .rsplit_once(' ')
            .unwrap()
            .1
            .to_owned()
    }

    #[test]
    fn workers_are_added_up() {
        let metrics = Metrics::new();
        metrics.config_loaded(["neon-prod"]);
        let (one, two) = (metrics.worker(), metrics.worker());
        let session = one.session();
        let other = two.session();
        one.upstream("neon-prod").statements(Class::Ddl, Verdict::Blocked, 1);
        two.upstream("neon-prod").statements(Class::Ddl, Verdict::Blocked, 1);
        two.upstream("neon-prod").blocked("prod.ddl_unconfirmed");
        one.bytes(Direction::ToClient, 7);
        two.cache(CacheResult::ShapeHit);
        drop(session);
        let page = metrics.render();
        let series = "pgauthority_statements_total{upstream=\"neon-prod\",class=\"ddl\",decision=\"blocked\"}";
        assert_eq!(value(&page, series), "2");
        assert_eq!(value(&page, "pgauthority_sessions"), "1");
        assert_eq!(value(&page, "pgauthority_sessions_total"), "2");
        assert_eq!(value(&page, "pgauthority_bytes_total{direction=\"to_client\"}"), "7");
        assert_eq!(value(&page, "pgauthority_judgement_cache_shape_hits_total"), "1");
        let series =
            "pgauthority_blocks_total{rule=\"prod.ddl_unconfirmed\",upstream=\"neon-prod\"}";
        assert_eq!(value(&page, series), "1");
        drop(other);
    }

    #[test]
    fn a_session_may_end_on_another_thread() {
        let metrics = Metrics::new();
        let session = metrics.worker().session();
        std::thread::spawn(move || drop(session)).join().unwrap();
        assert_eq!(value(&metrics.render(), "pgauthority_sessions"), "0");
    }

    #[test]
    fn known_series_exist_before_they_count() {
        let metrics = Metrics::new();
        metrics.declare_rules(&["replica.ddl"]);
        metrics.config_loaded(["a", "b"]);
        metrics.config_loaded(["b"]);
        let page = metrics.render();
        for upstream in ["a", "b"] {
            let series =
                format!("pgauthority_blocks_total{{rule=\"replica.ddl\",upstream=\"{upstream}\"}}");
            assert_eq!(value(&page, &series), "0");
        }
        assert_eq!(value(&page, "pgauthority_config_loads_total"), "2");
    }

    #[test]
    fn buckets_are_cumulative_and_bounds_inclusive() {
        let metrics = Metrics::new();
        let worker = metrics.worker();
        worker.judged(Duration::from_micros(1));
        worker.judged(Duration::from_micros(2));
        worker.judged(Duration::from_secs(9));
        let page = metrics.render();
        assert_eq!(value(&page, "pgauthority_judge_seconds_bucket{le=\"0.000001\"}"), "1");
        assert_eq!(value(&page, "pgauthority_judge_seconds_bucket{le=\"0.0000025\"}"), "2");
        assert_eq!(value(&page, "pgauthority_judge_seconds_bucket{le=\"1\"}"), "2");
        assert_eq!(value(&page, "pgauthority_judge_seconds_bucket{le=\"+Inf\"}"), "3");
        assert_eq!(value(&page, "pgauthority_judge_seconds_sum"), "9.000003");
        assert_eq!(value(&page, "pgauthority_judge_seconds_count"), "3");
    }
}
