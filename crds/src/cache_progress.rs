//! The progress of a populate pod in the status of an ImageBuilderCache.

use asu_core::populate_progress::Progress;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Progress of the populate pod, at most five seconds old.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CacheProgress {
    /// What the pod is doing.
    pub step: CacheStep,
    /// Number of bytes that are done. Absent if they are not counted in this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub bytes: Option<i64>,
    /// Number of bytes of the whole step, if the download server states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub of_bytes: Option<i64>,
    /// The same for people, for example: Downloading 120 of 340 MB.
    #[schemars(length(max = 64))]
    pub text: String,
}

/// Step of a populate pod.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs would split the enum in the schema")]
pub enum CacheStep {
    Verifying,
    Downloading,
    Unpacking,
    WarmingUp,
}

impl From<&Progress> for CacheProgress {
    fn from(progress: &Progress) -> Self {
        use asu_core::populate_progress::PopulateStep as S;
        let step = match progress.step {
            S::Verifying => CacheStep::Verifying,
            S::Downloading => CacheStep::Downloading,
            S::Unpacking => CacheStep::Unpacking,
            S::WarmingUp => CacheStep::WarmingUp,
        };
        let number =
            |bytes: Option<u64>| bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Self {
            step,
            bytes: number(progress.bytes),
            of_bytes: number(progress.of),
            text: progress.to_string().chars().take(64).collect(),
        }
    }
}
