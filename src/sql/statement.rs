//! What is known about a statement from its text alone.

use std::borrow::Cow;
use std::sync::Arc;

use super::catalog::{Analysis, FIRST_NORMAL, Memo, Resolved};
use super::effect::Effect;
use super::{Class, SyntaxFault, Uses};

/// The tag of text that the grammar cannot read.
const UNREADABLE: &str = "???";

/// The judgement of one message's text: the same text always has the same judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The statements in order; empty for an empty query string. Text that the grammar cannot
    /// read is one statement of class [`Class::Opaque`] covering the whole text.
    pub statements: Box<[Statement]>,
    /// What of the session's reported state the lexing of this text depends on (contract §4).
    pub lexing: Lexing,
    /// No statement has an effect, a temporary name, a `set_config`, unseen code, COPY FROM STDIN
    /// or a class above [`Class::Write`]: the session takes its short path.
    pub plain: bool,
    /// The strongest class of any statement ([`Class::Session`] for an empty text).
    pub strongest: Class,
    /// Some statement uses what only the catalog can judge ([`Statement::uses`]).
    pub needs_catalog: bool,
    /// Every statement has this class at least ([`Judgement::strengthen`]).
    pub floor: Class,
    /// What the catalog said of it last.
    pub known: Memo,
    /// How it was analysed, where that may tell which routines it calls; `None`: types of arguments
    /// do not count.
    pub analysis: Option<Box<Analysis>>,
    /// Types of its parameters that are not PostgreSQL's own, by OID, as a Parse gave them: what
    /// they check runs when a value is bound, whatever the text says.
    pub parameters: Box<[u32]>,
    /// The text itself, unless `plain`: what an event says when a prepared statement runs.
    pub text: Option<Arc<[u8]>>,
}

impl Judgement {
    /// Puts a judgement together; `plain`, `strongest` and the kept text follow.
    pub fn new(statements: Vec<Statement>, lexing: Lexing, text: &[u8]) -> Self {
        let plain = statements.iter().all(Statement::is_plain);
        Judgement {
            strongest: statements.iter().map(|one| one.class).max().unwrap_or(Class::Session),
            floor: Class::Session,
            known: Memo::default(),
            analysis: None,
            parameters: Box::default(),
            needs_catalog: statements.iter().any(|one| one.uses.is_some()),
            statements: statements.into(),
            lexing,
            plain,
            text: (!plain).then(|| text.into()),
        }
    }

    /// One statement by itself.
    pub fn of(statement: Statement) -> Self {
        Judgement::new(vec![statement], Lexing::default(), b"")
    }

    /// Text that the grammar cannot read, and what it says of it: anything may be in it.
    pub fn unreadable(text: &[u8], fault: SyntaxFault) -> Self {
        let mut judgement = Judgement::unseen(text, "cannot be read by PostgreSQL's grammar");
        judgement.statements.iter_mut().for_each(|one| one.fault = Some(Box::new(fault.clone())));
        judgement
    }

    /// A statement of which only the name is known, and which of several has it is not.
    pub fn uncertain() -> Self {
        Judgement::unseen(b"", "runs what has a name that could mean several statements")
    }

    /// Text beyond what is given to the grammar (see [`super::lexer`]).
    pub fn unbounded(text: &[u8]) -> Self {
        let reason = match memchr::memchr(0, text) {
            Some(_) => "has a zero byte in it, where a server takes the text to end",
            None => {
                "too large to be judged: it has more than 2 million tokens, or nests too deeply"
            }
        };
        Judgement::unseen(text, reason)
    }

    fn unseen(text: &[u8], reason: &str) -> Self {
        let mut judgement = Judgement::of(Statement {
            length: u32::try_from(text.len()).unwrap_or(u32::MAX),
            unseen_code: true,
            reason: reason.into(),
            ..Statement::new(Class::Opaque, UNREADABLE)
        });
        judgement.text = Some(text.into());
        judgement
    }

    /// A cursor that code which cannot be seen has opened.
    pub fn unseen_cursor() -> Self {
        Judgement::of(Statement {
            unseen_code: true,
            reason: "a cursor that a routine opened".into(),
            ..Statement::new(Class::Write, "FETCH")
        })
    }

