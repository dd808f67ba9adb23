//! Builds the images of the system from this checkout, and makes them available to a cluster.

use asu_core::digest::Digest;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Error, Site, release};
use crate::{cluster::image, progress::Progress, toolchain::debian};

/// Registry and tag of the images.
#[derive(Debug, Clone)]
pub struct Images {
    /// Registry of all three images.
    pub registry: String,
    /// Tag of all three images: a hash of the programs and Dockerfiles, so that a change replaces running pods.
    pub tag: String,
}

/// The programs, without the prefix `asu-`.
const PROGRAMS: [&str; 3] = ["operator", "api", "builder"];
/// The programs' cargo packages.
pub const PACKAGES: [&str; 3] = ["asu-operator", "asu-api", "asu-builder"];
/// Image of the bundled database in the chart.
const POSTGRES: &str = "docker.io/library/postgres:17";

/// Builds the programs and their images, and imports the images into the cluster.
pub(super) async fn ensure(site: &Site, progress: &Progress) -> Result<Images, Error> {
    release::build(&PACKAGES, progress).await?;
    let context = stage_programs()?;
    let images = Images { registry: site.registry().to_owned(), tag: tag(context.path())? };
    for program in PROGRAMS {
        let name = format!("{}/asu-{program}:{}", images.registry, images.tag);
        site.provide(&dockerfile(program), context.path(), &name, progress).await?;
    }
    if site.cluster().is_some() {
        // Other clusters pull the official image from its registry.
        let postgres = crate::root().join("images");
        site.provide(&dockerfile("postgres"), &postgres, POSTGRES, progress).await?;
    }
    Ok(images)
}

/// Builds the programs and their images, and pushes them to a registry.
///
/// # Errors
/// The error of cargo, buildah or the registry.
pub async fn publish(
    registry: &str,
    tag: Option<&str>,
    progress: &Progress,
) -> Result<Images, Error> {
    debian::ensure(progress).await?;
    image::ensure_base(progress).await?;
    release::build(&PACKAGES, progress).await?;
    let context = stage_programs()?;
    let tag = tag.map_or_else(|| self::tag(context.path()), |tag| Ok(tag.to_owned()))?;
    let images = Images { registry: registry.trim_end_matches('/').to_owned(), tag };
    for program in PROGRAMS {
        let name = format!("{}/asu-{program}:{}", images.registry, images.tag);
        image::build(&dockerfile(program), context.path(), &name, progress).await?;
        image::push(&name, progress).await?;
    }
    Ok(images)
}

fn dockerfile(program: &str) -> PathBuf {
    crate::root().join(format!("images/{program}.Dockerfile"))
}

/// Hash of the images' content.
fn tag(context: &Path) -> Result<String, Error> {
    let mut hasher = Sha256::new();
    for program in PROGRAMS {
        let built = context.join("target/release").join(format!("asu-{program}"));
        for path in [built, dockerfile(program)] {
            let bytes = std::fs::read(&path).map_err(|source| Error::Io { path, source })?;
            hasher.update(bytes);
        }
    }
    Ok(Digest::from_hasher(hasher).to_string().chars().take(16).collect())
}

/// A build context with only the programs, because the checkout's folder has gigabytes.
fn stage_programs() -> Result<tempfile::TempDir, Error> {
    let io = |path: PathBuf| move |source| Error::Io { path, source };
    let context = tempfile::tempdir().map_err(io(std::env::temp_dir()))?;
    let folder = context.path().join("target/release");
    std::fs::create_dir_all(&folder).map_err(io(folder.clone()))?;
    for program in PROGRAMS.map(|program| format!("asu-{program}")) {
        let built = crate::target_dir().join("release").join(&program);
        std::fs::copy(&built, folder.join(&program)).map_err(io(built))?;
    }
    Ok(context)
}
