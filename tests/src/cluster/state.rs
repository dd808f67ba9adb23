//! The state of a cluster that is stored between commands, and the lock against concurrent commands.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::paths::Paths;
use super::reach::Reach;
use super::{Error, files};
use crate::ports;

/// Preferred ports of the API server and the ingress, used if they are free.
const FAVOURITE_PORTS: [u16; 2] = [16443, 18080];

/// Settings of a cluster that must not change while it runs.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// Port of the API server, the same inside the namespace and on this machine's loopback interface.
    pub(super) api_port: u16,
    /// Port of the ingress, the same inside and outside.
    pub(super) ingress_port: u16,
    /// Numbers of the nodes that were started.
    pub(super) nodes: Vec<u8>,
    /// Hosts outside that its pods may reach.
    #[serde(default)]
    pub(super) reach: Vec<Reach>,
}

impl State {
    /// Reads the state of a cluster; `None` when it does not exist.
    pub(super) fn load(paths: &Paths) -> Result<Option<Self>, Error> {
        let path = paths.state();
        let Some(text) = files::read(&path)? else {
            return Ok(None);
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Error::State { path, reason: error.to_string() })
    }

    /// Reads the state, or chooses ports and stores them.
    pub(super) fn load_or_create(paths: &Paths) -> Result<Self, Error> {
        if let Some(state) = Self::load(paths)? {
            return Ok(state);
        }
        let free: [u16; 2] = ports::free().map_err(Error::io("127.0.0.1"))?;
        let [api_port, ingress_port] = if FAVOURITE_PORTS.iter().all(|port| ports::is_free(*port)) {
            FAVOURITE_PORTS
        } else {
            free
        };
        let state = Self { api_port, ingress_port, nodes: vec![1], reach: Vec::new() };
        state.save(paths)?;
        Ok(state)
    }

    /// Writes the state.
    pub(super) fn save(&self, paths: &Paths) -> Result<(), Error> {
        let path = paths.state();
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::State { path: path.clone(), reason: error.to_string() })?;
        files::write(&path, text)
    }
}

/// Lock on a cluster, for a command that changes it. The kernel releases it when the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Waits for the lock.
    pub(super) async fn take(paths: &Paths) -> Result<Self, Error> {
        let path = paths.lock();
        if let Some(parent) = path.parent() {
            files::make_dir(parent)?;
        }
        loop {
            let file = File::create(&path).map_err(Error::io(&path))?;
            let taken = tokio::task::spawn_blocking(move || {
                flock(&file, FlockOperation::LockExclusive).map(|()| file)
            });
            let file = match taken.await {
                Ok(Ok(file)) => file,
                Ok(Err(error)) => return Err(Error::io(path)(error.into())),
                Err(error) => return Err(Error::io(path)(std::io::Error::other(error))),
            };
            // The former holder may have removed the file with the cluster; then another file must be locked.
            let held = file.metadata().map_err(Error::io(&path))?.ino();
            if std::fs::metadata(&path).is_ok_and(|found| found.ino() == held) {
                return Ok(Self { file });
            }
        }
    }

    /// Removes the lock file and releases the lock.
    pub(super) fn remove(self, paths: &Paths) -> Result<(), Error> {
        let path = paths.lock();
        std::fs::remove_file(&path).map_err(Error::io(path))?;
        drop(self.file);
        Ok(())
    }
}
