//! Tags and guard: with servers that keep startup options, and poolers that do not.

use std::process::Command;
use std::time::Duration;

use pgauthority::config::Upstream;
use pgauthority::contract::Role;
use pgauthority::upstream::{
    ConnectErrorKind, GuardBy, Login, NoClient, Request, TagsBy, observe, open,
};

use crate::fixture::{open_own, upstream, value, with};
use crate::support::process::{self, Folder, Process, SERVER_USER};
use crate::support::{Auth, Cluster};

fn replica(port: u16) -> Upstream {
    let mut upstream = upstream(port);
    upstream.name = "neon-replica".to_owned();
    upstream.declaration.role = Role::Replica;
    upstream
}

#[tokio::test]
async fn a_replica_is_guarded_and_a_false_one_is_noticed() {
    let primary = Cluster::builder().start();
    let standby = primary.replica();
    let mut connection = open_own(&with(replica(standby.port()), |_| {})).await.unwrap();
    assert_eq!((connection.tags, connection.guard), (TagsBy::Options, GuardBy::Options));
    assert!(connection.observations.is_empty());
    let write = "CREATE TABLE t ()";
    assert_eq!(value(&mut connection, write).await, Err("25006".to_owned()));

    let mut connection = open_own(&with(replica(primary.port()), |_| {})).await.unwrap();
    assert_eq!(connection.guard, GuardBy::Options);
    assert_eq!(connection.observations.len(), 1);
    assert!(connection.observations[0].contains("is not in recovery"));
    assert_eq!(value(&mut connection, write).await, Err("25006".to_owned()));
    let _ = value(&mut connection, "DISCARD ALL").await;
    assert_eq!(value(&mut connection, write).await, Err("25006".to_owned()), "still");

    // the read leg of a split session is guarded by request, whatever its role
    let mut request = Request::new(b"app");
    request.guarded = true;
    request.parameters = vec![(b"default_transaction_read_only", b"off")];
    let prod = with(upstream(primary.port()), |_| {});
    let connection = open(&prod, &request, Login::<NoClient>::Own).await.unwrap();
    assert_eq!(connection.guard, GuardBy::Options);
    let connection = open_own(&prod).await.unwrap();
    assert_eq!((connection.guard, &*connection.search_path), (GuardBy::None, "\"$user\", public"));

    let observed = observe(&with(replica(standby.port()), |_| {})).await.unwrap();
    assert!(observed.in_recovery);
    let wrong = open_own(&with(upstream(standby.port()), |_| {})).await.unwrap();
    assert!(wrong.observations[0].contains("is a standby"));
}

#[tokio::test]
async fn the_read_back_cannot_be_fooled_by_search_path() {
    let cluster = Cluster::builder().start();
    cluster.sql(
        "app",
        "CREATE FUNCTION current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;
         CREATE FUNCTION current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT 'on'$$;
         ALTER ROLE app SET search_path = public, pg_catalog",
    );
    let connection = open_own(&with(upstream(cluster.port()), |_| {})).await.unwrap();
    assert_eq!(connection.tags, TagsBy::Options);
    assert_eq!(connection.search_path, "public, pg_catalog");
    // settings of the role or database give way to startup options
    cluster.sql("app", "ALTER DATABASE app SET authority.role = 'staging'");
    cluster.sql("app", "ALTER ROLE app SET authority.upstream = 'another'");
    let connection = open_own(&with(upstream(cluster.port()), |_| {})).await.unwrap();
    assert_eq!(connection.tags, TagsBy::Options);
}

