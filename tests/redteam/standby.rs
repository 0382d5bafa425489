//! A real standby as the upstream: PostgreSQL keeps its tables from being written, and not files,
//! programs, the configuration, other sessions, the primary behind it, nor its own promotion.

use std::fs;
use std::time::{Duration, Instant};

use super::ground::major;
use super::support::cluster::Auth;
use super::support::process::give_to_server_user;
use super::support::proxy::REPLICA;
use super::support::wire::Frames;
use super::support::{Cluster, Login, Proxy, Wire};

/// The attack; what would be seen of it on the standby or on its primary. Empty: the standby itself
/// does not let it come about, and its primary does.
const ATTACKS: &[(&str, &str, &str)] = &[
    ("a file by COPY", "COPY (SELECT 1) TO '{loot}/file'", "file"),
    ("a file by a program", "COPY (SELECT 1) TO PROGRAM 'cat > {loot}/file'", "file"),
    ("a file by lo_export", "SELECT lo_export(4242, '{loot}/file')", "file"),
    ("the configuration", "ALTER SYSTEM SET work_mem = '1MB'", "work_mem"),
    ("a reload", "SELECT pg_reload_conf()", "loaded"),
    ("the statistics", "SELECT pg_stat_reset()", "statistics"),
    ("another session", "SELECT pg_terminate_backend({bystander})", "-bystander"),
    ("a pause of the replay", "SELECT pg_wal_replay_pause()", "paused"),
    ("a replication slot", "SELECT pg_create_physical_replication_slot('loot')", "slot"),
    (
        "the primary by dblink_exec",
        "SELECT dblink_exec('{primary}', 'INSERT INTO victims VALUES (9)')",
        "row 9",
    ),
    (
        "the primary by dblink",
        "SELECT * FROM dblink('{primary}', 'INSERT INTO victims VALUES (8) RETURNING id') AS t(n int)",
        "row 8",
    ),
    ("the primary by a foreign table", "INSERT INTO far VALUES (9)", ""),
    ("its tables", "INSERT INTO victims VALUES (9)", ""),
    ("a temporary table", "CREATE TEMP TABLE t (n int)", ""),
    ("a sequence", "SELECT nextval('counter')", ""),
    ("its own promotion", "SELECT pg_promote(false)", "promoted"),
];

struct Standby {
    primary: Cluster,
    standby: Cluster,
    bystander: Wire,
}

impl Standby {
    /// What an attack could change, a word each.
    fn world(&self) -> Vec<String> {
        let here = "SELECT 'file ' || name FROM pg_ls_dir('loot', true, false) name
            UNION ALL SELECT 'configuration ' || md5(pg_read_file('postgresql.auto.conf'))
                || CASE WHEN pg_read_file('postgresql.auto.conf') ~ 'work_mem'
                   THEN ' work_mem' ELSE '' END
            UNION ALL SELECT 'loaded ' || pg_conf_load_time()
            UNION ALL SELECT 'statistics ' || coalesce(max(stats_reset)::text, '')
                FROM pg_stat_database WHERE datname = 'app'
            UNION ALL SELECT CASE WHEN pg_is_in_recovery() THEN 'in recovery' ELSE 'promoted' END
            UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots
            UNION ALL SELECT 'bystander' FROM pg_stat_activity
                WHERE application_name = 'bystander'";
        let paused = "SELECT CASE WHEN pg_is_wal_replay_paused() THEN 'paused' END
            WHERE pg_is_in_recovery()";
        let there = "SELECT 'row ' || id FROM victims
            UNION ALL SELECT 'counter ' || last_value || is_called FROM counter";
        let mut lines: Vec<String> = [
            self.standby.sql("app", here),
            self.standby.sql("app", paused),
            self.primary.sql("app", there),
        ]
        .concat()
        .into_iter()
        .filter_map(|row| row[0].clone())
        .collect();
        lines.sort();
        lines
    }

    fn fill(&self, text: &str) -> String {
        let primary = format!(
            "host={} port={} dbname=app user=postgres",
            self.primary.socket_folder().display(),
            self.primary.port()
        );
        text.replace("{loot}", &self.standby.data().join("loot").display().to_string())
            .replace("{bystander}", &self.bystander.key.0.to_string())
            .replace("{primary}", &primary)
    }
}

#[test]
fn a_standby_is_left_alone_with_all_that_it_can_reach() {
    let primary = Cluster::builder().major(major()).auth(Auth::Trust).start();
    primary.sql(
        "app",
        "CREATE TABLE victims (id int); INSERT INTO victims VALUES (1); CREATE SEQUENCE counter; \
         SELECT lo_from_bytea(4242, 'x'); CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw",
    );
    primary.sql(
        "app",
        &format!(
            "CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw \
             OPTIONS (host '{}', port '{}', dbname 'app'); \
             CREATE USER MAPPING FOR postgres SERVER itself OPTIONS (user 'postgres'); \
             CREATE FOREIGN TABLE far (id int) SERVER itself OPTIONS (table_name 'victims')",
            primary.socket_folder().display(),
            primary.port()
        ),
    );
    fs::create_dir(primary.data().join("loot")).unwrap();
    give_to_server_user(&primary.data().join("loot"));
    let standby = primary.replica();
    let proxy = Proxy::builder()
        .upstream_at("standby", REPLICA, &standby.url("postgres", "app"), "")
        .trusted("standby", "standby", "")
        .start();
    let watched = Login::new("postgres", "app").parameter("application_name", "bystander");
    let bystander = Wire::tcp(standby.port(), &watched).unwrap();
    let ground = Standby { primary, standby, bystander };
    let before = ground.world();
    let mut faults = Vec::new();
    for (name, text, _) in ATTACKS {
        let text = ground.fill(text);
        let forms = [
            ("simple", vec![Frames::new().query(&text)]),
            ("extended", vec![Frames::new().run(&text, &[]).sync()]),
            ("pipelined", vec![Frames::new().run("SELECT 1", &[]).run(&text, &[]).sync()]),
        ];
        for (form, writes) in forms {
            let mut session = proxy.connect("standby");
            let refused = writes.iter().all(|frames| {
                let answers = session.exchange(frames);
                answers.iter().any(|message| message.tag == b'E')
            });
            if !refused || ground.world() != before {
                faults.push(format!("{name} ({form}): {:?}", ground.world()));
            }
        }
    }
    // straight to the standby, each of them comes about
    for (name, text, witness) in ATTACKS.iter().filter(|(_, _, witness)| !witness.is_empty()) {
        let before = ground.world();
        let login = Login::new("postgres", "app");
        let mut direct = Wire::tcp(ground.standby.port(), &login).unwrap();
        let said = direct.try_sql(&ground.fill(text));
        let came = || {
            let after = ground.world();
            let new = after.iter().any(|line| !before.contains(line) && line.contains(witness));
            let gone = before.iter().any(|line| !after.contains(line)) && witness.starts_with('-');
            new || gone
        };
        // what the server does in its own time
        let deadline = Instant::now() + Duration::from_secs(5);
        while !came() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        if !came() {
            faults.push(format!("{name}: it does not work direct: {said:?}"));
        }
        let _ = fs::remove_file(ground.standby.data().join("loot/file"));
    }
    for (name, text, _) in ATTACKS.iter().filter(|(_, _, witness)| witness.is_empty()) {
        let login = Login::new("postgres", "app");
        let on = |port| Wire::tcp(port, &login).unwrap().try_sql(text).map(|_| ());
        if let Err(said) = on(ground.primary.port()) {
            faults.push(format!("{name}: it does not work on the primary: {said}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
