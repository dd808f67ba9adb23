//! Handles a request for an image: looks up a build that answers it, or creates one. It does not depend
//! on a dialect: `v1` passes canonical requests and renders the result.

use std::sync::Arc;

use asu_core::{
    acceptance::Acceptance,
    answer::{Intent, Order},
    offered::Refusal,
    request::Request,
    request_hash::RequestHash,
    request_hash::request_hash,
};
use asu_store::model::CounterKind;
use tokio::task::JoinHandle;

use crate::{
    budgets::Budget,
    cluster::{Created, Entry, NewBuild, TurnedAway},
    error::{ApiError, CLUSTER},
    known::{Found, Known},
    lookup::{look_up, look_up_again, within_bound},
    state::AppState,
};

/// Returns the build that answers a request, and creates it if there is none. `script` is its
/// first-boot script.
///
/// # Errors
/// When a new build is needed but the request is refused, when a dependency is unavailable, or when too
/// many requests wait.
pub async fn submit(
    state: &AppState,
    acceptance: Acceptance,
    script: Option<String>,
) -> Result<Known, ApiError> {
    state.counters.add(CounterKind::Request, None, state.now());
    let (hash, found) = find(state, &acceptance).await?;
    match found {
        Found::Known(Known::Finished(build)) => {
            state.counters.add(CounterKind::CacheHit, Some(&hash), state.now());
            Ok(Known::Finished(build))
        }
        Found::Known(Known::Alive(entry)) => {
            // Without a script, the answer comes from memory.
            let _place =
                script.as_ref().map(|_| state.budgets.enter(Budget::Creation)).transpose()?;
            attach(state, entry, script.as_deref()).await
        }
        Found::Nothing(_) => create_in_task(state, hash, acceptance, script).await,
    }
}

/// Looks up a request, and then the same request with the profile that its alias means in other versions
/// of the target.
async fn find(state: &AppState, acceptance: &Acceptance) -> Result<(RequestHash, Found), ApiError> {
    let intent = |request: &Request| Intent::Build(Order::of(request));
    let hash = request_hash(&acceptance.request);
    let found = look_up(state, &hash, intent(&acceptance.request)).await?;
    if let (Found::Nothing(_), Some(meant)) = (&found, &acceptance.by_alias) {
        let other = request_hash(meant);
        let known = look_up(state, &other, intent(meant)).await?;
        if matches!(known, Found::Known(_)) {
            return Ok((other, known));
        }
    }
    Ok((hash, found))
}

/// Creates a build in a task that continues when its client disconnects.
async fn create_in_task(
    state: &AppState,
    hash: RequestHash,
    acceptance: Acceptance,
    script: Option<String>,
) -> Result<Known, ApiError> {
    let _place = state.budgets.enter(Budget::Creation)?;
    let max_pending = state.settings.max_pending;
    if let Some(waiting) = state.cluster.watch.is_full_for(&hash, max_pending) {
        return Err(ApiError::Overload(waiting));
    }
    // Wait here, not in the task: otherwise clients that disconnect at once could start any number of
    // tasks.
    let place = state.budgets.create().await?;
    let (creating, state) = (state.creating.clone(), state.clone());
    let task = creating.spawn(async move {
        let created = create(&state, &hash, acceptance, script.as_deref()).await;
        drop(place);
        created
    });
    finished(task).await
}

/// Waits for a task that continues even if the waiting is aborted: when a client disconnects or an answer
/// takes too long, the build must still get its first-boot script.
async fn finished(task: JoinHandle<Result<Known, ApiError>>) -> Result<Known, ApiError> {
    match task.await {
        Ok(known) => known,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ApiError::Internal),
        },
    }
}

/// Attaches a client to a build that waits or runs. If the request has a first-boot script, its Secret is
/// created if it is missing, because the API may have crashed between the creation of the two objects.
async fn attach(
    state: &AppState,
    entry: Arc<Entry>,
    script: Option<&str>,
) -> Result<Known, ApiError> {
    within_bound(state, &entry)?;
    if let Some(script) = script.filter(|_| entry.is_waiting()) {
        state.cluster.ensure_secret(&entry, script).await?;
    }
    Ok(Known::Alive(entry))
}

async fn create(
    state: &AppState,
    hash: &RequestHash,
    acceptance: Acceptance,
    script: Option<&str>,
) -> Result<Known, ApiError> {
    let verdict = acceptance.verdict;
    let basis = match &verdict {
        Ok(basis) => Some(basis),
        // The operator asks upstream for the revision. Until then the build waits.
        Err(Refusal::NotReadYet { .. }) => None,
        Err(refusal) => return Err(refusal.clone().into()),
    };
    let _lock = state.cluster.lock(hash).await;
    // Another request may have created it meanwhile, in this or another replica.
    let intent = Intent::Build(Order::of(&acceptance.request));
    let old = match look_up_again(state, hash, intent).await? {
        Found::Known(Known::Alive(entry)) => return attach(state, entry, script).await,
        Found::Known(finished) => return Ok(finished),
        Found::Nothing(old) => old,
    };
    if let (Err(refusal), Some(old)) = (&verdict, &old)
        && matches!(old.turned_away, Some(TurnedAway::Revision(_)))
    {
        // The operator has just asked upstream, and deletes the object within a minute.
        return Err(refusal.clone().into());
    }
    let max_pending = state.settings.max_pending;
    let _place = state.cluster.watch.reserve(hash, max_pending).map_err(ApiError::Overload)?;
    let now = state.now();
    let new = NewBuild { hash, request: &acceptance.request, basis, now };
    if let Some(old) = old {
        state.cluster.clear(&old).await?;
    }
    match state.cluster.create(&new).await? {
        Created::Archived(old) => create_anew(state, &new, &old, script).await,
        created => attach_created(state, hash, created, script).await,
    }
}

/// Handles a name that is used by an archived build that the watch has not shown: its record decides.
async fn create_anew(
    state: &AppState,
    new: &NewBuild<'_>,
    old: &Entry,
    script: Option<&str>,
) -> Result<Known, ApiError> {
    let intent = Intent::Build(Order::of(new.request));
    if let Found::Known(known @ Known::Finished(_)) = look_up_again(state, new.hash, intent).await?
    {
        return Ok(known);
    }
    state.cluster.clear(old).await?;
    let created = state.cluster.create(new).await?;
    attach_created(state, new.hash, created, script).await
}

async fn attach_created(
    state: &AppState,
    hash: &RequestHash,
    created: Created,
    script: Option<&str>,
) -> Result<Known, ApiError> {
    match created {
        Created::New(entry) => {
            state.counters.add(CounterKind::CacheMiss, Some(hash), state.now());
            state.metrics.created.inc();
            attach(state, Arc::new(entry), script).await
        }
        Created::Attached(entry) => attach(state, Arc::new(entry), script).await,
        // The build was created and archived meanwhile: the next request is answered from the database.
        Created::Archived(_) => Err(ApiError::Away(CLUSTER)),
    }
}
