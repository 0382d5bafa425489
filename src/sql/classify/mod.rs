//! From a parse tree to judgements: the class of every statement and what it does to its session.

mod calls;
mod coerced;
mod effects;
mod given;
mod names;
mod newer;
mod parameters;
mod scan;
mod tags;
mod telling;
mod temporary;
mod uses;
mod utility;

use std::collections::BTreeSet;

use pgauthority_grammar::{Mode, Node, field, tag};

pub(in crate::sql) use scan::Scan;
pub(in crate::sql) use telling::{is_stable, maintains, makes_any, reads_any, reads_keys};
use temporary::Temp;
pub(in crate::sql) use utility::{Own, option_text};

use super::Uses;
use super::lexer;
use super::parse::{self, Place};
use super::{
    Bound, Class, Effect, How, Judgement, Lexing, SetConfig, SetScope, SetValue, Statement,
    SyntaxFault, TempUse,
};

/// The reason of what contains a body that the grammar does not take.
pub(in crate::sql) const UNREADABLE_BODY: &str = "has a body that cannot be read";

/// All that can be done with a relation.
const EVERYTHING: How = How::SELECT.and(How::CHANGE).and(How::TRUNCATE).and(How::MAINTAIN);

/// How deep SQL may stand in literals and bodies of SQL and still be judged.
const MAX_TEXT_DEPTH: usize = 4;

/// Judges a text: every statement in it, by PostgreSQL 18's grammar. `migration_tables` are the
/// unqualified names of version tables, folded.
///
/// Runs the C parser: call it on a fixed set of threads with 2 MiB of stack or more (see
/// [`pgauthority_grammar`]). Time is linear in the text.
pub fn judge(text: &[u8], migration_tables: &BTreeSet<String>) -> Judgement {
    let survey = lexer::survey(text);
    let judgement = match survey.bounded {
        true => read(text, migration_tables, survey.lexing)
            .unwrap_or_else(|fault| Judgement::unreadable(text, fault)),
        false => Judgement::unbounded(text),
    };
    Judgement { lexing: survey.lexing, ..judgement }
}

