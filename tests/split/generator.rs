//! Random scripts whose reads and writes concern different tables, so that one database with all
//! of them answers what two would.

use super::item::Item;
use super::random::Random;

const READS: &[&str] = &[
    "SELECT a, b FROM r1 ORDER BY a",
    "SELECT count(*) FROM r2",
    "TABLE r1",
    "SELECT 1 / 0",
    "SELECT nope FROM r1",
    "SELECT a FROM r2 WHERE a < 4",
    "SHOW work_mem",
    "SHOW search_path",
    "SELECT current_setting('x.y', true)",
    "SHOW x.y",
    "SELECT current_user",
    "SHOW transaction_isolation",
    "SHOW transaction_read_only",
    "SHOW default_transaction_read_only",
    "EXPLAIN (COSTS OFF) SELECT * FROM r1",
    "COPY r1 TO STDOUT",
    "SELECT x FROM t1",
    "SELECT x FROM pg_temp.t1",
    "VALUES ('ä', 2)",
    "",
];

/// A write that leaves what the session is where it writes.
const TELLS: &str = "INSERT INTO w1 SELECT max(a) + 100, current_user || ' ' || \
     coalesce(current_setting('x.y', true), '-') || ' ' || current_setting('work_mem') FROM w1";

const WRITES: &[&str] = &[
    TELLS,
    TELLS,
    TELLS,
    "INSERT INTO w1 VALUES (3, 'z')",
    "INSERT INTO w1 VALUES (4, 'ü') ON CONFLICT DO NOTHING RETURNING a",
    "INSERT INTO w1 VALUES (1, 'twice')",
    "UPDATE w1 SET b = b || '!' WHERE a = 1 RETURNING b",
    "DELETE FROM w1 WHERE a = 2",
    "DELETE FROM w1 WHERE nope",
    "INSERT INTO w2 VALUES (99)",
    "INSERT INTO w2 VALUES (1)",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "SELECT nextval('s')",
    "SELECT currval('s')",
    "SELECT a FROM w1 WHERE a = 1 FOR UPDATE",
    "EXPLAIN (COSTS OFF) SELECT a FROM w1 FOR UPDATE",
    "EXPLAIN (COSTS OFF) SELECT nextval('s')",
    "CREATE TABLE w3 (a int)",
    "DROP TABLE w3",
    "CREATE TEMP TABLE t1 (x int)",
    "CREATE TEMP TABLE t1 (x int) ON COMMIT DROP",
    "INSERT INTO t1 VALUES (7)",
    "DROP TABLE t1",
    "VACUUM w1",
    "WITH gone AS (DELETE FROM w2 RETURNING a) SELECT count(*) FROM gone",
    "COPY (DELETE FROM w1 WHERE a > 2 RETURNING b) TO STDOUT",
    "MERGE INTO w1 USING (VALUES (2, 'merged'), (5, 'new')) AS v (a, b) ON w1.a = v.a \
     WHEN MATCHED THEN UPDATE SET b = v.b WHEN NOT MATCHED THEN INSERT VALUES (v.a, v.b)",
    "MERGE INTO w1 USING w2 ON w1.a = w2.a WHEN MATCHED THEN DELETE",
    "LOCK TABLE w1 IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE r1 IN ACCESS SHARE MODE",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock(2, 3)",
    "SELECT pg_advisory_unlock(1)",
    "SELECT pg_advisory_unlock_all()",
    "NOTIFY channel",
    "NOTIFY channel, 'told'",
    "SELECT pg_notify('channel', 'called')",
];

/// What runs routines. On neon a call has to be the first of its pipeline.
const ROUTINES: &[&str] = &[
    "SELECT look(2)",
    "SELECT a, look(a) FROM r1 WHERE look(a) < 'tx' ORDER BY a",
    "SELECT note('noted')",
    "SELECT latest()",
    "SELECT note(b) FROM w1 WHERE a = 1 FOR UPDATE",
    "CALL put('put')",
    "DO $$ BEGIN PERFORM note('done'); END $$",
    "INSERT INTO w1 VALUES (6, 'six') RETURNING note('returned')",
    "EXPLAIN (COSTS OFF) SELECT note('planned')",
    "SELECT nope(1)",
    "SELECT abs(look(2)::int)",
];

/// Tasks of two rows: the one that scripts begin with, and one that does all where sessions write.
const MOVES: &[&str] = &[
    "SET authority.task = 'unit_tests'",
    "SET authority.task = 'spanning'",
    "SET authority.task TO DEFAULT",
    "SELECT set_config('authority.task', 'unit_tests', false)",
    "RESET authority.task",
];

const SESSION: &[&str] = &[
    "SET work_mem = '5MB'",
    "SET LOCAL work_mem = '6MB'",
    "RESET work_mem",
    "SET work_mem = 'much'",
    "SET x.y = 'a'",
    "SET LOCAL x.y = 'b'",
    "SELECT set_config('x.y', 'c', true)",
    "SELECT set_config('x.y', 'd', false)",
    "SET application_name = 'here'",
    "SET ROLE bob",
    "SET ROLE bob",
    "SET LOCAL ROLE bob",
    "RESET ROLE",
    "RESET x.y",
    "RESET ALL",
    "DISCARD ALL",
    "DISCARD TEMP",
    "DEALLOCATE ALL",
    "CLOSE ALL",
    "LISTEN channel",
    "UNLISTEN *",
];

