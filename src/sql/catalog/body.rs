//! What the body of one routine does by itself; what it calls is followed elsewhere.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use pgauthority_grammar::{Mode, parse_plpgsql_routine};

use super::build::class_of;
use super::model::{Language, Model, Routine};
use super::{definition, extensions};
use crate::sql::classify::Scan;
use crate::sql::{Bound, Class, Uses, administrative, lexer, routines};

/// What a routine is by itself.
#[derive(Debug)]
pub(super) struct Body {
    /// Its class without what it calls that is not PostgreSQL's own.
    pub class: Class,
    /// What made it so, to follow "which".
    pub reason: Box<str>,
    /// It sets parameters: `search_path` may be another one for what is called after it.
    pub sets: bool,
    /// It asks what only the connection that writes can tell: [`Bound::Writer`].
    pub asks_writer: bool,
    /// It may open or close cursors.
    pub cursors: bool,
    /// What it names.
    pub uses: Option<Arc<Uses>>,
    /// Types that its variables may have, as far as they matter.
    pub declared: Vec<u32>,
}

impl Body {
    fn of(class: Class, reason: impl Into<Box<str>>) -> Body {
        let (reason, declared) = (reason.into(), Vec::new());
        Body {
            class,
            reason,
            sets: false,
            asks_writer: false,
            cursors: false,
            uses: None,
            declared,
        }
    }

    fn raise(&mut self, class: Class, reason: impl Into<Box<str>>) {
        if class > self.class {
            self.class = class;
            self.reason = reason.into();
        }
    }
}

/// Judges a routine.
pub(super) fn judge(routine: &Routine, model: &Model, migration_tables: &BTreeSet<String>) -> Body {
    let mut body = match routine.language {
        // an aggregate or a window function of C is what it consists of
        _ if routine.kind == b'a' => Body::of(Class::Read, ""),
        Language::Native => native(routine, model),
        Language::Other => {
            Body::of(Class::Opaque, format!("is in {}, which is not read", routine.language_name))
        }
        Language::Sql if routine.standard_body.is_some() => standard(routine),
        Language::Sql | Language::Plpgsql => text(routine, migration_tables),
    };
    if matches!(routine.language, Language::Sql | Language::Plpgsql) {
        body.declared = declared(&routine.source, model);
        body.cursors = routine.standard_body.is_none() && handles_cursors(&routine.source);
    }
    for setting in &routine.config {
        let (name, _) = setting.split_once('=').unwrap_or((setting, ""));
        if let Some(does) = administrative(name) {
            body.raise(Class::Admin, format!("sets {name}, which {does}"));
        }
        match name {
            // its body is read as the server's default reads it
            "standard_conforming_strings" | "backslash_quote" => {
                body.raise(Class::Opaque, format!("sets {name}"));
            }
            _ => {}
        }
    }
    // what was looked at by hand needs no second opinion
    let reviewed = native_verdict(routine).is_some();
    if routine.volatile && routine.kind != b'a' && !reviewed {
        body.raise(Class::Write, "is VOLATILE");
    }
    body.cursors |= body.class >= Class::Opaque;
    body
}

/// What an earlier snapshot has read of a routine, where nothing has changed that it depends on.
pub(super) fn again(before: &Routine, now: &Routine, model: &Model) -> Option<Body> {
    let is_text = |one: &Routine| {
        matches!(one.language, Language::Sql | Language::Plpgsql) && one.standard_body.is_none()
    };
    let told = |one: &Routine| (one.language, one.kind, one.volatile);
    let same = is_text(before)
        && is_text(now)
        && told(before) == told(now)
        && before.source == now.source
        && before.config == now.config
        && before.extension == now.extension;
    let known = before.body.get().filter(|_| same)?;
    Some(Body {
        class: known.class,
        reason: known.reason.clone(),
        sets: known.sets,
        asks_writer: known.asks_writer,
        cursors: known.cursors,
        uses: known.uses.clone(),
        declared: declared(&now.source, model),
    })
}

/// What is known of a C function of an extension.
fn native_verdict(routine: &Routine) -> Option<Class> {
    let extension = routine.extension.as_deref().filter(|_| routine.language == Language::Native);
    extensions::native(extension?, &routine.name, routine.volatile)
}

fn native(routine: &Routine, model: &Model) -> Body {
    match native_verdict(routine) {
        Some(Class::Write) if routine.volatile => Body::of(Class::Write, "is VOLATILE"),
        Some(class) => {
            let extension = routine.extension.as_deref().unwrap_or_default();
            Body::of(class, format!("is of the extension {extension}"))
        }
        // another name for a function that is compiled into the server
        None if &*routine.language_name == "internal" => {
            let class = model.symbols.get(&routine.source).copied();
            let class = class.max(class_of_symbol(&routine.source)).unwrap_or(Class::Read);
            Body::of(class, format!("is {}()", routine.source))
        }
        None => Body::of(Class::Opaque, "is C code that is not known"),
    }
}

