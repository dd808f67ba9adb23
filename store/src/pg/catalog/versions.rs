//! Writes the versions of one distribution. Only versions whose digest changed are replaced.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{TarballDigest, Target, Version},
    names::{ProfileId, TargetName},
};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    pg::json::{text, to_json},
};

pub(super) async fn write_versions(
    tx: &mut PgConnection,
    distribution: &str,
    versions: &[Version],
    digests: &[String],
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
    for ((position, version), digest) in (0_i32..).zip(versions).zip(digests) {
        if known.get(&version.name) == Some(digest) {
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
        insert_version(tx, distribution, position, version, digest).await?;
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

/// One row of `catalog_targets`. Rows are sent as one JSON array, which the database unpacks.
#[derive(Serialize)]
struct TargetRow<'a> {
    name: &'a TargetName,
    arch: &'a str,
    version_code: &'a str,
    source_date_epoch: i64,
    image_builder: &'a str,
    sha256: &'a TarballDigest,
    sysupgrade: Option<bool>,
}

/// One row of `catalog_profiles`, sent like [`TargetRow`].
#[derive(Serialize)]
struct ProfileRow<'a> {
    target: &'a TargetName,
    position: usize,
    id: &'a ProfileId,
    aliases: &'a [String],
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
              image_builder, sha256, sysupgrade)
         select $1, $2, t.* from jsonb_to_recordset($3) as t (
             name text, arch text, version_code text, source_date_epoch bigint,
             image_builder text, sha256 text, sysupgrade boolean)",
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
             (distribution, version, target, position, id, aliases)
         select $1, $2, p.* from jsonb_to_recordset($3) as p (
             target text, position int, id text, aliases text[])",
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
        image_builder: &target.image_builder.file,
        sha256: &target.image_builder.sha256,
        sysupgrade: target.sysupgrade,
    }
}

fn profile_rows(target: &Target) -> impl Iterator<Item = ProfileRow<'_>> {
    (0..).zip(target.profiles.iter()).map(|(position, profile)| ProfileRow {
        target: &target.name,
        position,
        id: &profile.id,
        aliases: &profile.aliases,
    })
}
