//! What a look-up finds.

use std::sync::Arc;

use crate::{answers::FinishedAnswer, cluster::Entry};

/// What a client is answered.
#[derive(Clone, Debug)]
pub enum Found {
    /// A finished answer, of an image or of a failure.
    Stored(Arc<FinishedAnswer>),
    /// A build on its way.
    Alive(Arc<Entry>),
    /// Nothing that counts. An archived object of that name may be in the way of a new one.
    Nothing(Option<Arc<Entry>>),
}