#[tokio::test]
async fn physical_replication_connections_are_tagged_too() {
    let cluster = Cluster::builder().start();
    let upstream = with(replica(cluster.port()), |upstream| {
        upstream.endpoint.host = cluster.socket_folder().display().to_string();
        upstream.endpoint.user = Some("postgres".to_owned());
    });
    for (kind, expected) in [(&b"true"[..], "replica"), (b"database", "replica")] {
        let mut request = Request::new(b"app");
        request.parameters = vec![(b"replication", kind)];
        let mut connection = open(&upstream, &request, Login::<NoClient>::Own).await.unwrap();
        assert_eq!((connection.tags, connection.guard), (TagsBy::Options, GuardBy::Options));
        let role = value(&mut connection, "SHOW authority.role").await;
        assert_eq!(role.as_deref(), Ok(expected));
    }
}

/// PgBouncer in front of a cluster.
struct Bouncer {
    port: u16,
    _process: Process,
    _folder: Folder,
}

impl Bouncer {
    fn start(cluster: &Cluster, settings: &str) -> Bouncer {
        let folder = Folder::new();
        let port = process::free_port();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\nunix_socket_dir =\n{settings}\n",
            cluster.port()
        )
        .replace("* = host", "app = user=app host");
        let file = folder.write("pgbouncer.ini", configuration);
        process::give_to_server_user(folder.path());
        let user = process::is_root().then_some(SERVER_USER);
        let program = which("pgbouncer");
        let arguments = [file.display().to_string()];
        let log = folder.join("pgbouncer.log");
        let process = Process::start(&program, &arguments, &[], user, "KILL", &log).unwrap();
        process::eventually("PgBouncer listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Bouncer { port, _process: process, _folder: folder }
    }
}

fn which(program: &str) -> std::path::PathBuf {
    let found = process::run(
        Command::new("sh").arg("-c").arg(format!("PATH=$PATH:/usr/sbin command -v {program}")),
    );
    found.trim().into()
}

#[tokio::test]
async fn where_a_pooler_drops_options_tags_and_guard_are_set() {
    let cluster = Cluster::builder().auth(Auth::Trust).start();
    // the first drops options silently; the second refuses them, as Neon's pooler does
    for ignore in ["ignore_startup_parameters = options", ""] {
        let bouncer = Bouncer::start(&cluster, &format!("pool_mode = session\n{ignore}"));
        let mut connection = open_own(&with(replica(bouncer.port), |_| {})).await.unwrap();
        assert_eq!((connection.tags, connection.guard), (TagsBy::Set, GuardBy::Set), "{ignore}");
        assert_eq!(value(&mut connection, "SHOW authority.role").await.as_deref(), Ok("replica"));
        let write = value(&mut connection, "CREATE TABLE t ()").await;
        assert_eq!(write, Err("25006".to_owned()));
    }
}

#[tokio::test]
async fn where_nothing_holds_the_upstream_is_refused() {
    let cluster = Cluster::builder().auth(Auth::Trust).start();
    let bouncer = Bouncer::start(
        &cluster,
        "pool_mode = transaction\nserver_reset_query_always = 1\nserver_reset_query = DISCARD ALL\n\
         ignore_startup_parameters = options",
    );
    let refused = open_own(&with(upstream(bouncer.port), |_| {})).await.unwrap_err();
    assert_eq!((refused.kind(), refused.sqlstate()), (ConnectErrorKind::Contract, "28000"));
    assert!(refused.message().contains("does not keep the tags"), "{refused}");
}

#[tokio::test]
async fn a_neon_pooler_is_no_replica() {
    let cluster = Cluster::builder().auth(Auth::Trust).start();
    let pooler = |upstream: &mut Upstream| {
        upstream.endpoint.host = "ep-cool-1-pooler.eu-central-1.aws.neon.tech".to_owned();
        upstream.endpoint.hostaddr = Some([127, 0, 0, 1].into());
    };
    let refused = open_own(&with(replica(cluster.port()), pooler)).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::Contract);
    assert!(refused.hint().unwrap().contains("ep-cool-1.eu-central-1"), "{refused:?}");
    assert!(open_own(&with(upstream(cluster.port()), pooler)).await.unwrap().pooler);
}
