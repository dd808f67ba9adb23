//! What the processes ask of the database. Every write of the operator carries the epoch that it
//! raised on becoming leader, and is refused with [`StoreError::Fenced`] once another has raised
//! it.

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
    /// Writes a finished build with its files, manifest and history in one transaction, and tells
    /// listeners. A second call with the same uid changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the uid is known with another request, or the build key with
    /// other files; [`StoreError::BeingDeleted`] while retention deletes files of this build key.
    async fn archive(&self, build: &NewArchive, epoch: i64) -> Result<ArchiveOutcome, StoreError>;

    /// The build of that hash that ended last.
    async fn newest_by_hash(
        &self,
        request_hash: &Sha256Hex,
    ) -> Result<Option<BuildRecord>, StoreError>;

    /// The builds of that hash that failed last, newest first: a few, as requests of one hash may name
    /// their packages in several orders.
    async fn newest_failures(
        &self,
        request_hash: &Sha256Hex,
    ) -> Result<Vec<BuildRecord>, StoreError>;

    /// The build of that uid.
    async fn build_by_uid(&self, uid: &str) -> Result<Option<BuildRecord>, StoreError>;

    /// The file of that name under a build key, while a build still has it. Only the build key
    /// names bytes: a request that is built anew may get other ones under the same file name.
    async fn artifact(
        &self,
        build_key: &Sha256Hex,
        name: &str,
    ) -> Result<Option<ArtifactRecord>, StoreError>;

    /// History of a build, oldest first.
    async fn events(&self, uid: &str) -> Result<Vec<BuildEvent>, StoreError>;
}

/// Archiving of builds whose files are in an artifact store.
#[async_trait]
pub trait ArchiveRepository: Send + Sync {
    /// [`BuildRepository::archive`], if every file of a success is in `files` with its size. They
    /// are looked at while retention is kept from deleting them.
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

/// Deletion of files whose time is over, in steps that may break anywhere: `begin`, delete the
/// objects, `finish`.
#[async_trait]
pub trait RetentionRepository: Send + Sync {
    /// Everything that retention decides on.
    async fn retention_rows(&self) -> Result<Holdings, StoreError>;

    /// Takes the files of a build key out of service. From then on no client is given them and no
    /// build with this key can be archived until [`Self::mark_files_deleted`].
    ///
    /// Gives the keys of the objects to delete; nothing when a build that is kept longer has come
    /// to refer to them since the decision.
    async fn begin_files_deletion(
        &self,
        deletion: &Deletion,
        now: Timestamp,
        epoch: i64,
    ) -> Result<Option<Vec<String>>, StoreError>;

    /// Begins the deletion of files that no build is archived with: until
    /// [`Self::mark_files_deleted`] none can be. Gives false when one has been since they were found,
    /// or their deletion was begun already.
    async fn claim_orphan(
        &self,
        build_key: &Sha256Hex,
        now: Timestamp,
        epoch: i64,
    ) -> Result<bool, StoreError>;

    /// Which of these builds have a row.
    async fn archived_uids(&self, uids: &[String]) -> Result<BTreeSet<String>, StoreError>;

    /// Deletions that were begun and not finished, with the objects to delete. Of orphans no object
    /// is known.
    async fn unfinished_deletions(&self) -> Result<Vec<(Sha256Hex, Vec<String>)>, StoreError>;

    /// The objects are gone.
    async fn mark_files_deleted(&self, build_key: &Sha256Hex, epoch: i64)
    -> Result<(), StoreError>;

    /// Objects of builds' logs and results, for uids that retention named.
    async fn log_objects(&self, uids: &[String]) -> Result<Vec<LogDeletion>, StoreError>;

    /// Logs and results of these builds are gone.
    async fn mark_logs_deleted(
        &self,
        uids: &[String],
        now: Timestamp,
        epoch: i64,
    ) -> Result<(), StoreError>;

    /// Deletes at most `limit` history rows of builds that are kept until before `before` and have
    /// neither files nor log left. Gives their number.
    async fn delete_expired(
        &self,
        before: Timestamp,
        limit: u32,
        epoch: i64,
    ) -> Result<u64, StoreError>;

    /// Moves what the API counted as served to the builds, see [`Holdings`]. Gives the number of
    /// builds that it changed.
    async fn fold_served(&self, epoch: i64) -> Result<u64, StoreError>;
}

/// The catalog.
#[async_trait]
pub trait CatalogRepository: Send + Sync {
    /// Replaces one distribution in one transaction, and tells listeners. What is the same as
    /// before is not written; without any change the revision stays. Versions, targets and
    /// profiles that are not given disappear.
    async fn put_distribution(
        &self,
        name: &str,
        offer: &Offer,
        versions: &[Version],
        epoch: i64,
    ) -> Result<CatalogWrite, StoreError>;

    /// Takes a distribution away. Its revision goes on where it was should it come back.
    async fn remove_distribution(&self, name: &str, epoch: i64)
    -> Result<CatalogWrite, StoreError>;

    /// Everything, as of one moment.
    async fn load(&self) -> Result<Catalog, StoreError>;

    /// [`Catalog::revision`] alone.
    async fn revision(&self) -> Result<i64, StoreError>;
}

/// The epoch that fences the operator's writes.
#[async_trait]
pub trait EpochRepository: Send + Sync {
    /// Raises it by one and gives the new one: every earlier leader is fenced from now on.
    ///
    /// # Errors
    /// [`StoreError::SchemaTooNew`]: nothing is written to such a database.
    async fn raise(&self) -> Result<i64, StoreError>;

    /// The present one.
    async fn current(&self) -> Result<i64, StoreError>;

    /// Whether the database's schema fits this program.
    async fn schema(&self) -> Result<SchemaState, StoreError>;
}

/// What the API counts: the only rows it writes.
#[async_trait]
pub trait CounterRepository: Send + Sync {
    /// Adds counters.
    async fn record(&self, counters: &[Counter]) -> Result<(), StoreError>;

    /// Files of these requests were sent; the operator moves that to the builds later.
    async fn touch_served(&self, batch: &[(Sha256Hex, Timestamp)]) -> Result<(), StoreError>;
}
