//! Connection strings as libpq splits them: `postgresql://…` URLs and `keyword=value` strings
//! (PostgreSQL manual, 34.1.1; `conninfo_uri_parse_options` and `conninfo_parse` in fe-connect.c).
//!
//! Only splitting and decoding happen here; `conninfo` knows what the parameters mean. Messages
//! never quote the string: any part of it may turn out to be a password.

use percent_encoding::percent_decode_str;

/// Parameters in the order given; of several with one name, libpq uses the last.
pub(super) type Parameters = Vec<(String, String)>;

/// Why a string cannot be split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) message: String,
    pub(super) hint: String,
}

fn malformed<T>(message: &str, hint: &str) -> Result<T, Malformed> {
    Err(Malformed { message: message.to_owned(), hint: hint.to_owned() })
}

/// What a whole URL looks like.
const FORM: &str = "write \"postgresql://USER@HOST:5432/DATABASE\"";

/// Splits either form.
///
/// # Errors
/// The first thing that libpq would refuse, or a form that other drivers use.
pub(super) fn split(text: &str) -> Result<Parameters, Malformed> {
    if let Some(rest) =
        ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme))
    {
        return split_url(rest);
    }
    let scheme = text.split("://").next().filter(|scheme| scheme.len() < text.len());
    match scheme {
        Some(scheme) if scheme.starts_with("jdbc:") => {
            malformed("a JDBC URL is not a PostgreSQL URL", "leave \"jdbc:\" away")
        }
        Some(scheme) if scheme.starts_with("postgres") && scheme.contains('+') => malformed(
            "the driver's name in the scheme is SQLAlchemy's, not PostgreSQL's",
            "begin it with \"postgresql://\"",
        ),
        Some(scheme) if !scheme.contains('=') => {
            malformed("the scheme is not \"postgresql\"", "begin it with \"postgresql://\"")
        }
        _ if text.contains('=') => split_keywords(text),
        _ => malformed("neither a URL nor a \"keyword=value\" string", FORM),
    }
}

/// What follows the scheme: `[user[:password]@][host[:port],…][/dbname][?parameter=value&…]`.
fn split_url(text: &str) -> Result<Parameters, Malformed> {
    let mut found = Vec::new();
    let mut rest = text;
    // credentials end at the first "@", unless a "/" comes before it
    if let Some(at) = text.find(['@', '/']).filter(|at| text[*at..].starts_with('@')) {
        let (user, password) = match text[..at].split_once(':') {
            Some((user, password)) => (user, password),
            None => (&text[..at], ""),
        };
        push(&mut found, "user", user)?;
        push(&mut found, "password", password)?;
        rest = &text[at + 1..];
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    hosts(&mut found, authority)?;
    let (dbname, query) = match path.strip_prefix('/') {
        Some(path) => match path.split_once('?') {
            Some((dbname, query)) => (dbname, query),
            None => (path, ""),
        },
        None => ("", path.strip_prefix('?').unwrap_or_default()),
    };
    push(&mut found, "dbname", dbname)?;
    if !query.is_empty() {
        for parameter in query.split('&') {
            let Some((name, value)) = parameter.split_once('=') else {
                return malformed("a parameter behind \"?\" has no \"=\"", ENCODE);
            };
            if value.contains('=') {
                return malformed("a parameter behind \"?\" has a second \"=\"", "write it as %3D");
            }
            match (decode(name)?.as_str(), decode(value)?) {
                // as libpq does for JDBC's sake
                ("ssl", value) if value == "true" => {
                    found.push(("sslmode".to_owned(), "require".to_owned()));
                }
                (name, value) => found.push((name.to_owned(), value)),
            }
        }
    }
    Ok(found)
}

const ENCODE: &str = "in user, password and values write ? as %3F, / as %2F, @ as %40, & as %26";

/// `host[:port],…`, an IPv6 address in brackets.
fn hosts(found: &mut Parameters, authority: &str) -> Result<(), Malformed> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    let mut rest = authority;
    loop {
        let (host, after) = match rest.strip_prefix('[') {
            Some(inner) => match inner.split_once(']') {
                Some(("", _)) | None => {
                    return malformed("the IPv6 address in \"[\" is not closed by \"]\"", FORM);
                }
                Some(parts) => parts,
            },
            None => rest.split_at(rest.find([':', ',']).unwrap_or(rest.len())),
        };
        let end = after.find(',').unwrap_or(after.len());
        let port = match &after[..end] {
            "" => "",
            port => match port.strip_prefix(':') {
                Some(port) => port,
                None => return malformed("the host is followed by neither \":\" nor \"/\"", FORM),
            },
        };
        hosts.push(host);
        ports.push(port);
        if end == after.len() {
            break;
        }
        rest = &after[end + 1..];
    }
    push(found, "host", &hosts.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        push(found, "port", &ports.join(","))?;
    }
    Ok(())
}

