//! Files that hold secrets: `~/.pgpass` (libpq's), `userlist.txt` (PgBouncer's), `password_file`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::environment::Variables;
use super::model::Secret;

/// What a password file is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// What a password file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The password of the first line that matches.
    Password(Secret),
    /// No line matches, or there is no file.
    Nothing,
    /// It is not looked at: others may read it, or it is no plain file.
    Ignored(String),
}

/// Where libpq looks: `PGPASSFILE`, else `~/.pgpass`.
pub(super) fn pgpass_path(variables: Variables<'_>) -> Option<PathBuf> {
    let set = |name: &str| variables(name).filter(|value| !value.is_empty());
    set("PGPASSFILE").map(PathBuf::from).or_else(|| Some(Path::new(&set("HOME")?).join(".pgpass")))
}

/// Looks a password up as libpq does (PostgreSQL manual, 34.16).
pub(super) fn pgpass(path: &Path, wanted: Wanted<'_>) -> Found {
    let Ok(metadata) = fs::metadata(path) else { return Found::Nothing };
    let shown = path.display();
    if !metadata.is_file() {
        return Found::Ignored(format!("{shown} is ignored: it is not a plain file"));
    }
    if metadata.mode() & 0o077 != 0 {
        let why = "it is ignored while group or others may read it";
        return Found::Ignored(format!("chmod 0600 {shown}: {why}"));
    }
    match fs::read_to_string(path) {
        Ok(text) => lookup(&text, wanted).map_or(Found::Nothing, Found::Password),
        Err(error) => Found::Ignored(cannot_read(path, &error)),
    }
}

/// The password of the first matching `host:port:database:user:password` line.
fn lookup(text: &str, wanted: Wanted<'_>) -> Option<Secret> {
    // a socket in libpq's default folder goes by "localhost"
    let host = match wanted.host.trim_end_matches('/') {
        "/var/run/postgresql" | "/run/postgresql" | "/tmp" => "localhost",
        _ => wanted.host,
    };
    let port = wanted.port.to_string();
    let fields = [host, port.as_str(), wanted.dbname, wanted.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for field in fields {
            rest = matched(rest, field)?;
        }
        let password = unescape(rest);
        (!password.is_empty()).then_some(Secret(password))
    })
}

/// What follows a field and its colon, if the field is `*` or says what is wanted.
fn matched<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut wanted = wanted.chars();
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        let character = match character {
            ':' => return wanted.next().is_none().then(|| &line[at + 1..]),
            '\\' => characters.next().map_or('\\', |(_, escaped)| escaped),
            plain => plain,
        };
        if wanted.next() != Some(character) {
            return None;
        }
    }
    None
}

/// The last field: up to the end of the line or an unescaped colon.
fn unescape(field: &str) -> String {
    let mut plain = String::new();
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => break,
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// The secret of a `password_file`: its text without the final line break.
///
/// # Errors
/// What is wrong with the file, without its content.
pub(super) fn password_file(path: &Path) -> Result<Secret, String> {
    let text = read(path)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    match secret {
        "" => Err(format!("\"{}\" is empty", path.display())),
        secret if secret.contains(['\n', '\0']) => {
            Err(format!("\"{}\" has more than one line", path.display()))
        }
        secret => Ok(Secret(secret.to_owned())),
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| cannot_read(path, &error))
}

/// `cannot read "x": no such file or directory`.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string().to_lowercase(),
    };
    format!("cannot read \"{}\": {why}", path.display())
}

/// The users of a `userlist.txt`.
///
/// # Errors
/// The first line that is not `"user" "secret"`, by its number; never its content.
pub(super) fn userlist(path: &Path) -> Result<BTreeMap<String, Secret>, String> {
    let text = read(path)?;
    let mut users = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let parts =
            quoted(line).and_then(|(user, rest)| Some((user, quoted(rest.trim_start())?.0)));
        let Some((user, secret)) = parts.filter(|(user, _)| !user.is_empty()) else {
            let (path, number) = (path.display(), index + 1);
            return Err(format!("{path}:{number} is not \"user\" \"secret\""));
        };
        users.entry(user).or_insert(Secret(secret));
    }
    Ok(users)
}

