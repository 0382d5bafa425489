//! The startup parameter `options`: command-line switches of a backend, read as PostgreSQL reads
//! them (`pg_split_opts`, then `getopt`, then `process_postgres_switches`), and written again.
//!
//! Everything a client can set by a switch comes out as settings, whichever of the many spellings
//! was used, so that whoever judges settings cannot be told anything in a dialect.

use bytes::Bytes;
use thiserror::Error;

/// Why `options` cannot be read; worded as PostgreSQL words it (SQLSTATE 42601).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// An unknown switch, a switch without its argument, or something that is no switch.
    #[error("invalid command-line argument for server process: {0}")]
    InvalidArgument(String),
    /// `-c name` or `--name`.
    #[error("{0} requires a value")]
    RequiresValue(String),
    /// A parameter's name that is not UTF-8: no such parameter can be declared or judged.
    #[error("invalid byte sequence for encoding \"UTF8\" in a parameter name")]
    NameEncoding,
}

/// A setting made by a switch: the name with dashes folded to underscores, its case as sent, and
/// the value.
pub type Switch = (String, Bytes);

/// `getopt`'s option string in PostgreSQL 15 to 18.
const WITHOUT_ARGUMENT: &[u8] = b"bEeFijlnOPsT";
const WITH_ARGUMENT: &[u8] = b"BcCDdfhkNprStvW-";

/// The settings that `options` makes, in the order PostgreSQL applies them.
///
/// Switches without an effect on a client's session (`-C`, `-D`, `-E`, …) make none, as in
/// PostgreSQL.
pub fn parse(options: &[u8]) -> Result<Vec<Switch>, OptionsError> {
    let arguments = split(options);
    let mut settings = Vec::new();
    let mut index = 0;
    while let Some(argument) = arguments.get(index) {
        index += 1;
        let letters = match argument.as_slice() {
            b"--" => break,
            [b'-', letters @ ..] if !letters.is_empty() => letters,
            _ => return Err(invalid(argument)),
        };
        for (at, &letter) in letters.iter().enumerate() {
            if WITHOUT_ARGUMENT.contains(&letter) {
                flag(letter, &mut settings);
                continue;
            }
            if !WITH_ARGUMENT.contains(&letter) {
                return Err(invalid(argument));
            }
            // the rest of this argument if there is any, else the next one, whatever it looks like
            let attached = &letters[at + 1..];
            let value = match attached.is_empty() {
                false => attached,
                true => {
                    let next = arguments.get(index).ok_or_else(|| invalid(argument))?;
                    index += 1;
                    next
                }
            };
            switch(letter, value, &mut settings)?.ok_or_else(|| invalid(argument))?;
            break;
        }
    }
    // getopt leaves what is no switch to the end; a backend takes none
    match arguments.get(index) {
        Some(left) => Err(invalid(left)),
        None => Ok(settings),
    }
}

fn invalid(argument: &[u8]) -> OptionsError {
    OptionsError::InvalidArgument(String::from_utf8_lossy(argument).into_owned())
}

/// `pg_split_opts`: whitespace separates, a backslash takes the next byte as it is.
fn split(options: &[u8]) -> Vec<Vec<u8>> {
    let mut arguments = Vec::new();
    let mut bytes = options.iter().copied().peekable();
    loop {
        while bytes.next_if(|&byte| is_space(byte)).is_some() {}
        if bytes.peek().is_none() {
            return arguments;
        }
        let mut argument = Vec::new();
        while let Some(byte) = bytes.next_if(|&byte| !is_space(byte)) {
            match byte {
                b'\\' => argument.extend(bytes.next()),
                byte => argument.push(byte),
            }
        }
        arguments.push(argument);
    }
}

/// C's `isspace` in the locale "C".
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// A switch without an argument.
fn flag(letter: u8, settings: &mut Vec<Switch>) {
    let (name, value) = match letter {
        b'e' => ("datestyle", "euro"),
        b'F' => ("fsync", "false"),
        b'i' => ("listen_addresses", "*"),
        b'l' => ("ssl", "true"),
        b'O' => ("allow_system_table_mods", "true"),
        b'P' => ("ignore_system_indexes", "true"),
        b's' => ("log_statement_stats", "true"),
        // -b -E -j are the postmaster's alone; -n and -T are obsolete
        _ => return,
    };
    settings.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
}

