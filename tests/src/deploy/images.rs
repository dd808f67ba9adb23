//! The images of the system, built from this checkout.

use data_encoding::HEXLOWER;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Error, Site, release};
use crate::{cluster::image, progress::Progress, toolchain::debian};

/// Where the images of this checkout are.
#[derive(Debug, Clone)]
pub struct Images {
    /// Registry of all three.
    pub registry: String,
    /// Tag of all three: a hash of the programs and of their Dockerfiles, so that a change reaches the pods.
    pub tag: String,
}

/// The programs, by the ends of their names.
const PROGRAMS: [&str; 3] = ["operator", "api", "builder"];
/// Their packages.
pub const PACKAGES: [&str; 3] = ["asu-operator", "asu-api", "asu-builder"];
/// Name that the chart gives the bundled database's image.
const POSTGRES: &str = "docker.io/library/postgres:17";

/// Builds the programs and their images, and makes them known to the cluster.
pub(super) async fn ensure(site: &Site, progress: &Progress) -> Result<Images, Error> {
    release::build(&PACKAGES, progress).await?;
    let context = stage_programs()?;
    let images = Images { registry: site.registry().to_owned(), tag: tag(context.path())? };
    for program in PROGRAMS {
        let name = format!("{}/asu-{program}:{}", images.registry, images.tag);
        site.provide(&dockerfile(program), context.path(), &name, progress).await?;
    }
    if site.cluster().is_some() {
        // Other clusters pull the official image.
        let postgres = crate::root().join("images");
        site.provide(&dockerfile("postgres"), &postgres, POSTGRES, progress).await?;
    }
    Ok(images)
}

/// Builds the programs and their images, and pushes them to a registry.
///
/// # Errors
/// What cargo, buildah or the registry said.
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

/// Hash of everything that is in the images.
fn tag(context: &Path) -> Result<String, Error> {
    let mut hasher = Sha256::new();
    for program in PROGRAMS {
        let built = context.join("target/release").join(format!("asu-{program}"));
        for path in [built, dockerfile(program)] {
            let bytes = std::fs::read(&path).map_err(|source| Error::Io { path, source })?;
            hasher.update(bytes);
        }
    }
    Ok(HEXLOWER.encode(&hasher.finalize()).chars().take(16).collect())
}

/// A build context that holds the programs alone: the checkout's own folder is gigabytes.
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
