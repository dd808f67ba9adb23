//! The catalog of a distribution with a parent: versions, targets and documents from the parent's catalog
//! in the database, and the own feeds from their servers. Called by the controller instead of reading an
//! upstream.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{
    catalog::{Distribution as Catalogued, Version},
    catalog_documents::{CatalogDocuments, Feeds},
    names::TargetName,
};
use asu_crds::{Distribution, DistributionSpec};
use asu_store::model::CatalogWrite;
use jiff::tz::TimeZone;
use kube::{ResourceExt, runtime::reflector::ObjectRef};

use super::{
    apply,
    decide::{Basis, Decision, decide},
    dereference::{ReadyCaches, VersionRead},
    discover::complete,
    documents::documents,
    documents_read::DocumentsRead,
    fault::Fault,
    keep::DocumentKeeper,
    own_feeds,
    validate::{ValidBranch, Validated},
};
use crate::context::Context;

/// Why the catalog of a child cannot be updated.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The spec is invalid until it or the parent changes.
    Refused(String),
    /// The parent is not there, or has no catalog yet. The last good catalog stays.
    Missing {
        /// Reason of the condition.
        reason: &'static str,
        /// Explanation for people.
        message: String,
    },
}

fn parent_of(object: &Distribution, context: &Context) -> Option<std::sync::Arc<Distribution>> {
    let name = &object.spec.parent.as_ref()?.distribution;
    context.stores.distributions.get(&ObjectRef::new(name).within(&context.settings.namespace))
}

/// What is wrong with the parent of a distribution.
pub fn trouble(object: &Distribution, context: &Context) -> Option<Trouble> {
    judge(&object.name_any(), &object.spec, parent_of(object, context).as_deref())
}

fn judge(name: &str, spec: &DistributionSpec, parent: Option<&Distribution>) -> Option<Trouble> {
    let wanted = &spec.parent.as_ref()?.distribution;
    if wanted == name {
        let message = format!("spec.parent.distribution: {name} cannot be its own parent");
        return Some(Trouble::Refused(message));
    }
    let Some(parent) = parent.filter(|parent| parent.metadata.deletion_timestamp.is_none()) else {
        let message = format!(
            "spec.parent.distribution: no Distribution is named {wanted}; what was offered before stays"
        );
        return Some(Trouble::Missing { reason: "ParentMissing", message });
    };
    if let Some(grandparent) = &parent.spec.parent {
        let message = format!(
            "spec.parent.distribution: {wanted} has a parent itself, {}; name a distribution without one",
            grandparent.distribution
        );
        return Some(Trouble::Refused(message));
    }
    if parent.status.as_ref().is_none_or(|status| status.catalog_revision.is_none()) {
        let message = format!("the catalog of {wanted} was not read yet");
        return Some(Trouble::Missing { reason: "ParentNotReady", message });
    }
    None
}

/// Whether the parent has another catalog than the one that was last read.
pub fn has_changed(object: &Distribution, context: &Context) -> bool {
    if object.spec.parent.is_none() {
        return false;
    }
    let parent = parent_of(object, context);
    let revision = parent.and_then(|parent| parent.status.as_ref()?.catalog_revision);
    revision != context.catalogs.parent_read(&object.name_any())
}

/// Reads, decides and writes the catalog of a child. `None` if the process is stopped meanwhile.
///
/// # Errors
/// A [`Fault`]; the pass is repeated after a pause.
pub async fn catalog(
    (object, parent): (&Distribution, &str),
    valid: &mut Validated,
    last: Option<&Catalogued>,
    before: &CatalogDocuments,
    context: &Context,
) -> Result<Option<(Decision, CatalogWrite)>, Fault> {
    let name = object.name_any();
    let rows = context.catalogs.reload(&context.database, parent).await?;
    let of_parent = rows.documents.get(parent).cloned().unwrap_or_default();
    let base = rows.distribution(parent);
    let names: Vec<String> = base
        .into_iter()
        .flat_map(|base| base.versions.iter().map(|version| version.name.clone()))
        .collect();
    complete(&mut valid.branches, &names);
    if let Some(base) = base {
        let own = std::mem::take(&mut valid.package_changes);
        valid.package_changes = base.offer.package_changes.iter().cloned().chain(own).collect();
    }
    let mut read = inherit(&object.spec, valid, base, &of_parent);
    let keeper = DocumentKeeper::of(context)?;
    if feeds(&object.spec, &mut read, &of_parent, base, &keeper, context).await.is_none() {
        return Ok(None);
    }
    let basis = Basis {
        name: &name,
        spec: &object.spec,
        valid,
        unlisted: None,
        last,
        // The parent holds back ImageBuilders whose caches are not ready.
        ready: &ReadyCaches::default(),
        today: context.now().to_zoned(TimeZone::UTC).date(),
    };
    let mut decision = decide(&basis, read);
    offer(&mut decision, &object.spec, base);
    let documents = documents(&decision, last, before);
    let written = apply::catalog(context, &name, &decision, documents).await?;
    // The object may still show an older revision than the one that was read.
    context.catalogs.set_parent_read(&name, base.map(|base| base.revision));
    Ok(Some((decision, written)))
}

