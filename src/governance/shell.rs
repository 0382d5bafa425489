//! What the gate found, as text for a POSIX shell's `eval`. Pure.
//!
//! A value can be a command in disguise and a report can be cut off: every value is quoted, and
//! what is not allowed becomes a command that ends the script.

use super::gate::Variables;
use crate::contract::parameter;

/// The words of the declarations: what `eval` sets, or unsets where they are not declared.
/// `DATABASE_URL` is a secret that the shell has already; it is never written.
const WORDS: [&str; 4] = ["DB_AUTHORITY", "DB_ENV", "DB_ROLE", "DB_VIA"];
/// The confirmation, and the only value that it is written with.
const CONFIRM: (&str, &str) = ("CONFIRM_PROD_MIGRATIONS", "true");

/// What `eval` runs where the gate said yes: the declarations, exported in the spelling that they
/// were judged by; and, where `DATABASE_URL` is declared to lead to a pgauthority, the session
/// parameters in `PGOPTIONS`, behind what is in it (`options`, as it came).
///
/// `migrations`: what was asked is whether migrations may run, so role prod's sessions confirm.
pub fn declarations(variables: &Variables, options: &[u8], migrations: bool) -> Vec<u8> {
    let value = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
    let mut script = Vec::new();
    let mut set = |name: &str, value: &[u8]| {
        if value.is_empty() {
            script.extend(format!("unset {name}\n").into_bytes());
        } else {
            script.extend(format!("export {name}=").into_bytes());
            script.extend(quoted(value));
            script.push(b'\n');
        }
    };
    for name in WORDS {
        set(name, value(name).as_bytes());
    }
    let (confirm, word) = CONFIRM;
    let confirmed = value(confirm).eq_ignore_ascii_case(word);
    set(confirm, if confirmed { word.as_bytes() } else { b"" });
    if value("DB_VIA") == "pgauthority" {
        let mut parameters = vec![
            (parameter::EXPECT_AUTHORITY, value("DB_AUTHORITY")),
            (parameter::EXPECT_ROLE, value("DB_ROLE")),
            (parameter::EXPECT_ENV, value("DB_ENV")),
        ];
        if migrations && confirmed && value("DB_ROLE") == "prod" {
            parameters.push((parameter::CONFIRM, "true"));
        }
        set("PGOPTIONS", &with_parameters(options, &parameters));
    }
    script
}

/// What `eval` runs where the gate did not say yes. The status of a command substitution is lost
/// in `eval "$(…)"`, with `set -e` too: so this ends a script by itself. It only fails in a shell
/// that somebody types into.
pub fn refusal(exit_code: u8) -> Vec<u8> {
    format!("case $- in *i*) (exit {exit_code}) ;; *) exit {exit_code} ;; esac\n").into_bytes()
}

/// In single quotes, within which a POSIX shell gives no character a meaning but the quote.
fn quoted(value: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in value {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// The options with these parameters in place of what an earlier `eval` put there: one that has
/// lapsed must not stay.
fn with_parameters(options: &[u8], parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for word in words(options) {
        if is_ours(word) && kept.last() == Some(&b"-c".as_slice()) {
            kept.pop();
        } else {
            kept.push(word);
        }
    }
    let mut text = kept.join(&b' ');
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend(format!("-c {name}={value}").into_bytes());
    }
    text
}

fn is_ours(word: &[u8]) -> bool {
    let names = [
        parameter::EXPECT_AUTHORITY,
        parameter::EXPECT_ROLE,
        parameter::EXPECT_ENV,
        parameter::CONFIRM,
    ];
    names.iter().any(|name| {
        word.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'='))
    })
}

/// The words of an options string as the server cuts them (`pg_split_opts`): at spaces that no
/// backslash stands before. Escapes stay as they are.
fn words(options: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, byte) in options.iter().enumerate() {
        if !escaped && byte.is_ascii_whitespace() {
            words.push(&options[start..at]);
            start = at + 1;
        }
        escaped = !escaped && *byte == b'\\';
    }
    words.push(&options[start..]);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn script(pairs: &[(&str, &str)], options: &str, migrations: bool) -> String {
        String::from_utf8(declarations(&variables(pairs), options.as_bytes(), migrations)).unwrap()
    }

    const PROD: [(&str, &str); 4] = [
        ("DB_AUTHORITY", "neon"),
        ("DB_ENV", "prod-like"),
        ("DB_ROLE", "prod"),
        ("CONFIRM_PROD_MIGRATIONS", "True"),
    ];

    #[test]
    fn what_is_declared_is_exported_and_what_is_not_is_unset() {
        let found = script(&[("DB_AUTHORITY", "local"), ("DB_ENV", "dev")], "-c a.b=c", true);
        assert_eq!(
            found,
            "export DB_AUTHORITY='local'\nexport DB_ENV='dev'\nunset DB_ROLE\nunset DB_VIA\n\
             unset CONFIRM_PROD_MIGRATIONS\n"
        );
        let found = script(&PROD, "", true);
        assert!(found.ends_with("export CONFIRM_PROD_MIGRATIONS='true'\n"), "{found}");
    }

    #[test]
    fn a_declared_pgauthority_gets_the_declarations() {
        let via = [PROD.as_slice(), &[("DB_VIA", "pgauthority")]].concat();
        let expected = "-c authority.expect_authority=neon -c authority.expect_role=prod -c \
                        authority.expect_env=prod-like";
        let confirmed = format!("{expected} -c authority.confirm_prod_migrations=true");
        let line = |script: String| script.lines().last().unwrap().to_owned();
        assert_eq!(line(script(&via, "", false)), format!("export PGOPTIONS='{expected}'"));
        assert_eq!(line(script(&via, "", true)), format!("export PGOPTIONS='{confirmed}'"));
        // what was there stays, what an earlier one set does not
        let before = format!("-c work_mem=1\\ MB {confirmed} --geqo=off");
        assert_eq!(
            line(script(&via, &before, false)),
            format!("export PGOPTIONS='-c work_mem=1\\ MB --geqo=off {expected}'")
        );
    }

    #[test]
    fn nothing_in_a_value_is_a_command() {
        assert_eq!(quoted(b"a'; rm -rf / #$(x)`y`\\\n"), b"'a'\\''; rm -rf / #$(x)`y`\\\n'");
    }
}
