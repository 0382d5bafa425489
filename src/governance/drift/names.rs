//! What names and words mean to the rules: which variables hold URLs, which identifiers are about a
//! database's address, which words are evidence of a kind of database.

use crate::contract::is_local_host;

/// Stands in a text for what is only known when it runs. A private-use character: no source has it.
pub const DYNAMIC: char = '\u{e000}';

/// Environment variables that hold a database URL, by their whole name or after an underscore
/// (`NEON_DATABASE_URL`).
const URL_VARIABLES: &[&str] = &[
    "DATABASE_URL",
    "DATABASE_URI",
    "DATABASE_DSN",
    "DB_URL",
    "DB_URI",
    "DB_DSN",
    "POSTGRES_URL",
    "POSTGRES_URI",
    "POSTGRES_DSN",
    "POSTGRESQL_URL",
    "POSTGRESQL_URI",
    "PG_URL",
    "PG_URI",
    "PG_DSN",
    "SQLALCHEMY_URL",
    "SQL_ALCHEMY_CONN",
];

/// In a variable's name: what it holds is the URL of another kind of database.
const OTHER_DATABASES: &[&str] = &[
    "MYSQL",
    "MARIADB",
    "SQLITE",
    "MSSQL",
    "ORACLE",
    "MONGO",
    "REDIS",
    "CLICKHOUSE",
    "NEO4J",
    "VECTOR_DB",
];

/// Whether a program speaks of another kind of database and never of PostgreSQL.
pub fn is_for_another_database(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let other = ["mysql", "mariadb", "sqlite", "planetscale", "libsql", "mssql", "sqlserver"];
    let ours = ["postgres", "psycopg", "asyncpg", "pg8000", "neon", "from \"pg\"", "from 'pg'"];
    other.iter().any(|word| text.contains(word)) && !ours.iter().any(|word| text.contains(word))
}

/// Variables whose values the rules look at, those with URLs apart.
const CONTRACT_VARIABLES: &[&str] = &[
    "DB_AUTHORITY",
    "DB_ENV",
    "DB_ROLE",
    "DB_VIA",
    "CONFIRM_PROD_MIGRATIONS",
    "PGHOST",
    "PGOPTIONS",
];

/// The declarations that every context must make.
pub const DECLARATIONS: &[&str] = &["DB_AUTHORITY", "DB_ENV"];

/// Identifiers of a database's address, in lower case and without underscores and dashes.
const URL_NAMES: &[&str] = &[
    "databaseurl",
    "databaseuri",
    "databasedsn",
    "databasehost",
    "dburl",
    "dburi",
    "dbdsn",
    "dbhost",
    "postgresurl",
    "postgresuri",
    "postgresdsn",
    "postgreshost",
    "postgresqlurl",
    "pgurl",
    "pghost",
    "pgdsn",
    "connectionstring",
    "connectionuri",
    "connectionurl",
    "connstr",
    "conninfo",
    "sqlalchemyurl",
    "sqlalchemyconn",
    "jdbcurl",
];

/// A file with none of these says nothing to any rule. Compared without regard to case.
pub const NEEDLES: &[&str] = &[
    "database_ur",
    "database_dsn",
    "databaseur",
    "db_ur",
    "dburl",
    "dburi",
    "db_dsn",
    "db_host",
    "dbhost",
    "db_authority",
    "db_env",
    "db_role",
    "db_via",
    "confirm_prod",
    "postgres",
    "postgis://",
    "pg_ur",
    "pg_dsn",
    "pgurl",
    "pghost",
    "pgoptions",
    "pgauthority",
    "sqlalchemy_",
    "sql_alchemy_conn",
    "neon.",
    "neon\\.",
    "connection_string",
    "connectionstring",
    "connstr",
    "conn_str",
    "conninfo",
];

/// Whether a variable of this name holds a database URL.
pub fn is_url_variable(name: &str) -> bool {
    let end = |suffix: &&str| {
        name.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    };
    URL_VARIABLES.iter().any(end) && !OTHER_DATABASES.iter().any(|other| name.contains(other))
}

/// Whether it is one of the contract's variables, or one that libpq reads and the rules look at.
pub fn is_contract_variable(name: &str) -> bool {
    CONTRACT_VARIABLES.contains(&name)
}

