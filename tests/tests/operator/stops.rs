//! The operator is killed at each point of the life of a cache: before each of its writes. The next one
//! brings the cache to the same end.

use std::time::Duration;

use asu_crds::{ImageBuilderCache, labels};
use asu_tests::{
    given::{SHARED_CLAIM, StopPoint, World, cache, claim, distribution, plane},
    postgres::TestDatabase,
};
use k8s_openapi::api::{
    batch::v1::Job,
    coordination::v1::Lease,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

/// A part of the life of a cache.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// Its first tree is made, on a claim of its own.
    Populate,
    /// A new tree is made beside the old one, and takes its place.
    Refresh,
    /// The old tree is removed.
    Tidy,
    /// It is deleted because of disuse, with its folder of the shared claim.
    EvictFolder,
    /// It is deleted because of disuse, with its own claim.
    EvictClaim,
}

impl Part {
    fn options(self) -> Vec<&'static str> {
        let mut options = match self {
            Self::EvictFolder | Self::EvictClaim => {
                vec!["--cache-max-idle=1s", "--retention-interval=200ms"]
            }
            _ => vec![],
        };
        if matches!(self, Self::Populate | Self::EvictClaim) {
            options.push("--cache-claim-mode=perCache");
        }
        options
    }

    /// What is there when the part begins.
    async fn prepare(self, world: &World) {
        if self == Self::Populate {
            return;
        }
        let own = self.options().into_iter().filter(|option| option.contains("claim"));
        let operator = world.operator("before", &own.collect::<Vec<_>>()).await;
        world.create(&cache()).await;
        serve(world, async || has_tree(world, None).await).await;
        if self == Self::Tidy {
            ask(world).await;
            serve(world, async || has_tree(world, Some("again")).await).await;
        }
        operator.terminate().await.unwrap();
    }

    /// What causes the part, besides the operator.
    async fn begin(self, world: &World) {
        match self {
            Self::Populate => drop(world.create(&cache()).await),
            Self::Refresh => ask(world).await,
            _ => {}
        }
    }

    async fn is_over(self, world: &World) -> bool {
        match self {
            Self::Populate => has_tree(world, None).await && jobs(world).await.is_empty(),
            Self::Refresh => has_tree(world, Some("again")).await,
            Self::Tidy => jobs(world).await.is_empty(),
            Self::EvictFolder | Self::EvictClaim => stored(world).await.is_none(),
        }
    }
}

async fn ask(world: &World) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"asu.dev/refresh": "again"}}}));
    let api = world.api::<ImageBuilderCache>();
    api.patch(&cache().name_any(), &PatchParams::default(), &patch).await.unwrap();
}

async fn stored(world: &World) -> Option<ImageBuilderCache> {
    world.api().get_opt(&cache().name_any()).await.unwrap()
}

async fn has_tree(world: &World, refresh: Option<&str>) -> bool {
    let status = stored(world).await.and_then(|cache| cache.status).unwrap_or_default();
    status.place.is_some() && status.last_handled_refresh.as_deref() == refresh
}

async fn jobs(world: &World) -> Vec<Job> {
    world.jobs(labels::CACHE).await
}

/// Does what the kubelet and the controllers of Kubernetes do, until `over`.
async fn serve(world: &World, over: impl AsyncFn() -> bool) {
    world
        .until("the end of a part", async || {
            for job in jobs(world).await {
                let ended = job.status.as_ref().is_some_and(|status| status.succeeded.is_some());
                let pod = format!("{}-pod", job.name_any());
                if ended || world.api::<Pod>().get_opt(&pod).await.ok()?.is_some() {
                    continue;
                }
                match job.labels().get(labels::COMPONENT).map(String::as_str) {
                    Some("prune") => {
                        world.pod(&job, "populate", 0, None).await;
                        world.complete(&job).await;
                    }
                    _ => world.populated(&job).await,
                }
            }
            let claims = world.api::<PersistentVolumeClaim>();
            for claim in claims.list(&ListParams::default()).await.ok()? {
                if claim.metadata.deletion_timestamp.is_some() {
                    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                    let _ = claims.patch(&claim.name_any(), &PatchParams::default(), &none).await;
                }
            }
            over().await.then_some(())
        })
        .await;
}

/// Runs a part with an operator that is killed after so many writes, and then another. Returns whether
/// the first was killed before the part was over.
async fn is_stopped(part: Part, writes: usize) -> bool {
    let world = World::on(plane().await, TestDatabase::new().await.unwrap()).await;
    world.create(&distribution()).await;
    world.create(&claim(SHARED_CLAIM)).await;
    part.prepare(&world).await;
    let point = StopPoint::after(writes);
    let killed = world.operator_until("killed", &part.options(), &point).await;
    part.begin(&world).await;
    serve(&world, async || point.is_reached() || part.is_over(&world).await).await;
    let stopped = point.is_reached();
    drop(killed);
    if stopped {
        world.api::<Lease>().delete("asu-operator", &DeleteParams::default()).await.unwrap();
        let _next = world.operator("next", &part.options()).await;
        serve(&world, async || part.is_over(&world).await).await;
    }
    stopped
}

/// Kills the operator before each write of a part, of which there are at least `least`.
async fn at_each_point(part: Part, least: usize) {
    let mut writes = 0;
    while tokio::time::timeout(Duration::from_mins(2), is_stopped(part, writes))
        .await
        .expect("an end")
    {
        writes += 1;
        assert!(writes < 20, "{part:?} has no end");
    }
    assert!(writes >= least, "{part:?} has only {writes} writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_made_although_the_operator_is_killed_before_any_write() {
    at_each_point(Part::Populate, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_refreshed_although_the_operator_is_killed_before_any_write() {
    at_each_point(Part::Refresh, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_tree_is_removed_although_the_operator_is_killed_before_any_write() {
    at_each_point(Part::Tidy, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_evicted_although_the_operator_is_killed_before_any_write() {
    at_each_point(Part::EvictFolder, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_is_evicted_although_the_operator_is_killed_before_any_write() {
    at_each_point(Part::EvictClaim, 3).await;
}
