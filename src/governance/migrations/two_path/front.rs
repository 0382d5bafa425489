//! The proxy in front of the scratch databases: one in this process, each database an entry.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Fault;
use crate::config::{self, Config, EntryTarget, Upstream};
use crate::proxy::Embedded;

/// A proxy whose entries are these upstreams, each named as its database.
///
/// # Errors
/// It cannot be started.
pub async fn start(upstreams: Vec<Upstream>) -> Result<Front, Fault> {
    let config = configuration(upstreams)?;
    let started = tokio::task::spawn_blocking(move || Embedded::start(config)).await;
    let cannot = |error: io::Error| Fault::failed(format!("the proxy does not start: {error}"));
    let embedded = started.map_err(io::Error::other).and_then(|started| started).map_err(cannot)?;
    Ok(Front { embedded: Some(embedded) })
}

/// The proxy, ended when dropped.
pub struct Front {
    embedded: Option<Embedded>,
}

impl Front {
    /// Where it listens.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.embedded.as_ref().map(Embedded::address)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(embedded) = self.embedded.take() {
            // what its threads have to say about their end interests nobody any more
            let _ = embedded.stop();
        }
    }
}

/// The configuration: read as a file of it would be, with the upstreams as they are known already
/// (passwords and TLS included) in the place of what the text says. The audit log goes nowhere:
/// the databases that it would speak of are gone at the end.
fn configuration(upstreams: Vec<Upstream>) -> Result<Config, Fault> {
    let mut text = "[server]\nlisten = [\"127.0.0.1:0\"]\nworker_threads = 1\n\n\
                    [audit]\npath = \"/dev/null\"\nstatement = \"none\"\n"
        .to_owned();
    for upstream in &upstreams {
        let (name, declared) = (&upstream.name, upstream.declaration);
        text.push_str(&format!(
            "\n[upstreams.{name}]\nauthority = \"{}\"\nrole = \"{}\"\nenv = \"{}\"\n\
             url = \"postgresql://localhost/{name}?sslmode=disable\"\n\
             [databases.{name}]\nupstream = \"{name}\"\nauth = \"relay\"\n",
            declared.authority, declared.role, declared.environment,
        ));
    }
    let nothing = |_: &str| None;
    let mut config = config::parse(Path::new("two-path"), &text, &nothing)
        .map_err(|faults| Fault::failed(format!("the proxy's configuration: {faults}")))?;
    for upstream in upstreams {
        let (name, upstream) = (upstream.name.clone(), Arc::new(upstream));
        if let Some(entry) = config.databases.get_mut(&name).and_then(Arc::get_mut) {
            entry.target = EntryTarget::Pinned(Arc::clone(&upstream));
        }
        config.upstreams.insert(name, upstream);
    }
    Ok(config)
}