const CONTROL: &[&str] = &[
    "BEGIN",
    "BEGIN",
    "START TRANSACTION",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "BEGIN READ ONLY",
    "BEGIN READ WRITE",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
    "COMMIT",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT one",
    "SAVEPOINT two",
    "SAVEPOINT one",
    "RELEASE one",
    "RELEASE two",
    "ROLLBACK TO one",
    "ROLLBACK TO two",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET TRANSACTION READ WRITE",
    "SET TRANSACTION READ ONLY",
];

const NAMES: &[&str] = &[
    "PREPARE reading AS SELECT b FROM r1 WHERE a = 2",
    "PREPARE writing AS UPDATE w1 SET b = 'prepared' WHERE a = 1",
    "EXECUTE reading",
    "EXECUTE writing",
    "EXECUTE nobody",
    "DEALLOCATE reading",
    "DECLARE reader CURSOR FOR SELECT a FROM r2 ORDER BY a",
    "DECLARE holder CURSOR WITH HOLD FOR SELECT a FROM r2 ORDER BY a",
    "FETCH 2 FROM reader",
    "FETCH 2 FROM holder",
    "CLOSE reader",
    "CLOSE holder",
    "DECLARE writer CURSOR FOR SELECT a FROM w1 ORDER BY a FOR UPDATE",
    "FETCH 1 FROM writer",
    "FETCH 1 FROM writer",
    "MOVE 1 FROM writer",
    "UPDATE w1 SET b = 'current' WHERE CURRENT OF writer RETURNING a",
    "CLOSE writer",
];

/// What makes, renames, drops and brings back temporary relations; `r2` is read from neon otherwise.
const TEMPORARY: &[&str] = &[
    "CREATE TEMP TABLE r2 (a int)",
    "CREATE TEMP TABLE r2 (a int) ON COMMIT DROP",
    "CREATE TEMP TABLE IF NOT EXISTS r2 (a int)",
    "CREATE TEMP TABLE r2 AS SELECT 6 AS a",
    "CREATE TEMP TABLE r2 (a serial)",
    "CREATE TEMP VIEW r2 AS SELECT 7 AS a",
    "CREATE TEMP SEQUENCE r2",
    "SELECT 5 AS a INTO TEMP r2",
    "CREATE TABLE pg_temp.r2 (a int)",
    "CREATE TABLE r2 (a int)",
    "SET search_path = pg_temp, public",
    "SET LOCAL search_path = pg_temp, public",
    "DO $$ BEGIN CREATE TEMP TABLE r2 (a int); END $$",
    "DO $$ BEGIN DROP TABLE IF EXISTS pg_temp.r2; END $$",
    "ALTER TABLE t1 RENAME TO r2",
    "ALTER TABLE pg_temp.r2 RENAME TO t1",
    "ALTER TABLE pg_temp.r2 RENAME TO t2",
    "DROP TABLE pg_temp.r2",
    "DROP VIEW pg_temp.r2",
    "INSERT INTO pg_temp.r2 VALUES (8)",
    "DISCARD TEMP",
    "SELECT a FROM r2 WHERE a < 9",
    "SELECT count(*) FROM r2",
    "SELECT count(*) FROM r2",
    "SELECT last_value FROM r2_a_seq",
    "SELECT count(*) FROM t1",
    "SELECT count(*) FROM t2",
];

const LAW: &[&str] = &["RESET ALL", "DISCARD ALL"];

/// A statement, each kind as often as it makes for a lively script.
fn statement(random: &mut Random) -> String {
    let kinds: [&[&str]; 6] = [READS, WRITES, SESSION, CONTROL, NAMES, TEMPORARY];
    let kind = kinds[random.weighted(&[30, 30, 20, 35, 16, 30])];
    random.of(kind).to_owned()
}

/// One that is the first of its pipeline.
fn leading(random: &mut Random) -> String {
    match random.below(100) {
        0..10 => random.of(ROUTINES).to_owned(),
        _ => statement(random),
    }
}

/// Statements for a string: no transaction control, which needs a string of its own.
fn string(random: &mut Random, count: usize) -> Vec<String> {
    let kinds: [&[&str]; 5] = [READS, WRITES, SESSION, TEMPORARY, ROUTINES];
    let alone = ["VACUUM w1", "DISCARD ALL"];
    (0..count)
        .map(|_| {
            let kind = kinds[random.weighted(&[8, 8, 6, 6, 1])];
            random.of(kind).to_owned()
        })
        .filter(|text| !alone.contains(&text.as_str()))
        .collect()
}

