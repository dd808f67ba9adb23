//! Reads the catalog in one snapshot of the database. Versions and references to documents whose digests
//! are known are not read again.

use std::{collections::BTreeMap, sync::Arc};

use asu_core::{
    catalog::{Distribution, ImageBuilder, Profile, Target, Version},
    catalog_documents::CatalogDocuments,
    names::TargetName,
    profile_pool::ProfilePool,
};
use futures::TryStreamExt as _;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    model::{Catalog, CatalogDigests},
    pg::{PgStore, documents, json::Column},
};

/// Begins a transaction that reads one state of the database.
const SNAPSHOT: &str = "begin isolation level repeatable read read only";

/// Distribution and version.
type Key = (String, String);
/// Targets of versions, before they are moved into them.
type Targets = BTreeMap<Key, BTreeMap<TargetName, Target>>;

/// The versions to read, as two arrays of equal length, and one target if only that is needed.
#[derive(Default)]
struct Wanted<'a> {
    distributions: Vec<String>,
    versions: Vec<String>,
    target: Option<&'a str>,
}

/// A version without its targets.
struct Head {
    distribution: String,
    version: Version,
    digest: String,
}

struct DistributionRow {
    name: String,
    revision: i64,
    offer: serde_json::Value,
    documents_digest: String,
}

pub(super) async fn load(
    store: &PgStore,
    known: &Catalog,
    only: Option<&str>,
    pool: &ProfilePool,
) -> Result<Catalog, StoreError> {
    let mut tx = store.pool().begin_with(SNAPSHOT).await?;
    let revision =
        sqlx::query_scalar!("select revision from catalog_state").fetch_one(&mut *tx).await?;
    let rows = distributions(&mut tx, only).await?;
    let mut digests = CatalogDigests::default();
    let mut versions = load_versions(&mut tx, known, only, pool, &mut digests).await?;
    let (mut distributions, mut documents) = (Vec::new(), BTreeMap::new());
    for row in rows {
        let of_row = references(&mut tx, known, &row).await?;
        documents.extend(of_row.map(|of_row| (row.name.clone(), of_row)));
        digests.documents.insert(row.name.clone(), row.documents_digest);
        let column = Column { table: "distributions", column: "offer", row: &row.name };
        distributions.push(Distribution {
            revision: row.revision,
            offer: column.json(row.offer)?,
            versions: versions.remove(&row.name).unwrap_or_default(),
            name: row.name,
        });
    }
    tx.rollback().await?;
    Ok(Catalog { revision, distributions, documents, digests })
}

pub(super) async fn load_target(
    store: &PgStore,
    distribution: &str,
    version: &str,
    target: &str,
) -> Result<Option<Distribution>, StoreError> {
    let mut tx = store.pool().begin_with(SNAPSHOT).await?;
    let Some(row) = distributions(&mut tx, Some(distribution)).await?.pop() else {
        return Ok(None);
    };
    let heads = heads(&mut tx, Some(distribution)).await?;
    let wanted = Wanted {
        distributions: vec![distribution.to_owned()],
        versions: vec![version.to_owned()],
        target: Some(target),
    };
    let mut targets = load_targets(&mut tx, &wanted, &ProfilePool::default()).await?;
    tx.rollback().await?;
    let versions = heads.into_iter().map(|Head { distribution, mut version, .. }| {
        let key = (distribution, version.name.clone());
        version.ready = targets.remove(&key).unwrap_or_default();
        Arc::new(version)
    });
    let column = Column { table: "distributions", column: "offer", row: &row.name };
    Ok(Some(Distribution {
        revision: row.revision,
        offer: column.json(row.offer)?,
        versions: versions.collect(),
        name: row.name,
    }))
}

/// Distributions that were not removed.
async fn distributions(
    tx: &mut PgConnection,
    only: Option<&str>,
) -> Result<Vec<DistributionRow>, StoreError> {
    Ok(sqlx::query_as!(
        DistributionRow,
        r#"select name, revision, offer as "offer!", documents_digest from distributions
           where offer is not null and ($1::text is null or name = $1) order by name"#,
        only
    )
    .fetch_all(tx)
    .await?)
}

/// References of a distribution to documents, if it has any.
async fn references(
    tx: &mut PgConnection,
    known: &Catalog,
    row: &DistributionRow,
) -> Result<Option<Arc<CatalogDocuments>>, StoreError> {
    let same = known.digests.documents.get(&row.name) == Some(&row.documents_digest);
    if let Some(known) = known.documents.get(&row.name).filter(|_| same) {
        return Ok(Some(known.clone()));
    }
    let documents = documents::load(tx, &row.name).await?;
    let is_empty = documents.targets.is_empty() && documents.feeds.is_empty();
    Ok((!is_empty).then(|| Arc::new(documents)))
}

async fn heads(tx: &mut PgConnection, only: Option<&str>) -> Result<Vec<Head>, StoreError> {
    let rows = sqlx::query!(
        "select distribution, name, branch, path, snapshot, digest from catalog_versions
         where $1::text is null or distribution = $1 order by distribution, position",
        only
    )
    .fetch_all(tx)
    .await?;
    let head = rows.into_iter().map(|row| Head {
        distribution: row.distribution,
        digest: row.digest,
        version: Version {
            name: row.name,
            branch: row.branch,
            path: row.path,
            snapshot: row.snapshot,
            targets: BTreeMap::new(),
            ready: BTreeMap::new(),
        },
    });
    Ok(head.collect())
}

