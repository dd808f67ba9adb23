//! The interface of the operator and the API to the database, implemented by [`crate::PgStore`].
//! Every write of the operator passes the epoch that it raised when it became leader. The write
//! fails with [`StoreError::Fenced`] once another leader has raised the epoch again.

use std::collections::BTreeSet;

use asu_core::{
    catalog::{Offer, Version},
    digest::Sha256Hex,
    retention::{Deletion, Holdings},
};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    artifacts::ArtifactStore,
    error::StoreError,
    model::{
        ArchiveOutcome, ArtifactRecord, BuildEvent, BuildRecord, Catalog, CatalogWrite, Counter,
        LogDeletion, NewArchive,
    },
    schema::SchemaState,
};

/// Archived builds.
#[async_trait]
pub trait BuildRepository: Send + Sync {
    /// Writes a finished build with its files, manifest and history in one transaction, and
    /// notifies listeners. A second call with the same uid changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the uid is archived with another request, or the build key
    /// with other files; [`StoreError::BeingDeleted`] while retention deletes the files of this
    /// build key.
    async fn archive(&self, build: &NewArchive, epoch: i64) -> Result<ArchiveOutcome, StoreError>;

    /// The build with this request hash that was archived last.
    async fn newest_by_hash(
        &self,
        request_hash: &Sha256Hex,
    ) -> Result<Option<BuildRecord>, StoreError>;

    /// The latest failed builds with this request hash, newest first. Several, because requests with
    /// the same hash may name their packages in different orders; at most eight.
    async fn newest_failures(
        &self,
        request_hash: &Sha256Hex,
    ) -> Result<Vec<BuildRecord>, StoreError>;

    /// The build with this uid.
    async fn build_by_uid(&self, uid: &str) -> Result<Option<BuildRecord>, StoreError>;

    /// The file with this name and build key, while a build still keeps it. The build key is needed
    /// to identify the content: another build of the same request may make a different file with
    /// the same name.
    async fn artifact(
        &self,
        build_key: &Sha256Hex,
        name: &str,
    ) -> Result<Option<ArtifactRecord>, StoreError>;

    /// The events of a build, oldest first.
    async fn events(&self, uid: &str) -> Result<Vec<BuildEvent>, StoreError>;
}

/// Archiving with a check of the artifact store.
#[async_trait]
pub trait ArchiveRepository: Send + Sync {
    /// [`BuildRepository::archive`], if the artifact store `files` has every file of a successful
    /// build with the right size. Retention cannot delete the files during this check.
    ///
    /// # Errors
    /// Those of [`BuildRepository::archive`], and [`StoreError::FilesMissing`].
    async fn archive_with(
        &self,
        build: &NewArchive,
        files: &ArtifactStore,
        epoch: i64,
    ) -> Result<ArchiveOutcome, StoreError>;
}

/// Deletion of expired files, logs and rows. Files are deleted in three steps:
/// `begin_files_deletion`, deletion of the objects by the caller, `mark_files_deleted`. After an
/// interruption at any point, [`RetentionRepository::unfinished_deletions`] returns what is left.
#[async_trait]
pub trait RetentionRepository: Send + Sync {
    /// All builds and file sets that retention has to decide about.
    async fn retention_rows(&self) -> Result<Holdings, StoreError>;

    /// Marks the files of a build key as being deleted. From then on clients cannot download them,
    /// and no build with this key can be archived until [`Self::mark_files_deleted`].
    ///
    /// Returns the object keys to delete. `None` when the files must stay: since the decision a
    /// build that is kept longer was archived with them, or is about to be.
    async fn begin_files_deletion(
        &self,
        deletion: &Deletion,
        now: Timestamp,
        epoch: i64,
    ) -> Result<Option<Vec<String>>, StoreError>;

