//! The session's temporary relations, which live on the write leg: statements that name one go
//! there. A namesake where the session reads would be answered from without an error, so the names
//! are not followed from the texts that make, rename and drop them, but asked of the write leg's
//! server, whenever something has run there that may have changed them. Until it has answered,
//! every name may be one.

use std::collections::HashSet;

use super::Side;
use crate::sql::{Class, Effect, Statement, Uses};

/// Names of the session's temporary relations and types, as the write leg told them.
#[derive(Debug, Default)]
pub struct Temporary {
    names: HashSet<Box<str>>,
    /// Something may have changed them since.
    doubted: bool,
    /// Something in the open transaction may have changed them: its end, or a rollback in it,
    /// changes them again.
    stirred: bool,
    /// The same, if the database has routines as below.
    stirred_unseen: bool,
    /// What may change them is seen. Otherwise any statement that writes may: the database has
    /// routines that make temporary relations, or nobody has asked yet whether it has, and triggers,
    /// defaults, operators and views run routines unseen.
    seen: bool,
}

impl Temporary {
    /// What the write leg is asked: a name a row. An empty one stands for routines of the
    /// database's own whose text makes temporary relations. Nothing in it depends on `search_path`.
    pub const QUESTION: &str = "SELECT relname FROM pg_catalog.pg_class \
         WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 \
         AND relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
         UNION ALL SELECT typname FROM pg_catalog.pg_type \
         WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 \
         AND typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() \
         UNION ALL SELECT '' WHERE EXISTS (SELECT FROM pg_catalog.pg_proc \
         WHERE oid OPERATOR(pg_catalog.>=) 16384 \
         AND prosrc OPERATOR(pg_catalog.~*) '[[:<:]](pg_)?temp(orary)?[[:>:]]')";

    /// A leg is open: on the write leg a login trigger may have made some already.
    pub fn opened(&mut self, side: Side) {
        self.doubted |= side == Side::Write;
    }

    /// A statement goes to the write leg; `None`: one that nobody knows. `in_transaction`: it does
    /// not commit by itself.
    pub fn ran(&mut self, statement: Option<&Statement>, in_transaction: bool) {
        let stirs = statement.is_none_or(may_change);
        let unseen = !self.seen && statement.is_some_and(may_run_triggers);
        self.doubted |= stirs || unseen;
        self.stirred |= stirs && in_transaction;
        self.stirred_unseen |= unseen && in_transaction;
    }

    /// Whether a statement on the write leg may change which names are temporary relations.
    pub fn may_change_with(&self, statement: &Statement) -> bool {
        !self.seen && may_run_triggers(statement) || may_change(statement)
    }

    /// ROLLBACK TO: what came after the savepoint is undone.
    pub fn rolled_back_to(&mut self) {
        self.doubted |= self.stirred || self.stirred_unseen;
    }

    /// The transaction is over, whichever way: what it made may be gone, what it dropped there again.
    pub fn ended(&mut self) {
        let unseen = std::mem::take(&mut self.stirred_unseen);
        self.doubted |= std::mem::take(&mut self.stirred) || unseen;
    }

    /// The write leg's answer.
    pub fn told(&mut self, names: impl Iterator<Item = Box<str>>) {
        self.names = names.collect();
        self.seen = !self.names.remove("");
        self.stirred_unseen &= !self.seen;
        self.doubted = false;
    }

    /// There is no write leg, so there are none.
    pub fn none(&mut self) {
        self.names.clear();
        self.doubted = false;
    }

    /// The write leg has to be asked before anything can be said of a name.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// There is none, for certain.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.doubted
    }

    /// Whether a statement names one, or may.
    pub fn is_named_in(&self, statement: &Statement) -> bool {
        depends(statement).is_some_and(|uses| self.is_named(uses))
    }

    /// The same of what a statement uses.
    pub(super) fn is_named(&self, uses: &Uses) -> bool {
        let is_one = |name: &str| {
            self.doubted
                || self.names.contains(name)
                // where it is folded, or converted, is the server's affair
                || !name.is_ascii() && self.names.iter().any(|known| !known.is_ascii())
        };
        let in_temp = |schema: &str| schema.starts_with("pg_temp");
        let mut named =
            names(uses).map(|(schema, name)| schema.map_or_else(|| is_one(name), in_temp));
        named.any(|named| named) || uses.too_many && (self.doubted || !self.names.is_empty())
    }
}

/// Relations and types.
fn names(uses: &Uses) -> impl Iterator<Item = (Option<&str>, &str)> {
    let relations = uses.relations.iter().map(|relation| &relation.name);
    let relations = relations.filter(|name| !name.is_in_own_schema());
    relations.chain(&uses.types).map(|name| (name.schema.as_deref(), &*name.name))
}

/// Whether a statement on the write leg may make, rename, move or drop temporary relations.
fn may_change(statement: &Statement) -> bool {
    statement.class == Class::Temp
        || statement.class >= Class::Ddl
        || statement.unseen_code
        || statement.do_or_call
        || matches!(
            statement.effect,
            Effect::DiscardAll | Effect::DiscardTemp | Effect::Execute(_) | Effect::Fetch(_)
        )
}

