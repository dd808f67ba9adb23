//! The watch of FirmwareBuilds, indexed by request hash. It may lag: what it does not know may
//! exist all the same.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use asu_core::digest::Sha256Hex;
use asu_crds::FirmwareBuild;
use futures::{StreamExt as _, pin_mut};
use jiff::Timestamp;
use kube::Api;
use kube_runtime::{
    WatchStreamExt as _,
    watcher::{self, Event},
};
use tokio::time::Instant;

use super::{Entry, recent::Recent};

/// Objects of one page of the first list: each page is in memory whole, with its package lists.
const PAGE: u32 = 100;

/// Place of a build in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Builds before it.
    pub position: usize,
}

/// See the module.
#[derive(Default)]
pub struct Watch {
    index: RwLock<Index>,
    synced: AtomicBool,
    /// Seconds since 1970 of the last news.
    heard: AtomicI64,
}

#[derive(Default)]
struct Index {
    builds: HashMap<Sha256Hex, Entry>,
    /// Filled while the objects are listed anew.
    listing: Option<HashMap<Sha256Hex, Entry>>,
    recent: Recent,
    /// Builds that are about to be created.
    reserved: HashSet<Sha256Hex>,
}

impl Index {
    /// The build of a hash, as far as known here.
    fn get(&self, hash: &Sha256Hex) -> Option<&Entry> {
        let seen = self.builds.get(hash);
        match seen {
            Some(entry) if !entry.archived => Some(entry),
            _ => self
                .recent
                .get(hash, Instant::now())
                .filter(|recent| seen.is_none_or(|seen| seen.uid != recent.uid))
                .or(seen),
        }
    }

    fn waiting(&self) -> usize {
        let unseen = |entry: &&Entry| {
            let seen = self.builds.get(&entry.hash);
            entry.waits() && seen.is_none_or(|it| it.archived && it.uid != entry.uid)
        };
        let seen = self.builds.values().filter(|entry| entry.waits()).count();
        let unseen = self.recent.iter(Instant::now()).filter(unseen).count();
        // What was created is counted as what it is.
        let coming = |hash: &&Sha256Hex| self.get(hash).is_none_or(|it| it.archived);
        let coming = self.reserved.iter().filter(coming).count();
        seen.saturating_add(unseen).saturating_add(coming)
    }
}

/// A place among the builds that wait, for one that is about to be created: counted until this is
/// dropped, or until the build is known.
pub struct Reservation {
    watch: Arc<Watch>,
    hash: Sha256Hex,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.watch.write().reserved.remove(&self.hash);
    }
}

impl Watch {
    /// Takes a place for a new build, unless more than `most` builds wait. One look and one act:
    /// however many ask at once, no more than that get one.
    ///
    /// # Errors
    /// The number of builds that wait.
    pub fn reserve(self: &Arc<Self>, hash: &Sha256Hex, most: usize) -> Result<Reservation, usize> {
        let mut index = self.write();
        let waiting = index.waiting();
        if waiting > most {
            return Err(waiting);
        }
        index.reserved.insert(hash.clone());
        Ok(Reservation { watch: self.clone(), hash: hash.clone() })
    }

    pub(super) async fn follow(&self, builds: Api<FirmwareBuild>) {
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher::watcher(builds, config).default_backoff();
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => tracing::warn!(%error, "the watch of FirmwareBuilds broke"),
            }
        }
    }

    fn take(&self, event: Event<FirmwareBuild>) {
        self.heard.store(seconds_now(), Ordering::Relaxed);
        let mut index = self.write();
        match event {
            Event::Init => index.listing = Some(HashMap::new()),
            Event::InitApply(build) => {
                if let (Some(entry), Some(listing)) = (Entry::of(&build), &mut index.listing) {
                    listing.insert(entry.hash.clone(), entry);
                }
            }
            Event::InitDone => {
                if let Some(listing) = index.listing.take() {
                    index.builds = listing;
                }
                drop(index);
                self.synced.store(true, Ordering::Release);
            }
            Event::Apply(build) => {
                if let Some(entry) = Entry::of(&build) {
                    index.recent.forget(&entry.hash, &entry.uid);
                    index.builds.insert(entry.hash.clone(), entry);
                }
            }
            Event::Delete(build) => {
                if let Some(entry) = Entry::of(&build) {
                    index.recent.forget(&entry.hash, &entry.uid);
                    if index.builds.get(&entry.hash).is_some_and(|it| it.uid == entry.uid) {
                        index.builds.remove(&entry.hash);
                    }
                }
            }
        }
    }

    /// Whether every object was listed once.
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// Seconds since the last news; nothing before the first.
    pub fn silent_seconds(&self) -> Option<i64> {
        let heard = self.heard.load(Ordering::Relaxed);
        (heard > 0).then(|| seconds_now().saturating_sub(heard))
    }

    /// Notes what was created or read directly, until the watch has it.
    pub fn note(&self, entry: Entry) {
        self.write().recent.put(entry, Instant::now());
    }

    /// Marks the build of a hash as one that may have ended, until there is news of it.
    pub fn doubt(&self, hash: &Sha256Hex) {
        let mut index = self.write();
        if let Some(entry) = index.builds.get_mut(hash) {
            entry.doubted = true;
        }
        index.recent.doubt(hash);
    }

    /// The build of a hash, as far as known here.
    pub fn get(&self, hash: &Sha256Hex) -> Option<Entry> {
        self.read().get(hash).cloned()
    }

    /// Number of builds that wait for their turn, those that are being created included.
    pub fn waiting(&self) -> usize {
        self.read().waiting()
    }

    /// Number of builds that are known.
    pub fn len(&self) -> usize {
        self.read().builds.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of a waiting build: how many start before it as things stand.
    pub fn place(&self, build: &Entry) -> Waiting {
        let rank = |entry: &Entry| (u8::MAX - entry.priority, entry.created);
        let mine = (rank(build), build.uid.as_str());
        let index = self.read();
        let before = index
            .builds
            .values()
            .filter(|entry| entry.waits() && (rank(entry), entry.uid.as_str()) < mine);
        Waiting { position: before.count() }
    }

    // A panic elsewhere leaves at worst a stale index, which readers expect anyway.
    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "when news came is measured where they come")]