    /// Begins the deletion of orphans: files in the store whose build key has no archived build. No
    /// build with this key can be archived until [`Self::mark_files_deleted`]. Returns false when a
    /// build was archived with the key meanwhile, or when the deletion has begun already.
    async fn claim_orphan(
        &self,
        build_key: &Sha256Hex,
        now: Timestamp,
        epoch: i64,
    ) -> Result<bool, StoreError>;

    /// The uids, of those given, that are archived.
    async fn archived_uids(&self, uids: &[String]) -> Result<BTreeSet<String>, StoreError>;

    /// Deletions that have begun but are not finished: build key and object keys. The object keys of
    /// orphans are not known: their list is empty.
    async fn unfinished_deletions(&self) -> Result<Vec<(Sha256Hex, Vec<String>)>, StoreError>;

    /// Finishes the deletion of a build key after its objects were deleted.
    async fn mark_files_deleted(&self, build_key: &Sha256Hex, epoch: i64)
    -> Result<(), StoreError>;

    /// Object keys of logs and results of these builds, for those whose log is not deleted yet.
    async fn log_objects(&self, uids: &[String]) -> Result<Vec<LogDeletion>, StoreError>;

    /// Records that the logs and results of these builds were deleted.
    async fn mark_logs_deleted(
        &self,
        uids: &[String],
        now: Timestamp,
        epoch: i64,
    ) -> Result<(), StoreError>;

    /// Deletes at most `limit` rows of builds whose `keep_until` is before `before` and that have
    /// neither files nor log left. Returns the number of deleted rows.
    async fn delete_expired(
        &self,
        before: Timestamp,
        limit: u32,
        epoch: i64,
    ) -> Result<u64, StoreError>;

    /// Moves the download times that the API counted to the builds' `last_served`, which retention
    /// uses (see [`Holdings`]). Returns the number of changed builds.
    async fn fold_served(&self, epoch: i64) -> Result<u64, StoreError>;
}

/// The catalog of all distributions.
#[async_trait]
pub trait CatalogRepository: Send + Sync {
    /// Replaces one distribution in one transaction, and notifies listeners. Unchanged versions are
    /// not written; without any change the revision stays the same. Versions, targets and profiles
    /// that are not given are deleted.
    async fn put_distribution(
        &self,
        name: &str,
        offer: &Offer,
        versions: &[Version],
        epoch: i64,
    ) -> Result<CatalogWrite, StoreError>;

    /// Removes a distribution. Its revision number is kept, so that it continues from there when
    /// the distribution is added again.
    async fn remove_distribution(&self, name: &str, epoch: i64)
    -> Result<CatalogWrite, StoreError>;

    /// The whole catalog, read in one snapshot.
    async fn load(&self) -> Result<Catalog, StoreError>;

    /// [`Catalog::revision`], without reading the catalog.
    async fn revision(&self) -> Result<i64, StoreError>;
}

/// The epoch, which fences the writes of former leaders.
#[async_trait]
pub trait EpochRepository: Send + Sync {
    /// Raises the epoch by one and returns the new one. Every earlier leader is fenced from now on.
    ///
    /// # Errors
    /// [`StoreError::SchemaTooNew`], without writing anything.
    async fn raise(&self) -> Result<i64, StoreError>;

    /// The present epoch.
    async fn current(&self) -> Result<i64, StoreError>;

    /// Whether this program supports the schema of the database.
    async fn schema(&self) -> Result<SchemaState, StoreError>;
}

/// The counters of the API: the only rows that the API writes.
#[async_trait]
pub trait CounterRepository: Send + Sync {
    /// Inserts counters; those with a count of zero are skipped.
    async fn record(&self, counters: &[Counter]) -> Result<(), StoreError>;

    /// Counts downloads of files, by request hash. The operator moves the times to the builds later,
    /// see [`RetentionRepository::fold_served`].
    async fn touch_served(&self, batch: &[(Sha256Hex, Timestamp)]) -> Result<(), StoreError>;
}
