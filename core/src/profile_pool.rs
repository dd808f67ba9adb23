//! The devices of targets, in memory once: the versions of a branch have mostly the same devices, so a
//! catalog of hundreds of versions has a few thousand different ones.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::catalog::{Profile, Profiles};

/// Returns equal devices, and equal lists of devices, as the same memory. Clones share the pool. Used by
/// the readers of the database and of the download server.
#[derive(Clone, Debug, Default)]
pub struct ProfilePool(Arc<Mutex<Pooled>>);

#[derive(Debug, Default)]
struct Pooled {
    profiles: HashSet<Arc<Profile>>,
    lists: HashSet<Arc<[Arc<Profile>]>>,
}

impl ProfilePool {
    fn lock(&self) -> MutexGuard<'_, Pooled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list with these devices.
    pub fn list(&self, profiles: impl IntoIterator<Item = Profile>) -> Profiles {
        let mut pooled = self.lock();
        let list: Arc<[Arc<Profile>]> =
            profiles.into_iter().map(|profile| shared(&mut pooled.profiles, profile)).collect();
        if let Some(known) = pooled.lists.get(&list) {
            return Profiles::from(known.clone());
        }
        pooled.lists.insert(list.clone());
        Profiles::from(list)
    }

    /// Frees what only the pool has.
    pub fn drop_unused(&self) {
        let mut pooled = self.lock();
        pooled.lists.retain(|list| Arc::strong_count(list) > 1);
        pooled.profiles.retain(|profile| Arc::strong_count(profile) > 1);
        pooled.lists.shrink_to_fit();
        pooled.profiles.shrink_to_fit();
    }
}

fn shared(known: &mut HashSet<Arc<Profile>>, profile: Profile) -> Arc<Profile> {
    if let Some(known) = known.get(&profile) {
        return known.clone();
    }
    let profile = Arc::new(profile);
    known.insert(profile.clone());
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(ids: &[&str]) -> Vec<Profile> {
        let profile =
            |id: &&str| Profile { id: id.parse().unwrap(), aliases: vec![format!("vendor_{id}")] };
        ids.iter().map(profile).collect()
    }

    #[test]
    fn equal_devices_and_lists_share_their_memory() {
        let pool = ProfilePool::default();
        let (one, same) = (pool.list(profiles(&["a", "b"])), pool.list(profiles(&["a", "b"])));
        let more = pool.list(profiles(&["a", "c"]));
        assert_eq!(one, same);
        assert!(std::ptr::eq(one.as_ptr(), same.as_ptr()));
        assert!(Arc::ptr_eq(&one[0], &more[0]));
        assert_eq!(one.iter().map(|profile| profile.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_nothing_else_has_is_freed() {
        let pool = ProfilePool::default();
        let kept = pool.list(profiles(&["a"]));
        drop(pool.list(profiles(&["b", "a"])));
        pool.drop_unused();
        let pooled = pool.lock();
        assert_eq!((pooled.lists.len(), pooled.profiles.len()), (1, 1));
        assert_eq!(kept[0].id, "a");
    }
}
