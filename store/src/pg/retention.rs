//! Deletes rows of expired builds and records which files and logs were deleted. Called by the
//! operator's retention, which deletes the objects; nothing here touches the artifact store.

use std::collections::BTreeSet;

use asu_core::{
    build_key::BuildKey,
    result::store_keys,
    retention::{Deletion, FileSet, Holdings, KeptBuild},
};
use jiff::Timestamp;
use jiff_sqlx::Timestamp as PgTime;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    listen::BUILDS_CHANNEL,
    model::{CounterKind, LogDeletion},
    pg::{PgStore, epoch::fence, from_bigint, json::Column},
};

impl PgStore {
    /// All builds and file sets that retention decides about.
    pub async fn retention_rows(&self) -> Result<Holdings, StoreError> {
        self.bounded("retention_rows", holdings(self)).await
    }

    /// Begins the deletion of the files of a build key. From then on they are not sent to clients, and no
    /// build with this key can be archived until [`Self::mark_files_deleted`].
    ///
    /// Returns the keys of the objects to delete, or nothing if a build that is kept longer has been
    /// archived with them since the decision.
    pub async fn begin_files_deletion(
        &self,
        deletion: &Deletion,
        now: Timestamp,
        epoch: i64,
    ) -> Result<Option<Vec<String>>, StoreError> {
        self.bounded("begin_files_deletion", begin(self, deletion, now, epoch)).await
    }

