//! Makes the Job of one attempt: its plan, containers, volumes and failure policy. Called by
//! `apply.rs`; pure, nothing is created here.

use asu_core::{
    feeds::add_defaults,
    names::PackageSpec,
    package_changes::apply_changes,
    package_edits::apply_edits,
    plan::{BuildLimits, BuildPlan, Feed, PLAN_SCHEMA, Workspace, paths},
    quantity::Quantity,
    request::Request,
    request_hash::RequestHash,
};
use asu_crds::{BadSpec, CachePlace, DistributionSpec, FirmwareBuild, Resolved, labels};
use k8s_openapi::api::{
    batch::v1::{
        Job, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
        PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
    },
    core::v1::{Container, KeyToPath, ResourceRequirements, SecretVolumeSource, Volume},
};
use kube::{Resource, ResourceExt};

use super::memory;
use crate::{
    cache::TREE_ANNOTATION,
    distribution::{package_base_url, public_url},
    pods::{
        BUILD_USER, PodJob, TRUSTED_USER, claim, mount, plan_mount, quantities, restricted, scratch,
    },
    settings::Settings,
};

/// Name of the container that runs the ImageBuilder.
pub const BUILD: &str = "build";
/// Exit code of both containers for a failure that the request caused.
const REQUEST_FAULT: i32 = 42;
/// Seconds added to the build's own limit before Kubernetes ends the pod, for storing its files.
const DEADLINE_SLACK: i64 = 180;
/// Bytes added to the work folder's own limit for the volume's limit: above that the kubelet evicts
/// the pod, and its log is lost.
const WORK_SLACK: u64 = 512 << 20;
/// Size of each volume for temporary files, in bytes.
const TMP: u64 = 64 << 20;

/// What a Job is made from.
pub struct Attempt<'a> {
    /// The whole object.
    pub build: &'a FirmwareBuild,
    /// Its canonical request.
    pub request: &'a Request,
    /// Hash of the request.
    pub hash: &'a RequestHash,
    /// What it was resolved to.
    pub resolved: &'a Resolved,
    /// Its Distribution.
    pub distribution: &'a DistributionSpec,
    /// The Distribution whose ImageBuilder is used, and its name of the version.
    pub base: (&'a DistributionSpec, &'a str),
    /// Feeds besides those of the ImageBuilder.
    pub feeds: Vec<Feed>,
    /// Claim and folder of the tree.
    pub place: &'a CachePlace,
    /// Builder image that the tree was warmed up with: a build runs in the same image.
    pub image: &'a str,
    /// How the build gets a tree that it may write to.
    pub workspace: Workspace,
    /// Number of the attempt, from 1.
    pub number: u32,
    /// Memory limit, if an earlier attempt ran out of memory.
    pub memory: Option<&'a str>,
    /// The operator's settings.
    pub settings: &'a Settings,
}

