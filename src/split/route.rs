//! Where a statement belongs.

use super::{Side, Temporary, temporary};
use crate::sql::catalog::FIRST_UNPINNED;
use crate::sql::{Bound, Chain, Class, Effect, How, Modes, SetConfig, Statement, Uses};

/// Where a statement belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To one leg.
    To(Side),
    /// To both: it changes the session itself. `keep`: a leg that takes part later has to be told.
    Both {
        /// A leg that takes part later has to be told.
        keep: bool,
    },
    /// Transaction control: the session's own affair.
    Transaction,
    /// Where the prepared statement of this name lives.
    Prepared(Box<str>),
    /// Where the cursor of this name lives.
    Cursor(Box<str>),
    /// A split session cannot do it: why, and what to do instead.
    Refused(&'static str, &'static str),
}

impl Route {
    /// The same of a statement with parameters: `types`, what follows the text in Parse. Types that
    /// are not PostgreSQL's own have other OIDs on the other leg.
    pub fn given(self, types: &[u8]) -> Route {
        let mut oids = types.get(2..).unwrap_or_default().as_chunks().0.iter();
        match self {
            Route::Both { .. } if oids.any(|oid| u32::from_be_bytes(*oid) >= FIRST_UNPINNED) => {
                Route::Refused(
                    "a parameter of one of the database's own types cannot be set on both legs",
                    "send it as text, and cast it in the statement: $1::text",
                )
            }
            other => other,
        }
    }
}

/// What transaction control cannot do in a split session: why, and what to do instead.
pub const fn control_refused(effect: &Effect) -> Option<(&'static str, &'static str)> {
    match effect {
        Effect::Commit(Chain::Yes) | Effect::Rollback(Chain::Yes) => {
            Some(("AND CHAIN is not possible", "begin the next one with BEGIN"))
        }
        _ => None,
    }
}

/// Transaction control that asks for a transaction that writes: the read leg is not told.
pub const fn lets_write(effect: &Effect) -> bool {
    match effect {
        Effect::Begin { modes } | Effect::SetTransaction { modes } => {
            matches!(modes.read_write, Some(true))
        }
        _ => false,
    }
}

/// Where a route leads in a string of several statements; `None`: to both legs.
///
/// # Errors
/// It cannot be in one: why, and what to do instead.
pub const fn within_string(route: &Route) -> Result<Option<Side>, (&'static str, &'static str)> {
    match route {
        Route::To(side) => Ok(Some(*side)),
        Route::Both { .. } => Ok(None),
        Route::Refused(why, hint) => Err((why, hint)),
        Route::Transaction | Route::Prepared(_) | Route::Cursor(_) => Err((
            "transaction control in a string with other statements is not possible",
            "send it as a statement of its own",
        )),
    }
}

/// The route of a statement, `class` being what it is in this session.
pub fn route(statement: &Statement, class: Class, temporary: &Temporary) -> Route {
    placed(statement, class, temporary).0
}

