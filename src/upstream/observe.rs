//! What can be seen of an upstream, for `check --connect`. Facts only ever contradict a
//! declaration; nothing here is used in its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connect::{ServerAddress, place};
use super::connection::Announced;
use super::declare;
use super::error::{ConnectError, ConnectErrorKind, ErrorFields};
use super::installed::{self, Installed};
use super::login::Login;
use super::open::{Purpose, Request, establish};
use super::query::{QueryError, query, texts};
use super::relay::NoClient;
use super::seal::{self, Found};
use super::tls::gone;
use crate::config::Upstream;
use crate::contract::seal::Seal;
use crate::protocol::message;

/// Facts about an upstream at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The very server that answered.
    pub peer: ServerAddress,
    /// `server_version`.
    pub server_version: String,
    /// TLS version and cipher suite; `None` without TLS.
    pub tls: Option<(String, String)>,
    /// `pg_is_in_recovery()`.
    pub in_recovery: bool,
    /// `current_database()`.
    pub database: String,
    /// `current_user`.
    pub user: String,
    /// `pg_control_system()`'s; `None` where the user may not see it.
    pub system_identifier: Option<String>,
    /// The tags of another pgauthority, where it is one.
    pub announced: Option<Announced>,
    /// The seal, or why there is none.
    pub seal: Result<Seal, String>,
    /// What of the backstop is there; `None` where it could not be asked for.
    pub backstop: Option<Installed>,
    /// A transaction pooler by its host name (Neon's `-pooler`).
    pub pooler: bool,
    /// One query there and back.
    pub round_trip: Duration,
    /// Parameters that values are read and written by, with what they begin with there.
    pub reading: Vec<(String, String)>,
}

/// Parameters that values are read and written by.
const READING: &str = "SELECT name, setting FROM pg_catalog.pg_settings \
     WHERE name OPERATOR(pg_catalog.=) ANY (pg_catalog.string_to_array('array_nulls \
     backslash_quote bytea_output client_encoding DateStyle extra_float_digits IntervalStyle \
     lc_monetary server_encoding standard_conforming_strings TimeZone transform_null_equals \
     xmlbinary xmloption', ' ')) ORDER BY 1";

/// Connects with the URL's own credentials, looks, and leaves. Sets no tags, so that another
/// pgauthority can be looked at too.
///
/// # Errors
/// As [`open`](super::open); also where a fact that every server tells is withheld.
pub async fn observe(upstream: &Arc<Upstream>) -> Result<Observed, ConnectError> {
    let request = Request::new(upstream.endpoint.dbname.as_bytes());
    let mut login = Login::<NoClient>::Own;
    let made = establish(upstream, &request, &mut login, Purpose::Look).await?;
    let (mut wire, mut reports) = (made.wire, made.logged_in.reports);
    let facts = "SELECT pg_catalog.current_setting('server_version'), \
                 pg_catalog.pg_is_in_recovery(), pg_catalog.current_database(), CURRENT_USER";
    let started = Instant::now();
    let rows = query(&mut wire, &mut reports, facts).await;
    let round_trip = started.elapsed();
    let rows = rows.map_err(|error| failed(upstream, error))?;
    let mut columns = texts(rows);
    let mut next = || columns.next().unwrap_or_default();
    let (server_version, in_recovery, database, user) = (next(), next(), next(), next());
    let control = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
    let system_identifier = match query(&mut wire, &mut reports, control).await {
        Ok(rows) => texts(rows).next(),
        Err(_) => None,
    };
    let seal = match seal::read(&mut wire, &mut reports).await {
        Ok(Found::Sealed(seal)) => Ok(seal),
        Ok(Found::Nothing(why)) => Err(why),
        Err(error) => return Err(failed(upstream, QueryError::Io(error))),
    };
    let reading = query(&mut wire, &mut reports, READING).await.unwrap_or_default();
    let reading: Vec<String> = texts(reading).collect();
    let reading = reading.as_chunks::<2>().0.iter();
    let backstop = installed::read(&mut wire, &mut reports).await.ok();
    // politeness: the server's log shows no broken connection
    let _ = wire.write(message::TERMINATE).await;
    Ok(Observed {
        peer: made.peer,
        server_version,
        tls: made.leg.agreed(),
        in_recovery: in_recovery == "t",
        database,
        user,
        system_identifier,
        announced: reports.announced(),
        seal,
        backstop,
        pooler: declare::is_pooler(upstream),
        round_trip,
        reading: reading.map(|[name, value]| (name.clone(), value.clone())).collect(),
    })
}

fn failed(upstream: &Upstream, error: QueryError) -> ConnectError {
    match error {
        QueryError::Server(frame) => {
            let what = ErrorFields::read(&frame).message;
            let message = format!("{} cannot be looked at: {what}", place(upstream));
            ConnectError::new(ConnectErrorKind::Refused, "08004", message)
        }
        QueryError::Io(error) => {
            let message = format!("{}: {}", place(upstream), gone(&error));
            ConnectError::new(ConnectErrorKind::Unreachable, "08006", message)
        }
    }
}
