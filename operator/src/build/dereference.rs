//! Gathers the facts that decisions depend on. [`facts`] reads only the watch caches and runs in
//! every pass; the other functions call the API server, the database or the artifact store, and are
//! called only when a decision asks for that fact.

use std::sync::Arc;

use asu_artifacts::ArtifactError;
use asu_core::{
    queue_order::is_beyond,
    request_hash::RequestHash,
    result::{BuildResult, MAX_RESULT_BYTES, store_keys},
};
use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache, labels};
use asu_store::StoreError;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, Pod, Secret},
};
use kube::{ResourceExt, core::PartialObjectMeta, runtime::reflector::ObjectRef};

use super::{
    base::Base,
    facts::{CacheFact, Facts, JobFact, Policy, Stored},
    validate::Offered,
};
use crate::{
    cache::{TREE_ANNOTATION, failed_at},
    context::Context,
    distribution::offer,
    pods::verdict::{
        begun_at, ended_at, ending, is_over, is_suspended, job_state, pod_state, was_disrupted,
    },
    runtime::owner::is_owned_by,
    settings::span,
};

/// The facts that the watch caches hold: no call is made.
pub fn facts(context: &Context, build: &FirmwareBuild) -> Facts {
    let status = build.status.clone().unwrap_or_default();
    let cache = status.resolved.as_ref().map(|resolved| cache_fact(context, &resolved.cache_name));
    let now = context.now();
    let annotations = build.annotations();
    Facts {
        deleted: build.metadata.deletion_timestamp.is_some(),
        cancel: build.spec.cancel,
        abandon: annotations
            .get(labels::ABANDON_RECORD)
            .is_some_and(|annotation| annotation == "true"),
        finalizer: build
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == labels::ARCHIVE_FINALIZER),
        created: build.creation_timestamp().map_or(now, |time| time.0),
        jobs: jobs(context, build),
        pods_alive: pods(context, build).iter().any(|pod| !is_over(pod, now)),
        committed: context.followers.is_committed(&build.uid().unwrap_or_default()),
        private: build.spec.request.defaults.is_some(),
        beyond: beyond(context, build),
        cache: cache.unwrap_or(CacheFact::Absent),
        status,
        now,
        policy: policy(context),
        validity: None,
        revision: None,
        stored: None,
        turn: None,
        secret: None,
        unseen_job: None,
    }
}

/// Number of older waiting builds, when it exceeds the maximum. A build that was already accepted
/// is never turned away.
fn beyond(context: &Context, build: &FirmwareBuild) -> Option<usize> {
    let accepted = build.status.as_ref().is_some_and(|status| status.resolved.is_some());
    let earlier = context.triggers.pending.earlier(build);
    (!accepted && is_beyond(earlier, context.settings.builds.max_pending)).then_some(earlier)
}

fn policy(context: &Context) -> Policy {
    let settings = &context.settings.builds;
    Policy {
        start_timeout: span(settings.build_start_timeout),
        defaults_timeout: span(settings.defaults_timeout),
        retry_pause: span(settings.retry_pause),
        ttl_succeeded: span(settings.ttl_succeeded),
        ttl_failed: span(settings.ttl_failed),
    }
}

/// Jobs whose owner is this object, compared by uid: a Job of a former object with the same name
/// does not count.
fn jobs(context: &Context, build: &FirmwareBuild) -> Vec<JobFact> {
    let (name, uid) = (build.name_any(), build.uid());
    let ours = |job: &Job| {
        job.labels().get(labels::BUILD) == Some(&name) && is_owned_by(job, uid.as_deref())
    };
    let found = context.stores.jobs.state_filter(ours);
    found.iter().filter_map(|job| job_fact(context, job)).collect()
}

fn job_fact(context: &Context, job: &Job) -> Option<JobFact> {
    let name = job.name_any();
    let attempt = name.rsplit_once('-')?.1.parse().ok()?;
    let uid = job.uid()?;
    let of_job = |pod: &Pod| is_owned_by(pod, Some(&uid));
    let pods = context.stores.pods.state_filter(of_job);
    let pod = pods.iter().max_by_key(|pod| pod.creation_timestamp());
    let changed = job.status.as_ref().and_then(|status| {
        let conditions = status.conditions.as_ref()?;
        conditions
            .iter()
            .filter_map(|condition| condition.last_transition_time.as_ref())
            .map(|time| time.0)
            .max()
    });
    Some(JobFact {
        attempt,
        state: job_state(job),
        pod: pod.map(|pod| pod_state(pod)),
        // The pod of a resumed Job has the full time to start again.
        created: pod
            .and_then(|pod| pod.creation_timestamp())
            .map(|time| time.0)
            .max(begun_at(job))?,
        suspended: is_suspended(job),
        disrupted: was_disrupted(job),
        ending: pod.and_then(|pod| ending(pod)),
        tree: job.annotations().get(TREE_ANNOTATION).cloned(),
        limits: memory_limits(job),
        ended: pod.and_then(|pod| ended_at(pod)).or(changed),
        deleting: job.metadata.deletion_timestamp.is_some(),
        name,
    })
}

/// Memory limits of a Job's containers.
fn memory_limits(job: &Job) -> Vec<(String, String)> {
    let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let limit = |container: &Container| {
        let limit = container.resources.as_ref()?.limits.as_ref()?.get("memory")?;
        Some((container.name.clone(), limit.0.clone()))
    };
    containers.iter().filter_map(limit).collect()
}

