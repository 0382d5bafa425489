//! The TOML file: text to draft, with every fault of form noted.

use std::path::Path;

use toml::de::DeTable;

use super::draft::{
    Draft, DraftDecision, DraftEntry, DraftServer, DraftTls, DraftUpstream, DraftUser,
    names_upstream,
};
use super::environment::Variables;
use super::fault::{At, Located, Report};
use super::model::{AuditTarget, ClientAuth, StatementText, TrustedRoutine};
use super::reader::{Table, key_as_written};
use super::source::quoted;
use super::words::{self, Word as _};
use crate::sql::catalog::Trusted;

/// Reads the text of `report`'s source; relative paths will be relative to `folder`.
///
/// A text that is not TOML gives all its syntax faults and nothing else: what can be read of the
/// rest would only mislead.
pub(super) fn read(report: &Report, folder: &Path, variables: Variables<'_>) -> Option<Draft> {
    let (root, errors) = DeTable::parse_recoverable(report.source.text());
    for error in &errors {
        let at = error.span().map_or(At::Nowhere, At::from);
        report.note(&at, format!("not TOML: {}", error.message()), None);
    }
    if !errors.is_empty() {
        return None;
    }
    let root = Table::root(report, variables, root.get_ref());
    let mut draft = Draft::new(folder.to_owned());
    if let Some(table) = root.table("server", "server") {
        server(&mut draft.server, &table);
    }
    if let Some(table) = root.table("contract", "contract") {
        contract(&mut draft, &table);
    }
    if let Some(table) = root.table("audit", "audit") {
        audit(&mut draft, &table);
    }
    draft.decisions = root.rows("decision").iter().filter_map(decision).collect();
    draft.upstreams = root.named("upstreams.*").into_iter().map(upstream).collect();
    draft.databases = root.named("databases.*").into_iter().map(entry).collect();
    if root.count("upstreams") == 0 {
        let hint = "add [upstreams.NAME] with authority, role, env and url";
        report.fault(&At::Nowhere, "no upstream is declared", hint);
    }
    if root.count("databases") == 0 {
        let hint = "add [databases.NAME] with upstream and auth";
        report.fault(&At::Nowhere, "no entry is declared: no client could connect", hint);
    }
    draft.userlist = root.table("users", "users").and_then(|table| table.string("userlist"));
    draft.users = root.named("users.*").into_iter().map(user).collect();
    Some(draft)
}

/// Puts a value in place of the default where one was given.
fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

fn server(server: &mut DraftServer, table: &Table<'_>) {
    if let Some(listen) = table.strings("listen") {
        if listen.value.is_empty() {
            let hint = "listen = [\"127.0.0.1:7432\"]";
            table.report.fault(&listen.at, "\"listen\" is empty", format!("write {hint}"));
        }
        server.listen = listen.value;
    }
    let connections = |name, least| table.integer(name, least, 1_000_000);
    let limits = &mut server.limits;
    set(&mut limits.max_client_connections, connections("max_client_connections", 1));
    set(&mut limits.max_connections_per_user, connections("max_connections_per_user", 0));
    set(&mut limits.max_connections_per_entry, connections("max_connections_per_entry", 0));
    set(&mut limits.max_connections_per_address, connections("max_connections_per_address", 0));
    set(&mut limits.max_statement_bytes, table.size("max_statement_bytes", 1 << 10, 1 << 30));
    set(&mut server.login_timeout, table.duration("login_timeout"));
    set(&mut server.drain_timeout, table.duration("drain_timeout"));
    set(&mut server.tcp_keepalive, table.duration("tcp_keepalive"));
    set(&mut server.worker_threads, table.integer("worker_threads", 1, 1024));
    set(&mut server.io_uring, table.boolean("io_uring").map(|used| used.value));
    if let Some(tls) = table.table("tls", "server.tls") {
        server.tls = Some(DraftTls {
            mode: tls.required_word("mode"),
            certificate: tls.string("certificate"),
            private_key: tls.string("private_key"),
            client_ca: tls.string("client_ca"),
            at: tls.at,
        });
    }
    if let Some(admin) = table.table("admin", "server.admin") {
        server.admin_listen = admin.string("listen");
        let users = admin.strings("users").map_or_else(Vec::new, |users| users.value);
        server.admin_users = users.into_iter().map(|user| user.value).collect();
    }
}

fn contract(draft: &mut Draft, table: &Table<'_>) {
    set(&mut draft.mapping, table.word("mapping").map(|word| word.value));
    draft.confirm_max_age = table.duration("confirm_max_age");
    if let Some(names) = table.strings("migration_tables") {
        for name in &names.value {
            if name.value.is_empty() || name.value.contains('.') {
                let message =
                    format!("{} is not a table's name without schema", quoted(&name.value));
                let bare = name.value.rsplit('.').next().unwrap_or_default();
                let hint = (!bare.is_empty()).then(|| format!("write {bare:?}"));
                table.report.note(&name.at, message, hint);
            }
        }
        let fold = |name: Located<String>| name.value.to_lowercase();
        draft.migration_tables = names.value.into_iter().map(fold).collect();
    }
    if let Some(names) = table.strings("orm_tables") {
        draft.orm_tables = names.value.into_iter().map(|name| name.value).collect();
    }
}

