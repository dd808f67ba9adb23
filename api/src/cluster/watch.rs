//! The watch of FirmwareBuilds, indexed by request hash. It may lag: what it does not know may
//! exist all the same.

use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use asu_core::{queue_order::is_beyond, request_hash::RequestHash};
use futures::{StreamExt as _, pin_mut};
use jiff::Timestamp;
use kube::Api;
use kube_runtime::{
    WatchStreamExt as _,
    watcher::{self, Event},
};
use tokio::{sync::Notify, time::Instant};

use super::{Entry, entry::SeenBuild, index::Index};
use crate::unknown::Unknown;

/// Objects of one page of the first list: each page is in memory whole, with its package lists.
const PAGE: u32 = 100;

/// Longest wait until the watch shows what was created here.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub struct Watch {
    index: RwLock<Index>,
    synced: AtomicBool,
    /// Seconds since 1970 of the last news.
    heard: AtomicI64,
    /// Told of news.
    news: Notify,
    /// Hashes of which nothing was known a moment ago.
    pub unknown: Unknown,
}

/// A place among the builds that wait, for one that is about to be created: counted until this is
/// dropped, or until the build is known.
pub struct Reservation {
    watch: Arc<Watch>,
    hash: RequestHash,
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
    pub fn reserve(
        self: &Arc<Self>,
        hash: &RequestHash,
        most: usize,
    ) -> Result<Reservation, usize> {
        let mut index = self.write();
        if let Some(waiting) = index.beyond(most) {
            return Err(waiting);
        }
        index.reserved.insert(*hash);
        Ok(Reservation { watch: self.clone(), hash: *hash })
    }

    /// Number of builds that wait, when [`Self::reserve`] would refuse another. Never for a build that
    /// is about to be created: requests for the same are answered with that.
    pub fn is_full_for(&self, hash: &RequestHash, most: usize) -> Option<usize> {
        let index = self.read();
        index.beyond(most).filter(|_| !index.reserved.contains(hash))
    }

