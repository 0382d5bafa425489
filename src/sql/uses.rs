//! What a statement names: what the catalog has to be asked about.

use super::Class;

/// What a statement uses that only the catalog can judge (see [`Catalog`](super::catalog::Catalog)).
///
/// Collected from the text alone. Where the text cannot tell (is `a.b` a column or a call?), both
/// are listed: more is never weaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uses {
    /// The class of all that the text alone decides: that of the statement, except that calls of
    /// routines which are no known built-ins, and CALL itself, count nothing.
    pub class: Class,
    /// The same for [`Statement::unseen_code`](super::Statement::unseen_code).
    pub unseen_code: bool,
    /// What made `class` what it is; may be empty.
    pub reason: Box<str>,
    /// The class of what the text calls by name, apart from the kind of its statements: of the body
    /// of a STABLE routine in PL/pgSQL this alone counts.
    pub(in crate::sql) called: Class,
    /// As `reason`, for `called`.
    pub(in crate::sql) called_reason: Box<str>,
    /// It sets parameters (SET, `set_config`) within: what is known of the session is void.
    pub(in crate::sql) sets: bool,
    /// A statement within changes what the session's names stand for: temporary relations, what is
    /// prepared.
    pub(in crate::sql) renames: bool,
    /// A statement within fires event triggers.
    pub(in crate::sql) fires: bool,
    /// It is planned and not run (EXPLAIN without ANALYZE): nothing volatile is called.
    pub planned: bool,
    /// It is kept as a definition: what it calls runs later.
    pub stored: bool,
    /// It names more than is worth listing: anything may be in it.
    pub too_many: bool,
    /// It calls a built-in that turns values into rows of a type that it is given
    /// (`jsonb_populate_record` and kin): what coerces to the columns of its relations counts.
    pub populates: bool,
    /// A literal or a parameter in it may become a value of a type that it does not name.
    pub coerces: bool,
    /// It makes arrays or takes rows as a whole, or calls a built-in that brings arguments to one
    /// type: what stands beside a column may become a value of the column's very type.
    pub composes: bool,
    /// It calls a built-in that makes a value of a type which is named by a text.
    pub makes_any: bool,
    /// It calls a built-in that reads relations which it does not name.
    pub reads_all: bool,
    /// It calls a built-in that simplifies partition keys which it does not name.
    pub reads_keys: bool,
    /// VACUUM or ANALYZE of everything, or a built-in that does the like with what it is given.
    pub maintains_all: bool,
    /// It makes an index or a partitioned table: by classes that it names, or that are the default
    /// ones of a type.
    pub indexes: bool,
    /// PL/pgSQL code in it, whose variables have types that are not listed.
    pub code: Box<str>,
    /// `a.f` may be of an `a` that is no row (an item of `FROM unnest(…)`).
    pub fields_of_values: bool,
    /// The names `f` of `a.f` and `(…).f`, each perhaps the call `f(a)`.
    pub fields: Box<[Box<str>]>,
    /// Calls.
    pub calls: Box<[Call]>,
    /// Relations.
    pub relations: Box<[RelationUse]>,
    /// Operators, those that PostgreSQL looks up by name on its own too (`=` for CASE x WHEN).
    pub operators: Box<[Name]>,
    /// Types of casts, column definitions, typed constants; PostgreSQL's own too.
    pub types: Box<[Name]>,
    /// Those of them that a cast names.
    pub casts: Box<[Name]>,
    /// Those of them of which a cast names the array.
    pub arrays: Box<[Name]>,
}

/// A name, perhaps qualified; both parts as the grammar folds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The schema, where it is written.
    pub schema: Option<Box<str>>,
    /// The name in it.
    pub name: Box<str>,
}

impl Name {
    /// The schema is written, and is one of PostgreSQL's own: nothing temporary is meant.
    pub fn is_in_own_schema(&self) -> bool {
        let own = ["pg_catalog", "information_schema", "pg_toast"];
        self.schema.as_deref().is_some_and(|schema| own.contains(&schema))
    }
}

