//! Random scripts of everything that has state in a session.

use super::item::Item;
use super::random::Random;

/// What a script may have in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Anything: for staging.
    Everything,
    /// What a confirmed session may do on prod.
    Confirmed,
    /// What prod allows anyone.
    Ordinary,
    /// What is read on a replica, and writes that it refuses.
    Replica,
}

/// Made before each script, as superuser; `app` owns everything.
pub const SETUP: &str = "
CREATE TABLE a (id int PRIMARY KEY, v text);
INSERT INTO a VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO late VALUES (1);
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END';
CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE ''told''; END';
CREATE FUNCTION sets(text, boolean) RETURNS text LANGUAGE sql
    AS $$ SELECT set_config('shadow.x', $1, $2) $$;
CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'c3';
BEGIN OPEN c FOR SELECT generate_series(1, 4); RETURN c; END $$;
CREATE PROCEDURE commits() LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO a VALUES (90, ''p'') ON CONFLICT DO NOTHING; COMMIT; END';
CREATE PROCEDURE rolls_back() LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO a VALUES (91, ''p''); ROLLBACK; END';
";

const READS: &[&str] = &[
    "SELECT 1",
    "SELECT id, v FROM a ORDER BY id",
    "SELECT generate_series(1, 5)",
    "SELECT count(*) FROM a",
    "SHOW TimeZone",
    "SELECT current_setting('shadow.x', true)",
    "TABLE late",
    "VALUES (1), (2)",
    "EXPLAIN (COSTS OFF) SELECT 1",
    "COPY a TO STDOUT",
    "COPY (SELECT 1) TO STDOUT",
    "SELECT name FROM pg_prepared_statements ORDER BY 1",
    "SELECT name, is_holdable FROM pg_cursors WHERE name <> '' ORDER BY 1",
    "",
];
const WRITES: &[&str] = &[
    "INSERT INTO a VALUES (4, 'four')",
    "INSERT INTO a VALUES (5, 'five') ON CONFLICT DO NOTHING",
    "DELETE FROM a WHERE id > 3",
    "UPDATE a SET v = v || '.' WHERE id = 1 RETURNING v",
    "INSERT INTO late VALUES (1)",
    "WITH w AS (DELETE FROM a RETURNING id) SELECT id FROM w ORDER BY id",
    "SELECT id FROM a ORDER BY id FOR UPDATE",
    "NOTIFY n, 'x'",
    "VACUUM a",
    "LOCK TABLE a",
];
const ERRORS: &[&str] = &[
    "SELECT 1/0",
    "SELECT * FROM missing",
    "INSERT INTO a VALUES (1, 'again')",
    "SELECT id / (id - 2) FROM a ORDER BY id",
    "SELECT 'x'::int",
];
const CONTROL: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "BEGIN",
    "START TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "BEGIN READ ONLY",
    "COMMIT",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "RELEASE a",
    "RELEASE b",
    "ROLLBACK TO a",
    "ROLLBACK TO a",
    "ROLLBACK TO b",
    "SET TRANSACTION READ ONLY",
    "PREPARE TRANSACTION 'g'",
    "COMMIT PREPARED 'g'",
    "ROLLBACK PREPARED 'g'",
];
const SETTINGS: &[&str] = &[
    "SET shadow.x = '1'",
    "SET LOCAL shadow.x = '2'",
    "RESET shadow.x",
    "RESET ALL",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET LOCAL TimeZone = 'Europe/Berlin'",
    "SET application_name = 'state'",
    "SELECT set_config('shadow.x', '3', false)",
    "SELECT set_config('shadow.x', '4', true)",
    "DISCARD ALL",
    "DISCARD TEMP",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "LISTEN n",
    "UNLISTEN *",
    "SET search_path = public",
    "SET DateStyle = 'German'",
];
const NAMES: &[&str] = &[
    "PREPARE q1 AS SELECT generate_series(1, 3)",
    "PREPARE q1 AS DELETE FROM a WHERE id = 2",
    "PREPARE q2 AS INSERT INTO a VALUES (6, 'six')",
    "EXECUTE q1",
    "EXECUTE q2",
    "DEALLOCATE q1",
    "DEALLOCATE q2",
    "DEALLOCATE ALL",
    "DEALLOCATE s1",
    "DECLARE c1 CURSOR FOR SELECT generate_series(1, 5)",
    "DECLARE c1 CURSOR WITH HOLD FOR SELECT id FROM a ORDER BY id",
    "DECLARE c2 SCROLL CURSOR WITH HOLD FOR SELECT generate_series(1, 4)",
    "FETCH 2 FROM c1",
    "FETCH BACKWARD ALL FROM c2",
    "FETCH ALL FROM c2",
    "MOVE 1 IN c1",
    "CLOSE c1",
    "CLOSE c2",
    "CLOSE ALL",
    "CLOSE p1",
];
const TEMPORARY: &[&str] = &[
    "CREATE TEMP TABLE t1 (i int)",
    "CREATE TEMP TABLE t1 (i int) ON COMMIT DROP",
    "CREATE TEMP TABLE t2 ON COMMIT DELETE ROWS AS SELECT 1 AS i",
    "CREATE TEMP TABLE t2 AS SELECT 1 AS i",
    "INSERT INTO pg_temp.t1 VALUES (1)",
    "TABLE pg_temp.t2",
    "DROP TABLE pg_temp.t1",
    "DROP TABLE IF EXISTS pg_temp.t2",
    "TRUNCATE pg_temp.t1",
];
const UNSEEN: &[&str] = &[
    "SELECT f()",
    "SELECT f() FROM a",
    "SELECT fails()",
    "SELECT sets('5', false)",
    "SELECT sets('6', true)",
    "SELECT opens()",
    "FETCH 1 FROM c3",
    "DO 'BEGIN PERFORM 1; END'",
    "DO 'BEGIN PERFORM 1/0; END'",
    "DO $$ BEGIN RAISE NOTICE 'told'; END $$",
    "DO 'BEGIN PERFORM set_config(''shadow.x'', ''7'', true); COMMIT; END'",
    "DO 'BEGIN INSERT INTO a VALUES (80, ''d''); ROLLBACK; END'",
    "DO $$ BEGIN EXECUTE 'SET shadow.x = 8'; END $$",
    "CALL commits()",
    "CALL rolls_back()",
];
const DDL: &[&str] = &[
    "CREATE TABLE d (i int)",
    "DROP TABLE d",
    "DROP TABLE t1",
    "ALTER TABLE a ADD COLUMN more int",
    "ALTER TABLE a DROP COLUMN more",
    "COMMENT ON TABLE a IS 'x'",
    "TRUNCATE late",
    "CREATE INDEX ON a (v)",
    "CREATE TABLE t1 (i int)",
    "CREATE TABLE e AS EXECUTE q1",
    "GRANT SELECT ON a TO reader",
    "CREATE INDEX CONCURRENTLY ON late (id)",
];
const STAGING: &[&str] = &[
    "SELEC 1",
    "EXECUTE s1",
    "EXECUTE s2",
    "FETCH 1 FROM p1",
    "FETCH ALL FROM p2",
    "PREPARE s1 AS SELECT 2",
    "SET standard_conforming_strings = off",
    "SELECT '\\'",
    "SET client_encoding = 'LATIN1'",
    "SELECT 'é'",
];
const COPY_IN: &[&str] = &["COPY a FROM STDIN", "COPY late FROM STDIN", "COPY missing FROM STDIN"];

