//! Words that the grammars of PostgreSQL 15 to 18 do not all know, on each of them: what is a name to an
//! older major, and no longer to a newer one, runs nothing that is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pgauthority::sql::Class;
use pgauthority::sql::catalog::Path;

use super::support::wire::Frames;
use super::support::{Cluster, Major, Message, Wire};
use super::{WATCH, options, resolved, snapshot};

/// Words that are new since 15 and may not stand for every name. Another one has to be looked at:
/// `src/sql/classify/newer.rs`.
const NOT_NAMES: [&str; 13] = [
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "merge_action",
    "system_user",
];

/// Where a name may stand: calls, relations, columns, types. `{}` is the name.
const PLACES: [&str; 54] = [
    "SELECT {}()",
    "SELECT {}(a) FROM x.texts",
    "SELECT {}(a, b) FROM x.texts",
    "SELECT {}('x'::text), 1",
    "SELECT {}('x'::text, 'y'::text)",
    "SELECT {}(VARIADIC ARRAY['x'])",
    "SELECT {}(a => 'x')",
    "SELECT {}(a := 'x', b := 'y')",
    "SELECT {}(DISTINCT a) FROM x.texts",
    "SELECT {}(a ORDER BY b) FROM x.texts",
    "SELECT {}('x'::text) FILTER (WHERE true)",
    "SELECT 1 FROM x.texts WHERE {}(a) = 'x'",
    "SELECT 1 FROM x.texts ORDER BY {}(a, b)",
    "SELECT * FROM {}()",
    "SELECT * FROM {}('x'::text)",
    "SELECT * FROM {}('x'::text, 'y'::text) AS t",
    "SELECT * FROM x.texts, LATERAL {}(a)",
    "SELECT * FROM ROWS FROM ({}('x'::text)) AS t",
    "SELECT a.{} FROM unnest(ARRAY['x'::text]) a",
    "SELECT ({}('x'::text))",
    "INSERT INTO x.texts VALUES ({}('x'::text))",
    "UPDATE x.texts SET a = {}(a)",
    "EXPLAIN ANALYZE SELECT {}('x'::text)",
    "PREPARE q AS SELECT {}('x'::text); EXECUTE q",
    "COPY (SELECT {}('x'::text)) TO STDOUT",
    "DO $$ BEGIN PERFORM {}('x'::text); END $$",
    "SELECT x.sql_of_{}()",
    "CALL {}('x'::text)",
    "SELECT * FROM {}",
    "SELECT 1 FROM {} AS a",
    "SELECT 1 FROM x.texts, {}",
    "SELECT 1 FROM x.texts CROSS JOIN {} t",
    "SELECT {} FROM {}",
    "SELECT {}.n FROM {}",
    "SELECT 1 WHERE EXISTS (SELECT FROM {})",
    "TABLE {}",
    "UPDATE x.texts SET a = 'x' FROM {}",
    "DELETE FROM x.texts USING {}",
    "INSERT INTO x.texts SELECT n FROM {}",
    "MERGE INTO x.texts USING {} ON true WHEN MATCHED THEN DELETE",
    "EXPLAIN ANALYZE SELECT * FROM {}",
    "DO $$ BEGIN PERFORM * FROM {}; END $$",
    "SELECT 'x'::{}",
    "SELECT {} 'x'",
    "SELECT CAST('x' AS {})",
    "SELECT '{x}'::{}[]",
    "SELECT 'x'::text::{}",
    "PREPARE q ({}) AS SELECT $1; EXECUTE q('x')",
    "CREATE TEMP TABLE t (a {}); INSERT INTO t VALUES ('x')",
    "CREATE TEMP TABLE t (a {} DEFAULT 'x'); INSERT INTO t DEFAULT VALUES",
    "SELECT * FROM json_to_record('[\"x\"]') AS t (a {})",
    "SELECT * FROM json_to_record('{\"a\": \"x\"}') AS t (a {})",
    "SELECT * FROM XMLTABLE('/' PASSING '<x>x</x>' COLUMNS a {} PATH '/')",
    "DO $$ DECLARE a {} := 'x'; BEGIN END $$",
];

