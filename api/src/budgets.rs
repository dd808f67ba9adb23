//! Limits how many requests wait at the same time for the database, the API server or the store. Each
//! kind of request has its own budget, and requests that are answered from memory need none. So a
//! dependency that does not respond affects only the requests that need it.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// The look-up and creation of a build.
    Creation,
    /// The look-up of a build by request hash.
    Poll,
    /// The database row and the first bytes of a file.
    File,
    /// The database row and the first bytes of a log.
    Log,
    /// A document of upstream that is not in memory.
    Document,
}

impl Budget {
    /// The divisor of the maximum number of requests. All budgets together are smaller than that
    /// maximum, so that requests that are answered from memory are always possible.
    fn share(self) -> usize {
        match self {
            Self::Creation => 2,
            Self::Poll | Self::File => 8,
            Self::Log | Self::Document => 16,
        }
    }
}

/// Maximum number of concurrent creations, including those of equal requests, which run one after the
/// other. Each holds its request of at most 160 KiB in memory, even if its client has disconnected.
const CREATIONS: usize = 128;
/// Maximum time to wait for other creations.
const CREATION_WITHIN: Duration = Duration::from_secs(8);

/// All budgets of the process.
#[derive(Debug)]
pub struct Budgets {
    creation: Arc<Semaphore>,
    poll: Arc<Semaphore>,
    file: Arc<Semaphore>,
    log: Arc<Semaphore>,
    document: Arc<Semaphore>,
    /// Limits how many of the requests in the budget `creation` create an object.
    creating: Arc<Semaphore>,
}

impl Budgets {
    /// The budgets of a process that handles at most this number of requests at the same time.
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

    /// The semaphore of a budget, for a layer around routes that always wait.
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

    /// Takes a permit of a budget, for requests that are not answered from memory.
    ///
    /// # Errors
    /// [`ApiError::Busy`] when no permit is free. It does not wait.
    pub fn enter(&self, budget: Budget) -> Result<OwnedSemaphorePermit, ApiError> {
        self.semaphore(budget).try_acquire_owned().map_err(|_| ApiError::Busy)
    }

    /// Waits for a permit to create an object. The creation may continue after its client has
    /// disconnected.
    ///
    /// # Errors
    /// [`ApiError::Busy`] when no permit becomes free within eight seconds.
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
    fn all_budgets_together_are_smaller_than_the_maximum_number_of_requests() {
        for requests in [16, 100, 1024] {
            let taken: usize = ALL.iter().map(|budget| requests / budget.share()).sum();
            assert!(taken < requests, "{requests}");
        }
    }

    #[test]
    fn a_full_budget_does_not_affect_other_budgets() {
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
    async fn a_creation_is_refused_when_others_take_too_long() {
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
