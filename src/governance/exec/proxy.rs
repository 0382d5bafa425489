//! The pgauthority that `DATABASE_URL` leads to: how to reach it, and what it says it is.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Refusal;
use super::declarations::Declarations;
use crate::config::{self, Endpoint, Fault, Faults, Upstream};
use crate::contract::{Declaration, parameter};
use crate::governance::gate::Variables;
use crate::governance::url::{DatabaseUrl, Dialect, UrlFault};
use crate::net::Stream;
use crate::protocol::ErrorResponse;
use crate::upstream::{self, Announced, ConnectError};

/// A pgauthority, and who logs in there.
pub(super) struct Proxy {
    /// The proxy as an upstream of this process: `exec` is its client.
    upstream: Arc<Upstream>,
    /// The URL's or the environment's `options`, which the command's connections send too.
    options: Option<String>,
    /// A password that is in neither the URL nor the environment.
    found_password: Option<String>,
}

impl Proxy {
    /// Reads where the proxy is and how to connect, from the URL and, as libpq does, from the
    /// environment where the URL says nothing.
    ///
    /// # Errors
    /// What is missing or cannot be relayed.
    pub(super) fn from_url(
        url: &DatabaseUrl,
        environment: &Variables,
        declaration: Declaration,
    ) -> Result<Proxy, Refusal> {
        let settings = Settings::read(url, environment)?;
        let variables = |name: &str| environment.get(name).cloned();
        let upstream =
            config::client_upstream("DATABASE_URL", declaration, settings.conninfo(), &variables)
                .map_err(|faults| unusable(&faults))?;
        let given = settings.get("password").is_some();
        let found = upstream.endpoint.password.as_ref().filter(|_| !given);
        let found_password = found.map(|password| password.0.clone());
        Ok(Proxy { upstream: Arc::new(upstream), options: settings.options, found_password })
    }

    /// Where it is.
    pub(super) fn upstream(&self) -> Arc<Upstream> {
        Arc::clone(&self.upstream)
    }

    /// The database that the URL names.
    pub(super) fn database(&self) -> &str {
        &self.endpoint().dbname
    }

    /// A password for the command's environment, where it has none otherwise. A secret.
    pub(super) fn found_password(&self) -> Option<&str> {
        self.found_password.as_deref()
    }

    fn endpoint(&self) -> &Endpoint {
        &self.upstream.endpoint
    }

    /// A stream to the proxy, TLS done, nothing said.
    ///
    /// # Errors
    /// What to tell the client.
    pub(super) async fn connect(&self) -> Result<Stream, Box<ErrorResponse>> {
        upstream::reach(&self.upstream).await.map_err(|error| {
            let response = ErrorResponse::fatal("08001", here(error.message()));
            Box::new(match error.hint() {
                Some(hint) => response.with_hint(here(hint)),
                None => response,
            })
        })
    }

