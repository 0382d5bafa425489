//! Environment variables in string values.

use super::environment::Variables;

/// Fills in `${VAR}`; `$${` stands for `${` itself. Any other `$` stands for itself.
///
/// # Errors
/// A message and a hint for each unset variable, and for a `${` that begins none.
pub(super) fn expand(raw: &str, variables: Variables<'_>) -> Result<String, Vec<(String, String)>> {
    let mut filled = String::with_capacity(raw.len());
    let mut faults = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        filled.push_str(&rest[..at]);
        let name_on = &rest[at + 2..];
        if rest[..at].ends_with('$') {
            filled.push('{');
            rest = name_on;
            continue;
        }
        let name = name_on.split_once('}').map(|(name, _)| name);
        let Some(name) = name.filter(|name| is_variable_name(name)) else {
            let message = "\"${\" does not begin a variable's name".to_owned();
            faults.push((message, "write ${NAME}, or $${ for ${ itself".to_owned()));
            rest = name_on;
            continue;
        };
        match variables(name) {
            Some(value) => filled.push_str(&value),
            None => {
                let message = format!("environment variable \"{name}\" is not set");
                faults.push((message, format!("export {name}=…")));
            }
        }
        rest = &name_on[name.len() + 1..];
    }
    filled.push_str(rest);
    if faults.is_empty() { Ok(filled) } else { Err(faults) }
}

/// What can be a variable: letters, digits and `_`, no digit first.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variables = |name: &str| (name == "HOST").then(|| "db".to_owned());
        let filled = |raw| expand(raw, &variables).map_err(|faults| faults[0].0.clone());
        assert_eq!(filled("x"), Ok("x".to_owned()));
        assert_eq!(filled("pg://${HOST}:1/${HOST}"), Ok("pg://db:1/db".to_owned()));
        assert_eq!(filled("$${HOST} $HOST $$ a$"), Ok("${HOST} $HOST $$ a$".to_owned()));
        assert_eq!(filled("$$${HOST}"), Ok("$${HOST}".to_owned()));
        assert_eq!(filled("${PORT}"), Err("environment variable \"PORT\" is not set".to_owned()));
        assert_eq!(expand("${A}${B}${", &variables).unwrap_err().len(), 3);
        for raw in ["${", "${}", "${HOST", "${1}", "${A B}"] {
            assert!(filled(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let variables = |name: &str| Some(format!("${{{name}}}"));
        assert_eq!(expand("${A}", &variables), Ok("${A}".to_owned()));
    }
}