/// Pods of this object, compared by uid, of all attempts.
pub fn pods(context: &Context, build: &FirmwareBuild) -> Vec<Arc<Pod>> {
    let name = build.name_any();
    let short: String = build.uid().unwrap_or_default().chars().take(8).collect();
    let infix = format!("-{short}-");
    context.stores.pods.state_filter(|pod| {
        // The owner of a pod is its Job, which may be gone; the Job's name contains the build's
        // uid.
        pod.labels().get(labels::BUILD) == Some(&name)
            && pod.owner_references().iter().any(|owner| owner.name.contains(&infix))
    })
}

/// The cache as the watch last showed it or this process last wrote it.
pub fn cache(context: &Context, name: &str) -> Option<Arc<ImageBuilderCache>> {
    let reference = ObjectRef::new(name).within(&context.settings.namespace);
    let stored = context.stores.caches.get(&reference)?;
    Some(context.recent_caches.newest(&stored))
}

/// The facts about a cache that decisions depend on.
pub fn cache_fact(context: &Context, name: &str) -> CacheFact {
    let Some(cache) = cache(context, name) else { return CacheFact::Absent };
    if cache.metadata.deletion_timestamp.is_some() {
        return CacheFact::Deleting;
    }
    let status = cache.status.clone().unwrap_or_default();
    let failed_at = failed_at(&status);
    match (status.place, status.builder_image) {
        (Some(place), Some(image)) => {
            CacheFact::Ready { place, image, workspace: cache.spec.workspace.into() }
        }
        _ => CacheFact::NotReady {
            failures: status.failures.unwrap_or_default(),
            failed_at,
            reason: status.reason.unwrap_or_default(),
        },
    }
}

/// The Distribution of a build.
pub fn distribution(context: &Context, name: &str) -> Option<Arc<Distribution>> {
    let reference = ObjectRef::new(name).within(&context.settings.namespace);
    context.stores.distributions.get(&reference)
}

/// What a build is validated against. The bounds come from the current Distribution object; the
/// catalog in the database follows it. While the database is unavailable, a build is still accepted
/// if the API validated it with an ImageBuilder that has a cache.
///
/// # Errors
/// When the catalog cannot be read and no cache exists for the ImageBuilder of the build.
pub async fn offered(context: &Context, build: &FirmwareBuild) -> Result<Offered, StoreError> {
    let asked = &build.spec.request;
    let object = distribution(context, &asked.distribution);
    let base = Base::of(object.as_deref(), &asked.distribution, &asked.version);
    let known = base.frozen_cache(build).is_some_and(|name| {
        let cache = cache(context, &name);
        cache.is_some_and(|cache| cache.metadata.deletion_timestamp.is_none())
    });
    let request = &build.spec.request;
    let name = &request.distribution;
    let asked = context.catalogs.offered(context, name, &request.version, &request.target);
    let found = match asked.await {
        Ok(found) => found,
        Err(error) if known && error.is_unavailable() => None,
        Err(error) => return Err(error),
    };
    let found = found.as_deref();
    let today = context.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let distribution = match object {
        Some(object) => {
            let versions = found.map(|found| found.versions.clone()).unwrap_or_default();
            // Of a spec that is refused as a whole the last good one counts.
            let changes = object.spec.changes().ok();
            let last = || found.map(|found| found.offer.package_changes.clone());
            let changes = changes.or_else(last).unwrap_or_default();
            Some(asu_core::catalog::Distribution {
                name: name.clone(),
                revision: found.map_or(0, |distribution| distribution.revision),
                offer: offer(&object.spec, &changes, &versions, today),
                versions,
            })
        }
        None => found.cloned(),
    };
    Ok(Offered { distribution, known, base: Some(base) })
}

/// Reads the result that the artifact store holds of a build, if any.
///
/// # Errors
/// When the artifact store cannot be read.
pub async fn stored(
    context: &Context,
    uid: &str,
    hash: &RequestHash,
    attempt: u32,
) -> Result<Stored, ArtifactError> {
    let keys = [(store_keys::result(uid), true), (store_keys::attempt_result(uid, attempt), false)];
    for (key, is_final) in keys {
        let bytes = match context.artifacts.get_bounded(&key, MAX_RESULT_BYTES).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(error @ ArtifactError::TooLarge { .. }) => {
                return Ok(Stored::Bad(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        return Ok(match BuildResult::read(&bytes, uid, hash) {
            Ok(result) if is_final => Stored::Final(Box::new(result)),
            Ok(result) => Stored::Attempt(Box::new(result)),
            Err(bad) => Stored::Bad(bad.to_string()),
        });
    }
    Ok(Stored::Nothing)
}

/// The Secret of a private build, if it exists and the build owns it. Only its metadata is read.
///
/// # Errors
/// When a request to the API server fails.
pub async fn own_secret(
    context: &Context,
    build: &FirmwareBuild,
) -> Result<Option<PartialObjectMeta<Secret>>, kube::Error> {
    let Some(defaults) = &build.spec.request.defaults else { return Ok(None) };
    let found = context.api::<Secret>().get_metadata_opt(&defaults.secret_name).await?;
    let uid = build.uid();
    Ok(found.filter(|secret| is_owned_by(secret, uid.as_deref())))
}

/// Asks the API server whether a Job exists and belongs to the build although the watch does not
/// show it.
///
/// # Errors
/// When a request to the API server fails.
pub async fn unseen_job(
    context: &Context,
    build: &FirmwareBuild,
    job: &str,
) -> Result<bool, kube::Error> {
    let found = context.api::<Job>().get_metadata_opt(job).await?;
    let uid = build.uid();
    Ok(found.is_some_and(|job| is_owned_by(&job, uid.as_deref())))
}
