//! Judging takes time linear in the text, whatever is repeated in it.
//!
//! The input is a recipe, its parts divided by bytes 0xFF: what stands before, what is repeated,
//! what stands behind. The text is made twice, in two sizes.

use std::collections::BTreeSet;
use std::time::Duration;

use pgauthority::sql::judge;
use rustix::time::{ClockId, clock_gettime};

/// Bytes of the smaller text, and how many times as long the larger one is.
const SMALL: usize = 32 * 1024;
const TIMES: u32 = 8;

/// What a larger text may cost at most by every measure, a byte: some hundred times the usual.
const DEAREST: Duration = Duration::from_micros(20);

/// Makes the texts and judges them.
pub fn run(data: &[u8]) {
    let small = spent(&text(data, SMALL));
    // a text that is refused at once is no measure
    if small < Duration::from_micros(500) {
        let large = spent(&text(data, SMALL * TIMES as usize));
        return assert!(large < DEAREST * TIMES * SMALL as u32, "{small:?}, then {large:?}");
    }
    // noise goes away when it is looked at again; what is quadratic stays
    for attempt in 0..5 {
        let small = spent(&text(data, SMALL));
        let large = spent(&text(data, SMALL * TIMES as usize));
        if large < small * TIMES * 3 + Duration::from_millis(20) {
            return;
        }
        assert!(attempt < 4, "{small:?}, then {large:?} for {TIMES} times as much");
    }
}

/// The recipe's text, of about `length` bytes.
pub fn text(recipe: &[u8], length: usize) -> Vec<u8> {
    let mut parts = recipe.splitn(3, |byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let (before, repeated, behind) = (part(), part(), part());
    let mut text = before.to_vec();
    while !repeated.is_empty() && text.len() < length {
        text.extend_from_slice(repeated);
    }
    text.extend_from_slice(behind);
    text
}

/// Processor time of this thread for judging a text: what else the machine does is no matter.
pub fn spent(text: &[u8]) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
    };
    let began = now();
    let judgement = judge(text, &BTreeSet::new());
    let spent = now() - began;
    drop(judgement);
    spent
}
