//! The subcommand `confine`: sets umask, limits and CPUs and, on demand, blocks the network, before
//! it turns into make.
//!
//! It sets itself up and then executes the command (exec), because a program without unsafe code
//! cannot run anything between fork and exec.

mod cpus;
mod network;

use std::{convert::Infallible, ffi::OsString, io, os::unix::process::CommandExt as _};

use rustix::process::{Resource, Rlimit};

pub use cpus::choose as choose_cpus;

/// Maximum number of open files of a build: fakeroot loops over all possible ones, and container
/// runtimes allow a billion.
pub const OPEN_FILES: u64 = 4096;

/// The restrictions to set before exec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// CPUs to run on; all when empty.
    pub cpus: Vec<usize>,
    /// Refuse every socket but Unix sockets.
    pub no_network: bool,
}

/// Restricts this process and executes `argv`; returns only on failure.
///
/// # Errors
/// Why a restriction could not be set or the program not be started.
pub fn exec(confinement: &Confinement, argv: &[OsString]) -> io::Result<Infallible> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    limit(Resource::Nofile, OPEN_FILES)?;
    cpus::pin(&confinement.cpus)?;
    if confinement.no_network {
        network::forbid()?;
    }
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command is given"))?;
    Err(std::process::Command::new(program).args(arguments).exec())
}

/// Lowers a resource limit; a lower one stays.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let has = rustix::process::getrlimit(resource);
    let value = has.maximum.map_or(most, |maximum| maximum.min(most));
    rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    Ok(())
}
