//! Follows the log of the container `publish` of running builds, which prints a line when a stage
//! begins, and writes at most two stages of each build to its status, to limit writes. When the log
//! states that the result is in the store, the build is reconciled at once, before its Job shows
//! the end. Started by the controller of builds.

pub mod followers;

use std::sync::Arc;

use crate::{context::Context, runtime::log_lines::next_line, watches::Strip};
use asu_core::stage::{COMMITTED_LINE, Stage};
use asu_crds::{FirmwareBuild, labels};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{LogParams, Patch, PatchParams};
use serde_json::json;
use tracing::Instrument as _;

/// Stages that are written here; earlier ones are part of other status writes.
const WRITTEN: [Stage; 2] = [Stage::ValidateManifest, Stage::BuildingImage];

/// Follows the log of a pod, unless its build is already followed.
pub fn follow(context: &Arc<Context>, build: &str, uid: &str, pod: &str, known: Option<Stage>) {
    let Some(stop) = context.followers.begin(uid, &context.stop) else { return };
    let (shared, build, uid, pod) =
        (context.clone(), build.to_owned(), uid.to_owned(), pod.to_owned());
    let span = tracing::info_span!("stages", name = build, uid);
    let task = async move {
        let following = read_stages(&shared, &build, &uid, &pod, known);
        if let Some(Err(error)) = stop.run_until_cancelled(following).await {
            tracing::debug!(build, pod, %error, "cannot follow the log of a pod");
        }
        shared.followers.end(&uid);
    };
    context.tasks.spawn(task.instrument(span));
}

async fn read_stages(
    context: &Context,
    build: &str,
    uid: &str,
    pod: &str,
    known: Option<Stage>,
) -> Result<(), kube::Error> {
    let params =
        LogParams { container: Some("publish".into()), follow: true, ..LogParams::default() };
    let log = context.api::<Pod>().log_stream(pod, &params).await?;
    let mut log = std::pin::pin!(log);
    let mut last = known;
    while let Some(line) = next_line(&mut log).await {
        if line.trim_end() == COMMITTED_LINE && !context.followers.is_committed(uid) {
            context.followers.committed(uid);
            context.triggers.build(build);
        }
        let Some(stage) = Stage::from_log_line(&line) else { continue };
        // Stages only advance, regardless of the pod's output.
        if WRITTEN.contains(&stage) && last.is_none_or(|last| stage > last) {
            last = Some(stage);
            write(context, build, stage).await?;
        }
    }
    Ok(())
}

async fn write(context: &Context, build: &str, stage: Stage) -> Result<(), kube::Error> {
    let patch = Patch::Merge(json!({ "status": { "stage": stage.as_str() } }));
    let manager = Some(labels::BUILD_MANAGER.to_owned());
    let params = PatchParams { field_manager: manager, ..PatchParams::default() };
    let mut written = context.api::<FirmwareBuild>().patch_status(build, &params, &patch).await?;
    written.strip();
    context.recent_builds.record(written);
    Ok(())
}
