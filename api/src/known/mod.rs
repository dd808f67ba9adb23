//! What is known of request hashes: the values that look-ups give, in memory for a while. Look-ups fill
//! it; nothing here asks the database or the cluster.

mod finished;
mod single_flight;

use std::sync::Arc;

use asu_core::{answer::Order, request_hash::RequestHash};
use asu_store::model::BuildRecord;

pub use finished::FinishedBuilds;
pub use single_flight::SingleFlight;

use crate::cluster::Entry;

/// Result of looking a request hash up.
#[derive(Clone, Debug)]
pub enum Found {
    /// A build that answers the request.
    Known(Known),
    /// Nothing that counts. An archived object of that name may be in the way of a new one.
    Nothing(Option<Arc<Entry>>),
}

/// A build that answers a request.
#[derive(Clone, Debug)]
pub enum Known {
    /// A build that is over: an image or a failure.
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
    /// uid of its object. Its record never changes in what clients are told.
    pub uid: Arc<str>,
    /// Of a failure that another order of the packages may not meet: the order that failed.
    pub order: Option<Order>,
    /// Its record, when it was just read. Otherwise it is read when it is needed.
    pub record: Option<Arc<BuildRecord>>,
}

impl FinishedBuild {
    /// That of a record.
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
