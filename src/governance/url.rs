//! `DATABASE_URL` in the spellings that drivers use: taken apart without losing a byte that is
//! not understood, shown without its secrets.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Whose rules the parameters of a URL follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `postgres://`, `postgresql://` and whatever hands its parameters to libpq's names
    /// (psycopg, Rails, Django's URL helpers, Prisma, node-postgres, postgres.js, pgx).
    Libpq,
    /// SQLAlchemy's `postgresql+asyncpg://`: parameters are asyncpg's keyword arguments.
    Asyncpg,
    /// SQLAlchemy's `postgresql+pg8000://`: TLS is no parameter of the URL at all.
    Pg8000,
    /// `jdbc:postgresql://`.
    Jdbc,
}

/// Why a text is no PostgreSQL URL. Never carries any of the text: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// No `postgres://`, `postgresql://`, `postgresql+driver://` or `jdbc:postgresql://`.
    #[error("does not start with postgresql://, postgresql+driver:// or jdbc:postgresql://")]
    Scheme,
    /// A port that is no number between 1 and 65535.
    #[error("has a port that is no number between 1 and 65535")]
    Port,
    /// `@`, `/` or `?` where only an escaped one can stand.
    #[error("has a character that must be percent-encoded (@ is %40, / is %2F, ? is %3F)")]
    Unescaped,
    /// An escape that is not UTF-8, or a NUL.
    #[error("has a percent-encoding that is not UTF-8 text")]
    Encoding,
    /// A line break (a secret read from a file), a tab, an escape sequence.
    #[error("has a line break or another control character")]
    Control,
}

/// One host of a URL, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name, an address (IPv6 without brackets), or a socket folder.
    pub name: String,
    /// Its port, where the URL gives one.
    pub port: Option<u16>,
}

/// A PostgreSQL URL. `Debug` shows what [`DatabaseUrl::redacted`] shows.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    scheme: String,
    dialect: Dialect,
    userinfo: Option<String>,
    hosts: Vec<Host>,
    path: Option<String>,
    /// Undecoded `(key, value)`; a key without `=` has no value.
    query: Vec<(String, Option<String>)>,
}

/// Parameters whose values may be shown; any other could be a secret of some driver.
const SHOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "ssl",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

