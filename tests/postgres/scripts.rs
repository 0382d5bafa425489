//! The scripts of the fidelity test: what clients send, down to what only a careless or a clever
//! one would. Each runs in a database as [`SETUP`] leaves it.

use super::support::transcript::Script;
use super::support::wire::Frames;

/// What every script finds, made by the role `app`.
pub const SETUP: &str = "
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price > 0));
INSERT INTO items VALUES (1, 'anvil', 9.50), (2, 'bellows', 20), (3, 'chisel', NULL);
CREATE TABLE lines (id serial PRIMARY KEY, item int REFERENCES items, note text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE FUNCTION tell(severity text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF severity = 'error' THEN
        RAISE EXCEPTION 'told' USING ERRCODE = 'P4242', DETAIL = 'a detail', HINT = 'a hint',
            COLUMN = 'c', CONSTRAINT = 'k', DATATYPE = 'd', TABLE = 't', SCHEMA = 's';
    END IF;
    RAISE NOTICE 'told' USING ERRCODE = '01P42', DETAIL = 'a detail', HINT = 'a hint';
    RETURN 1;
END $$;
";

fn f() -> Frames {
    Frames::new()
}

/// Every script; where `SCRIPTS` is set in the environment, those whose names have it.
pub fn all() -> Vec<Script> {
    let wanted = std::env::var("SCRIPTS").unwrap_or_default();
    [simple(), extended(), pipelines(), copy(), state(), names(), values(), ddl()]
        .concat()
        .into_iter()
        .filter(|script| script.name.contains(&wanted))
        .collect()
}

fn simple() -> Vec<Script> {
    vec![
        Script::new("select").query("SELECT 1 AS one, 'x'::text, NULL::int, true"),
        Script::new("empty query").query("").query(" ; ;").query("-- a comment").query("/* c */"),
        Script::new("many statements in one string")
            .query("SELECT 1; SELECT 'two'; INSERT INTO lines (item) VALUES (1); SELECT 3")
            .query("SELECT 1;; SELECT 2;"),
        Script::new("an error in a string undoes what came before it")
            .query("INSERT INTO items VALUES (9, 'x', 1); SELECT 1/0; SELECT 2")
            .query("SELECT count(*) FROM items"),
        Script::new("transaction control in a string")
            .query("BEGIN; INSERT INTO items VALUES (9, 'x', 1); COMMIT; SELECT 1/0")
            .query("SELECT count(*) FROM items")
            .query("INSERT INTO items VALUES (10, 'y', 1); ROLLBACK; SELECT count(*) FROM items"),
        Script::new("every field of an error")
            .query("SELECT tell('error')")
            .query("INSERT INTO items VALUES (1, 'again', 1)")
            .query("INSERT INTO items VALUES (7, NULL, 1)")
            .query("INSERT INTO items VALUES (7, 'x', -1)")
            .query("INSERT INTO lines (item) VALUES (99)")
            .query("SELECT 'x'::mood")
            .query("SELECT nothing FROM items")
            .query("SELECT 1 +\n  nonsense()"),
        // on prod such text is `opaque`: nobody can say what it would have done
        Script::new("text that the grammar refuses")
            .query("SELEC 1")
            .query("SELECT 1; SELEC 2")
            .query("BEGIN; SELECT 1/0")
            .query("SELEC 1")
            .query("ROLLBACK")
            .send(
                f().parse("", "SELEC", &[])
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync()
                    .run("SELECT 1", &[])
                    .sync(),
            )
            .ready(2)
            .staging_only(),
        Script::new("notices")
            .query("SELECT tell('notice')")
            .query("DO $$ BEGIN RAISE WARNING 'from a block'; END $$")
            .query("SET client_min_messages = error; SELECT tell('notice')"),
        Script::new("a failed transaction")
            .query("BEGIN")
            .query("SELECT 1/0")
            .query("SELECT 1")
            .query("INSERT INTO items VALUES (9, 'x', 1)")
            .query("COMMIT")
            .query("SELECT count(*) FROM items"),
        Script::new("savepoints")
            .query("BEGIN; SAVEPOINT a; INSERT INTO items VALUES (9, 'x', 1)")
            .query("SAVEPOINT b; SELECT 1/0")
            .query("ROLLBACK TO b; SELECT count(*) FROM items")
            .query("ROLLBACK TO a; SELECT count(*) FROM items")
            .query("RELEASE a; RELEASE a")
            .query("ROLLBACK AND CHAIN")
            .query("SHOW transaction_isolation; COMMIT AND NO CHAIN"),
        Script::new("warnings of transaction control")
            .query("COMMIT")
            .query("ROLLBACK")
            .query("BEGIN; BEGIN")
            .query("END")
            .query("SAVEPOINT outside"),
        Script::new("prepared transactions")
            .query("BEGIN; INSERT INTO items VALUES (9, 'x', 1); PREPARE TRANSACTION 'wire'")
            .query("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
            .query("ROLLBACK PREPARED 'wire'")
            .query("SELECT count(*) FROM items"),
        Script::new("explain")
            .query("EXPLAIN (COSTS OFF) SELECT * FROM items")
            .query("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) \
                    INSERT INTO items VALUES (8, 'e', 1)"),
        Script::new("reports of parameters")
            .query("SET application_name = 'a'; SET TimeZone = 'Europe/Berlin'")
            .query("SET DateStyle = 'German'; SET application_name = 'b'; SET client_encoding = 'UTF8'")
            .query("BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'")
            .query("ROLLBACK")
            .query("RESET ALL")
            .query("SET nothing.at_all = 'x'; SHOW nothing.at_all"),
        Script::new("a string that is not UTF-8")
            .send(f().query_bytes(b"SELECT '\xff\xfe'"))
            .ready(1)
            .query("SELECT 'it goes on'"),
        Script::new("terminate").query("SELECT 1").send(f().terminate()).until_closed(),
    ]
}

fn extended() -> Vec<Script> {
    let describe = |text: &str| f().parse("", text, &[]).describe_statement("").sync();
    vec![
        Script::new("parse, bind, describe, execute")
            .send(
                f().parse("", "SELECT $1::int + 1 AS n, $2::text", &[])
                    .bind("", "", &[Some("41"), Some("x")])
                    .describe_portal("")
                    .execute("", 0)
                    .sync(),
            )
            .ready(1),
        Script::new("describe")
            .send(describe("SELECT * FROM items WHERE id = $1 AND name LIKE $2"))
            .ready(1)
            .send(describe("INSERT INTO items VALUES ($1, $2, $3) RETURNING id, 'm'::mood"))
            .ready(1)
            .send(describe("INSERT INTO items VALUES ($1, $2, $3)"))
            .ready(1)
            .send(describe("BEGIN"))
            .ready(1)
            .send(describe("SHOW ALL"))
            .ready(1),
        Script::new("parameter types given")
            .send(f().parse("s", "SELECT $1, $2", &[23, 25]).describe_statement("s").sync())
            .ready(1)
            .send(f().parse("t", "SELECT $1", &[]).describe_statement("t").sync())
            .ready(1),
        Script::new("row limits")
            .send(
                f().parse("", "SELECT generate_series(1, 5)", &[])
                    .bind("p", "", &[])
                    .execute("p", 2)
                    .execute("p", 2)
                    .execute("p", 2)
                    .execute("p", 2)
                    .sync(),
            )
            .ready(1)
            .send(f().execute("p", 1).sync())
            .ready(1),
        Script::new("a portal across syncs in a transaction")
            .query("BEGIN")
            .send(f().parse("", "SELECT id FROM items ORDER BY id", &[]).bind("p", "", &[]).sync())
            .ready(1)
            .send(f().execute("p", 1).sync())
            .ready(1)
            .query("SELECT 'in between'")
            .send(f().execute("p", 1).close_portal("p").execute("p", 1).sync())
            .ready(1)
            .query("ROLLBACK"),
        Script::new("flush without sync")
            .send(f().parse("s", "SELECT $1::int", &[]).describe_statement("s").flush())
            .until(b'T')
            .send(f().bind("", "s", &[Some("5")]).execute("", 0).flush())
            .until(b'C')
            .send(f().bind("", "s", &[Some("x")]).flush())
            .until(b'E')
            .send(f().bind("", "s", &[Some("6")]).execute("", 0).sync())
            .ready(1),
        Script::new("empty statements")
            .send(
                f().parse("", "", &[]).bind("", "", &[]).describe_portal("").execute("", 0).sync(),
            )
            .ready(1)
            .send(f().parse("", "-- x", &[]).describe_statement("").sync())
            .ready(1),
        Script::new("two statements cannot be prepared as one")
            .send(f().parse("", "SELECT 1; SELECT 2", &[]).bind("", "", &[]).execute("", 0).sync())
            .ready(1),
        Script::new("binary formats")
            .send(
                f().parse("", "SELECT $1::int4, $2::text, $3::bytea, $4::float8, now() > $5", &[])
                    .bind_formats(
                        "",
                        "",
                        1,
                        &[
                            Some(&42_i32.to_be_bytes()),
                            Some("grün".as_bytes()),
                            Some(&[0, 255, 0]),
                            Some(&1.5_f64.to_be_bytes()),
                            None,
                        ],
                        1,
                    )
                    .describe_portal("")
                    .execute("", 0)
                    .sync(),
            )
            .ready(1),
        Script::new("bind faults")
            .send(f().parse("s", "SELECT $1::int", &[]).sync())
            .ready(1)
            .send(f().bind("", "s", &[]).execute("", 0).sync())
            .ready(1)
            .send(f().bind("", "s", &[Some("1"), Some("2")]).execute("", 0).sync())
            .ready(1)
            .send(f().bind_formats("", "s", 1, &[Some(b"123")], 0).execute("", 0).sync())
            .ready(1)
            .send(f().bind("", "nothing", &[]).sync())
            .ready(1)
            .send(f().execute("nothing", 0).sync())
            .ready(1),
        Script::new("function call")
            .send(f().function_call(1397, &["-7"]))
            .ready(1)
            .send(f().function_call(4_000_000, &[]))
            .ready(1)
            .query("BEGIN; SELECT 1/0")
            .send(f().function_call(1397, &["-7"]))
            .ready(1)
            .query("ROLLBACK")
            .staging_only(),
    ]
}

fn pipelines() -> Vec<Script> {
    let insert = "INSERT INTO items VALUES ($1, 'p', 1)";
    vec![
        Script::new("a pipeline of three syncs")
            .send(
                f().run(insert, &[Some("11")])
                    .sync()
                    .run("SELECT count(*) FROM items", &[])
                    .sync()
                    .run(insert, &[Some("12")])
                    .run("SELECT count(*) FROM items", &[])
                    .sync(),
            )
            .ready(3),
        Script::new("an error skips to the sync and undoes what it covers")
            .send(
                f().run(insert, &[Some("11")])
                    .run("SELECT 1/0", &[])
                    .run(insert, &[Some("12")])
                    .sync()
                    .run("SELECT count(*) FROM items", &[])
                    .sync(),
            )
            .ready(2),
        Script::new("errors at parse, bind and execute")
            .send(
                f().parse("", "SELECT nothing", &[])
                    .bind("", "", &[])
                    .execute("", 0)
                    .sync()
                    .run("SELECT $1::int", &[Some("x")])
                    .sync()
                    .run("SELECT 1/($1::int)", &[Some("0")])
                    .sync()
                    .run("SELECT 'fine'", &[])
                    .sync(),
            )
            .ready(4),
        Script::new("queries in a row")
            .send(f().query("SELECT 1").query("SELECT 1/0").query("SELECT 2").query(""))
            .ready(4),
        Script::new("a query after an error in a pipeline is skipped")
            .send(f().run("SELECT 1/0", &[]).query("SELECT 'skipped'").sync())
            .ready(1)
            .query("SELECT 'here'"),
        Script::new("a transaction in a pipeline")
            .send(
                f().run("BEGIN", &[])
                    .run(insert, &[Some("11")])
                    .sync()
                    .run("SELECT 1/0", &[])
                    .sync()
                    .run("SELECT 'aborted'", &[])
                    .sync()
                    .run("ROLLBACK", &[])
                    .run("SELECT count(*) FROM items", &[])
                    .sync(),
            )
            .ready(4),
        Script::new("set local in a pipeline without begin")
            .send(
                f().run("SET LOCAL work_mem = '1234kB'", &[])
                    .run("SHOW work_mem", &[])
                    .sync()
                    .run("SHOW work_mem", &[])
                    .sync(),
            )
            .ready(2),
        Script::new("a deep pipeline")
            .send((0..500).fold(f(), |frames, n| {
                let value = n.to_string();
                let frames = frames.run("SELECT $1::int", &[Some(&value)]);
                if n % 7 == 0 { frames.sync() } else { frames }
            }))
            .ready(72)
            .send(f().sync())
            .ready(1),
        Script::new("syncs alone").send(f().sync().sync().sync()).ready(3),
        Script::new("a function call in a pipeline")
            .send(f().run("SELECT 1", &[]).function_call(1397, &["-7"]).run("SELECT 2", &[]).sync())
            .ready(2)
            .staging_only(),
    ]
}

fn copy() -> Vec<Script> {
    let rows: &[u8] = b"21\ttongs\t3\n22\tvice\t4\n";
    vec![
        Script::new("copy out")
            .query("COPY items TO STDOUT")
            .query("COPY (SELECT 1, 'a,b', NULL) TO STDOUT (FORMAT csv, HEADER)")
            .query("COPY (SELECT 7::int4) TO STDOUT (FORMAT binary)")
            .query("COPY (SELECT 1/(id - 2) FROM items) TO STDOUT")
            .query("SELECT 'after'"),
        Script::new("copy in")
            .send(f().query("COPY items FROM STDIN"))
            .until(b'G')
            .send(f().copy_data(rows).copy_data(b"23\twheel\t\\N\n").copy_done())
            .ready(1)
            .query("SELECT count(*) FROM items"),
        Script::new("copy in with everything sent at once")
            .send(f().query("COPY items FROM STDIN").copy_data(rows).copy_done().query("SELECT 1"))
            .ready(2),
        Script::new("copy in split anywhere")
            .send(f().query("COPY items FROM STDIN"))
            .until(b'G')
            .send(rows.iter().fold(f(), |frames, byte| frames.copy_data(&[*byte])).copy_done())
            .ready(1),
        Script::new("copy fail")
            .send(f().query("COPY items FROM STDIN"))
            .until(b'G')
            .send(f().copy_data(rows).copy_fail("I changed my mind"))
            .ready(1)
            .query("SELECT count(*) FROM items"),
        Script::new("copy in with an error half-way")
            .send(f().query("COPY items FROM STDIN"))
            .until(b'G')
            .send(f().copy_data(rows).copy_data(b"x\ty\tz\n"))
            .until(b'E')
            .send(f().copy_data(rows).copy_done())
            .ready(1)
            .query("SELECT count(*) FROM items"),
        Script::new("copy in several strings")
            .send(f().query(
                "SELECT 1; COPY items FROM STDIN; SELECT 2; COPY lines FROM STDIN; SELECT 3",
            ))
            .until(b'G')
            .send(f().copy_data(rows).copy_done())
            .until(b'G')
            .send(f().copy_data(b"77\t21\tnote\n").copy_done())
            .ready(1),
        Script::new("copy in, extended protocol")
            .send(f().run("COPY items FROM STDIN", &[]).sync())
            .until(b'G')
            .send(f().copy_data(rows).copy_done().sync())
            .ready(1)
            .query("SELECT count(*) FROM items"),
        Script::new("copy in, flushed instead of synced")
            .send(f().run("COPY items FROM STDIN", &[]).flush())
            .until(b'G')
            .send(f().copy_data(rows).copy_done().run("SELECT 'then'", &[]).sync())
            .ready(1),
        Script::new("a flush during copy in")
            .send(f().query("COPY items FROM STDIN"))
            .until(b'G')
            .send(f().flush().copy_data(rows).flush().sync().copy_done())
            .ready(1),
        Script::new("a query during copy in")
            .send(f().query("COPY items FROM STDIN"))
            .until(b'G')
            .send(f().query("SELECT 1"))
            .until_closed(),
        Script::new("copy out, extended protocol")
            .send(f().run("COPY items TO STDOUT", &[]).run("SELECT 1", &[]).sync())
            .ready(1),
    ]
}

fn state() -> Vec<Script> {
    vec![
        Script::new("cursors")
            .query("DECLARE c CURSOR FOR SELECT 1")
            .query("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id, name FROM items ORDER BY id")
            .query(
                "FETCH 2 FROM c; FETCH BACKWARD 1 FROM c; MOVE LAST IN c; FETCH RELATIVE 0 FROM c",
            )
            .query("UPDATE items SET name = 'x' WHERE CURRENT OF c")
            .query("FETCH nothing")
            .query("ROLLBACK")
            .query("BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 3); COMMIT")
            .query("FETCH ALL h; CLOSE h; CLOSE h"),
        Script::new("listen and notify")
            .query("LISTEN news")
            .query("NOTIFY news, 'mine'")
            .aside("NOTIFY news, 'yours'")
            .query("SELECT 'nudge'")
            .query("SELECT pg_notify('news', 'by function')")
            .query("BEGIN; NOTIFY news, 'undone'; ROLLBACK")
            .query("UNLISTEN news; NOTIFY news, 'unheard'"),
        Script::new("a notification while idle")
            .query("LISTEN news")
            .aside("NOTIFY news, 'unasked'")
            .until(b'A'),
        Script::new("prepared statements in SQL")
            .query("PREPARE q (int) AS SELECT name FROM items WHERE id = $1")
            .query("EXECUTE q (1); EXECUTE q (2)")
            .query("PREPARE q AS SELECT 1")
            .query("EXECUTE nothing")
            .query("EXPLAIN (COSTS OFF) EXECUTE q (1)")
            .query("DEALLOCATE q; EXECUTE q (1)")
            .query("PREPARE w AS INSERT INTO lines (item) VALUES ($1); EXECUTE w (1)")
            .query("DEALLOCATE ALL; EXECUTE w (1)"),
        Script::new("temporary tables")
            .query("CREATE TEMP TABLE scratch (n int)")
            .query("INSERT INTO scratch VALUES (1); SELECT * FROM scratch")
            .query("TRUNCATE scratch; ALTER TABLE scratch ADD m int; CREATE INDEX ON scratch (n)")
            .query("DROP TABLE scratch; SELECT * FROM scratch")
            .query("SELECT 1 AS n INTO TEMP other; TABLE other"),
        Script::new("discard all")
            .query("SET work_mem = '1234kB'; PREPARE q AS SELECT 1; LISTEN news")
            .query("CREATE TEMP TABLE scratch (n int)")
            .query("DISCARD ALL")
            .query("SHOW work_mem")
            .query("EXECUTE q")
            .query("SELECT * FROM scratch")
            .query("DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP")
            .query("BEGIN; DISCARD ALL")
            .query("ROLLBACK"),
        Script::new("what a pool sends to reset")
            .query("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;")
            .query("SET SESSION AUTHORIZATION DEFAULT; RESET SESSION AUTHORIZATION"),
        Script::new("advisory locks")
            .query("SELECT pg_advisory_lock(42); SELECT pg_try_advisory_lock(42)")
            .query("SELECT pg_advisory_unlock(42); SELECT pg_advisory_unlock(43)"),
        Script::new("locks")
            .query("BEGIN; LOCK items IN ACCESS SHARE MODE; LOCK items; SELECT 1; ROLLBACK")
            .query("SELECT * FROM items WHERE id = 1 FOR UPDATE NOWAIT"),
        Script::new("a cancelled statement")
            .send(f().query("SELECT pg_sleep(20)"))
            .cancel()
            .ready(1)
            .query("SELECT 'alive'"),
        Script::new("a cancelled statement in a transaction")
            .query("BEGIN")
            .send(f().run("SELECT pg_sleep(20)", &[]).run("SELECT 'skipped'", &[]).sync())
            .cancel()
            .ready(1)
            .query("SELECT 1")
            .query("ROLLBACK"),
        Script::new("a statement timeout")
            .query("SET statement_timeout = 30")
            .query("SELECT pg_sleep(20)")
            .query("RESET statement_timeout; SELECT 1"),
        Script::new("a session that the server ends")
            .query("BEGIN; SELECT 1")
            .aside(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE usename = 'app' AND state = 'idle in transaction'",
            )
            .until_closed(),
        Script::new("sequences")
            .query("SELECT nextval('lines_id_seq'), currval('lines_id_seq'), lastval()")
            .query("SELECT setval('lines_id_seq', 100)"),
        Script::new("large objects").query("BEGIN; SELECT lo_create(0) > 0; ROLLBACK").query(
            "BEGIN; SELECT lowrite(lo_open(lo_from_bytea(0, 'abc'), 131072), 'defg'); ROLLBACK",
        ),
    ]
}

fn names() -> Vec<Script> {
    vec![
        Script::new("named statements")
            .send(f().parse("s", "SELECT 1", &[]).parse("s", "SELECT 2", &[]).sync())
            .ready(1)
            .send(f().parse("s", "SELECT 3", &[]).sync())
            .ready(1)
            .send(f().bind("", "s", &[]).execute("", 0).sync())
            .ready(1)
            .send(
                f().close_statement("s")
                    .parse("s", "SELECT 4", &[])
                    .bind("", "s", &[])
                    .execute("", 0)
                    .sync(),
            )
            .ready(1)
            .send(f().close_statement("nothing").close_portal("nothing").sync())
            .ready(1),
        Script::new("the unnamed statement is replaced by each Parse and dropped by a Query")
            .send(f().parse("", "SELECT 1", &[]).sync())
            .ready(1)
            .send(f().bind("", "", &[]).execute("", 0).sync())
            .ready(1)
            .send(f().parse("", "SELECT nothing", &[]).sync())
            .ready(1)
            .send(f().bind("", "", &[]).execute("", 0).sync())
            .ready(1)
            .send(f().parse("", "SELECT 2", &[]).sync())
            .ready(1)
            .query("SELECT 'a query'")
            .send(f().bind("", "", &[]).execute("", 0).sync())
            .ready(1),
        Script::new("protocol and SQL share statements")
            .query("PREPARE s AS SELECT 'from SQL'")
            .send(f().bind("", "s", &[]).execute("", 0).sync())
            .ready(1)
            .send(f().parse("t", "SELECT 'from Parse'", &[]).sync())
            .ready(1)
            .query("EXECUTE t; DEALLOCATE t")
            .send(f().bind("", "t", &[]).execute("", 0).sync())
            .ready(1),
        Script::new("protocol and SQL share portals")
            .query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 3)")
            .send(f().execute("c", 2).sync())
            .ready(1)
            .send(f().parse("", "SELECT 'p'", &[]).bind("p", "", &[]).sync())
            .ready(1)
            .query("FETCH p; CLOSE p; FETCH c")
            .query("COMMIT"),
        Script::new("a statement whose table changes under it")
            .send(
                f().parse("s", "SELECT * FROM items WHERE id = 1", &[])
                    .describe_statement("s")
                    .sync(),
            )
            .ready(1)
            .aside("ALTER TABLE items ADD extra int")
            .send(f().bind("", "s", &[]).execute("", 0).sync())
            .ready(1),
        Script::new("quoted and foreign names")
            .send(f().parse("ß \"quoted\"", "SELECT 'ß' AS \"ß \"\"q\"\"\"", &[]).sync())
            .ready(1)
            .send(f().bind("π", "ß \"quoted\"", &[]).describe_portal("π").execute("π", 0).sync())
            .ready(1),
    ]
}

fn values() -> Vec<Script> {
    let long = "x".repeat(3 << 20);
    let statement = format!("SELECT length('{long}')");
    vec![
        Script::new("large values")
            .query("SELECT repeat('a', 64 << 20)")
            .query("SELECT repeat('b', 9000), n FROM generate_series(1, 300) AS n")
            .send(f().run("SELECT $1::text", &[Some(&long)]).sync())
            .ready(1)
            .query(&statement),
        Script::new("many rows").query("SELECT n, n * n FROM generate_series(1, 20000) AS n"),
        Script::new("many columns").query(&format!(
            "SELECT {}",
            (0..1600).map(|n| format!("{n}")).collect::<Vec<_>>().join(", ")
        )),
        Script::new("no columns, no rows")
            .query("SELECT")
            .query("SELECT FROM items")
            .query("SELECT * FROM items WHERE false"),
        Script::new("types")
            .query("SELECT ARRAY[1, NULL], '{\"a\": 1}'::jsonb, '1 day'::interval, 'ok'::mood, ROW(1, 'x')")
            .query("SELECT '2026-01-01'::timestamptz, 'NaN'::float8, '\\xdead'::bytea, 1::bit(3)"),
        Script::new("strings of every kind")
            .query(r"SELECT 'it''s', E'a\tb\\c', $$dollar$$, $t$ $$ $t$, U&'\0061'")
            .query("SELECT 'a'\n'b', B'101', X'1F', N'n', e'\\u00e4'")
            .query("SELECT 'plain \\ backslash'"),
        Script::new("returning")
            .query("INSERT INTO items VALUES (31, 'r', 1), (32, 's', 2) RETURNING id, name || '!'")
            .query("UPDATE items SET price = price * 2 WHERE id > 30 RETURNING price")
            .query("DELETE FROM items WHERE id > 30 RETURNING *")
            .query("WITH gone AS (DELETE FROM lines RETURNING 1) SELECT count(*) FROM gone"),
        Script::new("merge").query(
            "MERGE INTO items AS i USING (VALUES (1, 'new'), (40, 'forty')) AS v (id, name) \
             ON i.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name \
             WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.name, 1)",
        ),
        Script::new("a deep expression").query(&format!("SELECT 1{}", " + 1".repeat(800))),
    ]
}

fn ddl() -> Vec<Script> {
    vec![
        Script::new("tables")
            .query("CREATE TABLE made (id serial PRIMARY KEY, t text DEFAULT 'x')")
            .query("CREATE TABLE IF NOT EXISTS made (id int)")
            .query("CREATE TABLE made (id int)")
            .query("ALTER TABLE made ADD COLUMN n int NOT NULL DEFAULT 0; CREATE INDEX ON made (n)")
            .query("INSERT INTO made (n) VALUES (1), (2); TRUNCATE made; TABLE made")
            .query("COMMENT ON TABLE made IS 'c'; DROP TABLE made; DROP TABLE IF EXISTS made"),
        Script::new("ddl in a transaction")
            .query("BEGIN; CREATE TABLE made (id int)")
            .query("SAVEPOINT s; DROP TABLE made; ROLLBACK TO s; TABLE made")
            .query("ROLLBACK; SELECT to_regclass('made')"),
        Script::new("ddl in a pipeline")
            .send(
                f().run("CREATE TABLE made AS SELECT 1 AS n", &[])
                    .run("ALTER TABLE made ADD m int", &[])
                    .run("SELECT * FROM made", &[])
                    .sync(),
            )
            .ready(1),
        Script::new("routines")
            .query(
                "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'; SELECT f(1)",
            )
            .query("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p()")
            .query("CALL p()")
            .query("DO $$ BEGIN EXECUTE 'CREATE TABLE by_do (n int)'; END $$; TABLE by_do"),
        Script::new("privileges")
            .query("GRANT SELECT ON items TO reader; REVOKE SELECT ON items FROM reader")
            .query("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader")
            .query("CREATE ROLE nobody")
            .query("ALTER SYSTEM SET work_mem = '1MB'"),
        Script::new("maintenance")
            .query("VACUUM items; ")
            .query("ANALYZE items")
            .query("REINDEX TABLE items; CLUSTER items USING items_pkey")
            .query("CREATE MATERIALIZED VIEW mv AS SELECT 1; REFRESH MATERIALIZED VIEW mv")
            .query("CREATE INDEX CONCURRENTLY ON items (name)")
            .query("SELECT 1; VACUUM items"),
    ]
    .into_iter()
    .map(Script::staging_only)
    .collect()
}
