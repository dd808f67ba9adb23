//! Runs a program to its end and keeps what it printed.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::process::Command;

/// How much of a failed program's output an error carries, in bytes.
const TAIL: usize = 4000;

/// A program that did not start or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program}: {status}: {output}")]
    Status {
        /// The command line.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
}

impl Error {
    /// How the program ended, in words.
    pub fn status(&self) -> String {
        match self {
            Self::Start { .. } => "could not be started".to_owned(),
            Self::Status { status, .. } => status.clone(),
        }
    }

    /// The end of what it printed.
    pub fn output(&self) -> String {
        match self {
            Self::Start { source, .. } => source.to_string(),
            Self::Status { output, .. } => output.clone(),
        }
    }
}

/// Runs a command and returns its standard output. The command is ended when the future is dropped.
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

/// The last `TAIL` bytes of a text, cut at a character.
pub fn tail(text: &str) -> &str {
    let text = text.trim();
    let mut start = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}
