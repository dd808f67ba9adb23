//! Looks up the build that answers a request hash: in memory, then in the database, and before the answer
//! that there is none, in the API server. It returns values of the domain; the module of each dialect
//! renders them.

use std::sync::Arc;

use asu_core::{
    answer::{Answer, Conclusion, EndedBuild, Intent, Newest, answer},
    request_hash::RequestHash,
};
use asu_store::model::{BuildRecord, Ending};
use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    budgets::Budget,
    cluster::{Entry, TurnedAway},
    error::ApiError,
    known::{FinishedBuild, Found},
    state::AppState,
};

/// Looks up a hash for a request of the kind `intent`. Concurrent equal look-ups share one query.
///
/// # Errors
/// When a needed dependency is unavailable. It never returns `Nothing` in this case.
pub async fn look_up(
    state: &AppState,
    hash: &RequestHash,
    intent: Intent,
) -> Result<Found, ApiError> {
    if let Some(found) = in_memory(state, hash, intent) {
        return Ok(found);
    }
    if intent == Intent::Poll && state.cluster.watch.unknown.contains(hash) {
        return Ok(Found::Nothing(None));
    }
    let _waits = state.budgets.enter(match intent {
        Intent::Build(_) => Budget::Creation,
        Intent::Poll => Budget::Poll,
    })?;
    let look = || {
        let (state, hash) = (state.clone(), *hash);
        async move { look_further(&state, &hash, intent).await }.boxed()
    };
    state.single_flight.join(hash, intent, look).await
}

/// The same without sharing, so that the result includes changes since other look-ups started.
///
/// # Errors
/// As [`look_up`].
pub async fn look_up_again(
    state: &AppState,
    hash: &RequestHash,
    intent: Intent,
) -> Result<Found, ApiError> {
    match in_memory(state, hash, intent) {
        Some(found) => Ok(found),
        None => look_further(state, hash, intent).await,
    }
}

fn in_memory(state: &AppState, hash: &RequestHash, intent: Intent) -> Option<Found> {
    let finished = || state.finished.get(hash, intent, state.now());
    match state.cluster.watch.get(hash).filter(|entry| !entry.archived) {
        Some(entry) if entry.maybe_archived => {
            finished().filter(|build| *build.uid == entry.uid).map(Found::from)
        }
        Some(entry) => Some(entry.into()),
        None => finished().map(Found::from),
    }
}

async fn look_further(
    state: &AppState,
    hash: &RequestHash,
    intent: Intent,
) -> Result<Found, ApiError> {
    let (now, began) = (state.now(), Instant::now());
    let object = state.cluster.watch.get(hash);
    if let Some(entry) = object.as_ref().filter(|entry| !entry.archived) {
        return Ok(ended_or_alive(state, entry, intent, now).await);
    }
    match in_history(state, hash, intent, now).await? {
        Some(History { build, counts: true, .. }) => Ok(build.into()),
        Some(History { build, keep_until, .. }) => {
            if let Some(newer) = newer(state, hash).await? {
                return Ok(Arc::new(newer).into());
            }
            state.finished.put_stale(&build, keep_until, now);
            Ok(build.into())
        }
        None if matches!(intent, Intent::Build(_)) => Ok(Found::Nothing(object)),
        None => match state.cluster.read(hash).await? {
            None => {
                note_unknown(state, hash, began);
                Ok(Found::Nothing(None))
            }
            Some(entry) if !entry.archived => Ok(Arc::new(entry).into()),
            Some(entry) if entry.turned_away.is_some() => Err(turned_away(state, &entry)),
            // It was archived after the database was read.
            Some(_) => Ok(in_history(state, hash, intent, state.now())
                .await?
                .map_or(Found::Nothing(None), |found| found.build.into())),
        },
    }
}

/// Remembers that no build with this hash is known, unless the watch has shown one meanwhile.
fn note_unknown(state: &AppState, hash: &RequestHash, began: Instant) {
    let watch = &state.cluster.watch;
    watch.unknown.note(hash, began);
    if watch.get(hash).is_some() {
        watch.unknown.forget(hash);
    }
}

