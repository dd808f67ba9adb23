//! What pods leave behind: the outcome that `build` hands to `publish`, the result that `publish`
//! commits to the store, and the result of `populate`. All are read back as hostile data: bounded
//! and checked.

mod populate;
pub mod settle;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use populate::{PopulateFailure, PopulateResult};

use crate::{
    build_key::BuildKey,
    digest::Digest,
    failure::{Failure, FailureReason},
    request_hash::RequestHash,
};

/// Version of the result format.
pub const RESULT_SCHEMA: u32 = 1;
/// Largest result file that is read, in bytes.
pub const MAX_RESULT_BYTES: u64 = 1 << 20;
/// Largest outcome file that is read, in bytes.
pub const MAX_OUTCOME_BYTES: u64 = 1 << 20;

/// Keys in the artifact store.
pub mod store_keys {
    use crate::build_key::BuildKey;

    /// Folder of a build's files.
    pub fn artifact(build_key: &BuildKey, file: &str) -> String {
        format!("artifacts/{build_key}/{file}")
    }

    /// The log of a build that ended for good, compressed with zstd.
    pub fn log(uid: &str) -> String {
        format!("logs/{uid}.zst")
    }

    /// The log of an attempt that an infrastructure failure ended.
    pub fn attempt_log(uid: &str, attempt: u32) -> String {
        format!("logs/{uid}.{attempt}.zst")
    }

    /// The result of a build that ended for good: its presence is the commit.
    pub fn result(uid: &str) -> String {
        format!("results/{uid}.json")
    }

    /// The result of an attempt that an infrastructure failure ended.
    pub fn attempt_result(uid: &str, attempt: u32) -> String {
        format!("results/{uid}.{attempt}.json")
    }
}

/// What `build` says about its own end. Hostile: package scripts run as the same user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// [`RESULT_SCHEMA`].
    pub schema: u32,
    /// Absent when the build succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether the workspace was a copy.
    #[serde(default)]
    pub workspace_copied: bool,
    /// Whether `build` could not see if the kernel killed anything for want of memory.
    #[serde(default)]
    pub memory_unknown: bool,
    /// Package name to version, ABI suffixes removed.
    #[serde(default)]
    pub manifest: BTreeMap<String, String>,
    /// Digests of the package indexes that were read, by URL or file name; with those of the end
    /// when they changed meanwhile.
    #[serde(default)]
    pub indexes: BTreeMap<String, Digest>,
    /// Whether an index changed between start and end.
    #[serde(default)]
    pub indexes_changed: bool,
    /// Bytes of the repositories file that make saw, as text.
    #[serde(default)]
    pub repositories_file: String,
    /// The commands, as clients are shown them.
    #[serde(default)]
    pub commands: Vec<Vec<String>>,
    /// Milliseconds that each step took, by its name.
    #[serde(default)]
    pub millis: BTreeMap<String, u64>,
}

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    /// Plain file name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Digest,
}

/// The stored log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredLog {
    /// Bytes as stored (compressed).
    pub size: u64,
    /// Bytes before compression.
    pub text_bytes: u64,
    /// Whether the end was dropped.
    pub truncated: bool,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// Folder of the files in the store.
    pub build_key: BuildKey,
    /// Whether other requests may share the files: no index changed while they were made.
    pub shareable: bool,
    /// Every file, sorted by name.
    pub files: Vec<StoredFile>,
    /// Package name to version.
    pub manifest: BTreeMap<String, String>,
    /// The PACKAGES argument, in order.
    pub packages: Vec<String>,
    /// The commands, as clients are shown them.
    pub commands: Vec<Vec<String>>,
    /// `profiles.json` of the build without `profiles`, overlaid with the profile's own keys.
    pub profile: Map<String, Value>,
}

/// `results/<uid>.json`: written last, its presence is the commit of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildResult {
    /// [`RESULT_SCHEMA`].
    pub schema: u32,
    /// uid of the FirmwareBuild.
    pub uid: String,
    /// Hash of its request.
    pub request_hash: RequestHash,
    /// Present when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// Present when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether `build` could not see if the kernel killed anything for want of memory: then the
    /// end of its container says it.
    #[serde(default)]
    pub memory_unknown: bool,
    /// The log, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<StoredLog>,
    /// Milliseconds that each step took, by its name.
    #[serde(default)]
    pub millis: BTreeMap<String, u64>,
}

