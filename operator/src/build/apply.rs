//! Creates and deletes objects for a build: its Jobs, its cache, its Secret, and in the end the
//! build itself. Called by the controller; it decides nothing.

use asu_crds::{FirmwareBuild, ImageBuilderCacheSpec, Resolved, labels};
use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::{
    base::Base,
    dereference,
    fault::Fault,
    job::{Attempt, job},
};
use crate::{
    context::Context,
    distribution::{cache_spec, create_cache, target_path},
    runtime::patch::{is_conflict, is_not_found, is_refused, set_finalizers},
    watches::Strip,
};

/// Number of Job names that are tried while Jobs of other objects have them.
const NAMES: u32 = 5;

/// Creates the Job of an attempt, or finds that it exists. Returns its name and its number, which
/// is higher than wanted if a Job of another object has the name.
pub async fn create_job(
    context: &Context,
    mut attempt: Attempt<'_>,
) -> Result<(String, u32), Fault> {
    let api = context.api::<Job>();
    let params = PostParams {
        field_manager: Some(labels::BUILD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    for _ in 0..NAMES {
        let wanted = job(&attempt)?;
        let name = wanted.name_any();
        match api.create(&params, &wanted).await {
            Ok(_) => return Ok((name, attempt.number)),
            Err(error) if is_conflict(&error) => {
                if dereference::unseen_job(context, attempt.build, &name).await? {
                    return Ok((name, attempt.number));
                }
                tracing::warn!(
                    job = name,
                    "a Job of another object has the name of the build's Job"
                );
                attempt.number = attempt.number.saturating_add(1);
            }
            Err(error) if is_refused(&error) => return Err(Fault::JobRefused(error)),
            // The Job may have been created although the response was lost.
            Err(_)
                if matches!(
                    dereference::unseen_job(context, attempt.build, &name).await,
                    Ok(true)
                ) =>
            {
                return Ok((name, attempt.number));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::NamesTaken)
}

/// Deletes Jobs with their pods.
pub async fn delete_jobs(context: &Context, names: &[String]) -> Result<(), kube::Error> {
    for name in names {
        match context.api::<Job>().delete(name, &DeleteParams::background()).await {
            Err(error) if !is_not_found(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes the Secret with the first-boot script of an ended build, because the object is kept for
/// hours. If this fails, the Secret is deleted with the object at the latest.
pub async fn delete_script(context: &Context, build: &FirmwareBuild) {
    if let Err(error) = delete_secret(context, build).await {
        tracing::warn!(build = build.name_any(), %error, "the Secret of a build cannot be deleted yet");
    }
}

async fn delete_secret(context: &Context, build: &FirmwareBuild) -> Result<(), kube::Error> {
    let Some(secret) = dereference::own_secret(context, build).await? else { return Ok(()) };
    let preconditions = Preconditions { uid: secret.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    match context.api::<Secret>().delete(&secret.name_any(), &params).await {
        Err(error) if !is_not_found(&error) && !is_conflict(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Creates the cache that a build needs.
pub async fn create_build_cache(
    context: &Context,
    build: &FirmwareBuild,
    resolved: &Resolved,
) -> Result<(), Fault> {
    let request = &build.spec.request;
    let object = dereference::distribution(context, &request.distribution);
    let base = Base::of(object.as_deref(), &request.distribution, &request.version);
    let distribution =
        dereference::distribution(context, &base.distribution).ok_or(Fault::NoDistribution)?;
    let target_path = target_path(&distribution.spec, &base.version, &request.target)
        .ok_or(Fault::NoDistribution)?;
    let (name, version) = (&base.distribution, &base.version);
    let offered = context.catalogs.offered(context, name, version, &request.target).await?;
    let target = offered
        .as_ref()
        .and_then(|offered| offered.version(version))
        .and_then(|version| version.ready.get(request.target.as_str()))
        .ok_or(Fault::NoDistribution)?;
    let offered = cache_spec(name, version, target, target_path);
    // The ImageBuilder that the build was validated with.
    let spec = ImageBuilderCacheSpec {
        sha256: resolved.image_builder_sha256.clone(),
        revision: Some(resolved.version_code.clone()),
        ..offered
    };
    Ok(create_cache(context, &resolved.cache_name, &spec).await?)
}

/// Adds or removes the operator's finalizer.
pub async fn set_finalizer(
    context: &Context,
    build: &FirmwareBuild,
    present: bool,
) -> Result<(), kube::Error> {
    let mut finalizers = build.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != labels::ARCHIVE_FINALIZER);
    if present {
        finalizers.push(labels::ARCHIVE_FINALIZER.to_owned());
    }
    let version = build.resource_version();
    let api = context.api::<FirmwareBuild>();
    match set_finalizers(&api, &build.name_any(), version.as_deref(), &finalizers).await {
        Ok(mut written) => {
            written.strip();
            context.recent_builds.record(written);
            Ok(())
        }
        Err(error) if is_not_found(&error) && !present => Ok(()),
        Err(error) => Err(error),
    }
}

/// Deletes an archived object, unless a new object has its name.
pub async fn delete_object(context: &Context, build: &FirmwareBuild) -> Result<(), kube::Error> {
    let preconditions = Preconditions { uid: build.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(preconditions);
    match context.api::<FirmwareBuild>().delete(&build.name_any(), &params).await {
        Err(error) if !is_not_found(&error) && !is_conflict(&error) => Err(error),
        _ => Ok(()),
    }
}
