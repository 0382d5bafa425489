//! Where a command's report goes: the same for every command.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// It could not be written.
const FAILED: u8 = 2;

/// Writes a report to its file, or to standard output; gives `code`, or 2 where it cannot be
/// written, which is said.
pub(super) fn put(
    command: &str,
    text: impl AsRef<[u8]>,
    output: Option<&Path>,
    code: u8,
) -> ExitCode {
    match write(text.as_ref(), output) {
        Ok(()) => ExitCode::from(code),
        Err(message) => {
            let _ = writeln!(io::stderr(), "pgauthority {command}: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Writes a report.
///
/// # Errors
/// What to say. That whoever reads standard output has read enough (`| head`) is none.
pub(super) fn write(text: &[u8], output: Option<&Path>) -> Result<(), String> {
    let written = match output {
        Some(path) => File::create(path).and_then(|mut file| file.write_all(text)),
        None => match io::stdout().write_all(text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        },
    };
    written.map_err(|error| {
        let place = output.map_or("standard output".into(), Path::to_string_lossy);
        format!("cannot write {place}: {error}")
    })
}

/// Whether a report goes to a terminal that is to have colours.
pub(super) fn is_coloured(output: Option<&Path>) -> bool {
    output.is_none() && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
