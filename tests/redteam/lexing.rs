//! Where a statement begins and ends: comments, quotes, encodings, sizes. What the proxy takes for a
//! comment or a literal, the server must too.

use super::attack::{Attack, assault, attack, made, messages};
use super::ground::Ground;
use super::support::Major;
use super::support::wire::Frames;

const GONE: &str = "-relation public.victims";

pub const ATTACKS: &[Attack] = &[
    attack("plain", &["DROP TABLE victims"], GONE),
    attack("mixed case", &["dRoP tAbLe vIcTiMs"], GONE),
    attack("line comment", &["-- harmless\nDROP TABLE victims"], GONE),
    attack("line comment ended by a bare carriage return", &["-- x\rDROP TABLE victims"], GONE),
    attack("line comment that holds a quote", &["-- it's\nDROP TABLE victims --'"], GONE),
    attack("line comment that opens a block", &["--/*\nDROP TABLE victims --*/"], GONE),
    attack("block comment", &["/* SELECT 1 */ DROP TABLE victims"], GONE),
    attack("block comment for white space", &["DROP/**/TABLE/**/victims"], GONE),
    attack("block comments nested", &["/* /* */ -- */ DROP TABLE victims"], GONE),
    attack("block comment nested after a quote", &["/* ' /* */ ' */ DROP TABLE victims"], GONE),
    attack("block comment with stars and slashes", &["/***/*/**/DROP TABLE victims"], GONE)
        .nearest(&["/***//**/DROP TABLE victims"]),
    attack("block comment right after a star", &["SELECT 2 */* x */ 3; DROP TABLE victims"], GONE),
    attack("version comment as in MySQL", &["/*!50000 x */ DROP TABLE victims"], GONE),
    attack("comment behind an operator", &["SELECT 1 +-- 1;\n2; DROP TABLE victims"], GONE),
    attack("comment open inside a literal", &["SELECT '/*'; DROP TABLE victims; --*/"], GONE),
    attack("comment open inside a name", &["SELECT 1 AS \"/*\"; DROP TABLE victims; --*/"], GONE),
    attack("semicolon inside a comment", &["SELECT 1 /* ; */; DROP TABLE victims"], GONE),
    attack("empty statements", &[";; ;DROP TABLE victims;;"], GONE),
    attack("form feeds and tabs", &["\x0cDROP\tTABLE\x0cvictims"], GONE),
    attack("carriage returns for white space", &["DROP\rTABLE\rvictims"], GONE),
    // quotes
    attack("dollar quotes around a quote", &["SELECT $$'$$; DROP TABLE victims; --'"], GONE),
    attack("dollar quotes in dollar quotes", &["SELECT $a$ $$ ' $a$; DROP TABLE victims"], GONE),
    attack("dollar quotes of another tag", &["SELECT $a$ $b$ $a$; DROP TABLE victims --$b$"], GONE),
    attack("dollar quotes with a foreign tag", &["SELECT $é$'$é$; DROP TABLE victims --'"], GONE),
    attack("dollar in a name", &["SELECT 1 AS a$b$; DROP TABLE victims; --$b$"], GONE),
    attack("dollar quotes behind a comma", &["SELECT 1 AS a, $$'$$; DROP TABLE victims --'"], GONE),
    attack("E'' with an escaped quote", &["SELECT E'\\''; DROP TABLE victims; --'"], GONE),
    attack("e'' with an escaped backslash", &["SELECT e'\\\\'; DROP TABLE victims; --'"], GONE),
    attack(
        "E'' continued on the next line",
        &["SELECT E'a'\n'\\''; DROP TABLE victims; --'"],
        GONE,
    ),
    attack("literal that ends in a backslash", &["SELECT '\\'; DROP TABLE victims; --'"], GONE),
    attack(
        "literal continued over a comment",
        &["SELECT 'a' -- '\n 'b'; DROP TABLE victims"],
        GONE,
    ),
    attack("literal with doubled quotes", &["SELECT ''''; DROP TABLE victims; --'"], GONE),
    attack("E for a name and a literal", &["SELECT 1 AS e, '\\'; DROP TABLE victims; --'"], GONE),
    attack("U& literal", &["SELECT U&'\\0027'; DROP TABLE victims; --'"], GONE),
    attack(
        "U& literal with its own escape",
        &["SELECT U&'!0027' UESCAPE '!'; DROP TABLE victims"],
        GONE,
    ),
    attack("U& name", &["DROP TABLE U&\"v!0069ctims\" UESCAPE '!'"], GONE),
    attack("u& name without UESCAPE", &["DROP TABLE u&\"\\0076ictims\""], GONE),
    attack("N literal", &["SELECT N'\\'; DROP TABLE victims; --'"], GONE),
    attack("bit literals", &["SELECT B'1', X'1F', x'0'; DROP TABLE victims"], GONE),
    attack("quoted name that holds a quote", &["SELECT 1 AS \"'\"; DROP TABLE victims; --'"], GONE),
    attack(
        "quoted name with doubled quotes",
        &["SELECT 1 AS \"a\"\"';\"; DROP TABLE victims --'"],
        GONE,
    ),
    attack("number that ends in a dot", &["SELECT 1.;DROP TABLE victims"], GONE),
    attack("operator that a comment ends", &["SELECT 1 <>--'\n2; DROP TABLE victims --'"], GONE),
    // strings of several statements
    attack("behind a harmless statement", &["SELECT 1; DROP TABLE victims"], GONE),
    attack("before a harmless statement", &["DROP TABLE victims; SELECT 1"], GONE),
    attack("COMMIT and then", &["COMMIT; DROP TABLE victims"], GONE),
    attack("ROLLBACK and then", &["ROLLBACK; DROP TABLE victims"], GONE),
    attack("BEGIN to COMMIT in one string", &["BEGIN; DROP TABLE victims; COMMIT"], GONE),
    attack("READ ONLY for show", &["BEGIN READ ONLY; COMMIT; DROP TABLE victims"], GONE),
    attack("an error behind a COMMIT", &["DROP TABLE victims; COMMIT; SELECT 1/0"], GONE),
    attack("over several messages", &["BEGIN", "SELECT 1", "DROP TABLE victims", "COMMIT"], GONE),
    // what PostgreSQL 18's grammar does not read
    attack(
        "a column that only 15 takes",
        &["CREATE TABLE loot (system_user text)"],
        "+relation public.loot",
    )
    .until(Major::V15),
    attack(
        "an operator that only 15 takes",
        &["SELECT 1 AS system_user; DROP TABLE victims"],
        GONE,
    ),
    attack("unreadable behind readable", &["SELECT 1; DORP TABLE victims"], GONE)
        .nearest(&["SELECT 1; DROP TABLE victims"]),
    attack("vertical tab, white space from 17 on", &["DROP\x0bTABLE victims"], GONE)
        .since(Major::V17),
    attack("no-break space", &["DROP\u{a0}TABLE victims"], GONE).nearest(&["DROP TABLE victims"]),
    attack("byte order mark", &["\u{feff}DROP TABLE victims"], GONE)
        .nearest(&["DROP TABLE victims"]),
    attack("full-width letters", &["ＤＲＯＰ TABLE victims"], GONE)
        .nearest(&["DROP TABLE victims"]),
    // sizes
    made(
        "behind a literal of 100,000 bytes",
        || vec![[b"SELECT '", vec![b'x'; 100_000].as_slice(), b"'; DROP TABLE victims"].concat()],
        GONE,
    ),
    made(
        "behind a comment of 2 MB",
        || vec![[b"/*", vec![b'x'; 2_000_000].as_slice(), b"*/ DROP TABLE victims"].concat()],
        GONE,
    ),
    made(
        "behind 20,000 statements",
        || vec![["SELECT 1;".repeat(20_000).as_bytes(), b"DROP TABLE victims"].concat()],
        GONE,
    ),
    made(
        "in 2,000 nested comments",
        || {
            vec![
                [&b"/*"[..]]
                    .repeat(2_000)
                    .into_iter()
                    .chain([&b"*/"[..]].repeat(2_000))
                    .chain([&b"DROP TABLE victims"[..]])
                    .collect::<Vec<_>>()
                    .concat(),
            ]
        },
        GONE,
    ),
    made(
        "behind 1,000 nested parentheses",
        || {
            vec![
                format!("SELECT {}1{}; DROP TABLE victims", "(".repeat(1_000), ")".repeat(1_000))
                    .into(),
            ]
        },
        GONE,
    ),
    made(
        "behind 100,000 nested parentheses",
        || {
            vec![
                format!(
                    "SELECT {}1{}; DROP TABLE victims",
                    "(".repeat(100_000),
                    ")".repeat(100_000)
                )
                .into(),
            ]
        },
        GONE,
    )
    .nearest(&["SELECT (((1))); DROP TABLE victims"]),
    made(
        "behind a sum of 2,000 terms",
        || vec![format!("SELECT 1{}; DROP TABLE victims", "+1".repeat(2_000)).into()],
        GONE,
    ),
    made(
        "behind 50,000 literals of different shape",
        || {
            let list: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
            vec![format!("SELECT 1 WHERE 1 IN ({}); DROP TABLE victims", list.join(",")).into()]
        },
        GONE,
    ),
    // encodings
    made("invalid UTF-8", || texts(&[b"SELECT '\xff'; DROP TABLE victims"]), GONE)
        .nearest_made(|| texts(&[LATIN1, b"SELECT '\xff'; DROP TABLE victims"])),
    made(
        "half a character before a quote",
        || texts(&[b"SELECT '\xc3'; DROP TABLE victims; --'"]),
        GONE,
    )
    .nearest_made(|| texts(&[LATIN1, b"SELECT '\xc3'; DROP TABLE victims; --'"])),
    made("overlong quote", || texts(&[b"SELECT '\xc0\xa7; DROP TABLE victims; --'"]), GONE)
        .nearest(&["SELECT ''; DROP TABLE victims; --'"]),
    made("a text behind a NUL", || texts(&[b"SELECT 1\0; DROP TABLE victims"]), GONE)
        .nearest(&["SELECT 1; DROP TABLE victims"]),
    made(
        "a NUL inside a literal, in the second of two",
        || texts(&[b"SELECT 1", b"SELECT '\0'; DROP TABLE victims"]),
        GONE,
    )
    .nearest(&["SELECT 1", "SELECT ''; DROP TABLE victims"]),
    made("a NUL before all", || texts(&[b"\0DROP TABLE victims", b"\0"]), GONE)
        .nearest(&["DROP TABLE victims"]),
    made("a NUL behind all", || texts(&[b"DROP TABLE victims\0", b"SELECT 1"]), GONE)
        .nearest(&["DROP TABLE victims", "SELECT 1"]),
    made("Latin-1", || texts(&[LATIN1, b"SELECT '\xff'; DROP TABLE victims"]), GONE),
    made(
        "Latin-1, half a character of UTF-8",
        || texts(&[b"SET NAMES 'LATIN1'", b"SELECT '\xc3'; DROP TABLE victims; --'"]),
        GONE,
    ),
    made(
        "Shift JIS",
        || {
            texts(&[
                b"SET client_encoding = 'SJIS'",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; --'",
            ])
        },
        GONE,
    ),
    made(
        "Shift JIS by SET NAMES",
        || texts(&[b"SET NAMES 'SJIS'", b"SELECT E'\x95\x5c'; DROP TABLE victims; --'"]),
        GONE,
    ),
    made(
        "Shift JIS by SET LOCAL",
        || {
            texts(&[
                b"BEGIN",
                b"SET LOCAL client_encoding = 'sjis'",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; COMMIT --'",
            ])
        },
        GONE,
    ),
    made(
        "Shift JIS by set_config",
        || {
            texts(&[
                b"SELECT set_config('client_encoding', 'SJIS', false)",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; --'",
            ])
        },
        GONE,
    ),
    made(
        "Shift JIS by a computed set_config",
        || {
            texts(&[
                b"SELECT set_config('client' || '_encoding', 'SJIS', false)",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; --'",
            ])
        },
        GONE,
    ),
    made(
        "Shift JIS by a routine",
        || {
            texts(&[
                b"SELECT switch('client_encoding', 'SJIS')",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; --'",
            ])
        },
        GONE,
    ),
    made(
        "Shift JIS by pg_settings",
        || {
            texts(&[
                b"UPDATE pg_settings SET setting = 'SJIS' WHERE name = 'client_encoding'",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; --'",
            ])
        },
        GONE,
    ),
    made("GBK at startup", || texts(&[b"SELECT E'\xbf\x5c'; DROP TABLE victims; --'"]), GONE)
        .login(|login| login.parameter("client_encoding", "GBK")),
    made(
        "BIG5 in startup options",
        || texts(&[b"SELECT E'\xa5\x5c'; DROP TABLE victims; --'"]),
        GONE,
    )
    .login(|login| login.options("-c client_encoding=BIG5")),
    made(
        "an encoding by another of its names",
        || {
            texts(&[
                b"SET client_encoding = 'Mskanji'",
                b"SELECT E'\x95\x5c'; DROP TABLE victims; --'",
            ])
        },
        GONE,
    ),
    // standard_conforming_strings: `'\''` is a literal where it is off, and opens one where it is on
    attack("escapes on by SET", &["SET standard_conforming_strings = off", ESCAPED], GONE),
    attack(
        "escapes on by SET TO, quoted",
        &["SET \"standard_conforming_strings\" TO 'off'", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by an abbreviation",
        &["SET standard_conforming_strings = 'of'", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by SET LOCAL",
        &["BEGIN", "SET LOCAL standard_conforming_strings = 0", ESCAPED, "COMMIT"],
        GONE,
    ),
    attack(
        "escapes on by set_config",
        &["SELECT set_config('standard_conforming_strings', 'off', false)", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by a computed set_config",
        &["SELECT set_config('standard' || '_conforming_strings', 'off', false)", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by a set_config with a computed value",
        &["SELECT set_config('standard_conforming_strings', lower('OFF'), false)", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by pg_settings",
        &[
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
            ESCAPED,
        ],
        GONE,
    ),
    attack(
        "escapes on by a routine",
        &["SELECT switch('standard_conforming_strings', 'off')", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by DO",
        &[
            "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$",
            ESCAPED,
        ],
        GONE,
    ),
    attack(
        "escapes on by DO and SET",
        &["DO $$ BEGIN SET standard_conforming_strings = off; END $$", ESCAPED],
        GONE,
    ),
    attack(
        "escapes on by PREPARE and EXECUTE",
        &[
            "PREPARE p AS SELECT set_config($1, $2, false)",
            "EXECUTE p('standard_conforming_strings', 'off')",
            ESCAPED,
        ],
        GONE,
    ),
    attack(
        "escapes on by a cursor",
        &[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT switch('standard_conforming_strings', 'off')",
            "FETCH c",
            ESCAPED,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "escapes on by a trigger",
        &["INSERT INTO escaping_table SELECT 1 WHERE false", CALLED],
        GONE,
    ),
    attack("escapes on by CALL", &["CALL escape_it()", CALLED], GONE),
    attack("escapes on by a view", &["TABLE escaping_view", CALLED], GONE),
    attack("escapes on by COPY of a view", &["COPY (TABLE escaping_view) TO STDOUT", CALLED], GONE),
    attack(
        "escapes on by EXPLAIN ANALYZE of a view",
        &["EXPLAIN ANALYZE TABLE escaping_view", CALLED],
        GONE,
    ),
    attack(
        "escapes on by RETURNING",
        &[
            "UPDATE bystanders SET id = id WHERE id = 1 RETURNING switch('standard_conforming_strings', 'off')",
            CALLED,
        ],
        GONE,
    ),
    messages("escapes on by the fastpath", |_| vec![fastpath(), Frames::new().query(CALLED)], GONE),
    messages("escapes on by the fastpath, in a row", |_| vec![fastpath().query(CALLED)], GONE),
    messages(
        "escapes on by the fastpath, before a pipeline",
        |_| vec![fastpath().run("SELECT 1", &[]).run(CALLED, &[]).sync()],
        GONE,
    ),
    messages(
        "escapes on by the fastpath, in a transaction",
        |_| {
            vec![
                Frames::new().query("BEGIN"),
                fastpath(),
                Frames::new().run(CALLED, &[]).sync(),
                Frames::new().query("COMMIT"),
            ]
        },
        GONE,
    ),
    attack("escapes on at startup", &[ESCAPED], GONE)
        .login(|login| login.parameter("standard_conforming_strings", "off")),
    attack("escapes on in startup options", &[ESCAPED], GONE)
        .login(|login| login.options("-c standard_conforming_strings=off")),
    attack("escapes on in startup options, escaped", &[ESCAPED], GONE)
        .login(|login| login.options("-c standard_\\conforming_strings=o\\ff")),
    attack("escapes on in startup options, long form", &[ESCAPED], GONE)
        .login(|login| login.options("--standard-conforming-strings=off")),
    attack("escapes on by the role's settings", &[ESCAPED], GONE).as_mallory(),
    attack(
        "escapes on by RESET to the role's settings",
        &["SET standard_conforming_strings = on", "RESET ALL", ESCAPED],
        GONE,
    )
    .as_mallory(),
    attack(
        "escapes on by a rollback to the role's settings",
        &["BEGIN", "SET standard_conforming_strings = on", "ROLLBACK", ESCAPED],
        GONE,
    )
    .as_mallory(),
    attack(
        "escapes on by SET TO DEFAULT",
        &[
            "SET standard_conforming_strings = on",
            "SET standard_conforming_strings TO DEFAULT",
            ESCAPED,
        ],
        GONE,
    )
    .as_mallory(),
    attack(
        "escapes on by DISCARD ALL",
        &["SET standard_conforming_strings = on", "DISCARD ALL", ESCAPED],
        GONE,
    )
    .as_mallory(),
];

/// With escapes on: a literal that is a quote, and a DROP. Else one literal.
const ESCAPED: &str = "SELECT 'a\\''; DROP TABLE public.victims; --'";

/// As that, of one statement: a literal that is a quote, and a call.
const CALLED: &str = "SELECT 'a\\'', public.drop_it() --'";

const LATIN1: &[u8] = b"SET client_encoding = LATIN1";

/// Escapes on, by a FunctionCall of `set_config`.
fn fastpath() -> Frames {
    Frames::new().function_call(2078, &["standard_conforming_strings", "off", "f"])
}

fn texts(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

#[test]
fn a_text_is_read_as_the_server_reads_it() {
    let (plain, sized) = ATTACKS.split_at(ATTACKS.len() / 2);
    let mut ground = Ground::start();
    assault(&mut ground, plain);
    assault(&mut ground, sized);
}
