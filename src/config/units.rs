//! Durations and byte sizes as people write them.

use std::time::Duration;

/// What a duration looks like, for hints.
pub(super) const DURATION_FORM: &str = "a whole number with a unit (\"500ms\", \"30s\", \"5min\", \"1h\", \"2d\"), or seconds as an integer";

/// What a byte size looks like, for hints.
pub(super) const SIZE_FORM: &str =
    "a whole number with a unit (\"512B\", \"64kB\", \"64MiB\", \"1GiB\"), or bytes as an integer";

/// Units of time: PostgreSQL's, and `m`.
const TIMES: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Units of memory. As in PostgreSQL, a kilobyte is 1024 bytes, however it is spelled.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1 << 10),
    ("KB", 1 << 10),
    ("KiB", 1 << 10),
    ("MB", 1 << 20),
    ("MiB", 1 << 20),
    ("GB", 1 << 30),
    ("GiB", 1 << 30),
];

/// Reads a duration; digits alone are seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    match number_and_unit(text)? {
        (number, "") => Some(Duration::from_secs(number)),
        (number, unit) => scale(number, unit, TIMES).map(Duration::from_millis),
    }
}

/// Reads a byte size; digits alone are bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    match number_and_unit(text)? {
        (number, "") => Some(number),
        (number, unit) => scale(number, unit, SIZES),
    }
}

/// Writes a size in its largest whole unit, as it can be read back.
pub(super) fn show_size(bytes: u64) -> String {
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
        .map_or_else(|| format!("{bytes}B"), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

fn scale(number: u64, unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("30", 30_000),
            ("5min", 300_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2 d", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1.5h", "-1s", "1H", "1h30m", "99999999999999999999s", "1hour"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration(&format!("{}d", u64::MAX)), None);
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("64MB", 64 << 20), ("1GiB", 1 << 30), ("8kB", 8192), ("7", 7)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "64mb", "1.5GiB", "1TiB", "-1"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for bytes in [0, 1, 1023, 1024, 64 << 20, 1 << 30, (1 << 30) + 1] {
            assert_eq!(size(&show_size(bytes)), Some(bytes));
        }
        assert_eq!(show_size(64 << 20), "64MiB");
    }
}