    /// Logs in once, and compares what the proxy announces with what is declared; gives the
    /// upstream's name. No statement is sent.
    ///
    /// # Errors
    /// No connection, no pgauthority, or another upstream than the declared one.
    pub(super) async fn probe(&self, declarations: &Declarations) -> Result<String, Refusal> {
        let mut request = upstream::Request::new(self.database().as_bytes());
        request.options = self.options.as_deref().map(str::as_bytes);
        request.parameters.push((b"application_name", b"pgauthority exec"));
        let declared = declarations.probe_parameters();
        request.parameters.extend(declared.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        match upstream::announcement(&self.upstream, &request).await {
            Ok(Some(announced)) => self.compare(announced),
            Ok(None) => Err(Refusal::new(
                format!("{} is no pgauthority: it announces no tags", self.place()),
                "DATABASE_URL=postgresql://USER@HOST:7432/ENTRY, where a pgauthority listens",
            )),
            Err(error) => Err(refused(&error, self.database())),
        }
    }

    /// The proxy refuses an expectation that is not met; what it announces is compared all the
    /// same, since nothing else vouches for what answers there.
    fn compare(&self, announced: Announced) -> Result<String, Refusal> {
        let declared = self.upstream.declaration;
        let mismatches: Vec<String> = [
            (
                "authority",
                announced.authority.as_str(),
                "DB_AUTHORITY",
                declared.authority.as_str(),
            ),
            ("role", announced.role.as_str(), "DB_ROLE", declared.role.as_str()),
            ("env", announced.env.as_str(), "DB_ENV", declared.environment.as_str()),
        ]
        .into_iter()
        .filter(|(_, theirs, _, ours)| theirs != ours)
        .map(|(what, theirs, variable, ours)| {
            format!("its {what} is \"{theirs}\" and {variable} is {ours}")
        })
        .collect();
        if mismatches.is_empty() {
            return Ok(announced.upstream);
        }
        Err(Refusal::new(
            format!(
                "DATABASE_URL leads to upstream \"{}\": {}",
                announced.upstream,
                mismatches.join(", ")
            ),
            "declare what you mean to migrate, and point DATABASE_URL at the entry for it",
        ))
    }

    fn place(&self) -> String {
        self.endpoint().address()
    }
}

fn unusable(faults: &Faults) -> Refusal {
    let messages: Vec<&str> = faults.iter().map(Fault::message).collect();
    let hints: Vec<&str> = faults.iter().filter_map(Fault::hint).collect();
    Refusal::new(here(&messages.join("; ")), here(&hints.join("; ")))
}

fn refused(error: &ConnectError, entry: &str) -> Refusal {
    let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let hint = match error.hint() {
        // to the proxy an unknown entry and a wrong password look alike, for whoever tries names
        Some(hint) if hint.starts_with("check the user and password") => format!(
            "check the entry, which is DATABASE_URL's database (\"{entry}\"), the user and the \
             password: a pgauthority answers alike to each that is wrong"
        ),
        Some(hint) => here(hint),
        None => "DATABASE_URL must lead to a pgauthority that lets you in".to_owned(),
    };
    Refusal::new(here(&format!("{}{detail}", error.message())), hint)
}

/// What the proxy says of its upstreams, where the upstream is the proxy itself and its URL is
/// `DATABASE_URL`.
fn here(text: &str) -> String {
    text.replace("url of upstream \"DATABASE_URL\"", "DATABASE_URL")
        .replace("upstream \"DATABASE_URL\"", "the pgauthority of DATABASE_URL")
        .replace("the proxy's own login", "the login")
        .replace("the upstream's url", "DATABASE_URL")
        .replace(&format!("{}=", parameter::EXPECT_ROLE), "DB_ROLE=")
        .replace(&format!("{}=", parameter::EXPECT_AUTHORITY), "DB_AUTHORITY=")
        .replace(&format!("{}=", parameter::EXPECT_ENV), "DB_ENV=")
}

/// libpq's connection parameters of the leg to the proxy, by name.
struct Settings {
    parameters: Vec<(&'static str, String)>,
    options: Option<String>,
}

/// How long a proxy that does not answer is tried, in seconds, where nobody says otherwise.
const CONNECT_TIMEOUT: &str = "10";

impl Settings {
    fn read(url: &DatabaseUrl, environment: &Variables) -> Result<Settings, Refusal> {
        let source = Source { url, environment };
        source.refuse_channel_binding()?;
        let (host, hostaddr, port) = source.address()?;
        let user = source.part(url.user(), "PGUSER")?.ok_or_else(|| {
            let hint = format!("{EXAMPLE}, or PGUSER=USER");
            Refusal::new("DATABASE_URL names no user", hint)
        })?;
        let database = source.part(url.database(), "PGDATABASE")?;
        let mut parameters = vec![
            ("host", host),
            ("dbname", database.unwrap_or_else(|| user.clone())),
            ("user", user),
        ];
        for (name, value) in [
            ("hostaddr", hostaddr),
            ("port", port),
            ("password", source.part(url.password(), "PGPASSWORD")?),
            ("sslmode", source.sslmode()?),
            ("sslrootcert", source.setting(&["sslrootcert"], "PGSSLROOTCERT")?),
            ("sslcert", source.setting(&["sslcert"], "PGSSLCERT")?),
            ("sslkey", source.setting(&["sslkey"], "PGSSLKEY")?),
            (
                "sslnegotiation",
                source.setting(&["sslnegotiation", "sslNegotiation"], "PGSSLNEGOTIATION")?,
            ),
            ("passfile", source.setting(&["passfile"], "PGPASSFILE")?),
        ] {
            parameters.extend(value.map(|value| (name, value)));
        }
        let patience =
            source.setting(&["connect_timeout", "connectTimeout"], "PGCONNECT_TIMEOUT")?;
        parameters
            .push(("connect_timeout", patience.unwrap_or_else(|| CONNECT_TIMEOUT.to_owned())));
        let options = source.setting(&["options"], "PGOPTIONS")?;
        Ok(Settings { parameters, options })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// As a libpq URL that says everything by name.
    fn conninfo(&self) -> String {
        let pairs: Vec<String> = self
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        format!("postgresql://?{}", pairs.join("&"))
    }
}

/// What a usable URL looks like.
const EXAMPLE: &str = "DATABASE_URL=postgresql://USER@HOST:PORT/ENTRY";

/// The URL, and behind it the environment: what the one leaves open the other says, as in libpq.
#[derive(Clone, Copy)]
struct Source<'a> {
    url: &'a DatabaseUrl,
    environment: &'a Variables,
}

impl Source<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A part of the URL, or else a variable.
    fn part(
        &self,
        part: Option<Result<String, UrlFault>>,
        variable: &str,
    ) -> Result<Option<String>, Refusal> {
        let part = part.transpose().map_err(unreadable)?;
        Ok(part.or_else(|| self.variable(variable)))
    }