/// The route of a statement, and what decides it, for people.
pub fn placed(statement: &Statement, class: Class, temporary: &Temporary) -> (Route, &'static str) {
    const READ: Route = Route::To(Side::Read);
    const WRITE: Route = Route::To(Side::Write);
    const SESSION: &str = "it changes the session, which both legs have";
    const READ_ONLY: &str = "it governs transactions that write";
    const CONTROL: &str = "the transaction is the session's";
    const NAMED: &str = "it goes where what it names is";
    let refused = |why, hint| (Route::Refused(why, hint), "one connection would be needed");
    // what it would set there alone, both have to be told
    let writes = |why| match sets_besides_the_guard(statement) {
        true => refused(
            "what runs on one leg cannot set what both have to be told",
            "send set_config, or SET, as a statement of its own",
        ),
        false => (WRITE, why),
    };
    if statement.bound == Bound::Snapshot {
        return refused(
            "a snapshot cannot be shared",
            "export it on an entry that reads and writes in one place",
        );
    }
    match &statement.effect {
        Effect::Begin { .. }
        | Effect::Commit(_)
        | Effect::Rollback(_)
        | Effect::Savepoint(_)
        | Effect::Release(_)
        | Effect::RollbackTo(_) => return (Route::Transaction, CONTROL),
        Effect::PrepareTransaction => {
            return refused("PREPARE TRANSACTION is not possible", "COMMIT instead");
        }
        Effect::SetTransaction { modes } if *modes == Modes::default() => {
            return refused("a snapshot cannot be shared", "leave SET TRANSACTION SNAPSHOT away");
        }
        Effect::SetTransaction { .. } => return (Route::Transaction, CONTROL),
        Effect::SetSessionCharacteristics { modes } if modes.read_write == Some(true) => {
            return match modes.isolation {
                None => (WRITE, READ_ONLY),
                Some(_) => refused(
                    "READ WRITE concerns one leg and the isolation level both",
                    "send two statements, one with READ WRITE alone",
                ),
            };
        }
        Effect::Set { name, .. } | Effect::Reset(name) if is_read_only(name) => {
            return (WRITE, READ_ONLY);
        }
        Effect::SetSessionCharacteristics { .. }
        | Effect::Set { .. }
        | Effect::Reset(_)
        | Effect::ResetAll => return (Route::Both { keep: true }, SESSION),
        // a leg that is not open has nothing to discard
        Effect::DiscardAll => return (Route::Both { keep: false }, SESSION),
        Effect::DiscardTemp => return (WRITE, "temporary relations are where the session writes"),
        Effect::DiscardOther | Effect::Deallocate(None) | Effect::CloseCursor(None) => {
            return (Route::Both { keep: false }, SESSION);
        }
        Effect::Prepare { inner, .. } if sets(inner) => {
            return refused(
                "a prepared set_config cannot run on both legs",
                "send it as a statement of its own",
            );
        }
        Effect::Declare { .. } if !statement.set_config.is_empty() => {
            return refused(
                "a cursor over set_config cannot run on both legs",
                "send it as a statement of its own",
            );
        }
        Effect::Prepare { inner, .. } => return placed(inner, inner.class, temporary),
        Effect::Execute(_) if sets_besides_the_guard(statement) => return writes(""),
        Effect::Execute(name) if class <= Class::Read => {
            return (Route::Prepared(name.clone()), NAMED);
        }
        Effect::Deallocate(Some(name)) => return (Route::Prepared(name.clone()), NAMED),
        Effect::Fetch(name) | Effect::CloseCursor(Some(name)) => {
            return (Route::Cursor(name.clone()), NAMED);
        }
        Effect::Execute(_)
        | Effect::Declare { .. }
        | Effect::CreateTemp { .. }
        | Effect::Forget { .. }
        | Effect::None => {}
    }
    if let Some(name) = &statement.explains
        && class <= Class::Read
    {
        return (Route::Prepared(name.clone()), NAMED);
    }
    let has_no_relation = statement.uses.as_deref().is_none_or(|uses| uses.relations.is_empty());
    if has_no_relation && statement.set_config.iter().any(|call| call.name.is_none()) {
        return refused(
            "set_config of a name that is computed cannot run on both legs",
            "write the name as a literal",
        );
    }
    if sets(statement)
        && !statement.set_config.iter().all(|call| call.constant)
        && statement.uses.as_deref().is_some_and(reads_tables)
    {
        return refused(
            "what set_config takes from a table may differ between the legs",
            "read it first, then set it",
        );
    }
    if statement.do_or_call {
        return writes("DO and CALL run where the session writes");
    }
    if class > Class::Read {
        return writes("it is more than a read");
    }
    if statement.bound == Bound::Writer {
        return writes(asks(statement));
    }
    let mut uses = statement.uses.as_deref().into_iter();
    if !sets(statement) && uses.any(|uses| temporary.is_named(uses)) {
        return writes("it names a temporary relation");
    }
    if !statement.set_config.is_empty() {
        return match statement.set_config.iter().any(is_of_the_guard) {
            true => writes(READ_ONLY),
            false => (Route::Both { keep: true }, SESSION),
        };
    }
    match statement.tag {
        "LISTEN" => (Route::Both { keep: false }, SESSION),
        "UNLISTEN" => (Route::Both { keep: true }, SESSION),
        "SET CONSTRAINTS" => (WRITE, "it concerns what is written"),
        _ => (READ, "it reads"),
    }
}

/// What a read asks of the leg that writes.
fn asks(statement: &Statement) -> &'static str {
    match statement.tag {
        "EXPLAIN" => "it shows the plan of what goes there",
        "SHOW" => "it shows what governs transactions that write",
        _ => "its answer is the writing connection's: currval, transaction ids, advisory locks",
    }
}

/// Whether a statement goes to the read leg unless it names a temporary relation.
pub fn goes_by_names(statement: &Statement, class: Class) -> bool {
    temporary::depends(statement).is_some()
        && route(statement, class, &Temporary::default()) == Route::To(Side::Read)
}

