//! Prometheus' text exposition format, version 0.0.4.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

use super::counters::HistogramSum;

/// The format's media type.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The page under way. Writing to a `String` cannot fail, so results are dropped.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Starts a family: its samples must follow before the next one.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# HELP {name} {help}");
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        self.family = name;
    }

    /// One sample of the family.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: u64) {
        self.line("", labels, None, &value.to_string());
    }

    /// One sample of the family that is not a whole number.
    pub(super) fn fraction(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, &value.to_string());
    }

    /// The samples of one histogram of the family, in seconds.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, sum: &HistogramSum) {
        let mut count = 0;
        for (at, bucket) in sum.buckets.iter().enumerate() {
            count += bucket;
            let bound = sum.bounds.get(at).map_or("+Inf".to_owned(), |bound| seconds(*bound));
            self.line("_bucket", labels, Some(&bound), &count.to_string());
        }
        self.line("_sum", labels, None, &seconds(sum.nanoseconds));
        self.line("_count", labels, None, &count.to_string());
    }

    /// The whole page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: &str) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.text.push(separator);
            self.text.push_str(name);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// Nanoseconds as seconds, exactly.
fn seconds(nanoseconds: u64) -> String {
    let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{whole}.{rest:09}");
    digits.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        assert_eq!(seconds(0), "0");
        assert_eq!(seconds(1_000), "0.000001");
        assert_eq!(seconds(2_500_000_000), "2.5");
        assert_eq!(seconds(u64::MAX), "18446744073.709551615");
    }

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page::default();
        page.family("x_total", Kind::Counter, "X.");
        page.sample(&[("upstream", "a\"b\\c\nd")], 3);
        assert_eq!(
            page.finish(),
            "# HELP x_total X.\n# TYPE x_total counter\nx_total{upstream=\"a\\\"b\\\\c\\nd\"} 3\n"
        );
    }
}