/// A function, a domain and a view of each of the words, which all make a table.
fn world(words: &BTreeSet<String>) -> String {
    let mut world = String::from(
        "CREATE SCHEMA x; CREATE SCHEMA f; CREATE SCHEMA d; CREATE SCHEMA v;
        CREATE TABLE x.texts (a text, b text); INSERT INTO x.texts VALUES ('x', 'y');
        CREATE FUNCTION x.ran() RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN CREATE TABLE IF NOT EXISTS x.run (); RETURN 'x'; END $$;
        CREATE FUNCTION x.fits(text) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN CREATE TABLE IF NOT EXISTS x.run (); RETURN true; END $$;",
    );
    for word in words {
        writeln!(
            world,
            "CREATE FUNCTION f.\"{word}\"(a text DEFAULT '', b text DEFAULT '') RETURNS text
                LANGUAGE plpgsql AS $$ BEGIN RETURN x.ran(); END $$;
            CREATE DOMAIN d.\"{word}\" AS text CHECK (x.fits(VALUE));
            CREATE VIEW v.\"{word}\" AS SELECT x.ran() AS n;"
        )
        .unwrap();
    }
    world
}

/// A function whose body names the word as it stands: only where the server takes that for a call.
fn add_bodies(wire: &mut Wire, words: &BTreeSet<String>) {
    for word in words {
        let body = format!("SELECT {word}('x'::text)::text");
        let _ = wire.try_sql(&format!(
            "CREATE FUNCTION x.sql_of_{word}() RETURNS text LANGUAGE sql AS $$ {body} $$"
        ));
    }
}

/// The words of a server's grammar, and their categories.
fn keywords(wire: &mut Wire) -> BTreeMap<String, String> {
    let rows = wire.sql("SELECT word, catcode FROM pg_get_keywords()");
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
}

/// How many tables a text makes, in a transaction that is rolled back.
fn runs(wire: &mut Wire, text: &str) -> usize {
    let texts = ["BEGIN", text, "ROLLBACK", "DEALLOCATE ALL"];
    wire.send(&texts.iter().fold(Frames::new(), |frames, text| frames.query(text))).unwrap();
    let answers = texts.map(|_| wire.receive_until(b'Z'));
    let fired = |message: &&Message| {
        message.tag == b'N' && message.fields().message() == "fired: CREATE TABLE"
    };
    answers.iter().flatten().filter(fired).count()
}

#[test]
fn a_word_that_not_every_major_knows_runs_nothing_unseen() {
    let servers = Major::EVERY.map(|major| Cluster::builder().major(major).start());
    let known = servers.each_ref().map(|server| keywords(&mut server.connect("app")));
    let [old, newer @ ..] = &known;
    let all = || known.iter().flat_map(BTreeMap::keys);
    let differs = |word: &&String| known.iter().any(|one| one.get(*word) != old.get(*word));
    let differing: BTreeSet<String> = all().filter(differs).cloned().collect();
    assert!(differing.len() > 30, "{differing:?}");

    let is_name = |known: &BTreeMap<String, String>, word: &str| {
        known.get(word).is_none_or(|category| category == "U")
    };
    let lost = |word: &&String| is_name(old, word) && !newer.iter().all(|one| is_name(one, word));
    let lost: BTreeSet<&str> = differing.iter().filter(lost).map(String::as_str).collect();
    assert_eq!(lost, BTreeSet::from(NOT_NAMES), "a word that is no longer any name");
    // the other way about, a text that 18 reads as a name, an older one would not
    let won = |word: &&String| !is_name(old, word) && newer.iter().any(|one| is_name(one, word));
    assert_eq!(differing.iter().find(won), None);

    for server in &servers {
        let mut wire = server.connect("app");
        wire.sql(&world(&differing));
        wire.sql("SET search_path = f, d, v, pg_catalog");
        add_bodies(&mut wire, &differing);
        let catalog = snapshot(&mut wire, &options(&[]));
        wire.sql(WATCH);
        let (mut wrong, mut ran) = (String::new(), BTreeSet::new());
        for search_path in ["f, d, v, pg_catalog", "f, d, v"] {
            wire.sql(&format!("SET search_path = {search_path}"));
            let path = Path::of_setting(search_path, None);
            for (word, place) in differing.iter().flat_map(|word| PLACES.map(|place| (word, place)))
            {
                let text = place.replace("{}", word);
                let found = resolved(&catalog, &text, &path, false);
                if runs(&mut wire, &text) <= usize::from(text.contains("TEMP")) {
                    continue;
                }
                ran.insert(word.as_str());
                if found.class < Class::Ddl {
                    writeln!(wrong, "{text} ({search_path})\n  is {found:?}").unwrap();
                }
            }
        }
        let major = server.major();
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        let expected: BTreeSet<&str> = differing.iter().map(String::as_str).collect();
        if major == Major::V15 {
            assert_eq!(ran, expected, "did run on {major:?}");
        }
    }
}
