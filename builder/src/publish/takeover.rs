//! Takes over the files of a successful build: checks them, hashes them while they are copied to
//! the store, and stores them under the build key, which it computes itself. Called by
//! `publish/mod.rs`.

use asu_core::{
    failure::{Failure, FailureReason},
    plan::paths as names,
    result::{Built, Outcome, StoredFile},
};
use object_store::path::Path as Key;

use super::{Publish, PublishError, bad_handover, upload::Copied};
use crate::{
    effective::Effective,
    handover::Folder,
    profiles::{self, Profile},
    tree,
};

/// Folder of the store for uploads in flight. Its folders are named by build and attempt, so that a
/// later attempt or the operator can remove what a killed one left.
pub const UPLOADS: &str = "uploads";

/// The files that were taken over.
pub(super) struct TakenOver {
    pub(super) built: Built,
    /// A note for the log.
    pub(super) note: Option<String>,
}

impl Publish<'_> {
    /// Takes over the files of the output, under their final keys.
    pub(super) async fn take_over(
        &self,
        outcome: &Outcome,
    ) -> Result<Result<TakenOver, Failure>, PublishError> {
        let (effective, output, profile, names) = match self.inspect() {
            Ok(all) => all,
            Err(failure) => return Ok(Err(failure)),
        };
        let uploads = Key::from(format!("{UPLOADS}/{}.{}", self.plan.uid, self.plan.attempt));
        for attempt in 1..=self.plan.attempt {
            let left = Key::from(format!("{UPLOADS}/{}.{attempt}", self.plan.uid));
            self.remove_below(&left).await?;
        }
        let taken = match self.copy_all(&output, &names, &uploads).await? {
            Err(failure) => Err(failure),
            Ok(files) => match named_images_are_there(&profile, &files) {
                Err(failure) => Err(failure),
                Ok(()) => Ok(self.taken(outcome, &effective, profile, files, &uploads).await?),
            },
        };
        self.remove_below(&uploads).await?;
        Ok(taken)
    }

    /// The failure that a build reports about its tree, only if the tree is really damaged: scripts
    /// of packages can fake it, and it causes the tree to be made again.
    pub(super) fn of_tree(&self, said: &Failure) -> Failure {
        let seen = tree::marked(self.paths).and_then(|marked| Effective::new(self.plan, &marked));
        match seen {
            Err(seen) if seen.reason == FailureReason::TreeLost => seen,
            _ => bad_handover(&format!("the tree is there: {}", said.detail)),
        }
    }

    /// All checks that need no copy.
    fn inspect(&self) -> Result<(Effective, Folder, Profile, Vec<String>), Failure> {
        let effective = Effective::new(self.plan, &tree::marked(self.paths)?)?;
        let output = self.work.folder(names::OUTPUT).map_err(|e| bad_handover(&e))?;
        let most = usize::try_from(self.plan.limits.output_files).unwrap_or(usize::MAX);
        let names = output.plain_files(most).map_err(|e| bad_handover(&e))?;
        let profile = profiles::read(&output, self.plan.request.profile.as_str())
            .map_err(|error| bad_handover(&error))?;
        Ok((effective, output, profile, names))
    }

    async fn copy_all(
        &self,
        output: &Folder,
        names: &[String],
        uploads: &Key,
    ) -> Result<Result<Vec<StoredFile>, Failure>, PublishError> {
        let mut left = self.plan.limits.output_bytes;
        let mut files = Vec::new();
        for name in names {
            let file = match output.file(name) {
                Ok(file) => file,
                Err(error) => return Ok(Err(bad_handover(&error))),
            };
            let key = uploads.clone().join(name.as_str());
            match self.upload(file, &key, left).await? {
                Copied::Whole { size, sha256 } => {
                    left = left.saturating_sub(size);
                    let name = name.clone();
                    files.push(StoredFile { name, size, sha256 });
                }
                Copied::TooLarge => {
                    return Ok(Err(bad_handover(&format!(
                        "the files have more than {} bytes",
                        self.plan.limits.output_bytes
                    ))));
                }
                Copied::Unreadable(error) => return Ok(Err(bad_handover(&error))),
            }
        }
        Ok(Ok(files))
    }

    /// Stores the files, and describes what was built.
    async fn taken(
        &self,
        outcome: &Outcome,
        effective: &Effective,
        profile: Profile,
        files: Vec<StoredFile>,
        uploads: &Key,
    ) -> Result<TakenOver, PublishError> {
        let build_key = effective.build_key(self.plan, &outcome.indexes);
        let settled = self.settle(build_key, files, uploads).await?;
        let note = settled
            .is_own
            .then(|| format!("other files of the same build are stored under {build_key}"));
        let output = self.paths.output().to_string_lossy().into_owned();
        let built = Built {
            build_key: settled.key,
            files: settled.files,
            manifest: outcome.manifest.clone(),
            packages: effective.packages.clone(),
            commands: effective.commands(self.plan, &output),
            profile: profile.facts,
        };
        Ok(TakenOver { built, note })
    }
}

/// Checks the success rule with the bytes that were copied.
fn named_images_are_there(profile: &Profile, files: &[StoredFile]) -> Result<(), Failure> {
    for image in &profile.images {
        let stored = files.iter().find(|file| file.name == image.name);
        if stored.is_none_or(|file| file.sha256 != image.sha256) {
            return Err(bad_handover(&format!(
                "the image {:?} is not the one that profiles.json names",
                image.name
            )));
        }
    }
    Ok(())
}
