//! Reads the whole catalog in one snapshot of the database.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{Distribution, ImageBuilder, Profile, Target, Version},
    names::TargetName,
};
use futures::TryStreamExt as _;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    model::Catalog,
    pg::{PgStore, documents, json::Column},
};

/// Targets by (distribution, version), then by name, before they are moved into their versions.
type Targets = BTreeMap<(String, String), BTreeMap<TargetName, Target>>;

pub(super) async fn load(store: &PgStore) -> Result<Catalog, StoreError> {
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
    let documents = documents::load(&mut tx).await?;
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
    let distributions = distributions.collect::<Result<_, StoreError>>()?;
    Ok(Catalog { revision, distributions, documents })
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
            default_packages: column.named("default_packages").parsed_all(&row.default_packages)?,
            profiles: Vec::new(),
            image_builder: ImageBuilder {
                file: row.image_builder,
                sha256: column.parsed(&row.sha256)?,
            },
            name: column.named("name").parsed(&row.name)?,
        };
        let version = targets.entry((row.distribution, row.version)).or_default();
        version.insert(target.name.clone(), target);
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
            .and_then(|targets| targets.get_mut(row.target.as_str()));
        // It always exists: the foreign key ensures it within one snapshot.
        if let Some(target) = target {
            let column = Column { table: "catalog_profiles", column: "titles", row: &row.id };
            target.profiles.push(Profile {
                titles: column.json(row.titles)?,
                id: column.named("id").parsed(&row.id)?,
                aliases: row.aliases,
                device_packages: column
                    .named("device_packages")
                    .parsed_all(&row.device_packages)?,
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
