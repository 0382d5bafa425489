//! Every way to READ WRITE on an upstream declared a replica, then a write: by a statement, and by
//! code that the text does not show. The server would take them all: it is the primary.

use super::attack::{Attack, assault, attack, messages};
use super::ground::Ground;
use super::support::Login;
use super::support::Major;
use super::support::wire::Frames;

const ROW: &str = "+row public.victims";
const WRITE: &str = "INSERT INTO victims VALUES (9, 'mallory')";
const CALL: &str = "SELECT write_it()";

/// What a guarded session starts with.
fn guarded(login: Login) -> Login {
    login.options("-c default_transaction_read_only=on")
}

const fn way(name: &'static str, texts: &'static [&'static str]) -> Attack {
    attack(name, texts, ROW).data().login(guarded).also_where_the_guard_was_set()
}

/// One that the server itself lets come to nothing today, and what it takes instead.
const fn nowhere(
    name: &'static str,
    texts: &'static [&'static str],
    nearest: &'static [&'static str],
) -> Attack {
    way(name, texts).nearest(nearest)
}

pub const ATTACKS: &[Attack] = &[
    way("SET default_transaction_read_only", &["SET default_transaction_read_only = off", WRITE]),
    way(
        "SET default_transaction_read_only, and a routine",
        &["SET default_transaction_read_only = off", CALL],
    ),
    way(
        "SET it, quoted and abbreviated",
        &["SET SESSION \"Default_Transaction_Read_Only\" TO 'of'", CALL],
    ),
    way("SET it, a U& name", &["SET U&\"default_transaction_read\\005Fonly\" = 0", CALL]),
    way(
        "SET it, in a string",
        &["SET default_transaction_read_only = off; COMMIT; SELECT write_it()"],
    ),
    way(
        "SET and SET back in one string",
        &[
            "SET default_transaction_read_only = off; COMMIT; SELECT write_it(); COMMIT; SET default_transaction_read_only = on",
        ],
    ),
    way("SET transaction_read_only", &["BEGIN", "SET transaction_read_only = off", CALL, "COMMIT"]),
    way(
        "SET LOCAL transaction_read_only",
        &["BEGIN; SET LOCAL transaction_read_only = off; SELECT write_it(); COMMIT"],
    ),
    way("SET TRANSACTION", &["BEGIN", "SET TRANSACTION READ WRITE", CALL, "COMMIT"]),
    way("SET TRANSACTION in a string", &["SET TRANSACTION READ WRITE; SELECT write_it()"]),
    way(
        "SET TRANSACTION, several modes",
        &[
            "BEGIN",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, READ WRITE",
            CALL,
            "COMMIT",
        ],
    ),
    way(
        "SET SESSION CHARACTERISTICS",
        &["SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", CALL],
    ),
    way("BEGIN READ WRITE", &["BEGIN READ WRITE", CALL, "COMMIT"]),
    way("BEGIN READ ONLY, READ WRITE", &["BEGIN READ ONLY, READ WRITE", CALL, "COMMIT"]),
    way(
        "START TRANSACTION READ WRITE",
        &["START TRANSACTION DEFERRABLE, READ WRITE", CALL, "COMMIT"],
    ),
    way("RESET transaction_read_only", &["BEGIN", "RESET transaction_read_only", CALL, "COMMIT"])
        .until(Major::V15),
    way(
        "SET transaction_read_only TO DEFAULT",
        &["BEGIN", "SET transaction_read_only TO DEFAULT", CALL, "COMMIT"],
    )
    .until(Major::V15),
    way(
        "BEGIN with an isolation level, READ WRITE",
        &["BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE", CALL, "COMMIT"],
    ),
    way(
        "SET TRANSACTION SNAPSHOT",
        &[
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "SET TRANSACTION READ WRITE",
            "SET TRANSACTION SNAPSHOT '{snapshot}'",
            CALL,
            "COMMIT",
        ],
    ),
    way(
        "SET TRANSACTION SNAPSHOT in a string",
        &[
            "BEGIN ISOLATION LEVEL REPEATABLE READ, READ WRITE; SET TRANSACTION SNAPSHOT '{snapshot}'; SELECT write_it(); COMMIT",
        ],
    ),
    way(
        "ROLLBACK AND CHAIN",
        &[
            "BEGIN READ ONLY",
            "SELECT 1/0",
            "ROLLBACK AND CHAIN",
            "SET transaction_read_only = off",
            CALL,
            "COMMIT",
        ],
    ),
    way("COMMIT AND CHAIN", &["BEGIN READ WRITE", "COMMIT AND CHAIN", CALL, "COMMIT"]),
    way(
        "ROLLBACK TO a savepoint",
        &[
            "BEGIN READ WRITE",
            "SAVEPOINT s",
            "SET TRANSACTION READ ONLY",
            "ROLLBACK TO s",
            CALL,
            "COMMIT",
        ],
    ),
    way("set_config", &["SELECT set_config('default_transaction_read_only', 'off', false)", CALL]),
    nowhere(
        "set_config, local",
        &["BEGIN", "SELECT set_config('transaction_read_only', 'off', true)", CALL, "COMMIT"],
        &["BEGIN", "SET LOCAL transaction_read_only = off", CALL, "COMMIT"],
    ),
    way(
        "set_config in a query",
        &["SELECT set_config('default_transaction_read_only', 'off', false) FROM bystanders", CALL],
    ),
    way(
        "set_config, computed",
        &["SELECT set_config('default_' || 'transaction_read_only', 'off', false)", CALL],
    ),
    way(
        "set_config of a name in a table",
        &[
            "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'default_transaction_read_only'",
            CALL,
        ],
    ),
    way(
        "set_config in PREPARE",
        &[
            "PREPARE p AS SELECT set_config($1, 'off', false)",
            "EXECUTE p('default_transaction_read_only')",
            CALL,
        ],
    ),
    way(
        "set_config in a cursor",
        &[
            "BEGIN",
            "DECLARE c CURSOR WITH HOLD FOR SELECT set_config('default_transaction_read_only', 'off', false)",
            "COMMIT",
            CALL,
        ],
    ),
    way(
        "set_config in COPY",
        &[
            "COPY (SELECT set_config('default_transaction_read_only', 'off', false)) TO STDOUT",
            CALL,
        ],
    ),
    way(
        "set_config in EXPLAIN ANALYZE",
        &["EXPLAIN ANALYZE SELECT set_config('default_transaction_read_only', 'off', false)", CALL],
    ),
    nowhere(
        "pg_settings",
        &[
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'",
            CALL,
        ],
        &[
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'",
            CALL,
        ],
    ),
    way("DO", &["DO $$ BEGIN SET default_transaction_read_only = off; END $$", CALL]),
    way(
        "DO that commits",
        &[
            "DO $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); COMMIT; PERFORM write_it(); END $$",
        ],
    ),
    way("CALL that commits", &["CALL flip_commit_and_write()"]),
    nowhere(
        "a routine that sets and writes",
        &["SELECT flip_and_write()"],
        &["SELECT flip_and_write()"],
    ),
    way(
        "a routine that sets, and one that writes",
        &["SELECT switch('default_transaction_read_only', 'off')", CALL],
    ),
    nowhere(
        "a routine that sets for the transaction",
        &["BEGIN", "SELECT switch('transaction_read_only', 'off')", CALL, "COMMIT"],
        &["SELECT switch('default_transaction_read_only', 'off')", CALL],
    ),
    way(
        "RESET ALL behind an option",
        &[
            "SET default_transaction_read_only = off",
            "RESET ALL",
            "BEGIN READ WRITE",
            CALL,
            "COMMIT",
        ],
    ),
    attack("at startup", &[CALL], ROW)
        .data()
        .also_where_the_guard_was_set()
        .login(|login| login.parameter("default_transaction_read_only", "off")),
    attack("in startup options", &[CALL], ROW)
        .data()
        .also_where_the_guard_was_set()
        .login(|login| login.options("-c default_transaction_read_only=off")),
    attack("in startup options, twice", &[CALL], ROW).data().also_where_the_guard_was_set().login(
        |login| {
            login.options("-c default_transaction_read_only=on --default-transaction-read-only=off")
        },
    ),
    attack("transaction_read_only at startup", &[CALL], ROW)
        .data()
        .also_where_the_guard_was_set()
        .login(|login| login.parameter("transaction_read_only", "off")),
    attack(
        "by a session with another role",
        &["SET SESSION AUTHORIZATION mallory", "SET ROLE app", "RESET ROLE", CALL],
        ROW,
    )
    .data(),
    messages(
        "a Flush between",
        |_| {
            vec![
                f().run("SELECT set_config('default_transaction_read_only', 'off', false)", &[])
                    .flush()
                    .run(CALL, &[])
                    .sync(),
            ]
        },
        ROW,
    )
    .data()
    .login(guarded)
    .also_where_the_guard_was_set()
    .nearest_messages(|_| {
        vec![
            f().run("SET default_transaction_read_only = on", &[]).sync(),
            f().run("SELECT set_config('default_transaction_read_only', 'off', false)", &[])
                .sync()
                .run(CALL, &[])
                .sync(),
        ]
    }),
    messages(
        "SET and a routine, one pipeline each",
        |_| {
            vec![
                f().run("SET default_transaction_read_only = off", &[])
                    .sync()
                    .run(CALL, &[])
                    .sync(),
            ]
        },
        ROW,
    )
    .data()
    .login(guarded)
    .also_where_the_guard_was_set(),
    messages(
        "BEGIN READ WRITE parsed, harmless at Bind",
        |_| {
            vec![
                f().parse("b", "BEGIN READ WRITE", &[])
                    .bind("", "b", &[])
                    .execute("", 0)
                    .run(CALL, &[])
                    .run("COMMIT", &[])
                    .sync(),
            ]
        },
        ROW,
    )
    .data()
    .login(guarded)
    .also_where_the_guard_was_set(),
    messages(
        "EXECUTE of a SET that Parse prepared",
        |_| {
            vec![
                f().parse("s", "SET default_transaction_read_only = off", &[]).sync(),
                f().bind("", "s", &[]).execute("", 0).sync(),
                f().query(CALL),
            ]
        },
        ROW,
    )
    .data()
    .login(guarded)
    .also_where_the_guard_was_set(),
    messages(
        "set_config by the fastpath",
        |_| {
            vec![
                f().function_call(2078, &["default_transaction_read_only", "off", "f"]),
                f().query(CALL),
            ]
        },
        ROW,
    )
    .data()
    .login(guarded)
    .also_where_the_guard_was_set(),
];

