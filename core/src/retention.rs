//! Which files of archived builds go: those whose last build is no longer kept, and, when the store
//! fills up, those that are cheapest to lose.
//!
//! Eviction has two steps. Above the high-water mark, file sets that answer no request any more go
//! until the low-water mark is reached. When they are not enough, public sets that still answer
//! requests go until the store is below the high-water mark: their next request builds anew, which
//! is better than building nothing at all. Only what is left above the pause mark stops admission.

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
    /// Until then its answer is given again.
    pub fresh_until: Timestamp,
    /// Until then its files are there.
    pub keep_until: Timestamp,
    /// When one of its files was last sent.
    pub last_served: Option<Timestamp>,
    /// Whether its log and result are still in the store.
    pub has_log: bool,
    /// Whether it has a private first-boot script. Nobody else can ask for its image again.
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

/// How full a store is to be taken: as its volume tells, within the capacity that was configured. Of
/// a volume that tells nothing, what the database knows of its files counts. `None`: nobody knows the
/// capacity.
pub fn space(told: Option<Space>, configured: Option<u64>, recorded: u64) -> Option<Space> {
    let capacity = configured.filter(|capacity| *capacity > 0);
    match (told, capacity) {
        (told, None) => told,
        (Some(told), Some(capacity)) => {
            Some(Space { used: told.used, capacity: capacity.min(told.capacity) })
        }
        (None, Some(capacity)) => Some(Space { used: recorded, capacity }),
    }
}

/// Whether no build may start.
pub fn is_too_full(space: Space, policy: &RetentionPolicy) -> bool {
    space.used >= percent(space.capacity, policy.pause_percent)
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
    /// Age below which files that still answer requests are never evicted: whoever asked for them
    /// is about to fetch them.
    pub minimum_age: SignedDuration,
    /// Files that were sent within this time are never evicted: the download may still run.
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
    /// Latest `keep_until` of the builds it was decided on. A build that refers to the files by now
    /// and is kept longer makes the decision void.
    pub keep_until: Timestamp,
}

/// What to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPlan {
    /// File sets whose time is over.
    pub expired: Vec<Deletion>,
    /// File sets that make room: what answers no request any more, then what is the last resort.
    pub evicted: Vec<Deletion>,
    /// Builds whose log and result are no longer kept.
    pub logs: Vec<String>,
}

/// What the builds that share one file set say together.
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

    /// Whether its answer is not given again.
    fn is_stale(&self, now: Timestamp) -> bool {
        self.fresh_until <= now
    }

    fn is_being_sent(&self, policy: &RetentionPolicy, now: Timestamp) -> bool {
        within(self.last_served, policy.download, now)
    }

    /// Whether it may go although its answer is given again.
    fn is_last_resort(&self, policy: &RetentionPolicy, now: Timestamp) -> bool {
        !self.private && !within(self.finished_at, policy.minimum_age, now)
    }
}

/// Whether a moment is less than `span` ago.
fn within(moment: Timestamp, span: SignedDuration, now: Timestamp) -> bool {
    moment.checked_add(span).is_ok_and(|end| end > now)
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

fn deletion((set, it): (&FileSet, Use)) -> Deletion {
    Deletion { build_key: set.build_key, bytes: set.bytes, keep_until: it.keep_until }
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
    // Those that were never sent come first: nobody fetched them.
    fresh.sort_by_key(|(set, usage)| (usage.last_served, usage.finished_at, Reverse(set.bytes)));
    evicted.extend(give_up(fresh, &mut used, |used| used >= high));
    evicted
}

/// Gives up one set after the other for as long as too much is `used`.
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
