//! Where `scripts/install.sh` put what the tests need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of `.tools/`: `python`, `node_modules`, `postgresql-15` to `postgresql-18`; installs
/// them first where they are missing.
pub fn tool(name: &str) -> PathBuf {
    static INSTALL: Once = Once::new();
    let link = repository().join(".tools").join(name);
    INSTALL.call_once(|| {
        if !link.exists() {
            super::process::run(&mut Command::new(repository().join("scripts/install.sh")));
        }
    });
    link.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", link.display()))
}
