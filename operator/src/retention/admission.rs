//! Checks whether the artifact store has room for another build, and stops or resumes admission.
//! Reports it in metrics, in events on the Distributions, and by way of the queue in the condition
//! `Admitted` of each waiting build. Called by each sweep.

use asu_artifacts::ArtifactError;
use asu_core::retention::{RetentionPolicy, Space, is_too_full, space};
use asu_crds::BuildPhase;
use kube::{Resource as _, ResourceExt as _};

use super::pause::Reported;
use crate::context::Context;

/// Reason of the events when admission stops.
const PAUSED: &str = "AdmissionPaused";
/// Reason of the events when admission resumes.
const RESUMED: &str = "AdmissionResumed";
/// Reason of the events when the capacity of the store is unknown.
const UNKNOWN: &str = "StoreCapacityUnknown";

/// Measures the store, and stops or resumes admission.
///
/// # Errors
/// When the store cannot be measured: admission stays as it is, which is stopped before the first
/// measurement.
pub async fn look(
    context: &Context,
    policy: &RetentionPolicy,
) -> Result<Option<Space>, ArtifactError> {
    let recorded = context.admission.recorded();
    let space = space((context.room)()?, context.settings.store.store_capacity, recorded);
    let paused = space.is_some_and(|space| is_too_full(space, policy));
    let said = match space {
        None => Reported::Unknown,
        Some(_) if paused => Reported::TooFull,
        Some(_) => Reported::Room,
    };
    context.metrics.store(space);
    context.metrics.store_full(paused);
    for name in context.queue.pause(paused, context.now()) {
        context.triggers.build(&name);
    }
    let before = context.admission.note(said);
    if before != said {
        tell(context, before, said, space, policy).await;
    }
    Ok(space)
}

async fn tell(
    context: &Context,
    before: Reported,
    said: Reported,
    space: Option<Space>,
    policy: &RetentionPolicy,
) {
    let (reason, note) = match (said, space) {
        (Reported::TooFull, Some(space)) => (
            PAUSED,
            format!(
                "The artifact store uses {} of {} bytes. No build starts at {} % or more. Files are \
                 deleted as soon as possible; a larger volume helps at once",
                space.used, space.capacity, policy.pause_percent
            ),
        ),
        (Reported::Room, _) if before == Reported::TooFull => {
            (RESUMED, "The artifact store has enough space again: builds start".to_owned())
        }
        (Reported::Unknown, _) => (
            UNKNOWN,
            "The volume of the artifact store does not report its capacity: files are deleted only \
             when they expire, and builds never wait for space. Set store.capacity to limit it"
                .to_owned(),
        ),
        _ => return,
    };
    tracing::warn!(reason, note, "admission changes because of the store");
    // The conditions of waiting builds contain the reason.
    for build in context.stores.builds.state() {
        let phase = build.status.as_ref().and_then(|status| status.phase);
        if phase == Some(BuildPhase::Queued) {
            context.triggers.build(&build.name_any());
        }
    }
    for distribution in context.stores.distributions.state() {
        let on = distribution.object_ref(&());
        if said == Reported::Room {
            context.events.normal(&on, reason, &note).await;
        } else {
            context.events.warning(&on, reason, &note).await;
        }
    }
}