/// How a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallKind {
    /// `f(…)`: a function, an aggregate, a window function; with one argument perhaps a cast.
    Function,
    /// `CALL p(…)`.
    Procedure,
    /// `TABLESAMPLE f(…)`: its handler.
    Sampling,
    /// A word of PostgreSQL 18's grammar that is a name before: perhaps a function, on an older major.
    /// Its arguments are not counted: it may have up to as many as are given here.
    Word,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// Of what.
    pub name: Name,
    /// How it is written.
    pub kind: CallKind,
    /// The number of arguments, those of WITHIN GROUP (ORDER BY …) included.
    pub arguments: u16,
    /// How many of them are parameters by themselves: one of type `void` is none to PostgreSQL.
    pub parameters: u16,
    /// What the text says of their types, those given by name last; empty: nothing of any.
    pub given: Box<[Given]>,
    /// Names of arguments given by name.
    pub named: Box<[Box<str>]>,
    /// The last argument is marked VARIADIC.
    pub variadic: bool,
    /// `f(*)`.
    pub star: bool,
}

/// The type of a plain literal, by OID: whatever its place wants.
pub const UNKNOWN: u32 = 705;

/// What a text says of an argument's type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Given {
    /// Nothing that is certain.
    Anything,
    /// A constant of this type of PostgreSQL's own, by OID.
    Constant(u32),
    /// Cast to the type of this name, or to its array.
    Cast {
        /// Of the type, or of the array's elements.
        name: Name,
        /// `name[]`.
        array: bool,
    },
    /// `$n` of the message that the statement came in.
    Parameter {
        /// Its number.
        number: u16,
        /// It stands in the statement once, so nothing before the call could give it a type.
        once: bool,
    },
}

/// What is done with a relation: a set of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct How(u8);

impl How {
    /// Rows are read.
    pub const SELECT: How = How(1);
    /// Rows are added, COPY FROM too.
    pub const INSERT: How = How(2);
    /// Rows are changed.
    pub const UPDATE: How = How(4);
    /// Rows are removed.
    pub const DELETE: How = How(8);
    /// TRUNCATE.
    pub const TRUNCATE: How = How(16);
    /// What is stored besides rows is computed: VACUUM, ANALYZE, REFRESH, REINDEX, ALTER TABLE.
    pub const MAINTAIN: How = How(32);
    /// Rows are read in more places than one: if it is changed, besides the place that says so.
    pub const AGAIN: How = How(64);
    /// INSERT, UPDATE and DELETE.
    pub const CHANGE: How = How(2 | 4 | 8);

    /// Both.
    pub const fn and(self, other: How) -> How {
        How(self.0 | other.0)
    }

    /// Whether anything of `other` is in it.
    pub const fn any(self, other: How) -> bool {
        self.0 & other.0 != 0
    }

    /// Each thing in it, by itself; [`How::AGAIN`] is none.
    pub fn each(self) -> impl Iterator<Item = How> {
        (0..6).map(|bit| How(1 << bit)).filter(move |one| self.any(*one))
    }
}

