//! The report of `check` as tables and as JSON. No password is in either.

use comfy_table::{ContentArrangement, Table, TableComponent, presets};
use serde_json::{Value, json};

use super::decisions;
use crate::config::{
    AuditTarget, Config, Endpoint, Entry, EntryTarget, SslMode, Upstream, Word as _,
};
use crate::contract::Role;
use crate::governance::backstop::findings;
use crate::governance::observation::{Observation, Seen, plain};
use crate::upstream::Observed;

/// The whole report for people.
pub(super) fn table(
    config: &Config,
    observations: &[Observation],
    mismatches: &[String],
) -> String {
    let mut text = format!("{}\n{}\n", config.source, listening(config));
    section(&mut text, "upstreams", &upstreams(config));
    if !observations.is_empty() {
        section(&mut text, "observed", &observed(observations));
        for Observation { upstream, seen } in observations {
            if matches!(seen, Seen::NoUser) {
                text.push_str(&format!("  {}\n", no_user(upstream)));
            }
        }
    }
    section(&mut text, "entries", &entries(config));
    section(&mut text, "decision table", &decision_table(config));
    let idle = config.without_effect();
    if !idle.is_empty() {
        text.push_str(&format!("\nwithout effect\n  {}\n", idle.join("\n  ")));
    }
    if mismatches.is_empty() {
        text.push_str("\nsound\n");
    } else {
        text.push_str("\nmismatches\n");
        for mismatch in mismatches {
            text.push_str(&format!("  {mismatch}\n"));
        }
    }
    text
}

fn section(text: &mut String, title: &str, table: &Table) {
    text.push_str(&format!("\n{title}\n"));
    for line in table.lines() {
        text.push_str(&format!(" {}\n", line.trim_end()));
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

fn listening(config: &Config) -> String {
    let listen: Vec<String> = config.server.listen.iter().map(ToString::to_string).collect();
    let audit = match &config.audit.target {
        AuditTarget::Stdout => "stdout".to_owned(),
        AuditTarget::File(path) => path.display().to_string(),
    };
    format!(
        "listens on {} (TLS: {}), mapping {}, audit log to {audit} ({})",
        listen.join(", "),
        config.server.tls.mode.word(),
        config.contract.mapping.word(),
        config.audit.statement.word(),
    )
}

fn upstreams(config: &Config) -> Table {
    let mut table = new_table(&["name", "authority", "role", "env", "address", "TLS", "user"]);
    for upstream in config.upstreams.values() {
        let declaration = upstream.declaration;
        table.add_row([
            upstream.name.as_str(),
            declaration.authority.as_str(),
            declaration.role.as_str(),
            declaration.environment.as_str(),
            &address(upstream),
            tls(&upstream.endpoint),
            upstream.endpoint.user.as_deref().unwrap_or("each client's own"),
        ]);
    }
    table
}

fn address(upstream: &Upstream) -> String {
    let mut text = upstream.endpoint.address();
    if let Some(hostaddr) = upstream.endpoint.hostaddr {
        text.push_str(&format!(" at {hostaddr}"));
    }
    if upstream.chain {
        text.push_str(" (chain)");
    }
    text
}

fn tls(endpoint: &Endpoint) -> &'static str {
    match endpoint.sslmode {
        SslMode::Disable if endpoint.is_unix_socket() => "(socket)",
        mode => mode.word(),
    }
}

fn observed(observations: &[Observation]) -> Table {
    let mut table = new_table(&[
        "name",
        "declared",
        "in recovery",
        "seal",
        "backstop",
        "server",
        "TLS",
        "database",
        "cluster",
    ]);
    for Observation { upstream, seen } in observations {
        let declaration = upstream.declaration;
        let declared = format!("{} {}", declaration.authority, declaration.role);
        let name = upstream.name.clone();
        match seen {
            Seen::Facts(facts) => {
                let tls = facts.tls.as_ref();
                let recovery = if facts.in_recovery { "yes" } else { "no" };
                table.add_row([
                    name,
                    declared,
                    recovery.to_owned(),
                    facts.seal.as_ref().map_or("none".to_owned(), |seal| plain(&seal.words())),
                    backstop(upstream, facts).to_owned(),
                    format!("{} at {}", plain(&facts.server_version), facts.peer),
                    tls.map_or("no".to_owned(), |(version, cipher)| format!("{version} {cipher}")),
                    plain(&facts.database),
                    facts.system_identifier.as_deref().map_or("(not shown)".to_owned(), plain),
                ]);
            }
            Seen::NoUser => {
                table.add_row([
                    name,
                    declared,
                    "(not looked at: its url names no user)".to_owned(),
                ]);
            }
            Seen::Failed(_) => {
                table.add_row([name, declared, "(could not be looked at)".to_owned()]);
            }
        }
    }
    table
}

/// What lets a look at it happen.
fn no_user(upstream: &Upstream) -> String {
    format!(
        "to look at \"{}\", name a user for it: url = \"postgresql://USER@…\" in [upstreams.{}], \
         with the password in ~/.pgpass; the sessions of clients stay their own",
        upstream.name, upstream.name
    )
}

fn backstop(upstream: &Upstream, facts: &Observed) -> &'static str {
    match &facts.backstop {
        None => "(not told)",
        Some(found) => match findings(found, upstream) {
            found if !found.installed => "none",
            found if found.is_sound() => "sound",
            // a replica has its primary's, which names the primary
            _ if upstream.declaration.role == Role::Replica => "its primary's",
            _ => "NOT SOUND",
        },
    }
}