fn read(
    text: &[u8],
    migration_tables: &BTreeSet<String>,
    lexing: Lexing,
) -> Result<Judgement, SyntaxFault> {
    let tree = parse::parse(text)?;
    let no_statement =
        || SyntaxFault { message: "an item of the tree is no statement".into(), at: None };
    let statements = parse::statements(&tree, text)
        .map(|(node, place)| Ok(statement(node.ok_or_else(no_statement)?, place, migration_tables)))
        .collect::<Result<_, SyntaxFault>>()?;
    Ok(Judgement::new(statements, lexing, text))
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn statement(node: Node<'_>, place: Place, migration_tables: &BTreeSet<String>) -> Statement {
    let mut scan = Scan::new(migration_tables);
    let own = scan.inside(node);
    let temp = if own.class == Class::Ddl { temporary::of(node) } else { Temp::No };
    let mut temp_use = None;
    match temp {
        Temp::No => scan.own(node, own),
        Temp::Certain => scan.raise(Class::Temp, String::new),
        Temp::If(names) => {
            let class = scan.class.max(Class::Temp);
            scan.own(node, own);
            if class < scan.class {
                temp_use = Some(Box::new(TempUse { names: names.into(), class }));
            }
        }
    }
    if temporary::takes_unnamed(node) {
        scan.unseen();
    }
    if parameters::is_bare(node) {
        scan.set_config.iter_mut().for_each(|call| call.bare = true);
    }
    if parameters::is_constant(node) {
        scan.set_config.iter_mut().for_each(|call| call.constant = true);
    }
    let inner = |query| {
        let mut inner = statement(query, place, migration_tables);
        // what EXECUTE runs is no statement of its own
        inner.set_config.iter_mut().for_each(|call| call.bare = false);
        Box::new(inner)
    };
    // what a plan is of is no part of the text's own class
    let plan = utility::planned(node).map(inner).map_or(Bound::No, |query| bound_of_plan(&query));
    let effect = match effects::effect(node, inner) {
        // what cannot be seen may have dropped it again
        Effect::CreateTemp { .. } if scan.unseen_code => Effect::None,
        effect => effect,
    };
    // what it calls, the catalog knows
    let known = scan.found.known.class;
    let makes_types = scan.found.makes
        || known == Class::Temp
        || known >= Class::Ddl
        || known > Class::Read && !utility::MAKES_NO_TYPE.contains(&node.tag());
    let is_temporary = scan.class == Class::Temp || temp_use.is_some();
    let uses = scan.found.into_uses(is_temporary);
    let effect = match effect {
        Effect::Prepare { name, mut inner } => {
            takes(&mut inner, uses.as_deref());
            Effect::Prepare { name, inner }
        }
        effect => effect,
    };
    Statement {
        class: scan.class,
        tag: tags::tag(node),
        location: offset(place.start),
        length: offset(place.end - place.start),
        effect,
        temp: temp_use,
        set_config: scan.set_config.into(),
        unseen_code: scan.unseen_code,
        do_or_call: matches!(node.tag(), tag::DoStmt | tag::CallStmt),
        copy_in: node.tag() == tag::CopyStmt
            && node.flag(field::is_from)
            && !node.has(field::filename)
            && !node.flag(field::is_program),
        makes_types,
        objects: scan.objects.into(),
        fault: scan.fault.filter(|_| scan.reason == UNREADABLE_BODY).map(Box::new),
        reason: scan.reason.into(),
        uses,
        bound: scan.bound.max(plan),
        explains: effects::explained(node),
        shows_custom: scan.shows_custom,
        shows_authority: shows_authority(node),
    }
}

/// Where the plan of a statement is looked at: where the statement would run.
fn bound_of_plan(query: &Statement) -> Bound {
    match query.class > Class::Read && !query.writes_by_its_calls() {
        true => Bound::Writer,
        false => query.bound.min(Bound::Writer),
    }
}

/// What EXECUTE gives becomes a value of the types that PREPARE names.
fn takes(inner: &mut Statement, prepare: Option<&Uses>) {
    let Some(prepare) = prepare else { return };
    match &mut inner.uses {
        Some(uses) => {
            let more = prepare.types.iter().filter(|one| !uses.types.contains(one));
            uses.types = uses.types.iter().chain(more).cloned().collect();
        }
        None => {
            let (planned, stored) = (false, false);
            let uses = Uses { class: inner.class, planned, stored, ..prepare.clone() };
            inner.uses = Some(Box::new(uses));
        }
    }
}

/// SHOW of what the transaction, or the server for transactions to come, allows.
fn shows_transaction(node: Node<'_>) -> bool {
    let name = node.bytes(field::name).unwrap_or_default().to_ascii_lowercase();
    name == b"in_hot_standby"
        || name.starts_with(b"transaction_")
        || name.starts_with(b"default_transaction_")
}

/// SHOW of a parameter of the contract's own.
fn shows_authority(node: Node<'_>) -> bool {
    const PREFIX: &[u8] = b"authority.";
    let name = node.bytes(field::name).unwrap_or_default();
    node.tag() == tag::VariableShowStmt
        && name.get(..PREFIX.len()).is_some_and(|first| first.eq_ignore_ascii_case(PREFIX))
}

impl Scan<'_> {
    /// Counts what a statement is by itself.
    fn own(&mut self, node: Node<'_>, own: Own) {
        // the catalog knows what a CALL runs
        match node.tag() {
            tag::CallStmt => self.raise_unknown(own.class, || own.reason.into()),
            _ => self.raise(own.class, || own.reason.into()),
        }
        self.unseen_code |= own.unseen_code;
        self.found.known_unseen |= own.unseen_code && node.tag() != tag::CallStmt;
    }

    /// Counts all that is inside a statement, and says what it is by itself.
    fn inside(&mut self, node: Node<'_>) -> Own {
        let own = utility::class(node);
        self.begin_uses(node);
        match node.tag() {
            tag::SelectStmt
            | tag::InsertStmt
            | tag::UpdateStmt
            | tag::DeleteStmt
            | tag::MergeStmt => self.visit(node, self.depth == 0),
            tag::ExplainStmt if !utility::explain_analyzes(node) => {
                if let Some(query) = node.node(field::query) {
                    self.planned(query);
                }
                return own;
            }
            tag::DoStmt => return self.do_block(node),
            tag::CopyStmt if node.flag(field::is_from) => {
                if let Some(relation) = node.node(field::relation) {
                    self.target(relation, "writes");
                }
            }
            tag::DropStmt => self.dropped_objects(node),
            tag::ViewStmt => {
                if let Some(relation) = temporary::written_through(node) {
                    self.target(relation, "leads to");
                    self.leads_to(relation, How::CHANGE);
                }
            }
            tag::RenameStmt => {
                if let Some(relation) = temporary::renamed(node) {
                    self.leads_to(relation, EVERYTHING);
                }
            }
            tag::VariableShowStmt if shows_transaction(node) => self.bound = Bound::Writer,
            tag::VariableShowStmt => {
                let name = node.bytes(field::name).unwrap_or_default();
                self.shows_custom |= name.contains(&b'.');
            }
            _ => {}
        }
        self.stored = utility::is_definition(node);
        self.below(node);
        self.stored = false;
        own
    }

    /// The name of a temporary relation will lead there. No catalog shows it at once, so what can be
    /// done by that name counts for what gives it.
    fn leads_to(&mut self, relation: Node<'_>, how: How) {
        let name = names::owned(names::Qualified::of_relation(relation));
        self.found.used(name, how);
    }

    /// Counts a statement of a text inside the text.
    fn nested(&mut self, node: Node<'_>) {
        let own = self.inside(node);
        let class = match own.class {
            Class::Ddl if temporary::of(node) == Temp::Certain => Class::Temp,
            class => class,
        };
        let reason = || match own.reason {
            "" => format!("contains {}", tags::tag(node)),
            reason => reason.into(),
        };
        match node.tag() {
            tag::CallStmt => self.raise_unknown(class, reason),
            tag::DiscardStmt if temporary::discards(node) => {
                self.raise(Class::Ddl, || "drops what depends on temporary relations".into());
            }
            tag::FetchStmt if !self.has_cursor(node) => self.fetches(),
            _ if effects::executes(node) => {
                self.raise_called(Class::Opaque, || "runs a prepared statement".into());
                self.unseen();
            }
            _ => self.raise(class, reason),
        }
        self.unseen_code |= own.unseen_code;
        self.found.known_unseen |= own.unseen_code && node.tag() != tag::CallStmt;
        if node.tag() == tag::DeclareCursorStmt {
            self.cursors.extend(node.bytes(field::portalname).map(Into::into));
        }
        self.found.sets |= node.tag() == tag::VariableSetStmt;
        self.found.fires |= matches!(class, Class::Temp | Class::Ddl | Class::Privilege)
            || node.tag() == tag::RefreshMatViewStmt;
        self.found.renames |= class == Class::Temp
            || matches!(node.tag(), tag::PrepareStmt | tag::DeallocateStmt | tag::DiscardStmt);
        // like a call of set_config, it may be run, and confirms nothing
        if let Effect::Set { name, value: SetValue::Text(value), scope } = effects::variable(node) {
            self.set_config.push(SetConfig {
                name: Some(name),
                value: Some(value),
                is_local: Some(scope == SetScope::Local),
                bare: false,
                constant: false,
            });
        }
    }

    /// The cursor of a FETCH is one that the same code has declared.
    fn has_cursor(&self, fetch: Node<'_>) -> bool {
        let name = fetch.bytes(field::portalname).unwrap_or_default();
        self.cursors.iter().any(|known| **known == *name)
    }

    /// A text inside the text fetches from a cursor that somebody else may have declared.
    pub(in crate::sql) fn fetches(&mut self) {
        self.raise_called(Class::Opaque, || "fetches from a cursor that it has not opened".into());
        self.unseen();
    }

    /// Counts a text that is run as SQL. False if it cannot be read: `fault` says why.
    pub(in crate::sql) fn text(&mut self, text: &[u8], mode: Mode) -> bool {
        if self.depth == MAX_TEXT_DEPTH || !lexer::survey(text).bounded {
            return false;
        }
        let tree = match pgauthority_grammar::parse_mode(text, mode) {
            Ok(tree) => tree,
            Err(error) => {
                self.fault.get_or_insert_with(|| SyntaxFault::within(&error));
                return false;
            }
        };
        let (off, typed) = (self.found.off, self.found.typed);
        // a literal may never be run
        let cursors = std::mem::take(&mut self.cursors);
        self.depth += 1;
        for raw in tree.statements() {
            if let Some(node) = raw.node(field::stmt) {
                self.nested(node);
            }
        }
        self.depth -= 1;
        self.cursors = cursors;
        (self.found.off, self.found.typed) = (off, typed);
        true
    }

    /// The names in a DROP are no relation nodes.
    fn dropped_objects(&mut self, node: Node<'_>) {
        for parts in node.list(field::objects) {
            let name = match parts.tag() {
                tag::List => names::Qualified::of_list(parts.list(field::items)),
                _ => names::Qualified::of_list([parts].into_iter()),
            };
            if let Some(name) = name {
                self.object(name);
            }
        }
    }
}