/// Whether it declares something.
pub fn is_declaration(name: &str) -> bool {
    matches!(name, "DB_AUTHORITY" | "DB_ENV" | "DB_ROLE")
}

/// Whether an identifier of a program is about a database's address.
pub fn is_url_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).collect();
    let plain = plain.to_ascii_lowercase();
    plain == "dsn" || URL_NAMES.iter().any(|known| plain.contains(known))
}

/// Whether a shell or YAML text names a variable of a database's address (`$PGHOST`,
/// `${{ secrets.DATABASE_URL }}`).
pub fn mentions_url(text: &str) -> bool {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).any(|name| !name.is_empty() && is_url_name(name))
}

/// Functions of the guard modules (the seed's `_db_guard.py`, `pgauthority_guard`).
pub fn is_guard_call(name: &str) -> bool {
    matches!(
        name,
        "get_declared_authority"
            | "assert_db_authority"
            | "require_neon"
            | "require_local"
            | "require_migrations_allowed"
            | "validate_db_authority"
    )
}

/// What is to be replaced before it means anything: `<neon|local>`, `changeme`, `...`, `xxx`.
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    text.contains(['<', '>', '[', ']', '{', '}', '|', '*'])
        || text.contains("...")
        || lower.contains("changeme")
        || lower.contains("change_me")
        || lower.contains("xxx")
}

/// Whether connection options confirm: `-c authority.confirm_prod_migrations=true`, escaped or not.
pub fn confirms(text: &str) -> bool {
    const PARAMETER: &str = "authority.confirm_prod_migrations";
    let text = text.to_ascii_lowercase().replace("%3d", "=").replace("%20", " ");
    text.match_indices(PARAMETER).any(|(at, _)| {
        let after = text[at + PARAMETER.len()..].trim_start_matches([' ', '=', '\'', '"', ':']);
        let word: String = after.chars().take_while(char::is_ascii_alphanumeric).collect();
        matches!(word.as_str(), "true" | "on" | "1" | "yes" | "t")
    })
}

/// What a word in a comparison tells about a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Neon's domain: it tells an authority whatever it is compared with.
    Neon,
    /// A host, or an environment's name: it tells something where a URL is compared with it.
    OfUrl,
}

const HOSTS: &[&str] = &[
    "localhost",
    "127.0.0.1",
    "::1",
    "host.docker.internal",
    "amazonaws",
    "rds.",
    "supabase",
    "azure",
    "cloudsql",
    "railway",
    "render.com",
    "heroku",
    "fly.dev",
    "digitalocean",
    "aiven",
    "timescale",
    "svc.cluster.local",
];

const ENVIRONMENTS: &[&str] = &[
    "neon",
    "prod",
    "production",
    "live",
    "staging",
    "stage",
    "dev",
    "development",
    "local",
    "test",
    "replica",
    "readonly",
];

/// What a literal of a comparison is evidence of; a pattern's backslashes do not count.
pub fn evidence(literal: &str) -> Option<Evidence> {
    let plain = literal.to_ascii_lowercase().replace('\\', "");
    if plain.len() > 120 {
        return None;
    }
    if plain.contains("neon.tech") || plain.contains("neon.build") {
        return Some(Evidence::Neon);
    }
    let word = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let known = HOSTS.iter().any(|host| plain.contains(host)) || ENVIRONMENTS.contains(&word);
    known.then_some(Evidence::OfUrl)
}

/// A host that nobody runs a database on: local, a placeholder, or reserved for documentation
/// (RFC 2606, RFC 5737, RFC 3849).
pub fn is_example_host(host: &str) -> bool {
    const RESERVED: &[&str] = &["example", "test", "invalid", "localhost", "local"];
    const WORDS: &[&str] = &[
        "your",
        "my",
        "some",
        "example",
        "foo",
        "bar",
        "baz",
        "xxx",
        "xyz",
        "host",
        "hostname",
        "server",
        "domain",
        "dummy",
        "fake",
        "mock",
        "sample",
        "test",
        "placeholder",
        "company",
        "acme",
        "abc",
        "project",
        "ep-xxx",
        "db-host",
        "dbhost",
        "remote",
        "somewhere",
        "endpoint",
    ];
    if is_local_host(host) || is_placeholder(host) || host.contains(['%', '$', '(', ' ', DYNAMIC]) {
        return true;
    }
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return address.is_unspecified() || is_documentation(address);
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    let placeholder = |label: &str| {
        WORDS.iter().any(|word| {
            label == *word
                || matches!(*word, "your" | "my" | "some" | "example" | "test" | "fake" | "dummy")
                    && label.strip_prefix(word).is_some_and(|rest| {
                        rest.starts_with(['-', '_']) || matches!(*word, "your" | "my" | "example")
                    })
                || label.ends_with("-example")
        })
    };
    RESERVED.contains(&last) && !host.ends_with("svc.cluster.local")
        || host.split('.').any(placeholder)
        || last.chars().all(|c| c.is_ascii_digit())
}

