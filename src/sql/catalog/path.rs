//! Where unqualified names are looked for: `search_path`.

use std::sync::Arc;

/// What is known of a session's `search_path`.
///
/// Which schemas, not in which order: one that the user may not use is passed over by the server,
/// so the first match cannot be told and every schema of the path counts. `pg_catalog` and the
/// session's temporary schema count always.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// These schemas.
    Known(Arc<[Box<str>]>),
    /// Any schema.
    Unknown,
}

impl Path {
    /// The path that a value of `search_path` stands for. `user`: what `$user` means, where it is
    /// certain (`SET ROLE` changes it); `$user` stays in it besides. A value that the server would
    /// refuse is unknown.
    pub fn of_setting(value: &str, user: Option<&str>) -> Path {
        let mut schemas: Vec<Box<str>> = Vec::new();
        let Some(names) = names(value) else { return Path::Unknown };
        for name in names {
            match (&*name, user) {
                ("$user", Some(user)) => schemas.extend([user.into(), name]),
                ("$user", None) => return Path::Unknown,
                _ => schemas.push(name),
            }
        }
        schemas.sort_unstable();
        schemas.dedup();
        Path::Known(schemas.into())
    }

    /// It is another one for another role.
    pub(super) fn depends_on_role(&self) -> bool {
        matches!(self, Path::Known(schemas) if schemas.iter().any(|known| &**known == "$user"))
    }

    /// Whether a name without a schema may be looked for in this one.
    pub(super) fn has(&self, schema: &str) -> bool {
        match self {
            Path::Unknown => true,
            Path::Known(schemas) => {
                schema == "pg_catalog" || schemas.iter().any(|known| **known == *schema)
            }
        }
    }
}

/// The identifiers of a list as `SplitIdentifierString` reads it: quoted ones as they are, others
/// folded (ASCII letters; a letter beyond makes the answer depend on the server, so `None`).
fn names(value: &str) -> Option<Vec<Box<str>>> {
    let mut rest = value.trim_ascii();
    let mut names = Vec::new();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let (name, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => {
                let end =
                    rest.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(rest.len());
                let (word, behind) = rest.split_at_checked(end)?;
                if word.is_empty() || !word.is_ascii() {
                    return None;
                }
                (word.to_ascii_lowercase(), behind)
            }
        };
        names.push(cut(name)?);
        rest = behind.trim_ascii_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_ascii_start(),
            None if rest.is_empty() => return Some(names),
            None => return None,
        }
    }
}

/// A name behind its opening quote, and what follows the closing one.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        name.push_str(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// The server cuts names to 63 bytes.
fn cut(name: String) -> Option<Box<str>> {
    match name.len() <= 63 {
        true => Some(name.into()),
        false if name.is_ascii() => name.get(..63).map(Into::into),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_as_the_server_reads_it() {
        let known = |value: &str| match Path::of_setting(value, Some("Joe")) {
            Path::Known(schemas) => Some(schemas.iter().map(|s| s.to_string()).collect::<Vec<_>>()),
            Path::Unknown => None,
        };
        let list = |names: &[&str]| Some(names.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(known("\"$user\", public"), list(&["$user", "Joe", "public"]));
        assert_eq!(known("$user,PUBLIC , \"A \"\"b\""), list(&["$user", "A \"b", "Joe", "public"]));
        assert_eq!(known(""), list(&[]));
        assert_eq!(known("\"\""), list(&[""]));
        for refused in ["a,", ",a", "a b", "\"a", "\"a\"b", "É"] {
            assert_eq!(known(refused), None, "{refused}");
        }
        assert_eq!(Path::of_setting("\"$user\"", None), Path::Unknown);
        assert_eq!(known(&"x".repeat(70)), list(&[&"x".repeat(63)]));
        let path = Path::of_setting("a", None);
        assert!(path.has("a") && path.has("pg_catalog") && !path.has("b"));
    }
}
