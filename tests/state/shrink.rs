//! Making a failing script shorter: whatever it fails without is left out.

use super::item::Item;

/// How often a shorter script is tried.
const TRIES: usize = 400;

/// The shortest script found that `fails` still; gives it with what the last failure said.
pub fn shrink(
    mut items: Vec<Item>,
    mut said: String,
    mut fails: impl FnMut(&[Item]) -> Option<String>,
) -> (Vec<Item>, String) {
    let mut tries = 0;
    let mut attempt = |shorter: Vec<Item>, items: &mut Vec<Item>, said: &mut String| {
        tries += 1;
        if tries > TRIES {
            return false;
        }
        let failure = fails(&shorter);
        let fails = failure.is_some();
        if let Some(failure) = failure {
            (*items, *said) = (shorter, failure);
        }
        fails
    };
    let mut size = items.len().max(1);
    while size > 0 {
        let mut at = 0;
        while at < items.len() {
            let mut shorter = items.clone();
            shorter.drain(at..(at + size).min(items.len()));
            if !attempt(shorter, &mut items, &mut said) {
                at += size;
            }
        }
        size /= 2;
    }
    for at in 0..items.len() {
        let mut index = 0;
        while let Item::Query(statements) = &items[at]
            && statements.len() > 1
            && index < statements.len()
        {
            let mut shorter = items.clone();
            if let Item::Query(statements) = &mut shorter[at] {
                statements.remove(index);
            }
            if !attempt(shorter, &mut items, &mut said) {
                index += 1;
            }
        }
    }
    (items, said)
}
