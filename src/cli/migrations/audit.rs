//! `pgauthority migrations audit`: the inventory of an Alembic project.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::governance::migrations::audit::locate::{Wanted, locate};
use crate::governance::migrations::audit::{Audit, audit};

/// Arguments of `pgauthority migrations audit`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// A folder with an alembic.ini, a script folder (the one with env.py), or a folder of versions
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The ini file, where it does not stand in DIR
    #[arg(long, value_name = "FILE")]
    ini: Option<PathBuf>,
    /// The section of the ini file
    #[arg(long, value_name = "SECTION", default_value = "alembic")]
    name: String,
}

/// Runs the command.
pub fn run(args: &AuditArgs) -> ExitCode {
    let wanted =
        Wanted { folder: args.folder.clone(), ini: args.ini.clone(), section: args.name.clone() };
    let audit = match locate(&wanted, &mut |_, _| ()) {
        Ok(located) => audit(&located).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let text = match audit {
        Ok(audit) => table(&audit),
        Err(error) => {
            eprintln!("pgauthority migrations audit: {error}");
            return ExitCode::from(2);
        }
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}

fn table(audit: &Audit) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["FILE", "LINES", "REVISION", "AFTER"]);
    for &number in audit.graph.order.iter().rev() {
        let script = &audit.scripts[number];
        table.add_row([
            script.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            script.lines.to_string(),
            script.revision.clone().unwrap_or_else(|| "-".to_owned()),
            script.parents.join(", "),
        ]);
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
