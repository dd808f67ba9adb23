//! Makes the Jobs and claims of a cache as objects. Called by `apply.rs`; nothing is created here.

use std::collections::BTreeMap;

use asu_core::{
    plan::{PopulatePlan, paths},
    quantity::Quantity,
};
use asu_crds::{CachePlace, ImageBuilderCache, labels};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{
            Container, PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod, ResourceRequirements,
            VolumeResourceRequirements,
        },
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{Resource, ResourceExt};

use super::validate::Validated;
use crate::{
    pods::{
        PodJob, TRUSTED_USER, claim, image_volume, mount, plan_mount, quantities, restricted,
        scratch,
    },
    settings::Settings,
};

/// Name of the container of populate and prune pods, and component label of populate pods.
pub const CONTAINER: &str = "populate";
/// Annotation of a build's Job: folder of the tree that it mounts.
pub const TREE_ANNOTATION: &str = "asu.dev/tree";
/// Annotation of a Job: folder of the tree that it replaces or removes.
pub const REPLACES_ANNOTATION: &str = "asu.dev/replaces";
/// Component label of Jobs that remove trees.
const PRUNE: &str = "prune";

/// Seconds added to the program's own limit before Kubernetes ends a populate pod, for scheduling
/// and pulling its image.
const DEADLINE_SLACK: i64 = 900;
/// Maximum time for removing a tree, in seconds.
const PRUNE_SECONDS: i64 = 1800;
/// Size of the scratch volume of a populate pod, in bytes. The tarball is stored on the claim.
const SCRATCH: u64 = 256 << 20;

/// Whether a Job is a prune Job, which removes a tree.
pub fn is_prune(job: &Job) -> bool {
    is_component(job, PRUNE)
}

/// Whether a pod is a populate pod, which fills a tree.
pub fn is_populate(pod: &Pod) -> bool {
    is_component(pod, CONTAINER)
}

fn is_component(object: &impl ResourceExt, name: &str) -> bool {
    object.labels().get(labels::COMPONENT).is_some_and(|component| component == name)
}

fn owner(cache: &ImageBuilderCache) -> OwnerReference {
    cache.controller_owner_ref(&()).unwrap_or_default()
}

/// The Job that fills a tree.
///
/// # Errors
/// Never in practice: a plan is always JSON.
pub fn populate_job(
    name: &str,
    cache: &ImageBuilderCache,
    place: &CachePlace,
    plan: &PopulatePlan,
    replaces: Option<&str>,
    settings: &Settings,
) -> Result<Job, serde_json::Error> {
    let mut tree = mount("imagebuilder", paths::IMAGE_BUILDER, false);
    tree.sub_path = Some(place.sub_path.clone());
    let mut mounts = vec![plan_mount(), tree, mount("tmp", "/tmp", false)];
    let mut volumes = vec![claim("imagebuilder", &place.claim_name), scratch("tmp", SCRATCH)];
    if let Some(image) = &plan.image {
        mounts.push(mount("image", paths::IMAGE, true));
        volumes.push(image_volume("image", &image.reference, &image.pull_policy));
    }
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(plan.builder_image.clone()),
        args: Some(vec!["populate".to_owned()]),
        security_context: Some(restricted(TRUSTED_USER)),
        resources: Some(resources("250m", "128Mi", "1Gi")),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let mut annotations = BTreeMap::from([(TREE_ANNOTATION.to_owned(), place.sub_path.clone())]);
    annotations.extend(replaces.map(|tree| (REPLACES_ANNOTATION.to_owned(), tree.to_owned())));
    let seconds = i64::try_from(plan.seconds).unwrap_or(i64::MAX);
    let job = PodJob {
        name: name.to_owned(),
        component: CONTAINER,
        labels: vec![(labels::CACHE, cache.name_any())],
        annotations,
        owner: owner(cache),
        plan: serde_json::to_string(plan)?,
        containers: vec![container],
        volumes,
        deadline: seconds.saturating_add(DEADLINE_SLACK),
        grace: 30,
        failure_policy: None,
        own_volumes: true,
        settings,
    };
    Ok(job.into_job())
}

/// The Job that removes one folder of a claim: a tree, or all trees of a cache. `folder` is a name
/// that the operator made, of plain characters, so it is safe as an argument.
pub fn prune_job(
    name: &str,
    cache: &ImageBuilderCache,
    claim_name: &str,
    folder: &str,
    settings: &Settings,
) -> Job {
    let root = "/asu/cache";
    // The marker is removed first: an incomplete tree must not be taken for a complete one.
    let gone = [format!("{root}/{folder}/{}", paths::MARKER), format!("{root}/{folder}")];
    let arguments = ["rm", "-rf", "--one-file-system", "--"].map(str::to_owned);
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(settings.pods.builder_image.clone()),
        command: Some(arguments.into_iter().chain(gone).collect()),
        security_context: Some(restricted(TRUSTED_USER)),
        resources: Some(resources("50m", "32Mi", "256Mi")),
        volume_mounts: Some(vec![mount("cache", root, false)]),
        ..Container::default()
    };
    let job = PodJob {
        name: name.to_owned(),
        component: PRUNE,
        labels: vec![(labels::CACHE, cache.name_any())],
        annotations: [(REPLACES_ANNOTATION.to_owned(), folder.to_owned())].into(),
        owner: owner(cache),
        plan: "{}".to_owned(),
        containers: vec![container],
        volumes: vec![claim("cache", claim_name)],
        deadline: PRUNE_SECONDS,
        grace: 30,
        failure_policy: None,
        own_volumes: true,
        settings,
    };
    job.into_job()
}

fn resources(cpu: &str, memory: &str, most: &str) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(quantities(&[("cpu", cpu), ("memory", memory)])),
        limits: Some(quantities(&[("memory", most)])),
        claims: None,
    }
}

/// The claim of a cache in the mode `perCache`.
pub fn own_claim(
    cache: &ImageBuilderCache,
    valid: &Validated,
    settings: &Settings,
) -> PersistentVolumeClaim {
    // The size of the settings as people wrote it, unless a former claim of that size was full.
    let set = claim_size(settings, valid.claim_bytes);
    let caches = &settings.caches;
    let labels = [
        (labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned()),
        (labels::CACHE.to_owned(), cache.name_any()),
    ];
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(valid.place.claim_name.clone()),
            labels: Some(labels.into()),
            owner_references: Some(vec![owner(cache)]),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![caches.cache_access_mode.clone()]),
            storage_class_name: caches
                .cache_storage_class
                .clone()
                .filter(|class| !class.is_empty()),
            resources: Some(VolumeResourceRequirements {
                requests: Some(quantities(&[("storage", set.as_str())])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

fn claim_size(settings: &Settings, bytes: u64) -> String {
    let set = &settings.caches.cache_size;
    let is_set = set.parse().is_ok_and(|set: Quantity| set.units() == bytes);
    match bytes {
        _ if is_set => set.clone(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}Gi", bytes >> 30),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
