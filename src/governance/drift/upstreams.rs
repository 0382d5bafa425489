//! The upstreams of a configuration, as URLs in a source tree are compared with them.

use std::net::IpAddr;

use super::facts::UrlUse;
use crate::config::{Config, ListenAddress};
use crate::contract::is_local_host;

/// Where the upstreams and the proxy are.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    upstreams: Vec<Upstream>,
    /// Ports of the proxy's own listeners.
    listens: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Upstream {
    name: String,
    host: String,
    port: u16,
    database: String,
}

impl Upstreams {
    /// Of a configuration.
    pub fn of(config: &Config) -> Upstreams {
        let upstreams = config.upstreams.values().map(|upstream| Upstream {
            name: upstream.name.clone(),
            host: comparable(&upstream.endpoint.host),
            port: upstream.endpoint.port,
            database: upstream.endpoint.dbname.clone(),
        });
        let listens = config.server.listen.iter().map(|listen| match listen {
            ListenAddress::Tcp(address) => address.port(),
            ListenAddress::Unix { port, .. } => *port,
        });
        Upstreams { upstreams: upstreams.collect(), listens: listens.collect() }
    }

    /// The name of the upstream that a URL leads to. A host of its own is enough; a local one is
    /// everybody's, and so its port and database must be the upstream's too.
    pub fn led_to(&self, url: &UrlUse) -> Option<&str> {
        url.hosts.iter().find_map(|(host, port)| {
            let host = comparable(host);
            let port = port.unwrap_or(5432);
            let found = self.upstreams.iter().find(|upstream| {
                upstream.host == host
                    && (!is_local_host(&host)
                        || upstream.port == port
                            && !self.listens.contains(&port)
                            && url.database.as_deref() == Some(upstream.database.as_str()))
            });
            found.map(|upstream| upstream.name.as_str())
        })
    }
}

/// Hosts that name the same place compare equal: case and a final dot do not count, all of loopback
/// is `localhost`, and a Neon endpoint's pooler is the endpoint.
fn comparable(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback()) {
        return "localhost".to_owned();
    }
    match host.split_once('.') {
        Some((label, rest)) if crate::contract::is_neon_host(&host) => {
            format!("{}.{rest}", label.strip_suffix("-pooler").unwrap_or(label))
        }
        _ => host,
    }
}
