//! One pass over a Distribution: reads upstream, decides, writes the catalog, the caches and the
//! status. Run by the leader on each change of the spec and at the interval of the settings.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asu_crds::{Distribution, labels};
use asu_store::model::CatalogWrite;
use jiff::{Timestamp, tz::TimeZone};
use kube::{Resource, ResourceExt, runtime::controller::Action};

use super::{
    apply,
    decide::{Basis, Decision, decide},
    dereference::{self, Offered},
    discover::discover,
    documents::documents,
    fault::Fault,
    keep::DocumentKeeper,
    keep_memories,
    look::look,
    memories::RETRY,
    parent,
    prewarm::new_versions,
    status::{Facts, status},
    validate::{Validated, validate},
};
use crate::{
    context::Context,
    runtime::{
        patch::{set_finalizers, write_status},
        reconcile,
        refresh::asked,
    },
};

/// Brings the catalog up to date with one Distribution.
///
/// # Errors
/// A [`Fault`]; the pass is repeated after a pause.
pub async fn reconcile(stored: Arc<Distribution>, context: Arc<Context>) -> Result<Action, Fault> {
    let object = context.recent_distributions.newest(&stored);
    let name = object.name_any();
    if object.meta().deletion_timestamp.is_some() {
        return remove(&object, &context).await;
    }
    if !object.finalizers().iter().any(|finalizer| finalizer == labels::CATALOG_FINALIZER) {
        set_finalizer(&object, &context, true).await?;
    }
    if object.spec.suspend {
        publish(&object, &context, &Facts::Suspended).await?;
        return Ok(Action::await_change());
    }
    if let Some(wait) = not_due(&object, &context) {
        look_for_builds(&object, &context).await?;
        let next = context.catalogs.looks().next(&name);
        return Ok(Action::requeue(next.map_or(wait, |next| next.min(wait))));
    }
    let mut valid = match validate(&object.spec) {
        Ok(valid) => valid,
        Err(problem) => {
            publish(&object, &context, &Facts::Refused(problem.to_string())).await?;
            return Ok(Action::await_change());
        }
    };
    match parent::trouble(&object, &context) {
        None => update(&name, &object, &mut valid, &context).await,
        Some(parent::Trouble::Refused(message)) => {
            publish(&object, &context, &Facts::Refused(message)).await?;
            Ok(Action::await_change())
        }
        Some(parent::Trouble::Missing { reason, message }) => {
            context.catalogs.set_parent_read(&name, None);
            publish(&object, &context, &Facts::Failed { reason, message }).await?;
            Ok(Action::requeue(context.settings.catalog_interval))
        }
    }
}

/// Reads, decides and writes everything of a valid Distribution.
async fn update(
    name: &str,
    object: &Distribution,
    valid: &mut Validated,
    context: &Context,
) -> Result<Action, Fault> {
    match catalog(name, object, valid, context).await {
        Ok(None) => Ok(Action::await_change()),
        Ok(Some((decision, written))) => {
            apply::pinned(context, name, &decision.pinned).await?;
            apply::missing(context, &decision.successors).await?;
            let facts = Facts::Written { decision: &decision, revision: written.revision };
            publish(object, context, &facts).await?;
            let pause = pause(name, &decision, written, context);
            context.catalogs.set_due(name, Instant::now() + pause);
            Ok(Action::requeue(pause))
        }
        Err(fault) => {
            // The status is now about the current spec; the next reading was scheduled for the
            // former one.
            context.catalogs.clear_due(name);
            let reason = reconcile::Fault::reason(&fault);
            // The error's own text is left out, because it differs between attempts and each change
            // would be a write.
            let message = match &fault {
                Fault::Store(_) => "the catalog could not be written; it is tried again",
                _ => "upstream could not be read; it is tried again",
            };
            let facts = Facts::Failed { reason, message: message.to_owned() };
            publish(object, context, &facts).await?;
            Err(fault)
        }
    }
}

/// Time until the next reading.
fn pause(name: &str, decision: &Decision, written: CatalogWrite, context: &Context) -> Duration {
    let interval = context.settings.catalog_interval;
    if decision.successors.is_empty() && written.missing == 0 {
        context.catalogs.pause(name, decision.problems.is_empty(), interval)
    } else {
        // Successors are offered once they are ready, and documents once they were read again.
        RETRY.min(interval)
    }
}

async fn catalog(
    name: &str,
    object: &Distribution,
    valid: &mut Validated,
    context: &Context,
) -> Result<Option<(Decision, CatalogWrite)>, Fault> {
    let rows = context.catalogs.reload(&context.database, name).await?;
    let before = rows.documents.get(name).cloned().unwrap_or_default();
    let last = rows.distribution(name);
    if let Some(spec) = &object.spec.parent {
        return parent::catalog((object, &spec.distribution), valid, last, &before, context).await;
    }
    let unlisted = discover(valid, last, &context.stop).await?;
    keep_memories::restore(&context.database, &context.catalogs, name, valid, &rows).await?;
    let accepted = object.annotations().get(labels::ACCEPT_REVISIONS).map(String::as_str);
    let offered = Offered { last, accepted: accepted.unwrap_or_default() };
    let keeper = DocumentKeeper::of(context)?;
    let (memories, stop) = (&context.catalogs, &context.stop);
    let read = dereference::read(name, valid, offered, &keeper, memories, stop).await?;
    let Some(read) = read else { return Ok(None) };
    let ready = dereference::ready_caches(context, name);
    let today = context.now().to_zoned(TimeZone::UTC).date();
    let basis = Basis { name, spec: &object.spec, valid, unlisted, last, ready: &ready, today };
    let decision = decide(&basis, read);
    let documents = documents(&decision, last, &before);
    // Before the versions are written: from then on they are no longer new.
    prewarm(name, object, last, &decision, context).await?;
    let written = apply::catalog(context, name, &decision, documents).await?;
    memories.pool().drop_unused();
    if written.missing == 0 {
        keep_memories::keep(&context.database, memories, name, context.epoch()?).await?;
    }
    Ok(Some((decision, written)))
}

