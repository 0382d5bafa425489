//! What a configuration, and the upstreams that it names, contradict. Its findings stand in the
//! configuration at the upstream's table, where a comment can allow them.

use super::facts::{Found, Place};
use super::project::Finding;
use super::rule::Rule;

/// Where the upstreams of a configuration are declared.
pub struct Declared<'a> {
    /// The configuration's path, as in reports.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Declared<'_> {
    /// A finding about an upstream.
    pub fn finding(&self, upstream: &str, rule: Rule, message: String) -> Finding {
        Finding::new(self.path, Found { rule, place: self.place(upstream), message, fix: None })
    }

    /// A warning of the configuration (`upstream "x": message`) as a finding.
    pub fn mapping(&self, warning: &str) -> Finding {
        let named = warning.strip_prefix("upstream \"").and_then(|rest| rest.split_once("\": "));
        let (upstream, _) = named.unwrap_or_default();
        self.finding(upstream, Rule::ConfigMapping, warning.to_owned())
    }

    /// The line of `[upstreams.NAME]`, however it is quoted; the first line where there is none.
    fn place(&self, upstream: &str) -> Place {
        let header = |line: &str| {
            let inner = line.trim().strip_prefix('[')?.split(']').next()?;
            let (table, name) = inner.split_once('.')?;
            let name = name.trim().trim_matches(['"', '\'']);
            (table.trim() == "upstreams" && name == upstream).then_some(())
        };
        let index = self.text.lines().position(|line| header(line).is_some()).unwrap_or(0);
        Place { line: u32::try_from(index + 1).unwrap_or(u32::MAX), column: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stand_at_the_upstreams_table() {
        let text = "[server]\n[upstreams.a]\nx = 1\n[ upstreams . \"b c\" ] # x\n";
        let declared = Declared { path: "p.toml", text };
        let line = |name: &str| declared.finding(name, Rule::WorldSeal, String::new()).line;
        assert_eq!([line("a"), line("b c"), line("other")], [2, 4, 1]);
        let finding = declared.mapping("upstream \"b c\": what");
        assert_eq!((finding.line, finding.rule), (4, Rule::ConfigMapping));
    }
}
