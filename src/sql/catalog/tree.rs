//! Stored expressions and queries (`pg_node_tree`): the OIDs of all that they run.
//!
//! PostgreSQL writes a tree as `{NODE :field value …}`. Little is understood of its shape here:
//! every field of a known name counts wherever it stands, so nothing can hide by nesting. A name of
//! the user's in the text that looks like a field can only add.

use super::unnamed::{Unnamed, code_of};

/// What a tree refers to. OIDs below 12000 are PostgreSQL's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refs {
    /// Functions, aggregates, window functions, sampling methods.
    pub routines: Box<[u32]>,
    /// Operators.
    pub operators: Box<[u32]>,
    /// Relations.
    pub relations: Box<[u32]>,
    /// Those of them whose rows are changed.
    pub targets: Box<[u32]>,
    /// Types that values are coerced to.
    pub made: Box<[u32]>,
    /// Types of values.
    pub carried: Box<[u32]>,
    /// There is an INSERT, UPDATE, DELETE, MERGE or a row lock in it.
    pub changes: bool,
    /// What it changes of PostgreSQL's own.
    pub changed: System,
    /// What of PostgreSQL's own stands in the outermost FROM: a view that is written through changes
    /// it.
    pub shown: System,
    /// There is a utility statement in it (NOTIFY in a rule).
    pub utility: bool,
    /// What planning may run of it.
    pub folded: Folded,
}

/// What planning may run of an expression: calls none of whose arguments is certain to need a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// Functions.
    pub routines: Box<[u32]>,
    /// Functions of other calls, which may be put in line where they are SQL.
    pub inlined: Box<[u32]>,
    /// Operators.
    pub operators: Box<[u32]>,
    /// Types that values are coerced to.
    pub made: Box<[u32]>,
}

/// Relations of PostgreSQL's own: the strictest of some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum System {
    #[default]
    No,
    /// A catalog.
    Relation,
    /// A view.
    View,
}

/// OIDs from here on are not PostgreSQL's own (`FirstNormalObjectId`).
pub(crate) const FIRST_NORMAL: u32 = 16384;

/// OIDs from here on may be the user's: what initdb makes by statements has such, too, and what
/// single-user mode makes (`FirstUnpinnedObjectId`). Of those the snapshot has no more than is to be read.
pub(crate) const FIRST_UNPINNED: u32 = 12000;

/// `RowExclusiveLock`: what INSERT, UPDATE, DELETE and MERGE take on their target, and no other.
const ROW_EXCLUSIVE: u32 = 3;

/// How many nodes are open at the entries of the outermost range table: the tree, QUERY, the entry.
const OUTERMOST: usize = 3;

impl Refs {
    /// Reads a tree's text; of several, one after the other.
    pub(super) fn of<'t>(trees: impl IntoIterator<Item = Option<&'t str>>) -> Refs {
        let mut found = Found::default();
        for tree in trees.into_iter().flatten() {
            found.read(tree.as_bytes());
        }
        let Found { all, folded, .. } = found;
        Refs {
            routines: sorted(all.routines),
            operators: users(all.operators),
            relations: sorted(found.relations),
            targets: sorted(found.targets),
            made: users(all.made),
            carried: users(all.carried),
            changes: found.changes,
            changed: found.changed,
            shown: found.shown,
            utility: found.utility,
            folded: Folded {
                routines: sorted(folded.routines),
                inlined: sorted(found.inlined),
                operators: users(folded.operators),
                made: users(folded.made),
            },
        }
    }
}

/// Nothing of the user's hangs on PostgreSQL's own types and operators; what a superuser has given them
/// all the same counts everywhere.
fn users(mut oids: Vec<u32>) -> Box<[u32]> {
    oids.retain(|oid| *oid >= FIRST_UNPINNED);
    sorted(oids)
}

fn sorted(mut oids: Vec<u32>) -> Box<[u32]> {
    oids.sort_unstable();
    oids.dedup();
    oids.into()
}

