//! The closed list of what the drift detector finds, each with its severity, what it means and
//! what to do. docs/drift.md has a row for each, and a test holds it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much a finding weighs. Every finding is drift; this orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The contract is broken.
    Error,
    /// It may be: look at it.
    Warning,
}

impl Severity {
    /// SARIF's word for it, which GitHub's annotations share.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Where a rule looks, which decides whether a run could have found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Files alone.
    Files,
    /// `--config`.
    Config,
    /// `--connect`.
    Connect,
}

macro_rules! rules {
    ($($variant:ident $id:literal $severity:ident $needs:ident $summary:literal, $fix:literal;)+) => {
        /// A rule of the drift detector.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $summary] $variant,)+
        }

        impl Rule {
            /// Every rule, in the order of the documentation.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant,)+];

            /// Its name in reports, suppressions and the history.
            pub const fn id(self) -> &'static str {
                match self { $(Rule::$variant => $id,)+ }
            }

            /// How much it weighs.
            pub const fn severity(self) -> Severity {
                match self { $(Rule::$variant => Severity::$severity,)+ }
            }

            /// What a run needs to find it.
            pub const fn needs(self) -> Needs {
                match self { $(Rule::$variant => Needs::$needs,)+ }
            }

            /// What it finds, in one line.
            pub const fn summary(self) -> &'static str {
                match self { $(Rule::$variant => $summary,)+ }
            }

            /// What to do about it, where a finding knows nothing better.
            pub const fn fix(self) -> &'static str {
                match self { $(Rule::$variant => $fix,)+ }
            }
        }
    };
}

rules! {
    DeclareMissing "declare.missing" Error Files
        "a database URL is set, and DB_AUTHORITY or DB_ENV is not declared beside it",
        "declare them in the same place: DB_AUTHORITY=neon|local and DB_ENV=prod-like|dev|test";
    DeclareInvalid "declare.invalid" Error Files
        "a declaration is not one of its words",
        "use one of the words exactly";
    DeclareConflict "declare.conflict" Error Files
        "two declarations contradict each other",
        "declare one of them otherwise";
    DeclareMismatch "declare.mismatch" Error Files
        "a declaration contradicts the URL beside it",
        "declare what the URL leads to, or change the URL";
    DeclareDefault "declare.default" Error Files
        "a declaration that is missing is replaced by a default",
        "let its absence be a failure";
    DeclareUnchecked "declare.unchecked" Warning Files
        "code takes a database URL from its environment, and nothing it imports looks at the declaration",
        "import pgauthority_guard.auto (Python), or run it behind pgauthority exec and say so in a comment: pgauthority: allow declare.unchecked -- run by exec";
    InferUrl "infer.url" Error Files
        "what a database is, is inferred from its URL",
        "read DB_AUTHORITY, DB_ROLE or DB_ENV; to check that it is as declared: pgauthority guard require neon|local";
    UrlUpstream "url.upstream" Error Config
        "a URL leads to an upstream, round the proxy",
        "name the proxy and a database entry of its configuration";
    UrlHardcoded "url.hardcoded" Warning Files
        "a URL of a real database is written into the source",
        "take it from the environment, where its authority is declared";
    UrlUnreadable "url.unreadable" Warning Files
        "a database URL cannot be read, so nothing can be compared with it",
        "percent-encode what is not plain in it";
    ConfirmPersistent "confirm.persistent" Error Files
        "CONFIRM_PROD_MIGRATIONS is set for good",
        "confirm for one command: CONFIRM_PROD_MIGRATIONS=true pgauthority exec -- COMMAND";
    ConfirmOptions "confirm.options" Error Files
        "connection options confirm production migrations for good",
        "confirm for one command: CONFIRM_PROD_MIGRATIONS=true pgauthority exec -- COMMAND";
    SuppressReason "suppress.reason" Warning Files
        "a finding is allowed without a reason",
        "say why: # pgauthority: allow RULE -- REASON";
    SuppressUnknown "suppress.unknown" Warning Files
        "a comment allows a rule that does not exist",
        "name one of the rules of docs/drift.md";
    SuppressUnused "suppress.unused" Warning Files
        "a comment allows what is not found there",
        "remove the comment";
    FileUnparsed "file.unparsed" Warning Files
        "a file that speaks of databases cannot be parsed, so nothing was looked for in it",
        "mend its syntax";
    ConfigMapping "config.mapping" Error Config
        "a declaration of the configuration contradicts what can be seen of its URL",
        "declare what the url leads to, or change the url; [contract] mapping = \"enforce\" refuses to start";
    WorldUnreachable "world.unreachable" Error Connect
        "an upstream could not be looked at",
        "pgauthority check --config FILE --connect";
    WorldRecovery "world.recovery" Error Connect
        "a role contradicts the server's recovery state",
        "declare the role that the server has, or promote or demote the server";
    WorldProxy "world.proxy" Error Connect
        "an upstream is another pgauthority, or is none where one is declared, or has other tags",
        "set chain to what the upstream is, and the declarations to its tags";
    WorldDatabase "world.database" Error Connect
        "another database answered than was asked for",
        "name the database that is meant in the upstream's url";
    WorldSeal "world.seal" Error Connect
        "a database is sealed otherwise than declared, or not at all where it must be",
        "correct the url or the declaration; pgauthority seal writes a new seal";
    WorldBackstop "world.backstop" Error Connect
        "the backstop is not as the role needs it",
        "pgauthority backstop install, or remove, as the role needs";
    WorldSamePlace "world.same_place" Error Connect
        "two upstreams with different declarations are one database",
        "give each its own database, or one declaration";
    WorldHeads "world.heads" Error Connect
        "staging and prod do not have the same migrations",
        "rehearse on staging what prod has, or run on prod what was rehearsed";
    WorldSchema "world.schema" Error Connect
        "staging and prod have different schemas",
        "bring both to the same migrations; what was changed by hand becomes a migration";
}

impl Rule {
    /// The rule of that name.
    pub fn from_id(id: &str) -> Option<Rule> {
        Rule::ALL.iter().copied().find(|rule| rule.id() == id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        Rule::from_id(&id).ok_or_else(|| serde::de::Error::custom("no such rule"))
    }
}