/// Whether it may run a trigger: one that writes, and SET CONSTRAINTS, which runs what was deferred.
fn may_run_triggers(statement: &Statement) -> bool {
    statement.class >= Class::Write || statement.tag == "SET CONSTRAINTS"
}

/// Where a statement is planned depends on which names are temporary relations.
pub(super) fn depends(statement: &Statement) -> Option<&Uses> {
    let statement = match &statement.effect {
        Effect::Prepare { inner, .. } => inner,
        _ => statement,
    };
    statement.uses.as_deref().filter(|uses| uses.too_many || names(uses).next().is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ran(temporary: &mut Temporary, text: &str, in_transaction: bool) {
        let judgement = crate::sql::judge(text.as_bytes(), &BTreeSet::new());
        temporary.ran(judgement.statements.first(), in_transaction);
    }

    fn is_named(temporary: &Temporary, text: &str) -> bool {
        let judgement = crate::sql::judge(text.as_bytes(), &BTreeSet::new());
        temporary.is_named_in(&judgement.statements[0])
    }

    fn told(names: &[&str]) -> Temporary {
        let mut temporary = Temporary::default();
        temporary.told(names.iter().map(|name| Box::from(*name)));
        temporary
    }

    #[test]
    fn whatever_may_change_them_puts_every_name_in_doubt() {
        for text in [
            "CREATE TEMP TABLE t (a int)",
            "CREATE TEMP TABLE IF NOT EXISTS t (a int)",
            "CREATE TABLE pg_temp.t (a int)",
            "CREATE TABLE t (a int)",
            "CREATE TEMP VIEW t AS SELECT 1",
            "CREATE TEMP SEQUENCE t",
            "CREATE TEMP TABLE t AS EXECUTE p",
            "SELECT 1 AS a INTO TEMP t",
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE t SET SCHEMA pg_temp",
            "DROP TABLE t",
            "DROP TABLE pg_temp.t",
            "DISCARD TEMP",
            "DISCARD ALL",
            "DO $$ BEGIN END $$",
            "CALL p()",
            "SELECT f()",
            "INSERT INTO w SELECT f()",
            "EXECUTE p",
            "FETCH c",
            "DROP OWNED BY x",
            "SELEC 1",
        ] {
            let mut temporary = told(&[]);
            ran(&mut temporary, text, false);
            assert!(is_named(&temporary, "TABLE r"), "{text}");
        }
        for text in
            ["INSERT INTO w VALUES (1)", "SELECT nextval('s')", "SET CONSTRAINTS ALL DEFERRED"]
        {
            let mut temporary = told(&[]);
            ran(&mut temporary, text, true);
            assert!(!temporary.is_doubted(), "{text}");
            // a trigger may run a routine that makes one
            let mut temporary = told(&[""]);
            ran(&mut temporary, text, true);
            assert!(temporary.is_doubted(), "{text}");
            // or nobody knows yet whether one does
            for (answer, again) in [(&[""][..], true), (&[], false)] {
                let mut temporary = Temporary::default();
                ran(&mut temporary, text, true);
                assert!(temporary.is_doubted(), "{text}");
                temporary.told(answer.iter().map(|name| Box::from(*name)));
                temporary.ended();
                assert_eq!(temporary.is_doubted(), again, "{text}");
            }
        }
    }

    #[test]
    fn the_end_of_what_changed_them_changes_them_again() {
        let mut temporary = told(&[]);
        ran(&mut temporary, "DROP TABLE t", true);
        temporary.told(std::iter::empty());
        temporary.rolled_back_to();
        assert!(temporary.is_doubted());
        temporary.told(["t".into()].into_iter());
        temporary.ended();
        assert!(temporary.is_doubted());
        temporary.told(["t".into()].into_iter());
        temporary.ended();
        assert!(!temporary.is_doubted() && is_named(&temporary, "TABLE t"));
    }

    #[test]
    fn a_name_is_looked_for_where_a_relation_or_a_type_may_stand() {
        let temporary = told(&["t", "ä"]);
        for text in [
            "SELECT * FROM t",
            "SELECT * FROM r WHERE a IN (SELECT a FROM t)",
            "SELECT NULL::t",
            "COPY t TO STDOUT",
            "EXPLAIN SELECT * FROM t",
            "PREPARE p AS SELECT * FROM t",
            "DECLARE c CURSOR FOR TABLE t",
            "SELECT * FROM pg_temp.other",
            "SELECT * FROM pg_temp_3.other",
            "SELECT * FROM Ä",
        ] {
            assert!(is_named(&temporary, text), "{text}");
        }
        for text in ["SELECT t FROM r", "SELECT * FROM public.t", "SELECT 't'::text", "SELECT 1"] {
            assert!(!is_named(&temporary, text), "{text}");
        }
    }
}
