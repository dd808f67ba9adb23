//! Commits the result: one atomic put, after everything that the result refers to is stored. Called
//! by `publish/mod.rs`.

use asu_core::{
    failure::{Disposition, Failure, FailureReason},
    result::{BuildResult, MAX_RESULT_BYTES, store_keys},
    stage::COMMITTED_LINE,
};
use object_store::{
    ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path as Key,
};

use super::{EXIT_INFRASTRUCTURE, EXIT_NOTHING, EXIT_REQUEST, EXIT_SUCCESS, Publish, PublishError};

impl Publish<'_> {
    /// The exit code of a final result that already exists: then nothing that it refers to may be
    /// changed.
    pub(super) async fn committed(&self) -> Result<Option<u8>, PublishError> {
        let key = Key::from(store_keys::result(&self.plan.uid));
        match self.store.get(&key).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            other => {
                let stored: BuildResult = serde_json::from_slice(&other?.bytes().await?)?;
                println!("publish: a result of this build is there already");
                Ok(Some(exit_code(&stored)))
            }
        }
    }

    /// Stores the result. An existing final result is never replaced.
    pub(super) async fn commit(
        &self,
        result: &BuildResult,
        is_final: bool,
    ) -> Result<u8, PublishError> {
        let bytes = PutPayload::from(serde_json::to_vec(result)?);
        if !is_final {
            let key = store_keys::attempt_result(&self.plan.uid, self.plan.attempt);
            self.store.put(&Key::from(key), bytes).await?;
            return Ok(exit_code(result));
        }
        let key = Key::from(store_keys::result(&self.plan.uid));
        let create = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&key, bytes, create).await;
        if matches!(put, Ok(_) | Err(object_store::Error::AlreadyExists { .. })) {
            println!("{COMMITTED_LINE}");
        }
        match put {
            Ok(_) => Ok(exit_code(result)),
            Err(object_store::Error::AlreadyExists { .. }) => {
                Ok(self.committed().await?.unwrap_or(EXIT_NOTHING))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The result, or a final failure in its place if it exceeds the maximum size, and whether it is
/// final. Only the data that the build reports about its image can make a result too large.
pub(super) fn bounded(
    result: BuildResult,
    is_final: bool,
) -> Result<(BuildResult, bool), serde_json::Error> {
    if serde_json::to_vec(&result)?.len() as u64 <= MAX_RESULT_BYTES {
        return Ok((result, is_final));
    }
    let detail = format!("What the build says of its image has more than {MAX_RESULT_BYTES} bytes");
    let failure = Failure::new(FailureReason::BadHandover, detail);
    Ok((BuildResult { built: None, failure: Some(failure), ..result }, true))
}

fn exit_code(result: &BuildResult) -> u8 {
    match result.reason().map(FailureReason::disposition) {
        None => EXIT_SUCCESS,
        Some(Disposition::Request) => EXIT_REQUEST,
        Some(_) => EXIT_INFRASTRUCTURE,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use asu_core::{
        build_key::BuildKey,
        request_hash::RequestHash,
        result::{Built, RESULT_SCHEMA},
    };

    use super::*;

    fn result(profile: &str) -> BuildResult {
        let profile = serde_json::json!({ "titles": profile });
        BuildResult {
            schema: RESULT_SCHEMA,
            uid: "u".into(),
            request_hash: RequestHash::of(b"r"),
            built: Some(Built {
                build_key: BuildKey::of(b"k"),
                files: vec![],
                manifest: BTreeMap::new(),
                packages: vec![],
                commands: vec![],
                profile: profile.as_object().unwrap().clone(),
            }),
            failure: None,
            memory_unknown: false,
            log: None,
            millis: BTreeMap::new(),
        }
    }

    #[test]
    fn a_result_that_is_too_large_to_read_is_a_failure_of_the_request() {
        let fits = result("x");
        assert_eq!(bounded(fits.clone(), true).unwrap(), (fits, true));
        let most = usize::try_from(MAX_RESULT_BYTES).unwrap();
        let (refused, is_final) = bounded(result(&"x".repeat(most)), true).unwrap();
        assert_eq!(refused.reason(), Some(FailureReason::BadHandover));
        assert!(is_final && refused.built.is_none());
        let bytes = serde_json::to_vec(&refused).unwrap();
        assert!(BuildResult::read(&bytes, "u", &RequestHash::of(b"r")).is_ok());
    }
}