fn is_documentation(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            matches!([a, b, c], [192, 0, 2] | [198, 51, 100] | [203, 0, 113] | [1, 2, 3])
        }
        std::net::IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xdb8],
    }
}

/// The PostgreSQL URLs in a text, each with the byte where it starts.
pub fn urls(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")).map(|at| from + at) {
        let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | ':');
        let start = text[..at]
            .rfind(|c| !scheme_char(c))
            .map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
        let end = text[at..]
            .find(|c: char| {
                c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\' | ')' | '|')
            })
            .map_or(text.len(), |length| at + length);
        let url = text[start..end].trim_end_matches(['.', ',', ';']);
        let scheme = &text[start..at];
        if scheme.contains("postgres") || scheme == "postgis" {
            found.push((start, url));
        }
        from = end.max(at + 3);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_known_by_whole_words() {
        for name in
            ["DATABASE_URL", "NEON_DATABASE_URL", "DB_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        {
            assert!(is_url_variable(name), "{name}");
        }
        for name in [
            "MYDATABASE_URL",
            "MARIADB_DATABASE_URL",
            "DATABASE_URLS",
            "database_url",
            "REDIS_URL",
            "URL",
        ] {
            assert!(!is_url_variable(name), "{name}");
        }
    }

    #[test]
    fn evidence_is_told_from_dialects_and_files() {
        assert_eq!(evidence(r"neon\.tech"), Some(Evidence::Neon));
        assert_eq!(evidence(".neon.tech"), Some(Evidence::Neon));
        for text in ["localhost", "//localhost:", "-staging", "rds.amazonaws.com", "prod"] {
            assert_eq!(evidence(text), Some(Evidence::OfUrl), "{text}");
        }
        for text in ["postgresql", "sqlite", "postgres://", "", ":memory:", "product", "latest"] {
            assert_eq!(evidence(text), None, "{text}");
        }
    }

    #[test]
    fn examples_are_no_hosts() {
        for host in [
            "localhost",
            "db",
            "example.com",
            "db.example.org",
            "your-host.com",
            "myhost.net",
            "10.0.0",
            "192.0.2.7",
            "host.name",
            "{host}",
            "a.test",
            "my-server.domain.com",
            "foo.bar.com",
        ] {
            assert!(is_example_host(host), "{host}");
        }
        for host in [
            "ep-cool-name-123.eu-central-1.aws.neon.tech",
            "10.0.0.7",
            "db.nova-ai.io",
            "x.rds.amazonaws.com",
        ] {
            assert!(!is_example_host(host), "{host}");
        }
    }

    #[test]
    fn urls_are_cut_out_of_text() {
        let text =
            "see postgresql+asyncpg://u@db.nova.io/x, or \"jdbc:postgresql://h.io/y\" or http://z";
        let found: Vec<&str> = urls(text).into_iter().map(|(_, url)| url).collect();
        assert_eq!(found, ["postgresql+asyncpg://u@db.nova.io/x", "jdbc:postgresql://h.io/y"]);
        assert_eq!(urls("ü postgres://h/d")[0], (3, "postgres://h/d"));
    }

    #[test]
    fn options_confirm_however_they_are_escaped() {
        assert!(confirms("-c authority.confirm_prod_migrations=true"));
        assert!(confirms("?options=-c%20authority.confirm_prod_migrations%3Dtrue"));
        assert!(confirms("'authority.confirm_prod_migrations': 'on'"));
        assert!(!confirms("-c authority.confirm_prod_migrations=false"));
        assert!(!confirms("-c authority.confirm_prod_migrations=$X"));
    }
}
