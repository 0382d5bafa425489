//! Upstreams: declarations that agree, a URL that can be read, no way back to the proxy itself.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::{Context, connect};
use crate::config::conninfo::{self, ConnInfo};
use crate::config::draft::DraftUpstream;
use crate::config::fault::{At, Located};
use crate::config::model::{Endpoint, ListenAddress, Secret, Upstream};
use crate::contract::{Authority, Declaration, MappedUpstream, Role, backstop};

/// An upstream as far as it could be read.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) draft: &'a DraftUpstream,
    /// All three, where all three are declared.
    declaration: Option<Declaration>,
    pub(super) endpoint: Option<Endpoint>,
    /// How the proxy itself could log in there.
    pub(super) login: connect::OwnLogin,
    backstop: Option<Arc<backstop::Key>>,
}

/// Reads them all.
pub(super) fn read<'a>(context: &Context<'a>) -> Vec<Candidate<'a>> {
    context.draft.upstreams.iter().map(|draft| candidate(context, draft)).collect()
}

fn candidate<'a>(context: &Context<'a>, draft: &'a DraftUpstream) -> Candidate<'a> {
    let name = draft.name.value.as_str();
    local_is_staging(context, draft);
    let declaration = match (&draft.authority, &draft.role, &draft.env) {
        (Some(authority), Some(role), Some(env)) => Some(Declaration {
            authority: authority.value,
            role: role.value,
            environment: env.value,
        }),
        _ => None,
    };
    let (endpoint, login) = match draft.url.as_ref().and_then(|url| read_url(context, draft, url)) {
        Some(info) => connect::endpoint(context, draft, info),
        None => (None, connect::OwnLogin::Unknown),
    };
    let backstop = backstop_key(context, draft).map(Arc::new);
    Candidate { name, draft, declaration, endpoint, login, backstop }
}

/// The local database's role is staging (contract §1): anything else is a hard failure.
fn local_is_staging(context: &Context<'_>, draft: &DraftUpstream) {
    if let (Some(Located { value: Authority::Local, .. }), Some(role)) =
        (&draft.authority, &draft.role)
        && role.value != Role::Staging
    {
        let message = format!(
            "upstream \"{}\" is declared local and {}: the local database's role is staging",
            draft.name.value, role.value
        );
        context.report.fault(&role.at, message, context.assign(&role.at, "role", "staging"));
    }
}

/// The key of the backstop: given once, well formed, and where there is something to confirm.
fn backstop_key(context: &Context<'_>, draft: &DraftUpstream) -> Option<backstop::Key> {
    let name = &draft.name.value;
    let given = match (&draft.backstop_key_file, &draft.backstop_key_env) {
        (None, None) => return None,
        (Some(_), Some(second)) => {
            let message = format!("upstream \"{name}\" has more than one backstop key");
            let hint = match second.at {
                At::Variable(..) => {
                    "unset PGAUTHORITY_BACKSTOP_KEY_FILE or PGAUTHORITY_BACKSTOP_KEY"
                }
                _ => "keep one of backstop_key_file and backstop_key_env",
            };
            context.report.fault(&second.at, message, hint);
            return None;
        }
        (Some(given), None) | (None, Some(given)) => given,
    };
    if backstop::Key::parse(&given.value).is_some() {
        if let At::Span(start, end) = given.at {
            context.report.source.mask(start..end);
        }
        let message = format!("upstream \"{name}\": the backstop key itself does not belong here");
        let hint = match given.at {
            At::Variable(..) => {
                "export PGAUTHORITY_BACKSTOP_KEY_FILE=backstop.key, and make another key"
            }
            _ => "write backstop_key_file = \"backstop.key\", and make another key",
        };
        context.report.fault(&given.at, message, hint);
        return None;
    }
    if let Some(role) = draft.role.as_ref().filter(|role| role.value != Role::Prod) {
        let message = format!(
            "upstream \"{name}\" has a backstop key and is role {}: the backstop is for role prod",
            role.value
        );
        context.report.fault(&given.at, message, "remove the key");
    }
    let Secret(text) = match draft.backstop_key_file {
        Some(_) => super::users::from_file(context, given)?,
        None => super::users::from_variable(context, "backstop_key_env", "BACKSTOP_KEY", given)?,
    };
    let key = backstop::Key::parse(&text);
    if key.is_none() {
        let message =
            format!("the backstop key of upstream \"{name}\" is not 64 hexadecimal digits");
        let hint = "use the file that pgauthority backstop install wrote";
        context.report.fault(&given.at, message, hint);
    }
    key
}

