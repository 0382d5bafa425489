//! Client encodings in which a byte of a character can be a backslash or a quote: the proxy that
//! reads them as ASCII would see a literal go on where the server sees it end. By each route that
//! sets one, and the settings of a whole database.

use super::attack::{Attack, assault, attack, made, messages};
use super::ground::Ground;
use super::support::wire::Frames;

const GONE: &str = "-relation public.victims";

macro_rules! by {
    ($($part:literal),+) => {
        concat!($($part),+).as_bytes().to_vec()
    };
}

macro_rules! text {
    ($character:literal) => {
        [&b"SELECT E'"[..], $character, b"', public.drop_it() --'"].concat()
    };
}

/// The attacks in one encoding; a character of which the second byte is a backslash, where there is
/// one.
macro_rules! encoding {
    ($name:literal, $alias:literal, $character:literal) => {
        [
            made(
                concat!($name, " by SET"),
                || vec![by!("SET client_encoding = '", $name, "'"), text!($character)],
                GONE,
            ),
            made(
                concat!($name, " by SET NAMES, another of its names"),
                || vec![by!("SET NAMES '", $alias, "'"), text!($character)],
                GONE,
            ),
            made(
                concat!($name, " by SET LOCAL"),
                || {
                    vec![
                        b"BEGIN".to_vec(),
                        by!("SET LOCAL client_encoding = '", $name, "'"),
                        text!($character),
                        b"COMMIT".to_vec(),
                    ]
                },
                GONE,
            ),
            made(
                concat!($name, " by a computed set_config"),
                || {
                    vec![
                        by!("SELECT set_config('client_' || 'encoding', '", $name, "', false)"),
                        text!($character),
                    ]
                },
                GONE,
            ),
            made(
                concat!($name, " by a routine"),
                || vec![by!("SELECT switch('client_encoding', '", $name, "')"), text!($character)],
                GONE,
            ),
            made(concat!($name, " at startup"), || vec![text!($character)], GONE)
                .login(|login| login.parameter("client_encoding", $name)),
            made(concat!($name, " in startup options"), || vec![text!($character)], GONE)
                .login(|login| login.options(concat!("-c client_encoding=", $alias))),
        ]
    };
}

/// Every encoding of PostgreSQL's that is for clients only, since its bytes lie.
pub const ATTACKS: &[[Attack; 7]] = &[
    encoding!("SJIS", "Windows-932", b"\x95\x5c"),
    encoding!("SHIFT_JIS_2004", "ShiftJIS2004", b"\x83\x5c"),
    encoding!("BIG5", "win950", b"\xa5\x5c"),
    encoding!("GBK", "Windows-936", b"\xbf\x5c"),
    // no character of these two has one
    encoding!("UHC", "win949", b"\x81\x41"),
    encoding!("JOHAB", "johab", b"\x88\xa1"),
    encoding!("GB18030", "gb18030", b"\x81\x5c"),
];

