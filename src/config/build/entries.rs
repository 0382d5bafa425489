//! Entries: what each leads to, who may open it, and how they prove who they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Context;
use super::connect::OwnLogin;
use super::tasks;
use super::upstreams::Candidate;
use super::users::{self, Standing, Users};
use crate::config::draft::DraftEntry;
use crate::config::fault::{At, Located};
use crate::config::model::{ClientAuth, Entry, EntryTarget, ServerTls, TlsMode, Upstream};
use crate::config::reader::key_as_written;
use crate::config::source::quoted;
use crate::contract::{AdminRule, Authority, ConfirmHow, DecisionTable, Role, nearest};

/// The admin database's name: no entry's.
const ADMIN_DATABASE: &str = "pgauthority";

/// An entry whose rules have been checked; it is finished once there are no faults at all.
pub(super) struct Checked<'a> {
    draft: &'a DraftEntry,
    users: Option<BTreeSet<String>>,
    confirm_users: Option<BTreeSet<String>>,
}

/// What all rules of entries look at.
pub(super) struct Rules<'c, 'a> {
    context: &'c Context<'a>,
    candidates: &'c [Candidate<'a>],
    pub(super) decisions: &'c DecisionTable,
    users: &'c Users,
    tls: &'c ServerTls,
}

/// Checks them all.
pub(super) fn check<'a>(
    context: &Context<'a>,
    candidates: &[Candidate<'a>],
    decisions: &DecisionTable,
    users: &Users,
    tls: &ServerTls,
) -> Vec<Checked<'a>> {
    let rules = Rules { context, candidates, decisions, users, tls };
    context.draft.databases.iter().map(|draft| rules.check(draft)).collect()
}

impl<'c, 'a> Rules<'c, 'a> {
    pub(super) fn fault(&self, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        self.context.report.fault(at, message, hint);
    }

