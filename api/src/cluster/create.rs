//! Creates FirmwareBuilds. The Secret of the first-boot script is created afterwards, by `secret.rs`.

use std::time::Duration;

use asu_core::{
    offered::Basis, request::Request, request_hash::RequestHash, request_hash::object_name,
};
use asu_crds::{BuildPriority, FirmwareBuild, FirmwareBuildSpec, RequestSpec, Validated, labels};
use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams, Preconditions, PropagationPolicy};
use tokio::{sync::MutexGuard, time::Instant};

use super::{Cluster, Entry, Failed, SeenBuild, call, secret};
use crate::error::{ApiError, CLUSTER};

/// Maximum time to wait for the deletion of an object.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Interval of checks for the deletion.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A build to create.
#[derive(Clone, Debug)]
pub struct NewBuild<'a> {
    /// Hash of the request.
    pub hash: &'a RequestHash,
    /// Canonical request.
    pub request: &'a Request,
    /// Catalog data with which it was validated. `None` if the catalog does not have the requested
    /// revision yet.
    pub basis: Option<&'a Basis>,
    /// The present time.
    pub now: Timestamp,
}

/// Result of a creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The build was created.
    New(Entry),
    /// A build of the same request exists already.
    Attached(Entry),
    /// An archived build of the same name exists. Its record decides what to answer.
    Archived(Entry),
}

impl Cluster {
    /// Waits until no other task of this process creates a build with this hash.
    pub async fn lock(&self, hash: &RequestHash) -> MutexGuard<'_, ()> {
        self.hash_locks.lock(hash).await
    }

    /// Reads the build of a hash from the API server. An object with its name but another hash does not
    /// count.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn read(&self, hash: &RequestHash) -> Result<Option<Entry>, ApiError> {
        let _place = self.reads.acquire().await.map_err(|_| ApiError::Internal)?;
        match call("read a FirmwareBuild", self.seen.get(&object_name(hash))).await {
            Ok(build) => {
                let found = Entry::of(&build).filter(|entry| entry.hash == *hash);
                if let Some(entry) = &found {
                    self.watch.note(entry.clone());
                }
                Ok(found)
            }
            Err(Failed::NotFound) => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Creates a build, or finds the existing one. Equal requests have equal names, so only one of
    /// several creations succeeds.
    ///
    /// # Errors
    /// When the API server does not answer or rejects the object.
    pub async fn create(&self, new: &NewBuild<'_>) -> Result<Created, ApiError> {
        let params = PostParams { field_manager: Some(labels::API_MANAGER.into()), dry_run: false };
        match call("create a FirmwareBuild", self.builds.create(&params, &object(new))).await {
            Ok(build) => {
                let entry = Entry::of(&SeenBuild::of(&build)).ok_or(ApiError::Internal)?;
                tracing::info!(build = entry.name, hash = %new.hash, "created");
                self.watch.note(entry.clone());
                self.watch.shown(&entry).await;
                Ok(Created::New(entry))
            }
            Err(Failed::Conflict) => match self.read(new.hash).await? {
                Some(entry) if entry.archived => Ok(Created::Archived(entry)),
                Some(entry) => Ok(Created::Attached(entry)),
                None => self.vanished_or_foreign(new).await,
            },
            Err(failed) => Err(failed.into()),
        }
    }

    /// Handles a conflict although no build with this hash exists: the object was deleted in between, or
    /// a user created an object with this name and another hash.
    async fn vanished_or_foreign(&self, new: &NewBuild<'_>) -> Result<Created, ApiError> {
        let name = object_name(new.hash);
        match call("read a FirmwareBuild", self.seen.get(&name)).await {
            Ok(_) => {
                tracing::error!(
                    build = name,
                    hash = %new.hash,
                    "the existing object has another requestHash"
                );
                Err(ApiError::Internal)
            }
            Err(_) => Err(ApiError::Away(CLUSTER)),
        }
    }

    /// Deletes this archived build, and waits a few seconds until it is deleted.
    ///
    /// # Errors
    /// When it is not deleted in time. A repeated request continues from there.
    pub async fn clear(&self, old: &Entry) -> Result<(), ApiError> {
        let end = Instant::now() + GONE_WITHIN;
        let mut version = Some(old.resource_version.clone());
        loop {
            if let Some(version) = version.take() {
                match call("delete a FirmwareBuild", self.delete(old, version)).await {
                    // After a conflict it is read again below: it changed or was replaced.
                    Ok(()) | Err(Failed::NotFound | Failed::Conflict) => {}
                    Err(failed) => return Err(failed.into()),
                }
            }
            match call("read a FirmwareBuild", self.seen.get(&old.name)).await {
                Err(Failed::NotFound) => return Ok(()),
                Ok(build) if build.metadata.uid.as_deref() != Some(&old.uid) => return Ok(()),
                Ok(build) if Instant::now() < end => {
                    if build.metadata.deletion_timestamp.is_none() {
                        version = build.metadata.resource_version;
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Ok(_) => {
                    tracing::warn!(build = old.name, "an archived build is not deleted yet");
                    return Err(ApiError::Away(CLUSTER));
                }
                Err(failed) => return Err(failed.into()),
            }
        }
    }

    async fn delete(&self, old: &Entry, version: String) -> Result<(), kube::Error> {
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: Some(old.uid.clone()),
                resource_version: Some(version),
            }),
            ..DeleteParams::default()
        };
        self.builds.delete(&old.name, &params).await.map(|_| ())
    }
}

fn object(new: &NewBuild<'_>) -> FirmwareBuild {
    let name = object_name(new.hash);
    let secret = secret::name(&name, new.hash, new.now);
    let mut build = FirmwareBuild::new(
        &name,
        FirmwareBuildSpec {
            request: RequestSpec::from_request(new.request, &secret),
            request_hash: new.hash.to_string(),
            validated: new.basis.map(|basis| Validated {
                catalog_revision: basis.catalog_revision,
                version_code: basis.version_code.clone(),
                image_builder_sha256: basis.image_builder_sha256.to_string(),
            }),
            cancel: false,
            priority: BuildPriority::Normal,
            retention: None,
        },
    );
    // Set at the creation, so that a build that is deleted before the operator sees it is recorded.
    build.metadata.finalizers = Some(vec![labels::ARCHIVE_FINALIZER.to_owned()]);
    build
}