/// Whether a statement may run, or warn, otherwise within a transaction block, be it implicit, than
/// by itself.
pub fn minds_blocks(statement: &Statement) -> bool {
    let anywhere = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SHOW", "EXPLAIN", "EXECUTE",
        "FETCH", "MOVE",
    ];
    !anywhere.contains(&statement.tag)
}

/// A statement that would run on both legs for its set_config.
fn sets(statement: &Statement) -> bool {
    !statement.set_config.is_empty() && statement.class <= Class::Read
}

/// It may set something for one of the legs that is not that leg's own: by `set_config`, not in a
/// body that may never run, or by UPDATE of `pg_settings`.
fn sets_besides_the_guard(statement: &Statement) -> bool {
    let runs = statement.tag != "DO"
        && (!statement.tag.starts_with("CREATE") || MADE_BY_A_QUERY.contains(&statement.tag))
        && !statement.tag.starts_with("ALTER");
    runs && !statement.set_config.iter().all(is_of_the_guard)
        || written(statement).any(|name| name == "pg_settings")
        || statement.class >= Class::Ddl
            && matches!(
                statement.tag,
                "UPDATE" | "SELECT" | "INSERT" | "DELETE" | "MERGE" | "EXPLAIN"
            )
            && statement.objects.iter().any(|name| **name == *"pg_catalog.pg_settings")
}

/// Statements that make something by running a query.
const MADE_BY_A_QUERY: [&str; 2] = ["CREATE TABLE AS", "CREATE MATERIALIZED VIEW"];

fn is_of_the_guard(call: &SetConfig) -> bool {
    call.name.as_deref().is_some_and(is_read_only)
}

/// It reads other relations than the system's.
fn reads_tables(uses: &Uses) -> bool {
    uses.too_many
        || uses.relations.iter().any(|relation| {
            let (schema, name) = (relation.name.schema.as_deref(), &*relation.name.name);
            schema.map_or(!name.starts_with("pg_"), |schema| schema != "pg_catalog")
        })
}

/// What governs the write leg only: the read leg is read-only anyway.
fn is_read_only(name: &str) -> bool {
    name.eq_ignore_ascii_case("transaction_read_only")
        || name.eq_ignore_ascii_case("default_transaction_read_only")
}

/// A write that reads tables, be it the one that it writes to: it reads the local ones.
pub fn reads_besides(statement: &Statement) -> bool {
    let relations = statement.uses.as_deref().map(|uses| &*uses.relations).unwrap_or_default();
    let changes = How::CHANGE.and(How::TRUNCATE).and(How::MAINTAIN);
    let reads = |how: How| how.any(How::SELECT) && (!how.any(changes) || how.any(How::AGAIN));
    let mut read = relations.iter().filter(|relation| reads(relation.how));
    read.any(|relation| !relation.optional && !relation.name.is_in_own_schema())
}

/// The relations that a statement changes, for the warning that reads will not see it.
pub fn written(statement: &Statement) -> impl Iterator<Item = &str> {
    let relations = statement.uses.as_deref().map(|uses| &*uses.relations).unwrap_or_default();
    relations
        .iter()
        .filter(|relation| relation.how.any(How::CHANGE.and(How::TRUNCATE)))
        .map(|relation| &*relation.name.name)
}

