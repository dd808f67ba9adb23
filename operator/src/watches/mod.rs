//! The watches of the cluster: one for each kind, with a cache that all controllers share. Started
//! by `run.rs` in every replica, so that a new leader starts with filled caches. Nothing is written
//! here.

mod recent;
mod strip;
mod trigger;

use std::{collections::HashSet, fmt::Debug, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt,
        reflector::{self, Store, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache, labels};

pub use recent::Recent;
pub use strip::Strip;
pub use trigger::{Kind, Trigger, Triggers};

/// The caches of all watches.
#[derive(Clone)]
pub struct Stores {
    /// Distributions.
    pub distributions: Store<Distribution>,
    /// ImageBuilderCaches.
    pub caches: Store<ImageBuilderCache>,
    /// FirmwareBuilds, without their package lists.
    pub builds: Store<FirmwareBuild>,
    /// Jobs that the operator created.
    pub jobs: Store<Job>,
    /// Pods of these Jobs.
    pub pods: Store<Pod>,
    /// All claims of the namespace, those of trees among them.
    pub claims: Store<PersistentVolumeClaim>,
}

/// A change of an object.
pub enum Change<'a, K> {
    /// It was created or changed, or exists at a restart of the watch.
    Present(&'a K),
    /// It was deleted.
    Gone(&'a K),
}

/// Called on every change.
pub trait Listener<K>: Send + Sync + 'static {
    /// Called after the store contains the change.
    fn changed(&self, stores: &Stores, change: &Change<'_, K>);
}

/// The process was stopped before a watch was complete.
#[derive(Debug, thiserror::Error)]
#[error("the watch ended before it was complete")]
pub struct WatchEnded;

impl Stores {
    /// Starts all watches. They end when `stop` is cancelled.
    pub fn watch<L>(
        client: &Client,
        namespace: &str,
        listener: &Arc<L>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self
    where
        L: Listener<Distribution>
            + Listener<ImageBuilderCache>
            + Listener<FirmwareBuild>
            + Listener<Job>
            + Listener<Pod>
            + Listener<PersistentVolumeClaim>,
    {
        let (distributions, w1) = reflector::store();
        let (caches, w2) = reflector::store();
        let (builds, w3) = reflector::store();
        let (jobs, w4) = reflector::store();
        let (pods, w5) = reflector::store();
        let (claims, w6) = reflector::store();
        let stores = Self { distributions, caches, builds, jobs, pods, claims };
        let all = watcher::Config::default();
        let ours = all.clone().labels(&format!("{}={}", labels::MANAGED_BY, labels::OPERATOR));
        let watch = Watch { client, namespace, listener, stores: &stores, tasks, stop };
        watch.start(w1, all.clone());
        watch.start(w2, all.clone());
        // All claims are watched: a claim that all caches share has no label of the operator.
        watch.start(w6, all.clone());
        // Small pages save memory: an object may have 100 KiB, and a page is decoded before it is
        // stripped.
        watch.start(w3, all.page_size(100));
        watch.start(w4, ours.clone().page_size(100));
        watch.start(w5, ours.page_size(100));
        stores
    }

    /// Waits until every store has been filled once. Decisions on incomplete stores would start too
    /// many builds.
    ///
    /// # Errors
    /// [`WatchEnded`] when the process stops first.
    pub async fn ready(&self) -> Result<(), WatchEnded> {
        let ended = |_| WatchEnded;
        self.distributions.wait_until_ready().await.map_err(ended)?;
        self.caches.wait_until_ready().await.map_err(ended)?;
        self.builds.wait_until_ready().await.map_err(ended)?;
        self.jobs.wait_until_ready().await.map_err(ended)?;
        self.pods.wait_until_ready().await.map_err(ended)?;
        self.claims.wait_until_ready().await.map_err(ended)
    }
}

struct Watch<'a, L> {
    client: &'a Client,
    namespace: &'a str,
    listener: &'a Arc<L>,
    stores: &'a Stores,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
}

impl<L> Watch<'_, L> {
    fn start<K>(&self, mut writer: Writer<K>, config: watcher::Config)
    where
        K: Strip
            + Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + DeserializeOwned
            + Clone
            + Debug
            + Send
            + Sync
            + 'static,
        L: Listener<K>,
    {
        let api: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), self.namespace);
        let (stores, listener) = (self.stores.clone(), self.listener.clone());
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let events = watcher(api, config).default_backoff();
            let mut events = std::pin::pin!(events);
            while let Some(Some(event)) = stop.run_until_cancelled(events.next()).await {
                match event.map(readable) {
                    Ok(None) => {}
                    Ok(Some(event)) => take(&mut writer, &*listener, &stores, &event),
                    Err(error) => {
                        let kind = K::kind(&());
                        tracing::warn!(%kind, %error, "the watch failed and is restarted");
                    }
                }
            }
        });
    }
}

