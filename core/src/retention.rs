//! Decides which files of archived builds are deleted: expired ones and, when the store fills up, the
//! least useful ones. Called by the operator, which deletes them.
//!
//! Eviction has two steps. Above the high-water mark, stale file sets are evicted until the low-water
//! mark is reached. If that is not enough, fresh public sets are evicted until the store is below the
//! high-water mark: the next request for them starts a build, which is better than no builds at all.
//! Only a store that is still above the pause mark stops admission.

use crate::build_key::BuildKey;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An archived build that still has a log or files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBuild {
    /// uid of its FirmwareBuild.
    pub uid: String,
    /// Folder of its files; several builds may share one.
    pub build_key: Option<BuildKey>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Its stored answer is served until this time.
    pub fresh_until: Timestamp,
    /// Its answer and files are kept until this time.
    pub keep_until: Timestamp,
    /// When one of its files was last sent.
    pub last_served: Option<Timestamp>,
    /// Whether its log and result are still in the store.
    pub has_log: bool,
    /// Whether it has a private first-boot script. Such files are never evicted while they are fresh.
    pub private: bool,
}

/// The files under one build key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSet {
    /// Their folder.
    pub build_key: BuildKey,
    /// Sum of their sizes.
    pub bytes: u64,
}

/// All builds and file sets that retention decides about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Builds that still have a log or files.
    pub builds: Vec<KeptBuild>,
    /// File sets whose deletion has not begun.
    pub sets: Vec<FileSet>,
}

/// Used space and capacity of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Used bytes.
    pub used: u64,
    /// Total number of bytes.
    pub capacity: u64,
}

/// Used space and capacity for the decisions: those that the volume reported, with at most the
/// configured capacity. If the volume reports nothing, the used space is the `recorded` size of the
/// files in the database. `None` when the capacity is unknown.
pub fn space(reported: Option<Space>, configured: Option<u64>, recorded: u64) -> Option<Space> {
    let capacity = configured.filter(|capacity| *capacity > 0);
    match (reported, capacity) {
        (reported, None) => reported,
        (Some(reported), Some(capacity)) => {
            Some(Space { used: reported.used, capacity: capacity.min(reported.capacity) })
        }
        (None, Some(capacity)) => Some(Space { used: recorded, capacity }),
    }
}

/// Whether the store is above the pause mark, so that no build may be admitted.
pub fn is_too_full(space: Space, policy: &RetentionPolicy) -> bool {
    space.used >= percent(space.capacity, policy.pause_percent)
}

/// Settings of retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetentionPolicy {
    /// Time between `keep_until` and the deletion, so that running downloads can end.
    pub grace: SignedDuration,
    /// High-water mark: eviction begins at this percentage of used space.
    pub high_water_percent: u8,
    /// Low-water mark: eviction of stale files ends at this percentage.
    pub low_water_percent: u8,
    /// Pause mark: no build is admitted from this percentage on.
    pub pause_percent: u8,
    /// Fresh files of builds that ended within this time are never evicted, because the requester is
    /// about to download them.
    pub minimum_age: SignedDuration,
    /// Files that were sent within this time are never evicted, because a download may still run.
    pub download: SignedDuration,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_hours(1),
            high_water_percent: 85,
            low_water_percent: 75,
            pause_percent: 95,
            minimum_age: SignedDuration::from_hours(1),
            download: SignedDuration::from_mins(15),
        }
    }
}

/// A file set to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Its folder.
    pub build_key: BuildKey,
    /// Bytes that become free.
    pub bytes: u64,
    /// Latest `keep_until` of the builds that were considered. The files are not deleted if a build
    /// that is kept longer has been archived with them meanwhile.
    pub keep_until: Timestamp,
}

/// Result of [`plan`]: what to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// File sets that are no longer kept.
    pub expired: Vec<Deletion>,
    /// File sets to evict: first stale ones, then fresh ones as a last resort.
    pub evicted: Vec<Deletion>,
    /// uids of the builds whose log and result are no longer kept.
    pub logs: Vec<String>,
}

/// The combined facts of all builds that share a file set: the latest of each time.
#[derive(Clone, Copy)]
struct Use {
    fresh_until: Timestamp,
    keep_until: Timestamp,
    finished_at: Timestamp,
    last_served: Timestamp,
    private: bool,
}

