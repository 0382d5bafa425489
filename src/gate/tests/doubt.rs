//! A confirmation that unseen code may have withdrawn: when the server is asked, and what counts.

use super::*;

impl Bench {
    /// What the gate asks the server before `message` may go, with the server's answer.
    fn asked(&mut self, message: &[u8], value: &str, status: Option<u8>) {
        let step = self.gate.frontend(&mut self.judge, message, NOW);
        assert!(step.permit.is_empty());
        let Next::Own(bytes) = step.next else { panic!("{:?}", step.next) };
        let last = if status.is_some() { b'S' } else { b'H' };
        assert_eq!(bytes[bytes.len() - 5], last);
        assert_eq!(self.send(message), Got::Waits);
        let row = [&[0, 1, 0, 0, 0, value.len() as u8], value.as_bytes()].concat();
        for (kind, body) in [
            (backend::PARSE_COMPLETE, &b""[..]),
            (backend::BIND_COMPLETE, b""),
            (backend::DATA_ROW, &row),
            (backend::COMMAND_COMPLETE, b"SHOW\0"),
            (backend::CLOSE_COMPLETE, b""),
            (backend::CLOSE_COMPLETE, b""),
        ] {
            assert!(matches!(self.answer(kind, body), Answer::Drop(_)));
        }
        if let Some(status) = status {
            assert!(matches!(self.ready(status), Answer::Drop(_)));
        }
    }
}

#[test]
fn a_confirmation_that_a_routine_may_have_withdrawn_is_asked_for() {
    for writes in ["SELECT f()", "INSERT INTO t VALUES (1)", "DO $$ BEGIN PERFORM 1; END $$"] {
        let mut bench = bench(Role::Prod);
        bench.run(CONFIRM, &["SET"], b'I');
        bench.run(writes, &["SELECT 1"], b'I');
        bench.asked(&query(DROP), "true", Some(b'I'));
        assert_eq!(bench.run(DROP, &["DROP TABLE"], b'I'), Got::Recorded);
        assert_eq!(bench.run(DROP, &["DROP TABLE"], b'I'), Got::Recorded, "asked once");
        bench.run(writes, &["SELECT 1"], b'I');
        bench.asked(&parse("", DROP), "off", Some(b'I'));
        assert_eq!(bench.send(&parse("", DROP)), BLOCKED);
    }
}

#[test]
fn nobody_asks_where_nothing_could_have_been_withdrawn() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("SELECT 1", &["SELECT 1"], b'I');
    bench.run(DROP, &["DROP TABLE"], b'I');
    // in its own string the routine's word comes too late, as an answer would
    assert_eq!(bench.run(&format!("SELECT f(); {DROP}"), &["SELECT", "DROP"], b'I'), Got::Recorded);
    // a new confirmation needs no question
    bench.run(CONFIRM, &["SET"], b'I');
    assert_eq!(bench.run(DROP, &["DROP TABLE"], b'I'), Got::Recorded);
    // and a rollback takes the doubt back with what gave rise to it
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.run("SELECT f()", &["SELECT 1"], b'T');
    bench.run("ROLLBACK", &["ROLLBACK"], b'I');
    assert_eq!(bench.run(DROP, &["DROP TABLE"], b'I'), Got::Recorded);
}

#[test]
fn a_question_inside_a_pipeline_ends_with_a_flush() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("SELECT f()", &["SELECT 1"], b'I');
    bench.send(&parse("", "SELECT 1"));
    bench.send(&bind(""));
    bench.send(&execute());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.answer(backend::BIND_COMPLETE, b"");
    bench.complete("SELECT 1");
    bench.asked(&parse("", DROP), "on", None);
    assert_eq!(bench.send(&parse("", DROP)), Got::Forwarded);
    // one that fails before is none of the question's business
    let mut bench = self::bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("SELECT f()", &["SELECT 1"], b'I');
    bench.send(&parse("", "SELECT 1"));
    let message = parse("", DROP);
    let step = bench.gate.frontend(&mut bench.judge, &message, NOW);
    assert!(matches!(step.next, Next::Own(_)));
    assert!(matches!(bench.error(), Answer::Read));
    assert_eq!(bench.send(&message), BLOCKED);
    bench.send(&sync());
    bench.ready(b'I');
    assert!(bench.gate.is_idle());
}

#[test]
fn a_block_that_fails_may_have_withdrawn_before() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.send(&query("DO $$ BEGIN PERFORM f(); COMMIT; PERFORM 1/0; END $$"));
    bench.error();
    bench.ready(b'I');
    bench.asked(&query(DROP), "off", Some(b'I'));
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
}

#[test]
fn a_question_is_asked_once_and_only_where_its_answer_helps() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.send(&query("CALL f(); SELECT 1"));
    bench.error();
    bench.ready(b'I');
    let after_commit = query("COMMIT AND CHAIN; DROP TABLE t");
    bench.asked(&after_commit, "true", Some(b'I'));
    assert_eq!(bench.send(&after_commit), Got::Recorded);
    // what is in force after a COMMIT to come, nobody can be asked
    let mut bench = self::bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.run("SELECT f()", &["SELECT 1"], b'T');
    bench.asked(&after_commit, "true", Some(b'T'));
    assert_eq!(bench.send(&after_commit), BLOCKED);
}

#[test]
fn nobody_asks_in_a_failed_transaction() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("SELECT f()", &["SELECT 1"], b'I');
    bench.send(&query("BEGIN; DO $$ BEGIN PERFORM 1/0; END $$"));
    bench.complete("BEGIN");
    bench.error();
    bench.ready(b'E');
    assert_eq!(bench.send(&query(DROP)), BLOCKED);
    bench.error();
    bench.ready(b'E');
    assert_eq!(bench.send(&query("ROLLBACK; DROP TABLE t")), BLOCKED);
    bench.error();
    bench.ready(b'E');
    // certain to fail: the server says so
    assert_eq!(bench.send(&query("ROLLBACK TO a; DROP TABLE t")), Got::Recorded);
    bench.error();
    bench.ready(b'E');
    bench.run("ROLLBACK", &["ROLLBACK"], b'I');
    bench.asked(&query(DROP), "true", Some(b'I'));
}

#[test]
fn a_question_before_anything_is_bound_stays_out_of_the_pipeline() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("SELECT f()", &["SELECT 1"], b'I');
    bench.send(&parse("s", "SELECT 1"));
    let message = parse("", DROP);
    let step = bench.gate.frontend(&mut bench.judge, &message, NOW);
    assert!(matches!(step.next, Next::Own(bytes) if bytes[..] == *b"H\0\0\0\x04"));
    assert_eq!(bench.send(&message), Got::Waits);
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.asked(&message, "true", Some(b'I'));
    assert_eq!(bench.send(&message), Got::Forwarded);
    // one that fails makes the server skip the rest, and there is nothing to ask
    let mut bench = self::bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("SELECT f()", &["SELECT 1"], b'I');
    bench.send(&parse("s", "SELECT 1"));
    let step = bench.gate.frontend(&mut bench.judge, &message, NOW);
    assert!(matches!(step.next, Next::Own(_)));
    bench.error();
    assert_eq!(bench.send(&message), BLOCKED);
    bench.send(&sync());
    bench.ready(b'I');
    assert!(bench.gate.is_idle());
}
