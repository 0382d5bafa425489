//! `pgauthority backstop`: installs, removes, prints and judges the event triggers in a database.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::database::{
    Change, Chosen, FAILED, Failure, Format, REFUSED, Target, change, connect, must_be_confirmed,
    plain, run as run_command, say, warn_of_contradictions, write,
};
use crate::config::Upstream;
use crate::contract::Role;
use crate::contract::backstop::Key;
use crate::governance::backstop::key_file::{self, Content};
use crate::governance::backstop::{
    Findings, LIMITS, PROOF, PROOF_PASSED, PROOF_REFUSED, findings, install_script, remove_script,
};
use crate::upstream::{Direct, Installed};

/// Arguments of `pgauthority backstop`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority backstop install --upstream neon-prod --key-file backstop.key --confirm
  pgauthority backstop status --upstream neon-prod
  pgauthority backstop sql --upstream neon-prod > backstop.sql
  pgauthority backstop remove --upstream neon-prod --confirm

The connection is made with the upstream's own url, or with --url, straight to the server. The role
must be allowed to create event triggers: a superuser, or what the provider has for one.

It cannot stop: its owner and superusers; event_triggers = off and single-user mode; what fires no
event trigger (TRUNCATE, CLUSTER, VACUUM FULL, EXPLAIN ANALYZE of CREATE TABLE AS, REASSIGN OWNED,
REINDEX before 17); databases, roles, tablespaces and parameters; changes to data.

Exit codes: 0 done, or installed and sound; 1 refused, or not installed, or not as it should be;
2 error; 78 invalid configuration.")]
pub struct BackstopArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    target: Target,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    format: Format,
    /// Write the report or script to this file instead of standard output
    #[arg(long, value_name = "FILE", global = true)]
    output: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Install it, or install it again: the key is kept unless --new-key
    #[command(after_long_help = "\
Example:
  pgauthority backstop install --upstream neon-prod --key-file backstop.key --confirm")]
    Install {
        /// Where to write its key (mode 0600); what is there is overwritten only with --force
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Overwrite the file
        #[arg(long, requires = "key_file")]
        force: bool,
        /// Make a new key: the proxy needs it before it can confirm again
        #[arg(long)]
        new_key: bool,
        /// This is meant for production (or CONFIRM_PROD_MIGRATIONS=true)
        #[arg(long)]
        confirm: bool,
    },
    /// What is installed, whether it is as it should be, and what it cannot stop
    #[command(after_long_help = "\
Example:
  pgauthority backstop status --upstream neon-prod")]
    Status,
    /// Print the script that installs it, for migrations of your own; no secret is in it
    #[command(after_long_help = "\
Example:
  pgauthority backstop sql --upstream neon-prod > backstop.sql")]
    Sql,
    /// Write the key of what is installed to a file, as its owner
    #[command(after_long_help = "\
Example:
  pgauthority backstop key --upstream neon-prod --key-file backstop.key")]
    Key {
        /// Where to write it (mode 0600); what is there is overwritten only with --force
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// Overwrite the file
        #[arg(long)]
        force: bool,
    },
    /// Remove it, key and all
    #[command(after_long_help = "\
Example:
  pgauthority backstop remove --upstream neon-prod --confirm")]
    Remove {
        /// This is meant for production (or CONFIRM_PROD_MIGRATIONS=true)
        #[arg(long)]
        confirm: bool,
    },
}

const NAME: &str = "backstop";

/// Runs the command: 0 done or sound, 1 refused or unsound, 2 error, 78 invalid configuration.
pub fn run(args: &BackstopArgs) -> ExitCode {
    run_command(NAME, async {
        let chosen = args.target.choose()?;
        // what a copy of prod carries can be looked at and removed under any declaration
        if !matches!(args.command, Command::Status | Command::Remove { .. }) {
            must_be_prod(&chosen.upstream)?;
        }
        let output = args.output.as_deref();
        match &args.command {
            Command::Install { key_file, force, new_key, confirm } => {
                must_be_confirmed(&chosen.upstream, *confirm)?;
                warn_of_contradictions(NAME, &chosen.upstream);
                let file = key_file.as_deref().map(|path| KeyFile { path, force: *force });
                install(&chosen, file, *new_key).await
            }
            Command::Status => {
                let mut direct = connect(&chosen.upstream).await?;
                let installed = direct.installed().await?;
                direct.close().await;
                let found = findings(&installed, &chosen.upstream);
                write(&report(&chosen.upstream, &installed, &found, args.format), output)?;
                Ok(if found.is_sound() { 0 } else { REFUSED })
            }
            Command::Remove { confirm } => {
                must_be_confirmed(&chosen.upstream, *confirm)?;
                remove(&chosen).await
            }
            Command::Sql => {
                let Upstream { name, declaration, .. } = &*chosen.upstream;
                write(&install_script(name, *declaration, false), output)?;
                Ok(0)
            }
            Command::Key { key_file, force } => {
                let mut direct = connect(&chosen.upstream).await?;
                let key = read_key(&mut direct).await?;
                direct.close().await;
                let key = key.ok_or_else(|| {
                    Failure::new(REFUSED, "no backstop is installed there, or it has no key")
                })?;
                KeyFile { path: key_file, force: *force }.settle(&key, None)?;
                say(NAME, &format!("key {} is in {}", key.fingerprint(), key_file.display()));
                Ok(0)
            }
        }
    })
}