fn push(found: &mut Parameters, name: &str, raw: &str) -> Result<(), Malformed> {
    if !raw.is_empty() {
        found.push((name.to_owned(), decode(raw)?));
    }
    Ok(())
}

/// Percent-decoding; unlike in a web form, `+` is itself.
fn decode(raw: &str) -> Result<String, Malformed> {
    let bytes = raw.as_bytes();
    for (at, _) in raw.match_indices('%') {
        match bytes.get(at + 1..at + 3) {
            Some(b"00") => return malformed("%00 has no place in a URL", "remove %00"),
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => {
                return malformed(
                    "\"%\" is not followed by two hexadecimal digits",
                    "write % as %25",
                );
            }
        }
    }
    match percent_decode_str(raw).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => malformed("a percent-encoded part is not UTF-8", "encode its UTF-8 bytes"),
    }
}

/// `keyword = value …`, values in single quotes where they have space, `\` escaping the next.
fn split_keywords(text: &str) -> Result<Parameters, Malformed> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (keyword, after) = rest.split_at(end);
        let Some(after) = after.trim_start().strip_prefix('=') else {
            return malformed(
                "a keyword is not followed by \"=\"",
                "put values with spaces in single quotes: options='-c a=b'",
            );
        };
        let (value, after) = keyword_value(after.trim_start())?;
        found.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(found)
}