    /// Begins the deletion of files without an archived build. No build can be archived with them until
    /// [`Self::mark_files_deleted`]. Returns false if a build was archived with them meanwhile, or if
    /// their deletion has already begun.
    pub async fn claim_orphan(
        &self,
        build_key: &BuildKey,
        now: Timestamp,
        epoch: i64,
    ) -> Result<bool, StoreError> {
        self.bounded("claim_orphan", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let done = sqlx::query!(
                "insert into file_sets (build_key, bytes, deleting_since) values ($1, 0, $2)
                 on conflict do nothing",
                build_key.to_string(),
                PgTime::from(now) as _
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Returns those of the uids that have a row.
    pub async fn archived_uids(&self, uids: &[String]) -> Result<BTreeSet<String>, StoreError> {
        self.bounded("archived_uids", async {
            let rows = sqlx::query_scalar!("select uid from builds where uid = any($1)", uids)
                .fetch_all(self.pool())
                .await?;
            Ok(rows.into_iter().collect())
        })
        .await
    }

    /// Deletions that have begun but not finished, with the objects to delete. The objects of orphans
    /// are not known.
    pub async fn unfinished_deletions(&self) -> Result<Vec<(BuildKey, Vec<String>)>, StoreError> {
        self.bounded("unfinished_deletions", async {
            let rows = sqlx::query!(
                r#"select s.build_key,
                          array_remove(array_agg(a.object_key order by a.name), null) as "objects!"
                   from file_sets s left join artifacts a on a.build_key = s.build_key
                   where s.deleting_since is not null
                   group by s.build_key"#
            )
            .fetch_all(self.pool())
            .await?;
            rows.into_iter().map(|row| Ok((build_key(&row.build_key)?, row.objects))).collect()
        })
        .await
    }

    /// Records that the files of a build key were deleted.
    pub async fn mark_files_deleted(
        &self,
        build_key: &BuildKey,
        epoch: i64,
    ) -> Result<(), StoreError> {
        self.bounded("mark_files_deleted", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            sqlx::query!(
                "delete from file_sets where build_key = $1 and deleting_since is not null",
                build_key.to_string()
            )
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Objects of the logs and results of these builds.
    pub async fn log_objects(&self, uids: &[String]) -> Result<Vec<LogDeletion>, StoreError> {
        self.bounded("log_objects", async {
            let rows = sqlx::query!(
                "select uid, attempt from builds
                 where uid = any($1) and log_deleted_at is null order by uid",
                uids
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| LogDeletion {
                    object_keys: log_keys(&row.uid, u32::try_from(row.attempt).unwrap_or(0)),
                    uid: row.uid,
                })
                .collect())
        })
        .await
    }

    /// Records that logs and results of these builds were deleted.
    pub async fn mark_logs_deleted(
        &self,
        uids: &[String],
        now: Timestamp,
        epoch: i64,
    ) -> Result<(), StoreError> {
        self.bounded("mark_logs_deleted", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            sqlx::query!(
                "update builds set log_deleted_at = $2
                 where uid = any($1) and log_deleted_at is null",
                uids,
                PgTime::from(now) as _
            )
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Deletes at most `limit` rows of builds that expired before `before` and have neither files nor a
    /// log. Returns their number.
    pub async fn delete_expired(
        &self,
        before: Timestamp,
        limit: u32,
        epoch: i64,
    ) -> Result<u64, StoreError> {
        self.bounded("delete_expired", delete_expired(self, before, limit, epoch)).await
    }

    /// Adds the API's counters of served files to the builds, see [`Holdings`]. Returns the number of
    /// changed builds.
    pub async fn fold_served(&self, epoch: i64) -> Result<u64, StoreError> {
        self.bounded("fold_served", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let done = sqlx::query!(
                "with taken as (
                     delete from request_counters where kind = $1 returning request_hash, at
                 ), newest as (
                     select request_hash, max(at) as at from taken group by request_hash
                 )
                 update builds b set last_served = greatest(b.last_served, newest.at)
                 from newest
                 where b.request_hash = newest.request_hash
                   and b.build_key is not null and b.files_deleted_at is null",
                CounterKind::Served.as_str()
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(done.rows_affected())
        })
        .await
    }
}

fn build_key(text: &str) -> Result<BuildKey, StoreError> {
    Column { table: "file_sets", column: "build_key", row: text }.parsed(text)
}

/// Object keys of all logs and results that a build's attempts may have left. Some may not exist;
/// deleting those is harmless.
fn log_keys(uid: &str, attempts: u32) -> Vec<String> {
    let last = [store_keys::log(uid), store_keys::result(uid)];
    let each = (1..=attempts.min(16)).flat_map(|attempt| {
        [store_keys::attempt_log(uid, attempt), store_keys::attempt_result(uid, attempt)]
    });
    last.into_iter().chain(each).collect()
}

async fn holdings(store: &PgStore) -> Result<Holdings, StoreError> {
    // One snapshot for both statements: a file set must not be read without its newest build.
    let mut tx = store.pool().begin_with("begin isolation level repeatable read read only").await?;
    let sets = sqlx::query!("select build_key, bytes from file_sets where deleting_since is null")
        .fetch_all(&mut *tx)
        .await?;
    let builds = sqlx::query!(
        r#"select uid, build_key, finished_at as "finished_at: PgTime",
                  fresh_until as "fresh_until: PgTime", keep_until as "keep_until: PgTime",
                  last_served as "last_served: PgTime", log_deleted_at is null as "has_log!",
                  files_deleted_at is null as "has_files!", private
           from builds
           where log_deleted_at is null or (build_key is not null and files_deleted_at is null)"#
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.rollback().await?;
    Ok(Holdings {
        sets: sets
            .into_iter()
            .map(|row| {
                Ok(FileSet { build_key: build_key(&row.build_key)?, bytes: from_bigint(row.bytes) })
            })
            .collect::<Result<_, StoreError>>()?,
        builds: builds
            .into_iter()
            .map(|row| {
                Ok(KeptBuild {
                    build_key: row
                        .build_key
                        .as_deref()
                        .filter(|_| row.has_files)
                        .map(build_key)
                        .transpose()?,
                    uid: row.uid,
                    finished_at: row.finished_at.to_jiff(),
                    fresh_until: row.fresh_until.to_jiff(),
                    keep_until: row.keep_until.to_jiff(),
                    last_served: row.last_served.map(Into::into),
                    has_log: row.has_log,
                    private: row.private,
                })
            })
            .collect::<Result<_, StoreError>>()?,
    })
}

/// Whether no build that is kept longer uses the files, and none is being archived with them. Waits for
/// a running archival with their key.
async fn may_be_deleted(tx: &mut PgConnection, deletion: &Deletion) -> Result<bool, StoreError> {
    let key = deletion.build_key.to_string();
    let found = sqlx::query_scalar!(
        "select build_key from file_sets
             where build_key = $1 and (claimed_until is null or claimed_until < now())
             for update",
        key
    )
    .fetch_optional(&mut *tx)
    .await?;
    let kept_longer = sqlx::query_scalar!(
        r#"select exists (
               select from builds
               where build_key = $1 and files_deleted_at is null and keep_until > $2
           ) as "exists!""#,
        key,
        PgTime::from(deletion.keep_until) as _
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(found.is_some() && !kept_longer)
}

async fn begin(
    store: &PgStore,
    deletion: &Deletion,
    now: Timestamp,
    epoch: i64,
) -> Result<Option<Vec<String>>, StoreError> {
    let key = deletion.build_key.to_string();
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    if !may_be_deleted(&mut tx, deletion).await? {
        return Ok(None);
    }
    sqlx::query!(
        "with gone as (
             update builds set files_deleted_at = $2
             where build_key = $1 and files_deleted_at is null
             returning request_hash
         )
         select pg_notify($3, request_hash) from gone",
        key,
        PgTime::from(now) as _,
        BUILDS_CHANNEL
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query!(
        "update file_sets set deleting_since = coalesce(deleting_since, $2) where build_key = $1",
        key,
        PgTime::from(now) as _
    )
    .execute(&mut *tx)
    .await?;
    let objects = sqlx::query_scalar!(
        "select object_key from artifacts where build_key = $1 order by name",
        key
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Some(objects))
}

async fn delete_expired(
    store: &PgStore,
    before: Timestamp,
    limit: u32,
    epoch: i64,
) -> Result<u64, StoreError> {
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    let keys = sqlx::query_scalar!(
        r#"delete from builds where uid in (
               select uid from builds
               where keep_until < $1 and log_deleted_at is not null
                 and (build_key is null or files_deleted_at is not null)
               order by keep_until limit $2)
           returning build_key"#,
        PgTime::from(before) as _,
        i64::from(limit)
    )
    .fetch_all(&mut *tx)
    .await?;
    let deleted = keys.len() as u64;
    let keys: Vec<String> = keys.into_iter().flatten().collect();
    sqlx::query!(
        "delete from manifests m where m.build_key = any($1)
         and not exists (select from builds b where b.build_key = m.build_key)",
        &keys
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("delete from request_counters where at < $1", PgTime::from(before) as _)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(deleted)
}