fn extended(random: &mut Random, items: &mut Vec<Item>) {
    const STATEMENTS: &[&str] = &["", "", "", "a", "b"];
    const PORTALS: &[&str] = &["", "", "p"];
    let (name, portal) = (random.of(STATEMENTS), random.of(PORTALS));
    let name: &'static str = STATEMENTS.iter().find(|one| **one == name).unwrap();
    let portal: &'static str = PORTALS.iter().find(|one| **one == portal).unwrap();
    match random.below(13) {
        12 => {
            let local = random.of(&["true", "false"]);
            items.extend([
                Item::Parse("", format!("SELECT set_config('x.y', $1, {local})")),
                Item::BindTo(if random.chance(50) { "it's" } else { "$1" }),
                Item::Execute("", 0),
            ]);
        }
        0..7 => {
            let text = statement(random);
            // what has run BEGIN keeps its portal to the end of the block, and none is open on two legs
            let portal = if CONTROL.contains(&text.as_str()) { "" } else { portal };
            // which of two errors comes first where a name is taken is not the same on two legs
            if !name.is_empty() {
                items.push(Item::CloseStatement(name));
            }
            items.push(Item::Parse(name, text.clone()));
            if random.chance(20) {
                items.push(Item::DescribeStatement(name));
            }
            items.push(Item::Bind(portal, name));
            if random.chance(30) {
                items.push(Item::DescribePortal(portal));
            }
            items.push(Item::Execute(portal, 0));
            // nothing may follow in the pipeline what changes the law itself
            if LAW.contains(&text.as_str()) {
                items.push(Item::Sync);
            }
        }
        7 => items.extend([Item::CloseStatement(name), Item::Parse(name, statement(random))]),
        8 => items.extend([Item::Bind(portal, name), Item::Execute(portal, 0), Item::Sync]),
        9 => {
            items.extend([
                Item::Parse("", "SELECT a FROM r2 ORDER BY a".into()),
                Item::Bind(portal, ""),
                Item::Execute(portal, 2),
                Item::Execute(portal, 0),
            ]);
            items.extend(Item::run("INSERT INTO w1 VALUES (11, 'run')"));
        }
        // three Closes in a row are the end of a segment
        10 => items.extend([Item::CloseStatement(name), Item::Parse(name, statement(random))]),
        _ => items.extend([Item::ClosePortal(portal), Item::DescribeStatement(name)]),
    }
    match random.below(10) {
        0..5 => items.push(Item::Sync),
        5 => items.push(Item::Flush),
        _ => {}
    }
}

/// Whether messages wait for their Sync.
fn is_open(items: &[Item]) -> bool {
    items
        .iter()
        .rev()
        .find(|item| !matches!(item, Item::Flush))
        .is_some_and(|last| !matches!(last, Item::Sync | Item::Settle | Item::Query(_)))
}

fn copy(random: &mut Random, items: &mut Vec<Item>) {
    let from = "COPY w1 FROM STDIN";
    let mut group = Vec::new();
    let is_extended = random.chance(30);
    match random.below(3) {
        _ if is_extended => {
            if random.chance(40) {
                group.extend(Item::run(random.of(WRITES)));
            }
            group.extend(Item::run(from));
        }
        0 => {
            // what stands behind it runs once the data have come
            let mut texts = string(random, 2);
            texts.insert(random.below(texts.len() + 1), from.to_owned());
            group.push(Item::Query(texts));
        }
        _ => group.push(Item::Query(vec![from.into()])),
    }
    group.push(Item::CopyData(if random.chance(60) { b"8\tcopied\n" } else { b"nonsense\n" }));
    group.push(if random.chance(70) { Item::CopyDone } else { Item::CopyFail });
    if is_extended {
        group.push(Item::Sync);
    }
    items.push(Item::Group(group));
}

/// To another task, most often outside a block, where it is possible.
fn to_another_task(random: &mut Random, items: &mut Vec<Item>) {
    if is_open(items) {
        items.push(Item::Sync);
    }
    if random.chance(70) {
        items.push(Item::Query(vec![random.of(&["COMMIT", "ROLLBACK"]).to_owned()]));
    }
    match random.of(MOVES) {
        text if random.chance(70) => items.push(Item::Query(vec![text.to_owned()])),
        text => {
            items.extend(Item::run(text));
            // the unnamed statement does not come along
            items.extend([Item::Sync, Item::CloseStatement(""), Item::Sync]);
        }
    }
}

/// A script; `moves`: it goes to other tasks as well.
pub fn script(random: &mut Random, length: usize, moves: bool) -> Vec<Item> {
    let mut items = Vec::new();
    while items.len() < length {
        if moves && random.chance(15) {
            to_another_task(random, &mut items);
        }
        match random.below(100) {
            kind @ 0..50 => {
                if is_open(&items) {
                    items.push(Item::Sync);
                }
                match kind {
                    0..30 => items.push(Item::Query(vec![leading(random)])),
                    30..45 => {
                        let count = 2 + random.below(3);
                        items.push(Item::Query(string(random, count)));
                    }
                    // abs
                    45 => items.push(Item::FunctionCall(1397, vec![random.of(&["-3", "x"])])),
                    _ => copy(random, &mut items),
                }
            }
            50..84 => extended(random, &mut items),
            84..88 => {
                items.push(Item::Sync);
                items.extend(Item::run(leading(random)));
                items.push(Item::Sync);
            }
            _ => items.push(Item::Settle),
        }
    }
    items
}