/// One value and what follows it.
fn keyword_value(text: &str) -> Result<(String, &str), Malformed> {
    let quote = text.strip_prefix('\'');
    let body = quote.unwrap_or(text);
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quote.is_some() => return Ok((value, &body[at + 1..])),
            c if quote.is_none() && c.is_ascii_whitespace() => return Ok((value, &body[at..])),
            c => value.push(c),
        }
    }
    match quote {
        Some(_) => malformed("a value's single quote is not closed", "close it with '"),
        None => Ok((value, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        split(text).unwrap_or_else(|why| panic!("{text}: {}", why.message))
    }

    fn pairs<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn urls_are_split_as_libpq_splits_them() {
        // most are from PostgreSQL's own src/interfaces/libpq/t/001_uri.pl
        for (url, expected) in [
            (
                "postgresql://uri-user:secret@host:12345/db",
                &[
                    ("user", "uri-user"),
                    ("password", "secret"),
                    ("host", "host"),
                    ("port", "12345"),
                    ("dbname", "db"),
                ][..],
            ),
            (
                "postgresql://uri-user@host:12345/",
                &[("user", "uri-user"), ("host", "host"), ("port", "12345")],
            ),
            ("postgresql://host/db", &[("host", "host"), ("dbname", "db")]),
            ("postgresql:///db", &[("dbname", "db")]),
            ("postgresql://uri-user@/db", &[("user", "uri-user"), ("dbname", "db")]),
            ("postgres://", &[]),
            ("postgresql://host?user=uri-user", &[("host", "host"), ("user", "uri-user")]),
            ("postgresql://%68ost/", &[("host", "host")]),
            ("postgresql://[2001:db8::1234]:1/", &[("host", "2001:db8::1234"), ("port", "1")]),
            ("postgresql://[::1]", &[("host", "::1")]),
            ("postgresql:///?host=/path/to/socket/dir", &[("host", "/path/to/socket/dir")]),
            ("postgresql://%2Fvar%2Flib/dbname", &[("host", "/var/lib"), ("dbname", "dbname")]),
            (
                "postgresql://otheruser@/no/such/directory",
                &[("user", "otheruser"), ("dbname", "no/such/directory")],
            ),
            ("postgresql://host/db?u%7aer=x", &[("host", "host"), ("dbname", "db"), ("uzer", "x")]),
            ("postgresql://:secret@h", &[("password", "secret"), ("host", "h")]),
            ("postgresql://a:b:c@h", &[("user", "a"), ("password", "b:c"), ("host", "h")]),
            ("postgresql://a:p%40%2F%25@h", &[("user", "a"), ("password", "p@/%"), ("host", "h")]),
            (
                "postgresql://h/d?options=-c%20a%3Db+c",
                &[("host", "h"), ("dbname", "d"), ("options", "-c a=b+c")],
            ),
            ("postgresql://a:1,b:2/d", &[("host", "a,b"), ("port", "1,2"), ("dbname", "d")]),
            ("postgresql://a,b/d", &[("host", "a,b"), ("dbname", "d")]),
            (
                "postgresql://h/d?ssl=true",
                &[("host", "h"), ("dbname", "d"), ("sslmode", "require")],
            ),
            ("postgresql://h/d?port=", &[("host", "h"), ("dbname", "d"), ("port", "")]),
        ] {
            assert_eq!(found(url), pairs(expected), "{url}");
        }
    }

    #[test]
    fn keyword_strings_are_split_as_libpq_splits_them() {
        for (text, expected) in [
            ("host=h port=1", &[("host", "h"), ("port", "1")][..]),
            (" host = 'a b'  port= 2 ", &[("host", "a b"), ("port", "2")]),
            (r"password=a\'b\\c\ d user=''", &[("password", r"a'b\c d"), ("user", "")]),
            (r"options='-c a=b\'c'", &[("options", "-c a=b'c")]),
            ("host=", &[("host", "")]),
        ] {
            assert_eq!(found(text), pairs(expected), "{text}");
        }
    }

    #[test]
    fn what_libpq_refuses_is_refused() {
        for (text, message) in [
            ("postgresql://h/d?x", "a parameter behind \"?\" has no \"=\""),
            ("postgresql://h/d?a=b=c", "a parameter behind \"?\" has a second \"=\""),
            ("postgresql://h/%zz", "\"%\" is not followed by two hexadecimal digits"),
            ("postgresql://h/%1", "\"%\" is not followed by two hexadecimal digits"),
            ("postgresql://h/%00", "%00 has no place in a URL"),
            ("postgresql://h/%ff", "a percent-encoded part is not UTF-8"),
            ("postgresql://[::1", "the IPv6 address in \"[\" is not closed by \"]\""),
            ("postgresql://[]", "the IPv6 address in \"[\" is not closed by \"]\""),
            ("postgresql://[::1]z", "the host is followed by neither \":\" nor \"/\""),
            ("mysql://h/d", "the scheme is not \"postgresql\""),
            ("jdbc:postgresql://h/d", "a JDBC URL is not a PostgreSQL URL"),
            (
                "postgresql+asyncpg://h/d",
                "the driver's name in the scheme is SQLAlchemy's, not PostgreSQL's",
            ),
            ("localhost", "neither a URL nor a \"keyword=value\" string"),
            ("", "neither a URL nor a \"keyword=value\" string"),
            ("host=a b", "a keyword is not followed by \"=\""),
            ("host='a", "a value's single quote is not closed"),
        ] {
            assert_eq!(split(text).unwrap_err().message, message, "{text}");
        }
    }
}
