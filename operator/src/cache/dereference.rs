//! Observes a cache: its Jobs, pods and claims, and the builds that use it. Reads the watch caches,
//! and the API server only where a watch may lag behind.

use std::{collections::BTreeSet, sync::Arc};

use asu_core::result::{PopulateFailure, PopulateResult};
use asu_crds::{BuildCondition, Distribution, FirmwareBuild, ImageBuilderCache, is_true, labels};
use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{ResourceExt, api::ListParams, runtime::reflector::ObjectRef};

use super::{
    claim::Claims,
    pods::{CONTAINER, REPLACES_ANNOTATION, TREE_ANNOTATION, is_populate, is_prune},
};
use crate::{
    context::Context,
    pods::verdict::{
        JobState, Loss, PodState, begun_at, ended_at, is_over, is_suspended, job_state, pod_state,
        termination_message,
    },
    runtime::owner::is_owned_by,
};

/// A Job that makes or removes trees of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSeen {
    /// Name of the Job.
    pub name: String,
    /// State of the Job, from its conditions.
    pub state: JobState,
    /// Folder of the tree that it makes.
    pub tree: Option<String>,
    /// Folder of the tree that it replaces, or removes.
    pub replaces: Option<String>,
    /// The result in the termination message of its pod, if there is one.
    pub result: Option<PopulateResult>,
    /// State of its pod.
    pub pod: Option<PodState>,
    /// Whether one of its pods may still run.
    pub alive: bool,
    /// When its pod ended.
    pub ended: Option<Timestamp>,
    /// Whether it is suspended: `spec.suspend`.
    pub suspended: bool,
    /// When it was created or last resumed.
    pub begun: Option<Timestamp>,
}

/// Everything that decisions about a cache depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Jobs that fill it.
    pub populates: Vec<JobSeen>,
    /// Jobs that remove trees.
    pub prunes: Vec<JobSeen>,
    /// Whether a populate pod may still run although its Job is gone.
    pub strays: bool,
    /// The claims of its trees.
    pub claims: Claims,
    /// When the newest of the builds that wait for the cache was created.
    pub newest: Option<Timestamp>,
    /// Number of builds that have an active Job on the cache.
    pub users: usize,
    /// Number of builds that refer to the cache and have not ended.
    pub referrers: usize,
    /// When a build last began to use the cache, by its status and the builds.
    pub last_used: Option<Timestamp>,
    /// Trees that Jobs of builds mount.
    pub mounted: BTreeSet<String>,
    /// Whether this process changed the tree that builds use only recently: the watch may not show
    /// yet the Job of a build that mounts the former tree.
    pub switched: bool,
}

/// The cache's Distribution.
pub fn distribution(context: &Context, cache: &ImageBuilderCache) -> Option<Arc<Distribution>> {
    let namespace = &context.settings.namespace;
    let reference = ObjectRef::new(&cache.spec.distribution).within(namespace);
    context.stores.distributions.get(&reference)
}

/// Observes a cache from the watch caches.
pub fn observe(context: &Context, cache: &ImageBuilderCache) -> Observed {
    let name = cache.name_any();
    let uid = cache.uid();
    let stores = &context.stores;
    let of_cache = |job: &Job| job.labels().get(labels::CACHE) == Some(&name);
    let said = cache.status.as_ref().and_then(|status| status.last_used.as_ref());
    let mut observed = Observed { last_used: said.map(|time| time.0), ..Observed::default() };
    for job in stores.jobs.state_filter(of_cache) {
        if job.labels().contains_key(labels::BUILD) {
            if job_state(&job) == JobState::Active
                && let Some(tree) = job.annotations().get(TREE_ANNOTATION)
            {
                observed.mounted.insert(tree.clone());
            }
        } else if is_owned_by(job.as_ref(), uid.as_deref()) {
            let seen = job_seen(&job, &pods_of(context, &job), context.now());
            let kind = if is_prune(&job) { &mut observed.prunes } else { &mut observed.populates };
            kind.push(seen);
        }
    }
    observed.strays = strays(context, &name);
    for build in stores.builds.state_filter(|build| refers(build, &name)) {
        count_use(&mut observed, &context.recent_builds.newest(&build));
    }
    observed
}

fn strays(context: &Context, cache: &str) -> bool {
    let now = context.now();
    let fills = |pod: &Pod| {
        pod.labels().get(labels::CACHE).is_some_and(|name| name == cache)
            && is_populate(pod)
            && !is_over(pod, now)
    };
    let of_none = |pod: &Arc<Pod>| {
        let owner = pod.owner_references().first();
        let reference =
            owner.map(|owner| ObjectRef::new(&owner.name).within(&context.settings.namespace));
        let job = reference.and_then(|reference| context.stores.jobs.get(&reference));
        job.is_none_or(|job| !is_owned_by(pod.as_ref(), job.uid().as_deref()))
    };
    context.stores.pods.state_filter(fills).iter().any(of_none)
}

/// Asks the API server for the expected Job if the watch does not show it.
///
/// # Errors
/// When a request to the API server fails.
pub async fn confirm_job(
    context: &Context,
    cache: &ImageBuilderCache,
    expected: &str,
    observed: &mut Observed,
) -> Result<(), kube::Error> {
    let made = cache.status.as_ref().and_then(|status| status.job_name.as_deref());
    let shown = observed.populates.iter().any(|job| job.name == expected);
    if made != Some(expected) || shown {
        return Ok(());
    }
    let found = context.api::<Job>().get_opt(expected).await?;
    let uid = cache.uid();
    let ours = found.filter(|job| is_owned_by(job, uid.as_deref()));
    observed.populates.extend(ours.map(|job| job_seen(&job, &[], context.now())));
    Ok(())
}

