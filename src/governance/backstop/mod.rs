//! The backstop: event triggers in a database that refuse schema changes without a token of the
//! proxy's (governance, row `backstop`). What is installed, and whether that is what it should be.
//!
//! Pure: scripts out, findings out. The commands run the scripts.

mod findings;
pub mod key_file;

use crate::contract::Declaration;

pub use findings::{Findings, LIMITS, findings};

/// Of what is installed; an older one is replaced by installing again.
pub const VERSION: u32 = 2;

/// The events that are guarded. `ddl_command_start` is among them for what cannot be undone at its
/// end: CREATE INDEX CONCURRENTLY has committed by then, CREATE SUBSCRIPTION has left a slot behind
/// on another server.
pub const EVENTS: [&str; 4] = ["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"];

/// The name of the event trigger for an event.
pub fn trigger_name(event: &str) -> String {
    format!("pgauthority_{event}")
}

const INSTALL: &str = include_str!("install.sql");

const DROP_OBJECTS: &str = "DROP FUNCTION IF EXISTS pgauthority.guard();\n\
    DROP FUNCTION IF EXISTS pgauthority.token_fault();\n\
";
const DROP_KEY: &str = "DROP MATERIALIZED VIEW IF EXISTS pgauthority.key;\n";

/// Drops the schema unless something else is in it.
pub(super) const DROP_SCHEMA: &str = "\
DO $backstop$
BEGIN
    DROP SCHEMA IF EXISTS pgauthority;
EXCEPTION WHEN dependent_objects_still_exist THEN
    NULL; -- something else is in it
END
$backstop$;
";

/// The script that installs, the same for the same arguments; there is no secret in it. The key of
/// an older installation is kept unless a new one is wanted.
pub fn install_script(upstream: &str, declared: Declaration, new_key: bool) -> String {
    let creations: String = EVENTS
        .iter()
        .map(|event| {
            let name = trigger_name(event);
            format!(
                "CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION pgauthority.guard();\n\
                 ALTER EVENT TRIGGER {name} ENABLE ALWAYS;\n"
            )
        })
        .collect();
    let refresh = "REFRESH MATERIALIZED VIEW pgauthority.key;\n";
    let values = [
        ("{version}", VERSION.to_string()),
        ("{upstream}", upstream.to_owned()),
        ("{authority}", declared.authority.to_string()),
        ("{role}", declared.role.to_string()),
        ("{env}", declared.environment.to_string()),
        ("{drop_triggers}\n", drop_triggers()),
        ("{drop_objects}\n", DROP_OBJECTS.to_owned()),
        ("{new_key}\n", if new_key { refresh.to_owned() } else { String::new() }),
        ("{comment}", comment(upstream, declared)),
        ("{create_triggers}\n", creations),
    ];
    values.iter().fold(INSTALL.to_owned(), |script, (name, value)| script.replace(name, value))
}

/// The script that removes every trace, but for a seal and its schema.
pub fn remove_script() -> String {
    format!("{}{DROP_OBJECTS}{DROP_KEY}{DROP_SCHEMA}", drop_triggers())
}

fn drop_triggers() -> String {
    let drop = |event: &&str| format!("DROP EVENT TRIGGER IF EXISTS {};\n", trigger_name(event));
    EVENTS.iter().map(drop).collect()
}

/// What the function `guard` says of itself, as JSON. None of it needs escaping: an upstream's name
/// is made of letters, digits, `_`, `-` and `.`.
fn comment(upstream: &str, declared: Declaration) -> String {
    let Declaration { authority, role, environment } = declared;
    format!(
        "{{\"backstop\": {VERSION}, \"upstream\": \"{upstream}\", \"authority\": \"{authority}\", \
         \"role\": \"{role}\", \"env\": \"{environment}\"}}"
    )
}

/// The body of a function as the script creates it.
fn function_body<'s>(script: &'s str, name: &str) -> Option<&'s str> {
    let (_, from) = script.split_once(&format!("CREATE FUNCTION pgauthority.{name}("))?;
    from.split("$backstop$").nth(1)
}

/// A statement that shows whether the backstop holds and never does anything: where the table is
/// let through, the division fails and takes it back.
pub const PROOF: &str = "CREATE TABLE pgauthority.proof (); SELECT 1 / 0";
/// The SQLSTATE of [`PROOF`] where the backstop refuses it.
pub const PROOF_REFUSED: &str = "42501";
/// The SQLSTATE of [`PROOF`] where it is let through.
pub const PROOF_PASSED: &str = "22012";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Authority, Environment, Role};

    const PROD: Declaration = Declaration {
        authority: Authority::Neon,
        role: Role::Prod,
        environment: Environment::ProdLike,
    };

    #[test]
    fn the_script_has_no_placeholder_left_and_is_the_same_each_time() {
        let script = install_script("neon-prod", PROD, false);
        for name in ["{version}", "{upstream}", "{role}", "{env}", "{comment}", "_triggers}"] {
            assert!(!script.contains(name), "{name}");
        }
        assert_eq!(script, install_script("neon-prod", PROD, false));
        assert!(!script.contains("REFRESH MATERIALIZED VIEW pgauthority.key"));
        let renewing = install_script("neon-prod", PROD, true);
        assert!(renewing.contains("REFRESH MATERIALIZED VIEW pgauthority.key;\n"));
    }

    #[test]
    fn bodies_are_found() {
        let script = install_script("neon-prod", PROD, false);
        let guard = function_body(&script, "guard").unwrap();
        assert!(guard.contains("RAISE EXCEPTION") && guard.contains("\"neon-prod\""));
        assert!(function_body(&script, "token_fault").unwrap().contains("current_query()"));
    }

    /// A statement's text in a function is read under the caller's settings.
    #[test]
    fn no_body_has_a_backslash() {
        assert!(!INSTALL.contains('\\'));
    }
}