#[derive(Default)]
struct Found {
    all: Lists,
    folded: Lists,
    inlined: Vec<u32>,
    relations: Vec<u32>,
    targets: Vec<u32>,
    changes: bool,
    changed: System,
    shown: System,
    utility: bool,
    /// The nodes that are open.
    open: Vec<Open>,
}

/// What fields name.
#[derive(Default)]
struct Lists {
    routines: Vec<u32>,
    operators: Vec<u32>,
    made: Vec<u32>,
    carried: Vec<u32>,
}

impl Lists {
    fn add(&mut self, other: &Lists) {
        self.routines.extend(&other.routines);
        self.operators.extend(&other.operators);
        self.made.extend(&other.made);
        self.carried.extend(&other.carried);
    }
}

/// What a node is, as far as it matters.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    /// An entry of a range table.
    Entry,
    /// A column.
    Column,
    Constant,
    /// Something that runs with arguments, and not without all of them.
    Call,
    /// A coercion to a domain, which planning leaves as it is.
    Domain,
}

/// A node of which the end has not come.
#[derive(Default)]
struct Open {
    is: Kind,
    own: Lists,
    /// Something in it is certain to be no constant, however it is simplified.
    varies: bool,
    /// It is NULL, or something in it may become so: what is called with that may be simplified to
    /// nothing.
    null: bool,
    relation: u32,
    /// `relkind`.
    kind: u8,
    lock: Option<u32>,
}

impl Found {
    fn read(&mut self, tree: &[u8]) {
        self.open.push(Open::default());
        for at in memchr::memchr3_iter(b':', b'{', b'}', tree) {
            let rest = tree.get(at + 1..).unwrap_or_default();
            let word = |c: &u8| !matches!(c, b' ' | b'(' | b')' | b'}' | b'{');
            let length = rest.iter().take_while(|c| word(c)).count();
            let (name, behind) = rest.split_at(length);
            match tree.get(at) {
                Some(b':') => self.field(name, behind),
                // in a name, braces stand behind a backslash
                _ if is_escaped(tree, at) => {}
                Some(b'}') if self.open.len() > 1 => self.close(),
                Some(b'}') => {}
                _ => {
                    self.changes |= name == b"ROWMARKCLAUSE";
                    self.open.push(Open { is: kind(name), ..Open::default() });
                }
            }
        }
        while !self.open.is_empty() {
            self.close();
        }
    }

    fn close(&mut self) {
        let depth = self.open.len();
        let Some(node) = self.open.pop() else { return };
        let Open { own, .. } = &node;
        self.all.add(own);
        // what is put in line may come to need no row
        let in_sql = |oid: u32| Unnamed::of_routine(oid).is_some();
        let user = |oids: &[u32]| oids.iter().any(|oid| *oid >= FIRST_UNPINNED || in_sql(*oid));
        let mut varies = node.is == Kind::Column;
        match node.is {
            Kind::Column | Kind::Constant => {}
            Kind::Call | Kind::Domain if node.varies => {
                self.inlined.extend(&own.routines);
                varies = !node.null && !user(&own.routines) && !user(&own.operators);
            }
            Kind::Domain => {}
            _ => self.folded.add(own),
        }
        if let Some(outer) = self.open.last_mut() {
            outer.varies |= varies;
            // whatever does not need a row may be simplified to NULL
            outer.null |= !varies && (node.is != Kind::Constant || node.null);
        }
        if node.is == Kind::Entry && node.relation != 0 {
            self.entry(&node, depth);
        }
    }