/// Reads the targets for which builds require a revision that the catalog does not have.
async fn look_for_builds(object: &Distribution, context: &Context) -> Result<(), Fault> {
    let sought = context.catalogs.looks().due(&object.name_any());
    let valid = match validate(&object.spec) {
        Ok(valid) if !sought.is_empty() => valid,
        _ => return Ok(()),
    };
    for sought in sought {
        context.catalogs.looks().begin(&sought);
        let looked = look(object, &valid, &sought, context).await;
        let found = looked.as_ref().ok().and_then(Option::as_ref);
        for build in context.catalogs.looks().end(&sought, found.map(|(_, found)| found.clone())) {
            context.triggers.build(&build);
        }
        if let Some((revision, _)) = looked? {
            publish(object, context, &Facts::Looked { revision }).await?;
        }
    }
    Ok(())
}

/// Creates the caches of new versions that are likely to be needed.
async fn prewarm(
    name: &str,
    object: &Distribution,
    last: Option<&asu_core::catalog::Distribution>,
    decision: &Decision,
    context: &Context,
) -> Result<(), Fault> {
    let most_used = object.spec.prewarm.as_ref().map_or(0, |prewarm| prewarm.most_used);
    if most_used == 0 {
        return Ok(());
    }
    for new in new_versions(last, &decision.versions) {
        let used = context.database.most_used_targets(name, &new.versions, most_used).await?;
        apply::missing(context, &new.caches(name, &object.spec, &used)).await?;
    }
    Ok(())
}

/// Time until the next reading if it is not due; `None` if it is. Status writes of the operator
/// trigger passes too, so upstream is read again only when that is due or the spec has changed. A
/// new leader always reads once.
fn not_due(object: &Distribution, context: &Context) -> Option<Duration> {
    let status = object.status.as_ref()?;
    let refresh = asked(object);
    if status.observed_generation != object.metadata.generation
        || (refresh.is_some() && refresh != status.last_handled_refresh)
    {
        return None;
    }
    if parent::has_changed(object, context) {
        return None;
    }
    let next = context.catalogs.due(&object.name_any())?;
    let now = Instant::now();
    (next > now).then(|| next.duration_since(now))
}

async fn remove(object: &Distribution, context: &Context) -> Result<Action, Fault> {
    if object.finalizers().iter().any(|finalizer| finalizer == labels::CATALOG_FINALIZER) {
        let name = object.name_any();
        apply::pinned(context, &name, &std::collections::BTreeMap::new()).await?;
        context.database.remove_distribution(&name, context.epoch()?).await?;
        context.catalogs.forget(&name);
        set_finalizer(object, context, false).await?;
        tracing::info!(distribution = name, "removed the catalog of a deleted Distribution");
    }
    Ok(Action::await_change())
}

async fn set_finalizer(
    object: &Distribution,
    context: &Context,
    present: bool,
) -> Result<(), kube::Error> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != labels::CATALOG_FINALIZER);
    if present {
        finalizers.push(labels::CATALOG_FINALIZER.to_owned());
    }
    let version = object.resource_version();
    let api = context.api::<Distribution>();
    let written = set_finalizers(&api, &object.name_any(), version.as_deref(), &finalizers).await?;
    context.recent_distributions.record(written);
    Ok(())
}

async fn publish(
    object: &Distribution,
    context: &Context,
    facts: &Facts<'_>,
) -> Result<(), kube::Error> {
    let old = object.status.as_ref();
    let now: Timestamp = context.now();
    let mut new = status(old, object.metadata.generation, facts, now);
    if matches!(facts, Facts::Written { .. } | Facts::Refused(_)) {
        new.last_handled_refresh = asked(object).or(new.last_handled_refresh);
    }
    let api = context.api::<Distribution>();
    let manager = labels::DISTRIBUTION_MANAGER;
    let written = write_status(&api, &object.name_any(), manager, old, &new).await?;
    let Some(written) = written else { return Ok(()) };
    let reason = |status: Option<&asu_crds::DistributionStatus>| {
        let ready = asu_crds::condition(&status?.conditions, "Ready")?;
        Some((ready.status.clone(), ready.reason.clone(), ready.message.clone()))
    };
    if let Some((ready, word, message)) =
        reason(Some(&new)).filter(|known| reason(old).as_ref() != Some(known))
    {
        let on = object.object_ref(&());
        if matches!(facts, Facts::Suspended) || (ready == "True" && word == "UpToDate") {
            context.events.normal(&on, &word, &message).await;
        } else {
            context.events.warning(&on, &word, &message).await;
        }
    }
    context.recent_distributions.record(written);
    Ok(())
}