impl DatabaseUrl {
    /// Takes a URL apart, strictly: what could be read in two ways is a fault, so that no part of
    /// a password can pass for a host or a database.
    ///
    /// # Errors
    /// [`UrlFault`], which names the fault and shows nothing of the text.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        if text.contains(char::is_control) {
            return Err(UrlFault::Control);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
        let dialect = dialect(scheme).ok_or(UrlFault::Scheme)?;
        let (before_query, query) = match rest.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match before_query.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (before_query, None),
        };
        if path.is_some_and(|path| path.contains(['@', '/'])) {
            return Err(UrlFault::Unescaped);
        }
        let (userinfo, hosts) = match authority.rsplit_once('@') {
            Some((userinfo, hosts)) => (Some(userinfo.to_owned()), hosts),
            None => (None, authority),
        };
        let url = DatabaseUrl {
            scheme: scheme.to_owned(),
            dialect,
            userinfo,
            hosts: parse_hosts(hosts)?,
            path: path.map(str::to_owned),
            query: parse_query(query.unwrap_or_default())?,
        };
        url.user().transpose()?;
        url.password().transpose()?;
        url.database().transpose()?;
        Ok(url)
    }

    /// Whose rules its parameters follow.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The hosts before the path; empty where the URL gives none.
    pub fn authority_hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Where it connects to, as libpq reads it: `host` and `port` among the parameters win over
    /// the authority; `hostaddr` is where libpq connects, but not what it verifies.
    ///
    /// # Errors
    /// [`UrlFault`] for a parameter that cannot be read.
    pub fn hosts(&self) -> Result<Vec<Host>, UrlFault> {
        let mut hosts = self.hosts.clone();
        let named = self.host_parameters()?;
        if !named.is_empty() {
            let each = named.iter().flat_map(|names| names.split(','));
            hosts = each.map(host_parameter).collect::<Result<_, _>>()?;
        }
        if let Some(ports) = self.parameter("port").transpose()? {
            let ports: Vec<&str> = ports.split(',').collect();
            let last = ports.last().copied().unwrap_or_default();
            for (i, host) in hosts.iter_mut().enumerate() {
                let port = ports.get(i).copied().unwrap_or(last);
                host.port = if port.is_empty() { None } else { Some(parse_port(port)?) };
            }
        }
        hosts.retain(|host| !host.name.is_empty());
        Ok(hosts)
    }

    /// The values of `host=`: of the last one, or, as SQLAlchemy has it, of each.
    fn host_parameters(&self) -> Result<Vec<String>, UrlFault> {
        let values = self.query.iter().filter(|(key, _)| key == "host");
        let values = values.filter_map(|(_, value)| value.as_deref().filter(|v| !v.is_empty()));
        let values: Vec<String> =
            values.map(|value| self.decode_value(value)).collect::<Result<_, _>>()?;
        let first = if self.is_sqlalchemys() { 0 } else { values.len().saturating_sub(1) };
        Ok(values.into_iter().skip(first).collect())
    }

    fn is_sqlalchemys(&self) -> bool {
        self.scheme.contains('+')
    }

    /// SQLAlchemy reads '+' as a space, as forms do; libpq and JDBC read it as itself.
    fn decode_value(&self, value: &str) -> Result<String, UrlFault> {
        if self.is_sqlalchemys() { decode(&value.replace('+', " ")) } else { decode(value) }
    }

    /// The user, from before the `@` or from `user=`.
    pub fn user(&self) -> Option<Result<String, UrlFault>> {
        let userinfo = self.userinfo.as_deref().map(|info| info.split(':').next().unwrap_or(info));
        userinfo.filter(|user| !user.is_empty()).map(decode).or_else(|| self.parameter("user"))
    }

    /// The password, from before the `@` or from `password=`. A secret.
    pub fn password(&self) -> Option<Result<String, UrlFault>> {
        let userinfo = self.userinfo.as_deref().and_then(|info| Some(info.split_once(':')?.1));
        userinfo
            .filter(|password| !password.is_empty())
            .map(decode)
            .or_else(|| self.parameter("password"))
    }

    /// The database, from the path or from `dbname=`.
    pub fn database(&self) -> Option<Result<String, UrlFault>> {
        let path = self.path.as_deref().filter(|path| !path.is_empty());
        path.map(decode).or_else(|| self.parameter("dbname"))
    }

    /// The last parameter of that name, decoded. An empty value counts as none.
    pub fn parameter(&self, name: &str) -> Option<Result<String, UrlFault>> {
        let (_, value) = self.query.iter().rev().find(|(key, _)| key == name)?;
        Some(self.decode_value(value.as_deref().filter(|value| !value.is_empty())?))
    }

    /// Parameter names, undecoded, in order.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.query.iter().map(|(key, _)| key.as_str())
    }

    /// The same URL with another address: user, password, database and every parameter that does
    /// not say where to connect stay as they were, byte for byte.
    pub fn with_address(&self, host: &str, port: u16) -> DatabaseUrl {
        let mut url = self.clone();
        url.hosts = vec![Host { name: host.to_owned(), port: Some(port) }];
        url.without_parameters(|key| matches!(key, "host" | "hostaddr" | "port"))
    }

    /// The same URL with another database; `name` must need no escaping.
    pub fn with_database(&self, name: &str) -> DatabaseUrl {
        let mut url = self.clone();
        url.path = Some(name.to_owned());
        url.without_parameters(|key| key == "dbname")
    }

    /// The same URL without the parameters that `leaves` names.
    pub fn without_parameters(mut self, leaves: impl Fn(&str) -> bool) -> DatabaseUrl {
        self.query.retain(|(key, _)| !leaves(key));
        self
    }

    /// The same URL with one more parameter; `value` must need no escaping.
    pub fn with_parameter(mut self, key: &str, value: &str) -> DatabaseUrl {
        self.query.push((key.to_owned(), Some(value.to_owned())));
        self
    }

    /// The URL as text, password included: for a child's environment, never for people.
    pub fn to_secret_text(&self) -> String {
        let userinfo = self.userinfo.as_deref().map(str::to_owned);
        self.text(userinfo, |_, value| value.map(str::to_owned))
    }

    /// The URL for people: the password, and every parameter that could hold one, is `***`.
    pub fn redacted(&self) -> String {
        let userinfo = self.userinfo.as_deref().map(|info| match info.split_once(':') {
            Some((user, _)) => format!("{user}:***"),
            None => info.to_owned(),
        });
        self.text(userinfo, |key, value| {
            let shown = SHOWN.contains(&key);
            value.map(|value| if shown { value.to_owned() } else { "***".to_owned() })
        })
    }

    fn text(
        &self,
        userinfo: Option<String>,
        value_of: impl Fn(&str, Option<&str>) -> Option<String>,
    ) -> String {
        let mut text = format!("{}://", self.scheme);
        if let Some(userinfo) = userinfo {
            text.push_str(&userinfo);
            text.push('@');
        }
        let hosts: Vec<String> = self.hosts.iter().map(host_text).collect();
        text.push_str(&hosts.join(","));
        if let Some(path) = &self.path {
            text.push('/');
            text.push_str(path);
        }
        for (i, (key, value)) in self.query.iter().enumerate() {
            text.push(if i == 0 { '?' } else { '&' });
            text.push_str(key);
            if let Some(value) = value_of(key, value.as_deref()) {
                text.push('=');
                text.push_str(&value);
            }
        }
        text
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.redacted())
    }
}