    /// The same text, analysed that way.
    pub fn analysed(&self, analysis: Analysis) -> Self {
        let analysis = Some(Box::new(analysis));
        Judgement { analysis, known: Memo::default(), ..self.clone() }
    }

    /// The same text, if what EXPLAIN plans in it ran; `None`: it plans nothing.
    pub fn as_run(&self) -> Option<Self> {
        let plans = |one: &Statement| one.uses.as_deref().is_some_and(|uses| uses.planned);
        if !self.statements.iter().any(plans) {
            return None;
        }
        let mut run = Judgement { known: Memo::default(), ..self.clone() };
        let uses = run.statements.iter_mut().filter_map(|one| one.uses.as_deref_mut());
        uses.for_each(|uses| uses.planned = false);
        Some(run)
    }

    /// Counts what the catalog says besides the text: nothing that is said of the text itself
    /// later makes it weaker.
    pub fn strengthen(&mut self, resolved: &Resolved) {
        for statement in &mut self.statements {
            if resolved.class > statement.class {
                statement.class = resolved.class;
                statement.reason = resolved.reason.clone();
            }
            statement.unseen_code |= resolved.unseen_code;
        }
        self.floor = self.floor.max(resolved.class);
        self.strongest = self.strongest.max(resolved.class);
        self.plain = false;
    }

    /// The fastpath call of a function by its OID (contract §4: `write`). Built-in functions
    /// besides those on large objects are not known to be harmless: `opaque`.
    pub fn function_call(oid: u32) -> Self {
        /// lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_unlink,
        /// lo_create, lo_truncate, and the 64-bit ones (pg_proc.dat).
        const LARGE_OBJECT: [u32; 13] =
            [952, 953, 954, 955, 956, 957, 958, 964, 715, 1004, 3170, 3171, 3172];
        let known = LARGE_OBJECT.contains(&oid);
        let class = if known || oid >= FIRST_NORMAL { Class::Write } else { Class::Opaque };
        Judgement::of(Statement {
            unseen_code: !known,
            objects: [format!("function {oid}").into()].into(),
            reason: "a function call by OID".into(),
            ..Statement::new(class, "FUNCTION CALL")
        })
    }
}

/// What the lexing of a text depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lexing {
    /// A backslash stands in a plain literal (`'…'`), so `standard_conforming_strings` decides.
    pub backslash: bool,
    /// Bytes of 0x80 and above, so `client_encoding` decides.
    pub high_bytes: bool,
    /// What is no letter or digit, and can be half of a character, stands right behind one: a
    /// backslash, or an operator or bracket behind a name. There it means nothing by itself.
    pub half: bool,
}

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The strongest class of anything inside, taking every name as a permanent object's.
    pub class: Class,
    /// PostgreSQL's command tag (`CREATE TABLE`, `SELECT`, `SET`), or `???` for unreadable text.
    pub tag: &'static str,
    /// Byte offset in the text of the statement's first token.
    pub location: u32,
    /// Byte length from `location` to the statement's end (its semicolon excluded).
    pub length: u32,
    /// What it does to the session's state when it succeeds.
    pub effect: Effect,
    /// Set where the class is weaker if certain names are temporary relations of this session.
    pub temp: Option<Box<TempUse>>,
    /// Every `set_config` call in it.
    pub set_config: Box<[SetConfig]>,
    /// It calls a routine that is not a known built-in, or runs code that cannot be seen into
    /// (DO, CALL, unreadable text): what is known of temporary names is void afterwards.
    pub unseen_code: bool,
    /// The statement is DO or CALL: refused on guarded upstreams whatever is in it.
    pub do_or_call: bool,
    /// COPY … FROM STDIN: the server will ask for data.
    pub copy_in: bool,
    /// It may make types by what it is itself, if only that of a temporary relation's rows.
    pub makes_types: bool,
    /// Names of the relations and routines it names, as written and folded, for people.
    pub objects: Box<[Box<str>]>,
    /// What made the class what it is, for people (`calls pg_terminate_backend()`); may be empty.
    pub reason: Box<str>,
    /// What it names outside PostgreSQL's own schemas. `None`: nothing, so the class is certain.
    pub uses: Option<Box<Uses>>,
    /// What it asks of the session itself, where that matters to a session with two connections.
    pub bound: Bound,
    /// The prepared statement that it shows the plan of: EXPLAIN EXECUTE without ANALYZE.
    pub explains: Option<Box<str>>,
    /// It may tell the value of a custom parameter: SHOW, `current_setting`.
    pub shows_custom: bool,
    /// SHOW of one of the `authority.*` parameters: whatever a task denies, they are told.
    pub shows_authority: bool,
    /// What PostgreSQL's parser said, where it did not take the text, or a body in it, and
    /// `reason` is that.
    pub fault: Option<Box<SyntaxFault>>,
}