/// Reads the pods of Jobs that ended without a result from the API server: the watch of pods may
/// lag behind that of Jobs, and without the result a finished tree would be discarded.
///
/// # Errors
/// When a request to the API server fails.
pub async fn ask_for_results(
    context: &Context,
    cache: &ImageBuilderCache,
    observed: &mut Observed,
) -> Result<(), kube::Error> {
    let unexplained = |job: &JobSeen| job.state != JobState::Active && job.result.is_none();
    if !observed.populates.iter().any(unexplained) {
        return Ok(());
    }
    let selector = format!("{}={}", labels::CACHE, cache.name_any());
    let found = context.api::<Pod>().list(&ListParams::default().labels(&selector)).await?;
    let pods: Vec<Arc<Pod>> = found.items.into_iter().map(Arc::new).collect();
    for seen in observed.populates.iter_mut().filter(|job| unexplained(job)) {
        let reference = ObjectRef::new(&seen.name).within(&context.settings.namespace);
        let Some(job) = context.stores.jobs.get(&reference) else { continue };
        let uid = job.uid();
        let of_job = |pod: &&Arc<Pod>| is_owned_by(pod.as_ref(), uid.as_deref());
        let pods: Vec<Arc<Pod>> = pods.iter().filter(of_job).cloned().collect();
        *seen = job_seen(&job, &pods, context.now());
    }
    Ok(())
}

fn refers(build: &FirmwareBuild, cache: &str) -> bool {
    let resolved = build.status.as_ref().and_then(|status| status.resolved.as_ref());
    resolved.is_some_and(|resolved| resolved.cache_name == cache)
}

fn count_use(observed: &mut Observed, build: &FirmwareBuild) {
    let Some(status) = &build.status else { return };
    if !status.phase.unwrap_or_default().is_terminal() {
        observed.referrers = observed.referrers.saturating_add(1);
        if is_true(&status.conditions, BuildCondition::Admitted.as_str()) {
            observed.users = observed.users.saturating_add(1);
        } else {
            let came = build.creation_timestamp().map(|time| time.0);
            observed.newest = observed.newest.max(came);
        }
    }
    let began = status.times.as_ref().and_then(|times| times.admitted_at.as_ref());
    observed.last_used = observed.last_used.max(began.map(|time| time.0));
}

fn pods_of(context: &Context, job: &Job) -> Vec<Arc<Pod>> {
    let uid = job.uid();
    context.stores.pods.state_filter(|pod| is_owned_by(pod, uid.as_deref()))
}

fn job_seen(job: &Job, pods: &[Arc<Pod>], now: Timestamp) -> JobSeen {
    let message = pods.iter().find_map(|pod| termination_message(pod, CONTAINER));
    let pod = pods.iter().max_by_key(|pod| pod.creation_timestamp());
    let state = pod.map(|pod| pod_state(pod));
    // The message is parsed defensively, but its content is trusted: our own program wrote it.
    let result = message.and_then(|text| serde_json::from_str(text).ok());
    JobSeen {
        name: job.name_any(),
        state: job_state(job),
        tree: job.annotations().get(TREE_ANNOTATION).cloned(),
        replaces: job.annotations().get(REPLACES_ANNOTATION).cloned(),
        result: result.filter(|result| counts(result, state.as_ref())),
        pod: state,
        alive: pods.iter().any(|pod| !is_over(pod, now)),
        ended: pod.and_then(|pod| ended_at(pod)),
        suspended: is_suspended(job),
        begun: begun_at(job),
    }
}

/// Whether the result of a pod counts. A failure of an OOM-killed container does not, unless it
/// reports the OOM kill itself.
fn counts(result: &PopulateResult, pod: Option<&PodState>) -> bool {
    let killed = matches!(pod, Some(PodState::Lost(Loss::OutOfMemory(_))));
    !killed || matches!(result.failure, None | Some(PopulateFailure::OutOfMemory))
}

/// Why a Job without a result failed: a reason and a sentence.
pub fn loss(job: &JobSeen) -> (&'static str, String) {
    match (&job.pod, job.state) {
        (Some(PodState::Lost(Loss::Evicted(text))), _) => ("Evicted", text.clone()),
        (Some(PodState::Lost(Loss::Disrupted(text))), _) => ("Disrupted", text.clone()),
        (Some(PodState::Lost(Loss::OutOfMemory(container))), _) => (
            "OutOfMemory",
            format!("the container {container} was killed because it ran out of memory"),
        ),
        (Some(PodState::Starting { problem: Some(problem) }), _) => {
            ("NotStarted", format!("{}: {}", problem.reason, problem.message))
        }
        (_, JobState::Deadline) => ("TimedOut", "the pod exceeded the Job's deadline".to_owned()),
        _ => ("Internal", "the pod left no result".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_an_oom_killed_container_does_not_count() {
        let killed = PodState::Lost(Loss::OutOfMemory(CONTAINER.into()));
        let ended = PodState::Ended { codes: vec![] };
        let failed = |failure| PopulateResult::failed(failure, "said");
        let warm_up = failed(PopulateFailure::WarmUpFailed);
        assert!(!counts(&warm_up, Some(&killed)));
        assert!(counts(&warm_up, Some(&ended)));
        assert!(counts(&failed(PopulateFailure::OutOfMemory), Some(&killed)));
        let job = JobSeen {
            name: "j".into(),
            state: JobState::Failed,
            tree: None,
            replaces: None,
            result: None,
            pod: Some(killed),
            alive: false,
            ended: None,
            suspended: false,
            begun: None,
        };
        let said = "the container populate was killed because it ran out of memory";
        assert_eq!(loss(&job), ("OutOfMemory", said.to_owned()));
    }
}
