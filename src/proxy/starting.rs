//! The start of a leg: its connection, its gate, and what the client is greeted with.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant as StdInstant;

use bytes::{Bytes, BytesMut};

use super::alike::{Told, hinted};
use super::declare::Declared;
use super::leg::Leg;
use super::looking::Looking;
use super::port::Port;
use super::refuse::Refusal;
use super::session::Origin;
use super::worker::Worker;
use crate::config::{Config, Entry, Upstream};
use crate::gate::{Asked, Beginning, Gate};
use crate::net::random_bytes;
use crate::policy::{Denial, Policy, Rule};
use crate::protocol::{Startup, message};
use crate::session::Parameters;
use crate::sql::catalog::Path;
use crate::upstream::{self, Connection, Login, RelayClient, Request};

/// The law and the parameters that a leg starts under.
pub(super) struct Law {
    pub(super) policy: Policy,
    pub(super) parameters: Parameters,
    /// `search_path` as the startup packet sets it mentions `pg_temp`.
    pub(super) search_path_doubtful: bool,
}

impl From<Declared> for Law {
    fn from(declared: Declared) -> Law {
        let Declared { policy, parameters, search_path_doubtful, .. } = declared;
        Law { policy, parameters, search_path_doubtful }
    }
}

/// Connects to an upstream for a session that asks for `startup`, and is to begin under `task`.
/// `told`: what its client has been told elsewhere of the parameters that it reads and writes by.
pub(super) async fn dial<C: RelayClient>(
    worker: &Worker,
    (startup, task, told): (&Startup, Option<&str>, &[Told]),
    upstream: &Arc<Upstream>,
    database: &str,
    guarded: bool,
    login: Login<'_, C>,
) -> Result<Connection, Refusal> {
    let options = startup.options(|_| true).map_err(|error| {
        Box::new(Denial::new(
            Rule::ParameterInvalid,
            format!("invalid command-line argument for server process: {error}"),
            "write options as -c name=value",
        ))
    })?;
    let mut request = Request::from_startup(startup, database.as_bytes());
    request.guarded = guarded;
    request.task = task;
    request.reported = told;
    request.options = Some(&options[..]).filter(|options| !options.is_empty());
    let began = StdInstant::now();
    let opened = upstream::open(upstream, &request, login).await;
    let metrics = worker.metrics.upstream(&upstream.name);
    match &opened {
        Ok(_) => metrics.connected(began.elapsed()),
        Err(_) => metrics.connect_failed(),
    }
    opened.map_err(|error| Refusal::Upstream(hinted(error, told)))
}

/// Connects to the upstream that a session on `entry` is declared to have.
pub(super) async fn connect<C: RelayClient>(
    worker: &Worker,
    origin: &Origin,
    entry: &Entry,
    declared: &Declared,
    login: Login<'_, C>,
) -> Result<Connection, Refusal> {
    let (upstream, startup) = (&declared.upstream, &origin.startup);
    let database = if entry.wildcard { &startup.database } else { &upstream.endpoint.dbname };
    let task = declared.parameters.task.get().clone();
    let asked = (startup, task.as_deref(), &origin.told[..]);
    dial(worker, asked, upstream, database, declared.policy.guarded, login).await
}

/// A leg on a connection that has just been opened.
///
/// # Errors
/// No random bytes could be had.
pub(super) fn leg(
    worker: &Rc<Worker>,
    config: &Config,
    startup: &Startup,
    connection: Connection,
    law: Law,
) -> io::Result<Leg> {
    let Law { mut policy, parameters, search_path_doubtful } = law;
    policy.pooler = connection.pooler;
    policy.set_by_statement = connection.set_by_statement();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let reports = connection.parameters.iter().map(|(name, value)| (text(name), text(value)));
    let (lookups, looking) = lookups(worker, config, startup, &connection).unzip();
    let nonce = random_bytes::<12>()?;
    let gate = Gate::new(Beginning {
        policy,
        parameters,
        reports: reports.collect(),
        search_path_doubtful: search_path_doubtful
            || connection.search_path.to_ascii_lowercase().contains("pg_temp"),
        signer: connection.signable.as_ref().map(|one| one.signer(worker.now())),
        lookups,
        replication: startup.replication.is_some(),
        nonce: nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
        max_statement_bytes: config.server.limits.max_statement_bytes,
    });
    let metrics = worker.metrics.upstream(&connection.upstream.name);
    let port = Port::new(connection.stream, connection.buffered);
    Ok(Leg { port, gate, metrics, looking })
}

/// How routines are looked up: not on replication connections, which run no SQL, or little.
fn lookups(
    worker: &Worker,
    config: &Config,
    startup: &Startup,
    connection: &Connection,
) -> Option<(Asked, Box<Looking>)> {
    if startup.replication.is_some() {
        return None;
    }
    let upstream = &connection.upstream;
    let database = match config.entry(&startup.database) {
        Some(entry) if entry.wildcard => startup.database.as_bytes(),
        _ => upstream.endpoint.dbname.as_bytes(),
    };
    // a name that is no UTF-8 cannot be compared with the catalog's
    let user = Some(&*connection.current_user).filter(|user| !user.contains('\u{fffd}'));
    let asked = Asked {
        path: Path::of_setting(&connection.search_path, user),
        backstop: upstream.backstop.is_some(),
    };
    let common = worker.common(&upstream.name, database);
    Some((asked, Box::new(Looking::new(common, &upstream.name))))
}

/// What the server would say at the start of a session, with the proxy's own key and tags.
pub(super) fn greeting(connection: &Connection, cancel_key: &Bytes) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    message::authentication_ok(&mut out);
    for notice in &connection.notices {
        out.extend_from_slice(notice);
    }
    reports(&mut out, connection);
    message::backend_key_data(&mut out, connection.process_id, cancel_key);
    message::ready_for_query(&mut out, b'I');
    out
}

/// The reports at the start of a session, with the proxy's own tags.
pub(super) fn reports(out: &mut BytesMut, connection: &Connection) {
    let own_tags = connection.announced.is_none();
    for (name, value) in &connection.parameters {
        if !(own_tags && name.to_ascii_lowercase().starts_with(b"authority.")) {
            message::parameter_status(out, &String::from_utf8_lossy(name), value);
        }
    }
    let declaration = connection.upstream.declaration;
    let values = [
        connection.upstream.name.as_str(),
        declaration.authority.as_str(),
        declaration.role.as_str(),
        declaration.environment.as_str(),
    ];
    for (tag, value) in crate::contract::parameter::TAGS.iter().zip(values) {
        message::parameter_status(out, tag, value.as_bytes());
    }
}
