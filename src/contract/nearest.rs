//! The declared word nearest to a mistyped one, for messages.

/// The candidate nearest to `word`, if one is near enough to be what was meant: at most a third
/// of the longer word's letters (and at least one) inserted, dropped, changed or swapped.
///
/// Case does not count. The first of equally near candidates wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
            let longer = word.chars().count().max(candidate.chars().count());
            (distance <= (longer / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const ROLES: [&str; 3] = ["staging", "prod", "replica"];

    #[test]
    fn a_slip_finds_its_word() {
        for (slip, meant) in [
            ("stagin", "staging"),
            ("prdo", "prod"),
            ("Prod", "prod"),
            ("replcia", "replica"),
            ("pro", "prod"),
        ] {
            assert_eq!(nearest(slip, ROLES), Some(meant), "{slip}");
        }
    }

    #[test]
    fn another_word_finds_nothing() {
        for word in ["", "master", "primary", "xyz"] {
            assert_eq!(nearest(word, ROLES), None, "{word}");
        }
    }

    #[test]
    fn the_nearest_of_several_wins() {
        assert_eq!(nearest("unit_test", ["unit_tests", "unit_toasts"]), Some("unit_tests"));
    }
}
