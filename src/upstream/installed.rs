//! What of the backstop is in a database, as anybody may see it: triggers, functions, who owns
//! them, whom the key is for.

use super::connection::Reports;
use super::key::{self, Reading};
use super::query::{QueryError, query};
use super::wire::Wire;

/// The backstop as found. What it should be is `governance::backstop`'s to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Event triggers that call a function of schema `pgauthority`.
    pub triggers: Vec<FoundTrigger>,
    /// The functions `guard` and `token_fault` of that schema.
    pub functions: Vec<FoundFunction>,
    /// The relation of the key; `None` where there is none.
    pub key: Option<FoundKey>,
    /// `event_triggers` (17 and newer) is off for this login.
    pub silenced: bool,
    /// The login is a superuser.
    pub superuser: bool,
    /// The login's role.
    pub user: String,
}

/// An event trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTrigger {
    /// Its name.
    pub name: String,
    /// Its event.
    pub event: String,
    /// `evtenabled`: `A` always, `O` unless a replica, `R` on a replica only, `D` not.
    pub enabled: String,
    /// Its owner.
    pub owner: String,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFunction {
    /// Its name.
    pub name: String,
    /// Its body.
    pub body: String,
    /// It runs as its owner, and with which settings: `true {"search_path=…"}`.
    pub attributes: String,
    /// Its owner.
    pub owner: String,
    /// The owner may see when other roles' backends started, or is a superuser.
    pub owner_sees_backends: bool,
    /// Its comment.
    pub comment: String,
}

/// The key's relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// Its owner.
    pub owner: String,
    /// Tells whose key it is, if that can be read.
    pub fingerprint: Option<String>,
    /// Why it is not what an installation makes, for people; such a one is not read.
    pub strange: Option<String>,
    /// Roles other than the owner that have been given the key.
    pub grantees: String,
    /// Roles that can log in and may read every table, and so the key.
    pub readers: String,
}

/// One round trip, four kinds of row. The path is set for this session, which is a look's own.
const READ: &str = "SET search_path = pg_catalog, pg_temp; \
    SELECT 'trigger', t.evtname, t.evtevent, t.evtenabled, t.evtowner::regrole \
        FROM pg_event_trigger AS t JOIN pg_proc AS p ON p.oid = t.evtfoid \
        JOIN pg_namespace AS n ON n.oid = p.pronamespace \
        WHERE n.nspname = 'pgauthority' ORDER BY t.evtname; \
    SELECT 'function', p.proname, p.prosrc, \
            concat_ws(' ', p.prosecdef::text, p.proconfig::text), p.proowner::regrole, \
            pg_has_role(p.proowner, 'pg_read_all_stats', 'USAGE'), obj_description(p.oid, 'pg_proc') \
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace \
        WHERE n.nspname = 'pgauthority' AND p.proname IN ('guard', 'token_fault') \
        ORDER BY p.proname; \
    SELECT 'key', c.relowner::regrole, \
            (SELECT string_agg(DISTINCT CASE WHEN a.grantee = 0 THEN 'public' \
                ELSE a.grantee::regrole::text END, ', ') \
                FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner), \
            (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM pg_roles AS r \
                WHERE r.rolcanlogin AND NOT r.rolsuper AND r.oid <> c.relowner \
                    AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')) \
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE n.nspname = 'pgauthority' AND c.relname = 'key' AND c.relkind = 'm'; \
    SELECT 'login', current_setting('event_triggers', true), rolsuper, rolname \
        FROM pg_roles WHERE rolname = CURRENT_USER";

/// Reads it: three round trips at most.
pub(super) async fn read(wire: &mut Wire, reports: &mut Reports) -> Result<Installed, QueryError> {
    let mut found = Installed::default();
    for row in query(wire, reports, READ).await? {
        let text = |index: usize| {
            let column = row.get(index).and_then(Option::as_ref);
            column.map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned())
        };
        match text(0).as_str() {
            "trigger" => found.triggers.push(FoundTrigger {
                name: text(1),
                event: text(2),
                enabled: text(3),
                owner: text(4),
            }),
            "function" => found.functions.push(FoundFunction {
                name: text(1),
                body: text(2),
                attributes: text(3),
                owner: text(4),
                owner_sees_backends: text(5) == "t",
                comment: text(6),
            }),
            "key" => {
                found.key = Some(FoundKey {
                    owner: text(1),
                    fingerprint: None,
                    strange: None,
                    grantees: text(2),
                    readers: text(3),
                });
            }
            _ => {
                found.silenced = text(1) == "off";
                found.superuser = text(2) == "t";
                found.user = text(3);
            }
        }
    }
    if let Some(key) = &mut found.key {
        match key::read(wire, reports, "fingerprint").await {
            Ok(Reading::Value(fingerprint)) => key.fingerprint = Some(fingerprint),
            Ok(Reading::Strange(why)) => key.strange = Some(why),
            // not populated, or not for this login
            Ok(Reading::Nothing) | Err(QueryError::Server(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
