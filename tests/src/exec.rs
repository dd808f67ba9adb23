//! Runs a program until it exits, and returns its output. Used by the whole harness.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::process::Command;

/// Maximum number of bytes of a failed program's output in an error.
const TAIL: usize = 4000;

/// A program could not be started, or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program could not be started.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The program exited with an error.
    #[error("{program}: {status}: {output}")]
    Status {
        /// The command line.
        program: String,
        /// Exit status.
        status: String,
        /// The last part of its output.
        output: String,
    },
}

impl Error {
    /// Exit status as text.
    pub fn status(&self) -> String {
        match self {
            Self::Start { .. } => "could not be started".to_owned(),
            Self::Status { status, .. } => status.clone(),
        }
    }

    /// The last part of its output.
    pub fn output(&self) -> String {
        match self {
            Self::Start { source, .. } => source.to_string(),
            Self::Status { output, .. } => output.clone(),
        }
    }
}

/// Runs a command and returns its standard output. The process is killed when the future is dropped.
pub async fn run(mut command: Command) -> Result<String, Error> {
    let program = describe(&command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command
        .output()
        .await
        .map_err(|source| Error::Start { program: program.clone(), source })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let printed = format!("{}{}", stdout, String::from_utf8_lossy(&output.stderr));
    Err(Error::Status {
        program,
        status: output.status.to_string(),
        output: tail(&printed).to_owned(),
    })
}

/// Runs a program with arguments; see [`run`].
pub async fn output(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<String, Error> {
    let mut command = Command::new(program);
    command.args(arguments);
    run(command).await
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}

/// The last `TAIL` bytes of a text, cut at a character boundary.
pub fn tail(text: &str) -> &str {
    let text = text.trim();
    let mut start = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}
