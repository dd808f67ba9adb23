//! Imports images into the nodes of a cluster, because there is no registry.

use std::collections::BTreeMap;

use super::node::Node;
use super::paths::Paths;
use super::{Cluster, Error, buildah, files};
use crate::progress::Progress;

pub use super::buildah::{build, ensure_base, push};

/// Imports a built image into every node of a cluster, unless the node has it under this tag. Pods use it with
/// `imagePullPolicy` `IfNotPresent` or `Never`. Returns the image's id.
pub async fn load(cluster: &Cluster, tag: &str, progress: &Progress) -> Result<String, Error> {
    let plane = cluster.plane()?;
    let id = buildah::id(tag).await.ok_or_else(|| unknown(cluster, tag))?;
    for number in &cluster.state.nodes {
        let node = cluster.node(&plane, *number);
        progress.step(&format!("loading {tag} into node{number}"), load_into(&node, tag)).await?;
    }
    Ok(id)
}

fn unknown(cluster: &Cluster, tag: &str) -> Error {
    Error::State {
        path: cluster.paths.dir().to_owned(),
        reason: format!("image {tag} was never built"),
    }
}

/// Imports an image into one node.
pub(super) async fn load_into(node: &Node<'_>, tag: &str) -> Result<(), Error> {
    let record = node.paths.node(node.number).join("images.json");
    let mut known = read(&record)?;
    let Some(id) = buildah::id(tag).await else {
        let reason = format!("image {tag} was never built");
        return Err(Error::State { path: record, reason });
    };
    if known.get(tag) == Some(&id) {
        return Ok(());
    }
    let archive = node.paths.node(node.number).join("loading.tar");
    // buildah would append to an archive left by an interrupted run.
    let _ = std::fs::remove_file(&archive);
    buildah::export(tag, &archive).await?;
    node.ctr(&["images", "import", &archive.to_string_lossy()]).await?;
    let _ = std::fs::remove_file(&archive);
    known.insert(tag.to_owned(), id);
    let text = serde_json::to_string_pretty(&known)
        .map_err(|error| Error::State { path: record.clone(), reason: error.to_string() })?;
    files::write(&record, text)
}

/// Tags of the images that were loaded into a node.
pub(super) fn loaded(paths: &Paths, number: u8) -> Result<Vec<String>, Error> {
    Ok(read(&paths.node(number).join("images.json"))?.into_keys().collect())
}

fn read(path: &std::path::Path) -> Result<BTreeMap<String, String>, Error> {
    let text = files::read(path)?;
    // Without a readable record the image is imported again.
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
