//! Writes a finished build to the database, in one transaction. Called by the operator; an archived
//! build is never changed here.

use asu_core::{
    failure::{Disposition, Failure},
    names::PackageSpec,
    result::{Built, StoredFile, store_keys},
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff_sqlx::Timestamp as PgTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    listen::BUILDS_CHANNEL,
    model::{ArchiveOutcome, BuildEvent, BuildFacts, Ending, NewArchive},
    pg::{
        PgStore,
        epoch::fence,
        json::{text, to_json},
        statistics, to_bigint,
    },
};
use asu_artifacts::{ArtifactStore, Presence};

/// The column `answer`: what the API answers for a successful build besides its files and manifest.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) packages: Vec<PackageSpec>,
    pub(super) commands: Vec<Vec<String>>,
    pub(super) profile: Map<String, Value>,
}

impl Answer {
    fn of(built: &Built) -> Self {
        Self {
            packages: built.packages.clone(),
            commands: built.commands.clone(),
            profile: built.profile.clone(),
        }
    }
}

impl PgStore {
    /// [`Self::archive`], if every file of a success is in `files` with its size. They
    /// are looked at while retention is kept from deleting them.
    ///
    /// # Errors
    /// Those of [`Self::archive`], and [`StoreError::FilesMissing`].
    pub async fn archive_with(
        &self,
        build: &NewArchive,
        files: &ArtifactStore,
        epoch: i64,
    ) -> Result<ArchiveOutcome, StoreError> {
        self.bounded("archive_with", archive_on(self, build, Some(files), epoch)).await
    }
}

pub(super) async fn archive(
    store: &PgStore,
    build: &NewArchive,
    epoch: i64,
) -> Result<ArchiveOutcome, StoreError> {
    archive_on(store, build, None, epoch).await
}

/// Number of files that are checked concurrently: on a network volume each check is a round trip.
const CONCURRENT_CHECKS: usize = 16;

