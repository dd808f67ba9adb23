//! What a process gets before it becomes make: umask, limits, CPUs, and on demand no network.
//!
//! It is a subcommand that sets itself up and then turns into the command (exec), because nothing
//! may run between fork and exec in a program without unsafe code.

mod cpus;
mod network;

use std::{convert::Infallible, ffi::OsString, io, os::unix::process::CommandExt as _};

use rustix::process::{Resource, Rlimit};

pub use cpus::choose as choose_cpus;

/// Most open files of a build: fakeroot loops over all of them, and container runtimes allow a
/// billion.
pub const OPEN_FILES: u64 = 4096;

/// What to set before exec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// CPUs to run on; all when empty.
    pub cpus: Vec<usize>,
    /// Refuse every socket but local ones.
    pub no_network: bool,
}

/// Sets this process up and turns it into `argv`; returns only on failure.
///
/// # Errors
/// What could not be set, or why the program could not be started.
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

/// Lowers a limit; one that is already lower stays.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let has = rustix::process::getrlimit(resource);
    let value = has.maximum.map_or(most, |maximum| maximum.min(most));
    rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    Ok(())
}
