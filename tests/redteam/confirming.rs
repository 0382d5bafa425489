//! Ways to be taken for confirmed without having confirmed: by something that is undone, that never
//! ran, that only looks like it, or that the entry does not allow.

use super::attack::{Attack, assault, attack, messages};
use super::ground::Ground;
use super::support::Login;
use super::support::wire::Frames;

const GONE: &str = "-relation public.victims";
const DROP: &str = "DROP TABLE victims";

fn confirmed(login: Login) -> Login {
    login.options("-c authority.confirm_prod_migrations=true")
}

pub const ATTACKS: &[Attack] = &[
    attack(
        "in a comment",
        &["/* authority.confirm_prod_migrations = true */ DROP TABLE victims"],
        GONE,
    ),
    attack(
        "in a comment as sqlcommenter's",
        &["DROP TABLE victims /*confirm_prod_migrations='true'*/"],
        GONE,
    ),
    attack("in a literal", &["SELECT 'SET authority.confirm_prod_migrations = true'", DROP], GONE),
    attack(
        "in application_name",
        &["SET application_name = 'authority.confirm_prod_migrations=true'", DROP],
        GONE,
    ),
    attack("in application_name at startup", &[DROP], GONE).login(|login| {
        login.parameter("application_name", "-c authority.confirm_prod_migrations=true")
    }),
    attack("in application_name in options", &[DROP], GONE)
        .login(|login| login.options("-c application_name=authority.confirm_prod_migrations=true")),
    attack("in options, escaped into another value", &[DROP], GONE).login(|login| {
        login.options("-c application_name=x\\ -c\\ authority.confirm_prod_migrations=true")
    }),
    attack("by a parameter of the protocol's own", &[DROP], GONE)
        .login(|login| login.parameter("_pq_.authority.confirm_prod_migrations", "true")),
    attack("by a key that looks like it", &[DROP], GONE)
        .login(|login| login.parameter("authority_confirm_prod_migrations.x", "true")),
    attack("by a duplicate startup key, the last false", &[DROP], GONE).login(|login| {
        login
            .parameter("authority.confirm_prod_migrations", "true")
            .parameter("authority.confirm_prod_migrations", "false")
    }),
    attack("by a duplicate startup key in other case", &[DROP], GONE).login(|login| {
        login
            .parameter("authority.confirm_prod_migrations", "true")
            .parameter("AUTHORITY.Confirm_Prod_Migrations", "off")
    }),
    attack("by options that a parameter overrides", &[DROP], GONE)
        .login(|login| confirmed(login).parameter("authority.confirm_prod_migrations", "no")),
    attack("by options that options override", &[DROP], GONE).login(|login| {
        login
            .options("-c authority.confirm_prod_migrations=1 --authority.confirm-prod-migrations=0")
    }),
    attack("by two options parameters, the last one empty", &[DROP], GONE)
        .login(|login| confirmed(login).options("")),
    attack(
        "undone by ROLLBACK",
        &["BEGIN", "SET authority.confirm_prod_migrations = true", "ROLLBACK", DROP],
        GONE,
    ),
    attack(
        "undone by ROLLBACK AND CHAIN",
        &[
            "BEGIN",
            "SET authority.confirm_prod_migrations = true",
            "ROLLBACK AND CHAIN",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by ABORT in a string",
        &["BEGIN; SET authority.confirm_prod_migrations = true; ABORT; DROP TABLE victims"],
        GONE,
    ),
    attack(
        "undone by ROLLBACK in a string without BEGIN",
        &["SET authority.confirm_prod_migrations = true; ROLLBACK; DROP TABLE victims"],
        GONE,
    ),
    attack(
        "undone by a savepoint",
        &[
            "BEGIN",
            "SAVEPOINT s",
            "SET authority.confirm_prod_migrations = true",
            "ROLLBACK TO s",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by a savepoint of the same name",
        &[
            "BEGIN",
            "SAVEPOINT s",
            "SET authority.confirm_prod_migrations = true",
            "SAVEPOINT s",
            "RELEASE s",
            "ROLLBACK TO s",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by an outer savepoint",
        &[
            "BEGIN",
            "SAVEPOINT a",
            "SAVEPOINT b",
            "SET authority.confirm_prod_migrations = true",
            "RELEASE b",
            "ROLLBACK TO a",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by a savepoint with a quoted name",
        &[
            "BEGIN",
            "SAVEPOINT \"S\"",
            "SAVEPOINT s",
            "SET authority.confirm_prod_migrations = true",
            "ROLLBACK TO \"S\"",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by a savepoint cut at 63 bytes",
        &[
            "BEGIN",
            "SAVEPOINT a123456789012345678901234567890123456789012345678901234567890123",
            "SET authority.confirm_prod_migrations = true",
            "ROLLBACK TO a12345678901234567890123456789012345678901234567890123456789012",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by a savepoint, in a string",
        &[
            "BEGIN; SAVEPOINT s; SET authority.confirm_prod_migrations = true; ROLLBACK TO s; DROP TABLE victims; COMMIT",
        ],
        GONE,
    ),
    attack(
        "undone by a failed transaction",
        &["BEGIN", "SET authority.confirm_prod_migrations = true", "SELECT 1/0", "COMMIT", DROP],
        GONE,
    ),
    attack(
        "undone by an error in the string",
        &["SET authority.confirm_prod_migrations = true; SELECT 1/0", DROP],
        GONE,
    ),
    attack(
        "undone by PREPARE TRANSACTION and ROLLBACK PREPARED",
        &[
            "BEGIN",
            "SET LOCAL authority.confirm_prod_migrations = true",
            "PREPARE TRANSACTION 'x'",
            "ROLLBACK PREPARED 'x'",
            DROP,
        ],
        GONE,
    ),
    attack(
        "undone by RESET",
        &[
            "SET authority.confirm_prod_migrations = true",
            "RESET authority.confirm_prod_migrations",
            DROP,
        ],
        GONE,
    ),
    attack(
        "undone by RESET ALL",
        &["SET authority.confirm_prod_migrations = true", "RESET ALL", DROP],
        GONE,
    ),
    attack(
        "undone by DISCARD ALL",
        &["SET authority.confirm_prod_migrations = true", "DISCARD ALL", DROP],
        GONE,
    ),
    attack(
        "undone by SET TO DEFAULT",
        &[
            "SET authority.confirm_prod_migrations = true",
            "SET SESSION authority.confirm_prod_migrations TO DEFAULT",
            DROP,
        ],
        GONE,
    ),
    attack(
        "undone by a computed set_config",
        &[
            "SET authority.confirm_prod_migrations = true",
            "SELECT set_config(lower('AUTHORITY.CONFIRM_PROD_MIGRATIONS'), 'f', false)",
            DROP,
        ],
        GONE,
    ),
    attack(
        "undone by a routine",
        &[
            "SET authority.confirm_prod_migrations = true",
            "SELECT switch('authority.confirm_prod_migrations', 'false')",
            DROP,
        ],
        GONE,
    )
    .settled(),
    attack(
        "undone by a routine, in one transaction",
        &[
            "BEGIN",
            "SET LOCAL authority.confirm_prod_migrations = true",
            "SELECT switch('authority.confirm_prod_migrations', 'false')",
            DROP,
            "COMMIT",
        ],
        GONE,
    )
    .settled(),
    attack(
        "undone by DO",
        &[
            "SET authority.confirm_prod_migrations = true",
            "DO $$ BEGIN PERFORM set_config('authority.confirm_prod_migrations', 'off', false); END $$",
            DROP,
        ],
        GONE,
    )
    .settled(),
    attack(
        "ended with its transaction",
        &["BEGIN", "SET LOCAL authority.confirm_prod_migrations = true", "COMMIT", DROP],
        GONE,
    ),
    attack(
        "ended with its transaction, in a string",
        &["BEGIN; SET LOCAL authority.confirm_prod_migrations = true; COMMIT; DROP TABLE victims"],
        GONE,
    ),
    attack(
        "ended with its transaction, COMMIT AND CHAIN",
        &[
            "BEGIN",
            "SET LOCAL authority.confirm_prod_migrations = true",
            "COMMIT AND CHAIN",
            DROP,
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "set_config that is local, without a block",
        &[
            "SELECT set_config('authority.confirm_prod_migrations', 'true', true)",
            "DROP TABLE victims",
        ],
        GONE,
    )
    .settled(),
    attack(
        "set_config that is not executed: WHERE",
        &[
            "SELECT set_config('authority.confirm_prod_migrations', 'true', false) WHERE false",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config that is not executed: LIMIT",
        &["SELECT set_config('authority.confirm_prod_migrations', 'true', false) LIMIT 0", DROP],
        GONE,
    ),
    attack(
        "set_config that is not executed: FROM",
        &[
            "SELECT set_config('authority.confirm_prod_migrations', 'true', false) FROM bystanders WHERE false",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config that is not executed: CASE",
        &[
            "SELECT CASE WHEN false THEN set_config('authority.confirm_prod_migrations', 'true', false) END",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config that is not executed: CTE",
        &[
            "WITH x AS (SELECT set_config('authority.confirm_prod_migrations', 'true', false)) SELECT 1",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config that is not executed: EXPLAIN",
        &["EXPLAIN SELECT set_config('authority.confirm_prod_migrations', 'true', false)", DROP],
        GONE,
    ),
    attack(
        "set_config that is not executed: PREPARE",
        &[
            "PREPARE p AS SELECT set_config('authority.confirm_prod_migrations', 'true', false)",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config that is not executed: HAVING",
        &[
            "SELECT set_config('authority.confirm_prod_migrations', 'true', false) HAVING false",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config in FROM",
        &[
            "SELECT * FROM set_config('authority.confirm_prod_migrations', 'true', false)",
            "RESET authority.confirm_prod_migrations",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config with a computed name",
        &[
            "SELECT set_config('authority.' || 'confirm_prod_migrations', 'true', false)",
            "RESET authority.confirm_prod_migrations",
            DROP,
        ],
        GONE,
    ),
    attack(
        "set_config that is another's",
        &[
            "SET search_path = evil, pg_catalog",
            "SELECT public.switch('authority.x', 'true')",
            "DROP TABLE public.victims",
        ],
        GONE,
    ),
    attack(
        "set_config with its value NULL",
        &["SELECT set_config('authority.confirm_prod_migrations', NULL, false)", DROP],
        GONE,
    ),
    attack(
        "a value that is not a boolean",
        &["SET authority.confirm_prod_migrations = 'truly'", DROP],
        GONE,
    ),
    attack(
        "a list of values",
        &["SET authority.confirm_prod_migrations = false, true", DROP],
        GONE,
    ),
    attack("another parameter", &["SET authority.confirm_prod_migration = true", DROP], GONE),
    attack(
        "a routine's setting FROM CURRENT",
        &[
            "CREATE FUNCTION loot() RETURNS int LANGUAGE sql SET authority.confirm_prod_migrations FROM CURRENT AS 'SELECT 1'",
            DROP,
        ],
        GONE,
    ),
    attack(
        "a routine's own setting",
        &[
            "CREATE FUNCTION loot() RETURNS int LANGUAGE sql SET authority.confirm_prod_migrations = true AS 'SELECT 1'",
            DROP,
        ],
        GONE,
    ),
    attack(
        "a cursor's name",
        &[
            "BEGIN",
            "DECLARE \"authority.confirm_prod_migrations\" CURSOR FOR SELECT true",
            "COMMIT",
            DROP,
        ],
        GONE,
    ),
    attack(
        "ALTER ROLE SET",
        &["ALTER ROLE postgres SET authority.confirm_prod_migrations = true", DROP],
        GONE,
    ),
    attack(
        "ALTER DATABASE SET",
        &["ALTER DATABASE app SET authority.confirm_prod_migrations = true", DROP],
        GONE,
    ),
    attack("the role's own tag", &["SET authority.role = 'staging'", DROP], GONE),
    attack("the role's own tag at startup", &[DROP], GONE)
        .login(|login| login.options("-c authority.role=staging")),
    attack("a task", &["SET authority.task = 'schema_experiments'", DROP], GONE),
    attack(
        "a ticket",
        &["SET authority.ticket = 'authority.confirm_prod_migrations=true'", DROP],
        GONE,
    ),
    attack(
        "by a statement, where the entry says startup",
        &["SET authority.confirm_prod_migrations = true", DROP],
        GONE,
    )
    .on("prod_startup"),
    attack(
        "by set_config, where the entry says startup",
        &["SELECT set_config('authority.confirm_prod_migrations', 'true', false)", DROP],
        GONE,
    )
    .on("prod_startup"),
    attack("by a routine, where the entry says startup", &["SELECT confirm_it()", DROP], GONE)
        .on("prod_startup"),
    attack(
        "by RESET to a startup value that was withdrawn",
        &["SET authority.confirm_prod_migrations = false", DROP],
        GONE,
    )
    .login(confirmed),
    attack("at startup, where the entry says never", &[DROP], GONE)
        .on("prod_never")
        .login(confirmed),
    attack(
        "admin, confirmed where the entry blocks it",
        &["ALTER SYSTEM SET work_mem = '1MB'"],
        "+configuration",
    )
    .login(confirmed),
    // messages
    messages(
        "a SET that is parsed and not executed",
        |_| vec![f().parse("", SET, &[]).sync(), f().query(DROP)],
        GONE,
    ),
    messages(
        "a SET that is bound and not executed",
        |_| vec![f().parse("", SET, &[]).bind("", "", &[]).sync(), f().query(DROP)],
        GONE,
    ),
    messages(
        "a SET that an error before it skips",
        |_| vec![f().run("SELECT 1/0", &[]).run(SET, &[]).sync(), f().query(DROP)],
        GONE,
    ),
    messages(
        "a SET that an error behind it undoes",
        |_| vec![f().run(SET, &[]).run("SELECT 1/0", &[]).sync(), f().query(DROP)],
        GONE,
    ),
    messages(
        "a SET and an error and DROP in one write",
        |_| vec![f().run(SET, &[]).run("SELECT 1/0", &[]).sync().run(DROP, &[]).sync()],
        GONE,
    ),
    messages(
        "a SET whose name another Parse took",
        |_| {
            vec![
                f().parse("s", "SELECT 1", &[]).sync(),
                f().parse("s", SET, &[])
                    .sync()
                    .bind("", "s", &[])
                    .execute("", 0)
                    .sync()
                    .query(DROP),
            ]
        },
        GONE,
    ),
    messages(
        "a SET whose portal another Bind took",
        |_| {
            vec![
                f().query("BEGIN"),
                f().parse("a", "SELECT 1", &[]).parse("b", SET, &[]).bind("p", "a", &[]).sync(),
                f().bind("p", "b", &[]).sync(),
                f().execute("p", 0).sync(),
                f().query("ROLLBACK"),
                f().query(DROP),
            ]
        },
        GONE,
    ),
    messages(
        "a SET run by SQL's EXECUTE",
        |_| {
            vec![
                f().parse("s", SET, &[]).sync(),
                f().query("EXECUTE s"),
                f().query("ROLLBACK; DEALLOCATE ALL"),
                f().query("RESET authority.confirm_prod_migrations"),
                f().query(DROP),
            ]
        },
        GONE,
    ),
    messages(
        "a DROP prepared while confirmed",
        |_| {
            vec![
                f().query(SET),
                f().parse("s", DROP, &[]).sync(),
                f().query("RESET ALL"),
                f().bind("", "s", &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a DROP bound while confirmed",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query("SET LOCAL authority.confirm_prod_migrations = true"),
                f().parse("s", DROP, &[]).bind("p", "s", &[]).sync(),
                f().query("SET LOCAL authority.confirm_prod_migrations = false"),
                f().execute("p", 0).sync(),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a DROP bound while confirmed, in one pipeline",
        |_| {
            vec![
                f().run("SET LOCAL authority.confirm_prod_migrations = true", &[])
                    .parse("s", DROP, &[])
                    .bind("p", "s", &[])
                    .run("SET LOCAL authority.confirm_prod_migrations = false", &[])
                    .execute("p", 0)
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a withdrawal by a routine in the pipeline before",
        |_| {
            vec![
                f().query(SET),
                f().run("SELECT switch('authority.confirm_prod_migrations', 'false')", &[])
                    .sync().run(DROP, &[])
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a withdrawal by a routine in a row of Queries",
        |_| {
            vec![
                f().query(SET),
                f().query("SELECT switch('authority.confirm_prod_migrations', 'false')")
                    .query(DROP),
            ]
        },
        GONE,
    ),
    messages(
        "SET LOCAL and a Sync that ends it",
        |_| {
            vec![
                f().run("SET LOCAL authority.confirm_prod_migrations = true", &[])
                    .sync()
                    .run(DROP, &[])
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "SET LOCAL and a Query that ends it",
        |_| vec![f().query("SET LOCAL authority.confirm_prod_migrations = true").query(DROP)],
        GONE,
    ),
];

const SET: &str = "SET authority.confirm_prod_migrations = true";

fn f() -> Frames {
    Frames::new()
}

#[test]
fn nobody_is_taken_for_confirmed() {
    assault(&mut Ground::start(), ATTACKS);
}

/// What one session confirms is no other's, not even of the same client's at the same moment.
#[test]
fn a_confirmation_stays_in_its_session() {
    let mut ground = Ground::start();
    let before = ground.world();
    let login = ground.login("prod");
    let mut sessions: Vec<_> = (0..8).map(|_| ground.proxy.try_connect(&login).unwrap()).collect();
    let (first, others) = sessions.split_first_mut().unwrap();
    first.sql(SET);
    for other in others {
        assert_eq!(other.error(DROP).code(), "42501");
    }
    drop(sessions);
    for _ in 0..8 {
        assert_eq!(ground.proxy.try_connect(&login).unwrap().error(DROP).code(), "42501");
    }
    assert_eq!(ground.world(), before);
}
