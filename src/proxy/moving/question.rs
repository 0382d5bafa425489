//! What a server is asked of a session that is to leave it.
//!
//! All of it is one pipeline of the extended protocol, in a transaction that is rolled back: a Query
//! would drop the client's unnamed statement, and the client's timeouts and encoding are put aside.

use std::io;
use std::sync::LazyLock;

use bytes::BytesMut;

use super::breaking::Breaking;
use super::talk::{Line, Reply, patiently};
use crate::net::random_bytes;
use crate::protocol::message;
use crate::proxy::split::OWN;
use crate::sql::quote::literal;

/// The name of the proxy's own statement and portal: no client's has it, which would be lost.
pub(super) static NAME: LazyLock<Vec<u8>> = LazyLock::new(|| unique("move"));

/// A name of the proxy's own that nobody else has.
pub(in crate::proxy) fn unique(what: &str) -> Vec<u8> {
    let random = random_bytes::<8>().unwrap_or_default();
    format!("pgauthority {what} {:016x}", u64::from_ne_bytes(random)).into_bytes()
}

/// Parameters that are put aside for the question, and what they are before it.
const BEFORE: &str = "
SELECT 'before', name, pg_catalog.current_setting(name, true), NULL::pg_catalog.text, NULL::pg_catalog.bool
  FROM (VALUES ('client_encoding'), ('statement_timeout'), ('lock_timeout'),
               ('transaction_timeout')) AS aside (name)";

/// Puts them aside. `transaction_timeout` came with PostgreSQL 17.
const ASIDE: &str = "
SELECT pg_catalog.set_config('statement_timeout', '0', true),
       pg_catalog.set_config('lock_timeout', '0', true),
       pg_catalog.set_config('client_encoding', 'UTF8', true),
       CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true) END";

/// Asks what the session has. Names of catalogs and operators are told whole: what the session
/// has put first in its `search_path` is not asked. `default` is what RESET would return to, of
/// timeouts as `current_setting` writes it. Who has logged in, only the statistics tell: `session_user`
/// is whom SET SESSION AUTHORIZATION has named.
const STATE: &str = "
SELECT 'setting'::pg_catalog.text, name, setting, NULL::pg_catalog.text, NULL::pg_catalog.bool
  FROM pg_catalog.pg_settings
 WHERE source OPERATOR(pg_catalog.=) 'session'
   AND NOT name OPERATOR(pg_catalog.~) '^(transaction_.*|statement_timeout|lock_timeout|client_encoding)$'
UNION ALL
SELECT 'default', name, pg_catalog.set_config('statement_timeout', reset_val, true), NULL, NULL
  FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'statement_timeout'
UNION ALL
SELECT 'default', name, pg_catalog.set_config('lock_timeout', reset_val, true), NULL, NULL
  FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'lock_timeout'
UNION ALL
SELECT 'default', name, pg_catalog.set_config('transaction_timeout', reset_val, true), NULL, NULL
  FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'transaction_timeout'
UNION ALL
SELECT 'default', name, reset_val, NULL, NULL
  FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'client_encoding'
UNION ALL
SELECT 'listens', channel, NULL, NULL, NULL
  FROM pg_catalog.pg_listening_channels() AS listening (channel)
UNION ALL
SELECT 'prepared', name, statement, parameter_types::pg_catalog.oid[]::pg_catalog.text, from_sql
  FROM pg_catalog.pg_prepared_statements
 WHERE name OPERATOR(pg_catalog.<>) ALL ('pgauthority own')
UNION ALL
SELECT 'cursor', name, NULL, NULL, NULL
  FROM pg_catalog.pg_cursors
 WHERE is_holdable
UNION ALL
SELECT 'temporary', relname::pg_catalog.text, NULL, NULL, NULL
  FROM pg_catalog.pg_class
 WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
   AND relkind OPERATOR(pg_catalog.<>) 'i' AND relkind OPERATOR(pg_catalog.<>) 't'
UNION ALL
SELECT 'made', proname::pg_catalog.text, NULL, NULL, NULL
  FROM pg_catalog.pg_proc
 WHERE pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
UNION ALL
SELECT 'made', typname::pg_catalog.text, NULL, NULL, NULL
  FROM pg_catalog.pg_type
 WHERE typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
   AND typtype::pg_catalog.text OPERATOR(pg_catalog.~) '^[der]$'
