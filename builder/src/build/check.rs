//! Checks the output of a build: exit code 0 alone does not mean success. `publish` repeats the
//! check, because it does not trust this one.

use asu_core::failure::{Failure, FailureReason};

use super::Build;
use crate::{
    handover::{Folder, HandoverError},
    profiles::{self, BadOutput},
};

impl Build<'_> {
    /// Checks that `profiles.json` names the profile and that every image that it names exists with
    /// the stated digest.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if let Some(failure) = self.hostile_output() {
            return Err(failure);
        }
        let limits = &self.plan.limits;
        let checked =
            Folder::open(&self.paths.output()).map_err(BadOutput::from).and_then(|output| {
                profiles::check(&output, self.plan.request.profile.as_str(), limits.output_bytes)
            });
        match checked {
            Ok(_) => Ok(()),
            Err(BadOutput::Handover(error)) => Err(bad_handover(&error)),
            Err(problem) => {
                let failure = self.classifier().failure();
                if failure.reason == FailureReason::BuildFailed {
                    return Err(Failure::new(FailureReason::ProfileNotBuilt, problem.to_string()));
                }
                Err(failure)
            }
        }
    }

    /// The failure, if the output contains what make never creates, for example a link: then every
    /// other error may be a consequence of that.
    pub(super) fn hostile_output(&self) -> Option<Failure> {
        let output = Folder::open(&self.paths.output());
        let most = usize::try_from(self.plan.limits.output_files).unwrap_or(usize::MAX);
        output.and_then(|output| output.plain_files(most)).err().map(|error| bad_handover(&error))
    }
}

fn bad_handover(error: &HandoverError) -> Failure {
    Failure::new(
        FailureReason::BadHandover,
        format!("What the build left behind is refused: {error}"),
    )
}
