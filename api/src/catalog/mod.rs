//! What is offered, in memory: read from the database whenever its revision is another.

pub mod branches_get;
pub mod documents;
mod etag;
pub mod latest_get;
pub mod overview_get;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use asu_core::{catalog::Distribution, digest::Sha256Hex};
use asu_store::{
    CatalogRepository as _,
    listen::{CATALOG_CHANNEL, Hint},
};
use futures::{StreamExt as _, stream::BoxStream};

pub use documents::Document;
pub use etag::matches as etag_matches;

use crate::{
    config::Settings,
    error::{ApiError, CATALOG},
    state::AppState,
};
use documents::{Documents, Server};

/// One state of the catalog; requests hold on to the one they began with.
#[derive(Debug)]
pub struct Snapshot {
    /// Revision of the whole.
    pub revision: i64,
    default: String,
    distributions: BTreeMap<String, (Distribution, Documents)>,
}

impl Snapshot {
    /// The distribution of that name.
    pub fn distribution(&self, name: &str) -> Option<&Distribution> {
        self.distributions.get(name).map(|(distribution, _)| distribution)
    }

    /// The distribution of clients that name none: the one of the settings, or the only one.
    ///
    /// # Errors
    /// While there is none.
    pub fn default_distribution(&self) -> Result<&Distribution, ApiError> {
        self.default_entry().map(|(distribution, _)| distribution)
    }

    /// A document of the default distribution.
    ///
    /// # Errors
    /// While there is none.
    pub fn document(&self, which: Document) -> Result<&documents::Rendered, ApiError> {
        self.default_entry().map(|(_, documents)| documents.get(which))
    }

    fn default_entry(&self) -> Result<&(Distribution, Documents), ApiError> {
        let mut all = self.distributions.values();
        match (self.distributions.get(&self.default), all.next(), all.next()) {
            (Some(default), _, _) | (None, Some(default), None) => Ok(default),
            _ => Err(ApiError::Away(CATALOG)),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct CatalogCache {
    default: String,
    contact: String,
    current: RwLock<Option<Arc<Snapshot>>>,
}

impl CatalogCache {
    /// Empty until the first load.
    pub fn new(settings: &Settings) -> Self {
        Self {
            default: settings.default_distribution.clone(),
            contact: settings.contact.clone(),
            current: RwLock::default(),
        }
    }

    /// Whether it was loaded once.
    pub fn is_loaded(&self) -> bool {
        self.revision().is_some()
    }

    /// Revision in memory.
    pub fn revision(&self) -> Option<i64> {
        self.snapshot().map(|snapshot| snapshot.revision)
    }

    /// What is offered at this moment.
    ///
    /// # Errors
    /// Before the first load.
    pub fn current(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.snapshot().ok_or(ApiError::Away(CATALOG))
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what the database holds.
    pub fn replace(&self, catalog: asu_store::model::Catalog) {
        let server = Server { contact: &self.contact };
        let distributions = catalog.distributions.into_iter().map(|distribution| {
            let documents = Documents::of(&distribution, &server);
            (distribution.name.clone(), (distribution, documents))
        });
        let snapshot = Snapshot {
            revision: catalog.revision,
            default: self.default.clone(),
            distributions: distributions.collect(),
        };
        tracing::info!(
            revision = snapshot.revision,
            distributions = snapshot.distributions.len(),
            "took over the catalog"
        );
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }
}

/// Follows the database's hints for ever: the catalog, and builds whose stored answers changed.
pub async fn follow(state: AppState, mut hints: BoxStream<'static, Hint>) {
    while let Some(hint) = hints.next().await {
        match hint {
            Hint::Changed { channel, payload } if channel != CATALOG_CHANNEL => {
                if let Ok(hash) = payload.parse::<Sha256Hex>() {
                    state.answers.forget(&hash);
                    state.cluster.watch.doubt(&hash);
                }
            }
            Hint::Check | Hint::Changed { .. } => reload(&state).await,
        }
    }
}

async fn reload(state: &AppState) {
    let known = state.catalog.revision();
    let loaded = async {
        if known.is_some() && state.database.revision().await.ok() == known {
            return Ok(None);
        }
        state.database.load().await.map(Some)
    };
    match loaded.await {
        Ok(Some(catalog)) => state.catalog.replace(catalog),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "cannot read the catalog; the last one stays"),
    }
}