/// A relation that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationUse {
    /// Its name.
    pub name: Name,
    /// What is done with it.
    pub how: How,
    /// It need not be there: the statement makes it, or has a WITH query of that name.
    pub optional: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sql::judge;

    /// The uses of a text's one statement, a line.
    fn shown(text: &str) -> String {
        let judgement = judge(text.as_bytes(), &BTreeSet::new());
        let Some(uses) = &judgement.statements[0].uses else { return "none".into() };
        assert!(judgement.needs_catalog);
        let name = |name: &Name| match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.to_string(),
        };
        let mut parts = vec![uses.class.to_string()];
        for (flag, word) in [
            (uses.unseen_code, "unseen"),
            (uses.planned, "planned"),
            (uses.sets, "sets"),
            (uses.populates, "populates"),
            (uses.makes_any, "makes_any"),
            (uses.reads_all, "reads_all"),
            (uses.reads_keys, "reads_keys"),
            (uses.coerces && uses.composes, "coerces"),
            (uses.maintains_all, "maintains_all"),
            (!uses.code.is_empty(), "code"),
            (uses.fields_of_values, "values"),
        ] {
            parts.extend(flag.then(|| word.to_owned()));
        }
        parts.extend(uses.calls.iter().map(|call| {
            let kind = match call.kind {
                CallKind::Function => "",
                CallKind::Procedure => "call ",
                CallKind::Sampling => "sample ",
                CallKind::Word => "word ",
            };
            let mut shown = format!("{kind}{}({}", name(&call.name), call.arguments);
            shown.extend(call.named.iter().map(|name| format!(" {name}")));
            shown += if call.variadic { " variadic" } else { "" };
            shown + if call.star { "*)" } else { ")" }
        }));
        parts.extend(uses.relations.iter().map(|relation| {
            let letters = [
                (How::SELECT, 's'),
                (How::INSERT, 'i'),
                (How::UPDATE, 'u'),
                (How::DELETE, 'd'),
                (How::TRUNCATE, 't'),
                (How::MAINTAIN, 'm'),
                (How::AGAIN, '+'),
            ];
            let how = letters.iter().filter(|(how, _)| relation.how.any(*how)).map(|(_, c)| c);
            let how: String = how.collect();
            let optional = if relation.optional { "?" } else { "" };
            format!("{}:{how}{optional}", name(&relation.name))
        }));
        parts.extend(uses.operators.iter().map(name));
        parts.extend(uses.types.iter().map(|found| format!("::{}", name(found))));
        parts.extend(uses.arrays.iter().map(|found| format!("[]{}", name(found))));
        parts.extend(uses.fields.iter().map(|field| format!(".{field}")));
        parts.join(" ")
    }

    #[test]
    fn uses_are_what_is_named() {
        for (text, expected) in [
            ("SELECT 1", "none"),
            ("SHOW x", "none"),
            ("SELECT 'a', 1, now", "none"),
            ("SELECT DISTINCT xmlelement(NAME a)", "read"),
            ("SELECT 1 UNION SELECT true", "read"),
            ("VALUES ($1)", "read"),
            ("SELECT GREATEST(1, 2)", "read"),
            (
                "SELECT pg_catalog.now() FROM pg_catalog.pg_class",
                "read pg_catalog.now(0) pg_catalog.pg_class:s",
            ),
            ("SELECT 1::int", "read ::pg_catalog.int4"),
            (
                "SELECT 1::int[], CAST(1 AS s.t ARRAY[3])",
                "read ::pg_catalog.int4 ::s.t []pg_catalog.int4 []s.t",
            ),
            ("SELECT * FROM f() x (a int)", "read values f(0) ::pg_catalog.int4"),
            ("SELECT now()", "read now(0)"),
            ("SELECT json_scalar(f()), '1'::json", "read f(0) word json_scalar(65535) ::json"),
            (
                "SELECT json_object('{}'), merge_action()",
                "read json_object(1) word merge_action(65535)",
            ),
            ("EXPLAIN SELECT json_value(a, 'x')", "read planned word json_value(65535)"),
            ("CREATE TEMP TABLE t (a pg_catalog.json)", "temp t:s? ::json"),
            (
                "SELECT system_user FROM system_user, system_user s",
                "read values pg_catalog.system_user(0) system_user:s+?",
            ),
            (
                "INSERT INTO \"system_user\" SELECT 1 FROM system_user",
                "write values pg_catalog.system_user(0) system_user:si+?",
            ),
            ("CREATE VIEW v AS SELECT json(a) FROM system_user", "none"),
            ("SELECT pg_catalog.nobody()", "read pg_catalog.nobody(0)"),
            (
                "SELECT f(1, b => 2), s.g(*), h(VARIADIC ARRAY[1])",
                "read f(2 b) h(1 variadic) s.g(0*)",
            ),
            ("SELECT nextval('s') + f()", "write f(0) nextval(1) +"),
            ("SELECT mode() WITHIN GROUP (ORDER BY a)", "read mode(1)"),
            ("SELECT t.a, t.b FROM s.t AS t WHERE t.a IN (1)", "read s.t:s = .a .b"),
            ("SELECT (x).f FROM unnest(a) x", "read values unnest(1) .f"),
            ("SELECT a BETWEEN 1 AND 2, a OPERATOR(s.===) b, a LIKE 'x'", "read <= >= ~~ s.==="),
            ("SELECT CASE a WHEN 1 THEN 2 END ORDER BY 1 USING ~<~", "read = ~<~"),
            ("SELECT 'x'::d, s.e '1', CAST(1 AS text[])", "read ::d ::text ::s.e []text"),
            ("INSERT INTO t VALUES (1)", "write t:si"),
            ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1", "write t:siu"),
            ("WITH x AS (SELECT 1) UPDATE t SET a = 1 FROM x", "write t:su x:s?"),
            ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "write t:siud u:s"),
            ("COPY t FROM STDIN", "write t:si"),
            ("COPY t TO STDOUT", "read t:s"),
            ("TRUNCATE a, b", "ddl a:st b:st"),
            ("VACUUM t", "maintenance t:sm"),
            ("ANALYZE", "maintenance maintains_all"),
            ("REFRESH MATERIALIZED VIEW m", "write m:sm"),
            ("CALL p(1)", "session call p(1)"),
            ("CALL p(f())", "session f(0) call p(1)"),
            ("EXPLAIN SELECT f()", "read planned f(0)"),
            ("EXPLAIN ANALYZE SELECT f()", "read f(0)"),
            ("EXPLAIN EXECUTE p(f())", "read f(0)"),
            ("SELECT * FROM t TABLESAMPLE s.m (1)", "read sample s.m(1) t:s"),
            (
                "SELECT jsonb_populate_record(NULL::t, '{}')",
                "read populates jsonb_populate_record(2) ::t",
            ),
            ("DO $$ BEGIN PERFORM f(); CALL p(); END $$", "read unseen code f(0) call p(0)"),
            ("DO $$ BEGIN EXECUTE x; SET a = 1; END $$", "opaque unseen sets code"),
            ("SELECT set_config('a.b', 'c', true)", "read sets set_config(3)"),
            (
                "SELECT pg_get_partition_constraintdef(1)",
                "read reads_keys pg_get_partition_constraintdef(1)",
            ),
            ("SELECT lag(a, 1, 'x') OVER () FROM t", "read coerces lag(3) t:s"),
            ("SELECT ARRAY[a] || $1 FROM t", "read coerces t:s ||"),
            ("SELECT ARRAY(SELECT a FROM t) || '{}'", "read coerces t:s = ||"),
            ("SELECT coalesce(x, '(1)') FROM t x", "read coerces t:s"),
            ("SELECT coalesce(t.*, '(1)') FROM t", "read coerces t:s"),
            ("SELECT t.*, 'x' FROM t WHERE b = $1", "read t:s ="),
            ("SELECT ARRAY[1], a + 2 FROM t", "read t:s +"),
            ("CREATE VIEW v AS SELECT f() FROM t", "none"),
            ("CREATE FUNCTION g() RETURNS int RETURN f()", "none"),
            ("CREATE TEMP VIEW v AS SELECT f() FROM t", "temp f(0) t:siud v:s?"),
            ("CREATE TEMP TABLE t (a d DEFAULT f())", "temp f(0) t:s? ::d"),
            ("CREATE TEMP TABLE t AS SELECT f()", "temp f(0) t:s?"),
            ("CREATE INDEX ON t (f(a))", "ddl f(1) t:sm"),
            ("ALTER TABLE t ADD a d DEFAULT f()", "ddl f(0) t:sm ::d"),
            ("DROP TABLE t", "ddl"),
            ("DROP FUNCTION f", "none"),
            ("GRANT SELECT ON t TO joe", "none"),
            ("LOCK TABLE t IN ACCESS SHARE MODE", "none"),
            ("PREPARE p (d) AS SELECT f()", "read f(0) ::d"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