fn read_url(
    context: &Context<'_>,
    draft: &DraftUpstream,
    url: &Located<String>,
) -> Option<ConnInfo> {
    let name = &draft.name.value;
    match conninfo::read(&url.value) {
        Ok(info) => Some(info),
        Err(faults) => {
            for fault in faults {
                let message = format!("url of upstream \"{name}\": {}", fault.message);
                context.report.fault(&url.at, message, fault.hint);
            }
            None
        }
    }
}

impl Candidate<'_> {
    pub(super) fn authority(&self) -> Option<Authority> {
        self.draft.authority.as_ref().map(|authority| authority.value)
    }

    pub(super) fn role(&self) -> Option<Role> {
        self.draft.role.as_ref().map(|role| role.value)
    }

    pub(super) fn url_at(&self) -> At {
        self.draft.url.as_ref().map_or_else(|| self.draft.name.at.clone(), |url| url.at.clone())
    }

    /// As mapping sees it; `None` until declarations and URL are all sound.
    pub(super) fn as_mapped(&self) -> Option<MappedUpstream<'_>> {
        let endpoint = self.endpoint.as_ref()?;
        Some(MappedUpstream {
            name: self.name,
            declaration: self.declaration?,
            host: &endpoint.host,
            port: endpoint.port,
            dbname: &endpoint.dbname,
            chain: self.draft.chain,
        })
    }

    /// The finished upstream; `None` where a fault was noted.
    pub(super) fn finish(self) -> Option<Upstream> {
        Some(Upstream {
            name: self.name.to_owned(),
            declaration: self.declaration?,
            endpoint: self.endpoint?,
            chain: self.draft.chain,
            trusted_routines: self.draft.trusted_routines.clone(),
            require_seal: self.draft.require_seal,
            backstop: self.backstop,
        })
    }
}

/// An upstream that is the proxy itself is a loop, unless it is declared a chain.
pub(super) fn refuse_loops(context: &Context<'_>, candidates: &[Candidate<'_>]) {
    for candidate in candidates.iter().filter(|candidate| !candidate.draft.chain) {
        let Some(endpoint) = &candidate.endpoint else { continue };
        let Some(own) = context.listeners.iter().find(|own| leads_to(endpoint, own)) else {
            continue;
        };
        let message = format!(
            "upstream \"{}\" leads to the proxy's own address {own}: a loop",
            candidate.name
        );
        let hint = "write the database server's own host and port";
        context.report.fault(&candidate.url_at(), message, hint);
    }
}

fn leads_to(endpoint: &Endpoint, own: &ListenAddress) -> bool {
    match own {
        ListenAddress::Unix { folder, port } => {
            endpoint.is_unix_socket()
                && endpoint.port == *port
                && std::path::Path::new(&endpoint.host).components().eq(folder.components())
        }
        ListenAddress::Tcp(address) => {
            if endpoint.port != address.port() || endpoint.is_unix_socket() {
                return false;
            }
            let named = endpoint.hostaddr.or_else(|| match endpoint.host.as_str() {
                host if host.eq_ignore_ascii_case("localhost") => {
                    Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
                }
                host => host.parse().ok(),
            });
            let Some(named) = named.map(|named| named.to_canonical()) else { return false };
            let own = address.ip().to_canonical();
            named == own
                || named.is_unspecified()
                || (named.is_loopback() && (own.is_unspecified() || own.is_loopback()))
        }
    }
}
