//! Writes and reads the catalog. The operator writes one distribution at a time; the API and the
//! operator read the whole catalog.

mod memories;
mod read;
mod versions;

use std::time::Duration;

use asu_core::{
    catalog::{Distribution, Offer, Version},
    catalog_documents::CatalogDocuments,
    digest::Digest,
    profile_pool::ProfilePool,
};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    listen::CATALOG_CHANNEL,
    model::{Catalog, CatalogWrite},
    pg::{PgStore, documents, epoch::fence, json::to_json},
};

/// Value of the column `digest` for a removed distribution.
const REMOVED: &str = "removed";
/// Time limit of a load: that of a whole catalog of hundreds of versions takes seconds.
const LOAD_WITHIN: Duration = Duration::from_mins(2);
/// Time limit of a write, which is one transaction.
const WRITE_WITHIN: Duration = Duration::from_mins(10);

impl PgStore {
    /// Replaces one distribution in one transaction, and notifies listeners. Unchanged rows are not
    /// written; without any change, the revision stays the same. Versions, targets and profiles that are
    /// not given are deleted. `documents` were put before and belong to the distribution from then on,
    /// instead of those that did. Documents alone are a change of the catalog, and none of the
    /// distribution's revision.
    pub async fn put_distribution(
        &self,
        name: &str,
        offer: &Offer,
        versions: &[Version],
        documents: CatalogDocuments,
        epoch: i64,
    ) -> Result<CatalogWrite, StoreError> {
        let put = put(self, name, offer, versions, documents, epoch);
        self.bounded_by(WRITE_WITHIN, "put_distribution", put).await
    }

    /// Removes a distribution. If it is created again, its revision continues.
    pub async fn remove_distribution(
        &self,
        name: &str,
        epoch: i64,
    ) -> Result<CatalogWrite, StoreError> {
        self.bounded("remove_distribution", async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let before = current(&mut tx, name).await?;
            if before.digest.is_empty() || before.digest == REMOVED {
                return Ok(before.unchanged());
            }
            sqlx::query!("delete from catalog_versions where distribution = $1", name)
                .execute(&mut *tx)
                .await?;
            documents::delete(&mut tx, name).await?;
            memories::delete(&mut tx, name).await?;
            let revision = write_distribution(&mut tx, name, None, REMOVED).await?;
            set_documents_digest(&mut tx, name, "").await?;
            announce(&mut tx).await?;
            tx.commit().await?;
            Ok(CatalogWrite { revision, changed: true, missing: 0 })
        })
        .await
    }

    /// Reads the whole catalog in one snapshot.
    pub async fn load_catalog(&self) -> Result<Catalog, StoreError> {
        self.reload_catalog(&Catalog::default(), None, &ProfilePool::default()).await
    }

    /// Reads the catalog in one snapshot, or one distribution of it. What has not changed since `known`
    /// is not read, but taken over from it. Equal devices share their memory through `pool`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reload_catalog(
        &self,
        known: &Catalog,
        only: Option<&str>,
        pool: &ProfilePool,
    ) -> Result<Catalog, StoreError> {
        let load = read::load(self, known, only, pool);
        self.bounded_by(LOAD_WITHIN, "load_catalog", load).await
    }

    /// Reads a distribution with the names of its versions, but only one target of one of them, if it
    /// is offered. `None` if there is no such distribution.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn load_target(
        &self,
        distribution: &str,
        version: &str,
        target: &str,
    ) -> Result<Option<Distribution>, StoreError> {
        let load = read::load_target(self, distribution, version, target);
        self.bounded("load_target", load).await
    }

    /// Reads only [`Catalog::revision`].
    pub async fn catalog_revision(&self) -> Result<i64, StoreError> {
        self.bounded("catalog_revision", async {
            Ok(sqlx::query_scalar!("select revision from catalog_state")
                .fetch_one(self.pool())
                .await?)
        })
        .await
    }
}

/// Revision and digests of a distribution before a write.
#[derive(Default)]
struct Before {
    revision: i64,
    /// Empty for a new distribution.
    digest: String,
    documents_digest: String,
}

impl Before {
    fn unchanged(self) -> CatalogWrite {
        CatalogWrite { revision: self.revision, changed: false, missing: 0 }
    }
}

async fn current(tx: &mut PgConnection, name: &str) -> Result<Before, StoreError> {
    let row = sqlx::query_as!(
        Before,
        "select revision, digest, documents_digest from distributions where name = $1 for update",
        name
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.unwrap_or_default())
}

fn digest_of(value: &impl Serialize) -> Result<String, StoreError> {
    let digest = Digest::of_json(value).map_err(|error| StoreError::Conflict(error.to_string()))?;
    Ok(digest.to_string())
}

async fn put(
    store: &PgStore,
    name: &str,
    offer: &Offer,
    versions: &[Version],
    mut documents: CatalogDocuments,
    epoch: i64,
) -> Result<CatalogWrite, StoreError> {
    let of_versions: Vec<String> = versions.iter().map(digest_of).collect::<Result<_, _>>()?;
    let digest = digest_of(&(offer, &of_versions))?;
    let mut documents_digest = digest_of(&documents)?;
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    let before = current(&mut tx, name).await?;
    let same = before.digest == digest;
    if same && before.documents_digest == documents_digest {
        return Ok(before.unchanged());
    }
    let missing = documents::take_out_missing(&mut tx, &mut documents).await?;
    if missing > 0 {
        documents_digest = digest_of(&documents)?;
        if same && before.documents_digest == documents_digest {
            return Ok(CatalogWrite { missing, ..before.unchanged() });
        }
    }
    let mut revision = before.revision;
    if !same {
        revision = write_distribution(&mut tx, name, Some(offer), &digest).await?;
        versions::write_versions(&mut tx, name, versions, &of_versions).await?;
    }
    if before.documents_digest != documents_digest {
        documents::write(&mut tx, name, &documents).await?;
        set_documents_digest(&mut tx, name, &documents_digest).await?;
    }
    announce(&mut tx).await?;
    tx.commit().await?;
    Ok(CatalogWrite { revision, changed: true, missing })
}

async fn set_documents_digest(
    tx: &mut PgConnection,
    name: &str,
    digest: &str,
) -> Result<(), StoreError> {
    sqlx::query!("update distributions set documents_digest = $2 where name = $1", name, digest)
        .execute(tx)
        .await?;
    Ok(())
}

async fn write_distribution(
    tx: &mut PgConnection,
    name: &str,
    offer: Option<&Offer>,
    digest: &str,
) -> Result<i64, StoreError> {
    let offer = offer.map(to_json).transpose()?;
    Ok(sqlx::query_scalar!(
        "insert into distributions (name, revision, offer, digest) values ($1, 1, $2, $3)
         on conflict (name) do update
         set revision = distributions.revision + 1,
             offer = excluded.offer, digest = excluded.digest
         returning revision",
        name,
        offer,
        digest
    )
    .fetch_one(tx)
    .await?)
}

/// Raises the revision of the whole catalog and notifies listeners. Postgres sends the notification
/// on commit.
async fn announce(tx: &mut PgConnection) -> Result<(), StoreError> {
    let revision =
        sqlx::query_scalar!("update catalog_state set revision = revision + 1 returning revision")
            .fetch_one(&mut *tx)
            .await?;
    sqlx::query!("select pg_notify($1, $2)", CATALOG_CHANNEL, revision.to_string())
        .execute(tx)
        .await?;
    Ok(())
}