const REFUSED: &[&str] = &[
    "INSERT INTO a VALUES (4, 'four')",
    "DELETE FROM a WHERE id > 3",
    "UPDATE a SET v = v || '.' WHERE id = 1 RETURNING v",
    "WITH w AS (DELETE FROM a RETURNING id) SELECT id FROM w ORDER BY id",
    "SELECT id FROM a ORDER BY id FOR UPDATE",
    "CREATE TABLE d (i int)",
    "TRUNCATE late",
    "COMMENT ON TABLE a IS 'x'",
    "GRANT SELECT ON a TO reader",
];

/// What a statement of these groups may not be on a replica: the proxy alone refuses it, or it says
/// so otherwise than the server.
fn is_for_replicas(text: &str) -> bool {
    !text.contains("AND CHAIN")
        && !text.contains("PREPARE TRANSACTION")
        && !text.contains("PREPARED 'g'")
        && !["INSERT", "DELETE", "DISCARD ALL"].iter().any(|word| text.contains(word))
}

fn statement(random: &mut Random, flavour: Flavour) -> String {
    let groups = [READS, WRITES, ERRORS, CONTROL, SETTINGS, NAMES, TEMPORARY, UNSEEN, DDL, STAGING];
    let weights: &[usize] = match flavour {
        Flavour::Everything => &[12, 10, 6, 22, 8, 14, 6, 6, 6, 4],
        Flavour::Confirmed => &[10, 8, 6, 22, 8, 14, 6, 8, 12, 0],
        Flavour::Ordinary => &[12, 12, 6, 24, 8, 16, 8, 0, 0, 0],
        Flavour::Replica => &[16, 0, 6, 24, 10, 16, 0, 0, 0, 0],
    };
    let group = random.weighted(weights);
    let text = random.of(groups[group]);
    match flavour == Flavour::Replica && !is_for_replicas(text) {
        true => "SELECT 2".into(),
        false => text.to_owned(),
    }
}

/// The statements of a Query.
fn string(random: &mut Random, flavour: Flavour, count: usize) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut ended = false;
    for _ in 0..count {
        statements.push(match ended {
            false => statement(random, flavour),
            true => random.of(CONTROL).to_owned(),
        });
        let ends = ["COMMIT", "END", "ROLLBACK", "PREPARE TRANSACTION"]
            .iter()
            .any(|end| statements.last().is_some_and(|one| one.starts_with(end)));
        // what is confirmed behind it, and what the catalog then is, the server cannot be asked:
        // there the proxy is stricter
        ended |= ends && flavour == Flavour::Confirmed;
    }
    statements
}

