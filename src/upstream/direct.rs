//! A connection of a command's own, for what it does in a database: the seal and the backstop.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backstop::{self, Signable};
use super::connect::{ServerAddress, place};
use super::connection::Reports;
use super::declare::another_pgauthority;
use super::error::{ConnectError, ConnectErrorKind, ErrorFields};
use super::installed::{self, Installed};
use super::key::{self, Reading};
use super::login::Login;
use super::open::{Purpose, Request, establish};
use super::query::{QueryError, Row, literal, queries, query};
use super::relay::NoClient;
use super::seal::{self, Found};
use super::tls::gone;
use super::wire::{Patience, Wire};
use crate::config::Upstream;
use crate::contract::backstop::{Key, PARAMETER};
use crate::contract::seal::Seal;
use crate::protocol::message;

/// How long the server may take over one statement: it may wait for a lock.
const PATIENCE: Duration = Duration::from_secs(300);

/// Nothing that a role or database has set changes what our statements mean.
/// A role that a database's owner has set for everybody is not the login's: code of that role
/// could become the login again.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp; \
    SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; \
    SET quote_all_identifiers = off; \
    SET application_name = 'pgauthority'; \
    SELECT set_config('role', 'none', false) FROM pg_db_role_setting AS s \
        JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting \
        WHERE s.setrole = 0 AND d.datname = current_database() AND setting LIKE 'role=%'";

/// What begins a [`Direct::read`]. Once a snapshot is taken, nothing makes it READ WRITE again.
const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL row_security = off; \
    SELECT set_config(name, 'view, foreign-table', true) FROM pg_settings \
        WHERE name = 'restrict_nonsystem_relation_kind'";

/// A connection with the URL's own credentials, straight to a server, without tags.
pub struct Direct {
    wire: Wire,
    reports: Reports,
    upstream: Arc<Upstream>,
    signable: Option<Signable>,
    broken: bool,
    /// The very server.
    pub peer: ServerAddress,
}

/// Why a statement did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectError {
    /// The server refused it; the connection is ready again.
    Server {
        /// Its SQLSTATE.
        sqlstate: String,
        /// Its message.
        message: String,
        /// Its detail.
        detail: Option<String>,
        /// Its hint.
        hint: Option<String>,
    },
    /// The connection broke: whether the statement was done is not known.
    Broken(String),
}

impl DirectError {
    /// The server's SQLSTATE.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            DirectError::Server { sqlstate, .. } => Some(sqlstate),
            DirectError::Broken(_) => None,
        }
    }

    /// The server's hint.
    pub fn hint(&self) -> Option<&str> {
        match self {
            DirectError::Server { hint, .. } => hint.as_deref(),
            DirectError::Broken(_) => None,
        }
    }
}

impl fmt::Display for DirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirectError::Server { message, detail, .. } => {
                f.write_str(message)?;
                detail.as_ref().map_or(Ok(()), |detail| write!(f, " ({detail})"))
            }
            DirectError::Broken(why) => f.write_str(why),
        }
    }
}

impl Direct {
    /// Connects. Retries what may pass, as [`open`](super::open) does.
    ///
    /// # Errors
    /// As [`open`](super::open); also where another pgauthority answers, whose part this is not.
    pub async fn connect(upstream: &Arc<Upstream>) -> Result<Direct, ConnectError> {
        let request = Request::new(upstream.endpoint.dbname.as_bytes());
        let mut login = Login::<NoClient>::Own;
        let made = establish(upstream, &request, &mut login, Purpose::Look).await?;
        if made.logged_in.reports.announced().is_some() {
            return Err(another_pgauthority(upstream)
                .with_hint("name the database server itself: --url postgresql://…"));
        }
        let mut direct = Direct {
            wire: made.wire,
            reports: made.logged_in.reports,
            upstream: Arc::clone(upstream),
            signable: None,
            broken: false,
            peer: made.peer,
        };
        direct.wire.set_patience(Patience::Each(PATIENCE));
        direct.prepare().await.map_err(|error| {
            let message = format!("{} {error}", place(upstream));
            ConnectError::new(ConnectErrorKind::Refused, "08004", message)
        })?;
        Ok(direct)
    }

    async fn prepare(&mut self) -> Result<(), DirectError> {
        self.run(SETTINGS).await?;
        match self.upstream.backstop.clone() {
            Some(key) => self.sign_with(&key).await,
            None => Ok(()),
        }
    }

    /// Uses this key from now on.
    ///
    /// # Errors
    /// As [`run`](Direct::run).
    pub async fn sign_with(&mut self, key: &Arc<Key>) -> Result<(), DirectError> {
        let at = Instant::now();
        let columns = backstop::COLUMNS.trim_start_matches([',', ' ']);
        let rows = self.run(&format!("SELECT {columns}")).await?;
        let columns = rows.into_iter().flatten().map(Option::unwrap_or_default);
        self.signable = Signable::read(key, &columns.collect::<Vec<_>>(), at);
        Ok(())
    }

