//! The catalog in memory. It is loaded from the database again whenever its revision has changed.

pub mod arch_index_get;
pub mod branches_get;
pub mod documents;
mod encoding;
mod etag;
pub mod latest_get;
pub mod network_profiles_get;
mod one_profile;
pub mod overview_get;
pub mod parsed;
pub mod profile_get;
pub mod schema;
pub mod target_index_get;
pub mod upstream;
mod version_at;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use asu_core::{
    catalog::Distribution, catalog_documents::CatalogDocuments, profile_pool::ProfilePool,
};
use asu_store::model::Catalog;

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
    catalog: Catalog,
    /// Documents by distribution.
    rendered: BTreeMap<String, Rendered>,
}

/// The documents of a revision of a distribution.
#[derive(Clone, Debug)]
struct Rendered {
    revision: i64,
    documents: Arc<Documents>,
}

impl Snapshot {
    /// The distribution that a request names, or the default one if it names none.
    ///
    /// # Errors
    /// [`ApiError::Refused`] if the name is not offered, [`ApiError::Away`] if there is no default.
    pub fn asked(&self, name: Option<&str>) -> Result<&Distribution, ApiError> {
        let all = &self.catalog.distributions;
        let Some(name) = name else {
            return match (self.catalog.distribution(&self.default), all.as_slice()) {
                (Some(default), _) => Ok(default),
                (None, [only]) => Ok(only),
                (None, _) => Err(ApiError::Away(CATALOG)),
            };
        };
        self.catalog.distribution(name).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            ApiError::Refused(format!("Unsupported distro: {shown}"))
        })
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
        let rendered = self.rendered.get(&self.asked(name)?.name).ok_or(ApiError::Internal)?;
        Ok(rendered.documents.get(which))
    }

    /// References of a distribution to documents of upstream.
    pub fn upstream(&self, distribution: &Distribution) -> Option<&CatalogDocuments> {
        self.catalog.documents.get(&distribution.name).map(|documents| &**documents)
    }

    /// The whole catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

/// The catalog in memory.
#[derive(Debug)]
pub struct CatalogCache {
    default: String,
    contact: String,
    current: ArcSwapOption<Snapshot>,
    /// Shares equal devices between versions.
    pub pool: ProfilePool,
}

impl CatalogCache {
    /// Creates a cache that is empty until the first load.
    pub fn new(settings: &Settings) -> Self {
        Self {
            default: settings.default_distribution.clone(),
            contact: settings.contact.clone(),
            current: ArcSwapOption::empty(),
            pool: ProfilePool::default(),
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

    /// Replaces the state with the catalog of the database. Documents of distributions that have not
    /// changed are not rendered again.
    ///
    /// # Errors
    /// When a document cannot be written as JSON. Then the former state stays.
    pub fn replace(&self, catalog: Catalog) -> Result<(), ApiError> {
        let former = self.current.load_full();
        let rendered = catalog.distributions.iter().map(|distribution| {
            let name = &distribution.name;
            let same = |known: &&Rendered| known.revision == distribution.revision;
            let known = former.as_ref().and_then(|former| former.rendered.get(name)).filter(same);
            let rendered = match known {
                Some(known) => known.clone(),
                None => Rendered {
                    revision: distribution.revision,
                    documents: Arc::new(Documents::of(distribution, &self.contact)?),
                },
            };
            Ok((name.clone(), rendered))
        });
        let snapshot = Snapshot {
            revision: catalog.revision,
            default: self.default.clone(),
            rendered: rendered.collect::<Result<_, ApiError>>()?,
            catalog,
        };
        tracing::info!(
            revision = snapshot.revision,
            distributions = snapshot.catalog.distributions.len(),
            "took over the catalog"
        );
        self.current.store(Some(Arc::new(snapshot)));
        drop(former);
        self.pool.drop_unused();
        Ok(())
    }
}
