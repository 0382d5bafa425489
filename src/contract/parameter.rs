//! The `authority.*` session parameters (contract §2): which a client sets, which the proxy does;
//! and `pgauthority.*`, where the proxy speaks to the backstop and no client does.

use super::{Authority, Environment, Role};

/// The namespace, in PostgreSQL's custom parameters.
pub const PREFIX: &str = "authority.";
/// The namespace of what the proxy says to the backstop: nobody's to set but the proxy's.
pub const BACKSTOP_PREFIX: &str = "pgauthority.";
/// A true boolean confirms what needs a confirmation.
pub const CONFIRM: &str = "authority.confirm_prod_migrations";
/// Free text recorded with every audit event.
pub const TICKET: &str = "authority.ticket";
/// The declared task.
pub const TASK: &str = "authority.task";
/// Assertions: a mismatch with the upstream refuses.
pub const EXPECT_AUTHORITY: &str = "authority.expect_authority";
/// See [`EXPECT_AUTHORITY`].
pub const EXPECT_ROLE: &str = "authority.expect_role";
/// See [`EXPECT_AUTHORITY`].
pub const EXPECT_ENV: &str = "authority.expect_env";
/// The tags: the proxy alone sets them.
pub const TAGS: [&str; 4] =
    ["authority.upstream", "authority.authority", "authority.role", "authority.env"];
/// The longest `authority.ticket`, in characters.
pub const TICKET_LIMIT: usize = 200;

/// What a name of the namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// [`CONFIRM`].
    Confirm,
    /// [`TICKET`].
    Ticket,
    /// [`TASK`].
    Task,
    /// [`EXPECT_AUTHORITY`].
    ExpectAuthority,
    /// [`EXPECT_ROLE`].
    ExpectRole,
    /// [`EXPECT_ENV`].
    ExpectEnv,
    /// One of [`TAGS`], or of the namespace [`BACKSTOP_PREFIX`]: the proxy alone sets it.
    Tag,
    /// Any other name of the namespace.
    Undefined,
}

impl Parameter {
    /// Recognises a parameter's name without regard to case; `None` outside the namespaces.
    pub fn from_name(name: &str) -> Option<Parameter> {
        let within = |namespace: &str| {
            let prefix = name.as_bytes().get(..namespace.len());
            prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(namespace.as_bytes()))
        };
        if within(BACKSTOP_PREFIX) {
            return Some(Parameter::Tag);
        }
        if !within(PREFIX) {
            return None;
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        Some(match () {
            () if is(CONFIRM) => Parameter::Confirm,
            () if is(TICKET) => Parameter::Ticket,
            () if is(TASK) => Parameter::Task,
            () if is(EXPECT_AUTHORITY) => Parameter::ExpectAuthority,
            () if is(EXPECT_ROLE) => Parameter::ExpectRole,
            () if is(EXPECT_ENV) => Parameter::ExpectEnv,
            () if TAGS.iter().any(|tag| is(tag)) => Parameter::Tag,
            () => Parameter::Undefined,
        })
    }

    /// The values it takes, where they are a closed list; for hints.
    pub fn values(self) -> Option<Vec<&'static str>> {
        match self {
            Parameter::Confirm => Some(vec!["true", "false"]),
            Parameter::ExpectAuthority => Some(words(Authority::ALL, |word| word.as_str())),
            Parameter::ExpectRole => Some(words(Role::ALL, |word| word.as_str())),
            Parameter::ExpectEnv => Some(words(Environment::ALL, |word| word.as_str())),
            Parameter::Ticket | Parameter::Task | Parameter::Tag | Parameter::Undefined => None,
        }
    }
}

/// The parameters that a client may set, in the order the documentation lists them.
pub const SETTABLE: [&str; 6] = [TASK, CONFIRM, TICKET, EXPECT_AUTHORITY, EXPECT_ROLE, EXPECT_ENV];

/// The settable parameter nearest to an undefined name of the namespace, for a hint.
pub fn nearest(name: &str) -> Option<&'static str> {
    super::nearest(name, SETTABLE)
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|value| word(*value)).collect()
}

/// Reads a boolean as PostgreSQL's `parse_bool` does: unique prefixes of true, false, yes, no; on,
/// off (and `of`); 1, 0; case does not matter. `None` for anything else.
pub fn boolean(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let prefix_of = |word: &str| !value.is_empty() && word.starts_with(value.as_str());
    match value.as_str() {
        "1" | "on" => Some(true),
        "0" | "off" | "of" => Some(false),
        _ if prefix_of("true") || prefix_of("yes") => Some(true),
        _ if prefix_of("false") || prefix_of("no") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_postgresqls() {
        for word in ["1", "t", "T", "tr", "tRu", "TRUE", "y", "ye", "yes", "on", "ON"] {
            assert_eq!(boolean(word), Some(true), "{word}");
        }
        for word in ["0", "f", "fa", "fal", "fals", "FALSE", "n", "No", "of", "oF", "off"] {
            assert_eq!(boolean(word), Some(false), "{word}");
        }
        for word in ["", "o", "O", "truee", "2", " true", "no ", "ok", "offf", "10", "01", "nö"] {
            assert_eq!(boolean(word), None, "{word}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        assert_eq!(Parameter::from_name("Authority.ROLE"), Some(Parameter::Tag));
        assert_eq!(Parameter::from_name("authority.x"), Some(Parameter::Undefined));
        assert_eq!(Parameter::from_name("PGauthority.Token"), Some(Parameter::Tag));
        assert_eq!(Parameter::from_name("pgauthority"), None);
        assert_eq!(Parameter::from_name("authority"), None);
        assert_eq!(Parameter::from_name("authorıty.task"), None);
        assert_eq!(Parameter::from_name("search_path"), None);
    }

    #[test]
    fn every_settable_name_is_defined() {
        for name in SETTABLE {
            let parameter = Parameter::from_name(name).unwrap();
            assert!(!matches!(parameter, Parameter::Tag | Parameter::Undefined), "{name}");
        }
        assert_eq!(Parameter::ExpectRole.values().unwrap(), ["staging", "prod", "replica"]);
    }

    #[test]
    fn a_slip_is_told_its_name() {
        assert_eq!(nearest("authority.confirm_prod_migration"), Some(CONFIRM));
        assert_eq!(nearest("authority.frobnicate"), None);
    }
}
