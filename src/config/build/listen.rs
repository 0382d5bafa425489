//! Where the proxy listens, and TLS towards clients.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Context;
use crate::config::draft::{Draft, DraftTls};
use crate::config::fault::{Located, Report};
use crate::config::model::{ListenAddress, ServerTls, TlsMode};
use crate::config::source::quoted;
use crate::config::tls;

/// The port of a Unix socket where no TCP address gives one.
const DEFAULT_PORT: u16 = 7432;

/// The longest path of a Unix socket on Linux: `sun_path` less its final zero byte.
const SOCKET_PATH_LIMIT: usize = 107;

/// `server.listen`.
pub(super) fn addresses(report: &Report, draft: &Draft) -> Vec<ListenAddress> {
    let given = &draft.server.listen;
    let first_port = given.iter().find_map(|one| one.value.parse::<SocketAddr>().ok());
    let port = first_port.map(|address| address.port()).filter(|port| *port > 0);
    let mut found: Vec<ListenAddress> = Vec::new();
    for one in given {
        match address(&one.value, port.unwrap_or(DEFAULT_PORT), &draft.folder) {
            Ok(address) if found.contains(&address) => {
                let message = format!("{} is listened on twice", quoted(&one.value));
                report.fault(&one.at, message, "remove one of them");
            }
            Ok(address) => found.push(address),
            Err((message, hint)) => report.note(&one.at, message, Some(hint)),
        }
    }
    found
}

/// Reads `ADDRESS:PORT` or `unix:FOLDER[:PORT]`.
fn address(text: &str, port: u16, folder: &Path) -> Result<ListenAddress, (String, String)> {
    let Some(socket) = text.strip_prefix("unix:") else {
        return tcp(text).map(ListenAddress::Tcp);
    };
    let (socket, port) = match socket.rsplit_once(':') {
        Some((path, digits)) => match digits.parse() {
            Ok(port) if port > 0 => (path, port),
            _ => {
                let message = format!("{} has no port from 1 to 65535", quoted(text));
                return Err((message, "write \"unix:/run/pgauthority:7432\"".to_owned()));
            }
        },
        None => (socket, port),
    };
    if socket.is_empty() {
        let message = format!("{} names no folder", quoted(text));
        return Err((message, "write \"unix:/run/pgauthority\"".to_owned()));
    }
    let address = ListenAddress::Unix { folder: tidy(&folder.join(socket)), port };
    match address.socket_path() {
        Some(path) if path.as_os_str().len() > SOCKET_PATH_LIMIT => {
            let message = format!(
                "the socket's path \"{}\" is longer than {SOCKET_PATH_LIMIT} bytes",
                path.display()
            );
            Err((message, "choose a shorter folder".to_owned()))
        }
        _ => Ok(address),
    }
}

/// Without a final slash or `.` parts, so that equal folders compare equal.
fn tidy(folder: &Path) -> PathBuf {
    folder.components().collect()
}

fn tcp(text: &str) -> Result<SocketAddr, (String, String)> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let hint = match text.rsplit_once(':') {
        Some(("localhost", port)) => format!("write \"127.0.0.1:{port}\""),
        Some(("" | "*", port)) => format!("write \"0.0.0.0:{port}\" or \"[::]:{port}\""),
        None if text.parse::<std::net::IpAddr>().is_ok() => format!("write \"{text}:7432\""),
        _ => "write \"127.0.0.1:7432\", or \"unix:/run/pgauthority\" for a socket".to_owned(),
    };
    Err((format!("{} is not an address and port", quoted(text)), hint))
}

/// `server.admin.listen`.
pub(super) fn admin(context: &Context<'_>) -> Option<SocketAddr> {
    let Located { value, at } = context.draft.server.admin_listen.as_ref()?;
    let hint = "write listen = \"127.0.0.1:7433\"";
    match tcp(value) {
        Ok(address)
            if context.listeners.contains(&ListenAddress::Tcp(address)) && address.port() > 0 =>
        {
            let message = format!("{address} is where clients connect already");
            context.report.fault(at, message, hint);
            None
        }
        Ok(address) => Some(address),
        Err((message, _)) => {
            context.report.fault(at, message, hint);
            None
        }
    }
}

