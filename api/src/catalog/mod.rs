//! The catalog in memory. It is loaded from the database again whenever its revision has changed.

pub mod arch_index_get;
pub mod branches_get;
pub mod documents;
mod encoding;
mod etag;
pub mod latest_get;
mod one_profile;
pub mod overview_get;
pub mod profile_get;
pub mod schema;
pub mod target_index_get;
pub mod upstream;
mod version_at;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use asu_core::{catalog::Distribution, catalog_documents::CatalogDocuments};

pub use documents::Document;
pub use etag::{entity_tag, is_known};

use crate::{
    config::Settings,
    error::{ApiError, CATALOG},
};
use documents::Documents;

/// Query of requests about one distribution.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Query {
    /// Name of the distribution; the default one when absent.
    #[serde(default)]
    pub distro: Option<String>,
}

/// One state of the catalog. A request uses the same state from its start to its end.
#[derive(Debug)]
pub struct Snapshot {
    /// Revision of the catalog.
    pub revision: i64,
    default: String,
    distributions: BTreeMap<String, (Distribution, Documents)>,
    /// References to documents of upstream, by distribution.
    upstream: BTreeMap<String, CatalogDocuments>,
}

impl Snapshot {
    /// The distribution that a request names, or the default one if it names none.
    ///
    /// # Errors
    /// [`ApiError::Refused`] if the name is not offered, [`ApiError::Away`] if there is no default.
    pub fn asked(&self, name: Option<&str>) -> Result<&Distribution, ApiError> {
        self.asked_entry(name).map(|(distribution, _)| distribution)
    }

    /// A document of that distribution.
    ///
    /// # Errors
    /// As [`Self::asked`].
    pub fn document(
        &self,
        name: Option<&str>,
        which: Document,
    ) -> Result<&documents::JsonDocument, ApiError> {
        self.asked_entry(name).map(|(_, documents)| documents.get(which))
    }

    /// References of a distribution to documents of upstream.
    pub fn upstream(&self, distribution: &Distribution) -> Option<&CatalogDocuments> {
        self.upstream.get(&distribution.name)
    }

    fn asked_entry(&self, name: Option<&str>) -> Result<&(Distribution, Documents), ApiError> {
        let Some(name) = name else { return self.default_entry() };
        self.distributions.get(name).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            ApiError::Refused(format!("Unsupported distro: {shown}"))
        })
    }

    fn default_entry(&self) -> Result<&(Distribution, Documents), ApiError> {
        let mut all = self.distributions.values();
        match (self.distributions.get(&self.default), all.next(), all.next()) {
            (Some(default), _, _) | (None, Some(default), None) => Ok(default),
            _ => Err(ApiError::Away(CATALOG)),
        }
    }
}

/// The catalog in memory.
#[derive(Debug)]
pub struct CatalogCache {
    default: String,
    contact: String,
    current: ArcSwapOption<Snapshot>,
}

impl CatalogCache {
    /// Creates a cache that is empty until the first load.
    pub fn new(settings: &Settings) -> Self {
        Self {
            default: settings.default_distribution.clone(),
            contact: settings.contact.clone(),
            current: ArcSwapOption::empty(),
        }
    }

    /// Whether it was loaded once.
    pub fn is_loaded(&self) -> bool {
        self.revision().is_some()
    }

    /// Revision in memory.
    pub fn revision(&self) -> Option<i64> {
        self.current.load().as_ref().map(|snapshot| snapshot.revision)
    }

    /// The current state.
    ///
    /// # Errors
    /// Before the first load.
    pub fn current(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.current.load_full().ok_or(ApiError::Away(CATALOG))
    }

    /// Replaces the state with the catalog of the database.
    ///
    /// # Errors
    /// When a document cannot be written as JSON. Then the former state stays.
    pub fn replace(&self, catalog: asu_store::model::Catalog) -> Result<(), ApiError> {
        let distributions = catalog.distributions.into_iter().map(|distribution| {
            let documents = Documents::of(&distribution, &self.contact)?;
            Ok((distribution.name.clone(), (distribution, documents)))
        });
        let snapshot = Snapshot {
            revision: catalog.revision,
            default: self.default.clone(),
            distributions: distributions.collect::<Result<_, ApiError>>()?,
            upstream: catalog.documents,
        };
        tracing::info!(
            revision = snapshot.revision,
            distributions = snapshot.distributions.len(),
            "took over the catalog"
        );
        self.current.store(Some(Arc::new(snapshot)));
        Ok(())
    }
}
