//! Reads archived builds. Called by the API for look-ups and downloads, and by the operator.

use asu_core::{
    build_key::BuildKey,
    failure::{Failure, FailureReason},
    request::Request,
    request_hash::RequestHash,
    result::{Built, StoredFile, is_plain_file_name},
};
use jiff_sqlx::Timestamp as PgTime;
use serde_json::Value;

use crate::{
    error::StoreError,
    model::{
        ArchiveOutcome, ArtifactRecord, BuildEvent, BuildFacts, BuildRecord, BuildTimes, Ending,
        EventKind, LogRecord, NewArchive,
    },
    pg::{
        PgStore,
        archive::{Answer, archive},
        from_bigint,
        json::Column,
    },
};

/// A row of `builds` with its files and manifest.
struct BuildRow {
    uid: String,
    request_hash: String,
    build_key: Option<String>,
    version_code: String,
    catalog_revision: i64,
    request: Value,
    attempt: i32,
    reason: Option<String>,
    detail: Option<String>,
    answer: Option<Value>,
    millis: Value,
    created_at: PgTime,
    queued_at: Option<PgTime>,
    admitted_at: Option<PgTime>,
    started_at: Option<PgTime>,
    finished_at: PgTime,
    archived_at: PgTime,
    fresh_until: PgTime,
    keep_until: PgTime,
    last_served: Option<PgTime>,
    log_key: Option<String>,
    log_size: Option<i64>,
    log_text_bytes: Option<i64>,
    log_truncated: Option<bool>,
    files_deleted_at: Option<PgTime>,
    log_deleted_at: Option<PgTime>,
    manifest: Option<Value>,
    files: Value,
}

/// Query for rows of `builds`; `$filter` is the end of the statement, from `where` on.
macro_rules! build_row {
    ($filter:tt, $argument:expr) => {
        sqlx::query_as!(
            BuildRow,
            r#"select b.uid, b.request_hash, b.build_key, b.version_code, b.catalog_revision,
                      b.request, b.attempt, b.reason, b.detail, b.answer, b.millis,
                      b.created_at as "created_at: PgTime",
                      b.queued_at as "queued_at: PgTime",
                      b.admitted_at as "admitted_at: PgTime",
                      b.started_at as "started_at: PgTime",
                      b.finished_at as "finished_at: PgTime",
                      b.archived_at as "archived_at: PgTime",
                      b.fresh_until as "fresh_until: PgTime",
                      b.keep_until as "keep_until: PgTime",
                      b.last_served as "last_served: PgTime",
                      b.log_key, b.log_size, b.log_text_bytes, b.log_truncated,
                      b.files_deleted_at as "files_deleted_at: PgTime",
                      b.log_deleted_at as "log_deleted_at: PgTime",
                      m.packages as "manifest?",
                      coalesce((
                          select jsonb_agg(jsonb_build_object(
                              'name', a.name, 'size', a.size, 'sha256', a.sha256) order by a.name)
                          from artifacts a
                          where a.build_key = b.build_key and b.files_deleted_at is null
                      ), '[]') as "files!"
               from builds b left join manifests m on m.build_key = b.build_key "#
                + $filter,
            $argument
        )
    };
}

impl PgStore {
    /// Writes a finished build with its files, manifest and history in one transaction, and notifies
    /// listeners. A second call with the same uid changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the uid exists with another request, or the build key with other
    /// files; [`StoreError::BeingDeleted`] while retention deletes the files of this build key.
    pub async fn archive(
        &self,
        build: &NewArchive,
        epoch: i64,
    ) -> Result<ArchiveOutcome, StoreError> {
        self.bounded("archive", archive(self, build, epoch)).await
    }

