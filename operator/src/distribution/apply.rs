//! Writes the catalog to the database and creates caches. Called by the controller; it decides
//! nothing.

use std::collections::BTreeMap;

use asu_core::catalog_documents::CatalogDocuments;
use asu_crds::{ImageBuilderCache, ImageBuilderCacheSpec, labels};
use asu_store::{StoreError, model::CatalogWrite};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::decide::Decision;
use crate::{context::Context, runtime::patch::is_conflict};

/// Writes the catalog in one transaction. If documents are missing in the database, the next reading
/// reads everything again.
pub async fn catalog(
    context: &Context,
    name: &str,
    decision: &Decision,
    documents: CatalogDocuments,
) -> Result<CatalogWrite, StoreError> {
    let epoch = context.epoch()?;
    let database = &context.database;
    let written = database
        .put_distribution(name, &decision.offer, &decision.versions, documents, epoch)
        .await?;
    if written.changed {
        tracing::info!(distribution = name, revision = written.revision, "the catalog changed");
    }
    if written.missing > 0 {
        let missing = written.missing;
        tracing::warn!(distribution = name, missing, "documents of the catalog are missing");
        context.catalogs.forget_what_was_read(name);
    }
    Ok(written)
}

/// Creates the pinned caches, and unpins those of this distribution that the spec no longer names.
pub async fn pinned(
    context: &Context,
    distribution: &str,
    wanted: &BTreeMap<String, ImageBuilderCacheSpec>,
) -> Result<(), kube::Error> {
    let ours = |cache: &ImageBuilderCache| cache.spec.distribution == distribution;
    let existing = context.stores.caches.state_filter(ours);
    for (name, spec) in wanted {
        match existing.iter().find(|cache| cache.name_any() == *name) {
            Some(cache) if cache.spec.pinned && cache.spec.workspace == spec.workspace => {}
            Some(_) => {
                let wanted = json!({ "pinned": true, "workspace": spec.workspace });
                change(context, name, wanted).await?;
            }
            None => create_cache(context, name, spec).await?,
        }
    }
    // Caches that people created have another managed-by label, or none.
    let stale = existing.iter().filter(|cache| {
        cache.spec.pinned
            && !wanted.contains_key(&cache.name_any())
            && cache.labels().get(labels::MANAGED_BY).is_some_and(|by| by == labels::OPERATOR)
    });
    for cache in stale {
        change(context, &cache.name_any(), json!({ "pinned": false })).await?;
    }
    Ok(())
}

/// Creates those of the caches that do not exist.
pub async fn missing(
    context: &Context,
    wanted: &BTreeMap<String, ImageBuilderCacheSpec>,
) -> Result<(), kube::Error> {
    for (name, spec) in wanted {
        if !context.stores.caches.state().iter().any(|cache| cache.name_any() == *name) {
            create_cache(context, name, spec).await?;
        }
    }
    Ok(())
}

async fn change(context: &Context, name: &str, spec: Value) -> Result<(), kube::Error> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let params = PatchParams {
        field_manager: Some(labels::DISTRIBUTION_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    context.api::<ImageBuilderCache>().patch(name, &params, &patch).await.map(drop)
}

/// Creates a cache. An existing cache of that name is the same, because the name identifies the
/// ImageBuilder.
pub async fn create_cache(
    context: &Context,
    name: &str,
    spec: &ImageBuilderCacheSpec,
) -> Result<(), kube::Error> {
    let mut cache = ImageBuilderCache::new(name, spec.clone());
    cache.labels_mut().insert(labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned());
    cache.finalizers_mut().push(labels::VOLUME_FINALIZER.to_owned());
    let params = PostParams {
        field_manager: Some(labels::DISTRIBUTION_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match context.api::<ImageBuilderCache>().create(&params, &cache).await {
        Ok(_) => Ok(()),
        Err(error) if is_conflict(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