    fn check(&self, draft: &'a DraftEntry) -> Checked<'a> {
        self.name(draft);
        let targets = self.targets(draft);
        self.tasks(draft);
        self.wildcard(draft, &targets);
        self.replication(draft, &targets);
        let users = users::names(self.context, "users", draft.users.as_ref());
        let confirm_users =
            users::names(self.context, "confirm_users", draft.confirm_users.as_ref());
        self.confirmation(draft, users.as_ref());
        if let Some(auth) = &draft.auth {
            self.authentication(draft, auth, &targets);
        }
        Checked { draft, users, confirm_users }
    }

    fn name(&self, draft: &DraftEntry) {
        let Located { value, at } = &draft.name;
        let stem = value.strip_suffix('*').unwrap_or(value);
        if value == ADMIN_DATABASE {
            let message = format!("\"{value}\" is kept for an admin database");
            self.fault(at, message, "give the entry another name");
        } else if value.is_empty() || value.len() > 63 || stem.contains('*') {
            let message = format!("{} cannot name an entry", quoted(value));
            self.fault(at, message, "use 1 to 63 bytes, \"*\" only as the last of them");
        }
    }

    /// The upstreams an entry names, as far as there are such.
    fn targets(&self, draft: &DraftEntry) -> Vec<&'c Candidate<'a>> {
        let name = &draft.name.value;
        match (&draft.upstream, &draft.neon, &draft.local) {
            (None, None, None) if !draft.leads_somewhere => {
                let message = format!("entry \"{name}\" leads nowhere");
                let hint = "add upstream = \"NAME\", or neon = \"NAME\" and local = \"NAME\"";
                self.fault(&draft.name.at, message, hint);
            }
            (Some(upstream), Some(other), _) | (Some(upstream), None, Some(other)) => {
                let message = format!("entry \"{name}\" is both pinned and routed");
                let at = if upstream.at > other.at { &upstream.at } else { &other.at };
                self.fault(at, message, "keep upstream, or neon and local");
            }
            _ => {}
        }
        let pinned = draft.upstream.as_ref().and_then(|given| self.find(given));
        let neon = draft.neon.as_ref().and_then(|given| self.routed(draft, given, Authority::Neon));
        let local =
            draft.local.as_ref().and_then(|given| self.routed(draft, given, Authority::Local));
        [pinned, neon, local].into_iter().flatten().collect()
    }

    fn find(&self, given: &Located<String>) -> Option<&'c Candidate<'a>> {
        let found = self.candidates.iter().find(|candidate| candidate.name == given.value);
        if found.is_none() {
            let names = || self.candidates.iter().map(|candidate| candidate.name);
            let hint = match nearest(&given.value, names()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if self.candidates.is_empty() => "add [upstreams.NAME]".to_owned(),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            self.fault(&given.at, format!("unknown upstream {}", quoted(&given.value)), hint);
        }
        found
    }

    /// An upstream named for an authority must be declared so (contract §1).
    fn routed(
        &self,
        draft: &DraftEntry,
        given: &Located<String>,
        authority: Authority,
    ) -> Option<&'c Candidate<'a>> {
        let candidate = self.find(given)?;
        if let Some(declared) = candidate.authority().filter(|declared| *declared != authority) {
            let message = format!(
                "entry \"{}\" names upstream \"{}\" as {authority}: it is declared {declared}",
                draft.name.value, candidate.name
            );
            let fitting: Vec<String> = self
                .candidates
                .iter()
                .filter(|other| other.authority() == Some(authority))
                .map(|other| format!("{authority} = \"{}\"", other.name))
                .collect();
            let hint = match fitting.as_slice() {
                [] => format!("declare an upstream with authority = \"{authority}\" for it"),
                some => format!("write {}", some.join(" or ")),
            };
            self.fault(&given.at, message, hint);
        }
        Some(candidate)
    }

    fn wildcard(&self, draft: &DraftEntry, targets: &[&Candidate<'_>]) {
        if !draft.name.value.ends_with('*') {
            return;
        }
        let Located { value, at } = &draft.name;
        if draft.upstream.is_none() && (draft.neon.is_some() || draft.local.is_some()) {
            let message = format!("wildcard entry \"{value}\" must be pinned to one upstream");
            self.fault(at, message, "write upstream = \"NAME\" with a staging upstream");
        } else if let Some((target, role)) = not_of(targets, |role| role == Role::Staging) {
            let message = format!(
                "wildcard entry \"{value}\" needs a staging upstream: \"{}\" is declared {role}",
                target.name
            );
            self.fault(at, message, "name each database of it in an entry of its own");
        }
    }

    fn replication(&self, draft: &DraftEntry, targets: &[&Candidate<'_>]) {
        let Some(replication) = draft.replication.as_ref().filter(|given| given.value) else {
            return;
        };
        if let Some((target, role)) = not_of(targets, |role| role != Role::Prod) {
            let message = format!(
                "replication is for staging and replica upstreams: \"{}\" is declared {role}",
                target.name
            );
            self.fault(&replication.at, message, "remove replication");
        }
    }

    fn confirmation(&self, draft: &DraftEntry, users: Option<&BTreeSet<String>>) {
        let never = draft.confirm.as_ref().is_some_and(|how| how.value == ConfirmHow::Never);
        if never && let Some(list) = &draft.confirm_users {
            let message = "confirm_users has no effect with confirm = \"never\"";
            self.fault(&list.at, message, "remove confirm_users");
        }
        if never
            && let Some(admin) =
                draft.admin.as_ref().filter(|rule| rule.value == AdminRule::Confirm)
        {
            let message = "admin = \"confirm\" has no effect with confirm = \"never\"";
            self.fault(&admin.at, message, "remove admin");
        }
        let (Some(users), Some(list)) = (users, &draft.confirm_users) else { return };
        for name in list.value.iter().filter(|name| !users.contains(&name.value)) {
            let message = format!(
                "{} may confirm but not open entry \"{}\"",
                quoted(&name.value),
                draft.name.value
            );
            let hint = match nearest(&name.value, users.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("add {} to users", quoted(&name.value)),
            };
            self.fault(&name.at, message, hint);
        }
    }

    fn authentication(
        &self,
        draft: &DraftEntry,
        auth: &Located<ClientAuth>,
        targets: &[&Candidate<'_>],
    ) {
        if auth.value == ClientAuth::Relay {
            return;
        }
        for target in targets {
            self.own_login(draft, auth, target);
        }
        if !draft.names_users {
            let message = format!(
                "entry \"{}\" has no users: the proxy logs in with its own credentials, \
                 so who may open it has to be declared",
                draft.name.value
            );
            self.fault(&auth.at, message, "add users = [\"USER\"], or write auth = \"relay\"");
        }
        match auth.value {
            ClientAuth::Relay => {}
            ClientAuth::ScramSha256 => self.passwords(draft),
            ClientAuth::Cert => self.certificates(auth),
            ClientAuth::Trust => self.loopback(auth),
        }
    }

    /// With anything but relay the proxy logs in to the upstream itself.
    fn own_login(&self, draft: &DraftEntry, auth: &Located<ClientAuth>, target: &Candidate<'_>) {
        let in_variable = matches!(auth.at, At::Variable(..));
        let (missing, hint) = match &target.login {
            OwnLogin::Ready | OwnLogin::Unknown => return,
            OwnLogin::NoUser if in_variable => (
                "user",
                "write postgresql://USER:PASSWORD@HOST… in PGAUTHORITY_UPSTREAM_URL, or \
                 export PGAUTHORITY_AUTH=relay",
            ),
            OwnLogin::NoUser => {
                ("user", "write postgresql://USER@HOST… in its url, or auth = \"relay\"")
            }
            OwnLogin::NoPassword { pgpass: None } if in_variable => (
                "password",
                "write postgresql://USER:PASSWORD@HOST… in PGAUTHORITY_UPSTREAM_URL, or a line in \
                 ~/.pgpass",
            ),
            OwnLogin::NoPassword { pgpass: None } => (
                "password",
                "add password_file or password_env, a line in ~/.pgpass, or ?password= in its url \
                 if it asks for none",
            ),
            OwnLogin::NoPassword { pgpass: Some(why) } => ("password", why.as_str()),
        };
        let message = format!(
            "entry \"{}\" logs in to upstream \"{}\" with the proxy's own credentials, \
             and there is no {missing}",
            draft.name.value, target.name
        );
        self.fault(&auth.at, message, hint);
    }

    fn passwords(&self, draft: &DraftEntry) {
        let users = draft.users.iter().flat_map(|list| &list.value);
        for Located { value: name, at } in users.filter(|name| !name.value.is_empty()) {
            let table = key_as_written(name);
            let (message, hint) = match self.users.standing(name) {
                Standing::Ready => continue,
                Standing::Md5 => (
                    format!(
                        "user {} has an MD5 verifier only, which cannot serve SCRAM",
                        quoted(name)
                    ),
                    "set the password again with \\password in psql".to_owned(),
                ),
                Standing::NoPassword => (
                    format!("user {} has no password", quoted(name)),
                    format!("add password = \"SCRAM-SHA-256$…\" to [users.{table}]"),
                ),
                Standing::Unknown => (
                    format!("unknown user {}", quoted(name)),
                    match nearest(name, self.users.names()) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("add [users.{table}] with password = \"SCRAM-SHA-256$…\""),
                    },
                ),
            };
            self.fault(at, message, hint);
        }
    }

    fn certificates(&self, auth: &Located<ClientAuth>) {
        if self.tls.mode == TlsMode::Disable {
            let message = "auth = \"cert\" needs TLS";
            let hint = "add [server.tls] with mode, certificate, private_key and client_ca";
            self.fault(&auth.at, message, hint);
        } else if !self.tls.client_certificates {
            let message = "auth = \"cert\" needs client_ca in [server.tls]";
            self.fault(&auth.at, message, "add client_ca = \"clients-ca.crt\" to [server.tls]");
        }
    }

    /// Nobody is asked: only this machine's processes may reach the listeners.
    fn loopback(&self, auth: &Located<ClientAuth>) {
        let open = self.context.listeners.iter().find(|listener| !listener.is_local());
        if let Some(open) = open {
            let message =
                format!("trust is for loopback and Unix sockets only: the proxy listens on {open}");
            let hint = match &auth.at {
                At::Variable(..) => "export PGAUTHORITY_LISTEN=127.0.0.1:7432".to_owned(),
                At::Span(..) | At::Nowhere => {
                    "write listen = [\"127.0.0.1:7432\"], or another auth".to_owned()
                }
            };
            self.fault(&auth.at, message, hint);
        }
    }
}

/// The first target whose declared role is not allowed.
fn not_of<'c, 'a>(
    targets: &[&'c Candidate<'a>],
    allowed: impl Fn(Role) -> bool,
) -> Option<(&'c Candidate<'a>, Role)> {
    targets
        .iter()
        .find_map(|target| target.role().filter(|role| !allowed(*role)).map(|role| (*target, role)))
}

impl Checked<'_> {
    /// The entry under its name as written; `None` only where a fault was noted.
    pub(super) fn finish(
        self,
        upstreams: &BTreeMap<String, Arc<Upstream>>,
        decisions: &Arc<DecisionTable>,
    ) -> Option<(String, Arc<Entry>)> {
        let Checked { draft, users, confirm_users } = self;
        let find = |given: &Option<Located<String>>| {
            given.as_ref().and_then(|given| upstreams.get(&given.value)).cloned()
        };
        let target = match &draft.upstream {
            Some(_) => EntryTarget::Pinned(find(&draft.upstream)?),
            None => EntryTarget::Routed {
                neon: find(&draft.neon),
                local: find(&draft.local),
                task: draft.task.as_ref().map(|task| task.value.clone()),
            },
        };
        let served = draft.tasks.as_ref().map(tasks::named);
        let written = draft.name.value.clone();
        let stem = written.strip_suffix('*');
        let entry = Entry {
            name: stem.unwrap_or(&written).to_owned(),
            wildcard: stem.is_some(),
            target,
            decisions: served
                .map_or_else(|| decisions.clone(), |served| decisions.only(&served).into()),
            auth: draft.auth.as_ref()?.value,
            confirm: draft.confirm.as_ref().map_or(ConfirmHow::Session, |given| given.value),
            confirm_users,
            admin: draft.admin.as_ref().map_or(AdminRule::Block, |given| given.value),
            users,
            replication: draft.replication.as_ref().is_some_and(|given| given.value),
        };
        Some((written, Arc::new(entry)))
    }
}
