//! Settings that only class `admin` may change (contract §4), wherever they are set: by SET, by
//! `set_config`, in a routine's SET clause, in the startup packet.

/// What guards the data: triggers, event triggers, the catalog's protection, checks of pages.
const SAFEGUARDS: &[&str] = &[
    "session_replication_role",
    "event_triggers",
    "allow_system_table_mods",
    "zero_damaged_pages",
    "ignore_checksum_failure",
];

/// Libraries that the server loads, as LOAD does, and where it looks for them.
const CODE: &[&str] = &[
    "session_preload_libraries",
    "local_preload_libraries",
    "dynamic_library_path",
    "extension_control_path",
];

/// What a setting does that only class `admin` may change; `None`: others may.
pub fn administrative(name: &str) -> Option<&'static str> {
    let is_in = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    match () {
        () if is_in(SAFEGUARDS) => Some("turns safeguards off"),
        () if is_in(CODE) => Some("loads code"),
        () => None,
    }
}
