//! The three declarations every upstream carries.

use std::fmt;

/// Whose data is true (contract §1). `neon` is the only source of truth for production data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Authority {
    /// Production data, on Neon.
    Neon,
    /// Disposable data, for rehearsal and tests.
    Local,
}

/// What migrations may do on an upstream (contract §1, the seed's `DB_ROLE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Migrations are allowed: they are rehearsed here.
    Staging,
    /// Migrations need a confirmation.
    Prod,
    /// Read-only: migrations and writes are blocked.
    Replica,
}

/// What kind of environment an upstream is (contract §1, the seed's `DB_ENV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Environment {
    /// Production, or its like.
    ProdLike,
    /// Development.
    Dev,
    /// Tests.
    Test,
}

/// All three declarations of one upstream. A value of this type was written by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declaration {
    /// Whose data it is.
    pub authority: Authority,
    /// What migrations may do there.
    pub role: Role,
    /// What kind of environment it is.
    pub environment: Environment,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ }) => {
        impl $type {
            /// Every value, in the order the documentation lists them.
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// The word an operator writes for it.
            pub const fn as_str(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }

            /// Reads the declared word, exactly as spelled; `None` for anything else.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($type::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Authority { Neon = "neon", Local = "local" });
words!(Role { Staging = "staging", Prod = "prod", Replica = "replica" });
words!(Environment { ProdLike = "prod-like", Dev = "dev", Test = "test" });
