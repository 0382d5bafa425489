//! What programs do with declarations and URLs, in the same words for every language.

use crate::contract::{Authority, Environment, Role};
use crate::governance::drift::facts::{Facts, Place, Value, Variable, shown};
use crate::governance::drift::names::{self, DYNAMIC, Evidence};
use crate::governance::drift::rule::Rule;

/// A comparison of `subject` with these words: an inference where the words tell something about
/// a database and `carries` says that the subject is its address.
pub fn judge(words: &[String], subject: &str, carries: bool, place: Place, facts: &mut Facts) {
    for word in words {
        let tells = match names::evidence(word) {
            Some(Evidence::Neon) => true,
            Some(Evidence::OfUrl) => carries,
            None => false,
        };
        if tells {
            let subject = short(subject);
            let message = format!(
                "\"{}\" is looked for in {subject} to tell which database it is",
                short(word)
            );
            facts.add(Rule::InferUrl, place, message);
            return;
        }
    }
}

/// A declaration is compared with a word that it can never be.
pub fn compared_word(variable: &str, word: &str, place: Place, facts: &mut Facts) {
    if word.is_empty() || word.contains(DYNAMIC) {
        return;
    }
    if let Some(words) = words_of(variable)
        && !words.contains(&word)
    {
        let message = format!(
            "{variable} is compared with {}, which is not one of {}",
            shown(word),
            words.join(", ")
        );
        facts.add(Rule::DeclareInvalid, place, message);
    }
}

/// A declaration that is not there is taken to be this word.
pub fn default_word(variable: &str, word: &str, place: Place, facts: &mut Facts) {
    let message = format!("{variable} counts as {} where it is not declared", shown(word));
    facts.add(Rule::DeclareDefault, place, message);
}

/// A variable that a program sets for itself and its children.
pub fn set_variable(variable: &Variable, facts: &mut Facts) {
    let Value::Known(value) = &variable.value else { return };
    match variable.name.as_str() {
        "CONFIRM_PROD_MIGRATIONS" if value.eq_ignore_ascii_case("true") => {
            let message = "CONFIRM_PROD_MIGRATIONS is set to true by a program".to_owned();
            facts.add(Rule::ConfirmPersistent, variable.place, message);
        }
        "PGOPTIONS" if !value.is_empty() => options(variable.place, facts),
        name => {
            if let Some(words) = words_of(name)
                && !words.contains(&value.as_str())
            {
                let message =
                    format!("{name} is {}, which is not one of {}", shown(value), words.join(", "));
                facts.add(Rule::DeclareInvalid, variable.place, message);
            }
        }
    }
}

/// Connection options that confirm.
pub fn options(place: Place, facts: &mut Facts) {
    let message = "every connection made with this confirms production migrations".to_owned();
    facts.add(Rule::ConfirmOptions, place, message);
}

/// The words of a declaration.
pub fn words_of(variable: &str) -> Option<Vec<&'static str>> {
    Some(match variable {
        "DB_AUTHORITY" => Authority::ALL.iter().map(|word| word.as_str()).collect(),
        "DB_ENV" => Environment::ALL.iter().map(|word| word.as_str()).collect(),
        "DB_ROLE" => Role::ALL.iter().map(|word| word.as_str()).collect(),
        "DB_VIA" => vec!["direct", "pgauthority"],
        _ => return None,
    })
}

/// A piece of source for a message: one line, not long, and no URL, which may hold a password.
pub fn short(source: &str) -> String {
    let line: String = source
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| *c != DYNAMIC)
        .collect();
    let line = line.trim();
    if line.contains("://") && line.contains('@') {
        return "a URL".to_owned();
    }
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