/// Why no Job can be made.
#[derive(Debug, thiserror::Error)]
pub enum BadAttempt {
    /// The digest of the ImageBuilder is malformed (the schema should not let it through).
    #[error("the digest of the ImageBuilder is malformed")]
    Digest,
    /// A package change or edit of the Distribution is malformed (it was changed since the Distribution was
    /// last checked).
    #[error("the Distribution's {0}")]
    Packages(#[from] BadSpec),
    /// The plan cannot be written as JSON (never in practice).
    #[error("the plan cannot be serialized: {0}")]
    Plan(#[from] serde_json::Error),
}

/// Name of a Job: `fwb-` + 20 characters of the hash + 8 of the uid + the attempt.
pub fn job_name(build: &str, uid: &str, attempt: u32) -> String {
    let hash: String = build.chars().take(24).collect();
    let uid: String = uid.chars().take(8).collect();
    format!("{hash}-{uid}-{attempt}")
}

/// Makes the Job.
///
/// # Errors
/// [`BadAttempt`].
pub fn job(attempt: &Attempt<'_>) -> Result<Job, BadAttempt> {
    let plan = plan(attempt)?;
    let seconds = i64::try_from(plan.limits.seconds).unwrap_or(i64::MAX);
    let start = i64::try_from(attempt.settings.builds.build_start_timeout.as_secs());
    let name = attempt.build.name_any();
    let uid = attempt.build.uid().unwrap_or_default();
    let job = PodJob {
        name: job_name(&name, &uid, attempt.number),
        component: "build",
        labels: vec![(labels::BUILD, name), (labels::CACHE, attempt.resolved.cache_name.clone())],
        annotations: [(TREE_ANNOTATION.to_owned(), attempt.place.sub_path.clone())].into(),
        owner: attempt.build.controller_owner_ref(&()).unwrap_or_default(),
        plan: serde_json::to_string(&plan)?,
        containers: vec![build_container(attempt, &plan), publish_container(attempt, &plan)],
        volumes: volumes(attempt, &plan),
        deadline: seconds.saturating_add(start.unwrap_or(600)).saturating_add(DEADLINE_SLACK),
        grace: 30,
        failure_policy: Some(failure_policy()),
        own_volumes: false,
        settings: attempt.settings,
    };
    Ok(job.into_job())
}

fn plan(attempt: &Attempt<'_>) -> Result<BuildPlan, BadAttempt> {
    let resolved = attempt.resolved;
    let distribution = attempt.distribution;
    let (base, version) = attempt.base;
    let mut changes = base.changes()?;
    let mut edits = base.edits()?;
    if distribution.parent.is_some() {
        changes.extend(distribution.changes()?);
        edits.extend(distribution.edits()?);
    }
    let mut request = attempt.request.clone();
    let defaults = add_defaults(&mut request, &distribution.own_defaults()?);
    let off = base.branch_of(version).and_then(|branch| branch.branch_off_rev);
    let request = apply_changes(request, &changes, &resolved.version_code, off);
    // Rules name versions as the distribution of the ImageBuilder does.
    let own = request.version.clone();
    let mut edited = apply_edits(Request { version: version.to_owned(), ..request }, &edits);
    edited.request.version = own;
    let mut notes = edited.notes();
    if !defaults.is_empty() {
        let names: Vec<&str> = defaults.iter().map(PackageSpec::as_str).collect();
        notes.insert(0, format!("Default packages of the distribution: {}", names.join(" ")));
    }
    Ok(BuildPlan {
        schema: PLAN_SCHEMA,
        uid: attempt.build.uid().unwrap_or_default(),
        attempt: attempt.number,
        request_hash: *attempt.hash,
        notes,
        request: edited.request,
        version_code: resolved.version_code.clone(),
        image_builder: resolved.image_builder_sha256.parse().map_err(|_| BadAttempt::Digest)?,
        builder_image: attempt.image.to_owned(),
        public_url: public_url(base).to_owned(),
        package_base_url: package_base_url(base),
        feeds: attempt.feeds.clone(),
        workspace: attempt.workspace,
        limits: BuildLimits {
            seconds: u64::from(distribution.limits.build_seconds),
            work_bytes: attempt.settings.builds.build_work_bytes,
            ..BuildLimits::default()
        },
    })
}

fn build_container(attempt: &Attempt<'_>, plan: &BuildPlan) -> Container {
    let settings = &attempt.settings.builds;
    let mut tree = mount("imagebuilder", paths::IMAGE_BUILDER, true);
    tree.sub_path = Some(attempt.place.sub_path.clone());
    let mut mounts =
        vec![plan_mount(), tree, mount("work", paths::WORK, false), mount("tmp", "/tmp", false)];
    if plan.request.defaults.is_some() {
        mounts.push(mount("defaults", paths::DEFAULTS, true));
    }
    let memory = memory::share(settings, attempt.memory);
    let limits = [("cpu", settings.build_cpu.as_str()), ("memory", memory.limit.as_str())];
    Container {
        name: BUILD.to_owned(),
        image: Some(attempt.image.to_owned()),
        args: Some(vec!["build".to_owned()]),
        security_context: Some(restricted(BUILD_USER)),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(&[
                ("cpu", at_most("100m", &settings.build_cpu).as_str()),
                ("memory", &memory.request),
            ])),
            limits: Some(quantities(&limits)),
            claims: None,
        }),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

/// The lower of a resource request and its limit: Kubernetes refuses a request above its limit.
fn at_most(request: &str, limit: &str) -> String {
    match (request.parse::<Quantity>(), limit.parse::<Quantity>()) {
        (Ok(wanted), Ok(most)) if wanted > most => limit.to_owned(),
        _ => request.to_owned(),
    }
}

fn publish_container(attempt: &Attempt<'_>, plan: &BuildPlan) -> Container {
    let space = plan.limits.work_bytes.saturating_add(WORK_SLACK).to_string();
    let memory = memory::share(&attempt.settings.builds, attempt.memory);
    let mut tree = mount("imagebuilder", paths::IMAGE_BUILDER, true);
    tree.sub_path = Some(attempt.place.sub_path.clone());
    let mounts = vec![
        plan_mount(),
        tree,
        mount("work", paths::WORK, false),
        mount("store", paths::STORE, false),
        mount("publish-tmp", "/tmp", false),
    ];
    Container {
        name: "publish".to_owned(),
        image: Some(attempt.image.to_owned()),
        args: Some(vec!["publish".to_owned()]),
        security_context: Some(restricted(TRUSTED_USER)),
        resources: Some(ResourceRequirements {
            requests: Some(quantities(&[
                ("cpu", "50m"),
                ("memory", "32Mi"),
                ("ephemeral-storage", "64Mi"),
            ])),
            limits: Some(quantities(&[("memory", &memory.storing), ("ephemeral-storage", &space)])),
            claims: None,
        }),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn volumes(attempt: &Attempt<'_>, plan: &BuildPlan) -> Vec<Volume> {
    let mut volumes = vec![
        claim("imagebuilder", &attempt.place.claim_name),
        claim("store", &attempt.settings.builds.store_claim),
        scratch("work", plan.limits.work_bytes.saturating_add(WORK_SLACK)),
        scratch("tmp", TMP),
        scratch("publish-tmp", TMP),
    ];
    if let Some(defaults) = &attempt.build.spec.request.defaults {
        volumes.push(Volume {
            name: "defaults".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(defaults.secret_name.clone()),
                // Both containers run with the group that could read it; only `build` mounts it.
                default_mode: Some(0o444),
                items: Some(vec![KeyToPath {
                    key: paths::DEFAULTS_KEY.to_owned(),
                    path: paths::DEFAULTS_KEY.to_owned(),
                    mode: None,
                }]),
                optional: Some(false),
            }),
            ..Volume::default()
        });
    }
    volumes
}

/// A disrupted pod fails the Job, and so does a failure that the request caused. Kubernetes must
/// not retry: the operator decides on another attempt, with its number, place and events.
fn failure_policy() -> PodFailurePolicy {
    let disrupted = PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
        }]),
        ..PodFailurePolicyRule::default()
    };
    let request = |container: &str| PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(container.to_owned()),
            operator: "In".to_owned(),
            values: vec![REQUEST_FAULT],
        }),
        ..PodFailurePolicyRule::default()
    };
    PodFailurePolicy { rules: vec![disrupted, request("build"), request("publish")] }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