    /// A relation in a range table.
    fn entry(&mut self, node: &Open, depth: usize) {
        let target = node.lock.is_none_or(|lock| lock >= ROW_EXCLUSIVE);
        if node.relation >= FIRST_UNPINNED {
            self.targets.extend(target.then_some(node.relation));
        }
        if node.relation >= FIRST_NORMAL {
            return;
        }
        let system = if node.kind == b'v' { System::View } else { System::Relation };
        if target {
            self.changed = self.changed.max(system);
        }
        if depth == OUTERMOST {
            self.shown = self.shown.max(system);
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        let Some(node) = self.open.last_mut() else { return };
        let own = &mut node.own;
        match name {
            b"funcid" | b"opfuncid" | b"hashfuncid" | b"negfuncid" | b"aggfnoid" | b"winfnoid"
            | b"tsmhandler" | b"startInRangeFunc" | b"endInRangeFunc" => {
                numbers(value, &mut own.routines);
            }
            b"opno" | b"opnos" | b"eqop" | b"sortop" => {
                numbers(value, &mut own.operators);
                // that of the function need not be there
                own.routines.extend(own.operators.iter().filter_map(|oid| code_of(*oid)));
            }
            // comparisons of sets, and cycle marks, name operators too
            b"colEqualOps" | b"grpOperators" | b"mark_neop" | b"cycle_mark_neop" => {
                numbers(value, &mut own.operators);
            }
            b"relid" => {
                numbers(value, &mut self.relations);
                node.relation = one(value).unwrap_or(0);
            }
            b"relkind" => node.kind = value.get(1).copied().unwrap_or(0),
            b"rellockmode" => node.lock = one(value),
            b"constisnull" => node.null = value.starts_with(b" true"),
            b"resulttype" | b"typid" | b"funccoltypes" | b"coltypes" | b"row_typeid" => {
                numbers(value, &mut own.made);
            }
            b"vartype" | b"consttype" | b"funcresulttype" | b"opresulttype" | b"paramtype"
            | b"aggtype" | b"wintype" | b"minmaxtype" | b"refcontainertype" | b"element_typeid"
            | b"array_typeid" | b"coalescetype" | b"casetype" | b"typeId" => {
                numbers(value, &mut own.carried);
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

fn kind(name: &[u8]) -> Kind {
    match name {
        b"RTE" | b"RANGETBLENTRY" => Kind::Entry,
        b"VAR" => Kind::Column,
        b"CONST" => Kind::Constant,
        b"COERCETODOMAIN" => Kind::Domain,
        b"FUNCEXPR" | b"OPEXPR" | b"DISTINCTEXPR" | b"SCALARARRAYOPEXPR" | b"RELABELTYPE"
        | b"COERCEVIAIO" | b"ARRAYCOERCEEXPR" | b"COLLATE" | b"COLLATEEXPR" => Kind::Call,
        _ => Kind::Other,
    }
}

/// Whether what stands here stands behind a backslash that is none behind another.
fn is_escaped(tree: &[u8], at: usize) -> bool {
    let before = tree.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|c| **c == b'\\').count() % 2 == 1
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
                "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :rtekind 0 :relid 16500 \
                  :relkind r :rellockmode 1 :tsm <>}) \
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
        assert!(refs.carried.is_empty() && refs.targets.is_empty());
        assert!(!refs.changes && !refs.utility);
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
    fn what_of_postgresqls_own_is_changed_is_seen() {
        let entry = |text: &str| format!("({{QUERY :rtable ({{RANGETBLENTRY {text}}})}})");
        for (tree, changed, shown, targets) in [
            (entry(":relid 1259 :relkind r :rellockmode 3"), System::Relation, System::Relation, 0),
            (
                entry(":relid 12104 :inh true :relkind v :rellockmode 1"),
                System::No,
                System::View,
                0,
            ),
            (entry(":relid 12104"), System::Relation, System::Relation, 1),
            (entry(":relid 16400 :relkind r :rellockmode 3"), System::No, System::No, 1),
            (entry(":relid 16400 :relkind r :rellockmode 2"), System::No, System::No, 0),
            (
                entry(":subquery {QUERY :rtable ({RANGETBLENTRY :relid 1259 :rellockmode 1})}"),
                System::No,
                System::No,
                0,
            ),
            // a brace in a name, and a name that ends in a backslash
            (
                entry(":alias {ALIAS :aliasname a\\{} :relid 1259 :rellockmode 3"),
                System::Relation,
                System::Relation,
                0,
            ),
            (
                entry(":alias {ALIAS :aliasname a\\\\} :relid 1259 :rellockmode 3"),
                System::Relation,
                System::Relation,
                0,
            ),
            // without an end
            (
                "({QUERY :rtable ({RANGETBLENTRY :relid 1259".into(),
                System::Relation,
                System::Relation,
                0,
            ),
            ("{RTEPERMISSIONINFO :relid 1259 :inh true}".into(), System::No, System::No, 0),
        ] {
            let refs = Refs::of([Some(&*tree)]);
            assert_eq!((refs.changed, refs.shown), (changed, shown), "{tree}");
            assert_eq!(refs.targets.len(), targets, "{tree}");
        }
    }

    #[test]
    fn what_planning_may_run_is_told_from_what_needs_a_row() {
        let var = "{VAR :vartype 23}";
        let one = "{CONST :consttype 23 :constisnull false}";
        let null = "{CONST :consttype 23 :constisnull true}";
        let call =
            |oid: u32, arguments: &str| format!("{{FUNCEXPR :funcid {oid} :args ({arguments})}}");
        for (tree, folded, inlined) in [
            (call(16400, one), &[16400][..], &[][..]),
            (call(16400, ""), &[16400], &[]),
            (call(16400, var), &[], &[16400]),
            (call(16400, &format!("{one} {var}")), &[], &[16400]),
            (call(65, &format!("{var} {}", call(16400, one))), &[16400], &[]),
            // PostgreSQL's own leave a column one, the user's and NULL perhaps not
            (call(16400, &call(65, var)), &[], &[16400]),
            (call(16400, &call(16401, var)), &[16400], &[16401]),
            (call(16400, &call(65, &format!("{var} {null}"))), &[16400], &[]),
            (call(16400, &format!("{{COALESCEEXPR :args ({one} {var})}}")), &[16400], &[]),
            // what is no constant yet may become NULL
            (call(16400, &call(65, &format!("{var} {}", call(66, null)))), &[16400], &[]),
            (call(16400, &call(65, &format!("{var} {}", call(66, one)))), &[16400], &[]),
            (call(16400, &call(65, &format!("{var} {{NULLIFEXPR :args ({one})}}"))), &[16400], &[]),
            (call(16400, &call(65, &format!("{var} {}", call(66, var)))), &[], &[16400]),
            (
                format!("{{OPEXPR :opno 97 :opfuncid 66 :args ({var} {})}}", call(16400, one)),
                &[16400],
                &[],
            ),
        ] {
            let refs = Refs::of([Some(&*tree)]);
            let own = |oids: &[u32]| -> Vec<u32> {
                oids.iter().copied().filter(|oid| *oid >= FIRST_NORMAL).collect()
            };
            let found = (own(&refs.folded.routines), own(&refs.folded.inlined));
            assert_eq!((&found.0[..], &found.1[..]), (folded, inlined), "{tree}");
        }
    }

    #[test]
    fn a_function_that_is_put_in_line_is_found() {
        let (var, one) = ("{VAR :vartype 23}", "{CONST :consttype 23 :constisnull false}");
        let refs = Refs::of([Some("{OPEXPR :opno 2779 :opfuncid 0} {OPEXPR :opno 2780}")]);
        assert_eq!(refs.routines[..], [2003, 2004]);
        let quoted = format!("{{FUNCEXPR :funcid 1285 :args ({var})}}");
        let refs = Refs::of([Some(&*format!("{{FUNCEXPR :funcid 16400 :args ({quoted} {one})}}"))]);
        // it may come to need no row
        assert!(refs.folded.inlined.contains(&1285) && refs.folded.routines.contains(&16400));
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
