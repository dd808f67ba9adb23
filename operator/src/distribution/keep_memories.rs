//! Keeps what the leader remembers of its readings in the database, so that the next leader need not
//! download everything again. Called by the controller before and after each reading.

use std::collections::BTreeMap;

use asu_store::{PgStore, StoreError, model::Catalog};
use asu_upstream::Memory;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{memories::Memories, validate::Validated};

fn of_version(version: &str) -> String {
    format!("version {version}")
}

fn of_feeds(branch: &str, arch: &str) -> String {
    format!("feeds {branch} {arch}")
}

/// Takes over what the former leader remembered, once for each distribution. Only what belongs to the
/// present rows of the catalog is taken over.
///
/// # Errors
/// Those of the database.
pub async fn restore(
    database: &PgStore,
    memories: &Memories,
    distribution: &str,
    spec: &Validated,
    rows: &Catalog,
) -> Result<(), StoreError> {
    if memories.is_restored(distribution) {
        return Ok(());
    }
    let mut kept = database.reading_memories(distribution).await?;
    memories.set_restored(distribution);
    let found = (rows.distribution(distribution), rows.documents.get(distribution));
    let (Some(last), Some(documents)) = found else { return Ok(()) };
    for branch in &spec.branches {
        for (name, _) in &branch.versions {
            let version = last.version(name).zip(documents.targets.get(name));
            let (Some((version, documents)), Ok(trust)) = (version, branch.trust_of(name)) else {
                continue;
            };
            if let Some(validators) = parsed(kept.remove(&of_version(name))) {
                let memory = Memory::restored(validators, &trust, version, documents);
                memories.put(distribution, name, memory);
            }
        }
        for (arch, feeds) in documents.feeds.get(&branch.name).into_iter().flatten() {
            let memory = parsed(kept.remove(&of_feeds(&branch.name, arch)));
            let memory: asu_upstream::FeedsMemory = memory.unwrap_or_default();
            memories.put_feeds(distribution, &branch.name, arch, memory.only(Some(feeds)));
        }
    }
    Ok(())
}

/// A memory in an unknown format is ignored: then its documents are read again.
fn parsed<T: DeserializeOwned>(memory: Option<Value>) -> Option<T> {
    serde_json::from_value(memory?).ok()
}

/// Keeps what was remembered of a reading after its catalog was written.
///
/// # Errors
/// Those of the database.
pub async fn keep(
    database: &PgStore,
    memories: &Memories,
    distribution: &str,
    epoch: i64,
) -> Result<(), StoreError> {
    let (versions, feeds) = memories.remembered(distribution);
    let bad = |error: serde_json::Error| StoreError::Conflict(error.to_string());
    let mut kept = BTreeMap::new();
    for (version, memory) in versions {
        let memory = serde_json::to_value(memory.validators()).map_err(bad)?;
        kept.insert(of_version(&version), memory);
    }
    for ((branch, arch), memory) in feeds {
        kept.insert(of_feeds(&branch, &arch), serde_json::to_value(memory).map_err(bad)?);
    }
    database.put_reading_memories(distribution, &kept, epoch).await
}