/// Versions by distribution: the known ones, and those that have to be read.
async fn load_versions(
    tx: &mut PgConnection,
    known: &Catalog,
    only: Option<&str>,
    pool: &ProfilePool,
    digests: &mut CatalogDigests,
) -> Result<BTreeMap<String, Vec<Arc<Version>>>, StoreError> {
    let held = known.distributions.iter().flat_map(|distribution| {
        let versions = distribution.versions.iter();
        versions.map(|version| ((distribution.name.clone(), version.name.clone()), version))
    });
    let mut held: BTreeMap<Key, &Arc<Version>> = held.collect();
    let heads = heads(tx, only).await?;
    let mut wanted = Wanted::default();
    for Head { distribution, version, digest } in &heads {
        let key = (distribution.clone(), version.name.clone());
        if known.digests.versions.get(&key) != Some(digest) {
            held.remove(&key);
        }
        if !held.contains_key(&key) {
            wanted.distributions.push(distribution.clone());
            wanted.versions.push(version.name.clone());
        }
        digests.versions.insert(key, digest.clone());
    }
    let mut listed = load_listed(tx, &wanted).await?;
    let mut targets = load_targets(tx, &wanted, pool).await?;
    let mut versions: BTreeMap<String, Vec<Arc<Version>>> = BTreeMap::new();
    for Head { distribution, mut version, .. } in heads {
        let key = (distribution, version.name.clone());
        let version = if let Some(held) = held.get(&key) {
            (*held).clone()
        } else {
            version.targets = listed.remove(&key).unwrap_or_default();
            version.ready = targets.remove(&key).unwrap_or_default();
            Arc::new(version)
        };
        versions.entry(key.0).or_default().push(version);
    }
    Ok(versions)
}

/// Architectures of the targets that upstream lists.
async fn load_listed(
    tx: &mut PgConnection,
    wanted: &Wanted<'_>,
) -> Result<BTreeMap<Key, BTreeMap<TargetName, String>>, StoreError> {
    let mut listed = BTreeMap::new();
    if wanted.versions.is_empty() {
        return Ok(listed);
    }
    let mut rows = sqlx::query!(
        "select distribution, name, targets from catalog_versions
         where (distribution, name) in (select * from unnest($1::text[], $2::text[]))",
        &wanted.distributions,
        &wanted.versions
    )
    .fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let column = Column { table: "catalog_versions", column: "targets", row: &row.name };
        let targets = column.json(row.targets)?;
        listed.insert((row.distribution, row.name), targets);
    }
    Ok(listed)
}

async fn load_targets(
    tx: &mut PgConnection,
    wanted: &Wanted<'_>,
    pool: &ProfilePool,
) -> Result<Targets, StoreError> {
    let mut targets = Targets::new();
    if wanted.versions.is_empty() {
        return Ok(targets);
    }
    let mut profiles = load_profiles(tx, wanted, pool).await?;
    let mut rows = sqlx::query!(
        "select distribution, version, name, arch, version_code, source_date_epoch,
                image_builder, sha256, sysupgrade
         from catalog_targets
         where (distribution, version) in (select * from unnest($1::text[], $2::text[]))
           and ($3::text is null or name = $3)",
        &wanted.distributions,
        &wanted.versions,
        wanted.target
    )
    .fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let place = (row.distribution, row.version, row.name);
        let column = Column { table: "catalog_targets", column: "sha256", row: &place.2 };
        let target = Target {
            arch: row.arch,
            sysupgrade: row.sysupgrade,
            version_code: row.version_code,
            source_date_epoch: row.source_date_epoch,
            profiles: profiles.remove(&place).unwrap_or_else(|| pool.list([])),
            image_builder: ImageBuilder {
                file: row.image_builder,
                sha256: column.parsed(&row.sha256)?,
            },
            name: column.named("name").parsed(&place.2)?,
        };
        let version = targets.entry((place.0, place.1)).or_default();
        version.insert(target.name.clone(), target);
    }
    Ok(targets)
}

type Lists = BTreeMap<(String, String, String), asu_core::catalog::Profiles>;

/// Reads the devices one by one, so that only the lists are in memory.
async fn load_profiles(
    tx: &mut PgConnection,
    wanted: &Wanted<'_>,
    pool: &ProfilePool,
) -> Result<Lists, StoreError> {
    let mut rows = sqlx::query!(
        "select distribution, version, target, id, aliases
         from catalog_profiles
         where (distribution, version) in (select * from unnest($1::text[], $2::text[]))
           and ($3::text is null or target = $3)
         order by distribution, version, target, position",
        &wanted.distributions,
        &wanted.versions,
        wanted.target
    )
    .fetch(tx);
    let mut lists = Lists::new();
    let (mut place, mut list) = ((String::new(), String::new(), String::new()), Vec::new());
    while let Some(row) = rows.try_next().await? {
        let of_row = (row.distribution, row.version, row.target);
        if of_row != place {
            let place = std::mem::replace(&mut place, of_row);
            lists.insert(place, pool.list(std::mem::take(&mut list)));
        }
        let column = Column { table: "catalog_profiles", column: "id", row: &row.id };
        list.push(Profile { id: column.parsed(&row.id)?, aliases: row.aliases });
    }
    lists.insert(place, pool.list(list));
    Ok(lists)
}
