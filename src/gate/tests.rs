//! The gate against scripted answers: what goes, what waits, what is refused.

mod doubt;
mod growth;
mod stuck;
mod told;

use std::sync::Arc;

use bytes::BytesMut;

use super::*;
use crate::contract::{Authority, Declaration, Environment, Role};
use crate::policy::Rule;
use crate::protocol::{backend, frontend, message};
use crate::sql::{Class, Judge};

const NOW: Instant = Instant::from_secs(1);

struct Bench {
    gate: Gate,
    judge: Judge,
}

fn policy(role: Role) -> Policy {
    let environment = Environment::ProdLike;
    Policy::new("u", Declaration { authority: Authority::Neon, role, environment })
}

fn bench(role: Role) -> Bench {
    bench_under(policy(role))
}

fn bench_under(policy: Policy) -> Bench {
    let gate = Gate::new(Beginning {
        policy,
        parameters: Parameters::default(),
        reports: Vec::new(),
        search_path_doubtful: false,
        signer: None,
        lookups: None,
        replication: false,
        nonce: "feed".into(),
        max_statement_bytes: 1 << 20,
    });
    Bench { gate, judge: Judge::new(Arc::default(), 1 << 20) }
}

fn query(text: &str) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::QUERY, |body| message::put_cstring(body, text.as_bytes()));
    out
}

fn parse(name: &str, text: &str) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::PARSE, |body| {
        message::put_cstring(body, name.as_bytes());
        message::put_cstring(body, text.as_bytes());
        body.extend_from_slice(&[0, 0]);
    });
    out
}

fn bind(name: &str) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::BIND, |body| {
        message::put_cstring(body, b"");
        message::put_cstring(body, name.as_bytes());
        body.extend_from_slice(&[0; 6]);
    });
    out
}

fn execute() -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::EXECUTE, |body| body.extend_from_slice(&[0; 5]));
    out
}

fn sync() -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, frontend::SYNC, |_| {});
    out
}

/// What became of one message.
#[derive(Debug, PartialEq)]
enum Got {
    Forwarded,
    Recorded,
    Waits,
    Refused(Rule),
}