fn entries(config: &Config) -> Table {
    let mut table =
        new_table(&["name", "leads to", "auth", "users", "confirm", "admin", "replication"]);
    for (name, entry) in &config.databases {
        table.add_row([
            name.clone(),
            leads_to(entry),
            entry.auth.word().to_owned(),
            names(entry.users.as_ref(), "whom the upstream accepts"),
            confirm(entry),
            entry.admin.word().to_owned(),
            if entry.replication { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table
}

fn leads_to(entry: &Entry) -> String {
    match &entry.target {
        EntryTarget::Pinned(upstream) => upstream.name.clone(),
        EntryTarget::Routed { neon, local, task } => {
            let mut parts = Vec::new();
            for (authority, upstream) in [("neon", neon), ("local", local)] {
                parts.extend(upstream.as_ref().map(|to| format!("{authority}: {}", to.name)));
            }
            parts.push(match task {
                Some(task) => format!("task {task}"),
                None => "task declared by each client".to_owned(),
            });
            parts.join("; ")
        }
    }
}

fn names(names: Option<&std::collections::BTreeSet<String>>, nobody_named: &str) -> String {
    match names {
        None => nobody_named.to_owned(),
        Some(names) => names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", "),
    }
}

fn confirm(entry: &Entry) -> String {
    let how = entry.confirm.word();
    match &entry.confirm_users {
        None => how.to_owned(),
        users => format!("{how}: {}", names(users.as_ref(), "")),
    }
}

fn decision_table(config: &Config) -> Table {
    let (header, rows) = decisions::rows(config);
    let mut table = new_table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    table.add_rows(rows);
    table
}

/// The whole report for programs.
pub(super) fn json(config: &Config, observations: &[Observation], mismatches: &[String]) -> Value {
    let listen: Vec<String> = config.server.listen.iter().map(ToString::to_string).collect();
    let upstreams: Vec<Value> =
        config.upstreams.values().map(|upstream| upstream_json(upstream)).collect();
    let entries: Vec<Value> =
        config.databases.iter().map(|(name, entry)| entry_json(config, name, entry)).collect();
    let row = |row: &crate::contract::DecisionRow| json!({ "task": row.task, "read": row.read.as_str(), "write": row.write.as_str() });
    let observed: Vec<Value> = observations.iter().map(observation_json).collect();
    json!({
        "source": config.source,
        "sound": mismatches.is_empty(),
        "listen": listen,
        "tls": config.server.tls.mode.word(),
        "mapping": config.contract.mapping.word(),
        "upstreams": upstreams,
        "observed": observed,
        "databases": entries,
        "decisions": config.decisions.iter().map(row).collect::<Vec<_>>(),
        "without_effect": config.without_effect(),
        "mismatches": mismatches,
    })
}

fn upstream_json(upstream: &Upstream) -> Value {
    let Endpoint { host, hostaddr, port, dbname, user, sslmode, .. } = &upstream.endpoint;
    json!({
        "name": upstream.name,
        "authority": upstream.declaration.authority.as_str(),
        "role": upstream.declaration.role.as_str(),
        "env": upstream.declaration.environment.as_str(),
        "host": host,
        "hostaddr": hostaddr.map(|address| address.to_string()),
        "port": port,
        "database": dbname,
        "sslmode": sslmode.word(),
        "user": user,
        "chain": upstream.chain,
        "require_seal": upstream.require_seal,
        "backstop_key": upstream.backstop.is_some(),
    })
}

fn entry_json(config: &Config, name: &str, entry: &Entry) -> Value {
    let mut object = json!({
        "name": name,
        "auth": entry.auth.word(),
        "users": entry.users,
        "confirm": entry.confirm.word(),
        "confirm_users": entry.confirm_users,
        "admin": entry.admin.word(),
        "replication": entry.replication,
    });
    match &entry.target {
        EntryTarget::Pinned(upstream) => object["upstream"] = json!(upstream.name),
        EntryTarget::Routed { neon, local, task } => {
            object["neon"] = json!(neon.as_ref().map(|upstream| &upstream.name));
            object["local"] = json!(local.as_ref().map(|upstream| &upstream.name));
            object["task"] = json!(task);
            object["decisions"] = decisions::json(config, entry);
        }
    }
    object
}

fn observation_json(observation: &Observation) -> Value {
    let name = &observation.upstream.name;
    match &observation.seen {
        Seen::NoUser => json!({ "name": name, "error": "the url names no user" }),
        Seen::Failed(why) => json!({ "name": name, "error": why }),
        Seen::Facts(facts) => json!({
            "name": name,
            "address": facts.peer.to_string(),
            "server_version": facts.server_version,
            "tls_version": facts.tls.as_ref().map(|(version, _)| version),
            "tls_cipher": facts.tls.as_ref().map(|(_, cipher)| cipher),
            "in_recovery": facts.in_recovery,
            "database": facts.database,
            "user": facts.user,
            "system_identifier": facts.system_identifier,
            "seal": facts.seal.as_ref().ok().map(|seal| json!({
                "authority": seal.authority,
                "role": seal.role,
                "env": seal.env,
                "sealed_at": seal.sealed_at,
                "sealed_by": seal.sealed_by,
            })),
            "backstop": facts.backstop.as_ref().map(|found| {
                let found = findings(found, &observation.upstream);
                json!({
                    "installed": found.installed,
                    "sound": found.is_sound(),
                    "owner": found.owner,
                    "problems": found.problems,
                })
            }),
            "pgauthority": facts.announced.is_some(),
            "pooler": facts.pooler,
            "round_trip_ms": facts.round_trip.as_secs_f64() * 1000.0,
        }),
    }
}
