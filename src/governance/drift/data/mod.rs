//! Files that hold settings: documents, `.env`, Dockerfiles, `.ini`.

pub mod contexts;
pub mod dockerfile;
pub mod dotenv;
pub mod ini;
pub mod json;
pub mod node;
pub mod toml;
pub mod yaml;
