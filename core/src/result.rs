//! The files that pods write at their end: the outcome of `build` (read by `publish`), the result that
//! `publish` commits to the store (read by the operator), and the result of `populate`. All of them are
//! untrusted: readers must limit their size and check their content.

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
    names::PackageSpec,
    request_hash::RequestHash,
};

/// Version of the result format.
pub const RESULT_SCHEMA: u32 = 1;
/// Maximum size of a result file in bytes; a larger one is refused.
pub const MAX_RESULT_BYTES: u64 = 1 << 20;
/// Maximum size of an outcome file in bytes; a larger one is refused.
pub const MAX_OUTCOME_BYTES: u64 = 1 << 20;

/// Object keys in the artifact store.
pub mod store_keys {
    use crate::build_key::BuildKey;

    /// Folder of a build's files.
    pub fn artifact(build_key: &BuildKey, file: &str) -> String {
        format!("artifacts/{build_key}/{file}")
    }

    /// Key of the log of a finished build, which is compressed with zstd.
    pub fn log(uid: &str) -> String {
        format!("logs/{uid}.zst")
    }

    /// Key of the log of an attempt that ended with an infrastructure failure.
    pub fn attempt_log(uid: &str, attempt: u32) -> String {
        format!("logs/{uid}.{attempt}.zst")
    }

    /// Key of the result of a finished build. Its existence commits the build.
    pub fn result(uid: &str) -> String {
        format!("results/{uid}.json")
    }

    /// Key of the result of an attempt that ended with an infrastructure failure.
    pub fn attempt_result(uid: &str, attempt: u32) -> String {
        format!("results/{uid}.{attempt}.json")
    }
}

/// The outcome that the container `build` reports. Untrusted, because scripts of packages run as the
/// same user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Version of the format: [`RESULT_SCHEMA`].
    pub schema: u32,
    /// The failure; absent when the build succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether the workspace was a full copy of the tree.
    #[serde(default)]
    pub workspace_copied: bool,
    /// Whether `build` could not find out if the kernel killed a process because memory ran out.
    #[serde(default)]
    pub memory_unknown: bool,
    /// Installed packages: name without ABI suffix to version.
    #[serde(default)]
    pub manifest: BTreeMap<String, String>,
    /// Digests of the package indexes that were read, by URL or file name. When indexes changed
    /// during the build, their digests at its end are included.
    #[serde(default)]
    pub indexes: BTreeMap<String, Digest>,
    /// Content of the repositories file that make used.
    #[serde(default)]
    pub repositories_file: String,
    /// Duration of each step in milliseconds, by the step's name.
    #[serde(default)]
    pub millis: BTreeMap<String, u64>,
}

/// One stored file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredFile {
    /// Plain file name, see [`is_plain_file_name`].
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Digest,
}

/// The stored log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredLog {
    /// Size of the object in bytes (compressed).
    pub size: u64,
    /// Bytes before compression.
    pub text_bytes: u64,
    /// Whether the end of the log was dropped because it was too large.
    pub truncated: bool,
}

/// The content of a successful build's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    /// Folder of the files in the store.
    pub build_key: BuildKey,
    /// All files, sorted by name.
    pub files: Vec<StoredFile>,
    /// Installed packages: name to version.
    pub manifest: BTreeMap<String, String>,
    /// make's argument PACKAGES, in order.
    pub packages: Vec<PackageSpec>,
    /// The commands of the build, as shown to clients.
    pub commands: Vec<Vec<String>>,
    /// The build's `profiles.json`: its top-level keys without `profiles`, merged with the keys of the
    /// profile, which take precedence.
    pub profile: Map<String, Value>,
}

/// The result of a build or of an attempt, see [`store_keys::result`]. `publish` writes it last: its
/// existence is the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildResult {
    /// Version of the format: [`RESULT_SCHEMA`].
    pub schema: u32,
    /// uid of the FirmwareBuild.
    pub uid: String,
    /// Hash of its request.
    pub request_hash: RequestHash,
    /// Present when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// Present when the build failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether `build` could not find out if the kernel killed a process because memory ran out. The
    /// operator then decides by the termination state of the container.
    #[serde(default)]
    pub memory_unknown: bool,
    /// The stored log, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<StoredLog>,
    /// Duration of each step in milliseconds, by the step's name.
    #[serde(default)]
    pub millis: BTreeMap<String, u64>,
}

/// Why a result was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResult {
    /// The content is not the JSON of a result.
    #[error("the result is malformed: {0}")]
    Malformed(String),
    /// The result has another version of the format.
    #[error("the result has format {0}, this program reads {RESULT_SCHEMA}")]
    Schema(u32),
    /// The result has the uid or request hash of another build.
    #[error("the result belongs to another build")]
    Foreign,
    /// The result has neither or both of `built` and `failure`.
    #[error("the result must say either what was built or why it failed")]
    Ambiguous,
    /// A file name is not plain.
    #[error("the result names a file {0:?}, which is not a plain name")]
    FileName(String),
    /// The result has more files or packages than allowed.
    #[error("the result has too many {0}")]
    TooMany(&'static str),
}

/// Maximum length of an artifact's file name in bytes. Clients build URLs in buffers of 256 bytes.
pub const MAX_FILE_NAME: usize = 160;

/// Whether `name` is a plain file name: 1 to [`MAX_FILE_NAME`] characters of `[A-Za-z0-9._+~-]`, not
/// starting with a dot or a dash.
pub fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_FILE_NAME
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~-".contains(&b))
}

impl BuildResult {
    /// Parses and checks the result of the build `uid` with `request_hash`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8], uid: &str, request_hash: &RequestHash) -> Result<Self, BadResult> {
        let mut result: Self =
            serde_json::from_slice(bytes).map_err(|e| BadResult::Malformed(e.to_string()))?;
        // Cleans the text again, because objects, events and answers contain it.
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

    /// The failure reason; `None` when the build succeeded.
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
    fn texts_of_a_result_are_cleaned_when_it_is_read() {
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
