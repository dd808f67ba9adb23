//! Decides which documents of upstream belong to the catalog after a reading: pure. Called by the
//! controller after the decision what is offered.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{
    catalog::{Distribution, Target, Version},
    catalog_documents::{CatalogDocuments, Feeds, TargetDocuments, Targets},
};

use super::decide::Decision;

/// Returns the documents of everything that is offered: the new ones if they could be read, else the
/// last good ones.
pub fn documents(
    decision: &Decision,
    last: Option<&Distribution>,
    before: &CatalogDocuments,
) -> CatalogDocuments {
    let mut documents = CatalogDocuments::default();
    for version in &decision.versions {
        let read = decision.documents.get(&version.name);
        let last = last.and_then(|last| last.version(&version.name));
        let mut targets = Targets::new();
        for (name, target) in &version.ready {
            let old = before.of_target(&version.name, name.as_str());
            let read = read.and_then(|read| read.targets.get(name));
            let read = read.filter(|_| !is_held(decision, &version.name, name.as_str()));
            let chosen = match read {
                None => old.copied(),
                Some(read) => {
                    let last = last.and_then(|last| last.ready.get(name));
                    Some(with_packages(*read, target, last, old))
                }
            };
            targets.extend(chosen.map(|chosen| (name.clone(), chosen)));
        }
        if !targets.is_empty() {
            documents.targets.insert(version.name.clone(), targets);
        }
    }
    for (branch, arches) in arches(&decision.versions) {
        for arch in arches {
            let feeds = feeds(decision, branch, arch, before.of_arch(branch, arch));
            if !feeds.is_empty() {
                let of_branch = documents.feeds.entry(branch.to_owned()).or_default();
                of_branch.insert(arch.to_owned(), feeds);
            }
        }
    }
    documents
}

/// Whether the former data of a target is still offered, because the cache of its new ImageBuilder is
/// not ready.
fn is_held(decision: &Decision, version: &str, target: &str) -> bool {
    decision.successors.values().any(|next| next.version == version && next.target == target)
}

/// If the packages could not be read, uses the last index of the same build of the target. The index of
/// another build would contain versions that an image of this build cannot have.
fn with_packages(
    read: TargetDocuments,
    target: &Target,
    last: Option<&Target>,
    before: Option<&TargetDocuments>,
) -> TargetDocuments {
    let is_same = |last: &Target| {
        last.version_code == target.version_code && last.image_builder == target.image_builder
    };
    let known = before.filter(|_| last.is_some_and(is_same)).and_then(|before| before.packages);
    TargetDocuments { packages: read.packages.or(known), ..read }
}

/// Architectures of what is offered, by branch.
fn arches(versions: &[Version]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for version in versions {
        let arches = version.ready.values().map(|target| &*target.arch);
        all.entry(&version.branch).or_default().extend(arches);
    }
    all
}

/// The feeds of an architecture. If a feed could not be read, its last index is kept. A feed that is no
/// longer listed is removed.
fn feeds(decision: &Decision, branch: &str, arch: &str, before: Option<&Feeds>) -> Feeds {
    let of_branch = decision.versions.iter().filter(|version| version.branch == branch);
    let mut read = of_branch.filter_map(|version| {
        let read = decision.documents.get(&version.name)?;
        read.feeds.get(arch)
    });
    let kept = || before.cloned().unwrap_or_default();
    let Some(read) = read.next() else { return kept() };
    let Some(listed) = &read.listed else { return kept() };
    let found = listed.iter().filter_map(|feed| {
        let digest = read.feeds.get(feed).or_else(|| before?.get(feed))?;
        Some((feed.clone(), *digest))
    });
    found.collect()
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
