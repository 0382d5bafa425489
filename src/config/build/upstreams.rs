//! Upstreams: declarations that agree, a URL that can be read, no way back to the proxy itself.

use std::net::{IpAddr, Ipv4Addr};

use super::{Context, connect};
use crate::config::conninfo::{self, ConnInfo};
use crate::config::draft::DraftUpstream;
use crate::config::fault::{At, Located};
use crate::config::model::{Endpoint, ListenAddress, Upstream};
use crate::contract::{Authority, Declaration, MappedUpstream, Role};

/// An upstream as far as it could be read.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) draft: &'a DraftUpstream,
    /// All three, where all three are declared.
    declaration: Option<Declaration>,
    pub(super) endpoint: Option<Endpoint>,
    /// How the proxy itself could log in there.
    pub(super) login: connect::OwnLogin,
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
    Candidate { name, draft, declaration, endpoint, login }
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
