//! How many requests may wait at a time for something outside this process, by what they are about.
//! What is answered from memory takes no part in it: while the database or the API server hangs,
//! the requests that need them fill their own budget and no other.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// What requests of one budget wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// A new build, or what is known of its request.
    Creation,
    /// What is known of a request hash.
    Poll,
    /// The row and the first bytes of a file.
    File,
    /// The row and the first bytes of a log.
    Log,
    /// A document of upstream that is not in memory.
    Document,
}

impl Budget {
    /// One in so many of the requests that are worked on. Together they are less than all, so that
    /// what is answered from memory always finds a place.
    fn share(self) -> usize {
        match self {
            Self::Creation => 2,
            Self::Poll | Self::File => 8,
            Self::Log | Self::Document => 16,
        }
    }
}

/// Creations at a time, those of equal requests included, which take turns. Each holds its request,
/// of at most 160 KiB, whether or not its client is still there.
const CREATIONS: usize = 128;
/// Longest wait for the creation of others.
const CREATION_WITHIN: Duration = Duration::from_secs(8);

/// See the module.
#[derive(Debug)]
pub struct Budgets {
    creation: Arc<Semaphore>,
    poll: Arc<Semaphore>,
    file: Arc<Semaphore>,
    log: Arc<Semaphore>,
    document: Arc<Semaphore>,
    /// Of those that wait for a creation, the ones that create.
    creating: Arc<Semaphore>,
}

impl Budgets {
    /// Of a process that works on so many requests at a time.
    pub fn new(requests: usize) -> Self {
        let places = |budget: Budget| Arc::new(Semaphore::new((requests / budget.share()).max(1)));
        Self {
            creation: places(Budget::Creation),
            poll: places(Budget::Poll),
            file: places(Budget::File),
            log: places(Budget::Log),
            document: places(Budget::Document),
            creating: Arc::new(Semaphore::new(CREATIONS)),
        }
    }

    /// The places of a budget: for a layer around the routes of which every request waits.
    pub fn semaphore(&self, budget: Budget) -> Arc<Semaphore> {
        let places = match budget {
            Budget::Creation => &self.creation,
            Budget::Poll => &self.poll,
            Budget::File => &self.file,
            Budget::Log => &self.log,
            Budget::Document => &self.document,
        };
        places.clone()
    }

    /// A place of a budget until it is dropped: for requests that may be answered from memory, when
    /// they turn out to have to wait.
    ///
    /// # Errors
    /// [`ApiError::Busy`] at once when there is none.
    pub fn enter(&self, budget: Budget) -> Result<OwnedSemaphorePermit, ApiError> {
        self.semaphore(budget).try_acquire_owned().map_err(|_| ApiError::Busy)
    }

    /// A place among the objects that are being created. The work that holds it may go on when its
    /// client is gone.
    ///
    /// # Errors
    /// [`ApiError::Busy`] when there is none for eight seconds.
    pub async fn create(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        match tokio::time::timeout(CREATION_WITHIN, self.creating.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(ApiError::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Budget; 5] =
        [Budget::Creation, Budget::Poll, Budget::File, Budget::Log, Budget::Document];

    #[test]
    fn all_budgets_together_leave_places_for_what_is_answered_from_memory() {
        for requests in [16, 100, 1024] {
            let taken: usize = ALL.iter().map(|budget| requests / budget.share()).sum();
            assert!(taken < requests, "{requests}");
        }
    }

    #[test]
    fn requests_that_wait_for_one_thing_take_no_place_of_those_that_wait_for_another() {
        let budgets = Budgets::new(16);
        let mut held = Vec::new();
        while let Ok(place) = budgets.enter(Budget::Creation) {
            held.push(place);
        }
        assert_eq!(held.len(), 8);
        assert!(budgets.enter(Budget::Poll).is_ok() && budgets.enter(Budget::File).is_ok());
        held.pop();
        assert!(budgets.enter(Budget::Creation).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_creation_waits_for_others_only_so_long() {
        let budgets = Budgets::new(16);
        let mut held = Vec::new();
        for _ in 0..CREATIONS {
            held.push(budgets.create().await.unwrap());
        }
        assert!(matches!(budgets.create().await, Err(ApiError::Busy)));
        let (next, ()) = tokio::join!(budgets.create(), async { drop(held.pop()) });
        assert!(next.is_ok());
    }
}
