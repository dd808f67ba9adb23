//! The commit: one atomic put, after everything that it speaks of.

use asu_core::{
    failure::{Disposition, FailureReason},
    result::{BuildResult, store_keys},
    stage::COMMITTED_LINE,
};
use object_store::{
    ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, path::Path as Key,
};

use super::{EXIT_INFRASTRUCTURE, EXIT_NOTHING, EXIT_REQUEST, EXIT_SUCCESS, Publish, PublishError};

impl Publish<'_> {
    /// The exit code of a final result that is there already: then nothing that it speaks of may be
    /// touched again.
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

    /// Puts the result. A final one is never replaced: when there is one, it stands.
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

fn exit_code(result: &BuildResult) -> u8 {
    match result.reason().map(FailureReason::disposition) {
        None => EXIT_SUCCESS,
        Some(Disposition::Request) => EXIT_REQUEST,
        Some(_) => EXIT_INFRASTRUCTURE,
    }
}
