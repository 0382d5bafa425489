//! Words of the newest grammar, by which texts are read, that are names to an older server: its own
//! routines, views and types of those names, called, read and cast to as if they were PostgreSQL's.

use super::attack::{Attack, assault, attack};
use super::ground::Ground;
use super::support::{Login, Major};

const GONE: &str = "-relation public.victims";

/// On a replica, by a routine that leads to READ WRITE.
const fn opened(name: &'static str, texts: &'static [&'static str]) -> Attack {
    fn guarded(login: Login) -> Login {
        login.options("-c default_transaction_read_only=on")
    }
    attack(name, texts, GONE).data().login(guarded).also_where_the_guard_was_set().until(Major::V16)
}

const fn before_16(name: &'static str, texts: &'static [&'static str]) -> Attack {
    attack(name, texts, GONE).until(Major::V15)
}

const fn before_17(name: &'static str, texts: &'static [&'static str]) -> Attack {
    attack(name, texts, GONE).until(Major::V16)
}

pub const ATTACKS: &[Attack] = &[
    before_17("json_scalar()", &["SELECT json_scalar('x')"]),
    before_17("json_scalar() behind FROM", &["SELECT * FROM json_scalar('x')"]),
    before_17("json_serialize()", &["SELECT 1 FROM bystanders ORDER BY json_serialize(name)"]),
    before_17("json_value()", &["SELECT json_value('x', 'y')"]),
    before_17("json_query()", &["SELECT 1 FROM bystanders WHERE json_query(name, 'y') = 1"]),
    before_17("json_exists()", &["SELECT json_exists('x', 'y')"]),
    before_17("json_table(), no longer a call", &["SELECT * FROM json_table('x', 'y')"]),
    before_17("json()", &["SELECT json('x'::text)"]),
    before_16("json_array()", &["SELECT json_array()"]),
    before_16("json_array() of two", &["SELECT json_array('x', 'y')"]),
    before_16("json_arrayagg()", &["SELECT json_arrayagg(name) FROM bystanders"]),
    before_16("json_objectagg(), no longer a call", &["SELECT json_objectagg('x', 'y')"]),
    before_16("json_object(), another than PostgreSQL's", &["SELECT json_object('x'::text, 'y')"]),
    before_16("json_object(), its arguments by name", &["SELECT json_object(a => 'x')"]),
    before_17("json_scalar() in DO", &["DO $$ BEGIN PERFORM json_scalar('x'); END $$"]),
    before_17("json_scalar() in EXECUTE", &["PREPARE p AS SELECT json_scalar('x')", "EXECUTE p"]),
    before_17("json_scalar() in EXPLAIN", &["EXPLAIN ANALYZE SELECT json_scalar('x')"]),
    before_17("json_scalar() in COPY", &["COPY (SELECT json_scalar('x')) TO STDOUT"]),
    before_17(
        "json_scalar() in a cursor",
        &["DECLARE c CURSOR WITH HOLD FOR SELECT json_scalar('x')"],
    ),
    before_17(
        "json_scalar() in a temporary view",
        &["CREATE TEMP VIEW v AS SELECT json_scalar('x')", "TABLE v"],
    ),
    before_17("merge_action()", &["SELECT merge_action(), json_scalar('x')"]),
    before_16("a view that is named system_user", &["SELECT * FROM system_user"]),
    before_16("system_user, joined", &["SELECT 1 FROM bystanders CROSS JOIN system_user AS s"]),
    before_16("system_user in DO", &["DO $$ BEGIN PERFORM * FROM system_user; END $$"]),
    before_17("a domain that is named json", &["SELECT 'x'::json"]).as_mallory(),
    before_17("a domain that is named json, before a literal", &["SELECT json 'x'"]).as_mallory(),
    before_17("a domain that is named json, of an array", &["SELECT '{x}'::json[]"]).as_mallory(),
    before_17(
        "a domain that is named json, by search_path",
        &["SET search_path = evil, pg_catalog", "SELECT CAST('x' AS json)"],
    ),
    before_17(
        "a domain that is named json, in a temporary table",
        &["CREATE TEMP TABLE t (a json)", "INSERT INTO t VALUES ('x')"],
    )
    .as_mallory(),
    before_17(
        "a domain that is named json, of a column",
        &["SELECT * FROM json_to_record('{\"a\": \"x\"}') AS t (a json)"],
    )
    .as_mallory(),
    opened("READ WRITE by merge_action()", &["SELECT merge_action()", "SELECT json_scalar('x')"]),
    opened(
        "READ WRITE by merge_action() in one string",
        &["SELECT merge_action(); COMMIT; SELECT json_scalar('x')"],
    ),
];

#[test]
fn no_word_that_an_older_server_does_not_know_hides_what_it_runs() {
    assault(&mut Ground::start(), ATTACKS);
}
