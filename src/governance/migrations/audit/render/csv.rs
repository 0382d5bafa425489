//! The inventory as CSV, oldest first; several values in a field are parted by spaces.

use super::{Row, slashed};

/// The columns.
const HEADER: [&str; 16] = [
    "file",
    "revision",
    "down_revision",
    "depends_on",
    "branch_labels",
    "message",
    "lines",
    "date",
    "family",
    "number",
    "second_family",
    "operations",
    "destructive",
    "long_lock",
    "downgrade",
    "alters_uncreated",
];

pub(super) fn render(rows: &[Row<'_>]) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(|error| error.to_string())?;
    for row in rows {
        let script = row.script;
        let family = row.family.as_ref();
        let number = family.and_then(|family| family.number);
        let second = family.and_then(|family| family.second);
        let record = [
            slashed(&script.path),
            script.revision.clone().unwrap_or_default(),
            script.parents.join(" "),
            script.depends_on.join(" "),
            script.labels.join(" "),
            script.message.clone(),
            script.lines.to_string(),
            script.date.clone().unwrap_or_default(),
            family.map(|family| family.name.to_owned()).unwrap_or_default(),
            number.map(|number| number.to_string()).unwrap_or_default(),
            second.map(|(name, _)| name.to_owned()).unwrap_or_default(),
            row.does_text(),
            row.destructive.join(" "),
            row.locks.join(" "),
            row.back().to_owned(),
            row.uncreated.join(" "),
        ];
        writer.write_record(record).map_err(|error| error.to_string())?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