fn dialect(scheme: &str) -> Option<Dialect> {
    if scheme == "jdbc:postgresql" {
        return Some(Dialect::Jdbc);
    }
    let (base, driver) = match scheme.split_once('+') {
        Some((base, driver)) => (base, Some(driver)),
        None => (scheme, None),
    };
    if !matches!(base, "postgres" | "postgresql" | "postgis" | "pgsql" | "psql") {
        return None;
    }
    match driver {
        None => Some(Dialect::Libpq),
        Some("asyncpg") => Some(Dialect::Asyncpg),
        Some("pg8000") => Some(Dialect::Pg8000),
        Some(driver) => driver
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            .then_some(Dialect::Libpq),
    }
}

fn parse_hosts(text: &str) -> Result<Vec<Host>, UrlFault> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(parse_host).collect()
}

fn parse_host(text: &str) -> Result<Host, UrlFault> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']').ok_or(UrlFault::Unescaped)?;
            match after.strip_prefix(':') {
                Some(port) => (name, port),
                None if after.is_empty() => (name, ""),
                None => return Err(UrlFault::Unescaped),
            }
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, port),
            None => (text, ""),
        },
    };
    let port = if port.is_empty() { None } else { Some(parse_port(port)?) };
    Ok(Host { name: decode(name)?, port })
}

/// A host of `host=`: SQLAlchemy's may have a port, an IPv6 address stands without brackets.
fn host_parameter(text: &str) -> Result<Host, UrlFault> {
    let host = |name: &str, port| Host { name: name.to_owned(), port };
    match text.split_once(':') {
        Some((name, port)) if !text.starts_with('/') && !port.contains(':') => {
            let port = if port.is_empty() { None } else { Some(parse_port(port)?) };
            Ok(host(name, port))
        }
        _ => Ok(host(text, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, UrlFault> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| *port > 0);
    port.filter(|_| digits).ok_or(UrlFault::Port)
}

fn parse_query(text: &str) -> Result<Vec<(String, Option<String>)>, UrlFault> {
    let mut query = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = match pair.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (pair, None),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !key.bytes().all(plain) {
            return Err(UrlFault::Unescaped);
        }
        query.push((key.to_owned(), value));
    }
    Ok(query)
}

fn decode(text: &str) -> Result<String, UrlFault> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlFault::Encoding)?;
    if text.contains('\0') { Err(UrlFault::Encoding) } else { Ok(text.into_owned()) }
}

/// A host as a URL spells it: what is not plain is escaped, an IPv6 address is bracketed.
fn host_text(host: &Host) -> String {
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');
    const KEEP_IN_BRACKETS: &AsciiSet = &KEEP.remove(b':');
    let name = if host.name.contains(':') {
        format!("[{}]", utf8_percent_encode(&host.name, KEEP_IN_BRACKETS))
    } else {
        utf8_percent_encode(&host.name, KEEP).to_string()
    };
    match host.port {
        Some(port) => format!("{name}:{port}"),
        None => name,
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
