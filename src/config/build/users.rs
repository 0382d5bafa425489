//! `[users]`: what the users that the proxy authenticates log in with.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::config::draft::DraftUser;
use crate::config::expand::is_variable_name;
use crate::config::fault::{At, Located};
use crate::config::model::{Secret, UserSecret};
use crate::config::password_files;
use crate::config::source::quoted;
use crate::net::scram::Verifier;

/// The users, and of whom no password could be taken.
#[derive(Default)]
pub(super) struct Users {
    secrets: BTreeMap<String, UserSecret>,
    /// Users whose line in the userlist holds an MD5 verifier, useless for SCRAM.
    md5: BTreeSet<String>,
    /// A fault about these users (or about where they would come from) has been noted.
    faulty: BTreeSet<String>,
    userlist_faulty: bool,
}

/// Whether a user can log in with SCRAM.
pub(super) enum Standing {
    /// There is a verifier or a password.
    Ready,
    /// The user is not known at all.
    Unknown,
    /// The user is known and has no password.
    NoPassword,
    /// There is an MD5 verifier only.
    Md5,
}

impl Users {
    pub(super) fn standing(&self, user: &str) -> Standing {
        let known = self.secrets.get(user);
        if known.is_some_and(|user| user.password.is_some()) || self.faulty.contains(user) {
            Standing::Ready
        } else if self.md5.contains(user) {
            Standing::Md5
        } else if known.is_some() {
            Standing::NoPassword
        } else if self.userlist_faulty {
            Standing::Ready
        } else {
            Standing::Unknown
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.secrets.keys().map(String::as_str)
    }

    pub(super) fn into_secrets(self) -> BTreeMap<String, UserSecret> {
        self.secrets
    }
}

/// Reads the userlist and the tables; a table wins over the line of the same name.
pub(super) fn build(context: &Context<'_>) -> Users {
    let mut users = Users::default();
    if let Some(file) = &context.draft.userlist {
        match password_files::userlist(&context.draft.path(&file.value)) {
            Ok(lines) => {
                lines.into_iter().for_each(|(name, secret)| take(&mut users, name, secret))
            }
            Err(message) => {
                users.userlist_faulty = true;
                context.report.note(&file.at, message, None);
            }
        }
    }
    for draft in &context.draft.users {
        let name = &draft.name.value;
        if name.is_empty() {
            context.report.note(&draft.name.at, "a user's name cannot be empty".to_owned(), None);
        }
        let password = match password(context, draft) {
            Ok(password) => password,
            Err(()) => {
                users.faulty.insert(name.clone());
                None
            }
        };
        let names = match &draft.certificate_names {
            Some(names) => names.value.iter().map(|name| name.value.clone()).collect(),
            None => BTreeSet::from([name.clone()]),
        };
        users.md5.remove(name);
        users.secrets.insert(name.clone(), UserSecret { password, certificate_names: names });
    }
    users
}

/// A user of the userlist. Whoever is never named by an entry may have what secret they like.
fn take(users: &mut Users, name: String, Secret(secret): Secret) {
    if is_md5(&secret) {
        users.md5.insert(name.clone());
    }
    let usable = judge(&secret).is_ok();
    let password = usable.then_some(Secret(secret));
    let certificate_names = BTreeSet::from([name.clone()]);
    users.secrets.insert(name, UserSecret { password, certificate_names });
}

/// The one password of a user's table, if there is one.
fn password(context: &Context<'_>, draft: &DraftUser) -> Result<Option<Secret>, ()> {
    let DraftUser { name, password, password_file, password_env, userlist, .. } = draft;
    let given: Vec<&Located<String>> =
        [password, password_file, password_env, userlist].into_iter().flatten().collect();
    if let [_, .., last] = given.as_slice() {
        let message = format!("user \"{}\" has more than one password", name.value);
        let hint = "keep one of password, password_file, password_env and userlist";
        context.report.fault(&last.at, message, hint);
        return Err(());
    }
    let [given] = given.as_slice() else { return Ok(None) };
    let secret = if password.is_some() {
        Some(Secret(given.value.clone()))
    } else if password_file.is_some() {
        from_file(context, given)
    } else if password_env.is_some() {
        from_variable(context, "password_env", "DB_PASSWORD", given)
    } else {
        from_userlist(context, given, &name.value)
    };
    let secret = secret.ok_or(())?;
    judge(&secret.0).map_err(|(message, hint)| {
        let message = format!("user \"{}\": {message}", name.value);
        context.report.fault(&given.at, message, hint);
    })?;
    Ok(Some(secret))
}

/// The secret of a file; a fault is noted where there is none.
pub(super) fn from_file(context: &Context<'_>, file: &Located<String>) -> Option<Secret> {
    let read = password_files::password_file(&context.draft.path(&file.value));
    read.map_err(|message| context.report.note(&file.at, message, None)).ok()
}

/// The secret of an environment variable; a fault is noted where there is none.
pub(super) fn from_variable(
    context: &Context<'_>,
    key: &str,
    example: &str,
    name: &Located<String>,
) -> Option<Secret> {
    let Located { value, at } = name;
    // whatever is no name may be the secret itself: it is not shown
    if !is_variable_name(value) {
        let message = format!("{key} is not the name of an environment variable");
        context.report.fault(at, message, format!("write {key} = \"{example}\""));
        return None;
    }
    let secret = (context.variables)(value).filter(|secret| !secret.is_empty());
    if secret.is_none() {
        let message = format!("environment variable {} is not set", quoted(value));
        context.report.fault(at, message, format!("export {value}=…"));
    }
    secret.map(Secret)
}

fn from_userlist(context: &Context<'_>, file: &Located<String>, user: &str) -> Option<Secret> {
    let note = |message| context.report.note(&file.at, message, None);
    let lines = password_files::userlist(&context.draft.path(&file.value)).map_err(note).ok()?;
    let secret = lines.get(user).cloned();
    if secret.is_none() {
        let message = format!("{} has no line for user \"{user}\"", quoted(&file.value));
        context.report.fault(&file.at, message, format!("add the line \"{user}\" \"SECRET\""));
    }
    secret
}

fn is_md5(secret: &str) -> bool {
    secret.strip_prefix("md5").is_some_and(|digest| {
        digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Whether a secret can serve SCRAM; never shows any of it.
fn judge(secret: &str) -> Result<(), (&'static str, &'static str)> {
    const VERIFIER: &str =
        "take it from the server: SELECT rolpassword FROM pg_authid WHERE rolname = 'USER'";
    if secret.is_empty() {
        Err(("the password is empty", "leave the key away for a user without one"))
    } else if is_md5(secret) {
        Err((
            "an MD5 verifier cannot serve SCRAM",
            "set the password again with \\password in psql",
        ))
    } else if secret.starts_with("SCRAM-SHA-256$") && Verifier::parse(secret).is_none() {
        Err(("the SCRAM verifier is malformed", VERIFIER))
    } else {
        Ok(())
    }
}

/// Names of a list, each once; a fault is noted for an empty list or name.
pub(super) fn names(
    context: &Context<'_>,
    key: &str,
    list: Option<&Located<Vec<Located<String>>>>,
) -> Option<BTreeSet<String>> {
    let list = list?;
    if list.value.is_empty() {
        let message = format!("\"{key}\" is empty: nobody could");
        context.report.fault(&list.at, message, format!("write {key} = [\"USER\"]"));
    }
    let empty = list.value.iter().find(|name| name.value.is_empty());
    if let Some(Located { at, .. }) = empty {
        let at: &At = at;
        context.report.note(at, "a user's name cannot be empty".to_owned(), None);
    }
    Some(list.value.iter().map(|name| name.value.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_judged() {
        assert!(judge("plain").is_ok());
        assert!(judge("md5 is not what it was").is_ok());
        assert!(judge("").is_err());
        assert!(judge(&format!("md5{}", "0".repeat(32))).is_err());
        assert!(judge("SCRAM-SHA-256$x").is_err());
        assert!(judge("SCRAM-SHA-256$4096:AAAA$AAAA:AAAA").is_err());
        let verifier = Verifier::from_password(b"x", b"0123456789abcdef", 4096).to_secret_text();
        assert!(judge(&verifier).is_ok());
    }
}
