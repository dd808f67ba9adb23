//! `POST /api/v1/build`: asks for an image.

use asu_core::{
    admission::{self, Admission},
    answer::{Ask, Order},
    digest::Sha256Hex,
    request::Request,
    request_hash::request_hash,
};
use asu_store::model::CounterKind;
use axum::{extract::State, response::Response};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::parse;
use crate::{
    budgets::Budget,
    cluster::{Created, Entry, NewBuild},
    error::ApiError,
    found::Found,
    lookup::{look_up, look_up_again},
    openapi,
    state::AppState,
};

/// Asks for an image
///
/// Answers 200 with the image when it is there, else 202; the state is then read from
/// `/api/v1/build/{request_hash}`. Equal requests have one build.
#[utoipa::path(
    post,
    path = "/api/v1/build",
    tag = "build",
    request_body = openapi::BuildRequest,
    responses(
        (status = 200, description = "The image is there", body = openapi::Finished),
        (status = 202, description = "The build waits or runs", body = openapi::Pending),
        (status = 400, description = "What is asked for is not offered", body = openapi::Error),
        (status = 413, description = "The body has more than 256 KiB", body = openapi::Error),
        (status = 422, description = "A field is missing or malformed; `detail` names it", body = openapi::Error),
        (status = 500, description = "The build failed because of the request", body = openapi::Failed),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = openapi::Error),
        (status = 529, description = "Too many builds wait", body = openapi::Error),
    )
)]
pub async fn build_post(State(state): State<AppState>, body: Bytes) -> Result<Response, ApiError> {
    let asked = parse::parse(&body)?;
    drop(body);
    let admission = admit(&state, &asked)?;
    let hash = request_hash(&admission.request);
    state.counters.add(CounterKind::Request, None, state.now());
    let script = asked.asked.defaults;
    let (hash, found) = find(&state, hash, &admission).await?;
    match found {
        Found::Stored(stored) => {
            state.counters.add(CounterKind::CacheHit, Some(&hash), state.now());
            Ok(stored.response())
        }
        Found::Alive(entry) => {
            // Without a script it is answered from memory.
            let _waits =
                script.as_ref().map(|_| state.budgets.enter(Budget::Creation)).transpose()?;
            attach(&state, &entry, script.as_deref()).await
        }
        Found::Nothing(_) => {
            let _waits = state.budgets.enter(Budget::Creation)?;
            let most = state.settings.max_pending;
            if let Some(waiting) = state.cluster.watch.is_full_for(&hash, most) {
                return Err(ApiError::Overload(waiting));
            }
            // Waited for here, not in the task: clients that hang up at once must not start any
            // amount of tasks.
            let place = state.budgets.create().await?;
            let creating = state.creating.clone();
            let task = creating.spawn(async move {
                let created = create(&state, &hash, admission, script.as_deref()).await;
                drop(place);
                created
            });
            finished(task).await
        }
    }
}

/// What is known of a request, or of the same with the profile that its alias means elsewhere.
async fn find(
    state: &AppState,
    hash: Sha256Hex,
    admission: &Admission,
) -> Result<(Sha256Hex, Found), ApiError> {
    let ask = |request: &Request| Ask::Build(Order::of(request));
    let found = look_up(state, &hash, ask(&admission.request)).await?;
    if let (Found::Nothing(_), Some(meant)) = (&found, &admission.by_alias) {
        let other = request_hash(meant);
        let known = look_up(state, &other, ask(meant)).await?;
        if !matches!(known, Found::Nothing(_)) {
            return Ok((other, known));
        }
    }
    Ok((hash, found))
}

/// Waits for a task that goes on when the waiting ends: a client that hangs up, or an answer that
/// takes too long, must not leave a build without its first-boot script.
async fn finished(task: JoinHandle<Result<Response, ApiError>>) -> Result<Response, ApiError> {
    match task.await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ApiError::Internal),
        },
    }
}

fn admit(state: &AppState, asked: &parse::BuildRequest) -> Result<Admission, ApiError> {
    let catalog = state.catalog.current()?;
    let distribution = catalog.asked(asked.distribution.as_deref())?;
    Ok(admission::admit(&asked.asked, distribution)?)
}

/// Answers for a build on its way. Whoever sends its first-boot script again heals a crash between
/// the writes of the two objects.
async fn attach(
    state: &AppState,
    entry: &Entry,
    script: Option<&str>,
) -> Result<Response, ApiError> {
    let answer = state.waiting(entry)?;
    if let Some(script) = script.filter(|_| entry.waits()) {
        state.cluster.ensure_secret(entry, script).await?;
    }
    Ok(answer)
}

async fn create(
    state: &AppState,
    hash: &Sha256Hex,
    admission: Admission,
    script: Option<&str>,
) -> Result<Response, ApiError> {
    let basis = admission.verdict?;
    let _lock = state.cluster.lock(hash).await;
    // Another request may have created it meanwhile, here or at another replica.
    let ask = Ask::Build(Order::of(&admission.request));
    let old = match look_up_again(state, hash, ask).await? {
        Found::Stored(stored) => return Ok(stored.response()),
        Found::Alive(entry) => return attach(state, &entry, script).await,
        Found::Nothing(old) => old,
    };
    let most = state.settings.max_pending;
    let _place = state.cluster.watch.reserve(hash, most).map_err(ApiError::Overload)?;
    let now = state.now();
    let new = NewBuild { hash, request: &admission.request, basis: &basis, now };
    if let Some(old) = old {
        state.cluster.clear(&old).await?;
    }
    let created = match state.cluster.create(&new).await? {
        Created::Archived(old) => return create_anew(state, &new, &old, script).await,
        created => created,
    };
    created_response(state, hash, created, script).await
}

/// The name is taken by an archived build that the watch has not shown: its record decides.
async fn create_anew(
    state: &AppState,
    new: &NewBuild<'_>,
    old: &Entry,
    script: Option<&str>,
) -> Result<Response, ApiError> {
    let ask = Ask::Build(Order::of(new.request));
    if let Found::Stored(stored) = look_up_again(state, new.hash, ask).await? {
        return Ok(stored.response());
    }
    state.cluster.clear(old).await?;
    let created = state.cluster.create(new).await?;
    created_response(state, new.hash, created, script).await
}

async fn created_response(
    state: &AppState,
    hash: &Sha256Hex,
    created: Created,
    script: Option<&str>,
) -> Result<Response, ApiError> {
    match created {
        Created::New(entry) => {
            state.counters.add(CounterKind::CacheMiss, Some(hash), state.now());
            state.metrics.created.inc();
            attach(state, &entry, script).await
        }
        Created::Attached(entry) => attach(state, &entry, script).await,
        // It was created and ended meanwhile: whoever asks again is answered.
        Created::Archived(_) => Err(ApiError::Away(crate::error::CLUSTER)),
    }
}