impl Use {
    const NONE: Self = Self {
        fresh_until: Timestamp::MIN,
        keep_until: Timestamp::MIN,
        finished_at: Timestamp::MIN,
        last_served: Timestamp::MIN,
        private: false,
    };

    fn with(self, build: &KeptBuild) -> Self {
        let served = build.last_served.unwrap_or(Timestamp::MIN);
        Self {
            fresh_until: self.fresh_until.max(build.fresh_until),
            keep_until: self.keep_until.max(build.keep_until),
            finished_at: self.finished_at.max(build.finished_at),
            last_served: self.last_served.max(served),
            private: self.private || build.private,
        }
    }

    fn last_used(&self) -> Timestamp {
        self.last_served.max(self.finished_at)
    }

    /// Whether no stored answer with these files is served any more.
    fn is_stale(&self, now: Timestamp) -> bool {
        self.fresh_until <= now
    }

    fn is_being_sent(&self, policy: &RetentionPolicy, now: Timestamp) -> bool {
        within(self.last_served, policy.download, now)
    }

    /// Whether the files may be evicted although they are fresh.
    fn is_last_resort(&self, policy: &RetentionPolicy, now: Timestamp) -> bool {
        !self.private && !within(self.finished_at, policy.minimum_age, now)
    }
}

/// Whether `moment` is less than `span` ago.
fn within(moment: Timestamp, span: SignedDuration, now: Timestamp) -> bool {
    moment.checked_add(span).is_ok_and(|end| end > now)
}

/// Decides what to delete. `space` is absent for a store without a known capacity; then nothing is
/// evicted.
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
        .partition(|(_, usage)| over(usage.keep_until));
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
    }
}

fn uses(builds: &[KeptBuild]) -> BTreeMap<&BuildKey, Use> {
    let mut uses = BTreeMap::new();
    for build in builds {
        if let Some(key) = &build.build_key {
            let entry = uses.entry(key).or_insert(Use::NONE);
            *entry = entry.with(build);
        }
    }
    uses
}

fn deletion((set, usage): (&FileSet, Use)) -> Deletion {
    Deletion { build_key: set.build_key, bytes: set.bytes, keep_until: usage.keep_until }
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
    let high = percent(space.capacity, policy.high_water_percent);
    let mut used = space.used.saturating_sub(freed);
    if used < high {
        return Vec::new();
    }
    held.retain(|(_, usage)| !usage.is_being_sent(policy, now));
    let (mut stale, mut fresh): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|(_, usage)| usage.is_stale(now));
    stale.sort_by_key(|(set, usage)| (usage.last_used(), Reverse(set.bytes)));
    let low = percent(space.capacity, policy.low_water_percent);
    let mut evicted = give_up(stale, &mut used, |used| used > low);
    fresh.retain(|(_, usage)| usage.is_last_resort(policy, now));
    // Files that were never sent are evicted first.
    fresh.sort_by_key(|(set, usage)| (usage.last_served, usage.finished_at, Reverse(set.bytes)));
    evicted.extend(give_up(fresh, &mut used, |used| used >= high));
    evicted
}

/// Selects sets in order while `is_too_much(used)` is true, and subtracts their size from `used`.
fn give_up(
    sets: Vec<(&FileSet, Use)>,
    used: &mut u64,
    is_too_much: impl Fn(u64) -> bool,
) -> Vec<Deletion> {
    let mut given_up = Vec::new();
    for entry in sets {
        if !is_too_much(*used) {
            break;
        }
        *used = used.saturating_sub(entry.0.bytes);
        given_up.push(deletion(entry));
    }
    given_up
}

fn percent(of: u64, percent: u8) -> u64 {
    let share = u128::from(of) * u128::from(percent) / 100;
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Folders below `artifacts/` that no row refers to. Callers leave out what was written lately: a
/// build writes its files before its row exists.
pub fn orphans(found: &BTreeSet<BuildKey>, holdings: &Holdings) -> Vec<BuildKey> {
    let known: BTreeSet<&BuildKey> = holdings.sets.iter().map(|set| &set.build_key).collect();
    found.iter().filter(|key| !known.contains(key)).copied().collect()
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
