//! What a request takes up of this process.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

/// A request's place among those that are worked on, and its share of what bodies may take. Work
/// that goes on after its client hung up holds on to a copy, or clients that hang up at once could
/// start any amount of it.
#[derive(Clone, Debug)]
pub struct Ticket(#[expect(dead_code, reason = "held, never read")] Arc<Parts>);

#[derive(Debug)]
struct Parts {
    #[expect(dead_code, reason = "held, never read")]
    place: OwnedSemaphorePermit,
    #[expect(dead_code, reason = "held, never read")]
    share: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// Of a request that has both.
    pub fn new(place: OwnedSemaphorePermit, share: Option<OwnedSemaphorePermit>) -> Self {
        Self(Arc::new(Parts { place, share }))
    }
}
