//! What the environment of a path's commands says. Pure.

use crate::contract::Declaration;
use crate::governance::exec::child_environment::{self, Change};
use crate::governance::gate::Variables;
use crate::governance::url::DatabaseUrl;

/// What leads to the scratch databases.
pub struct Way<'a> {
    /// The upstream's own URL, in the spelling of the commands' driver.
    pub url: &'a DatabaseUrl,
    /// Who logs in.
    pub user: &'a str,
    /// The password, from wherever it was found. A secret.
    pub password: Option<&'a str>,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// What is declared.
    pub declaration: Declaration,
}

/// The changes for a command that is to find `database`, whatever it goes by: `DATABASE_URL` or
/// the variables of libpq. Nothing of it confirms anything.
pub fn changes(way: &Way<'_>, database: &str, environment: &Variables) -> Vec<Change> {
    let url = way.url.with_database(database);
    let mut changes = child_environment::changes(&url, way.port, environment, way.password);
    let Declaration { authority, role, environment } = way.declaration;
    for (name, value) in [
        ("PGUSER", Some(way.user)),
        ("PGDATABASE", Some(database)),
        ("PGPASSWORD", way.password),
        ("DB_AUTHORITY", Some(authority.as_str())),
        ("DB_ROLE", Some(role.as_str())),
        ("DB_ENV", Some(environment.as_str())),
        ("CONFIRM_PROD_MIGRATIONS", None),
    ] {
        changes.push((name.to_owned(), value.map(str::to_owned)));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Authority, Environment, Role};

    #[test]
    fn every_way_leads_to_the_scratch_database() {
        let url = DatabaseUrl::parse("postgresql+asyncpg://u:p@h:5/nova?ssl=require").unwrap();
        let declaration = Declaration {
            authority: Authority::Local,
            role: Role::Staging,
            environment: Environment::Test,
        };
        let way = Way { url: &url, user: "u", password: Some("p"), port: 7, declaration };
        let outside = Variables::from([("PGDATABASE".to_owned(), "nova".to_owned())]);
        let changes = changes(&way, "scratch", &outside);
        // the last of a name counts
        let of = |name: &str| changes.iter().rfind(|(other, _)| other == name).unwrap().1.clone();
        let is = |name: &str, value: &str| assert_eq!(of(name).as_deref(), Some(value), "{name}");
        is("DATABASE_URL", "postgresql+asyncpg://u:p@127.0.0.1:7/scratch?ssl=disable");
        is("PGDATABASE", "scratch");
        is("PGHOST", "127.0.0.1");
        is("PGUSER", "u");
        is("DB_ROLE", "staging");
        is("DB_VIA", "pgauthority");
        assert_eq!(of("CONFIRM_PROD_MIGRATIONS"), None);
        assert_eq!(of("PGSERVICE"), None);
    }
}