fn seconds_now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::entry::tests::entry;

    fn watch(entries: &[Entry]) -> Watch {
        let watch = Watch::default();
        for entry in entries {
            watch.write().builds.insert(entry.hash.clone(), entry.clone());
        }
        watch
    }

    #[test]
    fn the_place_in_the_queue_counts_whoever_waits_before() {
        let running = Entry { admitted: true, ..entry("running", 0) };
        let low = Entry { priority: 0, ..entry("low", 1) };
        let high = Entry { priority: 2, ..entry("high", 9) };
        let (first, second) = (entry("first", 2), entry("second", 3));
        let watch = watch(&[running, low.clone(), high.clone(), first.clone(), second.clone()]);
        let places = [&high, &first, &second, &low].map(|entry| watch.place(entry).position);
        assert_eq!(places, [0, 1, 2, 3]);
        assert_eq!(watch.waiting(), 4);
    }

    #[test]
    fn a_build_that_was_created_here_is_known_before_the_watch_has_it() {
        let old = Entry { archived: true, ..entry("a", 0) };
        let watch = watch(std::slice::from_ref(&old));
        let new = Entry { uid: "new".into(), archived: false, ..old.clone() };
        watch.note(new.clone());
        assert_eq!(watch.get(&old.hash), Some(new));
        assert_eq!(watch.waiting(), 1);
    }

    #[test]
    fn places_are_given_to_no_more_builds_than_may_wait_and_come_back() {
        let watch = Arc::new(watch(&[entry("a", 0)]));
        let hash = |text: &str| Sha256Hex::of(text.as_bytes());
        let first = watch.reserve(&hash("b"), 2).unwrap();
        let second = watch.reserve(&hash("c"), 2).unwrap();
        assert_eq!(watch.reserve(&hash("d"), 2).err(), Some(3));
        // Created: counted once, with and without its reservation.
        watch.note(entry("b", 1));
        assert_eq!(watch.waiting(), 3);
        drop(first);
        assert_eq!(watch.waiting(), 3);
        // Failed.
        drop(second);
        assert_eq!(watch.waiting(), 2);
        assert!(watch.reserve(&hash("d"), 2).is_ok());
    }

    #[test]
    fn a_place_for_a_build_that_replaces_an_archived_one_counts() {
        let old = Entry { archived: true, ..entry("a", 0) };
        let watch = Arc::new(watch(std::slice::from_ref(&old)));
        let _place = watch.reserve(&old.hash, 0).unwrap();
        assert_eq!(watch.waiting(), 1);
    }

    #[test]
    fn a_build_is_doubted_until_there_is_news_of_it() {
        let (seen, noted) = (entry("a", 0), entry("b", 0));
        let watch = watch(std::slice::from_ref(&seen));
        watch.note(noted.clone());
        for build in [&seen, &noted] {
            assert!(!watch.get(&build.hash).unwrap().doubted);
            watch.doubt(&build.hash);
            assert!(watch.get(&build.hash).unwrap().doubted);
        }
        watch.note(noted.clone());
        assert!(!watch.get(&noted.hash).unwrap().doubted);
    }

    #[test]
    fn what_the_watch_says_of_an_object_beats_what_was_noted_of_it() {
        let noted = entry("a", 0);
        let ended = Entry { archived: true, ..noted.clone() };
        let watch = watch(std::slice::from_ref(&ended));
        watch.note(noted);
        assert_eq!(watch.get(&ended.hash), Some(ended));
        assert_eq!(watch.waiting(), 0);
    }
}
