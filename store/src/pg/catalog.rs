//! The catalog.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{Distribution, ImageBuilder, Offer, Profile, Target, Version},
    digest::Sha256Hex,
};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    listen::CATALOG_CHANNEL,
    model::{Catalog, CatalogWrite},
    pg::{
        PgStore,
        epoch::fence,
        json::{Column, text, to_json},
    },
    repository::CatalogRepository,
};

/// Stands for a distribution that was removed.
const REMOVED: &str = "removed";

#[async_trait]
impl CatalogRepository for PgStore {
    async fn put_distribution(
        &self,
        name: &str,
        offer: &Offer,
        versions: &[Version],
        epoch: i64,
    ) -> Result<CatalogWrite, StoreError> {
        self.bounded(put(self, name, offer, versions, epoch)).await
    }

    async fn remove_distribution(
        &self,
        name: &str,
        epoch: i64,
    ) -> Result<CatalogWrite, StoreError> {
        self.bounded(async {
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            let before = current(&mut tx, name).await?;
            if before.digest.is_empty() || before.digest == REMOVED {
                return Ok(before.unchanged());
            }
            sqlx::query!("delete from catalog_versions where distribution = $1", name)
                .execute(&mut *tx)
                .await?;
            let revision = write_distribution(&mut tx, name, None, REMOVED).await?;
            announce(&mut tx).await?;
            tx.commit().await?;
            Ok(CatalogWrite { revision, changed: true })
        })
        .await
    }

    async fn load(&self) -> Result<Catalog, StoreError> {
        self.bounded(load(self)).await
    }

    async fn revision(&self) -> Result<i64, StoreError> {
        self.bounded(async {
            Ok(sqlx::query_scalar!("select revision from catalog_state")
                .fetch_one(self.pool())
                .await?)
        })
        .await
    }
}

/// What is known of a distribution before a write.
struct Before {
    revision: i64,
    /// Empty when it is new.
    digest: String,
}

impl Before {
    fn unchanged(self) -> CatalogWrite {
        CatalogWrite { revision: self.revision, changed: false }
    }
}

async fn current(tx: &mut PgConnection, name: &str) -> Result<Before, StoreError> {
    let row =
        sqlx::query!("select revision, digest from distributions where name = $1 for update", name)
            .fetch_optional(tx)
            .await?;
    let (revision, digest) = row.map_or_else(Default::default, |row| (row.revision, row.digest));
    Ok(Before { revision, digest })
}

fn digest_of(value: &impl Serialize) -> Result<String, StoreError> {
    let bytes = serde_json::to_vec(value).map_err(|e| StoreError::Conflict(e.to_string()))?;
    Ok(Sha256Hex::of(&bytes).to_string())
}

async fn put(
    store: &PgStore,
    name: &str,
    offer: &Offer,
    versions: &[Version],
    epoch: i64,
) -> Result<CatalogWrite, StoreError> {
    let digest = digest_of(&(offer, versions))?;
    let mut tx = store.pool().begin().await?;
    fence(&mut tx, epoch).await?;
    let before = current(&mut tx, name).await?;
    if before.digest == digest {
        return Ok(before.unchanged());
    }
    let revision = write_distribution(&mut tx, name, Some(offer), &digest).await?;
    write_versions(&mut tx, name, versions).await?;
    announce(&mut tx).await?;
    tx.commit().await?;
    Ok(CatalogWrite { revision, changed: true })
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

/// Raises the revision of the whole catalog and tells listeners, who hear it on commit.
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

async fn write_versions(
    tx: &mut PgConnection,
    distribution: &str,
    versions: &[Version],
) -> Result<(), StoreError> {
    let known = sqlx::query!(
        "select name, digest from catalog_versions where distribution = $1",
        distribution
    )
    .fetch_all(&mut *tx)
    .await?;
    let known: BTreeMap<String, String> =
        known.into_iter().map(|row| (row.name, row.digest)).collect();
    let mut stale: Vec<String> = known.keys().cloned().collect();
    let mut changed = Vec::new();
    for (position, version) in (0_i32..).zip(versions) {
        let digest = digest_of(version)?;
        if known.get(&version.name) == Some(&digest) {
            stale.retain(|name| *name != version.name);
        } else {
            changed.push((position, version, digest));
        }
    }
    sqlx::query!(
        "delete from catalog_versions where distribution = $1 and name = any($2)",
        distribution,
        &stale
    )
    .execute(&mut *tx)
    .await?;
    for (position, version, digest) in changed {
        insert_version(tx, distribution, position, version, &digest).await?;
    }
    let names: Vec<String> = versions.iter().map(|version| version.name.clone()).collect();
    sqlx::query!(
        "update catalog_versions v set position = wanted.position
         from unnest($2::text[]) with ordinality as wanted (name, position)
         where v.distribution = $1 and v.name = wanted.name
           and v.position is distinct from wanted.position",
        distribution,
        &names
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// One row of `catalog_targets`, as JSON that the database unpacks.
#[derive(Serialize)]
struct TargetRow<'a> {
    name: &'a str,
    arch: &'a str,
    version_code: &'a str,
    source_date_epoch: i64,
    default_packages: &'a [String],
    image_builder: &'a str,
    sha256: &'a Sha256Hex,
}

/// One row of `catalog_profiles`.
#[derive(Serialize)]
struct ProfileRow<'a> {
    target: &'a str,
    position: usize,
    id: &'a str,
    aliases: &'a [String],
    titles: &'a serde_json::Value,
    device_packages: &'a [String],
}

async fn insert_version(
    tx: &mut PgConnection,
    distribution: &str,
    position: i32,
    version: &Version,
    digest: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into catalog_versions
             (distribution, name, position, branch, path, snapshot, targets, digest)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        distribution,
        version.name,
        position,
        text(&version.branch),
        text(&version.path),
        version.snapshot,
        to_json(&version.targets)?,
        digest
    )
    .execute(&mut *tx)
    .await?;
    let targets: Vec<TargetRow<'_>> = version.ready.values().map(target_row).collect();
    sqlx::query!(
        "insert into catalog_targets
             (distribution, version, name, arch, version_code, source_date_epoch,
              default_packages, image_builder, sha256)
         select $1, $2, t.* from jsonb_to_recordset($3) as t (
             name text, arch text, version_code text, source_date_epoch bigint,
             default_packages text[], image_builder text, sha256 text)",
        distribution,
        version.name,
        to_json(&targets)?
    )
    .execute(&mut *tx)
    .await?;
    insert_profiles(tx, distribution, version).await
}

