//! Reads single targets for which builds require a revision that the catalog does not have. Called by the
//! controller between two readings of the whole Distribution.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{Distribution as Offered, Version},
    catalog_documents::CatalogDocuments,
    names::TargetName,
    offered::Basis as Found,
};
use asu_crds::Distribution;
use asu_upstream::{ClientOptions, Memory, ReadRequest, Upstream, read_catalog};
use jiff::tz::TimeZone;
use kube::ResourceExt;

use super::{
    apply,
    decide::{Basis, Decision, decide},
    dereference::{self, VersionRead, described},
    documents::documents,
    documents_read::DocumentsRead,
    fault::Fault,
    keep::DocumentKeeper,
    looks::Sought,
    own_thread::on_its_own_thread,
    validate::{ValidBranch, Validated},
};
use crate::context::Context;

/// Reads one target and writes it to the catalog. Returns the new revision of the catalog, and what was
/// read, or `None` if the target could not be read.
///
/// # Errors
/// When the catalog cannot be read or written.
pub async fn look(
    object: &Distribution,
    valid: &Validated,
    sought: &Sought,
    context: &Context,
) -> Result<Option<(i64, Found)>, Fault> {
    let name = object.name_any();
    let rows = context.catalogs.reload(&context.database, &name).await?;
    let before = rows.documents.get(&name).cloned().unwrap_or_default();
    let Some(last) = rows.distribution(&name) else { return Ok(None) };
    let Some(read) = read(object, valid, sought, last, context).await? else { return Ok(None) };
    let target = read.read.as_ref().ok().and_then(|version| version.ready.get(&*sought.target));
    let Some(target) = target else {
        tracing::warn!(?sought, problems = ?read.problems, "the target could not be read again");
        return Ok(None);
    };
    let (version_code, image_builder_sha256) =
        (target.version_code.clone(), target.image_builder.sha256);
    let revision = write(object, valid, read, (last, &before), context).await?;
    let catalog_revision = revision;
    Ok(Some((revision, Found { catalog_revision, version_code, image_builder_sha256 })))
}

/// Reads a target. `None` if it is not offered any more, or if the process is stopped.
async fn read(
    object: &Distribution,
    valid: &Validated,
    sought: &Sought,
    last: &Offered,
    context: &Context,
) -> Result<Option<VersionRead>, Fault> {
    let offered = last.version(&sought.version);
    let named = object.spec.branch_of(&sought.version).map(|branch| &branch.name);
    let branch = valid.branches.iter().find(|branch| Some(&branch.name) == named);
    let (Some(offered), Some(branch), Ok(target)) = (offered, branch, sought.target.parse()) else {
        return Ok(None);
    };
    let Ok(trust) = branch.trust_of(&sought.version) else { return Ok(None) };
    let accepted = object.annotations().get(asu_crds::labels::ACCEPT_REVISIONS);
    let accepted = accepted.map(String::as_str).unwrap_or_default();
    let known = dereference::Offered { last: Some(last), accepted };
    let request = ReadRequest {
        version: sought.version.clone(),
        branch: branch.name.clone(),
        path: branch.path_of(&sought.version),
        snapshot: branch.rebuilds(&sought.version),
        targets: Some(vec![target]),
        excluded: valid.excluded.clone(),
        trust,
        offered: known.of(&sought.version),
        accepted: accepted.split_whitespace().map(str::to_owned).collect(),
        memory: Memory::default(),
        pool: context.catalogs.pool().clone(),
    };
    let upstream = Upstream::new(valid.mirrors.clone(), ClientOptions::default())?;
    let keeper = DocumentKeeper::of(context)?;
    let reading = on_its_own_thread(context.stop.clone(), async move || {
        read_catalog(&upstream, &request, &keeper).await
    });
    Ok(reading.await.map(|read| {
        let read = read.and_then(|read| read.map_err(|error| error.to_string()));
        merged(branch, offered, read)
    }))
}

/// Adds what was read of a target to the other targets of its version.
fn merged(
    branch: &ValidBranch,
    offered: &Version,
    read: Result<asu_upstream::CatalogRead, String>,
) -> VersionRead {
    let mut result = VersionRead {
        branch: branch.name.clone(),
        version: offered.name.clone(),
        read: Err(String::new()),
        problems: BTreeMap::new(),
        faults: BTreeMap::new(),
        documents: DocumentsRead::default(),
    };
    match read {
        Err(problem) => result.read = Err(problem),
        Ok(found) => {
            let ready: BTreeMap<TargetName, _> =
                offered.ready.clone().into_iter().chain(found.version.ready).collect();
            // A target that could not be read must not look like one that was.
            let failed = described(&found.problems);
            let is_read = |name: &TargetName| !failed.contains_key(name);
            let ready = ready.into_iter().filter(|(name, _)| is_read(name)).collect();
            result.read = Ok(Version { ready, ..offered.clone() });
            result.documents.targets = found.documents;
            result.problems = failed;
        }
    }
    result
}

/// Decides what is offered now, and writes it as after a reading of everything.
async fn write(
    object: &Distribution,
    valid: &Validated,
    read: VersionRead,
    (last, before): (&Offered, &CatalogDocuments),
    context: &Context,
) -> Result<i64, Fault> {
    let name = object.name_any();
    let ready = dereference::ready_caches(context, &name);
    let decision = {
        let mut read = Some(read);
        let all = last.versions.iter().filter_map(|version| {
            if read.as_ref().is_some_and(|read| read.version == version.name) {
                return read.take();
            }
            Some(unchanged(version))
        });
        let all = all.collect();
        let today = context.now().to_zoned(TimeZone::UTC).date();
        let (last, ready, spec) = (Some(last), &ready, &object.spec);
        let basis = Basis { name: &name, spec, valid, unlisted: None, last, ready, today };
        decide(&basis, all)
    };
    let documents = documents(&decision, Some(last), before);
    let written = apply::catalog(context, &name, &decision, documents).await?;
    children(context, &name, &decision).await?;
    Ok(written.revision)
}

async fn children(context: &Context, name: &str, decision: &Decision) -> Result<(), kube::Error> {
    apply::pinned(context, name, &decision.pinned).await?;
    apply::missing(context, &decision.successors).await
}

/// A version of which nothing was read.
fn unchanged(version: &Version) -> VersionRead {
    VersionRead {
        branch: version.branch.clone(),
        version: version.name.clone(),
        read: Ok(version.clone()),
        problems: BTreeMap::new(),
        faults: BTreeMap::new(),
        documents: DocumentsRead::default(),
    }
}
