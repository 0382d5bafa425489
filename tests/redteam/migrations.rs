//! The tables in which migration tools keep what they have done: on prod whoever writes to one has to
//! confirm, by whatever statement, name or code it is written.

use super::attack::{Attack, assault, attack, messages};
use super::ground::Ground;
use super::support::wire::Frames;

const VERSION: &str = "-row public.alembic_version";
const MORE: &str = "+row public.alembic_version";
const COPY: &str = "COPY alembic_version FROM STDIN";
const CATALOG: &str = "COPY pg_description FROM STDIN";
const LOOT: &[u8] = b"loot\n";
/// A comment on a table.
const COMMENT: &[u8] = b"16384\t1259\t0\tloot\n";

pub const ATTACKS: &[Attack] = &[
    attack("insert", &["INSERT INTO alembic_version VALUES ('loot')"], MORE),
    attack(
        "insert of a query",
        &["INSERT INTO alembic_version SELECT 'loot' FROM bystanders LIMIT 1"],
        MORE,
    ),
    attack(
        "insert on conflict",
        &[
            "INSERT INTO alembic_version VALUES ('1a2b') ON CONFLICT (version_num) DO UPDATE SET version_num = 'loot'",
        ],
        VERSION,
    ),
    attack("update", &["UPDATE alembic_version SET version_num = 'loot'"], VERSION),
    attack(
        "update by an alias",
        &["UPDATE ONLY alembic_version AS bystanders SET version_num = 'loot'"],
        VERSION,
    ),
    attack(
        "update from a join",
        &["UPDATE alembic_version a SET version_num = b.name FROM bystanders b WHERE b.id = 1"],
        VERSION,
    ),
    attack("delete", &["DELETE FROM alembic_version"], VERSION),
    attack("delete by a join", &["DELETE FROM alembic_version a USING bystanders b"], VERSION),
    attack(
        "merge",
        &["MERGE INTO alembic_version a USING bystanders b ON b.id = 1 WHEN MATCHED THEN DELETE"],
        VERSION,
    ),
    attack(
        "behind a temporary view",
        &[
            "CREATE TEMP VIEW bystanders AS SELECT version_num AS name FROM alembic_version",
            "UPDATE bystanders SET name = 'loot' WHERE name = '1a2b'",
        ],
        VERSION,
    ),
    attack(
        "behind a temporary view of a view",
        &["CREATE TEMP VIEW v AS TABLE versions", "UPDATE v SET version_num = 'loot'"],
        VERSION,
    ),
    attack("truncate", &["TRUNCATE bystanders, alembic_version"], VERSION),
    attack(
        "lock and delete",
        &["BEGIN; LOCK alembic_version; DELETE FROM alembic_version; COMMIT"],
        VERSION,
    ),
    // names
    attack("quoted", &["DELETE FROM \"public\".\"alembic_version\""], VERSION),
    attack("upper case", &["DELETE FROM ALEMBIC_VERSION *"], VERSION),
    attack("a U& name", &["DELETE FROM U&\"alembic\\005Fversion\""], VERSION),
    attack("with the database's name", &["DELETE FROM app.public.alembic_version"], VERSION),
    attack(
        "in a schema of its own",
        &["DELETE FROM other.schema_migrations"],
        "-row other.schema_migrations",
    ),
    attack(
        "in the schema that search_path names",
        &["SET search_path = other", "DELETE FROM schema_migrations"],
        "-row other.schema_migrations",
    ),
    attack(
        "behind a temporary table that is gone",
        &[
            "CREATE TEMP TABLE alembic_version (n int)",
            "DISCARD TEMP",
            "DELETE FROM alembic_version",
        ],
        VERSION,
    ),
    attack(
        "behind a temporary table that search_path hides",
        &[
            "CREATE TEMP TABLE alembic_version (n int)",
            "SET search_path = public, pg_temp",
            "DELETE FROM alembic_version",
        ],
        VERSION,
    ),
    // inside
    attack(
        "a writable CTE",
        &["WITH d AS (DELETE FROM alembic_version RETURNING 1) SELECT * FROM d"],
        VERSION,
    ),
    attack(
        "a writable CTE that nothing reads",
        &["WITH d AS (DELETE FROM alembic_version), i AS (SELECT 1) SELECT 1"],
        VERSION,
    ),
    attack(
        "a writable CTE before a write elsewhere",
        &[
            "WITH d AS (DELETE FROM alembic_version RETURNING 9) INSERT INTO bystanders SELECT * FROM d",
        ],
        VERSION,
    ),
    attack("COPY of it", &["COPY (DELETE FROM alembic_version RETURNING *) TO STDOUT"], VERSION),
    attack(
        "EXPLAIN ANALYZE",
        &["EXPLAIN (COSTS off, ANALYZE) DELETE FROM alembic_version"],
        VERSION,
    ),
    attack("PREPARE", &["PREPARE p AS DELETE FROM alembic_version", "EXECUTE p"], VERSION),
    attack(
        "EXPLAIN ANALYZE of EXECUTE",
        &["PREPARE p AS DELETE FROM alembic_version", "EXPLAIN ANALYZE EXECUTE p"],
        VERSION,
    ),
    attack(
        "behind another write",
        &["DELETE FROM bystanders WHERE false; DELETE FROM alembic_version"],
        VERSION,
    ),
    attack("DO", &["DO $$ BEGIN DELETE FROM alembic_version; END $$"], VERSION),
    attack(
        "DO that puts it together",
        &["DO $$ BEGIN EXECUTE 'DELETE FROM ' || 'alembic_version'; END $$"],
        VERSION,
    ),
    // code that does it
    attack("a routine", &["SELECT bump_it()"], VERSION),
    attack("a view", &["DELETE FROM versions"], VERSION),
    attack("a view, updated", &["UPDATE versions SET version_num = 'loot'"], VERSION),
    attack("a view, by COPY", &["COPY versions FROM STDIN"], MORE)
        .nearest(&["INSERT INTO versions VALUES ('loot')"]),
    attack("a trigger", &["INSERT INTO bumping_table VALUES (1)"], VERSION),
    attack("a rule", &["INSERT INTO bumping_rule VALUES (1)"], VERSION),
    attack(
        "a foreign key's cascade",
        &["DELETE FROM releases"],
        "-row public.flyway_schema_history",
    ),
    attack("a child, by its parent", &["DELETE FROM all_versions"], "-row public.goose_db_version"),
    attack(
        "a partition, by its whole",
        &["INSERT INTO parts VALUES (1)"],
        "+row public.knex_migrations",
    ),
    attack(
        "query_to_xml",
        &["SELECT query_to_xml('DELETE FROM alembic_version RETURNING 1', true, true, '')"],
        VERSION,
    )
    .nearest(&["DELETE FROM alembic_version"]),
    // COPY that is denied, and the data that follows
    attack("COPY", &["COPY alembic_version FROM STDIN"], MORE)
        .nearest(&["INSERT INTO alembic_version VALUES ('loot')"]),
    messages(
        "CopyData behind a denied COPY",
        |_| vec![f().query(COPY).copy_data(LOOT).copy_done(), f().query("SELECT 1")],
        MORE,
    ),
    messages(
        "CopyData behind a denied COPY of its string",
        |_| {
            vec![
                f().query("SELECT 1; COPY alembic_version FROM STDIN")
                    .copy_data(LOOT)
                    .copy_done()
                    .query("SELECT 1"),
            ]
        },
        MORE,
    ),
    messages(
        "CopyData behind a denied Execute",
        |_| vec![f().run(COPY, &[]).copy_data(LOOT).copy_done().sync(), f().query("SELECT 1")],
        MORE,
    ),
    messages(
        "CopyData behind a denied Execute of a pipeline",
        |_| {
            vec![
                f().run("SELECT 1", &[])
                    .run(COPY, &[])
                    .copy_data(LOOT)
                    .copy_done()
                    .run("SELECT 1", &[])
                    .sync()
                    .run("SELECT 1", &[])
                    .sync(),
            ]
        },
        MORE,
    ),
    messages(
        "CopyData behind a denied Execute and a Sync",
        |_| {
            vec![
                f().run(COPY, &[]).sync().copy_data(LOOT).copy_done().sync(),
                f().query("SELECT 1"),
            ]
        },
        MORE,
    )
    .nearest_messages(|_| vec![f().run(COPY, &[]).copy_data(LOOT).copy_done().sync()]),
    messages(
        "CopyData behind a denied Execute and a Flush",
        |_| vec![f().run(COPY, &[]).flush().copy_data(LOOT).copy_done().sync()],
        MORE,
    ),
    messages(
        "CopyData behind a denied COPY that was parsed before",
        |_| {
            vec![
                f().parse("s", COPY, &[]).sync(),
                f().bind("", "s", &[]).execute("", 0).copy_data(LOOT).copy_done().sync(),
            ]
        },
        MORE,
    ),
    messages(
        "CopyData behind a COPY that was denied, then one that is not",
        |_| {
            vec![
                f().query(COPY)
                    .copy_data(LOOT)
                    .copy_done()
                    .query("COPY bystanders FROM STDIN")
                    .copy_data(b"loot\n")
                    .copy_done(),
                f().query("SELECT 1"),
            ]
        },
        MORE,
    ),
    messages(
        "CopyData behind a denied COPY into a catalog",
        |_| vec![f().query(CATALOG).copy_data(COMMENT).copy_done(), f().query("SELECT 1")],
        "+comment loot",
    ),
    messages(
        "CopyData behind a denied Execute of COPY into a catalog",
        |_| vec![f().run(CATALOG, &[]).copy_data(COMMENT).copy_done().sync()],
        "+comment loot",
    ),
    messages(
        "CopyData behind a denied COPY into a catalog, in a pipeline",
        |_| {
            vec![
                f().run("BEGIN", &[])
                    .run(CATALOG, &[])
                    .copy_data(COMMENT)
                    .copy_done()
                    .run("COMMIT", &[])
                    .sync(),
            ]
        },
        "+comment loot",
    ),
];

fn f() -> Frames {
    Frames::new()
}

#[test]
fn what_migration_tools_keep_stays_as_it_is() {
    assault(&mut Ground::start(), ATTACKS);
}
