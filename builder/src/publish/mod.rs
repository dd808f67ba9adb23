//! The subcommand `publish`: waits for `build`, checks what it left, and commits it to the artifact
//! store. It starts no commands, and treats the shared work folder as untrusted.

mod commit;
mod log;
mod settle;
mod takeover;
mod upload;
mod wait;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use asu_core::{
    build_log::Stream,
    digest::Digest,
    failure::{Disposition, Failure, FailureReason},
    plan::{BuildPlan, PLAN_SCHEMA, paths as names},
    result::{BuildResult, MAX_OUTCOME_BYTES, Outcome, RESULT_SCHEMA},
};
use object_store::ObjectStore;

use crate::{
    files::{FileError, read_json},
    handover::{Folder, HandoverError},
    paths::Paths,
};

use takeover::TakenOver;
pub use wait::Stop;
use wait::{BuildEnd, Watch};

/// Exit code: a result of success was committed.
pub const EXIT_SUCCESS: u8 = 0;
/// Exit code: nothing was committed.
pub const EXIT_NOTHING: u8 = 1;
/// Exit code: an infrastructure failure was committed.
pub const EXIT_INFRASTRUCTURE: u8 = 3;
/// Exit code: a failure of the request was committed.
pub const EXIT_REQUEST: u8 = 42;