/// `[server.tls]`, its files read. Where they cannot be, the mode still tells what was meant.
pub(super) fn tls(context: &Context<'_>) -> ServerTls {
    let off =
        ServerTls { mode: TlsMode::Disable, config: None, leaf: None, client_certificates: false };
    let Some(draft) = &context.draft.server.tls else { return off };
    let Some(mode) = &draft.mode else { return off };
    if mode.value == TlsMode::Disable {
        return off;
    }
    let material = material(context, draft);
    let client_certificates = draft.client_ca.is_some();
    let (config, leaf) = material.unzip();
    ServerTls { mode: mode.value, config, leaf, client_certificates }
}

type Material = (Arc<rustls::ServerConfig>, Arc<Vec<u8>>);

fn material(context: &Context<'_>, draft: &DraftTls) -> Option<Material> {
    let Context { report, .. } = context;
    for (name, given) in [("certificate", &draft.certificate), ("private_key", &draft.private_key)]
    {
        if given.is_none() {
            let message = format!("[server.tls] has no {name}");
            let hint = format!("add {name} = \"PATH\", or write mode = \"disable\"");
            report.fault(&draft.at, message, hint);
        }
    }
    // every file is read before any of them is missed
    let read = |given: &Option<Located<String>>| {
        let given = given.as_ref()?;
        let path = context.draft.path(&given.value);
        noted(context, given, tls::certificates(&path)).map(|found| (path, found))
    };
    let chain = read(&draft.certificate);
    let key = draft.private_key.as_ref().and_then(|given| {
        noted(context, given, tls::private_key(&context.draft.path(&given.value)))
    });
    let client_ca = match &draft.client_ca {
        None => Some(None),
        Some(given) => read(&draft.client_ca)
            .and_then(|(path, found)| noted(context, given, tls::roots(&found, &path)))
            .map(Some),
    };
    let ((_, chain), key, client_ca) = (chain?, key?, client_ca?);
    let leaf = chain.first()?.as_ref().to_vec();
    let config = noted(context, draft.private_key.as_ref()?, tls::server(chain, key, client_ca))?;
    Some((Arc::new(config), Arc::new(leaf)))
}

fn noted<T>(
    context: &Context<'_>,
    given: &Located<String>,
    result: Result<T, tls::TlsFault>,
) -> Option<T> {
    result.map_err(|(message, hint)| context.report.note(&given.at, message, hint)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        address(text, 6000, Path::new("/etc/pg"))
            .map(|address| address.to_string())
            .map_err(|(_, hint)| hint)
    }

    #[test]
    fn addresses_are_read() {
        for (text, expected) in [
            ("127.0.0.1:7432", "127.0.0.1:7432"),
            ("[::1]:7432", "[::1]:7432"),
            ("unix:/run/x", "unix:/run/x:6000"),
            ("unix:/run/x/", "unix:/run/x:6000"),
            ("unix:/run/x:5432", "unix:/run/x:5432"),
            ("unix:run", "unix:/etc/pg/run:6000"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn hints_can_be_typed() {
        for (text, hint) in [
            ("localhost:1", "write \"127.0.0.1:1\""),
            (":1", "write \"0.0.0.0:1\" or \"[::]:1\""),
            ("*:1", "write \"0.0.0.0:1\" or \"[::]:1\""),
            ("10.0.0.1", "write \"10.0.0.1:7432\""),
            ("/run/x", "write \"127.0.0.1:7432\", or \"unix:/run/pgauthority\" for a socket"),
            ("unix:", "write \"unix:/run/pgauthority\""),
            ("unix:/x:y", "write \"unix:/run/pgauthority:7432\""),
        ] {
            assert_eq!(read(text).unwrap_err(), hint, "{text}");
        }
        assert!(read(&format!("unix:/{}", "x".repeat(100))).is_err());
    }
}