    // Sorted by the leader's clock, because the end of a build is by the clock of its node.
    /// The build with this hash that was archived last.
    pub async fn newest_by_hash(
        &self,
        request_hash: &RequestHash,
    ) -> Result<Option<BuildRecord>, StoreError> {
        self.bounded("newest_by_hash", async {
            build_row!(
                "where b.request_hash = $1 order by b.archived_at desc, b.finished_at desc limit 1",
                request_hash.to_string()
            )
            .fetch_optional(self.pool())
            .await?
            .map(BuildRow::into_record)
            .transpose()
        })
        .await
    }

    /// The failed builds with this hash that were archived last, newest first. They are several, because
    /// requests with the same hash may have different orders of packages.
    pub async fn newest_failures(
        &self,
        request_hash: &RequestHash,
    ) -> Result<Vec<BuildRecord>, StoreError> {
        self.bounded("newest_failures", async {
            build_row!(
                "where b.request_hash = $1 and b.reason is not null order by b.archived_at desc limit 8",
                request_hash.to_string()
            )
            .fetch_all(self.pool())
            .await
            .map_err(StoreError::from)
            .and_then(records)
        })
        .await
    }

    /// The newest builds that made images, at most `limit`, without those with a private first-boot script.
    pub async fn newest_images(&self, limit: u32) -> Result<Vec<BuildRecord>, StoreError> {
        self.bounded("newest_images", async {
            build_row!(
                "where b.outcome = 'Succeeded' and not b.private order by b.archived_at desc limit $1",
                i64::from(limit)
            )
            .fetch_all(self.pool())
            .await
            .map_err(StoreError::from)
            .and_then(records)
        })
        .await
    }

    /// The newest failed builds, at most `limit`, without those with a private first-boot script.
    pub async fn latest_failures(&self, limit: u32) -> Result<Vec<BuildRecord>, StoreError> {
        self.bounded("latest_failures", async {
            build_row!(
                "where b.outcome = 'Failed' and not b.private order by b.archived_at desc limit $1",
                i64::from(limit)
            )
            .fetch_all(self.pool())
            .await
            .map_err(StoreError::from)
            .and_then(records)
        })
        .await
    }

    /// The build with this uid.
    pub async fn build_by_uid(&self, uid: &str) -> Result<Option<BuildRecord>, StoreError> {
        self.bounded("build_by_uid", async {
            build_row!("where b.uid = $1", uid)
                .fetch_optional(self.pool())
                .await?
                .map(BuildRow::into_record)
                .transpose()
        })
        .await
    }

    /// The file with this name under a build key, if a build still has it. Files are identified by the
    /// build key and not by the request hash, because another build of a request may have different files
    /// with the same names.
    pub async fn artifact(
        &self,
        build_key: &BuildKey,
        name: &str,
    ) -> Result<Option<ArtifactRecord>, StoreError> {
        // The name comes from a URL. An impossible file name needs no query.
        if !is_plain_file_name(name) {
            return Ok(None);
        }
        self.bounded("artifact", async {
            let row = sqlx::query!(
                r#"select a.name, a.size, a.sha256, a.object_key, b.request_hash,
                          bool_or(b.private) over () as "private!",
                          min(b.finished_at) over () as "finished_at!: PgTime",
                          max(b.keep_until) over () as "keep_until!: PgTime"
                   from builds b join artifacts a on a.build_key = b.build_key
                   where b.build_key = $1 and a.name = $2 and b.files_deleted_at is null
                   order by b.finished_at desc, b.archived_at desc
                   limit 1"#,
                build_key.to_string(),
                name
            )
            .fetch_optional(self.pool())
            .await?;
            row.map(|row| {
                let column = Column { table: "artifacts", column: "sha256", row: &row.object_key };
                Ok(ArtifactRecord {
                    size: from_bigint(row.size),
                    sha256: column.parsed(&row.sha256)?,
                    request_hash: column.named("request_hash").parsed(&row.request_hash)?,
                    name: row.name,
                    private: row.private,
                    finished_at: row.finished_at.to_jiff(),
                    keep_until: row.keep_until.to_jiff(),
                    object_key: row.object_key,
                })
            })
            .transpose()
        })
        .await
    }

