//! The watch of FirmwareBuilds, indexed by request hash. It may lag behind: a build that it does not
//! know may exist.

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

/// Number of objects in a page of the initial list. A page is in memory with all package lists.
const PAGE: u32 = 100;

/// Maximum time to wait until the watch shows a created build.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// The known FirmwareBuilds.
#[derive(Default)]
pub struct Watch {
    index: RwLock<Index>,
    synced: AtomicBool,
    /// Time of the last event, in seconds since 1970.
    heard: AtomicI64,
    /// Notified of each event.
    news: Notify,
    /// Hashes without a known build.
    pub unknown: Unknown,
}

/// Counts a build that is about to be created as waiting, until this value is dropped or the build is
/// known.
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
    /// Reserves a place in the queue for a new build, unless more than `most` builds wait. It checks and
    /// reserves atomically, so that concurrent calls cannot exceed the limit.
    ///
    /// # Errors
    /// The number of waiting builds.
    pub fn reserve(
        self: &Arc<Self>,
        hash: &RequestHash,
        most: usize,
    ) -> Result<Reservation, usize> {
        let mut index = self.write();
        if let Some(waiting) = index.older_waiting_above(most) {
            return Err(waiting);
        }
        index.reserved.insert(*hash);
        Ok(Reservation { watch: self.clone(), hash: *hash })
    }

    /// Number of waiting builds if [`Self::reserve`] would refuse a build with this hash. `None` if it
    /// is about to be created, because an equal request attaches to that build.
    pub fn is_full_for(&self, hash: &RequestHash, most: usize) -> Option<usize> {
        let index = self.read();
        index.older_waiting_above(most).filter(|_| !index.reserved.contains(hash))
    }

    pub(super) async fn follow(&self, builds: Api<SeenBuild>) {
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher::watcher(builds, config).default_backoff();
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => {
                    tracing::warn!(%error, "the watch of FirmwareBuilds failed and is restarted");
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

    /// Waits until the watch shows a created build, with a time limit. The watch then shows all older
    /// builds, too, so the position of the build is correct.
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

    /// Whether all objects have been listed.
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// Seconds since the last event; `None` before the first.
    pub fn silent_seconds(&self) -> Option<i64> {
        let heard = self.heard.load(Ordering::Relaxed);
        (heard > 0).then(|| seconds_now().saturating_sub(heard))
    }

    /// Remembers a build that was created or read directly, until the watch shows it.
    pub fn note(&self, entry: Entry) {
        self.unknown.forget(&entry.hash);
        self.write().recent.put(entry, Instant::now());
    }

    /// Marks the build of a hash as possibly archived, until its next event.
    pub fn mark_maybe_archived(&self, hash: &RequestHash) {
        self.unknown.forget(hash);
        self.write().mark_maybe_archived(hash);
    }

    /// The newest known build of a hash.
    pub fn get(&self, hash: &RequestHash) -> Option<Arc<Entry>> {
        self.read().get(hash).cloned()
    }

    /// Number of waiting builds, including those that are being created.
    pub fn waiting(&self) -> usize {
        self.read().waiting()
    }

    /// Number of known builds.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether no build is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of a waiting build: the number of builds that start before it.
    pub fn place(&self, build: &Entry, now: Timestamp) -> usize {
        self.read().queue().before(&build.waiting(), now)
    }

    /// Number of older waiting builds, if they are more than `most` and the build is not accepted yet.
    /// The operator decides by the same number whether a build fails with `QueueFull`.
    pub fn older_waiting_above(&self, build: &Entry, most: usize) -> Option<usize> {
        if build.accepted || !build.is_waiting() {
            return None;
        }
        let earlier = self.read().queue().earlier(&build.waiting());
        is_beyond(earlier, most).then_some(earlier)
    }

    // After a panic elsewhere, the index may be outdated, which readers expect anyway.
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
    fn the_position_is_the_number_of_builds_that_start_earlier() {
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
    fn a_created_build_is_known_before_the_watch_shows_it() {
        let old = Entry { archived: true, ..entry("a", 0) };
        let watch = watch(std::slice::from_ref(&old));
        let new = Entry { uid: "new".into(), archived: false, ..old.clone() };
        watch.note(new.clone());
        assert_eq!(watch.get(&old.hash), Some(Arc::new(new)));
        assert_eq!(watch.waiting(), 1);
    }

    #[test]
    fn reservations_do_not_exceed_the_limit_and_are_released() {
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
    fn a_reservation_counts_although_an_archived_build_has_the_same_hash() {
        let old = Entry { archived: true, ..entry("a", 0) };
        let watch = Arc::new(watch(std::slice::from_ref(&old)));
        let _place = watch.reserve(&old.hash, 0).unwrap();
        assert_eq!(watch.waiting(), 1);
    }

    #[test]
    fn builds_beyond_the_limit_are_the_youngest_that_are_not_accepted() {
        let all = ["a", "b", "c", "d"].map(|text| entry(text, 0));
        let mut sequence = 0;
        let all = all.map(|build| {
            sequence += 1;
            Entry { sequence, ..build }
        });
        let watch = watch(&all);
        let beyond = all.each_ref().map(|build| watch.older_waiting_above(build, 1));
        assert_eq!(beyond, [None, None, Some(2), Some(3)]);
        let [.., last] = all;
        assert_eq!(watch.older_waiting_above(&Entry { accepted: true, ..last.clone() }, 1), None);
        assert_eq!(watch.older_waiting_above(&Entry { admitted: true, ..last }, 1), None);
    }

    #[tokio::test]
    async fn a_creation_waits_until_the_watch_shows_the_build_with_a_time_limit() {
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
    fn a_build_is_possibly_archived_until_its_next_event() {
        let (seen, noted) = (entry("a", 0), entry("b", 0));
        let watch = watch(std::slice::from_ref(&seen));
        watch.note(noted.clone());
        for build in [&seen, &noted] {
            assert!(!watch.get(&build.hash).unwrap().maybe_archived);
            watch.mark_maybe_archived(&build.hash);
            assert!(watch.get(&build.hash).unwrap().maybe_archived);
        }
        watch.note(noted.clone());
        assert!(!watch.get(&noted.hash).unwrap().maybe_archived);
    }

    #[test]
    fn the_state_from_the_watch_replaces_a_remembered_state() {
        let noted = entry("a", 0);
        let ended = Entry { archived: true, ..noted.clone() };
        let watch = watch(std::slice::from_ref(&ended));
        watch.note(noted);
        assert_eq!(watch.get(&ended.hash), Some(Arc::new(ended)));
        assert_eq!(watch.waiting(), 0);
    }
}
