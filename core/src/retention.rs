//! Which files of archived builds go: those whose last build is no longer kept, and, when the store
//! fills up, those that nobody asked for longest.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256Hex;

/// An archived build that still has a log or files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBuild {
    /// uid of its FirmwareBuild.
    pub uid: String,
    /// Folder of its files; several builds may share one.
    pub build_key: Option<Sha256Hex>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Until then its answer is given again.
    pub fresh_until: Timestamp,
    /// Until then its files are there.
    pub keep_until: Timestamp,
    /// When one of its files was last sent.
    pub last_served: Option<Timestamp>,
    /// Whether its log and result are still in the store.
    pub has_log: bool,
}

/// The files under one build key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSet {
    /// Their folder.
    pub build_key: Sha256Hex,
    /// Sum of their sizes.
    pub bytes: u64,
}

/// Everything that retention decides on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Builds that still have a log or files.
    pub builds: Vec<KeptBuild>,
    /// File sets that are still there.
    pub sets: Vec<FileSet>,
}

/// How full the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in use.
    pub used: u64,
    /// Bytes in all.
    pub capacity: u64,
}

/// Bounds of retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetentionPolicy {
    /// Time between `keep_until` and the deletion, so that a download that began in time ends.
    pub grace: SignedDuration,
    /// Percentage of the store from which files go before their time.
    pub high_water_percent: u8,
    /// Percentage of the store down to which they go.
    pub low_water_percent: u8,
    /// Percentage of the store from which no build is admitted.
    pub pause_percent: u8,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_hours(1),
            high_water_percent: 85,
            low_water_percent: 75,
            pause_percent: 95,
        }
    }
}

/// A file set to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Its folder.
    pub build_key: Sha256Hex,
    /// Bytes that become free.
    pub bytes: u64,
    /// Latest `keep_until` of the builds it was decided on. A build that refers to the files by now
    /// and is kept longer makes the decision void.
    pub keep_until: Timestamp,
}

/// What to delete, and whether builds may start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// File sets whose time is over.
    pub expired: Vec<Deletion>,
    /// File sets that make room, least recently served first.
    pub evicted: Vec<Deletion>,
    /// Builds whose log and result are no longer kept.
    pub logs: Vec<String>,
    /// Whether the store is too full for another build.
    pub admission_paused: bool,
}

/// What the builds that share one file set say together.
#[derive(Clone, Copy)]
struct Use {
    fresh_until: Timestamp,
    keep_until: Timestamp,
    last_used: Timestamp,
}

impl Use {
    const NONE: Self =
        Self { fresh_until: Timestamp::MIN, keep_until: Timestamp::MIN, last_used: Timestamp::MIN };

    fn with(self, build: &KeptBuild) -> Self {
        let used = build.last_served.unwrap_or(build.finished_at);
        Self {
            fresh_until: self.fresh_until.max(build.fresh_until),
            keep_until: self.keep_until.max(build.keep_until),
            last_used: self.last_used.max(used).max(build.finished_at),
        }
    }
}

/// Decides on everything that is held. `space` is absent for a store without a known capacity.
pub fn plan(
    holdings: &Holdings,
    space: Option<Space>,
    policy: &RetentionPolicy,
    now: Timestamp,
) -> RetentionPlan {
    let over =
        |keep_until: Timestamp| keep_until.checked_add(policy.grace).is_ok_and(|end| end <= now);
    let uses = uses(&holdings.builds);
    let (expired, held): (Vec<_>, Vec<_>) = holdings
        .sets
        .iter()
        .map(|set| (set, uses.get(&set.build_key).copied().unwrap_or(Use::NONE)))
        .partition(|(_, it)| over(it.keep_until));
    let expired: Vec<Deletion> = expired.into_iter().map(deletion).collect();
    let freed = expired.iter().map(|deletion| deletion.bytes).sum();
    RetentionPlan {
        evicted: evict(held, freed, space, policy, now),
        expired,
        logs: holdings
            .builds
            .iter()
            .filter(|build| build.has_log && over(build.keep_until))
            .map(|build| build.uid.clone())
            .collect(),
        admission_paused: space
            .is_some_and(|space| space.used >= percent(space.capacity, policy.pause_percent)),
    }
}

fn uses(builds: &[KeptBuild]) -> BTreeMap<&Sha256Hex, Use> {
    let mut uses = BTreeMap::new();
    for build in builds {
        if let Some(key) = &build.build_key {
            let entry = uses.entry(key).or_insert(Use::NONE);
            *entry = entry.with(build);
        }
    }
    uses
}

fn deletion((set, it): (&FileSet, Use)) -> Deletion {
    Deletion { build_key: set.build_key.clone(), bytes: set.bytes, keep_until: it.keep_until }
}

fn evict(
    mut held: Vec<(&FileSet, Use)>,
    freed: u64,
    space: Option<Space>,
    policy: &RetentionPolicy,
    now: Timestamp,
) -> Vec<Deletion> {
    let Some(space) = space else {
        return Vec::new();
    };
    let mut used = space.used.saturating_sub(freed);
    if used < percent(space.capacity, policy.high_water_percent) {
        return Vec::new();
    }
    let goal = percent(space.capacity, policy.low_water_percent);
    // An answer that is given again must not name files that are gone.
    held.retain(|(_, it)| it.fresh_until <= now);
    held.sort_by_key(|(set, it)| (it.last_used, Reverse(set.bytes)));
    let mut evicted = Vec::new();
    for entry in held {
        if used <= goal {
            break;
        }
        used = used.saturating_sub(entry.0.bytes);
        evicted.push(deletion(entry));
    }
    evicted
}

fn percent(of: u64, percent: u8) -> u64 {
    let share = u128::from(of) * u128::from(percent) / 100;
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Folders below `artifacts/` that no row refers to. Callers leave out what was written lately: a
/// build writes its files before its row exists.
pub fn orphans(found: &BTreeSet<Sha256Hex>, holdings: &Holdings) -> Vec<Sha256Hex> {
    let known: BTreeSet<&Sha256Hex> = holdings.sets.iter().map(|set| &set.build_key).collect();
    found.iter().filter(|key| !known.contains(key)).cloned().collect()
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
