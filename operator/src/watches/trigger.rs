//! Triggers reconciliations: maps watch events to the objects that depend on them. A replica that
//! does not lead has no open queue, so nothing accumulates.

use std::sync::{Mutex, PoisonError};

use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache, labels};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{Resource, ResourceExt, runtime::reflector::ObjectRef};

use super::{Change, Listener, Stores};
use crate::build::Pending;

/// The sender to the queue of one controller, while that runs. The controller merges requests for
/// the same object.
#[derive(Debug)]
pub struct Trigger<K: Resource<DynamicType = ()>>(Mutex<Option<UnboundedSender<ObjectRef<K>>>>);

impl<K: Resource<DynamicType = ()>> Default for Trigger<K> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: Resource<DynamicType = ()>> Trigger<K> {
    /// Requests a reconciliation of an object.
    pub fn wake(&self, name: &str, namespace: &str) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            // The receiver is closed only during shutdown.
            let _ = sender.unbounded_send(ObjectRef::new(name).within(namespace));
        }
    }

    /// Opens the queue.
    pub fn open(&self) -> UnboundedReceiver<ObjectRef<K>> {
        let (sender, receiver) = unbounded();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Closes the queue; the controller ends after its running reconciliations.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The kinds that the operator reconciles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Distribution.
    Distribution,
    /// ImageBuilderCache.
    Cache,
    /// FirmwareBuild.
    Build,
}

/// Callback with the kind and uid of a deleted object.
type Gone = Box<dyn Fn(Kind, &str) + Send + Sync>;

/// The queues of all controllers, and the rules which event triggers which object.
pub struct Triggers {
    namespace: String,
    gone: Mutex<Option<Gone>>,
    /// The waiting builds, for the maximum of their number.
    pub pending: Pending,
    /// Queue of the Distributions.
    pub distributions: Trigger<Distribution>,
    /// Queue of the ImageBuilderCaches.
    pub caches: Trigger<ImageBuilderCache>,
    /// Queue of the FirmwareBuilds.
    pub builds: Trigger<FirmwareBuild>,
}

impl Triggers {
    /// Triggers for the objects of a namespace.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            gone: Mutex::new(None),
            pending: Pending::default(),
            distributions: Trigger::default(),
            caches: Trigger::default(),
            builds: Trigger::default(),
        }
    }

    /// Sets the callback for deleted objects.
    pub fn on_gone(&self, told: impl Fn(Kind, &str) + Send + Sync + 'static) {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(told));
    }

    /// Calls the callback if the change is a deletion. Returns whether it was called.
    fn tell_gone<K: ResourceExt>(&self, kind: Kind, change: &Change<'_, K>) -> bool {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let (Change::Gone(object), Some(told)) = (change, &*gone) else { return false };
        told(kind, &object.uid().unwrap_or_default());
        true
    }

    /// Closes all queues; controllers end after their running reconciliations.
    pub fn close(&self) {
        self.distributions.close();
        self.caches.close();
        self.builds.close();
    }

    /// Triggers one build.
    pub fn build(&self, name: &str) {
        self.builds.wake(name, &self.namespace);
    }

    /// Triggers one cache.
    pub fn cache(&self, name: &str) {
        self.caches.wake(name, &self.namespace);
    }

    /// Triggers one distribution.
    pub fn distribution(&self, name: &str) {
        self.distributions.wake(name, &self.namespace);
    }

    /// Triggers every object in the stores, when leading begins.
    pub fn everything(&self, stores: &Stores) {
        for object in stores.distributions.state() {
            self.distribution(&object.name_any());
        }
        for object in stores.caches.state() {
            self.cache(&object.name_any());
        }
        for object in stores.builds.state() {
            self.build(&object.name_any());
        }
    }

    /// Triggers the objects that the labels of a Job or pod name.
    fn parents(&self, child: &impl ResourceExt) {
        let labels = child.labels();
        if let Some(build) = labels.get(labels::BUILD) {
            self.build(build);
        } else if let Some(cache) = labels.get(labels::CACHE) {
            self.cache(cache);
        }
    }
}

fn object<'a, K>(change: &Change<'a, K>) -> &'a K {
    match change {
        Change::Present(object) | Change::Gone(object) => object,
    }
}

fn is_child_of(object: &Distribution, name: &str) -> bool {
    object.spec.parent.as_ref().is_some_and(|parent| parent.distribution == name)
}

impl Listener<Distribution> for Triggers {
    fn changed(&self, stores: &Stores, change: &Change<'_, Distribution>) {
        let name = object(change).name_any();
        self.tell_gone(Kind::Distribution, change);
        self.distribution(&name);
        // What these distributions offer comes from the catalog of their parent.
        for child in stores.distributions.state_filter(|object| is_child_of(object, &name)) {
            self.distribution(&child.name_any());
        }
        // Whether these caches can be filled depends on the Distribution.
        for cache in stores.caches.state_filter(|cache| cache.spec.distribution == name) {
            self.cache(&cache.name_any());
        }
    }
}

impl Listener<ImageBuilderCache> for Triggers {
    fn changed(&self, stores: &Stores, change: &Change<'_, ImageBuilderCache>) {
        let name = object(change).name_any();
        self.tell_gone(Kind::Cache, change);
        self.cache(&name);
        let waits = |build: &FirmwareBuild| {
            build.status.as_ref().is_some_and(|status| {
                let phase = status.phase.unwrap_or_default();
                let cache = status.resolved.as_ref().map(|resolved| resolved.cache_name.as_str());
                !phase.is_terminal() && cache == Some(name.as_str())
            })
        };
        for build in stores.builds.state_filter(waits) {
            self.build(&build.name_any());
        }
    }
}

impl Listener<FirmwareBuild> for Triggers {
    fn changed(&self, stores: &Stores, change: &Change<'_, FirmwareBuild>) {
        self.pending.observe(change);
        if self.tell_gone(Kind::Build, change) {
            return;
        }
        let build = object(change);
        self.build(&build.name_any());
        // A new build makes the next try of a cache that pauses after a failure begin earlier.
        let resolved = build.status.as_ref().and_then(|status| status.resolved.as_ref());
        let Some(cache) = resolved.map(|resolved| resolved.cache_name.as_str()) else { return };
        let found = stores.caches.get(&ObjectRef::new(cache).within(&self.namespace));
        let pauses = |cache: &ImageBuilderCache| cache.status.as_ref()?.retry_at.as_ref().map(drop);
        if found.is_some_and(|found| pauses(&found).is_some()) {
            self.cache(cache);
        }
    }
}

impl Listener<PersistentVolumeClaim> for Triggers {
    fn changed(&self, stores: &Stores, change: &Change<'_, PersistentVolumeClaim>) {
        let claim = object(change).name_any();
        let uses = |cache: &ImageBuilderCache| {
            let place = cache.status.as_ref().and_then(|status| status.place.as_ref());
            place.is_none_or(|place| place.claim_name == claim)
        };
        for cache in stores.caches.state_filter(uses) {
            self.cache(&cache.name_any());
        }
    }
}

impl Listener<Job> for Triggers {
    fn changed(&self, _: &Stores, change: &Change<'_, Job>) {
        self.parents(object(change));
    }
}

impl Listener<Pod> for Triggers {
    fn changed(&self, _: &Stores, change: &Change<'_, Pod>) {
        self.parents(object(change));
    }
}
