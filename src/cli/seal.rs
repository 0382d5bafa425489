//! `pgauthority seal`: writes the declaration of an upstream into its database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::database::{
    Change, Chosen, Failure, Format, REFUSED, Target, change, connect, must_be_confirmed, plain,
    run as run_command, say, warn_of_contradictions, write,
};
use crate::config::Upstream;
use crate::contract::seal::Seal;
use crate::contract::{Declaration, Role};
use crate::governance::seal::{remove_script, seal_script, show_role};
use crate::upstream::Direct;

/// Arguments of `pgauthority seal`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority seal --upstream neon-prod --confirm
  pgauthority seal --upstream neon-prod --show
  pgauthority seal --upstream local
  pgauthority seal --upstream local --remove

The seal is one row in the table pgauthority.seal, which everybody may read and its owner change.
With require_seal = true in the configuration an upstream whose database is sealed otherwise, or
not at all, is refused at connect. A replica has the seal of its primary. The connection is made
with the upstream's own url, or with --url, straight to the server.

Exit codes: 0 done, or sealed as declared; 1 refused, or not sealed as declared; 2 error;
78 invalid configuration.")]
pub struct SealArgs {
    #[command(flatten)]
    target: Target,
    /// Show the seal and compare it with the declaration
    #[arg(long, conflicts_with_all = ["remove", "force", "confirm"])]
    show: bool,
    /// Take the seal out of the database
    #[arg(long, conflicts_with = "force")]
    remove: bool,
    /// Seal it though it is sealed otherwise
    #[arg(long)]
    force: bool,
    /// This is meant for production (or CONFIRM_PROD_MIGRATIONS=true)
    #[arg(long)]
    confirm: bool,
    /// How to write what --show finds
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write it to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const NAME: &str = "seal";

/// Runs the command: 0 done or sealed as declared, 1 refused or not so, 2 error, 78 invalid.
pub fn run(args: &SealArgs) -> ExitCode {
    run_command(NAME, async {
        let chosen = args.target.choose()?;
        if args.show {
            return show(args, &chosen.upstream).await;
        }
        must_be_writable(&chosen.upstream)?;
        must_be_confirmed(&chosen.upstream, args.confirm)?;
        warn_of_contradictions(NAME, &chosen.upstream);
        if args.remove { remove(&chosen).await } else { seal(&chosen, args.force).await }
    })
}

fn must_be_writable(upstream: &Upstream) -> Result<(), Failure> {
    if upstream.declaration.role != Role::Replica {
        return Ok(());
    }
    let message = format!("refused: upstream \"{}\" is role replica and read-only", upstream.name);
    Err(Failure::new(REFUSED, message).hint("seal its primary: a replica has that seal too"))
}

async fn show(args: &SealArgs, upstream: &std::sync::Arc<Upstream>) -> Result<u8, Failure> {
    let mut direct = connect(upstream).await?;
    let seal = direct.seal().await?;
    direct.close().await;
    let declared = upstream.declaration;
    let agrees = seal.as_ref().is_ok_and(|seal| seal.agrees(declared));
    let text = match args.format {
        Format::Json => format!("{:#}\n", object(upstream, seal.as_ref(), agrees)),
        Format::Table => {
            let sealed = match &seal {
                Ok(seal) => seal.words(),
                Err(why) => format!("no ({why})"),
            };
            let by = seal.as_ref().map_or(String::new(), |seal| {
                format!("by          {}, {}\n", plain(&seal.sealed_by), plain(&seal.sealed_at))
            });
            format!(
                "upstream    {}\ndeclared    {}\nsealed      {}\n{by}agrees      {}\n",
                upstream.name,
                words(declared),
                plain(&sealed),
                if agrees { "yes" } else { "NO" },
            )
        }
    };
    write(&text, args.output.as_deref())?;
    Ok(if agrees { 0 } else { REFUSED })
}

fn object(upstream: &Upstream, seal: Result<&Seal, &String>, agrees: bool) -> serde_json::Value {
    let declared = upstream.declaration;
    json!({
        "upstream": upstream.name,
        "declared": {
            "authority": declared.authority.as_str(),
            "role": declared.role.as_str(),
            "env": declared.environment.as_str(),
        },
        "sealed": seal.ok().map(|seal| json!({
            "authority": seal.authority,
            "role": seal.role,
            "env": seal.env,
            "sealed_at": seal.sealed_at,
            "sealed_by": seal.sealed_by,
        })),
        "why_not": seal.err(),
        "agrees": agrees,
    })
}

async fn seal(chosen: &Chosen, force: bool) -> Result<u8, Failure> {
    let Upstream { name, declaration, .. } = &*chosen.upstream;
    let mut direct = connect(&chosen.upstream).await?;
    if let Ok(there) = direct.seal().await?
        && !there.agrees(*declaration)
        && !force
    {
        let message = format!(
            "refused: this database is sealed {} by {}, and upstream \"{name}\" is declared {}",
            plain(&there.words()),
            plain(&there.sealed_by),
            words(*declaration),
        );
        return Err(Failure::new(REFUSED, message)
            .hint("the url may lead to another database; --force seals it anew"));
    }
    let script = seal_script(*declaration);
    let what = Change { command: NAME, tag: "CREATE TABLE", script: &script };
    change(chosen, &mut direct, what).await?;
    say(NAME, &format!("upstream \"{name}\" is sealed: {}", words(*declaration)));
    shown_role(chosen, &mut direct, Some(*declaration)).await?;
    direct.close().await;
    Ok(0)
}

async fn remove(chosen: &Chosen) -> Result<u8, Failure> {
    let name = &chosen.upstream.name;
    let mut direct = connect(&chosen.upstream).await?;
    let script = remove_script();
    let what = Change { command: "seal --remove", tag: "DROP TABLE", script: &script };
    change(chosen, &mut direct, what).await?;
    say(NAME, &format!("upstream \"{name}\" is not sealed any more"));
    shown_role(chosen, &mut direct, None).await?;
    direct.close().await;
    Ok(0)
}

/// For sessions that come round the proxy, where the server lets us. Nothing relies on it.
async fn shown_role(
    chosen: &Chosen,
    direct: &mut Direct,
    declared: Option<Declaration>,
) -> Result<(), Failure> {
    let statement = show_role(&chosen.upstream.endpoint.dbname, declared);
    match direct.run_confirmed(&statement).await {
        Ok(_) => Ok(()),
        Err(error) if error.sqlstate() == Some("42501") => {
            let why = "this server lets only superusers do that, and nothing relies on it";
            say(NAME, &format!("SHOW authority.role outside the proxy is left as it is: {why}"));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn words(declared: Declaration) -> String {
    format!("{}, {}, {}", declared.authority, declared.role, declared.environment)
}