impl Bench {
    /// One message; events are taken as written, a refusal as substituted.
    fn send(&mut self, bytes: &[u8]) -> Got {
        let mut at = 0;
        let mut got = Got::Forwarded;
        loop {
            let step = self.gate.frontend(&mut self.judge, &bytes[at..], NOW);
            at += step.permit.bytes().len();
            match step.next {
                Next::Read => return got,
                Next::Wait => return Got::Waits,
                Next::Skip(length) => at += length,
                Next::Record(record) => {
                    got = Got::Recorded;
                    self.gate.recorded((1..=record.confirmed.len() as EventId).collect());
                }
                Next::Refuse(refusal) => {
                    got = Got::Refused(refusal.denial.rule);
                    self.gate.refuse(refusal, "id");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn answer(&mut self, kind: u8, body: &[u8]) -> Answer {
        let mut out = BytesMut::new();
        message::frame(&mut out, kind, |to| to.extend_from_slice(body));
        self.gate.backend(&out, NOW).answer
    }

    fn complete(&mut self, tag: &str) {
        self.answer(backend::COMMAND_COMPLETE, format!("{tag}\0").as_bytes());
    }

    fn ready(&mut self, status: u8) -> Answer {
        self.answer(backend::READY_FOR_QUERY, &[status])
    }

    fn error(&mut self) -> Answer {
        self.answer(backend::ERROR_RESPONSE, b"SERROR\0C22012\0Mdivision by zero\0\0")
    }

    /// A Query that succeeds with these tags.
    fn run(&mut self, text: &str, tags: &[&str], status: u8) -> Got {
        let got = self.send(&query(text));
        for tag in tags {
            self.complete(tag);
        }
        self.ready(status);
        got
    }
}

const CONFIRM: &str = "SET authority.confirm_prod_migrations = true";
const DROP: &str = "DROP TABLE t";
const BLOCKED: Got = Got::Refused(Rule::ProdDdlUnconfirmed);

#[test]
fn ddl_on_prod_needs_a_confirmation() {
    let mut bench = bench(Role::Prod);
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
    assert_eq!(bench.run(CONFIRM, &["SET"], b'I'), Got::Recorded);
    assert_eq!(bench.run(DROP, &["DROP TABLE"], b'I'), Got::Recorded);
    assert_eq!(
        bench.run("RESET authority.confirm_prod_migrations", &["RESET"], b'I'),
        Got::Recorded
    );
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
}

#[test]
fn a_confirmation_that_failed_confirms_nothing() {
    let mut bench = bench(Role::Prod);
    assert_eq!(bench.send(&query(CONFIRM)), Got::Recorded);
    bench.error();
    bench.ready(b'I');
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
}

#[test]
fn ddl_waits_for_an_unanswered_confirmation() {
    let mut bench = bench(Role::Prod);
    bench.send(&query(CONFIRM));
    assert_eq!(bench.send(&query(DROP)), Got::Waits);
    bench.complete("SET");
    bench.ready(b'I');
    assert_eq!(bench.send(&query(DROP)), Got::Recorded);
}

#[test]
fn a_string_is_followed_statement_by_statement() {
    let mut bench = bench(Role::Prod);
    assert_eq!(bench.send(&query(&format!("{CONFIRM}; {DROP}"))), Got::Recorded);
    bench.error();
    bench.ready(b'I');
    let withdrawn = format!("{CONFIRM}; RESET ALL; {DROP}");
    assert_eq!(bench.send(&query(&withdrawn)), BLOCKED);
    let rolled_back = format!("BEGIN; {CONFIRM}; ROLLBACK; {DROP}");
    assert_eq!(bench.send(&query(&rolled_back)), BLOCKED);
}

#[test]
fn rollback_takes_a_confirmation_back() {
    let mut bench = bench(Role::Prod);
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.run("SAVEPOINT a", &["SAVEPOINT"], b'T');
    bench.run(CONFIRM, &["SET"], b'T');
    assert_eq!(bench.run(DROP, &["DROP TABLE"], b'T'), Got::Recorded);
    bench.run("ROLLBACK TO a", &["ROLLBACK"], b'T');
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
}

#[test]
fn an_outcome_is_told_when_the_transaction_ends() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.run(DROP, &["DROP TABLE"], b'T');
    assert_eq!(bench.gate.undecided(), [1]);
    bench.send(&query("ROLLBACK"));
    match bench.answer(backend::COMMAND_COMPLETE, b"ROLLBACK\0") {
        Answer::Fates(fates, _) => assert_eq!(fates, [(1, Fate::RolledBack)]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_prepared_statement_is_judged_again_when_it_runs() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    assert_eq!(bench.send(&parse("s", DROP)), Got::Forwarded);
    bench.send(&sync());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.ready(b'I');
    bench.run("RESET ALL", &["RESET"], b'I');
    assert_eq!(bench.send(&bind("s")), BLOCKED);
    let mut other = self::bench(Role::Prod);
    other.run(CONFIRM, &["SET"], b'I');
    other.send(&parse("s", DROP));
    other.send(&bind("s"));
    assert_eq!(other.send(&execute()), Got::Recorded);
}

#[test]
fn a_skipped_parse_leaves_the_old_meaning_possible() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.send(&parse("", DROP));
    bench.send(&sync());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.ready(b'I');
    bench.run("RESET ALL", &["RESET"], b'I');
    // this Parse will be skipped, since the Execute before it fails
    bench.send(&execute());
    bench.send(&parse("", "SELECT 1"));
    bench.send(&sync());
    assert_eq!(bench.send(&bind("")), Got::Waits);
    bench.error();
    bench.ready(b'I');
    assert_eq!(bench.send(&bind("")), BLOCKED);
}

#[test]
fn a_refused_query_reaches_the_server_where_it_drops_the_unnamed_statement() {
    let mut bench = bench(Role::Prod);
    assert_eq!((bench.send(&query(DROP)), bench.gate.outstanding()), (BLOCKED, 0));
    bench.send(&parse("", "SELECT 1"));
    bench.send(&sync());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.ready(b'I');
    assert_eq!((bench.send(&query(DROP)), bench.gate.outstanding()), (BLOCKED, 1));
}

#[test]
fn a_refusal_on_the_way_replaces_only_its_own_error() {
    let mut bench = bench(Role::Prod);
    bench.run("BEGIN", &["BEGIN"], b'T');
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
    let theirs = b"SERROR\0C42703\0Mcolumn \"x\" does not exist\0\0";
    assert!(matches!(bench.answer(backend::ERROR_RESPONSE, theirs), Answer::Read));
    bench.ready(b'E');
    bench.run("ROLLBACK", &["ROLLBACK"], b'I');
    bench.run("BEGIN", &["BEGIN"], b'T');
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
    let ours = b"SERROR\0C42703\0Mcolumn \"pgauthority feed2\" does not exist\0\0";
    assert!(matches!(bench.answer(backend::ERROR_RESPONSE, ours), Answer::Replace(..)));
}

#[test]
fn a_replica_takes_no_write_and_keeps_its_guard() {
    let mut bench = bench(Role::Replica);
    assert_eq!(bench.send(&query("INSERT INTO t VALUES (1)")), Got::Refused(Rule::ReplicaWrite));
    for text in [
        "SET default_transaction_read_only = off",
        "SET TRANSACTION READ WRITE",
        "BEGIN READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "ROLLBACK AND CHAIN",
        "RESET transaction_read_only",
    ] {
        assert_eq!(bench.send(&query(text)), Got::Refused(Rule::ReplicaReadOnly), "{text}");
    }
    assert_eq!(bench.send(&query("DO $$ BEGIN END $$")), Got::Refused(Rule::ReplicaOpaque));
    assert_eq!(bench.send(&query("SELECT 1")), Got::Forwarded);
}

#[test]
fn messages_may_arrive_a_byte_at_a_time() {
    let mut bench = bench(Role::Prod);
    let bytes = [&parse("s", "SELECT 1")[..], &bind("s"), &execute(), &sync()].concat();
    let mut held: Vec<u8> = Vec::new();
    let mut sent = 0;
    for byte in &bytes {
        held.push(*byte);
        let step = bench.gate.frontend(&mut bench.judge, &held, NOW);
        let length = step.permit.bytes().len();
        sent += length;
        assert!(matches!(step.next, Next::Read | Next::Need(_)), "{:?}", step.next);
        held.drain(..length);
    }
    assert_eq!((sent, held.len()), (bytes.len(), 0));
}

#[test]
fn syncs_during_copy_are_not_sent() {
    let mut bench = bench(Role::Prod);
    bench.send(&parse("", "COPY t FROM STDIN"));
    bench.send(&bind(""));
    bench.send(&execute());
    let step = bench.gate.frontend(&mut bench.judge, &sync(), NOW).next;
    assert!(matches!(step, Next::Own(_)), "a Flush");
    assert_eq!(bench.send(&sync()), Got::Waits);
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.answer(backend::BIND_COMPLETE, b"");
    bench.answer(backend::COPY_IN_RESPONSE, &[0, 0, 0]);
    let bytes = sync();
    let step = bench.gate.frontend(&mut bench.judge, &bytes, NOW);
    assert!(step.permit.is_empty());
    assert!(matches!(step.next, Next::Skip(5)));
    // the copy fails before any data: the server would have honoured the Sync
    assert!(matches!(bench.error(), Answer::Own(..)));
    bench.ready(b'I');
    assert!(bench.gate.is_idle());
}

#[test]
fn execute_runs_no_utility_statement_that_parse_prepared() {
    let mut bench = bench(Role::Prod);
    bench.send(&parse("s", "SET authority.confirm_prod_migrations = false"));
    bench.send(&sync());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.ready(b'I');
    assert_eq!(bench.send(&query("EXECUTE s")), Got::Refused(Rule::ExecuteIndirect));
}

#[test]
fn a_name_is_known_by_its_first_63_bytes() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.send(&parse(&format!("{}x", "a".repeat(63)), DROP));
    bench.send(&sync());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.ready(b'I');
    bench.run("RESET ALL", &["RESET"], b'I');
    assert_eq!(bench.send(&bind(&format!("{}y", "a".repeat(63)))), BLOCKED);
    assert_eq!(bench.send(&parse("é", "SELECT 1")), Got::Forwarded);
    bench.send(&sync());
    bench.error();
    bench.answer(backend::PARAMETER_STATUS, b"client_encoding\0LATIN1\0");
    bench.ready(b'I');
    assert_eq!(bench.send(&bind("é")), Got::Refused(Rule::LexingUnsafe));
}

#[test]
fn a_backslash_that_may_be_half_a_character_depends_on_all_that_is_unanswered() {
    const INSERT: &str = "INSERT INTO t VALUES (1)";
    const HALF: &str = "SELECT E'é\\', 1 --'";
    // a trigger may have changed the encoding
    let mut waiting = bench(Role::Prod);
    assert_eq!(waiting.send(&query(INSERT)), Got::Forwarded);
    assert_eq!(waiting.send(&query("SELECT 'é'")), Got::Forwarded);
    assert_eq!(waiting.send(&query(HALF)), Got::Waits);
    let mut open = bench(Role::Prod);
    for message in [parse("", INSERT), bind(""), execute(), parse("", "SELECT 'é'")] {
        assert_eq!(open.send(&message), Got::Forwarded);
    }
    assert_eq!(open.send(&parse("", HALF)), Got::Refused(Rule::LexingUnsafe));
    // and by itself it runs
    assert_eq!(bench(Role::Prod).send(&query(HALF)), Got::Forwarded);
}

#[test]
fn unseen_code_may_roll_a_pipelines_confirmation_back() {
    let mut bench = bench(Role::Prod);
    for text in [CONFIRM, "DO $$ BEGIN ROLLBACK; END $$"] {
        bench.send(&parse("", text));
        bench.send(&bind(""));
        bench.send(&execute());
    }
    assert_eq!(bench.send(&parse("", DROP)), BLOCKED);
}

#[test]
fn a_query_behind_an_open_pipeline_is_not_answered_by_the_proxy() {
    let mut bench = bench(Role::Prod);
    bench.send(&parse("", "INSERT INTO t VALUES (1)"));
    bench.send(&bind(""));
    bench.send(&execute());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.answer(backend::BIND_COMPLETE, b"");
    bench.complete("INSERT 0 1");
    assert!(!bench.gate.is_idle());
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
    assert!(!bench.gate.owed.is_empty(), "the server must see an error");
}

#[test]
fn what_is_answered_before_a_copy_does_not_end_it() {
    let mut bench = bench(Role::Prod);
    bench.send(&query("SELECT 1"));
    bench.send(&query("COPY t FROM STDIN"));
    bench.complete("SELECT 1");
    bench.ready(b'I');
    assert_eq!(bench.send(&sync()), Got::Waits);
    bench.answer(backend::COPY_IN_RESPONSE, &[0, 0, 0]);
    let mut done = BytesMut::new();
    message::frame(&mut done, frontend::COPY_DONE, |_| {});
    assert_eq!(bench.send(&done), Got::Forwarded);
    bench.complete("COPY 0");
    bench.ready(b'I');
    assert!(bench.gate.is_idle());
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
}

#[test]
fn a_string_that_is_certain_to_fail_is_left_to_the_server() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    for text in ["RELEASE a; DROP TABLE t", "ROLLBACK TO a; DROP TABLE t"] {
        assert_eq!(bench.send(&query(text)), Got::Recorded, "{text}");
        bench.error();
        bench.ready(b'I');
    }
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.send(&query("SELECT 1/0"));
    bench.error();
    bench.ready(b'E');
    assert_eq!(bench.send(&query("ROLLBACK TO a; DROP TABLE t")), Got::Recorded);
    bench.error();
    bench.ready(b'E');
    bench.run("ROLLBACK", &["ROLLBACK"], b'I');
    // here nobody knows which savepoints there are
    bench.send(&query("SELECT 1"));
    bench.ready(b'T');
    bench.run(CONFIRM, &["SET"], b'T');
    assert_eq!(bench.send(&query("ROLLBACK TO a; DROP TABLE t")), BLOCKED);
}

#[test]
fn a_temporary_table_is_known_to_the_rest_of_its_string() {
    const MADE: &str = "CREATE TEMP TABLE a (i int)";
    let mut bench = bench(Role::Prod);
    for (text, expected) in [
        (format!("{MADE}; DROP TABLE a"), Got::Forwarded),
        (format!("BEGIN; {MADE}; COMMIT; TRUNCATE a; DROP TABLE a"), Got::Forwarded),
        (format!("{MADE}; DROP TABLE a; DROP TABLE a"), BLOCKED),
        (format!("BEGIN; {MADE}; ROLLBACK; DROP TABLE a"), BLOCKED),
        (format!("BEGIN; SAVEPOINT s; {MADE}; ROLLBACK TO s; DROP TABLE a"), BLOCKED),
        (format!("BEGIN; {MADE} ON COMMIT DROP; COMMIT; DROP TABLE a"), BLOCKED),
        (format!("SET search_path = public, pg_temp; {MADE}; DROP TABLE a"), BLOCKED),
        ("CREATE TEMP TABLE IF NOT EXISTS a (i int); DROP TABLE a".to_owned(), BLOCKED),
    ] {
        let mut bench = self::bench(Role::Prod);
        assert_eq!(bench.send(&query(&text)), expected, "{text}");
    }
    // in another string it counts only once the server has said so
    bench.send(&query(MADE));
    assert_eq!(bench.send(&query("DROP TABLE a")), Got::Waits);
    bench.error();
    bench.ready(b'I');
    assert_eq!(bench.send(&query("DROP TABLE a")), BLOCKED);
}
