//! `pgauthority serve`: the proxy.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config;
use crate::proxy::{Source, serve};

/// Arguments of `serve`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority serve --config /etc/pgauthority/pgauthority.toml
  DB_AUTHORITY=local DB_ROLE=staging DB_ENV=dev \\
    PGAUTHORITY_UPSTREAM_URL=postgresql://nova@localhost:5433/nova_aos pgauthority serve --from-env

Exit codes: 0 after a clean stop, 2 error, 78 invalid configuration.")]
pub struct ServeArgs {
    /// The configuration file
    #[arg(long, env = "PGAUTHORITY_CONFIG", default_value = crate::config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    /// Take one upstream from the environment instead of a file: DB_AUTHORITY, DB_ROLE, DB_ENV,
    /// PGAUTHORITY_UPSTREAM_URL (all required), PGAUTHORITY_LISTEN, PGAUTHORITY_AUTH,
    /// PGAUTHORITY_BACKSTOP_KEY_FILE or PGAUTHORITY_BACKSTOP_KEY
    #[arg(long)]
    from_env: bool,
}

/// Runs the proxy: 0 after a clean stop, 78 for a bad configuration, 2 for what else kept it
/// from running.
pub fn run(args: &ServeArgs) -> ExitCode {
    let (loaded, source) = if args.from_env {
        let lookup = |name: &str| std::env::var(name).ok();
        (config::from_environment(&lookup), Source::Environment)
    } else {
        (config::load(&args.config), Source::File(args.config.clone()))
    };
    let config = match loaded {
        Ok(config) => config,
        Err(faults) => {
            use std::io::IsTerminal;
            eprint!("{}", faults.paint(std::io::stderr().is_terminal()));
            return ExitCode::from(78);
        }
    };
    match serve(config, source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgauthority serve: {error}");
            ExitCode::from(2)
        }
    }
}
