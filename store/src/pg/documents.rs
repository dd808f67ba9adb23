//! Documents of upstream by the digest of their content, and the references to them from the catalog.
//! The operator writes a document as soon as it was read, and later the catalog that refers to it; the
//! API reads single documents.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{
    catalog_documents::CatalogDocuments, catalog_documents::TargetDocuments, digest::Digest,
};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::Timestamp as PgTime;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    pg::{
        PgStore,
        epoch::fence,
        json::{Column, to_json},
    },
};

/// Compression level: documents are written once and read often.
const LEVEL: i32 = 9;

/// If a document is found again, `seen_at` is updated only if it is older than this.
const MARK_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl PgStore {
    /// Stores a document. If it already exists, only `seen_at` is updated, at most once an hour. It is
    /// compressed before the transaction begins.
    ///
    /// # Errors
    /// Those of the database; [`StoreError::Fenced`].
    pub async fn put_document(
        &self,
        content: Vec<u8>,
        seen_at: Timestamp,
        epoch: i64,
    ) -> Result<Digest, StoreError> {
        self.bounded("put_document", async {
            let digest = Digest::of(&content);
            let key = digest.to_string();
            let known = sqlx::query_scalar!(
                r#"select seen_at as "seen_at: PgTime" from documents where digest = $1"#,
                key
            )
            .fetch_optional(self.pool())
            .await?;
            let marked = seen_at.checked_sub(MARK_AFTER).unwrap_or(seen_at);
            match known {
                Some(seen) if seen.to_jiff() >= marked => return Ok(digest),
                Some(_) if mark(self, &key, seen_at, epoch).await? => return Ok(digest),
                Some(_) | None => {}
            }
            let compressed = Compressed::of(content).await?;
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            insert(&mut tx, &key, compressed, seen_at).await?;
            tx.commit().await?;
            Ok(digest)
        })
        .await
    }

    /// The content of a document.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn document(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.bounded("document", async {
            let key = digest.to_string();
            let row = sqlx::query!("select content, size from documents where digest = $1", key)
                .fetch_optional(self.pool())
                .await?;
            let Some(row) = row else { return Ok(None) };
            let column = Column { table: "documents", column: "content", row: &key };
            let size = usize::try_from(row.size).map_err(|error| column.bad(error))?;
            let inflate = move || zstd::bulk::decompress(&row.content, size);
            let inflated = tokio::task::spawn_blocking(inflate).await;
            let content = inflated.map_err(|error| column.bad(error))?;
            content.map(Some).map_err(|error| column.bad(error))
        })
        .await
    }

    /// Deletes documents without references that no reading has found since `seen_before`. Returns
    /// their number.
    ///
    /// # Errors
    /// Those of the database; [`StoreError::Fenced`].
    pub async fn delete_unused_documents(
        &self,
        seen_before: Timestamp,
        epoch: i64,
    ) -> Result<u64, StoreError> {
        self.bounded("delete_unused_documents", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let deleted = sqlx::query!(
                "delete from documents d where d.seen_at < $1
                   and not exists (select from target_documents t where t.profiles = d.digest)
                   and not exists (select from target_documents t where t.packages = d.digest)
                   and not exists (select from feed_documents f where f.packages = d.digest)",
                PgTime::from(seen_before) as _
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(deleted.rows_affected())
        })
        .await
    }
}

/// Updates `seen_at`. Returns whether the document still exists.
async fn mark(
    store: &PgStore,
    key: &str,
    seen_at: Timestamp,
    epoch: i64,
) -> Result<bool, StoreError> {
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    let seen_at = PgTime::from(seen_at);
    let marked =
        sqlx::query!("update documents set seen_at = $2 where digest = $1", key, seen_at as _)
            .execute(&mut *tx)
            .await?;
    tx.commit().await?;
    Ok(marked.rows_affected() > 0)
}

/// A compressed document.
struct Compressed {
    content: Vec<u8>,
    /// Bytes before compression.
    size: i32,
}

impl Compressed {
    async fn of(content: Vec<u8>) -> Result<Self, StoreError> {
        let bad = |error: String| StoreError::Conflict(format!("a document: {error}"));
        let size = i32::try_from(content.len()).map_err(|error| bad(error.to_string()))?;
        let compress = move || zstd::bulk::compress(&content, LEVEL);
        let content = tokio::task::spawn_blocking(compress).await;
        let content = content.map_err(|error| bad(error.to_string()))?;
        Ok(Self { content: content.map_err(|error| bad(error.to_string()))?, size })
    }
}