    /// A parameter of the URL under one of its names, or else a variable.
    fn setting(&self, names: &[&str], variable: &str) -> Result<Option<String>, Refusal> {
        self.part(names.iter().find_map(|name| self.url.parameter(name)), variable)
    }

    /// Host, `hostaddr` and port.
    fn address(&self) -> Result<(String, Option<String>, Option<String>), Refusal> {
        let mut hosts = self.url.hosts().map_err(unreadable)?;
        if hosts.len() > 1 {
            return Err(Refusal::new(
                "DATABASE_URL names several hosts",
                "name one: the relay of pgauthority exec leads to one pgauthority",
            ));
        }
        let (name, port) = hosts.pop().map(|host| (host.name, host.port)).unzip();
        let hostaddr = self.setting(&["hostaddr"], "PGHOSTADDR")?;
        let host = name.or_else(|| self.variable("PGHOST")).or_else(|| hostaddr.clone());
        let host = host.ok_or_else(|| {
            Refusal::new("DATABASE_URL names no host", format!("{EXAMPLE}, or PGHOST=HOST"))
        })?;
        let port = port.flatten().map(|port| port.to_string());
        Ok((host, hostaddr, port.or_else(|| self.variable("PGPORT"))))
    }

    /// libpq's `sslmode` for the words of other drivers. `ssl=true` is JDBC's and node's, and
    /// verifies the certificate.
    fn sslmode(&self) -> Result<Option<String>, Refusal> {
        let ssl = || self.url.parameter("ssl").transpose().map_err(unreadable);
        // JDBC reads a bare `ssl` as `ssl=true`
        let bare = self.url.dialect() == Dialect::Jdbc
            && self.url.parameter_names().any(|name| name == "ssl");
        let mode = match self.url.parameter("sslmode").transpose().map_err(unreadable)? {
            Some(mode) => Some(mode),
            None => ssl()?.or_else(|| bare.then(|| "true".to_owned())),
        };
        let mode = mode.or_else(|| self.variable("PGSSLMODE"));
        Ok(mode.map(|mode| match mode.as_str() {
            "true" | "1" => "verify-full".to_owned(),
            "false" | "0" => "disable".to_owned(),
            // whether the server insists on TLS shows only when it refuses a packet that was
            // passed on: no wish that a relay can carry out
            "allow" => "prefer".to_owned(),
            _ => mode,
        }))
    }