/// The class of a function that is compiled into the server, whatever it is called by now.
pub(super) fn class_of_symbol(symbol: &str) -> Option<Class> {
    let verdicts = routines::names_of_symbol(symbol).into_iter();
    let verdicts = verdicts.map(|name| routines::lookup(None, name));
    // of a symbol that has no row nothing but `read` is known
    verdicts.filter(|one| *one != routines::Routine::Unknown).filter_map(class_of).max()
}

/// What an SQL-standard body does by itself: its calls are known by OID.
fn standard(routine: &Routine) -> Body {
    let changes = |body: &crate::sql::catalog::tree::Refs| body.changes || body.utility;
    match routine.may_change() && routine.standard_body.as_ref().is_some_and(changes) {
        true => Body::of(Class::Write, "changes rows"),
        false => Body::of(Class::Read, ""),
    }
}

fn text(routine: &Routine, migration_tables: &BTreeSet<String>) -> Body {
    let unreadable = || Body::of(Class::Opaque, "has a body that cannot be read");
    let mut scan = Scan::new(migration_tables);
    let source = match routine.language {
        Language::Sql => Cow::Borrowed(&*routine.source),
        _ => Cow::Owned(definition::body_of(&routine.source)),
    };
    let bounded = match routine.language {
        Language::Sql => lexer::survey(source.as_bytes()).bounded,
        _ => lexer::is_body_bounded(source.as_bytes()),
    };
    if !bounded {
        return unreadable();
    }
    match routine.language {
        Language::Sql => {
            // a parameter need not be a row
            scan.found.fields_of_values = true;
            if !scan.text(routine.source.as_bytes(), Mode::Statements) {
                return unreadable();
            }
        }
        _ => match parse_plpgsql_routine(&routine.source) {
            Ok(expressions) => scan.expressions(&expressions, &source),
            Err(_) => return unreadable(),
        },
    }
    let names = scan.set_config.iter().filter_map(|call| call.name.as_deref());
    let proxys_own = names.into_iter().find(|name| is_proxys_own(name)).map(str::to_owned);
    let asks_writer = scan.bound == Bound::Writer;
    let Some(uses) = scan.found.into_uses(true) else { return unreadable() };
    let mut body = match routine.may_change() {
        true => Body::of(uses.class.max(Class::Read), uses.reason.clone()),
        false => Body::of(uses.called.max(Class::Read), uses.called_reason.clone()),
    };
    body.sets = uses.sets;
    body.asks_writer = asks_writer;
    if uses.sets {
        body.raise(Class::Write, "sets parameters of the session");
    }
    if uses.too_many {
        body.raise(Class::Opaque, "names more than can be followed");
    }
    if let Some(name) = proxys_own {
        body.raise(Class::Admin, format!("sets {name}, which is the proxy's own"));
    }
    body.uses = Some(uses.into());
    body
}

/// Whether a text has a word in it that opens or closes cursors (OPEN, DECLARE … CURSOR, CLOSE), or could
/// have one in a literal with escapes.
fn handles_cursors(source: &str) -> bool {
    let source = source.to_ascii_lowercase();
    ["open", "cursor", "close", "\\"].iter().any(|word| source.contains(word))
}

/// A tag or a token: no client sets one (contract §2), and no routine for it. A confirmation can
/// be withdrawn anywhere; a routine that gives one confirms nothing.
fn is_proxys_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let tag = name.strip_prefix("authority.");
    tag.is_some_and(|tag| ["upstream", "authority", "role", "env"].contains(&tag))
        || name.starts_with("pgauthority.")
}

/// Lower case, each character by itself: beside others a sigma has two.
pub(super) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Types that matter and that the text may declare a variable of. Names are compared without case:
/// more is never weaker.
pub(super) fn declared(source: &str, model: &Model) -> Vec<u32> {
    if model.declarable.is_empty() || source.is_empty() {
        return Vec::new();
    }
    let source = folded(source);
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    // a name written in escapes can be any
    let escapes = source.contains("u&");
    let words: HashSet<&str> = source.split(|c| !is_word(c)).collect();
    let mentioned = |name: &str| {
        escapes || words.contains(name) || !name.chars().all(is_word) && source.contains(name)
    };
    let found = model.declarable.iter().filter(|(name, _)| mentioned(name));
    let mut found: Vec<u32> = found.flat_map(|(_, oids)| oids).copied().collect();
    found.sort_unstable();
    found
}