/// The event with stripped objects. An object that this version cannot parse is left out, so that
/// it does not stop the watch.
fn readable<K>(event: watcher::Event<DeserializeGuard<K>>) -> Option<watcher::Event<K>>
where
    K: Strip + Resource<DynamicType = ()>,
{
    use watcher::Event as E;
    let read = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(mut object) => {
            object.strip();
            Some(object)
        }
        Err(invalid) => {
            let kind = K::kind(&());
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            tracing::error!(%kind, name, error = %invalid.error, "an object cannot be read");
            None
        }
    };
    match event {
        E::Init => Some(E::Init),
        E::InitDone => Some(E::InitDone),
        E::InitApply(object) => read(object).map(E::InitApply),
        E::Apply(object) => read(object).map(E::Apply),
        E::Delete(object) => read(object).map(E::Delete),
    }
}

/// Applies an event to the store, then calls the listener for each change. A new list arrives
/// object by object, and the store replaces its content at the end of it: only then is the listener
/// called, because it reads the store.
fn take<K>(
    writer: &mut Writer<K>,
    listener: &impl Listener<K>,
    stores: &Stores,
    event: &watcher::Event<K>,
) where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    use watcher::Event as E;
    let store = writer.as_reader();
    let before = if matches!(event, E::InitDone) { store.state() } else { Vec::new() };
    writer.apply_watcher_event(event);
    match event {
        E::Apply(object) => listener.changed(stores, &Change::Present(object)),
        E::Delete(object) => listener.changed(stores, &Change::Gone(object)),
        E::Init | E::InitApply(_) => {}
        E::InitDone => {
            let now = store.state();
            let there: HashSet<String> = now.iter().filter_map(|build| build.uid()).collect();
            let gone = |object: &&Arc<K>| object.uid().is_none_or(|uid| !there.contains(&uid));
            for object in before.iter().filter(gone) {
                listener.changed(stores, &Change::Gone(object));
            }
            for object in &now {
                listener.changed(stores, &Change::Present(object));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use asu_crds::examples;

    use super::*;

    /// Records for each change whether the store contained the object at that time.
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Listener<FirmwareBuild> for Told {
        fn changed(&self, stores: &Stores, change: &Change<'_, FirmwareBuild>) {
            let there = |build: &FirmwareBuild| {
                stores.builds.find(|known| known.uid() == build.uid()).is_some()
            };
            let line = match change {
                Change::Present(build) => format!("{} there={}", build.name_any(), there(build)),
                Change::Gone(build) => format!("{} gone there={}", build.name_any(), there(build)),
            };
            self.0.lock().unwrap().push(line);
        }
    }

    fn build(name: &str) -> FirmwareBuild {
        let mut build = examples::build();
        build.metadata.name = Some(name.into());
        build.metadata.namespace = Some("asu".into());
        build.metadata.uid = Some(format!("uid of {name}"));
        build
    }

    #[test]
    fn a_new_list_is_announced_when_the_store_contains_all_of_it() {
        use watcher::Event as E;
        let (builds, mut writer) = reflector::store();
        let stores = Stores {
            distributions: reflector::store().0,
            caches: reflector::store().0,
            builds,
            jobs: reflector::store().0,
            pods: reflector::store().0,
            claims: reflector::store().0,
        };
        let told = Told::default();
        let mut after = |events: Vec<E<FirmwareBuild>>| {
            for event in events {
                take(&mut writer, &told, &stores, &event);
            }
            let mut lines = std::mem::take(&mut *told.0.lock().unwrap());
            lines.sort();
            lines
        };
        let first = vec![E::Init, E::InitApply(build("a")), E::InitApply(build("b")), E::InitDone];
        assert_eq!(after(first), ["a there=true", "b there=true"]);
        assert_eq!(after(vec![E::Apply(build("c"))]), ["c there=true"]);
        assert_eq!(after(vec![E::Init, E::InitApply(build("d"))]), Vec::<String>::new());
        let rest = vec![E::InitApply(build("b")), E::InitDone];
        let told_then =
            ["a gone there=false", "b there=true", "c gone there=false", "d there=true"];
        assert_eq!(after(rest), told_then);
        assert_eq!(after(vec![E::Delete(build("b"))]), ["b gone there=false"]);
    }
}
