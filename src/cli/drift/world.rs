//! What needs the configuration: its own contradictions, its upstreams looked at, its audit log.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::audit::{AuditLog, Event, EventKind, Place, Who};
use crate::config::{AuditTarget, Config};
use crate::governance::drift::scan::{self, Scanned};
use crate::governance::drift::world::Declared;
use crate::governance::drift::{Finding, connect};

/// Events that one write to the log may hold.
const BATCH: usize = 256;

/// Findings about the configuration and, with `connects`, its upstreams. Its comments may allow
/// them, so it is read even where no path leads to it.
pub(super) fn findings(
    path: &Path,
    config: &Config,
    connects: bool,
    scanned: &mut Scanned,
) -> Result<Vec<Finding>, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let shown = scan::shown(path, &here);
    if !scanned.files.contains_key(&shown)
        && let Some(facts) = scan::one(&shown)
    {
        scanned.files.insert(shown.clone(), facts);
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let declared = Declared { path: &shown, text: &text };
    let mut found: Vec<Finding> =
        config.warnings.iter().map(|warning| declared.mapping(warning)).collect();
    if connects {
        found.extend(looked(config, &declared)?);
    }
    Ok(found)
}

/// Says on a terminal that it looks, if it takes more than a second.
fn looked(config: &Config, declared: &Declared<'_>) -> Result<Vec<Finding>, Failure> {
    let runtime = crate::cli::runtime().map_err(|error| (2, format!("cannot connect: {error}")))?;
    Ok(runtime.block_on(async {
        let all = connect::look(config, declared);
        tokio::pin!(all);
        let patience = tokio::time::sleep(Duration::from_secs(1));
        tokio::select! {
            biased;
            found = &mut all => return found,
            () = patience => {}
        }
        if io::stderr().is_terminal() {
            let count = config.upstreams.len();
            let _ = writeln!(io::stderr(), "connecting to {count} upstreams …");
        }
        all.await
    }))
}

/// One event `drift` for each finding.
pub(super) fn record(config: &Config, findings: &[Finding]) -> Result<(), Failure> {
    if config.audit.target == AuditTarget::Stdout {
        let why =
            "--audit needs an audit log that is a file: the configuration's is standard output";
        return Err((2, why.to_owned()));
    }
    let log = AuditLog::open(&config.audit)
        .map_err(|error| (2, format!("the audit log cannot be opened: {error}")))?;
    let (place, who) = (Arc::new(Place::default()), Arc::new(Who::default()));
    for batch in findings.chunks(BATCH) {
        let events = batch.iter().map(|finding| Event {
            rule: Some(finding.rule.id()),
            reason: Some(format!("{}:{}: {}", finding.path, finding.line, finding.message)),
            hint: Some(finding.fix.clone()),
            ..Event::new(
                uuid::Uuid::now_v7(),
                EventKind::Drift,
                Arc::clone(&place),
                Arc::clone(&who),
            )
        });
        log.record_all(events.collect()).wait().map_err(|error| (2, error.to_string()))?;
    }
    Ok(())
}
