//! The seal's statements. Pure: the command runs them, with a `search_path` of `pg_catalog`.

use super::backstop::DROP_SCHEMA;
use crate::contract::Declaration;

const SEAL: &str = include_str!("seal.sql");

/// Writes the declaration into the database.
pub fn seal_script(declared: Declaration) -> String {
    SEAL.replace("{authority}", declared.authority.as_str())
        .replace("{role}", declared.role.as_str())
        .replace("{env}", declared.environment.as_str())
}

/// Takes it out again.
pub fn remove_script() -> String {
    format!("DROP TABLE IF EXISTS pgauthority.seal;\n{DROP_SCHEMA}")
}

/// Shows the role to sessions that come round the proxy, too: `SHOW authority.role`. Needs a
/// superuser, and is for people: nothing of ours relies on it.
pub fn show_role(database: &str, declared: Option<Declaration>) -> String {
    let database = database.replace('"', "\"\"");
    match declared {
        Some(declared) => {
            format!("ALTER DATABASE \"{database}\" SET authority.role = '{}'", declared.role)
        }
        None => format!("ALTER DATABASE \"{database}\" RESET authority.role"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Authority, Environment, Role};

    #[test]
    fn the_scripts_say_what_is_declared() {
        let declared = Declaration {
            authority: Authority::Local,
            role: Role::Staging,
            environment: Environment::Dev,
        };
        assert!(seal_script(declared).contains("VALUES ('local', 'staging', 'dev', "));
        assert_eq!(
            show_role("a\"b", Some(declared)),
            "ALTER DATABASE \"a\"\"b\" SET authority.role = 'staging'"
        );
    }
}