/// A part in double quotes, a doubled one standing for itself, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut plain = String::new();
    loop {
        let end = rest.find('"')?;
        plain.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                plain.push('"');
                rest = after;
            }
            None => return Some((plain, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WANTED: Wanted<'_> = Wanted { host: "h", port: 5432, dbname: "d", user: "u" };

    fn password(text: &str, wanted: Wanted<'_>) -> Option<String> {
        lookup(text, wanted).map(|Secret(password)| password)
    }

    #[test]
    fn the_first_matching_line_wins() {
        let text = "# h:5432:d:u:comment\nx:5432:d:u:no\nh:5432:d:u:yes\n*:*:*:*:late\n";
        assert_eq!(password(text, WANTED).as_deref(), Some("yes"));
        assert_eq!(password(text, Wanted { user: "v", ..WANTED }).as_deref(), Some("late"));
        assert_eq!(password("h:5432:d:u", WANTED), None);
        assert_eq!(password("h:5432:d:uu:x\nhh:5432:d:u:x\nh:543:d:u:x", WANTED), None);
    }

    #[test]
    fn backslashes_escape() {
        let wanted = Wanted { host: "::1", user: r"a\b", ..WANTED };
        assert_eq!(password(r"\:\:1:5432:*:a\\b:p\:q\\r", wanted).as_deref(), Some(r"p:q\r"));
        assert_eq!(
            password(r"\*:5432:d:u:x", Wanted { host: "*", ..WANTED }).as_deref(),
            Some("x")
        );
    }

    #[test]
    fn the_default_socket_is_localhost() {
        let wanted = Wanted { host: "/run/postgresql", ..WANTED };
        assert_eq!(password("localhost:*:*:*:x", wanted).as_deref(), Some("x"));
        let wanted = Wanted { host: "/srv/pg", ..WANTED };
        assert_eq!(password("localhost:*:*:*:x\n/srv/pg:*:*:*:y", wanted).as_deref(), Some("y"));
    }

    #[test]
    fn a_file_that_others_may_read_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        assert_eq!(pgpass(&path, WANTED), Found::Nothing);
        fs::write(&path, "*:*:*:*:x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let Found::Ignored(why) = pgpass(&path, WANTED) else { panic!("not ignored") };
        assert!(why.starts_with("chmod 0600 "), "{why}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(pgpass(&path, WANTED), Found::Password(Secret("x".to_owned())));
        assert!(matches!(pgpass(folder.path(), WANTED), Found::Ignored(_)));
    }

    #[test]
    fn the_path_is_libpqs() {
        let both = |name: &str| match name {
            "PGPASSFILE" => Some("/etc/pgpass".to_owned()),
            "HOME" => Some("/home/x".to_owned()),
            _ => None,
        };
        assert_eq!(pgpass_path(&both), Some(PathBuf::from("/etc/pgpass")));
        let home = |name: &str| both(name).filter(|_| name == "HOME");
        assert_eq!(pgpass_path(&home), Some(PathBuf::from("/home/x/.pgpass")));
        assert_eq!(pgpass_path(&|_| None), None);
    }

    #[test]
    fn a_password_file_loses_its_final_line_break_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, expected) in [("x\n", Some("x")), (" x \r\n", Some(" x ")), ("x", Some("x"))] {
            fs::write(&path, text).unwrap();
            assert_eq!(password_file(&path).ok(), expected.map(|x| Secret(x.to_owned())));
        }
        for text in ["", "\n", "hunter2\nhunter2"] {
            fs::write(&path, text).unwrap();
            assert!(!password_file(&path).unwrap_err().contains("hunter2"));
        }
    }

    #[test]
    fn userlists_are_pgbouncers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("userlist.txt");
        fs::write(&path, "; comment\n\n\"nova\" \"s\"\"x\"\n\"a b\"  \"\" rest\n\"nova\" \"t\"\n")
            .unwrap();
        let users = userlist(&path).unwrap();
        assert_eq!(users.get("nova"), Some(&Secret("s\"x".to_owned())));
        assert_eq!(users.get("a b"), Some(&Secret(String::new())));
        for line in ["nova hunter2", "\"nova\"", "\"nova\" \"hunter2", "\"\" \"hunter2\""] {
            fs::write(&path, line).unwrap();
            let message = userlist(&path).unwrap_err();
            assert!(message.contains(":1 is not") && !message.contains("hunter2"), "{message}");
        }
    }
}
