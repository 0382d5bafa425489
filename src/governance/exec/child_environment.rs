//! What the command's environment says instead, so that every driver reaches the relay. Pure.

use crate::governance::gate::Variables;
use crate::governance::url::{DatabaseUrl, Dialect};

/// A variable and its new value; `None` removes it. Values can be secrets.
pub type Change = (String, Option<String>);

/// Settings of libpq (and of the drivers that read the same variables) that would lead round the
/// relay, or ask it for a TLS or GSSAPI that it does not speak.
const REMOVED: [&str; 16] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGREQUIRESSL",
    "PGSSLCERT",
    "PGSSLCERTMODE",
    "PGSSLCOMPRESSION",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLKEY",
    "PGSSLMAXPROTOCOLVERSION",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLNEGOTIATION",
    "PGSSLROOTCERT",
    "PGSSLSNI",
    "PGCHANNELBINDING",
    "PGKRBSRVNAME",
];

/// Where the relay listens, as a URL says it.
pub const RELAY_HOST: &str = "127.0.0.1";

/// The changes to the environment of a command whose relay listens on `port`.
///
/// `password` is one that was found outside the URL (a password file knows the proxy's address,
/// not the relay's). User, database and password are filled in only where the environment has
/// none of its own.
pub fn changes(
    url: &DatabaseUrl,
    port: u16,
    environment: &Variables,
    password: Option<&str>,
) -> Vec<Change> {
    let mut changes: Vec<Change> = REMOVED.iter().map(|name| ((*name).to_owned(), None)).collect();
    let mut set = |name: &str, value: String| changes.push((name.to_owned(), Some(value)));
    set("DATABASE_URL", url_for_child(url, port).to_secret_text());
    set("DB_VIA", "pgauthority".to_owned());
    set("PGHOST", RELAY_HOST.to_owned());
    set("PGPORT", port.to_string());
    set("PGSSLMODE", "disable".to_owned());
    set("PGGSSENCMODE", "disable".to_owned());
    let read = |part: Option<Result<String, _>>| part.and_then(Result::ok);
    for (name, value) in [
        ("PGUSER", read(url.user())),
        ("PGDATABASE", read(url.database())),
        ("PGPASSWORD", read(url.password()).or_else(|| password.map(str::to_owned))),
    ] {
        if let (Some(value), false) = (value, environment.contains_key(name)) {
            set(name, value);
        }
    }
    changes
}

/// The URL with the relay's address, and with its TLS settings, where it has any, turned off in
/// the words of its driver: the relay's own leg to the proxy carries them out. Where it has none
/// none is added, since not every driver takes the same words; they all accept a plain server then.
pub fn url_for_child(url: &DatabaseUrl, port: u16) -> DatabaseUrl {
    let has = |wanted: &str| url.parameter_names().any(|name| name == wanted);
    let (ssl, sslmode) = (has("ssl"), has("sslmode"));
    let moved = url.with_address(RELAY_HOST, port).without_parameters(is_transport);
    let moved = match (url.dialect(), ssl) {
        (Dialect::Asyncpg, true) => moved.with_parameter("ssl", "disable"),
        (Dialect::Jdbc, true) if !sslmode => moved.with_parameter("sslmode", "disable"),
        _ => moved,
    };
    if sslmode { moved.with_parameter("sslmode", "disable") } else { moved }
}

/// Parameters about the transport: TLS, channel binding, GSSAPI encryption, by libpq's names and
/// by JDBC's.
fn is_transport(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("ssl")
        || matches!(
            name.as_str(),
            "channel_binding" | "channelbinding" | "gssencmode" | "requiressl"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(url: &str) -> String {
        url_for_child(&DatabaseUrl::parse(url).unwrap(), 7).to_secret_text()
    }

    #[test]
    fn urls_keep_their_scheme_and_lose_their_tls() {
        for (url, wanted) in [
            ("postgresql://u:p@h:5/d", "postgresql://u:p@127.0.0.1:7/d"),
            (
                "postgres://u@h/d?sslmode=verify-full&sslrootcert=x&application_name=a",
                "postgres://u@127.0.0.1:7/d?application_name=a&sslmode=disable",
            ),
            (
                "postgresql+psycopg://u@h/d?host=/run&port=6&sslmode=require",
                "postgresql+psycopg://u@127.0.0.1:7/d?sslmode=disable",
            ),
            (
                "postgresql+asyncpg://u@h/d?ssl=require",
                "postgresql+asyncpg://u@127.0.0.1:7/d?ssl=disable",
            ),
            ("postgresql+pg8000://u@h/d", "postgresql+pg8000://u@127.0.0.1:7/d"),
            ("postgres://u@h/d?ssl=true", "postgres://u@127.0.0.1:7/d"),
            (
                "jdbc:postgresql://h/d?user=u&ssl=true&sslfactory=x&channelBinding=prefer",
                "jdbc:postgresql://127.0.0.1:7/d?user=u&sslmode=disable",
            ),
            (
                "jdbc:postgresql://h/d?ssl=true&sslmode=verify-full",
                "jdbc:postgresql://127.0.0.1:7/d?sslmode=disable",
            ),
            ("postgresql:///d?host=%2Frun", "postgresql://127.0.0.1:7/d"),
            ("postgresql://u@[::1]:6/d", "postgresql://u@127.0.0.1:7/d"),
        ] {
            assert_eq!(child(url), wanted);
        }
    }

    #[test]
    fn what_would_lead_round_the_relay_is_removed() {
        let url = DatabaseUrl::parse("postgresql://u:p@h/d").unwrap();
        let environment = Variables::from([("PGUSER".to_owned(), "other".to_owned())]);
        let changes = changes(&url, 7, &environment, Some("found"));
        let of =
            |name: &str| changes.iter().find(|(other, _)| other == name).map(|(_, v)| v.as_deref());
        assert_eq!(of("PGHOSTADDR"), Some(None));
        assert_eq!(of("PGSERVICE"), Some(None));
        assert_eq!(of("PGHOST"), Some(Some("127.0.0.1")));
        assert_eq!(of("PGPORT"), Some(Some("7")));
        assert_eq!(of("DB_VIA"), Some(Some("pgauthority")));
        assert_eq!(of("PGUSER"), None);
        assert_eq!(of("PGDATABASE"), Some(Some("d")));
        assert_eq!(of("PGPASSWORD"), Some(Some("p")));
        assert_eq!(of("CONFIRM_PROD_MIGRATIONS"), None);
    }
}
