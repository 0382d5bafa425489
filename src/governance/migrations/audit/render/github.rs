//! The findings as annotations of GitHub Actions.

use super::{slashed, table};
use crate::governance::github::{Place, annotation};
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::finding::Severity;

pub(super) fn render(audit: &Audit) -> String {
    let annotations = audit.findings.iter().map(|finding| {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let file = finding.path.as_ref().map(|path| slashed(path));
        let place = file.as_deref().map(|file| Place { file, line: finding.line, column: None });
        let message = format!("{}\nfix: {}", finding.message, finding.rule.fix);
        annotation(level, place, finding.rule.id, &message)
    });
    annotations.collect::<String>() + &table::summary(audit)
}
