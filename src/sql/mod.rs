//! Judging SQL text: what each statement is, by PostgreSQL's own grammar (contract §4).
//!
//! Pure: bytes in, a [`Judgement`] out. The judgement is free of session state, so it can be
//! cached by text; what depends on the session (temporary names, prepared names, confirmation)
//! is carried as data and resolved by `session`.

mod cache;
pub mod catalog;
mod class;
mod classify;
mod effect;
mod fault;
pub mod lexer;
pub mod normalize;
mod parse;
mod plpgsql;
pub(crate) mod quote;
pub mod routines;
mod settings;
pub mod shape;
mod statement;
mod uses;

pub use cache::{Found, Grammar, Judge, MAX_CACHED_TEXT, Stats};
pub use class::Class;
pub use classify::judge;
pub use effect::{Chain, Effect, Isolation, Modes, SetScope, SetValue};
pub use fault::SyntaxFault;
pub use settings::administrative;
pub use statement::{Bound, Judgement, Lexing, SetConfig, Statement, TempUse};
pub use uses::{Call, CallKind, Given, How, Name, RelationUse, UNKNOWN, Uses};
