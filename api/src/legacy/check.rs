//! Answers devices that ask for upgrades. This is the commonest request: everything that it needs is in
//! memory after the first one for a target.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{Distribution, Version},
    digest::Digest,
    legacy::{check, versions},
    names::TargetName,
};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    error::LegacyError,
    indexes::{Indexes, indexes},
    known_checks::AskedCheck,
    offer,
    respond::json,
};
use crate::{catalog::Snapshot, error::ApiError, state::AppState};

/// Names the check when the answer has no body.
const HASH: HeaderName = HeaderName::from_static("x-request-hash");

/// What a device can be upgraded to.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LegacyUpgrades {
    /// The offered version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Its revision, if upstream rebuilds the version under the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// The packages to ask for, as they are named in the offered version.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Vec<String>>,
    /// The new and the installed version of every package that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrades: Option<BTreeMap<String, [String; 2]>>,
    /// Names this check.
    request_hash: String,
}

impl LegacyUpgrades {
    fn is_nothing(&self) -> bool {
        self.version.is_none() && self.upgrades.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

/// Answers a check.
///
/// # Errors
/// Why it is refused.
pub async fn answer(
    state: &AppState,
    asked: &AskedCheck,
    hash: Digest,
) -> Result<Response, LegacyError> {
    let mut found = upgrades(state, asked).await?;
    found.request_hash = hash.to_string();
    let mut response = if found.is_nothing() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        json(StatusCode::OK, &found)?
    };
    let value = HeaderValue::from_str(&found.request_hash).map_err(|_| ApiError::Internal)?;
    response.headers_mut().insert(HASH, value);
    Ok(response)
}

async fn upgrades(state: &AppState, asked: &AskedCheck) -> Result<LegacyUpgrades, LegacyError> {
    let catalog = state.catalog.current()?;
    let distribution = offer::distribution(&catalog, &asked.distro)?;
    let Some(installed) = &asked.version else {
        let version = offer::latest(distribution).map(str::to_owned);
        return Ok(LegacyUpgrades { version, ..LegacyUpgrades::default() });
    };
    if !versions::is_listed(distribution, installed) {
        let text = format!("unknown version {}", offer::shown(installed));
        return Err(LegacyError::NotOffered(text));
    }
    let present = versions::find(distribution, installed);
    let target = asked.target.as_ref().map(|asked| {
        let name = asked.name.parse::<TargetName>().ok();
        name.filter(|name| is_known(distribution, present, name)).ok_or_else(|| {
            LegacyError::NotOffered(format!("unknown target {}", offer::shown(&asked.name)))
        })
    });
    let target = target.transpose()?;
    let named = present.map_or(installed.as_str(), |version| &version.name);
    let newer = versions::offered(distribution, named, target.as_ref());
    let (Some(target), Some(packages)) = (target, &asked.installed) else {
        let version = newer.map(|version| version.name.clone());
        return Ok(LegacyUpgrades { version, ..LegacyUpgrades::default() });
    };
    // A version that is only listed has no packages to compare with.
    let Some(judged) = newer.or(present) else { return Ok(LegacyUpgrades::default()) };
    let device = Device { catalog: &catalog, distribution, target, packages, asked };
    device.compared(state, judged, newer.is_some()).await
}

/// Whether the device's version has the target. If nothing is known of this version, any other one decides.
fn is_known(distribution: &Distribution, installed: Option<&Version>, target: &TargetName) -> bool {
    let has = |version: &Version| {
        version.ready.contains_key(target) || version.targets.contains_key(target)
    };
    match installed {
        Some(version) => has(version),
        None => distribution.versions.iter().any(|version| has(version)),
    }
}

/// A device that told everything.
struct Device<'a> {
    catalog: &'a Snapshot,
    distribution: &'a Distribution,
    target: TargetName,
    packages: &'a BTreeMap<String, String>,
    asked: &'a AskedCheck,
}

impl Device<'_> {
    /// Compares the device with a version, which is a newer one or its own.
    async fn compared(
        &self,
        state: &AppState,
        version: &Version,
        newer: bool,
    ) -> Result<LegacyUpgrades, LegacyError> {
        let Self { catalog, distribution, target, packages, asked } = self;
        let indexes = indexes(state, catalog, distribution, version, target).await?;
        let names: Vec<String> = packages.keys().cloned().collect();
        let mut wanted = check::transformed(&names, distribution, version, target);
        if let Some(indexes) = &indexes {
            wanted =
                check::installable(&wanted, indexes.available()).map_err(LegacyError::Unknown)?;
        }
        let revision = version.ready.get(target).map(|target| target.version_code.as_str());
        let rebuilt = revision.filter(|revision| {
            let available = indexes.as_ref().map(Indexes::available);
            let said = asked.revision.as_deref();
            version.snapshot && check::is_rebuilt(said, revision, packages, available.as_ref())
        });
        let offered = newer || rebuilt.is_some();
        let compares = offered || asked.upgrade_packages;
        let upgrades = indexes.as_ref().filter(|_| compares).map(|indexes| {
            let available = indexes.available();
            let all = check::upgrades(packages, &available).into_iter();
            all.map(|(name, pair)| (name.to_owned(), pair.map(str::to_owned))).collect()
        });
        Ok(LegacyUpgrades {
            version: offered.then(|| version.name.clone()),
            revision: rebuilt.map(str::to_owned),
            packages: Some(if offered { wanted } else { names }),
            upgrades,
            request_hash: String::new(),
        })
    }
}
