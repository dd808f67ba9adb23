//! Creates the Secrets of first-boot scripts. They are never read.

use std::collections::BTreeMap;

use asu_core::{digest::Digest, plan::paths::DEFAULTS_KEY, request_hash::RequestHash};
use asu_crds::{FirmwareBuild, labels};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{Resource as _, api::PostParams};

use super::{Cluster, Entry, Failed, call};
use crate::error::ApiError;

/// Name of the Secret of a new build. Its last part is different for each build of a request, because
/// the Secret of a deleted build with the same name may still exist.
pub(super) fn name(build: &str, hash: &RequestHash, now: Timestamp) -> String {
    let once = Digest::of(format!("{hash} {}", now.as_nanosecond()).as_bytes());
    let part: String = once.to_string().chars().take(8).collect();
    format!("{build}-defaults-{part}")
}

impl Cluster {
    /// Creates the Secret of a build, unless it exists.
    ///
    /// # Errors
    /// When the API server does not answer. A repeated request creates the Secret.
    pub async fn ensure_secret(&self, build: &Entry, text: &str) -> Result<(), ApiError> {
        let Some(name) = &build.secret else {
            return Ok(());
        };
        let secret = secret(build, name, text);
        let params = PostParams { field_manager: Some(labels::API_MANAGER.into()), dry_run: false };
        match call("create a Secret", self.secrets.create(&params, &secret)).await {
            Ok(_) | Err(Failed::Conflict) => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }
}

fn secret(build: &Entry, name: &str, text: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: Some(vec![OwnerReference {
                api_version: FirmwareBuild::api_version(&()).into_owned(),
                kind: FirmwareBuild::kind(&()).into_owned(),
                name: build.name.clone(),
                uid: build.uid.clone(),
                ..OwnerReference::default()
            }]),
            labels: Some(BTreeMap::from([(labels::BUILD.to_owned(), build.name.clone())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(
            DEFAULTS_KEY.to_owned(),
            ByteString(text.as_bytes().to_vec()),
        )])),
        immutable: Some(true),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_builds_of_a_request_have_different_secrets() {
        let hash = RequestHash::of(b"");
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_ne!(name("fwb-a", &hash, at(0)), name("fwb-a", &hash, at(1)));
        assert!(name("fwb-a", &hash, at(0)).starts_with("fwb-a-defaults-"));
    }
}
