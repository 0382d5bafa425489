//! What a client can make long: pipelines, strings and stacks cost as much a message as short ones.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Processor time of this thread: what else the machine does is no matter.
fn spent() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
}

/// What `work` costs with `small` and with `large` repetitions; the least of three.
fn times(small: usize, large: usize, work: impl Fn(usize)) -> (Duration, Duration) {
    let least = |count| {
        let once = |_| {
            let began = spent();
            work(count);
            spent() - began
        };
        (0..3).map(once).min().unwrap_or_default()
    };
    (least(small), least(large))
}

/// Ten times the work takes about ten times as long; a quadratic one takes a hundred times.
fn grows_evenly(work: impl Fn(usize)) {
    let (small, large) = times(2_000, 20_000, work);
    assert!(large < small * 40 + Duration::from_millis(20), "{small:?}, then {large:?}");
}

#[test]
fn a_pipeline_of_statements_with_effects() {
    grows_evenly(|count| {
        let mut bench = bench(Role::Prod);
        let mut bytes = parse("s", "SAVEPOINT a");
        bytes.extend_from_slice(&bind("s"));
        for _ in 0..count {
            bytes.extend_from_slice(&execute());
        }
        assert_eq!(bench.send(&bytes), Got::Forwarded);
    });
}

#[test]
fn a_pipeline_answered_as_it_goes() {
    grows_evenly(|count| {
        let mut bench = bench(Role::Prod);
        bench.send(&parse("s", "SAVEPOINT a"));
        bench.answer(backend::PARSE_COMPLETE, b"");
        bench.send(&bind("s"));
        bench.answer(backend::BIND_COMPLETE, b"");
        bench.send(&execute());
        for _ in 0..count {
            bench.send(&execute());
            bench.complete("SAVEPOINT");
        }
    });
}

#[test]
fn settings_above_many_savepoints() {
    grows_evenly(|count| {
        let mut bench = bench(Role::Prod);
        bench.run("BEGIN", &["BEGIN"], b'T');
        for _ in 0..count {
            bench.run("SAVEPOINT a", &["SAVEPOINT"], b'T');
            bench.run("SET LOCAL authority.ticket = 'x'", &["SET"], b'T');
        }
    });
}

#[test]
fn a_string_of_names() {
    grows_evenly(|count| {
        let mut bench = bench(Role::Prod);
        let text: String = (0..count / 10)
            .map(|at| format!("PREPARE p{at} AS SELECT 1; EXECUTE p{at}; DEALLOCATE p{at};"))
            .collect();
        assert_eq!(bench.send(&query(&text)), Got::Forwarded);
        for _ in 0..count / 10 {
            for tag in ["PREPARE", "SELECT 1", "DEALLOCATE"] {
                bench.complete(tag);
            }
        }
        bench.ready(b'I');
        assert!(bench.gate.statements.is_empty());
    });
}

/// What is released belongs to the savepoint below, so a later one of the same depth does not take
/// it along.
#[test]
fn a_released_savepoint_hands_its_outcomes_down() {
    let mut bench = bench(Role::Prod);
    bench.run(CONFIRM, &["SET"], b'I');
    bench.run("BEGIN", &["BEGIN"], b'T');
    bench.run("SAVEPOINT a", &["SAVEPOINT"], b'T');
    bench.run(DROP, &["DROP TABLE"], b'T');
    bench.run("RELEASE a", &["RELEASE"], b'T');
    bench.run("SAVEPOINT b", &["SAVEPOINT"], b'T');
    bench.send(&query("ROLLBACK TO b"));
    assert!(matches!(bench.answer(backend::COMMAND_COMPLETE, b"ROLLBACK\0"), Answer::Read));
    bench.ready(b'T');
    bench.send(&query("COMMIT"));
    match bench.answer(backend::COMMAND_COMPLETE, b"COMMIT\0") {
        Answer::Fates(fates, _) => assert_eq!(fates, [(1, Fate::Committed)]),
        other => panic!("{other:?}"),
    }
}

/// A text that is judged elsewhere is asked for once, and its judgement serves that message only.
#[test]
fn a_text_judged_elsewhere_is_judged_once() {
    struct Elsewhere(usize);
    impl Judging for Elsewhere {
        fn judge(&mut self, _: &[u8]) -> Option<Rc<Judgement>> {
            self.0 += 1;
            None
        }
    }
    let mut judge = Elsewhere(0);
    let mut bench = bench(Role::Prod);
    let message = parse("name", DROP);
    let place = match bench.gate.frontend(&mut judge, &message, NOW).next {
        Next::Judge(place) => place,
        other => panic!("{other:?}"),
    };
    assert_eq!(&message[place], DROP.as_bytes());
    bench.gate.judged(crate::sql::judge(DROP.as_bytes(), &Default::default()));
    match bench.gate.frontend(&mut judge, &message, NOW).next {
        Next::Refuse(refusal) => drop(bench.gate.refuse(refusal, "id")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(bench.gate.frontend(&mut judge, &message, NOW).next, Next::Skip(_)));
    let next = query("SELECT 1");
    assert!(matches!(bench.gate.frontend(&mut judge, &next, NOW).next, Next::Judge(_)));
    assert_eq!(judge.0, 2);
}
