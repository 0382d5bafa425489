//! The findings as annotations of GitHub Actions.

use std::fmt::Write as _;

use super::{slashed, table};
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::finding::Severity;

pub(super) fn render(audit: &Audit) -> String {
    let mut text = String::new();
    for finding in &audit.findings {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let place = finding
            .path
            .as_ref()
            .map(|path| format!("file={},line={},", property(&slashed(path)), finding.line));
        let _ = writeln!(
            text,
            "::{level} {}title={}::{}",
            place.unwrap_or_default(),
            property(finding.rule.id),
            message(&format!("{}\nfix: {}", finding.message, finding.rule.fix)),
        );
    }
    text + &table::summary(audit)
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_an_annotation_is_escaped() {
        assert_eq!(message("100%\nx"), "100%25%0Ax");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
