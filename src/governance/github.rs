//! Findings for code review: workflow commands of GitHub Actions, an annotation a finding, each on a line of its own; paths as
//! SARIF has them. Pure.

/// Where a finding is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file, with `/` between its parts.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, where it is known.
    pub column: Option<u32>,
}

/// An annotation: `level` is `error`, `warning` or `notice`. Ends with a newline.
pub fn annotation(level: &str, place: Option<Place<'_>>, title: &str, message: &str) -> String {
    let place = place.map(|Place { file, line, column }| {
        let column = column.map(|column| format!("col={column},")).unwrap_or_default();
        format!("file={},line={line},{column}", property(file))
    });
    let place = place.unwrap_or_default();
    format!("::{level} {place}title={}::{}\n", property(title), data(message))
}

/// A path as a relative URI reference (RFC 3986), or an absolute one as `file:`.
pub fn uri(path: &str) -> String {
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_')
        .remove(b'~')
        .remove(b'@')
        .remove(b'+');
    let escaped = percent_encoding::utf8_percent_encode(path, ESCAPED).to_string();
    if path.starts_with('/') { format!("file://{escaped}") } else { escaped }
}

/// A message as a workflow command carries it: what would end the command is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value, which `:` and `,` would end too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_an_annotation_is_escaped() {
        let place = Place { file: "a,b:c", line: 3, column: Some(7) };
        assert_eq!(
            annotation("error", Some(place), "100%: a,b", "100%\nx, y: z\r"),
            "::error file=a%2Cb%3Ac,line=3,col=7,title=100%25%3A a%2Cb::100%25%0Ax, y: z%0D\n"
        );
        let place = Place { column: None, ..place };
        assert_eq!(
            annotation("notice", Some(place), "t", "m"),
            "::notice file=a%2Cb%3Ac,line=3,title=t::m\n"
        );
        assert_eq!(annotation("warning", None, "t", "m"), "::warning title=t::m\n");
    }
}