fn name(random: &mut Random) -> &'static str {
    random.of(&["", "", "s1", "s2"])
}

fn portal(random: &mut Random) -> &'static str {
    random.of(&["", "", "p1", "p2"])
}

/// COPY FROM STDIN in either protocol, and what follows it, as it should and as it should not.
fn copy(random: &mut Random, items: &mut Vec<Item>) {
    let text = random.of(COPY_IN).to_owned();
    let simple = random.chance(50);
    if simple {
        let mut statements = vec![text];
        if random.chance(30) {
            statements.push(random.of(&["SELECT 1", "SELECT 1/0", "COPY a FROM STDIN"]).to_owned());
        }
        items.push(Item::Query(statements));
    } else {
        items.extend(Item::run(text));
        if random.chance(30) {
            items.push(random.of(&[&Item::Sync, &Item::Flush]).clone());
        }
    }
    let data = random.below(3);
    for _ in 0..data {
        items.push(Item::CopyData(random.of::<[u8]>(&[
            b"7\tseven\n",
            b"8\teight\n",
            b"x\ty\n",
            b"9",
        ])));
    }
    match random.below(10) {
        0..5 => items.push(Item::CopyDone),
        5..8 => items.push(Item::CopyFail),
        // behind data it is the server's timing that says what becomes of a Sync
        _ if data > 0 => items.push(Item::CopyDone),
        _ => {}
    }
    if !simple && random.chance(80) {
        items.push(Item::Sync);
    }
}

fn extended(random: &mut Random, flavour: Flavour, items: &mut Vec<Item>) {
    match random.below(14) {
        0..5 => {
            items.extend(Item::run(statement(random, flavour)));
            if random.chance(40) {
                items.push(Item::Sync);
            }
        }
        5 | 6 => {
            let (statement_name, text) = (name(random), statement(random, flavour));
            items.push(Item::Parse(statement_name, text));
        }
        7 | 8 => items.push(Item::Bind(portal(random), name(random))),
        9 | 10 => {
            items.push(Item::Execute(portal(random), random.of(&[&0, &0, &1, &2]).to_owned()))
        }
        11 => items.push(match random.below(2) {
            0 => Item::DescribeStatement(name(random)),
            _ => Item::DescribePortal(portal(random)),
        }),
        12 => items.push(match random.below(2) {
            0 => Item::CloseStatement(name(random)),
            _ => Item::ClosePortal(portal(random)),
        }),
        _ => items.push(random.of(&[&Item::Sync, &Item::Sync, &Item::Flush]).clone()),
    }
}

/// Messages have been sent since the last one that ReadyForQuery answers.
fn is_open(items: &[Item]) -> bool {
    !matches!(
        items.last(),
        None | Some(Item::Sync | Item::Settle | Item::Query(_) | Item::FunctionCall(..))
    )
}

/// A client that flushes, reads and goes on without a Sync.
fn interactive(random: &mut Random, flavour: Flavour, items: &mut Vec<Item>) {
    let mut group = Vec::new();
    for _ in 0..2 + random.below(6) {
        let mut some = Vec::new();
        extended(random, flavour, &mut some);
        let copies =
            |item: &Item| matches!(item, Item::Parse(_, text) if text.contains("FROM STDIN"));
        if !some.iter().any(copies) {
            group.extend(some);
        }
        if random.chance(50) {
            group.push(Item::Pause);
        }
    }
    items.push(Item::Settle);
    items.push(Item::Group(group));
    if random.chance(80) {
        items.push(Item::Sync);
    }
}

/// A script of about `length` messages.
pub fn script(random: &mut Random, flavour: Flavour, length: usize) -> Vec<Item> {
    let mut items = Vec::new();
    while items.len() < length {
        if flavour == Flavour::Confirmed && is_open(&items) && random.chance(60) {
            items.push(Item::Sync);
        }
        match random.below(100) {
            // on 18 a Query in an open pipeline leaves a transaction that nobody can follow
            0..35 | 75..82 if flavour == Flavour::Confirmed && is_open(&items) => {}
            0..35 if flavour == Flavour::Replica && random.chance(20) => {
                items.push(Item::Query(vec![random.of(REFUSED).to_owned()]));
            }
            0..35 => {
                let count = random.of(&[&1, &1, &1, &2, &3, &4]).to_owned();
                items.push(Item::Query(string(random, flavour, count)));
            }
            35..69 => extended(random, flavour, &mut items),
            69..75 => interactive(random, flavour, &mut items),
            75..82 if flavour == Flavour::Replica => items.push(Item::Settle),
            75..80 => copy(random, &mut items),
            80..82 => {
                let (oid, arguments) = match flavour {
                    // lo_close, abs
                    Flavour::Ordinary => (956, vec!["0"]),
                    _ => (1397, vec![random.of(&["-3", "x"])]),
                };
                items.push(Item::FunctionCall(oid, arguments));
            }
            _ => items.push(Item::Settle),
        }
    }
    items
}
