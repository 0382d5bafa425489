//! What is said and counted of a decision: a lapsed confirmation, the class that was decided by.

use super::*;

#[test]
fn a_lapsed_confirmation_is_told_from_none() {
    let max_age = std::time::Duration::from_millis(500);
    let mut bench = bench_under(Policy { confirm_max_age: Some(max_age), ..policy(Role::Prod) });
    bench.gate.state.parameters = Parameters::new(Some(Instant::ZERO), None, None);
    let told =
        |bench: &mut Bench| match bench.gate.frontend(&mut bench.judge, &query(DROP), NOW).next {
            Next::Refuse(refusal) => refusal.denial.message.clone(),
            other => panic!("{other:?}"),
        };
    assert!(told(&mut bench).ends_with("has lapsed (confirm_max_age)"));
    bench.gate.state.parameters = Parameters::default();
    bench.gate.foreseen = None;
    assert!(told(&mut bench).ends_with("has not confirmed"));
}

#[test]
fn a_statement_counts_as_what_it_was_decided_by() {
    let mut bench = bench(Role::Prod);
    bench.run("CREATE TEMP TABLE x (i int)", &["CREATE TABLE"], b'I');
    bench.run("DROP TABLE x", &["DROP TABLE"], b'I');
    let tally: Vec<_> = bench.gate.take_tally().collect();
    assert_eq!(tally, [(Class::Temp, Decided::Allowed, 2)]);
}
