//! How an upstream is reached: its endpoint, TLS and the proxy's own login there.

use std::sync::Arc;

use super::Context;
use crate::config::conninfo::ConnInfo;
use crate::config::draft::DraftUpstream;
use crate::config::fault::{At, Located};
use crate::config::model::{Endpoint, Secret, SslMode};
use crate::config::password_files::{self, Found, Wanted};
use crate::config::source::quoted;
use crate::config::tls::{self, ClientMaterial, TlsFault};
use crate::contract::is_local_host;

/// How the proxy itself could log in to an upstream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OwnLogin {
    /// The URL names no user.
    NoUser,
    /// There is a user and nothing to prove it with, on a host where that will not do.
    NoPassword {
        /// Why `~/.pgpass` was not looked at, if it is there; can be typed.
        pgpass: Option<String>,
    },
    /// There is a user, and a password, a certificate, or a host that may do without.
    Ready,
    /// It could not be read; a fault has been noted.
    Unknown,
}

/// The endpoint of an upstream whose URL was read; `None` where a fault was noted.
pub(super) fn endpoint(
    context: &Context<'_>,
    draft: &DraftUpstream,
    mut info: ConnInfo,
) -> (Option<Endpoint>, OwnLogin) {
    let url_at = draft.url.as_ref().map_or(At::Nowhere, |url| url.at.clone());
    if let Some(given) = &draft.hostaddr {
        hostaddr(context, given, &mut info);
    }
    if info.host.starts_with('/') {
        // as in libpq, TLS and its mode do not concern Unix sockets
        info.sslmode = SslMode::Disable;
        info.direct_tls = false;
        if info.require_channel_binding {
            let message = "channel_binding=require cannot be had over a Unix socket";
            context.report.fault(&url_at, message, "remove channel_binding=require");
        }
    }
    let tls = match info.sslmode {
        SslMode::Disable => Some(None),
        _ => match client_tls(context, &info) {
            Ok(config) => Some(Some(Arc::new(config))),
            Err((message, hint)) => {
                let message = format!("url of upstream \"{}\": {message}", draft.name.value);
                context.report.note(&url_at, message, hint);
                None
            }
        },
    };
    let (password, login) = password(context, draft, &info, &url_at);
    let endpoint = tls.map(|tls| Endpoint {
        host: info.host,
        hostaddr: info.hostaddr,
        port: info.port,
        dbname: info.dbname,
        user: info.user,
        password,
        sslmode: info.sslmode,
        tls,
        direct_tls: info.direct_tls,
        require_channel_binding: info.require_channel_binding,
        disable_channel_binding: info.disable_channel_binding,
        connect_timeout: info.connect_timeout,
        options: info.options,
        application_name: info.application_name,
    });
    (endpoint, login)
}

/// The key `hostaddr`: the URL's parameter of the same name, more legibly.
fn hostaddr(context: &Context<'_>, given: &Located<String>, info: &mut ConnInfo) {
    let report = context.report;
    match given.value.parse() {
        Ok(_) if info.hostaddr.is_some() => {
            let message = "hostaddr is given here and in the URL";
            report.fault(&given.at, message, "remove one of them");
        }
        Ok(_) if info.host.starts_with('/') => {
            let message = "a Unix socket has no hostaddr";
            report.fault(&given.at, message, "remove hostaddr");
        }
        Ok(address) => info.hostaddr = Some(address),
        Err(_) => {
            let message = format!("{} is not an IP address", quoted(&given.value));
            report.fault(&given.at, message, "write hostaddr = \"127.0.0.1\"");
        }
    }
}

fn client_tls(context: &Context<'_>, info: &ConnInfo) -> Result<rustls::ClientConfig, TlsFault> {
    let path = |written: &String| context.draft.path(written);
    let given = match info.sslrootcert.as_ref().filter(|written| *written != "system") {
        None => None,
        Some(written) => {
            let certificates = tls::certificates(&path(written))?;
            let roots = tls::roots(&certificates, &path(written))?;
            Some((certificates, roots))
        }
    };
    let verifies = matches!(info.sslmode, SslMode::VerifyCa | SslMode::VerifyFull);
    let system = match given {
        None if verifies => Some(context.system_roots()?),
        _ => None,
    };
    let own = match (&info.sslcert, &info.sslkey) {
        (Some(certificate), Some(key)) => {
            Some((tls::certificates(&path(certificate))?, tls::private_key(&path(key))?))
        }
        (None, None) => None,
        (Some(_), None) => {
            return Err((
                "sslcert is given without sslkey".to_owned(),
                Some("add sslkey=PATH".to_owned()),
            ));
        }
        (None, Some(_)) => {
            return Err((
                "sslkey is given without sslcert".to_owned(),
                Some("add sslcert=PATH".to_owned()),
            ));
        }
    };
    tls::client(ClientMaterial { sslmode: info.sslmode, given, system, own })
}

/// The password of the URL's user: from the URL, a file, a variable, or a password file of libpq.
fn password(
    context: &Context<'_>,
    draft: &DraftUpstream,
    info: &ConnInfo,
    url_at: &At,
) -> (Option<Secret>, OwnLogin) {
    let in_url = info.password.as_ref().map(|_| url_at);
    let others = [&draft.password_file, &draft.password_env];
    let given = others.into_iter().flatten().map(|given| &given.at);
    let places: Vec<&At> = in_url.into_iter().chain(given).collect();
    if let [_, .., last] = places.as_slice() {
        let message = format!("upstream \"{}\" has more than one password", draft.name.value);
        context.report.fault(last, message, "keep one of url, password_file and password_env");
        return (None, OwnLogin::Unknown);
    }
    let Some(user) = &info.user else {
        if let [at] = places.as_slice() {
            let message = format!("upstream \"{}\" has a password and no user", draft.name.value);
            context.report.fault(at, message, "write postgresql://USER@HOST… in url");
            return (None, OwnLogin::Unknown);
        }
        return (None, OwnLogin::NoUser);
    };
    let found = match (&draft.password_file, &draft.password_env) {
        (Some(file), _) => super::users::from_file(context, file),
        (None, Some(variable)) => {
            super::users::from_variable(context, "password_env", "DB_PASSWORD", variable)
        }
        (None, None) => match &info.password {
            Some(password) if password.is_empty() => return (None, OwnLogin::Ready),
            Some(password) => Some(Secret(password.clone())),
            None => return from_pgpass(context, info, user),
        },
    };
    let login = if found.is_some() { OwnLogin::Ready } else { OwnLogin::Unknown };
    (found, login)
}

fn from_pgpass(context: &Context<'_>, info: &ConnInfo, user: &str) -> (Option<Secret>, OwnLogin) {
    let path = match &info.passfile {
        Some(written) => Some(context.draft.path(written)),
        None => password_files::pgpass_path(context.variables),
    };
    let wanted = Wanted { host: &info.host, port: info.port, dbname: &info.dbname, user };
    let found = path.map_or(Found::Nothing, |path| password_files::pgpass(&path, wanted));
    // a certificate proves the user; local servers often ask for nothing (peer, trust)
    let needless = info.sslcert.is_some() || is_local_host(&info.host);
    match found {
        Found::Password(password) => (Some(password), OwnLogin::Ready),
        Found::Nothing | Found::Ignored(_) if needless => (None, OwnLogin::Ready),
        Found::Nothing => (None, OwnLogin::NoPassword { pgpass: None }),
        Found::Ignored(why) => (None, OwnLogin::NoPassword { pgpass: Some(why) }),
    }
}
