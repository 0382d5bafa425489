//! What a migration's functions do, worked out without running them: their statements are
//! followed with what is known of every value, for a PostgreSQL database.

mod alembic;
mod builtins;
mod calls;
mod computed;
mod eval;
mod flow;
mod machine;
mod modules;
pub mod schema;
mod sql;
mod sql_schema;
mod sqlalchemy;
pub mod text;
pub mod value;

pub use machine::{Body, Known, Machine};
pub use modules::Modules;
