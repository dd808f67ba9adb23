//! Results of look-ups by request hash, and the memory of them. Look-ups fill it; nothing here accesses
//! the database or the cluster.

mod finished;
mod single_flight;

use std::sync::Arc;

use asu_core::{answer::Order, request_hash::RequestHash};
use asu_store::model::BuildRecord;

pub use finished::FinishedBuilds;
pub use single_flight::SingleFlight;

use crate::cluster::Entry;

/// Result of a look-up.
#[derive(Clone, Debug)]
pub enum Found {
    /// A build that answers the request.
    Known(Known),
    /// No build that answers. Contains an archived object, if one prevents the creation of a new one.
    Nothing(Option<Arc<Entry>>),
}

/// A build that answers a request.
#[derive(Clone, Debug)]
pub enum Known {
    /// A finished build: an image or a failure.
    Finished(FinishedBuild),
    /// A build that waits or runs.
    Alive(Arc<Entry>),
}

impl From<FinishedBuild> for Found {
    fn from(build: FinishedBuild) -> Self {
        Self::Known(Known::Finished(build))
    }
}

impl From<Arc<Entry>> for Found {
    fn from(entry: Arc<Entry>) -> Self {
        Self::Known(Known::Alive(entry))
    }
}

/// An archived build that answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedBuild {
    /// Hash of its request.
    pub hash: RequestHash,
    /// uid of its object. The parts of its record that are sent to clients never change.
    pub uid: Arc<str>,
    /// For a failure that depends on the order of packages: the order that failed.
    pub order: Option<Order>,
    /// Its record, if it was just read. Otherwise it is read when it is needed.
    pub record: Option<Arc<BuildRecord>>,
}

impl FinishedBuild {
    /// The finished build of a record.
    pub fn of(record: BuildRecord) -> Self {
        let facts = &record.facts;
        let failure = facts.ending.failure();
        Self {
            hash: facts.request_hash,
            uid: facts.uid.as_str().into(),
            order: failure.and_then(|failure| Order::failed(failure.reason, &facts.request)),
            record: Some(Arc::new(record)),
        }
    }
}
