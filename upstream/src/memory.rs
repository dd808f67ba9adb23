//! What a reading of a version remembers for the next one, in this process or in another.

use std::collections::BTreeMap;

use asu_core::{
    catalog::{TarballDigest, Target, Version},
    catalog_documents::{TargetDocuments, Targets},
    digest::Digest,
    names::TargetName,
};
use serde::{Deserialize, Serialize};

use crate::{client::Validator, signed_sums::Trust};

/// The targets read last time, with validators to check that they are still current.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub(crate) BTreeMap<TargetName, Remembered>);

/// A target as read last time.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    /// Validator of its signed list.
    pub(crate) sums: Validator,
    /// Keys that the list was checked with.
    pub(crate) trust: Trust,
    /// The target.
    pub(crate) target: Target,
    /// Its documents.
    pub(crate) documents: TargetDocuments,
}

/// [`Memory`] for a process that has the targets and documents from elsewhere, by target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators(BTreeMap<TargetName, Known>);

/// A validator, and what identifies the target that it was read with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    sums: Validator,
    trust: Digest,
    image_builder: TarballDigest,
    documents: TargetDocuments,
}

impl Memory {
    /// What another process needs to skip the targets that have not changed.
    pub fn validators(&self) -> Validators {
        let known = self.0.iter().map(|(name, remembered)| {
            let Remembered { sums, trust, target, documents } = remembered;
            let known = Known {
                sums: sums.clone(),
                trust: trust.digest(),
                image_builder: target.image_builder.sha256,
                documents: *documents,
            };
            (name.clone(), known)
        });
        Validators(known.collect())
    }

    /// The memory of another process, with the targets and documents that the catalog now has. A target
    /// that is another one there, or was read with other keys, is not remembered.
    pub fn restored(
        validators: Validators,
        trust: &Trust,
        version: &Version,
        documents: &Targets,
    ) -> Self {
        let of_trust = trust.digest();
        let remembered = validators.0.into_iter().filter_map(|(name, known)| {
            let target = version.ready.get(&name)?;
            let is_same = known.trust == of_trust
                && known.image_builder == target.image_builder.sha256
                && documents.get(&name) == Some(&known.documents);
            let (sums, documents) = (known.sums, known.documents);
            let (trust, target) = (trust.clone(), target.clone());
            is_same.then_some((name, Remembered { sums, trust, target, documents }))
        });
        Self(remembered.collect())
    }
}
