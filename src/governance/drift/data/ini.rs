//! `.ini`, `.cfg`, `.conf` and `.properties`: `key = value` lines (Alembic's `sqlalchemy.url`).

use super::contexts::dynamic;
use crate::governance::drift::allow;
use crate::governance::drift::facts::{Facts, Place};
use crate::governance::drift::languages::infer;
use crate::governance::drift::names;

/// Reads a file.
pub fn read(text: &str, facts: &mut Facts) {
    allow::line_comments(text, &['#', ';'], facts);
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with(['#', ';', '!']) {
            continue;
        }
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        for (at, url) in names::urls(line) {
            // %(NAME)s and %% are configparser's
            let url = dynamic(&url.replace("%%", "%"));
            let place = Place { line: number(index), column: number(at) };
            facts.add_url(&url, place, false);
            if names::confirms(&url) {
                infer::options(place, facts);
            }
        }
    }
}
