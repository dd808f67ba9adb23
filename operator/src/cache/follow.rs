//! Follows the log of a populate pod, which prints a line with its progress. The progress is kept in
//! memory; passes over the cache write it to the status. Called by the controller.

use std::sync::Arc;

use asu_core::populate_progress::Progress;
use asu_crds::{ImageBuilderCache, labels};
use futures::AsyncBufRead;
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::LogParams};
use tracing::Instrument as _;

use super::pods::{CONTAINER, is_populate};
use crate::{
    context::Context,
    pods::verdict::{PodState, pod_state},
    runtime::log_lines::next_line,
};

/// Number of lines that are read of what a pod printed before.
const TAIL: i64 = 20;

/// Follows the running populate pod of a cache, unless it is already followed.
pub(super) fn follow(context: &Arc<Context>, cache: &ImageBuilderCache) {
    let (name, uid) = (cache.name_any(), cache.uid().unwrap_or_default());
    let runs = |pod: &Pod| {
        is_populate(pod)
            && pod.labels().get(labels::CACHE) == Some(&name)
            && pod_state(pod) == PodState::Running
    };
    let pods = context.stores.pods.state_filter(runs);
    let Some(pod) = pods.iter().max_by_key(|pod| pod.creation_timestamp()) else { return };
    let pod = pod.name_any();
    let Some(stop) = context.cache_progress.begin(&uid, &pod, &context.stop) else { return };
    let shared = context.clone();
    let span = tracing::info_span!("progress", cache = name);
    let task = async move {
        if let Some(Err(error)) = stop.run_until_cancelled(read_log(&shared, &uid, &pod)).await {
            tracing::debug!(pod, %error, "cannot follow the log of a pod");
        }
        shared.cache_progress.end(&uid, &pod);
    };
    context.tasks.spawn(task.instrument(span));
}

async fn read_log(context: &Context, uid: &str, pod: &str) -> Result<(), kube::Error> {
    let params = LogParams {
        container: Some(CONTAINER.to_owned()),
        follow: true,
        tail_lines: Some(TAIL),
        ..LogParams::default()
    };
    let log = context.api::<Pod>().log_stream(pod, &params).await?;
    read(std::pin::pin!(log), |progress| context.cache_progress.report(uid, pod, progress)).await;
    Ok(())
}

async fn read(mut log: impl AsyncBufRead + Unpin, mut report: impl FnMut(Progress)) {
    while let Some(line) = next_line(&mut log).await {
        if let Some(progress) = Progress::from_log_line(&line) {
            report(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use asu_core::populate_progress::PopulateStep;

    use super::*;

    #[tokio::test]
    async fn only_lines_of_progress_are_reported() {
        let text = b"populate: x\nasu-progress: Downloading 1 2\nasu-progress: Downloading 3 2\n\
            asu-progress: Unpacking\n\xff\xff";
        let mut seen = Vec::new();
        read(futures::io::Cursor::new(text.to_vec()), |progress| seen.push(progress)).await;
        let downloading = Progress { step: PopulateStep::Downloading, bytes: Some(1), of: Some(2) };
        assert_eq!(seen, [downloading, Progress::of(PopulateStep::Unpacking)]);
    }
}