/// What the download server of the parent serves, so that clients find its documents.
fn offer(decision: &mut Decision, spec: &DistributionSpec, base: Option<&Catalogued>) {
    let Some(base) = base else { return };
    decision.offer.public_url.clone_from(&base.offer.public_url);
    for branch in &mut decision.offer.branches {
        let mut versions = decision.versions.iter().filter(|version| version.branch == branch.name);
        let Some(first) = versions.next() else { continue };
        let renamed = spec.base_of("", &first.name).1 != first.name;
        branch.path = if renamed && versions.next().is_none() {
            first.path.clone()
        } else {
            let parent = spec.base_of("", &first.name).1;
            first.path.replace(parent, "{version}")
        };
    }
}

/// The versions of the branches, as the catalog of the parent has them.
fn inherit(
    spec: &DistributionSpec,
    valid: &Validated,
    base: Option<&Catalogued>,
    documents: &CatalogDocuments,
) -> Vec<VersionRead> {
    let one = |branch: &ValidBranch, name: &str| {
        let known = spec.base_of("", name).1;
        let found = base.and_then(|base| base.version(known));
        // Without a target, the version is not offered and its former data are not kept.
        let read =
            found.map_or_else(|| nothing(name, branch), |found| own(found, name, branch, valid));
        let targets = documents.targets.get(known).cloned().unwrap_or_default();
        VersionRead {
            branch: branch.name.clone(),
            version: name.to_owned(),
            read: Ok(read),
            problems: BTreeMap::new(),
            faults: BTreeMap::new(),
            documents: DocumentsRead { targets, ..DocumentsRead::default() },
        }
    };
    let of_branch = |branch: &ValidBranch| -> Vec<VersionRead> {
        branch.versions.iter().map(|(name, _)| one(branch, name)).collect()
    };
    valid.branches.iter().flat_map(of_branch).collect()
}

/// A version that the parent does not offer.
fn nothing(name: &str, branch: &ValidBranch) -> Version {
    Version {
        name: name.to_owned(),
        branch: branch.name.clone(),
        path: branch.path_of(name),
        snapshot: branch.rebuilds(name),
        targets: BTreeMap::new(),
        ready: BTreeMap::new(),
    }
}

/// A version of the parent under its own name, with the targets that the child offers.
fn own(found: &Version, name: &str, branch: &ValidBranch, valid: &Validated) -> Version {
    let mut version = found.clone();
    name.clone_into(&mut version.name);
    version.branch.clone_from(&branch.name);
    if let Some(wanted) = &valid.targets {
        version.targets.retain(|target, _| wanted.contains(target));
        version.ready.retain(|target, _| wanted.contains(target));
    }
    let is_excluded =
        |target: &TargetName| valid.excluded.iter().any(|excluded| excluded.fits(target));
    version.targets.retain(|target, _| !is_excluded(target));
    version.ready.retain(|target, _| !is_excluded(target));
    version
}

/// Adds the feeds of each branch and architecture to the newest version of the branch.
async fn feeds(
    spec: &DistributionSpec,
    read: &mut [VersionRead],
    documents: &CatalogDocuments,
    base: Option<&Catalogued>,
    keeper: &DocumentKeeper,
    context: &Context,
) -> Option<()> {
    let mut done = BTreeSet::new();
    for version in read {
        let Ok(found) = &version.read else { continue };
        if !done.insert(version.branch.clone()) {
            continue;
        }
        let known = spec.base_of("", &version.version).1;
        let branch = base.and_then(|base| base.version(known)).map(|found| found.branch.as_str());
        let arches: BTreeSet<&String> = found.ready.values().map(|target| &target.arch).collect();
        for arch in arches {
            let of_parent = branch.and_then(|branch| documents.of_arch(branch, arch));
            let of_parent = of_parent.cloned().unwrap_or_else(Feeds::new);
            let feeds =
                own_feeds::read(spec, found, known, arch, &of_parent, keeper, &context.stop);
            version.documents.feeds.insert(arch.clone(), feeds.await?);
        }
    }
    Some(())
}

#[cfg(test)]
#[path = "parent_tests.rs"]
mod tests;