/// Ways on where the guard was SET after login, since the upstream drops startup options: what
/// takes a setting back takes the guard off.
pub const SET: &[Attack] = &[
    back("RESET", &["RESET default_transaction_read_only", CALL]),
    back("RESET, and a plain write", &["RESET default_transaction_read_only", WRITE]),
    back("RESET ALL", &["RESET ALL", CALL]),
    back("RESET ALL, and a plain write", &["RESET ALL", WRITE]),
    back("RESET ALL in a string", &["RESET ALL; COMMIT; SELECT write_it()"]),
    back("RESET ALL in a string, behind a read", &["SELECT 1; RESET ALL", CALL]),
    back("RESET ALL in a string, before a read", &["RESET ALL; SELECT 1", CALL]),
    back("RESET ALL in a transaction", &["BEGIN", "RESET ALL", "COMMIT", CALL]),
    back(
        "RESET ALL behind a savepoint",
        &["BEGIN", "SAVEPOINT s", "RESET ALL", "RELEASE s", "COMMIT", CALL],
    ),
    back("RESET ALL twice", &["RESET ALL", "RESET ALL", CALL]),
    back("RESET ALL in DO", &["DO $$ BEGIN RESET ALL; END $$", CALL]),
    back("DISCARD ALL", &["DISCARD ALL", CALL]),
    back("DISCARD ALL, and a plain write", &["DISCARD ALL", WRITE]),
    back("SET TO DEFAULT", &["SET default_transaction_read_only TO DEFAULT", CALL]),
    back(
        "SET TO DEFAULT in a transaction",
        &["BEGIN", "SET default_transaction_read_only TO DEFAULT", "COMMIT", CALL],
    ),
    back(
        "set_config of NULL",
        &["SELECT set_config('default_transaction_read_only', NULL, false)", CALL],
    ),
    back("SET on, then RESET ALL", &["SET default_transaction_read_only = on", "RESET ALL", CALL]),
    back(
        "SET LOCAL on, then RESET",
        &[
            "BEGIN",
            "SET LOCAL default_transaction_read_only = on",
            "RESET default_transaction_read_only",
            "COMMIT",
            CALL,
        ],
    ),
    back(
        "RESET ALL behind a setting of the proxy's",
        &["SET authority.ticket = 'x'", "RESET ALL", CALL],
    ),
    back(
        "RESET ALL that fails, then one that does not",
        &["BEGIN", "RESET ALL", "SELECT 1/0", "COMMIT", "RESET ALL", CALL],
    ),
    back(
        "the way back, by a routine",
        &["SELECT switch('default_transaction_read_only', NULL)", CALL],
    ),
    messages(
        "RESET ALL and a call in one pipeline",
        |_| vec![f().run("RESET ALL", &[]).sync().run(CALL, &[]).sync().run(WRITE, &[]).sync()],
        ROW,
    )
    .data()
    .also_where_the_guard_was_set()
    .behind(GUARD),
    messages(
        "RESET ALL parsed, and run by EXECUTE",
        |_| vec![f().parse("s", "RESET ALL", &[]).sync(), f().query("EXECUTE s").query(CALL)],
        ROW,
    )
    .data()
    .also_where_the_guard_was_set()
    .behind(GUARD),
    messages(
        "RESET ALL behind what was answered by Flush",
        |_| vec![f().run("SELECT 1", &[]).flush().run("RESET ALL", &[]).sync(), f().query(CALL)],
        ROW,
    )
    .data()
    .also_where_the_guard_was_set()
    .behind(GUARD),
];

const GUARD: &str = "SET default_transaction_read_only = on";

/// One that takes back what was SET.
const fn back(name: &'static str, texts: &'static [&'static str]) -> Attack {
    attack(name, texts, ROW).data().also_where_the_guard_was_set().behind(GUARD)
}

fn f() -> Frames {
    Frames::new()
}

#[test]
fn nothing_takes_back_a_guard_that_was_set() {
    assault(&mut Ground::start(), SET);
}

#[test]
fn nothing_makes_a_replica_read_write() {
    assault(&mut Ground::start(), ATTACKS);
}