/// Checks that a build is within the limit of waiting builds, which all replicas share.
///
/// # Errors
/// [`ApiError::Overload`] if too many older builds wait.
pub fn within_bound(state: &AppState, entry: &Entry) -> Result<(), ApiError> {
    match state.cluster.watch.older_waiting_above(entry, state.settings.max_pending) {
        Some(earlier) => Err(ApiError::Overload(earlier)),
        None => Ok(()),
    }
}

/// The answer for a build that was refused although a repeated request may be accepted.
fn turned_away(state: &AppState, entry: &Entry) -> ApiError {
    match &entry.turned_away {
        Some(TurnedAway::Revision(message)) => ApiError::Refused(message.to_string()),
        Some(TurnedAway::QueueFull) | None => {
            // The queue may be shorter now.
            let least = state.settings.max_pending.saturating_add(1);
            ApiError::Overload(state.cluster.watch.waiting().max(least))
        }
    }
}

/// Handles a build that may be archived although the watch does not show it: the record in the database
/// decides if it has the same uid. Records of other builds are older.
async fn ended_or_alive(
    state: &AppState,
    entry: &Arc<Entry>,
    intent: Intent,
    now: Timestamp,
) -> Found {
    if entry.maybe_archived
        && let Ok(Some(found)) = in_history(state, &entry.hash, intent, now).await
        && *found.build.uid == entry.uid
    {
        return found.build.into();
    }
    entry.clone().into()
}

/// Looks for a build that is newer than a stale record and that the watch has not shown yet.
async fn newer(state: &AppState, hash: &RequestHash) -> Result<Option<Entry>, ApiError> {
    match state.cluster.read(hash).await {
        Ok(entry) => Ok(entry.filter(|entry| !entry.archived)),
        // The stale record can be sent without the cluster.
        Err(ApiError::Away(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

struct History {
    build: FinishedBuild,
    /// Whether it answers further requests without another query.
    counts: bool,
    keep_until: Timestamp,
}

/// Reads the newest archived build, if it answers.
async fn in_history(
    state: &AppState,
    hash: &RequestHash,
    intent: Intent,
    now: Timestamp,
) -> Result<Option<History>, ApiError> {
    let Some(record) = state.database.newest_by_hash(hash).await? else {
        return Ok(None);
    };
    let ended = ended(&record);
    match answer(Newest::Ended(ended), intent, now) {
        Answer::Serve | Answer::StoredFailure => {}
        Answer::Create if ended.is_of_another_order(intent) => {
            return failed_before(state, hash, intent, now).await;
        }
        Answer::Create | Answer::NotFound | Answer::Wait => return Ok(None),
    }
    let (counts, build) = (ended.counts(now), FinishedBuild::of(record));
    if counts {
        state.finished.put(&build, ended.fresh_until, now);
    }
    Ok(Some(History { build, counts, keep_until: ended.keep_until }))
}

/// Reads the kept failure of this order of the packages, if another order has failed since.
async fn failed_before(
    state: &AppState,
    hash: &RequestHash,
    intent: Intent,
    now: Timestamp,
) -> Result<Option<History>, ApiError> {
    let failures = state.database.newest_failures(hash).await?;
    let kept = failures.into_iter().find(|record| {
        let ended = ended(record);
        ended.counts(now) && ended.fits(intent)
    });
    // It is not kept in memory, which has only the newest build of a hash, for GET.
    Ok(kept.map(|record| {
        let keep_until = record.facts.keep_until;
        History { build: FinishedBuild::of(record), counts: true, keep_until }
    }))
}

fn ended(record: &BuildRecord) -> EndedBuild {
    let conclusion = match &record.facts.ending {
        Ending::Succeeded(_) => Conclusion::Succeeded {
            files: record.files_deleted_at.is_none(),
            // Build keys are not predicted yet, so a stale image is built again.
            unchanged: false,
        },
        Ending::Failed(failure) => Conclusion::failed(failure.reason, &record.facts.request),
    };
    EndedBuild {
        conclusion,
        fresh_until: record.facts.fresh_until,
        keep_until: record.facts.keep_until,
    }
}
