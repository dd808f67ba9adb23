//! Creates and deletes the Jobs and claims of a cache. Called by the controller; it decides
//! nothing.

use asu_crds::{ImageBuilderCache, labels};
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::PersistentVolumeClaim},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};

use super::{
    fault::Fault,
    pods::{own_claim, populate_job, prune_job},
    tries::job_name,
    validate::Validated,
};
use crate::{
    context::Context,
    runtime::patch::{is_conflict, is_not_found},
};

fn params() -> PostParams {
    PostParams { field_manager: Some(labels::CACHE_MANAGER.to_owned()), ..PostParams::default() }
}

/// Creates the Job that fills a tree, and its claim if the operator manages claims. An existing Job
/// of that name is accepted: the name identifies the tree and the attempt. An existing claim is
/// accepted only if this object owns it: a claim of a former object with the same name is deleted
/// with that object.
pub async fn populate(
    context: &Context,
    cache: &ImageBuilderCache,
    valid: &Validated,
    job: &str,
    replaces: Option<&str>,
) -> Result<(), Fault> {
    let Some(plan) = &valid.plan else { return Ok(()) };
    if valid.own_claim {
        let claims = context.api::<PersistentVolumeClaim>();
        let name = &valid.place.claim_name;
        match claims.get_metadata_opt(name).await? {
            Some(there) if belongs(&there.metadata, cache) => {}
            Some(_) => return Err(Fault::Claim(name.clone())),
            None => {
                let claim = own_claim(cache, valid, &context.settings);
                ignore_conflict(claims.create(&params(), &claim).await)?;
            }
        }
    }
    let job = populate_job(job, cache, &valid.place, plan, replaces, &context.settings)
        .map_err(kube::Error::SerdeError)?;
    Ok(ignore_conflict(context.api::<Job>().create(&params(), &job).await)?)
}

fn belongs(claim: &ObjectMeta, cache: &ImageBuilderCache) -> bool {
    let uid = cache.uid();
    let owners = claim.owner_references.iter().flatten();
    claim.deletion_timestamp.is_none()
        && owners.into_iter().any(|owner| Some(&owner.uid) == uid.as_ref())
}

/// Creates the Job that removes a folder of the cache's claim.
pub async fn prune(
    context: &Context,
    cache: &ImageBuilderCache,
    valid: &Validated,
    folder: &str,
) -> Result<(), kube::Error> {
    let uid = cache.uid().unwrap_or_default();
    let name = job_name(&cache.name_any(), &uid, &format!("prune {folder}"), 0);
    let job = prune_job(&name, cache, &valid.place.claim_name, folder, &context.settings);
    ignore_conflict(context.api::<Job>().create(&params(), &job).await)
}

fn ignore_conflict<K>(result: Result<K, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(error) if !is_conflict(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Deletes a Job with its pods.
pub async fn delete_job(context: &Context, name: &str) -> Result<(), kube::Error> {
    match context.api::<Job>().delete(name, &DeleteParams::background()).await {
        Err(error) if !is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Deletes the claim that belongs to one cache.
pub async fn delete_claim(context: &Context, name: &str) -> Result<(), kube::Error> {
    let claims = context.api::<PersistentVolumeClaim>();
    match claims.delete(name, &DeleteParams::background()).await {
        Err(error) if !is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}