/// Checks that `files` has the files of a successful build, then archives it. Without `files` the
/// check is skipped.
async fn archive_on(
    store: &PgStore,
    build: &NewArchive,
    files: Option<&ArtifactStore>,
    epoch: i64,
) -> Result<ArchiveOutcome, StoreError> {
    let facts = &build.facts;
    if let (Some(built), Some(files)) = (facts.ending.built(), files) {
        if !claim(store, build, built, epoch).await? {
            return Ok(ArchiveOutcome::AlreadyArchived);
        }
        // Outside the transactions: a slow store must not hold the lock on the epoch's row.
        check_files(files, built).await?;
    }
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    if is_archived(&mut tx, facts).await? {
        return Ok(ArchiveOutcome::AlreadyArchived);
    }
    if let Some(built) = facts.ending.built() {
        insert_files(&mut tx, built).await?;
    }
    if !insert_build(&mut tx, build, epoch).await? && is_archived(&mut tx, facts).await? {
        // Another call of the same leader has archived it meanwhile.
        return Ok(ArchiveOutcome::AlreadyArchived);
    }
    insert_events(&mut tx, &facts.uid, &build.events).await?;
    statistics::count(&mut tx, facts, outcome(&facts.ending)).await?;
    sqlx::query!("select pg_notify($1, $2)", BUILDS_CHANNEL, facts.request_hash.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(ArchiveOutcome::Archived)
}

/// Claims the files of a build key for ten minutes, by the clock of the database: retention cannot
/// delete them before the build is archived. Returns `false` when it is archived already.
async fn claim(
    store: &PgStore,
    new: &NewArchive,
    built: &Built,
    epoch: i64,
) -> Result<bool, StoreError> {
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    if is_archived(&mut tx, &new.facts).await? {
        return Ok(false);
    }
    let deleting = sqlx::query_scalar!(
        r#"insert into file_sets (build_key, bytes, claimed_until)
           values ($1, $2, now() + interval '10 minutes')
           on conflict (build_key) do update set claimed_until = excluded.claimed_until
           returning deleting_since is not null as "deleting!""#,
        built.build_key.to_string(),
        to_bigint(size(built))
    )
    .fetch_one(&mut *tx)
    .await?;
    if deleting {
        return Err(StoreError::BeingDeleted(built.build_key));
    }
    tx.commit().await?;
    Ok(true)
}

async fn check_files(store: &ArtifactStore, built: &Built) -> Result<(), StoreError> {
    let checks: Vec<_> =
        built.files.iter().map(|file| check_file(store, built, file).boxed()).collect();
    stream::iter(checks).buffer_unordered(CONCURRENT_CHECKS).try_collect().await
}

async fn check_file(
    store: &ArtifactStore,
    built: &Built,
    file: &StoredFile,
) -> Result<(), StoreError> {
    let key = store_keys::artifact(&built.build_key, &file.name);
    let (name, expected) = (&file.name, file.size);
    let problem = match store.presence(&key, expected).await {
        Ok(Presence::Present) => return Ok(()),
        Ok(Presence::Missing) => format!("{name} is not there"),
        Ok(Presence::OtherSize(size)) => format!("{name} has {size} bytes instead of {expected}"),
        Err(error) => return Err(StoreError::Unavailable(error.to_string())),
    };
    Err(StoreError::FilesMissing(problem))
}

async fn is_archived(tx: &mut PgConnection, facts: &BuildFacts) -> Result<bool, StoreError> {
    let known = sqlx::query_scalar!("select request_hash from builds where uid = $1", facts.uid)
        .fetch_optional(tx)
        .await?;
    match known {
        None => Ok(false),
        Some(hash) if hash == facts.request_hash.to_string() => Ok(true),
        Some(_) => Err(StoreError::Conflict(format!(
            "build {} is archived with another request",
            facts.uid
        ))),
    }
}

async fn insert_files(tx: &mut PgConnection, built: &Built) -> Result<(), StoreError> {
    let key = built.build_key.to_string();
    sqlx::query!(
        "insert into file_sets (build_key, bytes) values ($1, $2) on conflict do nothing",
        key,
        to_bigint(size(built))
    )
    .execute(&mut *tx)
    .await?;
    // The share lock lasts until the end of the transaction: retention cannot begin to delete
    // these files before.
    let deleting = sqlx::query_scalar!(
        r#"select deleting_since is not null as "deleting!"
           from file_sets where build_key = $1 for share"#,
        key
    )
    .fetch_one(&mut *tx)
    .await?;
    if deleting {
        return Err(StoreError::BeingDeleted(built.build_key));
    }
    insert_artifacts(tx, built).await?;
    sqlx::query!(
        "insert into manifests (build_key, packages) values ($1, $2) on conflict do nothing",
        key,
        to_json(&built.manifest)?
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn insert_artifacts(tx: &mut PgConnection, built: &Built) -> Result<(), StoreError> {
    let key = built.build_key.to_string();
    let names: Vec<String> = built.files.iter().map(|file| file.name.clone()).collect();
    let sizes: Vec<i64> = built.files.iter().map(|file| to_bigint(file.size)).collect();
    let digests: Vec<String> = built.files.iter().map(|file| file.sha256.to_string()).collect();
    let objects: Vec<String> =
        built.files.iter().map(|file| store_keys::artifact(&built.build_key, &file.name)).collect();
    sqlx::query!(
        "insert into artifacts (build_key, name, size, sha256, object_key)
         select $1, * from unnest($2::text[], $3::bigint[], $4::text[], $5::text[])
         on conflict do nothing",
        key,
        &names,
        &sizes,
        &digests,
        &objects
    )
    .execute(&mut *tx)
    .await?;
    // An earlier build with this key must have exactly the same files.
    let same = sqlx::query_scalar!(
        r#"select not exists (
               (select name, size, sha256 from artifacts where build_key = $1)
               except
               select * from unnest($2::text[], $3::bigint[], $4::text[])
           ) and not exists (
               select * from unnest($2::text[], $3::bigint[], $4::text[])
               except
               select name, size, sha256 from artifacts where build_key = $1
           ) as "same!""#,
        key,
        &names,
        &sizes,
        &digests
    )
    .fetch_one(&mut *tx)
    .await?;
    if same {
        Ok(())
    } else {
        Err(StoreError::Conflict(format!("build key {key} has other files")))
    }
}

fn outcome(ending: &Ending) -> &'static str {
    match ending {
        Ending::Succeeded(_) => "Succeeded",
        Ending::Failed(failure) if failure.reason.disposition() == Disposition::Cancelled => {
            "Cancelled"
        }
        Ending::Failed(_) => "Failed",
    }
}

/// Bytes of the files of a success.
fn size(built: &Built) -> u64 {
    built.files.iter().map(|file| file.size).sum()
}

fn bytes(facts: &BuildFacts) -> u64 {
    let files = facts.ending.built().map_or(0, size);
    files.saturating_add(facts.log.as_ref().map_or(0, |log| log.size))
}

#[expect(clippy::too_many_lines, reason = "one row with many columns")]
async fn insert_build(
    tx: &mut PgConnection,
    new: &NewArchive,
    epoch: i64,
) -> Result<bool, StoreError> {
    let facts = &new.facts;
    let request = &facts.request;
    let built = facts.ending.built();
    let failure: Option<&Failure> = facts.ending.failure();
    let log = facts.log.as_ref();
    // Bound as text: a JSON value would be converted to jsonb, which reorders keys.
    let answer = built
        .map(|built| to_json(&Answer::of(built)))
        .transpose()?
        .map(|answer| answer.to_string());
    let done = sqlx::query!(
        "insert into builds (
             uid, request_hash, build_key, distribution, version, target, profile, version_code,
             catalog_revision, request, private, attempt, outcome, reason, detail, answer, millis,
             created_at, queued_at, admitted_at, started_at, finished_at, archived_at,
             fresh_until, keep_until, bytes, log_key, log_size, log_text_bytes, log_truncated,
             epoch)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                 $16::text::json, $17,
                 $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)
         on conflict (uid) do nothing",
        facts.uid,
        facts.request_hash.to_string(),
        built.map(|built| built.build_key.to_string()),
        text(&request.distribution),
        text(&request.version),
        request.target.as_str(),
        request.profile.as_str(),
        text(&facts.version_code),
        facts.catalog_revision,
        to_json(request)?,
        facts.is_private(),
        i32::try_from(facts.attempt).unwrap_or(i32::MAX),
        outcome(&facts.ending),
        failure.map(|failure| failure.reason.as_str()),
        failure.map(|failure| text(&failure.detail)),
        answer,
        to_json(&facts.millis)?,
        PgTime::from(facts.times.created) as _,
        facts.times.queued.map(PgTime::from) as _,
        facts.times.admitted.map(PgTime::from) as _,
        facts.times.started.map(PgTime::from) as _,
        PgTime::from(facts.times.finished) as _,
        PgTime::from(new.archived_at) as _,
        PgTime::from(facts.fresh_until) as _,
        PgTime::from(facts.keep_until) as _,
        to_bigint(bytes(facts)),
        log.map(|log| log.key.as_str()),
        log.map(|log| to_bigint(log.size)),
        log.map(|log| to_bigint(log.text_bytes)),
        log.map(|log| log.truncated),
        epoch
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn insert_events(
    tx: &mut PgConnection,
    uid: &str,
    events: &[BuildEvent],
) -> Result<(), StoreError> {
    let at: Vec<PgTime> = events.iter().map(|event| PgTime::from(event.at)).collect();
    let kinds: Vec<String> = events.iter().map(|event| event.kind.as_str().into()).collect();
    let reasons: Vec<String> = events.iter().map(|event| text(&event.reason)).collect();
    let messages: Vec<String> = events.iter().map(|event| text(&event.message)).collect();
    sqlx::query!(
        "insert into build_events (uid, seq, at, kind, reason, message)
         select $1, seq, at, kind, reason, message
         from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[])
              with ordinality as event (at, kind, reason, message, seq)",
        uid,
        &at as _,
        &kinds,
        &reasons,
        &messages
    )
    .execute(tx)
    .await?;
    Ok(())
}
