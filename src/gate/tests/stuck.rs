//! What once left a session waiting for good, or ended it without need; most of it was found by
//! fuzzing.

use super::*;

fn framed(kind: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    message::frame(&mut out, kind, |to| to.extend_from_slice(body));
    out
}

/// On an upstream whose tags are set by SET.
fn pooled(role: Role) -> Bench {
    bench_under(Policy { set_by_statement: true, ..policy(role) })
}

impl Bench {
    fn next(&mut self, bytes: &[u8]) -> Next {
        self.gate.frontend(&mut self.judge, bytes, NOW).next
    }
}

#[test]
fn the_tags_are_set_again_once_the_failed_transaction_is_over() {
    let mut bench = pooled(Role::Prod);
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.send(&query("SELECT 1/0"));
    bench.error();
    bench.ready(b'E');
    bench.send(&query("RESET ALL"));
    bench.error();
    bench.ready(b'E');
    // a SET would fail here, and end the session
    let rollback = [&parse("", "ROLLBACK")[..], &bind(""), &execute(), &sync()].concat();
    assert_eq!(bench.send(&rollback), Got::Forwarded);
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.answer(backend::BIND_COMPLETE, b"");
    bench.complete("ROLLBACK");
    bench.ready(b'I');
    assert!(matches!(bench.next(&query("SELECT 1")), Next::Own(_)));
    for _ in 0..4 {
        assert!(matches!(bench.answer(backend::COMMAND_COMPLETE, b"SET\0"), Answer::Drop(_)));
    }
    assert!(matches!(bench.ready(b'I'), Answer::Drop(_)));
    assert_eq!(bench.send(&query("SELECT 1")), Got::Forwarded);
}

#[test]
fn a_query_refused_behind_a_reset_of_the_tags_still_gets_its_ready_for_query() {
    let mut bench = pooled(Role::Prod);
    bench.send(&[&parse("", "RESET ALL")[..], &bind(""), &execute()].concat());
    match bench.next(&query("SELECT 1")) {
        Next::Refuse(refusal) => assert_eq!(refusal.form, Form::Query),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_may_be_copy_and_is_not_is_answered_all_the_same() {
    let mut bench = bench(Role::Staging);
    bench.send(&[&parse("s", "COPY t FROM STDIN")[..], &sync()].concat());
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.ready(b'I');
    bench.send(&[&parse("", "EXECUTE s")[..], &bind(""), &execute()].concat());
    // without it the server may keep its answer until it gets the Sync
    match bench.next(&sync()) {
        Next::Own(bytes) => assert_eq!(bytes[0], frontend::FLUSH),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.send(&sync()), Got::Waits);
    bench.answer(backend::PARSE_COMPLETE, b"");
    bench.answer(backend::BIND_COMPLETE, b"");
    bench.complete("SELECT 0");
    assert_eq!(bench.send(&sync()), Got::Forwarded);
}

/// The server takes COPY data of a pipeline, and its Sync has come before the data's end.
fn with_a_sync_held_back() -> Bench {
    let mut bench = bench(Role::Prod);
    bench.send(&[&parse("", "COPY t FROM STDIN")[..], &bind(""), &execute()].concat());
    for kind in [backend::PARSE_COMPLETE, backend::BIND_COMPLETE] {
        bench.answer(kind, b"");
    }
    bench.answer(backend::COPY_IN_RESPONSE, &[0, 0, 0]);
    assert!(matches!(bench.next(&sync()), Next::Skip(5)));
    bench
}

#[test]
fn a_sync_held_back_is_sent_behind_a_long_error_too() {
    let mut bench = with_a_sync_held_back();
    let long = format!("SERROR\0C22P02\0M{}\0\0", "x".repeat(5000));
    assert!(matches!(bench.answer(backend::ERROR_RESPONSE, long.as_bytes()), Answer::Own(..)));
    bench.ready(b'I');
    assert!(bench.gate.is_idle());
}

/// It would end up in the middle of that message, and what is left of it would be read as others.
#[test]
fn a_sync_held_back_is_not_sent_inside_another_message() {
    let mut bench = with_a_sync_held_back();
    let long = framed(frontend::BIND, &[&b"\0none\0"[..], &[0; 1000]].concat());
    let step = bench.gate.frontend(&mut bench.judge, &long[..100], NOW);
    assert_eq!(step.permit.bytes().len(), 100);
    assert!(matches!(bench.error(), Answer::Read));
}

/// A client that sends other messages while the server takes data has not kept to the protocol;
/// where the COPY fails meanwhile, the server takes them.
#[test]
fn a_copy_that_failed_swallows_no_sync_of_what_was_sent_behind_it() {
    let mut bench = bench(Role::Prod);
    bench.send(&query("COPY t FROM STDIN"));
    bench.answer(backend::COPY_IN_RESPONSE, &[0, 0, 0]);
    bench.send(&framed(frontend::COPY_DATA, b"x"));
    bench.send(&query("SELECT 1"));
    bench.error();
    bench.ready(b'I');
    assert_eq!(bench.send(&sync()), Got::Forwarded);
    bench.complete("SELECT 1");
    bench.ready(b'I');
    bench.ready(b'I');
    assert!(bench.gate.is_idle());
}

#[test]
fn nothing_waits_for_a_second_copy_whose_string_has_failed() {
    let mut bench = bench(Role::Prod);
    bench.send(&query("COPY t FROM STDIN; COPY t FROM STDIN"));
    bench.answer(backend::COPY_IN_RESPONSE, &[0, 0, 0]);
    bench.send(&parse("", "SELECT 1"));
    bench.send(&framed(frontend::COPY_DONE, b""));
    bench.error();
    bench.ready(b'I');
    bench.answer(backend::PARSE_COMPLETE, b"");
    assert_eq!(bench.send(&sync()), Got::Forwarded);
}

#[test]
fn nothing_waits_for_a_look_while_the_server_takes_data() {
    let mut bench = bench(Role::Prod);
    bench.gate.lookups = Some(Lookups::new(crate::sql::catalog::Path::Unknown, false));
    assert!(matches!(bench.next(&query("COPY t FROM STDIN")), Next::Catalog { .. }));
    bench.gate.set_catalog(Look::default(), false);
    bench.send(&query("COPY t FROM STDIN"));
    bench.answer(backend::COPY_IN_RESPONSE, &[0, 0, 0]);
    assert!(matches!(bench.send(&parse("", "SELECT f()")), Got::Refused(_)));
}
