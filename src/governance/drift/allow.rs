//! Comments that allow findings: `# pgauthority: allow RULE, RULE -- REASON` for the line that it
//! stands on (or, alone on its line, the next line that says something), `allow-file` for all.

use super::facts::{Allow, Facts, Place};

const MARK: &str = "pgauthority: allow";

/// Reads one comment, which starts at `place`; the lines of the file decide what it speaks of.
pub fn comment(comment: &str, place: Place, lines: &[&str], facts: &mut Facts) {
    for (offset, line) in comment.lines().enumerate() {
        let Some(at) = line.find(MARK) else { continue };
        let before = line[..at].trim_matches(|c: char| c.is_whitespace() || "#/*;-<!".contains(c));
        if !before.is_empty() {
            continue;
        }
        let rest = &line[at + MARK.len()..];
        let (whole_file, rest) = match rest.strip_prefix("-file") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
            continue;
        }
        let (rules, reason) = split(rest);
        let own = place.line.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
        let place = Place { line: own, column: if offset == 0 { place.column } else { 1 } };
        let line = if whole_file { None } else { Some(spoken_of(place, lines)) };
        facts.allows.push(Allow { place, line, rules, reason });
    }
}

/// Every comment of a format whose comments start with one of these and reach the line's end.
pub fn line_comments(text: &str, starts: &[char], facts: &mut Facts) {
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(mark) = line.find(MARK) else { continue };
        if let Some(at) = line[..mark].rfind(starts) {
            let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
            let place = Place { line: number(index), column: number(at) };
            comment(&line[at..], place, &lines, facts);
        }
    }
}

/// The rules, and the reason behind the first dash or colon that follows them.
fn split(text: &str) -> (Vec<String>, Option<String>) {
    let text = text.trim().trim_end_matches("*/").trim_end_matches("-->").trim();
    let end = text
        .char_indices()
        .find(|(at, c)| {
            let spaced = text[..*at].ends_with([' ', '\t']) || *c == ':';
            matches!(c, '—' | '–' | ':' | '-') && spaced
        })
        .map_or(text.len(), |(at, _)| at);
    let rules = text[..end].split([',', ' ']).map(str::trim).filter(|rule| !rule.is_empty());
    let reason = text[end..].trim_start_matches(['—', '–', ':', '-', ' ']).trim();
    let reason = reason.chars().any(char::is_alphanumeric).then(|| reason.to_owned());
    (rules.map(str::to_owned).collect(), reason)
}

/// The comment's own line, or the next one with anything but comments on it.
fn spoken_of(place: Place, lines: &[&str]) -> u32 {
    let index = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
    let before = lines.get(index).and_then(|line| line.get(..column)).unwrap_or_default();
    if !before.trim().is_empty() {
        return place.line;
    }
    let silent = |line: &&str| {
        let line = line.trim();
        line.is_empty()
            || ["#", "//", "/*", "*", ";", "--"].iter().any(|mark| line.starts_with(mark))
    };
    let below = lines.iter().skip(index + 1).take_while(|line| silent(line)).count();
    place.line.saturating_add(u32::try_from(below).unwrap_or(0)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(text: &str) -> Vec<(Option<u32>, Vec<String>, Option<String>)> {
        let mut facts = Facts::default();
        line_comments(text, &['#'], &mut facts);
        facts.allows.into_iter().map(|allow| (allow.line, allow.rules, allow.reason)).collect()
    }

    #[test]
    fn a_comment_speaks_of_its_line_or_the_next() {
        let found = allows(
            "a = 1  # pgauthority: allow infer.url -- a log line\n\
             # pgauthority: allow declare.missing, url.upstream — it is a template\n# more\n\nb\n\
             # pgauthority: allow-file infer.url: generated\n",
        );
        let rules =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(found[0], (Some(1), rules(&["infer.url"]), Some("a log line".to_owned())));
        let second = rules(&["declare.missing", "url.upstream"]);
        assert_eq!(found[1], (Some(5), second, Some("it is a template".to_owned())));
        assert_eq!(found[2], (None, rules(&["infer.url"]), Some("generated".to_owned())));
    }

    #[test]
    fn a_reason_must_say_something() {
        assert_eq!(allows("x # pgauthority: allow infer.url")[0].2, None);
        assert_eq!(allows("x # pgauthority: allow infer.url -- ")[0].2, None);
        assert_eq!(allows("x # pgauthority: allow infer.url — --")[0].2, None);
        assert_eq!(allows("x # see pgauthority: allow infer.url").len(), 0);
        assert_eq!(allows("x # pgauthority: allowed").len(), 0);
    }
}