/// What a statement asks of the session that it runs in, besides its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Nothing: any connection to the database gives the same answer.
    #[default]
    No,
    /// State of the connection that writes: `currval`, transaction ids, advisory locks, SHOW of
    /// the transaction's modes, the plan of what would run there.
    Writer,
    /// A snapshot that another connection is to share.
    Snapshot,
}

impl Statement {
    /// A statement with nothing known but class and tag.
    pub fn new(class: Class, tag: &'static str) -> Self {
        Statement {
            class,
            tag,
            location: 0,
            length: 0,
            effect: Effect::None,
            temp: None,
            set_config: Box::new([]),
            unseen_code: false,
            do_or_call: false,
            copy_in: false,
            makes_types: false,
            objects: Box::new([]),
            reason: "".into(),
            uses: None,
            bound: Bound::No,
            explains: None,
            shows_custom: false,
            shows_authority: false,
            fault: None,
        }
    }

    /// [`Statement::reason`] with the parser's own words: it may quote the text.
    pub fn why(&self) -> Cow<'_, str> {
        match &self.fault {
            None => Cow::Borrowed(&self.reason),
            Some(fault) => format!("{}: {}", self.reason, fault.message).into(),
        }
    }

    /// It stands for text that the grammar cannot read: it may be any statement.
    pub fn is_unreadable(&self) -> bool {
        self.tag == UNREADABLE
    }

    /// It may run code of users: what it calls, or the triggers of what it writes to. (DDL is left
    /// out: event triggers are the operator's.)
    pub fn may_run_unseen_code(&self) -> bool {
        self.unseen_code
            || self.do_or_call
            || (Class::Write..=Class::MigrationState).contains(&self.class)
    }

    /// A write for all that its text tells, because of the routines that it calls.
    pub fn writes_by_its_calls(&self) -> bool {
        self.class == Class::Write
            && !self.do_or_call
            && self.uses.as_deref().is_some_and(|uses| uses.class <= Class::Read && !uses.too_many)
    }

    /// `SELECT set_config(…literals…)` and nothing else: SET in other words, it reads nothing.
    pub fn only_sets(&self) -> bool {
        !self.set_config.is_empty() && self.set_config.iter().all(|call| call.bare)
    }

    /// The prepared statement that it runs, or plans: what that is given becomes values.
    pub fn prepared(&self) -> Option<&str> {
        match &self.effect {
            Effect::Execute(name) => Some(name),
            _ => self.explains.as_deref(),
        }
    }

    /// See [`Judgement::plain`].
    pub fn is_plain(&self) -> bool {
        self.effect == Effect::None
            && self.temp.is_none()
            && self.set_config.is_empty()
            && !self.unseen_code
            && self.explains.is_none()
            && !self.do_or_call
            && !self.copy_in
            && self.class <= Class::Write
            && !self.makes_types
    }
}

/// The class a statement has if all `names` are temporary relations of this session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TempUse {
    /// Unqualified relation names, folded as PostgreSQL folds them.
    pub names: Box<[Box<str>]>,
    /// The class then.
    pub class: Class,
}

/// One call of `set_config` in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetConfig {
    /// The parameter's name where it is a literal, as written.
    pub name: Option<Box<str>>,
    /// The value where it is a literal (`None`: computed).
    pub value: Option<Box<str>>,
    /// The third argument where it is a literal.
    pub is_local: Option<bool>,
    /// The statement is exactly `SELECT set_config(…literals…)`, perhaps several in the target
    /// list and nothing else: only then it can confirm (contract §2).
    pub bare: bool,
    /// The same, but that each value may be a parameter, or cast to `text` or `bool`.
    pub constant: bool,
}