    /// The history of a build, oldest event first.
    pub async fn build_events(&self, uid: &str) -> Result<Vec<BuildEvent>, StoreError> {
        self.bounded("build_events", async {
            let rows = sqlx::query!(
                r#"select at as "at: PgTime", kind, reason, message
                   from build_events where uid = $1 order by seq"#,
                uid
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows
                .into_iter()
                .map(|row| BuildEvent {
                    at: row.at.to_jiff(),
                    kind: match row.kind.as_str() {
                        "Normal" => EventKind::Normal,
                        _ => EventKind::Warning,
                    },
                    reason: row.reason,
                    message: row.message,
                })
                .collect())
        })
        .await
    }
}

fn records(rows: Vec<BuildRow>) -> Result<Vec<BuildRecord>, StoreError> {
    rows.into_iter().map(BuildRow::into_record).collect()
}

impl BuildRow {
    fn into_record(self) -> Result<BuildRecord, StoreError> {
        let uid = self.uid.clone();
        let column = Column { table: "builds", column: "request", row: &uid };
        Ok(BuildRecord {
            archived_at: self.archived_at.to_jiff(),
            last_served: self.last_served.map(Into::into),
            files_deleted_at: self.files_deleted_at.map(Into::into),
            log_deleted_at: self.log_deleted_at.map(Into::into),
            facts: self.into_facts(column)?,
        })
    }

    fn into_facts(mut self, column: Column<'_>) -> Result<BuildFacts, StoreError> {
        let request: Request = column.json(self.request.take())?;
        Ok(BuildFacts {
            request_hash: column.named("request_hash").parsed(&self.request_hash)?,
            request,
            version_code: std::mem::take(&mut self.version_code),
            catalog_revision: self.catalog_revision,
            attempt: u32::try_from(self.attempt).unwrap_or(0),
            times: self.times(),
            fresh_until: self.fresh_until.to_jiff(),
            keep_until: self.keep_until.to_jiff(),
            log: self.log(),
            millis: column.named("millis").json(self.millis.take())?,
            uid: std::mem::take(&mut self.uid),
            ending: self.into_ending(column)?,
        })
    }

    fn times(&self) -> BuildTimes {
        BuildTimes {
            created: self.created_at.to_jiff(),
            queued: self.queued_at.map(Into::into),
            admitted: self.admitted_at.map(Into::into),
            started: self.started_at.map(Into::into),
            finished: self.finished_at.to_jiff(),
        }
    }

    fn log(&mut self) -> Option<LogRecord> {
        Some(LogRecord {
            key: self.log_key.take()?,
            size: from_bigint(self.log_size?),
            text_bytes: self.log_text_bytes.map_or(0, from_bigint),
            truncated: self.log_truncated.unwrap_or(false),
        })
    }

    fn into_ending(self, column: Column<'_>) -> Result<Ending, StoreError> {
        let Some(build_key) = self.build_key else {
            let word = self.reason.unwrap_or_default();
            let reason = FailureReason::parse(&word).unwrap_or_else(|| {
                // Written by a newer release, which knows more reasons. Reading must not fail.
                tracing::warn!(uid = column.row, reason = word, "unknown reason in history");
                FailureReason::Internal
            });
            let detail = self.detail.unwrap_or_default();
            return Ok(Ending::Failed(Failure { reason, detail }));
        };
        let answer: Answer = column.named("answer").json(self.answer.unwrap_or(Value::Null))?;
        let files: Vec<StoredFile> = column.named("files").json(self.files)?;
        Ok(Ending::Succeeded(Built {
            build_key: column.named("build_key").parsed(&build_key)?,
            files,
            manifest: match self.manifest {
                Some(manifest) => column.named("manifest").json(manifest)?,
                None => return Err(column.named("build_key").bad("it has no manifest")),
            },
            packages: answer.packages,
            commands: answer.commands,
            profile: answer.profile,
        }))
    }
}