/// A switch with its argument; `None`: the argument is not one of the switch's words.
fn switch(
    letter: u8,
    value: &[u8],
    settings: &mut Vec<Switch>,
) -> Result<Option<()>, OptionsError> {
    let name = match letter {
        b'c' | b'-' => {
            settings.push(long_option(letter, value)?);
            return Ok(Some(()));
        }
        b'd' => {
            debug_options(value, settings);
            return Ok(Some(()));
        }
        b'f' => {
            let Some(name) = plan_disabling_option(value) else { return Ok(None) };
            settings.push((name.to_owned(), Bytes::from_static(b"false")));
            return Ok(Some(()));
        }
        b't' => {
            let Some(name) = stats_option(value) else { return Ok(None) };
            settings.push((name.to_owned(), Bytes::from_static(b"true")));
            return Ok(Some(()));
        }
        b'B' => "shared_buffers",
        b'h' => "listen_addresses",
        b'k' => "unix_socket_directories",
        b'N' => "max_connections",
        b'p' => "port",
        b'S' => "work_mem",
        b'W' => "post_auth_delay",
        // -C -D -r -v are the postmaster's alone
        _ => return Ok(Some(())),
    };
    settings.push((name.to_owned(), Bytes::copy_from_slice(value)));
    Ok(Some(()))
}

/// `ParseLongOption`: `name=value`, dashes in the name becoming underscores.
fn long_option(letter: u8, text: &[u8]) -> Result<Switch, OptionsError> {
    let Some(equals) = memchr::memchr(b'=', text) else {
        let name = String::from_utf8_lossy(text);
        return Err(OptionsError::RequiresValue(match letter {
            b'-' => format!("--{name}"),
            _ => format!("-c {name}"),
        }));
    };
    let name = std::str::from_utf8(&text[..equals]).map_err(|_| OptionsError::NameEncoding)?;
    Ok((name.replace('-', "_"), Bytes::copy_from_slice(&text[equals + 1..])))
}

/// `set_debug_options`, as far as it goes for a client.
fn debug_options(value: &[u8], settings: &mut Vec<Switch>) {
    let level = atoi(value);
    let messages = match level > 0 {
        true => Bytes::from(format!("debug{level}")),
        false => Bytes::from_static(b"notice"),
    };
    settings.push(("log_min_messages".to_owned(), messages));
    for (from, name, value) in [
        (2, "log_statement", "all"),
        (3, "debug_print_parse", "true"),
        (4, "debug_print_plan", "true"),
        (5, "debug_print_rewritten", "true"),
    ] {
        if level >= from {
            settings.push((name.to_owned(), Bytes::from_static(value.as_bytes())));
        }
    }
}

/// C's `atoi`: leading space, a sign, digits, and nothing said about the rest.
fn atoi(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i32, |sum, byte| sum.saturating_mul(10).saturating_add(i32::from(byte - b'0')));
    if negative { -value } else { value }
}

/// `set_plan_disabling_options`.
fn plan_disabling_option(value: &[u8]) -> Option<&'static str> {
    Some(match value.first()? {
        b's' => "enable_seqscan",
        b'i' => "enable_indexscan",
        b'o' => "enable_indexonlyscan",
        b'b' => "enable_bitmapscan",
        b't' => "enable_tidscan",
        b'n' => "enable_nestloop",
        b'm' => "enable_mergejoin",
        b'h' => "enable_hashjoin",
        _ => return None,
    })
}

/// `get_stats_option_name`.
fn stats_option(value: &[u8]) -> Option<&'static str> {
    Some(match value {
        [b'p', b'a', ..] => "log_parser_stats",
        [b'p', b'l', ..] => "log_planner_stats",
        [b'e', ..] => "log_executor_stats",
        _ => return None,
    })
}

/// A parameter's name that `-c name=value` cannot carry unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a parameter name with an equals sign or a dash cannot be written as an option")]
pub struct NameNotWritable;

