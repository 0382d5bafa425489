//! What a session expects of its upstream, held against the declaration (contract §2).

use super::{Denial, Policy, Rule};
use crate::contract::parameter::{self, Parameter};

impl Policy {
    /// Everything that is declared otherwise than the session expects, what matters most first.
    pub fn expectations(&self, expected: &[(Parameter, String)]) -> Option<Denial> {
        let declared = self.declaration;
        let tags = [
            (Parameter::ExpectRole, "role", declared.role.as_str(), parameter::EXPECT_ROLE),
            (
                Parameter::ExpectAuthority,
                "authority",
                declared.authority.as_str(),
                parameter::EXPECT_AUTHORITY,
            ),
            (Parameter::ExpectEnv, "env", declared.environment.as_str(), parameter::EXPECT_ENV),
        ];
        let mut wrong = tags.iter().flat_map(|tag| {
            let of = move |(kind, value): &&(Parameter, String)| {
                *kind == tag.0 && !value.is_empty() && value != tag.2
            };
            expected.iter().filter(of).map(move |(_, value)| (tag, value))
        });
        let (first, value) = wrong.next()?;
        let mut said = format!(
            "upstream \"{}\" is {} {}, and the session expects \"{value}\"",
            self.upstream, first.1, first.2
        );
        let (mut there, mut instead) =
            (format!("{} {}", first.1, first.2), format!("{}={}", first.3, first.2));
        for ((_, what, tag, name), value) in wrong {
            said += &format!("; {what} {tag}, not \"{value}\"");
            there += &format!(", {what} {tag}");
            instead += &format!(" {name}={tag}");
        }
        let hint =
            format!("check DATABASE_URL: it leads to {there}; or expect what is there: {instead}");
        Some(Denial::new(Rule::ExpectMismatch, said, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Authority, Declaration, Environment, Role};

    #[test]
    fn every_mismatch_is_told_and_the_role_first() {
        let declaration = Declaration {
            authority: Authority::Neon,
            role: Role::Prod,
            environment: Environment::ProdLike,
        };
        let policy = Policy::new("u", declaration);
        let mut expected = vec![
            (Parameter::ExpectEnv, "dev".to_owned()),
            (Parameter::ExpectAuthority, "neon".to_owned()),
            (Parameter::ExpectRole, "staging".to_owned()),
        ];
        let said = policy.expectations(&expected).unwrap();
        assert_eq!(
            said.message,
            "upstream \"u\" is role prod, and the session expects \"staging\"; \
             env prod-like, not \"dev\""
        );
        assert!(
            said.hint.ends_with("authority.expect_role=prod authority.expect_env=prod-like"),
            "{said:?}"
        );
        expected.retain(|(kind, _)| *kind == Parameter::ExpectAuthority);
        assert_eq!(policy.expectations(&expected), None);
    }
}
