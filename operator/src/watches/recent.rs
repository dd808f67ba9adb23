//! Remembers objects as this process last wrote them, until the watch shows that write. A decision
//! on the older object from the store would repeat the write. Used by the controllers of builds and caches, and by the stages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{Resource, ResourceExt};

/// The last response to a write of this process, by uid, until the store contains it.
#[derive(Debug)]
pub struct Recent<K>(Mutex<HashMap<String, Arc<K>>>);

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Resource> Recent<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<K>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the response to a write. A write that removed the last finalizer of a deleted
    /// object is not remembered: the watch may already have reported the deletion, so the entry
    /// would never be removed.
    pub fn record(&self, object: K) {
        let Some(uid) = object.uid() else { return };
        let gone = object.meta().deletion_timestamp.is_some() && object.finalizers().is_empty();
        let mut recent = self.lock();
        if gone {
            recent.remove(&uid);
        } else {
            recent.insert(uid, Arc::new(object));
        }
    }

    /// The newer one of the object in the store and that of the last write.
    pub fn newest(&self, stored: &Arc<K>) -> Arc<K> {
        let Some(uid) = stored.uid() else { return stored.clone() };
        let mut recent = self.lock();
        match recent.get(&uid) {
            Some(ours) if is_newer(&**ours, &**stored) => ours.clone(),
            Some(_) => {
                recent.remove(&uid);
                stored.clone()
            }
            None => stored.clone(),
        }
    }

    /// Forgets a deleted object.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

/// Whether `a` was written after `b`. The resourceVersions of an object are increasing numbers
/// (guaranteed since Kubernetes 1.35, and true in every release); anything else counts as older.
fn is_newer<K: Resource>(a: &K, b: &K) -> bool {
    let version = |object: &K| object.resource_version().and_then(|text| text.parse::<u64>().ok());
    match (version(a), version(b)) {
        (Some(a), Some(b)) => a > b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::*;

    fn object(version: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                uid: Some("u".into()),
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    #[test]
    fn an_object_whose_finalizer_was_removed_is_not_remembered() {
        let recent = Recent::default();
        recent.record(object("10"));
        let mut gone = object("11");
        gone.metadata.deletion_timestamp =
            Some(serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap());
        recent.record(gone);
        assert!(recent.lock().is_empty());
    }

    #[test]
    fn an_own_write_counts_until_the_store_contains_it() {
        let recent = Recent::default();
        recent.record(object("10"));
        let seen = |version| recent.newest(&Arc::new(object(version))).resource_version().unwrap();
        assert_eq!(seen("9"), "10");
        assert_eq!(seen("11"), "11");
        assert_eq!(seen("9"), "9");
    }
}