/// A result that may not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResult {
    /// Not the JSON of a result.
    #[error("the result is malformed: {0}")]
    Malformed(String),
    /// Another format.
    #[error("the result has format {0}, this program reads {RESULT_SCHEMA}")]
    Schema(u32),
    /// It belongs to another build.
    #[error("the result belongs to another build")]
    Foreign,
    /// Neither or both of `built` and `failure`.
    #[error("the result must say either what was built or why it failed")]
    Ambiguous,
    /// A file name that is not plain.
    #[error("the result names a file {0:?}, which is not a plain name")]
    FileName(String),
    /// More than a result may have.
    #[error("the result has too many {0}")]
    TooMany(&'static str),
}

/// Longest file name of an artifact. Clients build URLs in buffers of 256 bytes.
pub const MAX_FILE_NAME: usize = 160;

/// Whether `name` is a plain file name: `[A-Za-z0-9._+~-]`, not hidden.
pub fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_FILE_NAME
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~-".contains(&b))
}

impl BuildResult {
    /// Reads and checks a result of the build `uid` with `request_hash`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8], uid: &str, request_hash: &RequestHash) -> Result<Self, BadResult> {
        let mut result: Self =
            serde_json::from_slice(bytes).map_err(|e| BadResult::Malformed(e.to_string()))?;
        // As `publish` wrote it, and once more: objects, events and answers show it.
        result.failure = result.failure.map(|said| Failure::new(said.reason, said.detail));
        if result.schema != RESULT_SCHEMA {
            return Err(BadResult::Schema(result.schema));
        }
        if result.uid != uid || result.request_hash != *request_hash {
            return Err(BadResult::Foreign);
        }
        match (&result.built, &result.failure) {
            (Some(built), None) => built.check()?,
            (None, Some(_)) => {}
            _ => return Err(BadResult::Ambiguous),
        }
        Ok(result)
    }

    /// Why it failed.
    pub fn reason(&self) -> Option<FailureReason> {
        self.failure.as_ref().map(|failure| failure.reason)
    }
}

impl Built {
    fn check(&self) -> Result<(), BadResult> {
        if self.files.len() > 256 {
            return Err(BadResult::TooMany("files"));
        }
        if self.manifest.len() > 10_000 || self.packages.len() > 10_000 {
            return Err(BadResult::TooMany("packages"));
        }
        match self.files.iter().find(|file| !is_plain_file_name(&file.name)) {
            Some(file) => Err(BadResult::FileName(file.name.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed() -> BuildResult {
        BuildResult {
            schema: RESULT_SCHEMA,
            uid: "u".into(),
            request_hash: RequestHash::of(b"r"),
            built: None,
            failure: Some(Failure::new(FailureReason::NoSpace, "full")),
            memory_unknown: false,
            log: None,
            millis: BTreeMap::new(),
        }
    }

    #[test]
    fn a_result_reads_back() {
        let bytes = serde_json::to_vec(&failed()).unwrap();
        assert_eq!(BuildResult::read(&bytes, "u", &RequestHash::of(b"r")), Ok(failed()));
    }

    #[test]
    fn what_a_result_says_is_plain_text_when_it_is_read() {
        let said = Failure { reason: FailureReason::NoSpace, detail: "\x1b]0;x\x07y".into() };
        let bytes = serde_json::to_vec(&BuildResult { failure: Some(said), ..failed() }).unwrap();
        let result = BuildResult::read(&bytes, "u", &RequestHash::of(b"r")).unwrap();
        assert_eq!(result.failure.unwrap().detail, " ]0;x y");
    }

    #[test]
    fn a_result_of_another_build_is_refused() {
        let bytes = serde_json::to_vec(&failed()).unwrap();
        assert_eq!(BuildResult::read(&bytes, "v", &RequestHash::of(b"r")), Err(BadResult::Foreign));
    }

    #[test]
    fn a_result_without_verdict_is_refused() {
        let bytes = serde_json::to_vec(&BuildResult { failure: None, ..failed() }).unwrap();
        assert_eq!(
            BuildResult::read(&bytes, "u", &RequestHash::of(b"r")),
            Err(BadResult::Ambiguous)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = BuildResult::read(&bytes, "u", &RequestHash::of(b"r"));
        }

        #[test]
        fn a_plain_name_has_no_separator(name in ".{0,30}") {
            if is_plain_file_name(&name) {
                prop_assert!(!name.contains('/') && !name.contains('\0') && name != "." && name != "..");
            }
        }
    }
}