fn audit(draft: &mut Draft, table: &Table<'_>) {
    if let Some(path) = table.string("path") {
        draft.audit.0 = match path.value.as_str() {
            "stdout" => AuditTarget::Stdout,
            "" => {
                let hint = "write path = \"stdout\", or a file's path";
                table.report.fault(&path.at, "\"path\" is empty", hint);
                AuditTarget::Stdout
            }
            file => AuditTarget::File(draft.path(file)),
        };
    }
    set(&mut draft.audit.1, table.word::<StatementText>("statement").map(|word| word.value));
    set(&mut draft.audit.2, table.boolean("fsync").map(|fsync| fsync.value));
}

fn decision(table: &Table<'_>) -> Option<DraftDecision> {
    // all three are asked for before any is missed: each has its own fault
    let task = table.required_string("task", "\"billing_reports\"");
    let (read, write) = (table.required_word("read"), table.required_word("write"));
    Some(DraftDecision { task: task?, read: read?.value, write: write?.value })
}

fn upstream((name, table): (Located<String>, Table<'_>)) -> DraftUpstream {
    let written = &name.value;
    if !names_upstream(written) {
        let message = format!("{} cannot name an upstream", quoted(written));
        let hint = "use 1 to 63 letters, digits, \"_\", \"-\" and \".\"";
        table.report.fault(&name.at, message, hint);
    }
    DraftUpstream {
        authority: declared(&table, written, "authority"),
        role: declared(&table, written, "role"),
        env: declared(&table, written, "env"),
        url: table.required_string("url", "\"postgresql://USER@HOST:5432/DATABASE\""),
        hostaddr: table.string("hostaddr"),
        password_file: table.string("password_file"),
        password_env: table.string("password_env"),
        chain: table.boolean("chain").is_some_and(|chain| chain.value),
        trusted_routines: table
            .strings("trusted_routines")
            .map(|list| list.value.iter().filter_map(|item| trusted(&table, item)).collect())
            .unwrap_or_default(),
        require_seal: table.boolean("require_seal").is_some_and(|required| required.value),
        backstop_key_file: table.string("backstop_key_file"),
        backstop_key_env: table.string("backstop_key_env"),
        name,
    }
}

/// A routine's signature and why it is trusted, parted by `--`.
fn trusted(table: &Table<'_>, item: &Located<String>) -> Option<TrustedRoutine> {
    let (signature, reason) = item.value.split_once("--").unwrap_or((&item.value, ""));
    let (signature, reason) = (signature.trim(), reason.trim());
    let Some(routine) = Trusted::parse(signature) else {
        let message = format!("{} is no routine's name with its schema", quoted(signature));
        let hint = "write \"SCHEMA.NAME(TYPE, …) -- why its effect is known\"";
        table.report.fault(&item.at, message, hint);
        return None;
    };
    if reason.is_empty() {
        let message = format!("{} is trusted without a reason", quoted(signature));
        let hint = format!("write \"{signature} -- why its effect is known\"");
        table.report.fault(&item.at, message, hint);
        return None;
    }
    Some(TrustedRoutine { routine, signature: signature.into(), reason: reason.into() })
}

/// A declaration: missing or misspelled, the fault names the upstream, the key and its values.
fn declared<T: words::Word>(
    table: &Table<'_>,
    upstream: &str,
    key: &'static str,
) -> Option<Located<T>> {
    if !table.has(key) {
        let choices: Vec<String> =
            T::WORDS.iter().map(|(word, _)| format!("{key} = \"{word}\"")).collect();
        let message = format!(
            "upstream \"{upstream}\" does not declare its {key}: \
             it is declared, never discovered"
        );
        let hint =
            format!("add {} to [upstreams.{}]", choices.join(" or "), key_as_written(upstream));
        table.report.fault(&table.at, message, hint);
        return None;
    }
    table.word(key)
}

fn entry((name, table): (Located<String>, Table<'_>)) -> DraftEntry {
    let given = |keys: &[&'static str]| keys.iter().any(|key| table.has(key));
    DraftEntry {
        leads_somewhere: given(&["upstream", "neon", "local"]),
        names_users: given(&["users"]),
        upstream: table.string("upstream"),
        neon: table.string("neon"),
        local: table.string("local"),
        task: table.string("task"),
        tasks: table.strings("tasks"),
        auth: auth(&table),
        users: table.strings("users"),
        confirm: table.word("confirm"),
        confirm_users: table.strings("confirm_users"),
        admin: table.word("admin"),
        replication: table.boolean("replication"),
        name,
    }
}

fn auth(table: &Table<'_>) -> Option<Located<ClientAuth>> {
    if !table.has("auth") {
        return table.required_word("auth");
    }
    let Located { value, at } = table.string("auth")?;
    let found = ClientAuth::read(&value);
    if found.is_none() {
        let choices = words::list(ClientAuth::WORDS.iter().map(|(word, _)| *word));
        match value.as_str() {
            "auth_query" => table.report.fault(
                &at,
                "auth = \"auth_query\" is not supported yet",
                format!("write {choices}"),
            ),
            "scram" | "scram-sha256" | "scram_sha_256" | "md5" | "password" => table.report.fault(
                &at,
                format!("unknown auth {}", quoted(&value)),
                format!("write auth = \"scram-sha-256\"; it is one of {choices}"),
            ),
            _ => table.report.fault(
                &at,
                format!("unknown auth {}", quoted(&value)),
                words::hint::<ClientAuth>("auth", &value),
            ),
        }
    }
    found.map(|value| Located { value, at })
}

fn user((name, table): (Located<String>, Table<'_>)) -> DraftUser {
    DraftUser {
        password: table.string("password"),
        password_file: table.string("password_file"),
        password_env: table.string("password_env"),
        userlist: table.string("userlist"),
        certificate_names: table.strings("certificate_names"),
        name,
    }
}