    pub(super) async fn follow(&self, builds: Api<SeenBuild>) {
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher::watcher(builds, config).default_backoff();
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => {
                    tracing::warn!(%error, "the watch of FirmwareBuilds failed and is restarted")
                }
            }
        }
    }

    fn take(&self, event: Event<SeenBuild>) {
        self.heard.store(seconds_now(), Ordering::Relaxed);
        let mut index = self.write();
        match event {
            Event::Init => index.begin_listing(),
            Event::InitApply(build) => {
                if let Some(entry) = Entry::of(&build) {
                    index.list(entry);
                }
            }
            Event::InitDone => {
                index.end_listing();
                self.synced.store(true, Ordering::Release);
            }
            Event::Apply(build) => {
                if let Some(entry) = Entry::of(&build) {
                    self.unknown.forget(&entry.hash);
                    index.put(entry);
                }
            }
            Event::Delete(build) => {
                if let Some(entry) = Entry::of(&build) {
                    index.remove(&entry);
                }
            }
        }
        drop(index);
        self.news.notify_waiters();
    }

    /// Waits a moment until the watch shows what was created here. It then shows everything that was
    /// created before, by whomever, so that the place of this build is what it is.
    pub async fn shown(&self, entry: &Entry) {
        let wait = async {
            loop {
                let news = self.news.notified();
                if !self.is_synced() || self.read().shows(entry) {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(SHOWN_WITHIN, wait).await.is_err() {
            tracing::warn!(build = entry.name, "the watch has not delivered a new build in time");
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
        self.unknown.forget(&entry.hash);
        self.write().recent.put(entry, Instant::now());
    }

    /// Marks the build of a hash as one that may have ended, until there is news of it.
    pub fn suspect_archived(&self, hash: &RequestHash) {
        self.unknown.forget(hash);
        self.write().suspect_archived(hash);
    }

    /// The build of a hash, as far as known here.
    pub fn get(&self, hash: &RequestHash) -> Option<Arc<Entry>> {
        self.read().get(hash).cloned()
    }

    /// Number of builds that wait for their turn, those that are being created included.
    pub fn waiting(&self) -> usize {
        self.read().waiting()
    }

    /// Number of builds that are known.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of a waiting build: how many start before it as things stand.
    pub fn place(&self, build: &Entry, now: Timestamp) -> usize {
        self.read().queue().before(&build.waiting(), now)
    }

    /// How many older ones wait, when a build comes too late to be accepted: the operator counts in
    /// the same way, for every replica and for objects made by hand.
    pub fn beyond(&self, build: &Entry, most: usize) -> Option<usize> {
        if build.accepted || !build.waits() {
            return None;
        }
        let earlier = self.read().queue().earlier(&build.waiting());
        is_beyond(earlier, most).then_some(earlier)
    }

    // A panic elsewhere leaves at worst a stale index, which readers expect anyway.
    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of an event is measured where it arrives")]
fn seconds_now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use asu_core::queue_order::Priority;

    use super::*;
    use crate::cluster::entry::tests::entry;

    fn watch(entries: &[Entry]) -> Watch {
        let watch = Watch::default();
        for entry in entries {
            watch.write().put(entry.clone());
        }
        watch
    }

    #[test]
    fn the_place_in_the_queue_counts_whoever_waits_before() {
        let running = Entry { admitted: true, ..entry("running", 0) };
        let low = Entry { priority: Priority::Low, ..entry("low", 1) };
        let high = Entry { priority: Priority::High, ..entry("high", 9) };
        let (first, second) = (entry("first", 2), entry("second", 3));
        let watch = watch(&[running, low.clone(), high.clone(), first.clone(), second.clone()]);
        let now = Timestamp::from_second(10).unwrap();
        let places = [&high, &first, &second, &low].map(|entry| watch.place(entry, now));
        assert_eq!(places, [0, 1, 2, 3]);
        assert_eq!(watch.waiting(), 4);
    }

    #[test]
    fn a_build_that_was_created_here_is_known_before_the_watch_has_it() {
        let old = Entry { archived: true, ..entry("a", 0) };
        let watch = watch(std::slice::from_ref(&old));
        let new = Entry { uid: "new".into(), archived: false, ..old.clone() };
        watch.note(new.clone());
        assert_eq!(watch.get(&old.hash), Some(Arc::new(new)));
        assert_eq!(watch.waiting(), 1);
    }

    #[test]
    fn places_are_given_to_no_more_builds_than_may_wait_and_come_back() {
        let watch = Arc::new(watch(&[entry("a", 0)]));
        let hash = |text: &str| RequestHash::of(text.as_bytes());
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
    fn what_is_beyond_the_bound_is_so_for_every_replica_until_it_is_accepted() {
        let all = ["a", "b", "c", "d"].map(|text| entry(text, 0));
        let mut sequence = 0;
        let all = all.map(|build| {
            sequence += 1;
            Entry { sequence, ..build }
        });
        let watch = watch(&all);
        let beyond = all.each_ref().map(|build| watch.beyond(build, 1));
        assert_eq!(beyond, [None, None, Some(2), Some(3)]);
        let [.., last] = all;
        assert_eq!(watch.beyond(&Entry { accepted: true, ..last.clone() }, 1), None);
        assert_eq!(watch.beyond(&Entry { admitted: true, ..last }, 1), None);
    }

    #[tokio::test]
    async fn whoever_created_a_build_waits_until_the_watch_shows_it_but_not_for_long() {
        let (watch, build) = (Watch::default(), entry("a", 0));
        watch.synced.store(true, Ordering::Release);
        let begun = Instant::now();
        {
            let mut shown = std::pin::pin!(watch.shown(&build));
            assert!(futures::poll!(&mut shown).is_pending());
            watch.write().put(build.clone());
            watch.news.notify_waiters();
            assert!(futures::poll!(&mut shown).is_ready());
        }
        assert!(begun.elapsed() < SHOWN_WITHIN);
        watch.shown(&entry("never", 0)).await;
        assert!(begun.elapsed() >= SHOWN_WITHIN);
    }

    #[test]
    fn a_build_may_be_archived_until_there_is_news_of_it() {
        let (seen, noted) = (entry("a", 0), entry("b", 0));
        let watch = watch(std::slice::from_ref(&seen));
        watch.note(noted.clone());
        for build in [&seen, &noted] {
            assert!(!watch.get(&build.hash).unwrap().maybe_archived);
            watch.suspect_archived(&build.hash);
            assert!(watch.get(&build.hash).unwrap().maybe_archived);
        }
        watch.note(noted.clone());
        assert!(!watch.get(&noted.hash).unwrap().maybe_archived);
    }

    #[test]
    fn what_the_watch_says_of_an_object_beats_what_was_noted_of_it() {
        let noted = entry("a", 0);
        let ended = Entry { archived: true, ..noted.clone() };
        let watch = watch(std::slice::from_ref(&ended));
        watch.note(noted);
        assert_eq!(watch.get(&ended.hash), Some(Arc::new(ended)));
        assert_eq!(watch.waiting(), 0);
    }
}