/// The relations that a statement reads.
pub fn read(statement: &Statement) -> impl Iterator<Item = &str> {
    let relations = statement.uses.as_deref().map(|uses| &*uses.relations).unwrap_or_default();
    let relations = relations.iter().filter(|relation| !relation.name.is_in_own_schema());
    relations.map(|relation| &*relation.name.name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn routed(text: &str) -> Route {
        let mut temporary = Temporary::default();
        temporary.told(["tmp".into()].into_iter());
        let judgement = crate::sql::judge(text.as_bytes(), &BTreeSet::new());
        let statement = &judgement.statements[0];
        route(statement, statement.class, &temporary)
    }

    #[test]
    fn each_statement_has_its_leg() {
        const READ: Route = Route::To(Side::Read);
        const WRITE: Route = Route::To(Side::Write);
        const BOTH: Route = Route::Both { keep: true };
        const NOW: Route = Route::Both { keep: false };
        for (expected, texts) in [
            (
                READ,
                &[
                    "SELECT * FROM t",
                    "TABLE t",
                    "VALUES (1)",
                    "SHOW server_version",
                    "EXPLAIN SELECT 1",
                    "EXPLAIN SELECT * FROM t WHERE a = (SELECT max(a) FROM t)",
                    "EXPLAIN DECLARE c CURSOR FOR SELECT 1",
                    "EXPLAIN SELECT set_config('a.b', 'c', false)",
                    "COPY t TO STDOUT",
                    "DECLARE c CURSOR FOR SELECT 1",
                    "PREPARE p AS SELECT 1",
                    "LOCK TABLE t IN ACCESS SHARE MODE",
                ][..],
            ),
            (
                WRITE,
                &[
                    "INSERT INTO t VALUES (1)",
                    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
                    "SELECT * FROM t FOR UPDATE",
                    "SELECT nextval('s')",
                    "SELECT currval('s')",
                    "SELECT pg_catalog.pg_advisory_lock(1)",
                    "SELECT pg_try_advisory_xact_lock(1)",
                    "SELECT txid_current()",
                    "SELECT txid_status(1)",
                    "SELECT pg_xact_status('1')",
                    "CREATE TABLE t ()",
                    "CREATE TEMP TABLE x ()",
                    "SELECT * FROM tmp",
                    "SELECT * FROM pg_temp.other",
                    "DECLARE c CURSOR FOR SELECT * FROM tmp",
                    "EXPLAIN INSERT INTO t VALUES (1)",
                    "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
                    "EXPLAIN SELECT * FROM t FOR UPDATE",
                    "EXPLAIN (ANALYZE off) SELECT nextval('s')",
                    "EXPLAIN WITH x AS (DELETE FROM t RETURNING *) TABLE x",
                    "EXPLAIN SELECT f()",
                    "EXPLAIN CREATE TABLE x AS SELECT 1",
                    "SHOW transaction_read_only",
                    "SHOW TRANSACTION ISOLATION LEVEL",
                    "SHOW default_transaction_read_only",
                    "SET default_transaction_read_only = off",
                    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                    "LOCK TABLE t",
                    "SET CONSTRAINTS ALL DEFERRED",
                    "NOTIFY x",
                    "DO $$ BEGIN END $$",
                    "CALL p()",
                    "VACUUM",
                    "COPY t FROM STDIN",
                    "PREPARE p AS INSERT INTO t VALUES (1)",
                    "SELECT f()",
                    "DISCARD TEMP",
                    "COMMIT PREPARED 'x'",
                    "CREATE TABLE x AS EXECUTE p",
                    "SELEC 1",
                    "SELECT set_config('default_transaction_read_only', 'off', false)",
                    "SELECT set_config('transaction_read_only', 'off', true), nextval('s')",
                    "DO $$ BEGIN PERFORM set_config('a.b', 'c', false); END $$",
                    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS \
                     $$SELECT set_config('a.b', 'c', false)$$",
                    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET a.b = 'c' AS 'SELECT 1'",
                    "ALTER ROLE x SET a.b = 'c'",
                    "INSERT INTO t SELECT name FROM pg_settings",
                ],
            ),
            (
                BOTH,
                &[
                    "SET search_path = a",
                    "SET LOCAL work_mem = 1",
                    "RESET ALL",
                    "RESET search_path",
                    "SET ROLE x",
                    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                    "SELECT set_config('a.b', 'c', false)",
                    "SELECT set_config(setting_name => 'a.b', new_value => $1, is_local => false)",
                    "WITH x AS (SELECT set_config('a.b', 'c', false)) SELECT * FROM x",
                    "WITH x AS (SELECT set_config('a.b', 'c', false)), \
                     y AS (SELECT set_config('a.c', $1, false)) SELECT x.* FROM x, y",
                    "UNLISTEN *",
                ],
            ),
            (NOW, &["DISCARD ALL", "DISCARD PLANS", "DEALLOCATE ALL", "CLOSE ALL", "LISTEN x"]),
            (
                Route::Transaction,
                &["BEGIN", "END", "ROLLBACK TO s", "SAVEPOINT s", "SET TRANSACTION READ ONLY"],
            ),
            (
                Route::Prepared("p".into()),
                &["EXECUTE p", "EXECUTE p(1)", "DEALLOCATE p", "EXPLAIN EXECUTE p(1)"],
            ),
            (Route::Cursor("c".into()), &["FETCH c", "MOVE 1 IN c", "CLOSE c"]),
        ] {
            for text in texts {
                assert_eq!(routed(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn what_needs_one_connection_is_refused() {
        for text in [
            "SELECT pg_export_snapshot()",
            "SET TRANSACTION SNAPSHOT '1'",
            "PREPARE TRANSACTION 'x'",
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
            "PREPARE p AS SELECT set_config('a.b', $1, false)",
            "DECLARE c CURSOR FOR SELECT set_config('a.b', 'c', false)",
            "SELECT set_config('a.b', name, false) FROM t",
            "SELECT set_config($1, 'c', false)",
            "SELECT set_config(setting_name => $1, new_value => 'c', is_local => false)",
            "WITH x AS (SELECT set_config('a.b', 'c', false) FROM x) SELECT * FROM x",
            "WITH x AS (SELECT set_config('a.b', 'c', false)) SELECT * FROM x, t",
            "WITH x AS (SELECT set_config('a.b', 'c', false)) SELECT * FROM x WHERE (TABLE t)",
            "WITH x AS (SELECT set_config('a.b', b, false)) SELECT (SELECT 1 FROM t) FROM x",
            "SELECT set_config('a.b', 'c', false), nextval('s')",
            "SELECT set_config('a.b', 'c', true), pg_advisory_lock(1)",
            "SELECT set_config('a.b', 'c', false), txid_current()",
            "SELECT set_config('a.b', 'c', false) FOR UPDATE",
            "SELECT set_config('a.b', 'c', false) INTO TEMP x",
            "SELECT set_config('a.b', 'c', false), f()",
            "SELECT set_config('default_transaction_read_only', 'off', false), \
             set_config('a.b', 'c', false)",
            "INSERT INTO t VALUES (1) RETURNING set_config('a.b', 'c', false)",
            "CREATE TEMP TABLE x AS SELECT set_config('a.b', 'c', false)",
            "EXECUTE p(set_config('a.b', 'c', false))",
            "PREPARE p AS INSERT INTO t VALUES (1) RETURNING set_config('a.b', 'c', false)",
            "UPDATE pg_settings SET setting = 'x' WHERE name = 'a.b'",
            "WITH x AS (UPDATE pg_catalog.pg_settings SET setting = 'x' RETURNING 1) TABLE x",
        ] {
            assert!(matches!(routed(text), Route::Refused(..)), "{text}");
        }
    }

    #[test]
    fn types_of_the_databases_own_are_not_for_both() {
        let types = |oids: &[u32]| {
            let count = u16::try_from(oids.len()).unwrap().to_be_bytes();
            [&count[..], &oids.iter().flat_map(|oid| oid.to_be_bytes()).collect::<Vec<u8>>()]
                .concat()
        };
        let both = Route::Both { keep: true };
        for fine in [&[][..], &[25], &[0, 3802, 1007]] {
            assert_eq!(both.clone().given(&types(fine)), both, "{fine:?}");
        }
        for own in [&[16384][..], &[25, 13_500], &[0, u32::MAX]] {
            assert!(matches!(both.clone().given(&types(own)), Route::Refused(..)), "{own:?}");
            let write = Route::To(Side::Write);
            assert_eq!(write.clone().given(&types(own)), write);
        }
        assert_eq!(both.clone().given(b""), both, "what is malformed is the server's to refuse");
    }

    #[test]
    fn writes_that_read_are_told_apart() {
        let of = |text: &str| {
            let judgement = crate::sql::judge(text.as_bytes(), &BTreeSet::new());
            let statement = &judgement.statements[0];
            let written: Vec<&str> = written(statement).collect();
            (reads_besides(statement), written.join(","))
        };
        assert_eq!(of("INSERT INTO t VALUES (1)"), (false, "t".into()));
        assert_eq!(of("INSERT INTO t SELECT * FROM u"), (true, "t".into()));
        assert_eq!(of("UPDATE t SET a = 1 WHERE b"), (false, "t".into()));
        assert_eq!(of("DELETE FROM t USING u"), (true, "t".into()));
        assert_eq!(of("INSERT INTO t SELECT * FROM t"), (true, "t".into()));
        assert_eq!(of("DELETE FROM t WHERE a IN (SELECT a FROM t)"), (true, "t".into()));
        assert_eq!(of("UPDATE t SET a = (SELECT max(a) FROM t)"), (true, "t".into()));
        assert_eq!(of("INSERT INTO t (a) VALUES (1) RETURNING a"), (false, "t".into()));
        assert_eq!(of("WITH x AS (SELECT 1) INSERT INTO t TABLE x"), (false, "t".into()));
    }
}