    /// Runs a string in the simple protocol, all of it or nothing; gives its rows, NULL as `None`.
    ///
    /// # Errors
    /// The server's refusal, or a broken connection.
    pub async fn run(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, DirectError> {
        match query(&mut self.wire, &mut self.reports, sql).await {
            Ok(rows) => Ok(rows.into_iter().map(texts).collect()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Runs statements, each a message of its own, in one transaction that reads one snapshot, no
    /// view, no foreign table and no row by a policy, and is rolled back; gives the rows of each, of
    /// COPY too. A table of somebody else's is to be read by COPY, which runs none of its code.
    ///
    /// # Errors
    /// The first refusal of the server's, or a broken connection.
    pub async fn read(
        &mut self,
        statements: &[&str],
    ) -> Result<Vec<Vec<Vec<Option<String>>>>, DirectError> {
        let texts_of = |rows: Vec<Row>| rows.into_iter().map(texts).collect();
        let messages = [&[READ_ONLY], statements, &["ROLLBACK"]].concat();
        let answers = queries(&mut self.wire, &mut self.reports, &messages).await;
        let answers = answers.map_err(|error| self.failed(QueryError::Io(error)))?;
        let rows: Result<Vec<_>, _> = answers.into_iter().collect();
        let rows = rows.map_err(|frame| self.failed(QueryError::Server(frame)))?;
        Ok(rows.into_iter().skip(1).take(statements.len()).map(texts_of).collect())
    }

    /// The same, with a token for the backstop where the upstream has its key. What calls this
    /// has asked for a confirmation.
    ///
    /// # Errors
    /// As [`run`](Direct::run).
    pub async fn run_confirmed(
        &mut self,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, DirectError> {
        if let Some(signable) = &self.signable {
            let token = signable.signer(Duration::ZERO).token(sql.as_bytes(), Duration::ZERO);
            self.run(&format!("SET {PARAMETER} = {}", literal(&token))).await?;
        }
        let answer = self.run(sql).await;
        if self.signable.is_some() && !self.broken {
            self.run(&format!("SET {PARAMETER} = ''")).await?;
        }
        answer
    }

    /// What of the backstop is there.
    ///
    /// # Errors
    /// As [`run`](Direct::run).
    pub async fn installed(&mut self) -> Result<Installed, DirectError> {
        let found = installed::read(&mut self.wire, &mut self.reports).await;
        found.map_err(|error| self.failed(error))
    }

    /// The backstop's key, in hexadecimal digits, where there is one; or why what is there in its
    /// place was not read.
    ///
    /// # Errors
    /// As [`run`](Direct::run).
    pub async fn backstop_key(&mut self) -> Result<Result<Option<String>, String>, DirectError> {
        let value = "pg_catalog.encode(key, 'hex')";
        match key::read(&mut self.wire, &mut self.reports, value).await {
            Ok(Reading::Value(key)) => Ok(Ok(Some(key))),
            Ok(Reading::Nothing) => Ok(Ok(None)),
            Ok(Reading::Strange(why)) => Ok(Err(why)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The seal, or why there is none.
    ///
    /// # Errors
    /// A broken connection.
    pub async fn seal(&mut self) -> Result<Result<Seal, String>, DirectError> {
        match seal::read(&mut self.wire, &mut self.reports).await {
            Ok(Found::Sealed(seal)) => Ok(Ok(seal)),
            Ok(Found::Nothing(why)) => Ok(Err(why)),
            Err(error) => Err(self.failed(QueryError::Io(error))),
        }
    }

    fn failed(&mut self, error: QueryError) -> DirectError {
        match error {
            QueryError::Server(frame) => {
                let ErrorFields { sqlstate, message, detail, hint } = ErrorFields::read(&frame);
                DirectError::Server { sqlstate, message, detail, hint }
            }
            QueryError::Io(error) => {
                self.broken = true;
                DirectError::Broken(format!("{}: {}", place(&self.upstream), gone(&error)))
            }
        }
    }

    /// Says goodbye; the server's log shows no broken connection.
    pub async fn close(mut self) {
        let _ = self.wire.write(message::TERMINATE).await;
    }
}

/// The statement that reads columns of a table, both quoted. COPY reads a table and nothing else: no
/// view, no cast, no operator and no plan, and so no code of whoever made it.
pub fn copy(table: &str, columns: &[&str]) -> String {
    format!("COPY {table} ({}) TO STDOUT (ENCODING 'UTF8')", columns.join(", "))
}

fn texts(row: Row) -> Vec<Option<String>> {
    let columns = row.into_iter();
    columns.map(|column| Some(String::from_utf8_lossy(&column?).into_owned())).collect()
}