/// Appends `-c name=value` to a value of `options`, escaped so that PostgreSQL, and [`parse`],
/// read back exactly this name and value.
pub fn append(options: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), NameNotWritable> {
    if name.contains(['=', '-', '\0']) || value.contains(&0) {
        return Err(NameNotWritable);
    }
    if !options.is_empty() {
        options.push(b' ');
    }
    options.extend_from_slice(b"-c ");
    for &byte in [name.as_bytes(), b"=", value].into_iter().flatten() {
        if byte == b'\\' || is_space(byte) {
            options.push(b'\\');
        }
        options.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(options: &str) -> Result<String, OptionsError> {
        let settings = parse(options.as_bytes())?;
        let settings = settings
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
        Ok(settings.collect::<Vec<_>>().join(";"))
    }

    #[test]
    fn every_spelling_of_a_setting_is_read() {
        for (options, settings) in [
            ("", ""),
            ("  \t ", ""),
            ("-c a.b=c", "a.b=c"),
            ("-ca.b=c", "a.b=c"),
            ("--a.b=c", "a.b=c"),
            ("-c a.b=", "a.b="),
            ("-c a.b=c=d", "a.b=c=d"),
            ("-c\u{b}a.b=c\r\n-c d.e=f", "a.b=c;d.e=f"),
            ("-c work-mem=64kB", "work_mem=64kB"),
            ("--WORK-mem=64kB", "WORK_mem=64kB"),
            ("-ec a.b=c", "datestyle=euro;a.b=c"),
            ("-esca.b=c", "datestyle=euro;log_statement_stats=true;a.b=c"),
            ("-e-a.b=c", "datestyle=euro;a.b=c"),
            ("-e- a.b=c", "datestyle=euro;a.b=c"),
            ("-c a.b=x\\ y", "a.b=x y"),
            ("-c a.b=x\\\\y", "a.b=x\\y"),
            ("-c a.b=\\x\\", "a.b=x"),
            ("\\-c a.\\b=c", "a.b=c"),
            ("-c a.b=c --", "a.b=c"),
            ("-c -c=x", "_c=x"),
            ("-fs -f n", "enable_seqscan=false;enable_nestloop=false"),
            (
                "-tpa -t planner -te",
                "log_parser_stats=true;log_planner_stats=true;log_executor_stats=true",
            ),
            ("-d 1", "log_min_messages=debug1"),
            ("-d0", "log_min_messages=notice"),
            ("-d2x", "log_min_messages=debug2;log_statement=all"),
            ("-S 100 -B 2 -D /x -n -T -b -j", "work_mem=100;shared_buffers=2"),
            ("-v 3 -r file -C x", ""),
            ("-O", "allow_system_table_mods=true"),
        ] {
            assert_eq!(read(options).as_deref(), Ok(settings), "{options:?}");
        }
    }

    #[test]
    fn what_postgres_refuses_is_refused() {
        for (options, message) in [
            ("x", "invalid command-line argument for server process: x"),
            ("-c", "invalid command-line argument for server process: -c"),
            ("-", "invalid command-line argument for server process: -"),
            ("-z", "invalid command-line argument for server process: -z"),
            ("-:", "invalid command-line argument for server process: -:"),
            ("-- -c a.b=c", "invalid command-line argument for server process: -c"),
            ("-c a.b=c x", "invalid command-line argument for server process: x"),
            ("\\", "invalid command-line argument for server process: "),
            ("-f x", "invalid command-line argument for server process: -f"),
            ("-t p", "invalid command-line argument for server process: -t"),
            ("-c a", "-c a requires a value"),
            ("--a", "--a requires a value"),
            ("-c \\", "-c  requires a value"),
        ] {
            assert_eq!(read(options).map_err(|e| e.to_string()), Err(message.to_owned()));
        }
        assert_eq!(parse(b"-c \xff=1"), Err(OptionsError::NameEncoding));
    }

    #[test]
    fn names_that_would_change_are_not_written() {
        assert_eq!(append(&mut Vec::new(), "a=b", b"c"), Err(NameNotWritable));
        assert_eq!(append(&mut Vec::new(), "a-b", b"c"), Err(NameNotWritable));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            settings in proptest::collection::vec(
                ("[a-zA-Z_.$ \\\\é]{0,9}", proptest::collection::vec(1u8.., 0..20)), 0..5)
        ) {
            let mut options = Vec::new();
            for (name, value) in &settings {
                append(&mut options, name, value).unwrap();
            }
            let expected: Vec<Switch> = settings
                .into_iter()
                .map(|(name, value)| (name, Bytes::from(value)))
                .collect();
            prop_assert_eq!(parse(&options), Ok(expected));
        }

        #[test]
        fn any_options_are_answered(options in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&options);
        }

        #[test]
        fn switches_of_all_kinds_are_answered(options in "[-bBcCdDeEfFhijklnNOpPrsStTvW =\\\\ax2]{0,40}") {
            let _ = parse(options.as_bytes());
        }
    }
}
