//! The watch of FirmwareBuilds, indexed by request hash. It may lag: what it does not know may
//! exist all the same.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
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
}

impl Watch {
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
        self.heard.store(Timestamp::now().as_second(), Ordering::Relaxed);
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
        (heard > 0).then(|| Timestamp::now().as_second().saturating_sub(heard))
    }

    /// Notes what was created or read directly, until the watch has it.
    pub fn note(&self, entry: Entry) {
        self.write().recent.put(entry, Instant::now());
    }

    /// The build of a hash, as far as known here.
    pub fn get(&self, hash: &Sha256Hex) -> Option<Entry> {
        let index = self.read();
        let seen = index.builds.get(hash);
        match seen {
            Some(entry) if !entry.archived => Some(entry.clone()),
            _ => index
                .recent
                .get(hash, Instant::now())
                .filter(|recent| seen.is_none_or(|seen| seen.uid != recent.uid))
                .or(seen)
                .cloned(),
        }
    }

    /// Number of builds that wait for their turn.
    pub fn waiting(&self) -> usize {
        let index = self.read();
        let unseen = |entry: &&Entry| {
            let seen = index.builds.get(&entry.hash);
            entry.waits() && seen.is_none_or(|it| it.archived && it.uid != entry.uid)
        };
        let unseen = index.recent.iter(Instant::now()).filter(unseen);
        index.builds.values().filter(|entry| entry.waits()).count().saturating_add(unseen.count())
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
    fn what_the_watch_says_of_an_object_beats_what_was_noted_of_it() {
        let noted = entry("a", 0);
        let ended = Entry { archived: true, ..noted.clone() };
        let watch = watch(std::slice::from_ref(&ended));
        watch.note(noted);
        assert_eq!(watch.get(&ended.hash), Some(ended));
        assert_eq!(watch.waiting(), 0);
    }
}
