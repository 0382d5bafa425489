//! The seal: a declaration written into the database itself (contract §1).

use super::{Declaration, Role};

/// What a database is sealed as, in the words of its table `pgauthority.seal`. Whoever owns the
/// table can have written anything: it is compared, never believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// `authority`.
    pub authority: String,
    /// `role`.
    pub role: String,
    /// `env`.
    pub env: String,
    /// When it was sealed, as the server writes it.
    pub sealed_at: String,
    /// The role that sealed it.
    pub sealed_by: String,
}

impl Seal {
    /// Whether an upstream of this declaration may have this seal. A replica has the seal of its
    /// primary, whose role is another: authority and env count there.
    pub fn agrees(&self, declared: Declaration) -> bool {
        let role = declared.role == Role::Replica || self.role == declared.role.as_str();
        role && self.authority == declared.authority.as_str()
            && self.env == declared.environment.as_str()
    }

    /// Authority, role and env, for people.
    pub fn words(&self) -> String {
        format!("{}, {}, {}", self.authority, self.role, self.env)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Authority, Environment};

    #[test]
    fn a_replica_has_its_primarys_seal() {
        let seal = |authority: &str, role: &str, env: &str| Seal {
            authority: authority.to_owned(),
            role: role.to_owned(),
            env: env.to_owned(),
            sealed_at: String::new(),
            sealed_by: String::new(),
        };
        let declared = |role| Declaration {
            authority: Authority::Neon,
            role,
            environment: Environment::ProdLike,
        };
        let prod = seal("neon", "prod", "prod-like");
        assert!(prod.agrees(declared(Role::Prod)) && prod.agrees(declared(Role::Replica)));
        assert!(!prod.agrees(declared(Role::Staging)));
        assert!(!seal("neon", "replica", "prod-like").agrees(declared(Role::Prod)));
        assert!(!seal("local", "prod", "prod-like").agrees(declared(Role::Replica)));
        assert!(!seal("neon", "prod", "dev").agrees(declared(Role::Replica)));
        assert!(!seal("Neon", "prod", "prod-like").agrees(declared(Role::Prod)));
    }
}