    fn refuse_channel_binding(&self) -> Result<(), Refusal> {
        let binding = self.setting(&["channel_binding", "channelBinding"], "PGCHANNELBINDING")?;
        if binding.as_deref() != Some("require") {
            return Ok(());
        }
        Err(Refusal::new(
            "channel binding is required, and the relay of pgauthority exec stands between the \
             command and the proxy",
            "channel_binding=prefer in DATABASE_URL (or PGCHANNELBINDING=prefer): the proxy still \
             binds its own leg to the database",
        ))
    }
}

fn unreadable(fault: UrlFault) -> Refusal {
    Refusal::new(format!("DATABASE_URL {fault}"), EXAMPLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, environment: &[(&str, &str)]) -> Settings {
        let environment =
            environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Settings::read(&DatabaseUrl::parse(url).unwrap(), &environment)
            .unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    #[test]
    fn each_drivers_words_for_tls_are_libpqs() {
        for (url, mode) in [
            ("postgresql://u@h/d", None),
            ("postgresql://u@h/d?sslmode=verify-ca", Some("verify-ca")),
            ("postgresql://u@h/d?sslmode=allow", Some("prefer")),
            ("postgresql+asyncpg://u@h/d?ssl=require", Some("require")),
            ("postgres://u@h/d?ssl=true", Some("verify-full")),
            ("jdbc:postgresql://h/d?user=u&ssl", Some("verify-full")),
            ("jdbc:postgresql://h/d?user=u&ssl=true&sslmode=require", Some("require")),
            ("jdbc:postgresql://h/d?user=u&ssl=false", Some("disable")),
        ] {
            assert_eq!(settings(url, &[]).get("sslmode"), mode, "{url}");
        }
        let from_variable = settings("postgresql://u@h/d", &[("PGSSLMODE", "require")]);
        assert_eq!(from_variable.get("sslmode"), Some("require"));
    }

    #[test]
    fn the_environment_says_what_the_url_leaves_open() {
        let environment = [
            ("PGHOST", "h"),
            ("PGPORT", "6"),
            ("PGUSER", "u"),
            ("PGDATABASE", "d"),
            ("PGPASSWORD", "p"),
            ("PGOPTIONS", "-c a.b=c"),
        ];
        let all = settings("postgresql://", &environment);
        let of = |name| all.get(name).unwrap();
        assert_eq!(
            [of("host"), of("port"), of("user"), of("dbname"), of("password")],
            ["h", "6", "u", "d", "p"]
        );
        assert_eq!(all.options.as_deref(), Some("-c a.b=c"));
        let url = settings("postgresql://v:q@i:7/e?options=-c%20x.y%3Dz", &environment);
        let of = |name| url.get(name).unwrap();
        assert_eq!(
            [of("host"), of("port"), of("user"), of("dbname"), of("password")],
            ["i", "7", "v", "e", "q"]
        );
        assert_eq!(url.options.as_deref(), Some("-c x.y=z"));
    }

    #[test]
    fn awkward_values_survive_the_way() {
        let settings = settings("postgresql://u%40x:p%26%25@h/d%20e", &[]);
        let conninfo = DatabaseUrl::parse(&settings.conninfo()).unwrap();
        assert_eq!(conninfo.parameter("user").unwrap().unwrap(), "u@x");
        assert_eq!(conninfo.parameter("password").unwrap().unwrap(), "p&%");
        assert_eq!(conninfo.parameter("dbname").unwrap().unwrap(), "d e");
    }
}
