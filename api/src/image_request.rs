//! One life of a request for an image: what is known of it is looked up, else a build is created and
//! followed. It knows no dialect: `v1` brings it canonical requests and translates what comes back.

use std::sync::Arc;

use asu_core::{
    acceptance::Acceptance,
    answer::{Ask, Order},
    request::Request,
    request_hash::RequestHash,
    request_hash::request_hash,
};
use asu_store::model::CounterKind;
use tokio::task::JoinHandle;

use crate::{
    budgets::Budget,
    cluster::{Created, Entry, NewBuild},
    error::{ApiError, CLUSTER},
    known::{Found, Known},
    lookup::{look_up, look_up_again, within_bound},
    state::AppState,
};

/// The build that answers a request, which is created when there is none. `script` is its first-boot
/// script.
///
/// # Errors
/// Why there may be no new build, when one is needed; when a dependency is away or too many requests
/// wait.
pub async fn ask(
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
            // Without a script it is answered from memory.
            let _place =
                script.as_ref().map(|_| state.budgets.enter(Budget::Creation)).transpose()?;
            attach(state, entry, script.as_deref()).await
        }
        Found::Nothing(_) => create_in_task(state, hash, acceptance, script).await,
    }
}

/// What is known of a request, or of the same with the profile that its alias means elsewhere.
async fn find(state: &AppState, acceptance: &Acceptance) -> Result<(RequestHash, Found), ApiError> {
    let ask = |request: &Request| Ask::Build(Order::of(request));
    let hash = request_hash(&acceptance.request);
    let found = look_up(state, &hash, ask(&acceptance.request)).await?;
    if let (Found::Nothing(_), Some(meant)) = (&found, &acceptance.by_alias) {
        let other = request_hash(meant);
        let known = look_up(state, &other, ask(meant)).await?;
        if matches!(known, Found::Known(_)) {
            return Ok((other, known));
        }
    }
    Ok((hash, found))
}

/// Creates a build in a task that goes on when its client hangs up.
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
    // Waited for here, not in the task: clients that hang up at once must not start any number of
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

/// Waits for a task that goes on when the waiting ends: a client that hangs up, or an answer that
/// takes too long, must not leave a build without its first-boot script.
async fn finished(task: JoinHandle<Result<Known, ApiError>>) -> Result<Known, ApiError> {
    match task.await {
        Ok(known) => known,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ApiError::Internal),
        },
    }
}

/// Attaches a client to a build that waits or runs. A client that sends its first-boot script again
/// repairs what a crash between the writes of the two objects left.
async fn attach(
    state: &AppState,
    entry: Arc<Entry>,
    script: Option<&str>,
) -> Result<Known, ApiError> {
    within_bound(state, &entry)?;
    if let Some(script) = script.filter(|_| entry.waits()) {
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
    let basis = acceptance.verdict?;
    let _lock = state.cluster.lock(hash).await;
    // Another request may have created it meanwhile, here or at another replica.
    let ask = Ask::Build(Order::of(&acceptance.request));
    let old = match look_up_again(state, hash, ask).await? {
        Found::Known(Known::Alive(entry)) => return attach(state, entry, script).await,
        Found::Known(finished) => return Ok(finished),
        Found::Nothing(old) => old,
    };
    let max_pending = state.settings.max_pending;
    let _place = state.cluster.watch.reserve(hash, max_pending).map_err(ApiError::Overload)?;
    let now = state.now();
    let new = NewBuild { hash, request: &acceptance.request, basis: &basis, now };
    if let Some(old) = old {
        state.cluster.clear(&old).await?;
    }
    match state.cluster.create(&new).await? {
        Created::Archived(old) => create_anew(state, &new, &old, script).await,
        created => attach_created(state, hash, created, script).await,
    }
}

/// The name is taken by an archived build that the watch has not shown: its record decides.
async fn create_anew(
    state: &AppState,
    new: &NewBuild<'_>,
    old: &Entry,
    script: Option<&str>,
) -> Result<Known, ApiError> {
    let ask = Ask::Build(Order::of(new.request));
    if let Found::Known(known @ Known::Finished(_)) = look_up_again(state, new.hash, ask).await? {
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
        // It was created and ended meanwhile: the next request is answered from history.
        Created::Archived(_) => Err(ApiError::Away(CLUSTER)),
    }
}
