//! `GET /network-profiles/Packages`: the network profiles of a distribution, which LibreMesh Chef offers.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{catalog::Offer, catalog_documents::CatalogDocuments, digest::Digest};
use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};

use super::Snapshot;
use crate::{
    error::{ApiError, Error},
    state::AppState,
};

/// Network profiles
///
/// The packages of the feeds of network profiles, in the format of opkg's package index, with name and
/// version. Without `distro`, of the first distribution that has such feeds. Empty if none has: Chef reads it
/// at every start.
#[utoipa::path(
    method(get, head),
    path = "/network-profiles/Packages",
    tag = "catalog",
    params(("distro" = Option<String>, Query, description = "Name of the distribution, as in a request")),
    responses(
        (status = 200, description = "The packages", body = String, content_type = "text/plain"),
        (status = 400, description = "No such distribution", body = Error<'_>),
        (status = 503, description = "Neither in memory nor in reach", body = Error<'_>),
    )
)]
pub async fn network_profiles_get(
    State(state): State<AppState>,
    Query(query): Query<super::Query>,
) -> Result<Response, ApiError> {
    let indexes = indexes(&*state.catalog.current()?, query.distro.as_deref())?;
    let names = state.parsed.names(indexes).await?;
    let mut packages: Vec<(&str, &str)> = names.packages().collect();
    packages.sort_unstable();
    let entry = |(name, version)| format!("Package: {name}\nVersion: {version}\n\n");
    let text: String = packages.into_iter().map(entry).collect();
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    Ok(response)
}

/// Package indexes of the feeds of network profiles.
fn indexes(catalog: &Snapshot, distro: Option<&str>) -> Result<Vec<Digest>, ApiError> {
    let of = |offer: &Offer, documents: Option<&CatalogDocuments>| {
        documents.map(|documents| of_branches(offer, documents)).unwrap_or_default()
    };
    Ok(if distro.is_some() {
        let distribution = catalog.asked(distro)?;
        of(&distribution.offer, catalog.upstream(distribution))
    } else {
        let all = catalog.catalog().distributions.iter();
        all.map(|distribution| of(&distribution.offer, catalog.upstream(distribution)))
            .find(|indexes| !indexes.is_empty())
            .unwrap_or_default()
    })
}

/// Those of all branches and architectures. Feeds with equal content have one.
fn of_branches(offer: &Offer, documents: &CatalogDocuments) -> Vec<Digest> {
    let all = documents.feeds.values().flat_map(BTreeMap::values).flatten();
    let is_wanted = |name: &str| offer.network_profiles.iter().any(|wanted| wanted == name);
    let digests: BTreeSet<Digest> =
        all.filter(|(name, _)| is_wanted(name)).map(|(_, digest)| *digest).collect();
    digests.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_feeds_of_network_profiles_are_read_and_equal_ones_once() {
        let offer: Offer = serde_json::from_value(serde_json::json!({
            "publicUrl": "", "latest": [], "allowDefaults": true, "maxDefaultsLength": 1,
            "maxRootfsSizeMb": 1, "repositoryAllowList": [], "packageChanges": [], "branches": [],
            "networkProfiles": ["profiles", "profiles_apk"],
        }))
        .unwrap();
        let mut documents = CatalogDocuments::default();
        for (branch, arch, feed, content) in [
            ("24.10", "a", "profiles", "same"),
            ("24.10", "b", "profiles", "same"),
            ("25.12", "a", "profiles_apk", "other"),
            ("24.10", "a", "base", "base"),
        ] {
            let branch = documents.feeds.entry(branch.to_owned()).or_default();
            let arch = branch.entry(arch.to_owned()).or_default();
            arch.insert(feed.to_owned(), Digest::of(content.as_bytes()));
        }
        let found: BTreeSet<_> = of_branches(&offer, &documents).into_iter().collect();
        assert_eq!(found, ["same", "other"].map(|content| Digest::of(content.as_bytes())).into());
    }
}
