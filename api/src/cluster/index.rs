//! Indexes FirmwareBuilds by request hash and by their order in the queue.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use asu_core::{queue_order::QueueOrder, request_hash::RequestHash};
use tokio::time::Instant;

use super::{Entry, recent::Recent};

/// The objects from the watch, and those that this process created or read since.
#[derive(Default)]
pub(super) struct Index {
    builds: HashMap<RequestHash, Arc<Entry>>,
    /// The waiting builds from the watch.
    queue: QueueOrder,
    /// Filled while the watch lists all objects again.
    listing: Option<HashMap<RequestHash, Entry>>,
    pub(super) recent: Recent,
    /// Builds that are about to be created.
    pub(super) reserved: HashSet<RequestHash>,
}

impl Index {
    /// The watch begins to list all objects.
    pub(super) fn begin_listing(&mut self) {
        self.listing = Some(HashMap::new());
    }

    /// Adds an object of the list.
    pub(super) fn list(&mut self, entry: Entry) {
        if let Some(listing) = &mut self.listing {
            listing.insert(entry.hash, entry);
        }
    }

    /// The list is complete and replaces the objects.
    pub(super) fn end_listing(&mut self) {
        let Some(listing) = self.listing.take() else { return };
        self.builds = HashMap::with_capacity(listing.len());
        self.queue = QueueOrder::default();
        for entry in listing.into_values() {
            self.put(entry);
        }
    }

    /// Adds or replaces a build from the watch.
    pub(super) fn put(&mut self, entry: Entry) {
        self.recent.forget(&entry.hash, &entry.uid);
        if entry.is_waiting() {
            self.queue.insert(&entry.waiting());
        } else {
            self.queue.remove(&entry.uid);
        }
        let uid = entry.uid.clone();
        if let Some(before) = self.builds.insert(entry.hash, Arc::new(entry))
            && before.uid != uid
        {
            self.queue.remove(&before.uid);
        }
    }

    /// Removes a deleted build.
    pub(super) fn remove(&mut self, entry: &Entry) {
        self.recent.forget(&entry.hash, &entry.uid);
        self.queue.remove(&entry.uid);
        if self.builds.get(&entry.hash).is_some_and(|build| build.uid == entry.uid) {
            self.builds.remove(&entry.hash);
        }
    }

    /// Marks the build of a hash as possibly archived.
    pub(super) fn mark_maybe_archived(&mut self, hash: &RequestHash) {
        if let Some(entry) = self.builds.get_mut(hash) {
            Arc::make_mut(entry).maybe_archived = true;
        }
        self.recent.mark_maybe_archived(hash);
    }

    /// The newest known build of a hash.
    pub(super) fn get(&self, hash: &RequestHash) -> Option<&Arc<Entry>> {
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

    /// Whether the watch has shown this object, by uid.
    pub(super) fn shows(&self, entry: &Entry) -> bool {
        self.builds.get(&entry.hash).is_some_and(|build| build.uid == entry.uid)
    }

    /// Number of waiting builds, including those that are being created.
    pub(super) fn waiting(&self) -> usize {
        let unseen = |entry: &&Arc<Entry>| {
            let seen = self.builds.get(&entry.hash);
            entry.is_waiting() && seen.is_none_or(|seen| seen.archived && seen.uid != entry.uid)
        };
        let unseen = self.recent.iter(Instant::now()).filter(unseen).count();
        // Created builds are counted by their state.
        let coming = |hash: &&RequestHash| self.get(hash).is_none_or(|build| build.archived);
        let coming = self.reserved.iter().filter(coming).count();
        self.queue.len().saturating_add(unseen).saturating_add(coming)
    }

    /// Number of waiting builds if it exceeds `most`.
    pub(super) fn older_waiting_above(&self, most: usize) -> Option<usize> {
        Some(self.waiting()).filter(|waiting| *waiting > most)
    }

    /// The waiting builds from the watch, in order.
    pub(super) fn queue(&self) -> &QueueOrder {
        &self.queue
    }

    /// Number of builds from the watch.
    pub(super) fn len(&self) -> usize {
        self.builds.len()
    }
}