async fn insert_profiles(
    tx: &mut PgConnection,
    distribution: &str,
    version: &Version,
) -> Result<(), StoreError> {
    let profiles: Vec<ProfileRow<'_>> = version.ready.values().flat_map(profile_rows).collect();
    sqlx::query!(
        "insert into catalog_profiles
             (distribution, version, target, position, id, aliases, titles, device_packages)
         select $1, $2, p.* from jsonb_to_recordset($3) as p (
             target text, position int, id text, aliases text[], titles jsonb,
             device_packages text[])",
        distribution,
        version.name,
        to_json(&profiles)?
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn target_row(target: &Target) -> TargetRow<'_> {
    TargetRow {
        name: &target.name,
        arch: &target.arch,
        version_code: &target.version_code,
        source_date_epoch: target.source_date_epoch,
        default_packages: &target.default_packages,
        image_builder: &target.image_builder.file,
        sha256: &target.image_builder.sha256,
    }
}

fn profile_rows(target: &Target) -> impl Iterator<Item = ProfileRow<'_>> {
    (0..).zip(&target.profiles).map(|(position, profile)| ProfileRow {
        target: &target.name,
        position,
        id: &profile.id,
        aliases: &profile.aliases,
        titles: &profile.titles,
        device_packages: &profile.device_packages,
    })
}

/// Targets by distribution, version and name, while they are being put together.
type Targets = BTreeMap<(String, String), BTreeMap<String, Target>>;

async fn load(store: &PgStore) -> Result<Catalog, StoreError> {
    let mut tx = store.pool().begin_with("begin isolation level repeatable read read only").await?;
    let revision =
        sqlx::query_scalar!("select revision from catalog_state").fetch_one(&mut *tx).await?;
    let mut targets = load_targets(&mut tx).await?;
    load_profiles(&mut tx, &mut targets).await?;
    let mut versions = load_versions(&mut tx, &mut targets).await?;
    let rows = sqlx::query!(
        r#"select name, revision, offer as "offer!" from distributions
           where offer is not null order by name"#
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.rollback().await?;
    let distributions = rows.into_iter().map(|row| {
        let column = Column { table: "distributions", column: "offer", row: &row.name };
        Ok(Distribution {
            revision: row.revision,
            offer: column.json(row.offer)?,
            versions: versions.remove(&row.name).unwrap_or_default(),
            name: row.name,
        })
    });
    Ok(Catalog { revision, distributions: distributions.collect::<Result<_, StoreError>>()? })
}

async fn load_targets(tx: &mut PgConnection) -> Result<Targets, StoreError> {
    let mut rows = sqlx::query!(
        "select distribution, version, name, arch, version_code, source_date_epoch,
                default_packages, image_builder, sha256
         from catalog_targets"
    )
    .fetch(tx);
    let mut targets = Targets::new();
    while let Some(row) = rows.try_next().await? {
        let column = Column { table: "catalog_targets", column: "sha256", row: &row.name };
        let target = Target {
            arch: row.arch,
            version_code: row.version_code,
            source_date_epoch: row.source_date_epoch,
            default_packages: row.default_packages,
            profiles: Vec::new(),
            image_builder: ImageBuilder {
                file: row.image_builder,
                sha256: column.digest(row.sha256)?,
            },
            name: row.name.clone(),
        };
        targets.entry((row.distribution, row.version)).or_default().insert(row.name, target);
    }
    Ok(targets)
}

async fn load_profiles(tx: &mut PgConnection, targets: &mut Targets) -> Result<(), StoreError> {
    let mut rows = sqlx::query!(
        "select distribution, version, target, id, aliases, titles, device_packages
         from catalog_profiles order by distribution, version, target, position"
    )
    .fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let target = targets
            .get_mut(&(row.distribution, row.version))
            .and_then(|targets| targets.get_mut(&row.target));
        // The foreign key and the snapshot see to it that there is one.
        if let Some(target) = target {
            target.profiles.push(Profile {
                id: row.id,
                aliases: row.aliases,
                titles: row.titles,
                device_packages: row.device_packages,
            });
        }
    }
    Ok(())
}

async fn load_versions(
    tx: &mut PgConnection,
    targets: &mut Targets,
) -> Result<BTreeMap<String, Vec<Version>>, StoreError> {
    let rows = sqlx::query!(
        "select distribution, name, branch, path, snapshot, targets
         from catalog_versions order by distribution, position"
    )
    .fetch_all(tx)
    .await?;
    let mut versions: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for row in rows {
        let column = Column { table: "catalog_versions", column: "targets", row: &row.name };
        let key = (row.distribution.clone(), row.name.clone());
        versions.entry(row.distribution).or_default().push(Version {
            targets: column.json(row.targets)?,
            ready: targets.remove(&key).unwrap_or_default(),
            name: row.name,
            branch: row.branch,
            path: row.path,
            snapshot: row.snapshot,
        });
    }
    Ok(versions)
}
