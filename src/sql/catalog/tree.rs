//! Stored expressions and queries (`pg_node_tree`): the OIDs of all that they run.
//!
//! PostgreSQL writes a tree as `{NODE :field value …}`. Nothing is understood of its shape here:
//! every field of a known name counts wherever it stands, so nothing can hide by nesting. A name of
//! the user's in the text that looks like a field can only add.

/// What a tree refers to. OIDs below 16384 are PostgreSQL's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refs {
    /// Functions, aggregates, window functions, sampling methods.
    pub routines: Box<[u32]>,
    /// Operators.
    pub operators: Box<[u32]>,
    /// Relations.
    pub relations: Box<[u32]>,
    /// Types that values are coerced to.
    pub made: Box<[u32]>,
    /// Types of values.
    pub carried: Box<[u32]>,
    /// There is an INSERT, UPDATE, DELETE, MERGE or a row lock in it.
    pub changes: bool,
    /// There is a utility statement in it (NOTIFY in a rule).
    pub utility: bool,
}

/// OIDs from here on are not PostgreSQL's own (`FirstNormalObjectId`).
pub(crate) const FIRST_NORMAL: u32 = 16384;

impl Refs {
    /// Reads a tree's text; of several, one after the other.
    pub(super) fn of<'t>(trees: impl IntoIterator<Item = Option<&'t str>>) -> Refs {
        let mut found = Found::default();
        for tree in trees.into_iter().flatten() {
            found.read(tree.as_bytes());
        }
        // nothing of the user's hangs on PostgreSQL's own types, operators and relations
        for oids in
            [&mut found.operators, &mut found.relations, &mut found.made, &mut found.carried]
        {
            oids.retain(|oid| *oid >= FIRST_NORMAL);
        }
        Refs {
            routines: sorted(found.routines),
            operators: sorted(found.operators),
            relations: sorted(found.relations),
            made: sorted(found.made),
            carried: sorted(found.carried),
            changes: found.changes,
            utility: found.utility,
        }
    }
}

fn sorted(mut oids: Vec<u32>) -> Box<[u32]> {
    oids.sort_unstable();
    oids.dedup();
    oids.into()
}

#[derive(Default)]
struct Found {
    routines: Vec<u32>,
    operators: Vec<u32>,
    relations: Vec<u32>,
    made: Vec<u32>,
    carried: Vec<u32>,
    changes: bool,
    utility: bool,
}

impl Found {
    fn read(&mut self, tree: &[u8]) {
        for at in memchr::memchr2_iter(b':', b'{', tree) {
            let rest = tree.get(at + 1..).unwrap_or_default();
            let word = |c: &u8| !matches!(c, b' ' | b'(' | b')' | b'}' | b'{');
            let length = rest.iter().take_while(|c| word(c)).count();
            let (name, behind) = rest.split_at(length);
            match tree.get(at) {
                Some(b':') => self.field(name, behind),
                _ => self.changes |= name == b"ROWMARKCLAUSE",
            }
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"funcid" | b"opfuncid" | b"hashfuncid" | b"negfuncid" | b"aggfnoid" | b"winfnoid"
            | b"tsmhandler" | b"startInRangeFunc" | b"endInRangeFunc" => {
                numbers(value, &mut self.routines);
            }
            b"opno" | b"opnos" | b"eqop" | b"sortop" => numbers(value, &mut self.operators),
            // comparisons of sets, and cycle marks, name operators too
            b"colEqualOps" | b"grpOperators" | b"mark_neop" | b"cycle_mark_neop" => {
                numbers(value, &mut self.operators);
            }
            b"relid" => numbers(value, &mut self.relations),
            b"resulttype" | b"typid" | b"funccoltypes" | b"coltypes" | b"row_typeid" => {
                numbers(value, &mut self.made);
            }
            b"vartype" | b"consttype" | b"funcresulttype" | b"opresulttype" | b"paramtype"
            | b"aggtype" | b"wintype" | b"minmaxtype" | b"refcontainertype" | b"element_typeid"
            | b"array_typeid" | b"coalescetype" | b"casetype" | b"typeId" => {
                numbers(value, &mut self.carried);
            }
            b"commandType" => match one(value) {
                Some(1 | 7) => {}
                Some(2..=5) => self.changes = true,
                _ => self.utility = true,
            },
            _ => {}
        }
    }
}

/// The number that a field's value is.
fn one(value: &[u8]) -> Option<u32> {
    let mut found = Vec::new();
    numbers(value, &mut found);
    found.first().copied()
}

/// The numbers that a field's value is: one, or a list `(o 1 2)`.
fn numbers(value: &[u8], into: &mut Vec<u32>) {
    let Some(rest) = value.strip_prefix(b" ") else { return };
    let (rest, list) = match rest.strip_prefix(b"(") {
        Some(list) => (list, true),
        None => (rest, false),
    };
    let end = rest.iter().position(|c| match list {
        true => *c == b')',
        false => !c.is_ascii_digit(),
    });
    let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    for word in text.split(|c| *c == b' ') {
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<u32>().ok());
        into.extend(number.filter(|oid| *oid != 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oid_that_runs_is_found() {
        let refs = Refs::of([
            Some(
                "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :rtekind 0 :relid 16500 :tsm <>}) \
                  :e {FUNCEXPR :funcid 1574 :funcresulttype 20 :args ({OPEXPR :opno 16401 \
                  :opfuncid 0 :x {COERCETODOMAIN :arg {VAR :vartype 23} :resulttype 16402}} \
                  {ROWCOMPAREEXPR :opnos (o 16403 97)} {AGGREF :aggfnoid 16404})}})",
            ),
            None,
            Some("{TABLEFUNC :coltypes (o 16405 23)}"),
        ]);
        assert_eq!(refs.routines[..], [1574, 16404]);
        assert_eq!(refs.operators[..], [16401, 16403]);
        assert_eq!(refs.relations[..], [16500]);
        assert_eq!(refs.made[..], [16402, 16405]);
        assert!(refs.carried.is_empty() && !refs.changes && !refs.utility);
        assert_eq!(Refs::of([None]), Refs::default());
    }

    #[test]
    fn what_changes_is_seen() {
        for (tree, changes, utility) in [
            ("{QUERY :commandType 3 :relid 16400}", true, false),
            ("{QUERY :commandType 1 :rowMarks ({ROWMARKCLAUSE :rti 1})}", true, false),
            ("{QUERY :commandType 6 :utilityStmt {NOTIFYSTMT}}", false, true),
            ("{QUERY :commandType}", false, true),
            ("<>", false, false),
        ] {
            let refs = Refs::of([Some(tree)]);
            assert_eq!((refs.changes, refs.utility), (changes, utility), "{tree}");
        }
    }

    #[test]
    fn names_cannot_hide_a_field() {
        let refs = Refs::of([Some(
            "{ALIAS :aliasname :funcid :colnames (\":opno\" \":funcid\\ 1\")} {F :funcid 16400}",
        )]);
        assert_eq!(refs.routines[..], [16400]);
        assert_eq!(Refs::of([Some("{F :funcid 16400")]).routines[..], [16400]);
        assert_eq!(Refs::of([Some(":funcid")]), Refs::default());
    }
}