/// Stores a document. Another reading may have stored it meanwhile.
async fn insert(
    tx: &mut PgConnection,
    key: &str,
    document: Compressed,
    seen_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into documents (digest, content, size, seen_at) values ($1, $2, $3, $4)
         on conflict (digest) do update set seen_at = excluded.seen_at",
        key,
        document.content,
        document.size,
        PgTime::from(seen_at) as _
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// One row of `target_documents`; all rows of a distribution are sent as one JSON array.
#[derive(Serialize)]
struct TargetRow<'a> {
    version: &'a str,
    target: &'a str,
    profiles: Digest,
    packages: Option<Digest>,
}

/// One row of `feed_documents`, sent like [`TargetRow`].
#[derive(Serialize)]
struct FeedRow<'a> {
    branch: &'a str,
    arch: &'a str,
    feed: &'a str,
    packages: Digest,
}

/// Removes references to documents that do not exist. Returns the number of these documents.
pub(super) async fn take_out_missing(
    tx: &mut PgConnection,
    documents: &mut CatalogDocuments,
) -> Result<usize, StoreError> {
    let wanted: BTreeSet<String> = documents.digests().map(|digest| digest.to_string()).collect();
    let wanted: Vec<String> = wanted.into_iter().collect();
    let found = sqlx::query_scalar!("select digest from documents where digest = any($1)", &wanted)
        .fetch_all(tx)
        .await?;
    let found: BTreeSet<String> = found.into_iter().collect();
    let is_there = |digest: &Digest| found.contains(&digest.to_string());
    for targets in documents.targets.values_mut() {
        targets.retain(|_, target| is_there(&target.profiles));
        for target in targets.values_mut() {
            target.packages = target.packages.filter(is_there);
        }
    }
    for feeds in documents.feeds.values_mut().flat_map(BTreeMap::values_mut) {
        feeds.retain(|_, packages| is_there(packages));
    }
    Ok(wanted.len().saturating_sub(found.len()))
}

/// Replaces the references of a distribution.
pub(super) async fn write(
    tx: &mut PgConnection,
    distribution: &str,
    documents: &CatalogDocuments,
) -> Result<(), StoreError> {
    delete(tx, distribution).await?;
    let targets = documents.targets.iter().flat_map(|(version, targets)| {
        targets.iter().map(move |(target, of_target)| TargetRow {
            version,
            target: target.as_str(),
            profiles: of_target.profiles,
            packages: of_target.packages,
        })
    });
    let feeds = documents.feeds.iter().flat_map(|(branch, arches)| {
        arches.iter().flat_map(move |(arch, feeds)| {
            feeds.iter().map(move |(feed, packages)| FeedRow {
                branch,
                arch,
                feed,
                packages: *packages,
            })
        })
    });
    let targets: Vec<TargetRow<'_>> = targets.collect();
    let feeds: Vec<FeedRow<'_>> = feeds.collect();
    sqlx::query!(
        "insert into target_documents (distribution, version, target, profiles, packages)
         select $1, t.* from jsonb_to_recordset($2) as t (
             version text, target text, profiles text, packages text)",
        distribution,
        to_json(&targets)?
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into feed_documents (distribution, branch, arch, feed, packages)
         select $1, f.* from jsonb_to_recordset($2) as f (
             branch text, arch text, feed text, packages text)",
        distribution,
        to_json(&feeds)?
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes the references of a distribution.
pub(super) async fn delete(tx: &mut PgConnection, distribution: &str) -> Result<(), StoreError> {
    sqlx::query!("delete from target_documents where distribution = $1", distribution)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("delete from feed_documents where distribution = $1", distribution)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Loads the references of a distribution.
pub(super) async fn load(
    tx: &mut PgConnection,
    distribution: &str,
) -> Result<CatalogDocuments, StoreError> {
    let mut documents = CatalogDocuments::default();
    let rows = sqlx::query!(
        "select version, target, profiles, packages from target_documents where distribution = $1",
        distribution
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in rows {
        let column = Column { table: "target_documents", column: "profiles", row: &row.target };
        let packages = row.packages.as_deref();
        let of_target = TargetDocuments {
            profiles: column.parsed(&row.profiles)?,
            packages: packages.map(|text| column.named("packages").parsed(text)).transpose()?,
        };
        let target = column.named("target").parsed(&row.target)?;
        documents.targets.entry(row.version).or_default().insert(target, of_target);
    }
    let rows = sqlx::query!(
        "select branch, arch, feed, packages from feed_documents where distribution = $1",
        distribution
    )
    .fetch_all(tx)
    .await?;
    for row in rows {
        let column = Column { table: "feed_documents", column: "packages", row: &row.feed };
        let packages = column.parsed(&row.packages)?;
        let branch = documents.feeds.entry(row.branch).or_default();
        branch.entry(row.arch).or_default().insert(row.feed, packages);
    }
    Ok(documents)
}