UNION ALL
SELECT 'lock', NULL, NULL, NULL, NULL
  FROM pg_catalog.pg_locks
 WHERE locktype OPERATOR(pg_catalog.=) 'advisory'
   AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
UNION ALL
SELECT 'user', session_user::pg_catalog.text, NULL, NULL, NULL
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS own
                    WHERE pg_catalog.pg_get_userbyid(own.usesysid) OPERATOR(pg_catalog.=) session_user)";

/// Asks for custom parameters that a routine may have set: no view lists them, so all that a body which
/// sets something names is tried. Of those that there are (`NO_SHOW_ALL`), what RESET would return to is
/// told as well, and in force from there on. 2078 is `set_config`, which SQL-standard bodies call. Whatever
/// the session reads in other literals, in `E'…'` a backslash is one.
const BY_ROUTINES: &str = r#"
SELECT 'custom', name, pg_catalog.current_setting(name, true),
       pg_catalog.set_config(name, NULL, true), NULL::pg_catalog.bool
  FROM (SELECT DISTINCT pg_catalog.lower(found[1] COLLATE pg_catalog."C")
          FROM (SELECT prosrc FROM pg_catalog.pg_proc
                 WHERE prosrc OPERATOR(pg_catalog.~*) E'\\mset_config\\M|\\mset\\s+((session|local)\\s+)?[^\\s.=]+\\s*\\.'
                UNION ALL
                SELECT pg_catalog.pg_get_function_sqlbody(oid) FROM pg_catalog.pg_proc
                 WHERE prosqlbody::pg_catalog.text OPERATOR(pg_catalog.~~) '%:funcid 2078 %') AS bodies (body),
               pg_catalog.regexp_matches(
                 pg_catalog.replace(body, '"', ''),
                 E'[^][\\s(){},;:=+*/<>|!@#%^&?~`\\\\.''-]+(?:\\.[^][\\s(){},;:=+*/<>|!@#%^&?~`\\\\.''-]+)+',
                 'g') AS found
        OFFSET 0) AS named (name)
 WHERE 'NO_SHOW_ALL' OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_settings_get_flags(name))
   AND name OPERATOR(pg_catalog.!~~) 'authority.%'"#;

/// Asks for the role, and which one RESET would return to: that one the new place begins with too,
/// where the startup packet has named it. The last, since it is in force from there on.
const ROLE: &str = "
SELECT 'role', pg_catalog.current_setting('role'), pg_catalog.set_config('role', NULL, true), NULL, NULL";

/// Asks a server what its session has, custom parameters of these names among it. Texts are told in
/// UTF8.
///
/// # Errors
/// The line broke, or the transaction could not be ended.
pub(super) async fn ask(
    custom: impl Iterator<Item = &str>,
    line: &mut impl Line,
    aside: &mut BytesMut,
    breaking: &Breaking,
) -> io::Result<Reply> {
    let [here, split] = [&NAME, &OWN].map(|name| literal(name));
    let own = [&b"ARRAY["[..], &here, b", ", &split, b"]"].concat();
    let state = STATE.replace("'pgauthority own'", &String::from_utf8_lossy(&own));
    let state = custom.fold(state.into_bytes(), |mut text, name| {
        let name = literal(name.as_bytes());
        for part in [&b"\nUNION ALL SELECT 'setting', "[..], &name, b", "] {
            text.extend_from_slice(part);
        }
        for part in [&b"pg_catalog.current_setting("[..], &name, b", true), NULL, NULL"] {
            text.extend_from_slice(part);
        }
        text
    });
    let mut request = BytesMut::new();
    for text in [
        &b"BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"[..],
        BEFORE.as_bytes(),
        ASIDE.as_bytes(),
        &state,
        BY_ROUTINES.as_bytes(),
        ROLE.as_bytes(),
        b"ROLLBACK",
    ] {
        message::run(&mut request, &NAME, text);
    }
    end(&mut request);
    patiently(line, &request, aside, || breaking.is_cancelled()).await
}

/// Closes the proxy's own statement: the end of a request.
pub(super) fn end(request: &mut BytesMut) {
    message::close(request, &NAME);
    message::sync(request);
}