/// By code in the database, which the text does not show.
pub const BY_CODE: &[Attack] = &[
    made(
        "Shift JIS by a routine's SET",
        || vec![by!("SELECT sjis_it()"), text!(b"\x95\x5c")],
        GONE,
    ),
    made(
        "Shift JIS by a trigger",
        || vec![by!("INSERT INTO sjis_table SELECT 1 WHERE false"), text!(b"\x95\x5c")],
        GONE,
    ),
    made("Shift JIS by a view", || vec![by!("TABLE sjis_view"), text!(b"\x95\x5c")], GONE),
    made("Shift JIS by CALL", || vec![by!("CALL sjis_procedure()"), text!(b"\x95\x5c")], GONE),
    made(
        "Shift JIS by a trigger, behind a read",
        || {
            vec![
                by!("INSERT INTO sjis_table SELECT 1 WHERE false"),
                by!("SELECT 1"),
                text!(b"\x95\x5c"),
            ]
        },
        GONE,
    ),
    made(
        "Shift JIS by a trigger in a transaction",
        || {
            vec![
                by!("BEGIN"),
                by!("INSERT INTO sjis_table SELECT 1 WHERE false"),
                text!(b"\x95\x5c"),
                by!("COMMIT"),
            ]
        },
        GONE,
    ),
    made(
        "Shift JIS by a trigger, and a savepoint that is rolled back to",
        || {
            vec![
                by!("BEGIN"),
                by!("INSERT INTO sjis_table SELECT 1 WHERE false"),
                by!("SAVEPOINT s"),
                by!("SET client_encoding = 'UTF8'"),
                by!("ROLLBACK TO s"),
                text!(b"\x95\x5c"),
                by!("COMMIT"),
            ]
        },
        GONE,
    ),
    attack(
        "GBK by a trigger, half a character an operator",
        &["INSERT INTO gbk_table SELECT 1 WHERE false", "SELECT あ@(1)"],
        GONE,
    ),
    attack(
        "GBK by a trigger, half a character an operator of a query in a literal",
        &[
            "INSERT INTO gbk_table SELECT 1 WHERE false",
            "SELECT query_to_xml('SELECT あ@(1)', true, true, '')",
        ],
        GONE,
    ),
    attack(
        "GBK by a trigger, half a character an operator of a DO block",
        &["INSERT INTO gbk_table SELECT 1 WHERE false", "DO $$ BEGIN PERFORM あ@(1); END $$"],
        GONE,
    ),
    messages(
        "Shift JIS by a routine and the fastpath",
        |ground| {
            let oid = ground.value("SELECT 'sjis_it()'::regprocedure::oid").parse().unwrap();
            let text = text!(b"\x95\x5c");
            vec![Frames::new().function_call(oid, &[]).query_bytes(&text)]
        },
        GONE,
    ),
];

/// Where the database itself says that backslashes escape.
pub const ESCAPING: &[Attack] = &[
    attack("escapes on by ALTER DATABASE", &[ESCAPED], GONE),
    attack("escapes on by ALTER DATABASE, and RESET", &[ON, "RESET ALL", ESCAPED], GONE),
    attack("escapes on by ALTER DATABASE, and DISCARD ALL", &[ON, "DISCARD ALL", ESCAPED], GONE),
    attack(
        "escapes on by ALTER DATABASE, and a rollback",
        &["BEGIN", ON, "ROLLBACK", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by ALTER DATABASE, behind ROLLBACK TO",
        &["BEGIN", "SAVEPOINT s", ON, "ROLLBACK TO s", ESCAPED, "COMMIT"],
        GONE,
    ),
];

const ON: &str = "SET standard_conforming_strings = on";
const ESCAPED: &str = "SELECT 'a\\'', public.drop_it() --'";

/// Where the database itself says how texts are encoded.
pub const SJIS: &[Attack] = &[
    made("Shift JIS by ALTER DATABASE", || vec![text!(b"\x95\x5c")], GONE),
    made(
        "Shift JIS by ALTER DATABASE, and RESET",
        || vec![by!("SET NAMES 'UTF8'"), by!("RESET client_encoding"), text!(b"\x95\x5c")],
        GONE,
    ),
    made(
        "Shift JIS by ALTER DATABASE, and DISCARD ALL",
        || vec![by!("SET NAMES 'UTF8'"), by!("DISCARD ALL"), text!(b"\x95\x5c")],
        GONE,
    ),
];

#[test]
fn no_byte_of_a_character_is_taken_for_a_backslash() {
    let mut ground = Ground::start();
    assault(&mut ground, &ATTACKS.concat());
    assault(&mut ground, BY_CODE);
}

#[test]
fn the_settings_of_a_database_count() {
    let mut ground = Ground::start();
    for (setting, attacks) in
        [("standard_conforming_strings = off", ESCAPING), ("client_encoding = 'SJIS'", SJIS)]
    {
        ground.cluster.sql("postgres", &format!("ALTER DATABASE app SET {setting}"));
        assault(&mut ground, attacks);
        ground.cluster.sql("postgres", "ALTER DATABASE app RESET ALL");
    }
}
