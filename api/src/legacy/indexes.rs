//! The packages that a version has for a target, from memory or from the documents of the catalog.

use std::sync::Arc;

use asu_core::{
    catalog::{Distribution, Version},
    digest::Digest,
    legacy::package_names::{Available, PackageNames},
    names::TargetName,
};

use crate::{
    catalog::{Snapshot, parsed::Devices},
    error::ApiError,
    state::AppState,
};

/// The packages of a target.
#[derive(Clone, Debug)]
pub struct Indexes([Arc<PackageNames>; 2]);

impl Indexes {
    /// For the rules.
    pub fn available(&self) -> Available<'_> {
        Available { parts: &self.0 }
    }
}

/// The packages of a target in a version; `None` if its own index or that of its feeds is not known, so that
/// nothing can be said of a package.
///
/// # Errors
/// If they are not in memory, and the database is unavailable.
pub async fn indexes(
    state: &AppState,
    catalog: &Snapshot,
    distribution: &Distribution,
    version: &Version,
    target: &TargetName,
) -> Result<Option<Indexes>, ApiError> {
    let Some(documents) = catalog.upstream(distribution) else { return Ok(None) };
    let of_target = documents.of_target(&version.name, target.as_str());
    let own = of_target.and_then(|documents| documents.packages);
    let arch = version.ready.get(target).map_or("", |target| target.arch.as_str());
    let feeds = documents.of_arch(&version.branch, arch).filter(|feeds| !feeds.is_empty());
    let (Some(own), Some(feeds)) = (own, feeds) else { return Ok(None) };
    let feeds: Vec<Digest> = feeds.values().copied().collect();
    let own = state.parsed.names(vec![own]).await?;
    Ok(Some(Indexes([own, state.parsed.names(feeds).await?])))
}

/// What upstream says of the devices of a target; `None` if it is not known.
///
/// # Errors
/// As [`indexes`].
pub async fn devices(
    state: &AppState,
    catalog: &Snapshot,
    distribution: &Distribution,
    version: &Version,
    target: &TargetName,
) -> Result<Option<Arc<Devices>>, ApiError> {
    let documents = catalog.upstream(distribution);
    let of_target = documents.and_then(|all| all.of_target(&version.name, target.as_str()));
    match of_target {
        Some(documents) => state.parsed.devices(documents.profiles).await.map(Some),
        None => Ok(None),
    }
}
