//! The devices of a version by their display names, for searches: made at the first search for a version, and
//! kept in memory by the digests of upstream's documents that the names are from.

use std::sync::Arc;

use asu_core::{
    digest::Digest,
    names::{ProfileId, TargetName},
};
use memchr::memmem::Finder;
use moka::{future::Cache, policy::EvictionPolicy};
use tokio::sync::Semaphore;

use crate::{
    budgets::{Budget, Budgets},
    error::ApiError,
    held::held_or,
};

/// Maximum memory of all versions, in bytes. A version with 2,000 devices needs about 300 KB.
const HELD: u64 = 8 << 20;
/// Memory of a device in addition to its texts, in bytes.
const OVERHEAD: usize = 88;

/// A version as its sources were: names of distribution and version, and the document of each target.
pub type Source = (String, String, Vec<(TargetName, Option<Digest>)>);

/// A device, once for each of its display names.
#[derive(Debug)]
pub struct Model {
    /// Its target.
    pub target: TargetName,
    /// Its profile.
    pub profile: ProfileId,
    /// Display name.
    pub title: Box<str>,
    /// The same in lower case.
    lower: Box<str>,
}

impl Model {
    /// A device with one of its display names.
    pub fn new(target: TargetName, profile: ProfileId, title: &str) -> Self {
        Self { target, profile, title: title.into(), lower: title.to_lowercase().into() }
    }
}

/// The devices of versions in memory.
pub struct Models {
    cache: Cache<Source, Arc<[Model]>>,
    places: Arc<Semaphore>,
}

impl Models {
    /// Nothing is in memory yet.
    pub fn new(budgets: &Budgets) -> Self {
        let weight = |_: &Source, models: &Arc<[Model]>| {
            let one = |model: &Model| {
                let names = model.target.as_str().len() + model.profile.as_str().len();
                names + model.title.len() + model.lower.len() + OVERHEAD
            };
            u32::try_from(models.iter().map(one).sum::<usize>()).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().weigher(weight).max_capacity(HELD);
        let cache = cache.eviction_policy(EvictionPolicy::lru()).build();
        Self { cache, places: budgets.semaphore(Budget::Document) }
    }

    /// The devices of a version, from memory or as they are made.
    ///
    /// # Errors
    /// Why they cannot be made.
    pub async fn of(
        &self,
        source: Source,
        make: impl Future<Output = Result<Arc<[Model]>, ApiError>>,
    ) -> Result<Arc<[Model]>, ApiError> {
        held_or(&self.cache, source, &self.places, make).await
    }
}

/// The devices whose display name contains a text in lower case. If there is none, those whose target or
/// profile contains it.
pub fn found<'m>(models: &'m [Model], search: &str) -> Vec<&'m Model> {
    let finder = Finder::new(search.as_bytes());
    let contains = |text: &str| finder.find(text.as_bytes()).is_some();
    let hits: Vec<&Model> = models.iter().filter(|model| contains(&model.lower)).collect();
    if !hits.is_empty() {
        return hits;
    }
    let named = |model: &&Model| {
        let names = [model.target.as_str(), model.profile.as_str()];
        names.iter().any(|name| contains(&name.to_lowercase()))
    };
    models.iter().filter(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_searched_first_and_then_targets_and_profiles() {
        let model = |target: &str, profile: &str, title: &str| {
            Model::new(target.parse().unwrap(), profile.parse().unwrap(), title)
        };
        let models = [
            model("ath79/generic", "acme_a", "Acme Router A"),
            model("ath79/generic", "acme_b", "Acme Router B"),
            model("x86/64", "generic", "Generic PC"),
        ];
        let titles = |search: &str| {
            found(&models, search).iter().map(|model| &*model.title).collect::<Vec<_>>()
        };
        assert_eq!(titles("router b"), ["Acme Router B"]);
        assert_eq!(titles("generic"), ["Generic PC"], "a name wins over a target");
        assert_eq!(titles("ath79"), ["Acme Router A", "Acme Router B"]);
        assert_eq!(titles("acme_b"), ["Acme Router B"]);
        assert_eq!(titles("").len(), 3);
        assert!(titles("%").is_empty() && titles("router c").is_empty());
    }
}