/// Maximum time for storing after SIGTERM; a pod's grace period is 30 s.
const STORE_PATIENCE: Duration = Duration::from_secs(20);

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The plan cannot be read.
    #[error("the plan cannot be read: {0}")]
    Plan(#[from] FileError),
    /// The plan has a format that this program does not support.
    #[error("the plan has the format {0}, but this program supports only {PLAN_SCHEMA}")]
    Schema(u32),
    /// The uid cannot be part of a key of the store.
    #[error("the uid in the plan is not a plain name")]
    Uid,
    /// The shared work folder cannot be opened.
    #[error("the work folder cannot be opened: {0}")]
    Work(HandoverError),
    /// The artifact store returned an error.
    #[error("the artifact store cannot be written: {0}")]
    Store(#[from] object_store::Error),
    /// The folder of the artifact store cannot be opened.
    #[error("the artifact store cannot be opened: {0}")]
    Volume(#[from] asu_artifacts::ArtifactError),
    /// The result cannot be written as JSON.
    #[error("the result cannot be serialized: {0}")]
    Json(#[from] serde_json::Error),
    /// The store did not answer before the pod's end.
    #[error("the artifact store did not answer in time")]
    Slow,
}

/// The state of one run.
struct Publish<'a> {
    paths: &'a Paths,
    plan: &'a BuildPlan,
    work: &'a Folder,
    store: Arc<dyn ObjectStore>,
}

/// The parts of an outcome that do not depend on how the build ended.
#[derive(Default)]
struct Seen {
    millis: BTreeMap<String, u64>,
    memory_unknown: bool,
}

/// Waits for the end of `build`, and commits its result.
///
/// # Errors
/// Why nothing could be committed.
pub async fn run(paths: &Paths, stop: Stop) -> Result<u8, PublishError> {
    let plan: BuildPlan = read_json(&paths.plan())?;
    if plan.schema != PLAN_SCHEMA {
        return Err(PublishError::Schema(plan.schema));
    }
    if !asu_core::result::is_plain_file_name(&plan.uid) {
        return Err(PublishError::Uid);
    }
    let store = asu_artifacts::open_volume(&paths.store())?;
    let work = Folder::open(&paths.work()).map_err(PublishError::Work)?;
    let publish = Publish { paths, plan: &plan, work: &work, store };
    let mut watch = Watch::new(&work, &plan);
    let ended = watch.wait(&stop).await;
    let storing = publish.store_what_is_left(ended, watch.take_log());
    if ended == BuildEnd::Stopped {
        return tokio::time::timeout(STORE_PATIENCE, storing)
            .await
            .map_err(|_| PublishError::Slow)?;
    }
    storing.await
}

impl Publish<'_> {
    async fn store_what_is_left(
        &self,
        ended: BuildEnd,
        log: Option<std::fs::File>,
    ) -> Result<u8, PublishError> {
        if let Some(code) = self.committed().await? {
            return Ok(code);
        }
        let mut seen = Seen::default();
        let verdict = match self.verdict(ended, &mut seen).await {
            Ok(verdict) => verdict,
            // The store fails, so committing a failure will probably fail too, but it is tried.
            Err(error) => Err(Failure::new(FailureReason::Internal, error.to_string())),
        };
        let last_word = match &verdict {
            Ok(TakenOver { built, note }) => {
                if let Some(note) = note {
                    println!("publish: {note}");
                }
                let note = note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
                format!("stored {} files under {}{note}", built.files.len(), built.build_key)
            }
            Err(failure) => format!("{}: {}", failure.reason, failure.detail),
        };
        let stream = if verdict.is_ok() { Stream::Stdout } else { Stream::Stderr };
        let text = log::read(self.work, log, self.plan.limits.log_bytes, stream, &last_word);
        let final_result = match &verdict {
            Ok(_) => true,
            Err(failure) => failure.reason.disposition() == Disposition::Request,
        };
        let stored = self.put_log(&text, final_result).await?;
        let (built, failure) = match verdict {
            Ok(taken) => (Some(taken.built), None),
            Err(failure) => (None, Some(failure)),
        };
        let result = BuildResult {
            schema: RESULT_SCHEMA,
            uid: self.plan.uid.clone(),
            request_hash: self.plan.request_hash,
            built,
            failure,
            memory_unknown: seen.memory_unknown,
            log: Some(stored),
            millis: seen.millis,
        };
        let (result, final_result) = commit::bounded(result, final_result)?;
        self.commit(&result, final_result).await
    }

    /// How the build ended. The outer error is that of the store.
    async fn verdict(
        &self,
        ended: BuildEnd,
        seen: &mut Seen,
    ) -> Result<Result<TakenOver, Failure>, PublishError> {
        let failure = |reason, detail: &str| Ok(Err(Failure::new(reason, detail)));
        match ended {
            BuildEnd::Stopped => return failure(FailureReason::PodFailed, "The pod was stopped"),
            BuildEnd::NeverBegan => {
                return failure(FailureReason::BuilderDied, "The build did not begin");
            }
            BuildEnd::TooLong => {
                return failure(FailureReason::TimedOut, "The build did not end in time");
            }
            BuildEnd::Free => {}
        }
        // A killed build did not report its memory.
        seen.memory_unknown = true;
        let outcome = match self.outcome() {
            Ok(outcome) => outcome,
            Err(failure) => return Ok(Err(failure)),
        };
        seen.memory_unknown = outcome.memory_unknown;
        seen.millis.extend(outcome.millis.iter().take(64).map(|(k, v)| (short(k), *v)));
        if let Some(said) = outcome.failure {
            let said = Failure::from_build(said.reason, &said.detail);
            let of_tree = said.reason == FailureReason::TreeLost;
            return Ok(Err(if of_tree { self.of_tree(&said) } else { said }));
        }
        self.take_over(&outcome).await
    }

    fn outcome(&self) -> Result<Outcome, Failure> {
        let bytes = match self.work.read(names::OUTCOME, MAX_OUTCOME_BYTES) {
            Ok(bytes) => bytes,
            Err(HandoverError::Missing(_)) => return Err(self.died()),
            Err(error) => return Err(bad_handover(&error)),
        };
        let outcome: Outcome =
            serde_json::from_slice(&bytes).map_err(|error| bad_handover(&error))?;
        if outcome.schema != RESULT_SCHEMA {
            return Err(bad_handover(&"the outcome has another format"));
        }
        let text_is_short = |digests: &BTreeMap<String, Digest>| {
            digests.len() <= 200 && digests.keys().all(|name| name.len() <= 512)
        };
        if outcome.manifest.len() > 5000 || !text_is_short(&outcome.indexes) {
            return Err(bad_handover(&"the outcome is too large"));
        }
        Ok(outcome)
    }

    /// The failure of a build that ended without an outcome. If the output contains what make never
    /// creates, that is the cause.
    fn died(&self) -> Failure {
        let most = usize::try_from(self.plan.limits.output_files).unwrap_or(usize::MAX);
        let hostile = self.work.folder(names::OUTPUT).and_then(|output| output.plain_files(most));
        match hostile {
            Err(error) if !matches!(error, HandoverError::Missing(_)) => bad_handover(&error),
            _ => Failure::new(
                FailureReason::BuilderDied,
                "The build ended without leaving an outcome",
            ),
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

fn bad_handover(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        FailureReason::BadHandover,
        format!("What the build left behind is refused: {error}"),
    )
}
