//! Documents of upstream as values: names and versions of packages, and names and packages of devices. They
//! are parsed at their first use and kept in memory by the digests of their sources, so that nothing is read
//! for the commonest requests of older clients.

use std::{collections::BTreeMap, sync::Arc};

use asu_core::{
    catalog::Title,
    digest::Digest,
    legacy::{device::Titles, package_names::PackageNames},
    names::ProfileId,
};
use asu_store::PgStore;
use moka::{future::Cache, policy::EvictionPolicy};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::upstream::{merged, on_its_own_thread, read, unreadable};
use crate::{
    budgets::{Budget, Budgets},
    error::ApiError,
    held::held_or,
};

/// Maximum memory of all package names, in bytes. The feeds of an architecture need about a megabyte.
const HELD_NAMES: u64 = 32 << 20;
/// Maximum memory of what is known of devices, in bytes. A version with 2,000 devices needs about a
/// megabyte.
const HELD_DEVICES: u64 = 8 << 20;
/// Maximum number of documents that are parsed at the same time.
const AT_A_TIME: usize = 2;
/// Memory of an entry in addition to its texts, in bytes.
const OVERHEAD: usize = 64;

/// What upstream says of the devices of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Packages of every device.
    pub default_packages: Vec<String>,
    /// Packages of each device in addition; with a minus, those that it does not have.
    pub packages: BTreeMap<ProfileId, Vec<String>>,
    /// Display names.
    pub titles: Titles,
}

impl Devices {
    fn bytes(&self) -> usize {
        let texts = |list: &Vec<String>| -> usize {
            list.iter().map(|text| text.len().saturating_add(OVERHEAD)).sum()
        };
        let by_id = |map: &BTreeMap<ProfileId, Vec<String>>| -> usize {
            map.iter().map(|(id, list)| id.as_str().len().saturating_add(texts(list))).sum()
        };
        texts(&self.default_packages)
            .saturating_add(by_id(&self.packages))
            .saturating_add(by_id(&self.titles))
    }
}

/// Parses documents and keeps the values in memory.
pub struct ParsedDocuments {
    names: Cache<Vec<Digest>, Arc<PackageNames>>,
    devices: Cache<Digest, Arc<Devices>>,
    database: PgStore,
    places: Arc<Semaphore>,
    parsing: Semaphore,
}

impl ParsedDocuments {
    /// Uses this database. Nothing is in memory yet.
    pub fn new(database: PgStore, budgets: &Budgets) -> Self {
        let of_names = |_: &Vec<Digest>, names: &Arc<PackageNames>| weight(names.bytes());
        let of_devices = |_: &Digest, devices: &Arc<Devices>| weight(devices.bytes());
        let names = Cache::builder().weigher(of_names).max_capacity(HELD_NAMES);
        let devices = Cache::builder().weigher(of_devices).max_capacity(HELD_DEVICES);
        Self {
            names: names.eviction_policy(EvictionPolicy::lru()).build(),
            devices: devices.eviction_policy(EvictionPolicy::lru()).build(),
            database,
            places: budgets.semaphore(Budget::Document),
            parsing: Semaphore::new(AT_A_TIME),
        }
    }

    /// The packages of these indexes together.
    ///
    /// # Errors
    /// If they are not in memory, and the database is unavailable or too many requests wait for it.
    pub async fn names(&self, indexes: Vec<Digest>) -> Result<Arc<PackageNames>, ApiError> {
        let digests = indexes.clone();
        held_or(&self.names, indexes, &self.places, async {
            let _turn = self.parsing.acquire().await.map_err(|_| ApiError::Internal)?;
            let mut all = Vec::with_capacity(digests.len());
            for digest in &digests {
                all.push(read(&self.database, digest).await?);
            }
            on_its_own_thread(move || Ok(Arc::new(PackageNames::of(&merged(&all)?)))).await
        })
        .await
    }

    /// The devices of a target whose `profiles.json` has this digest.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub async fn devices(&self, profiles: Digest) -> Result<Arc<Devices>, ApiError> {
        held_or(&self.devices, profiles, &self.places, async {
            let _turn = self.parsing.acquire().await.map_err(|_| ApiError::Internal)?;
            let bytes = read(&self.database, &profiles).await?;
            on_its_own_thread(move || devices(&bytes).map(Arc::new).map_err(unreadable)).await
        })
        .await
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
}

/// The fields of a `profiles.json` that are needed.
#[derive(Deserialize)]
struct OfTarget {
    #[serde(default)]
    default_packages: Vec<String>,
    profiles: BTreeMap<String, OfDevice>,
}

#[derive(Deserialize)]
struct OfDevice {
    #[serde(default)]
    titles: Vec<Title>,
    #[serde(default)]
    device_packages: Vec<String>,
}

fn devices(bytes: &[u8]) -> serde_json::Result<Devices> {
    let file: OfTarget = serde_json::from_slice(bytes)?;
    let mut devices = Devices { default_packages: file.default_packages, ..Devices::default() };
    for (id, device) in file.profiles {
        let Ok(id) = id.parse::<ProfileId>() else { continue };
        let titles = device.titles.iter().map(shown).filter(|title| !title.is_empty());
        devices.titles.insert(id.clone(), titles.collect());
        devices.packages.insert(id, device.device_packages);
    }
    Ok(devices)
}

fn shown(title: &Title) -> String {
    title
        .parts()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_packages_of_devices_are_read_and_malformed_ids_are_skipped() {
        let text = br#"{"default_packages":["base-files"],"profiles":{
            "a_b":{"titles":[{"vendor":"Dev","model":"A","variant":"v1"},{"title":"Other"}],
                   "device_packages":["kmod-usb2","-ppp"],"images":[]},
            "../x":{}, "c":{"titles":[{}]}}}"#;
        let devices = devices(text).unwrap();
        let id = |id: &str| id.parse::<ProfileId>().unwrap();
        assert_eq!(devices.default_packages, ["base-files"]);
        assert_eq!(devices.titles[&id("a_b")], ["Dev A v1", "Other"]);
        assert_eq!(devices.packages[&id("a_b")], ["kmod-usb2", "-ppp"]);
        assert_eq!(devices.titles.len(), 2);
        assert!(devices.titles[&id("c")].is_empty());
        assert!(devices.bytes() > 100);
    }
}
