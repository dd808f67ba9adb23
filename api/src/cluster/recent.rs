//! Remembers builds that this process created or read, for as long as the watch may lag behind.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use asu_core::request_hash::RequestHash;
use tokio::time::Instant;

use super::Entry;

const MAX_RECENT: usize = 4096;
const REMEMBERED: Duration = Duration::from_secs(10);

/// Remembered builds, limited in number and time.
#[derive(Default)]
pub(super) struct Recent {
    entries: HashMap<RequestHash, (Instant, Arc<Entry>)>,
    order: VecDeque<(Instant, RequestHash)>,
}

impl Recent {
    /// Remembers an entry.
    pub(super) fn put(&mut self, entry: Entry, now: Instant) {
        self.drop_old(now);
        self.order.push_back((now, entry.hash));
        self.entries.insert(entry.hash, (now, Arc::new(entry)));
    }

    fn drop_old(&mut self, now: Instant) {
        while let Some((at, hash)) = self.order.front() {
            if self.order.len() < MAX_RECENT && now.duration_since(*at) < REMEMBERED {
                break;
            }
            // An entry that was put again later stays.
            if self.entries.get(hash).is_some_and(|(put, _)| put == at) {
                self.entries.remove(hash);
            }
            self.order.pop_front();
        }
    }

    /// The entry of a hash, if it is recent.
    pub(super) fn get(&self, hash: &RequestHash, now: Instant) -> Option<&Arc<Entry>> {
        let (put, entry) = self.entries.get(hash)?;
        (now.duration_since(*put) < REMEMBERED).then_some(entry)
    }

    /// Marks the entry of a hash as possibly archived.
    pub(super) fn mark_maybe_archived(&mut self, hash: &RequestHash) {
        if let Some((_, entry)) = self.entries.get_mut(hash) {
            Arc::make_mut(entry).maybe_archived = true;
        }
    }

    /// All recent entries.
    pub(super) fn iter(&self, now: Instant) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries
            .values()
            .filter(move |(put, _)| now.duration_since(*put) < REMEMBERED)
            .map(|(_, entry)| entry)
    }

    /// Forgets the entry of an object, because the watch has a newer state.
    pub(super) fn forget(&mut self, hash: &RequestHash, uid: &str) {
        if self.entries.get(hash).is_some_and(|(_, entry)| entry.uid == uid) {
            self.entries.remove(hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::entry::tests::entry;

    #[test]
    fn an_entry_is_remembered_for_as_long_as_the_watch_may_lag() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let build = entry("a", 0);
        recent.put(build.clone(), now);
        assert_eq!(recent.get(&build.hash, now).map(AsRef::as_ref), Some(&build));
        assert_eq!(recent.get(&build.hash, now + REMEMBERED), None);
    }

    #[test]
    fn the_number_of_entries_is_limited() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        for n in 0..MAX_RECENT + 100 {
            recent.put(entry(&n.to_string(), 0), now);
        }
        assert!(recent.entries.len() <= MAX_RECENT && recent.order.len() <= MAX_RECENT);
        assert!(recent.get(&entry("4000", 0).hash, now).is_some());
    }

    #[test]
    fn only_an_entry_with_the_same_uid_is_forgotten() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let build = entry("a", 0);
        recent.put(build.clone(), now);
        recent.forget(&build.hash, "another");
        assert!(recent.get(&build.hash, now).is_some());
        recent.forget(&build.hash, &build.uid);
        assert!(recent.get(&build.hash, now).is_none());
    }
}
