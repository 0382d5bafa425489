//! Statements of a corpus, changed at random: most are refused by the grammar, the rest are what
//! nobody would write.

use super::random::Random;

/// A text cut into its tokens, comments among them. `None` where the lexer refuses it.
fn tokens(text: &str) -> Option<Vec<&str>> {
    let scanned = pg_query::scan(text).ok()?;
    scanned.tokens.iter().map(|token| text.get(token.start as usize..token.end as usize)).collect()
}

/// One mutation of `text`, with tokens of `other` where it takes some.
pub fn mutated(text: &str, other: &str, random: &mut Random) -> Option<String> {
    let mut words = tokens(text)?;
    let others = tokens(other)?;
    if words.is_empty() || others.is_empty() || words.len() > 400 {
        return None;
    }
    for _ in 0..=random.below(2) {
        let at = random.below(words.len());
        let (from, count) = (random.below(others.len()), words.len());
        match random.below(8) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at]),
            2 => words.swap(at, random.below(count)),
            3 => words[at] = others[from],
            4 => words.insert(at, others[from]),
            // the beginning of one, the end of the other
            5 => {
                words.truncate(at + 1);
                words.extend(&others[from..]);
            }
            // a piece of the other
            6 => {
                let end = (from + 1 + random.below(6)).min(others.len());
                words.splice(at..at, others[from..end].iter().copied());
            }
            _ => words.insert(at, "/* ; */"),
        }
        if words.is_empty() {
            return None;
        }
    }
    Some(words.join(if random.chance(90) { " " } else { "\n" }))
}