/// Where nothing needs a confirmation the proxy makes no tokens, and nothing would pass.
fn must_be_prod(upstream: &Upstream) -> Result<(), Failure> {
    let hint = match upstream.declaration.role {
        Role::Prod => return Ok(()),
        Role::Staging => "on staging every schema change is allowed",
        Role::Replica => "a replica has it from its primary",
    };
    let Upstream { name, declaration, .. } = upstream;
    let message = format!(
        "refused: upstream \"{name}\" is role {}: the backstop is for prod",
        declaration.role
    );
    Err(Failure::new(REFUSED, message).hint(hint))
}

/// Where the key is to be written.
#[derive(Clone, Copy)]
struct KeyFile<'a> {
    path: &'a Path,
    force: bool,
}

impl KeyFile<'_> {
    /// Whether it may be written: nothing is there, or what is known to be of no more use.
    fn may_hold(&self, key: Option<&Key>, former: Option<&Key>) -> Result<(), Failure> {
        let shown = self.path.display();
        let content = key_file::read(self.path)
            .map_err(|error| Failure::new(FAILED, format!("cannot read {shown}: {error}")))?;
        let known = match &content {
            Content::Nothing => true,
            Content::Key(there) => Some(there) == key || Some(there) == former,
            Content::Other => false,
        };
        if known || self.force {
            return Ok(());
        }
        let message = format!("refused: {shown} holds something else, which would be overwritten");
        Err(Failure::new(FAILED, message).hint("name another file, or --force"))
    }

    /// Writes the key, unless it is there already.
    fn settle(&self, key: &Key, former: Option<&Key>) -> Result<(), Failure> {
        self.may_hold(Some(key), former)?;
        let shown = self.path.display();
        key_file::write(self.path, key).map_err(|error| {
            Failure::new(FAILED, format!("the key cannot be written to {shown}: {error}"))
                .hint("pgauthority backstop key --key-file FILE writes it later")
        })
    }
}

/// The key in the database; `None` where there is none. What is no installation's is not read.
async fn read_key(direct: &mut Direct) -> Result<Option<Key>, Failure> {
    match direct.backstop_key().await {
        Ok(Ok(key)) => Ok(key.and_then(|text| Key::parse(&text))),
        Ok(Err(why)) => Err(Failure::new(REFUSED, format!("refused: {}", plain(&why)))
            .hint("see what is in schema pgauthority, and drop it")),
        Err(error) => {
            Err(Failure::from(error).hint("only its owner reads the key: --url postgresql://…"))
        }
    }
}

async fn install(chosen: &Chosen, file: Option<KeyFile<'_>>, new_key: bool) -> Result<u8, Failure> {
    let Upstream { name, declaration, backstop, .. } = &*chosen.upstream;
    let mut direct = connect(&chosen.upstream).await?;
    // asked before anything is done: a key that nobody can keep is of no use
    let former = read_key(&mut direct).await?;
    match (file, &former) {
        (Some(file), _) => file.may_hold(former.as_ref(), None)?,
        (None, Some(former)) if !new_key && backstop.as_deref() == Some(former) => {}
        (None, _) => {
            return Err(Failure::new(FAILED, "there is no file for its key")
                .hint("--key-file backstop.key, which backstop_key_file then names"));
        }
    }
    let script = install_script(name, *declaration, new_key);
    let command = "backstop install";
    let what = Change { command, tag: "CREATE EVENT TRIGGER", script: &script };
    change(chosen, &mut direct, what).await.map_err(needs_role)?;
    let key = read_key(&mut direct).await?;
    let key = key.ok_or_else(|| Failure::new(FAILED, "installed, and it has no key"))?;
    if let Some(file) = file {
        file.settle(&key, former.as_ref())?;
    }
    prove(&mut direct, &key).await?;
    direct.close().await;
    say(NAME, &format!("installed on upstream \"{name}\", and tried: key {}", key.fingerprint()));
    if backstop.as_deref() != Some(&key) {
        let next = "now let the proxy have the key: until then what is confirmed is refused";
        say(NAME, &format!("hint: {next} ([upstreams.{name}] backstop_key_file, then reload)"));
    }
    Ok(0)
}

fn needs_role(failure: Failure) -> Failure {
    if failure.mentions("event trigger") || failure.mentions("must be superuser") {
        return failure
            .hint("connect as a role that may create event triggers: --url postgresql://…");
    }
    failure
}

fn needs_owner(failure: Failure, owner: Option<String>) -> Failure {
    match owner {
        Some(owner) if failure.mentions("must be owner of") => {
            failure.hint(format!("connect as its owner, {owner}: --url postgresql://…"))
        }
        _ => failure,
    }
}

