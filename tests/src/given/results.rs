//! What `publish` leaves in the artifact store.

use asu_core::{
    build_key::BuildKey,
    failure::{Failure, FailureReason},
    result::{BuildResult, RESULT_SCHEMA, StoredLog, store_keys},
};
use asu_crds::FirmwareBuild;
use kube::ResourceExt as _;

use super::{
    records::{built, file},
    world::World,
};

impl World {
    /// Writes the result of a build that succeeded.
    pub fn commit(&self, build: &FirmwareBuild, key: &str) -> BuildResult {
        let build_key = BuildKey::of(key.as_bytes());
        let file = file("i.bin", b"image");
        self.put(&store_keys::artifact(&build_key, &file.name), b"image");
        let result =
            BuildResult { built: Some(built(build_key, vec![file])), ..self.result(build) };
        self.put_result(&store_keys::result(&result.uid), &result);
        result
    }

    /// Writes the result of a build that failed because of its request.
    pub fn commit_failure(&self, build: &FirmwareBuild, reason: FailureReason) {
        let failure = Some(Failure::new(reason, "said by publish"));
        let result = BuildResult { failure, ..self.result(build) };
        self.put_result(&store_keys::result(&result.uid), &result);
    }

    /// Writes the result of an attempt that ended with an infrastructure failure.
    pub fn commit_attempt(&self, build: &FirmwareBuild, attempt: u32, reason: FailureReason) {
        let failure = Some(Failure::new(reason, "said by publish"));
        let result = BuildResult { failure, ..self.result(build) };
        self.put(&store_keys::attempt_log(&result.uid, attempt), b"log");
        self.put_result(&store_keys::attempt_result(&result.uid, attempt), &result);
    }

    /// Ends a build as its pod would after a success.
    pub async fn succeed(&self, build: &FirmwareBuild) {
        let job = self.job_of(build).await;
        self.commit(build, &build.name_any());
        self.pod(&job, "publish", 0, None).await;
        self.complete(&job).await;
    }

    /// Ends a later attempt of a build in the same way.
    pub async fn succeed_attempt(&self, build: &FirmwareBuild, attempt: u32) {
        let end = format!("-{attempt}");
        let jobs = self.jobs_of(build).await;
        let job = jobs.iter().find(|job| job.name_any().ends_with(&end)).expect("its Job");
        self.commit(build, &build.name_any());
        self.pod(job, "publish", 0, None).await;
        self.complete(job).await;
    }

    fn result(&self, build: &FirmwareBuild) -> BuildResult {
        let uid = build.uid().expect("a uid");
        self.put(&store_keys::log(&uid), b"log");
        BuildResult {
            schema: RESULT_SCHEMA,
            uid,
            request_hash: build.spec.request_hash.parse().expect("a hash"),
            built: None,
            failure: None,
            memory_unknown: false,
            log: Some(StoredLog { size: 3, text_bytes: 9, truncated: false }),
            millis: [].into(),
        }
    }

    fn put_result(&self, key: &str, result: &BuildResult) {
        self.put(key, &serde_json::to_vec(result).expect("JSON"));
    }
}