/// Tries it out, on the spot: refused without a token, let through with one.
async fn prove(direct: &mut Direct, key: &Key) -> Result<(), Failure> {
    let not = |what: &str| Failure::new(FAILED, format!("installed, but it does not hold: {what}"));
    match direct.run(PROOF).await {
        Err(error) if error.sqlstate() == Some(PROOF_REFUSED) => {}
        Err(error) if error.sqlstate() == Some(PROOF_PASSED) => {
            return Err(not("CREATE TABLE without a token was let through")
                .hint("event_triggers may be off for this role (17 and newer)"));
        }
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(not("CREATE TABLE and a division by zero were let through")),
    }
    direct.sign_with(&Arc::new(key.clone())).await?;
    match direct.run_confirmed(PROOF).await {
        Err(error) if error.sqlstate() == Some(PROOF_PASSED) => Ok(()),
        Err(error) => {
            Err(not(&format!("a good token is not accepted: {}", plain(&error.to_string()))))
        }
        Ok(_) => Err(not("a division by zero was let through")),
    }
}

async fn remove(chosen: &Chosen) -> Result<u8, Failure> {
    let mut direct = connect(&chosen.upstream).await?;
    let name = &chosen.upstream.name;
    let installed = direct.installed().await?;
    if !findings(&installed, &chosen.upstream).installed && installed.key.is_none() {
        say(NAME, &format!("nothing is installed on upstream \"{name}\""));
        direct.close().await;
        return Ok(0);
    }
    let script = remove_script();
    let command = "backstop remove";
    let what = Change { command, tag: "DROP EVENT TRIGGER", script: &script };
    let owner = findings(&installed, &chosen.upstream).owner;
    change(chosen, &mut direct, what).await.map_err(|failure| needs_owner(failure, owner))?;
    direct.close().await;
    say(NAME, &format!("removed from upstream \"{name}\""));
    if chosen.upstream.backstop.is_some() {
        say(NAME, &format!("hint: [upstreams.{name}] needs no backstop key any more"));
    }
    Ok(0)
}

fn report(upstream: &Upstream, installed: &Installed, found: &Findings, format: Format) -> String {
    match format {
        Format::Table => table(upstream, installed, found),
        Format::Json => format!("{:#}\n", object(upstream, installed, found)),
    }
}

fn object(upstream: &Upstream, installed: &Installed, found: &Findings) -> serde_json::Value {
    json!({
        "upstream": upstream.name,
        "installed": found.installed,
        "sound": found.is_sound(),
        "version": found.noted.as_ref().map(|noted| noted.backstop),
        "installed_for": found.noted.as_ref().map(|noted| json!({
            "upstream": noted.upstream,
            "authority": noted.authority,
            "role": noted.role,
            "env": noted.env,
        })),
        "owner": found.owner,
        "triggers": installed.triggers.iter().map(|trigger| json!({
            "name": trigger.name,
            "event": trigger.event,
            "always": trigger.enabled == "A",
        })).collect::<Vec<_>>(),
        "key_matches": found.key_matches,
        "key_readers": installed.key.as_ref().map(|key| &key.readers),
        "login": { "user": installed.user, "superuser": installed.superuser },
        "problems": found.problems,
        "cannot_stop": LIMITS,
    })
}

fn table(upstream: &Upstream, installed: &Installed, found: &Findings) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| lines.push(format!("{name:<14}{}", plain(value)));
    line("upstream", &upstream.name);
    line("installed", if found.installed { "yes" } else { "no" });
    if let Some(noted) = &found.noted {
        line("version", &noted.backstop.to_string());
        let declared = format!(
            "upstream {}, authority {}, role {}, env {}",
            noted.upstream, noted.authority, noted.role, noted.env
        );
        line("for", &declared);
    }
    if let Some(owner) = &found.owner {
        line("owner", owner);
    }
    for trigger in &installed.triggers {
        let enabled = if trigger.enabled == "A" { "always" } else { "NOT ALWAYS" };
        line("trigger", &format!("{} on {}, {enabled}", trigger.name, trigger.event));
    }
    if found.installed {
        line(
            "key",
            match found.key_matches {
                Some(true) => "the configured one",
                Some(false) => "another than the configured one",
                None if upstream.backstop.is_none() => "none is configured",
                None => "not told",
            },
        );
        if let Some(key) = installed.key.as_ref().filter(|key| !key.readers.is_empty()) {
            line("key readable", &format!("by {}, who may read every table", key.readers));
        }
        let login = if installed.superuser || Some(&installed.user) == found.owner.as_ref() {
            format!("{}, who can turn it off: a superuser or its owner", installed.user)
        } else {
            installed.user.clone()
        };
        line("login", &login);
    }
    for problem in &found.problems {
        line("PROBLEM", problem);
    }
    for limit in LIMITS {
        line("cannot stop", limit);
    }
    lines.push(String::new());
    lines.join("\n")
}
