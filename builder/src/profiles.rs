//! Reads the untrusted `profiles.json` of a build's output and checks the success rule: it names
//! the profile, and every image that it names exists with the stated digest. Used by `build` and
//! `publish`.

use std::io::Read as _;

use asu_core::{digest::Digest, result::is_plain_file_name};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::handover::{Folder, HandoverError};

/// Name of the file in a build's output.
pub const FILE: &str = "profiles.json";
/// Maximum size of the file, in bytes: a build names one profile.
const MAX_BYTES: u64 = 1 << 20;
/// Maximum number of images of one profile.
const MAX_IMAGES: usize = 200;

/// Why an output is not that of a successful build.
#[derive(Debug, thiserror::Error)]
pub enum BadOutput {
    /// No image was made.
    #[error("No JSON file found")]
    NoFile,
    /// An image was made, for another profile.
    #[error("Profile not found in JSON file")]
    NoProfile,
    /// The file is not what an ImageBuilder writes.
    #[error("profiles.json is malformed: {0}")]
    Malformed(String),
    /// An image does not exist or has another digest.
    #[error("the image {0:?} is not the one that profiles.json names")]
    WrongImage(String),
    /// A file of the output cannot be used.
    #[error(transparent)]
    Handover(#[from] HandoverError),
}

/// One image that a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Plain file name.
    pub name: String,
    /// Its digest.
    pub sha256: Digest,
}

/// What `profiles.json` says about the profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The document without `profiles`, merged with the keys of the profile, which take precedence.
    pub facts: Map<String, Value>,
    /// Images, at least one.
    pub images: Vec<Image>,
}

/// Reads the file out of a build's output.
///
/// # Errors
/// See [`BadOutput`].
pub fn read(output: &Folder, profile: &str) -> Result<Profile, BadOutput> {
    let bytes = match output.read(FILE, MAX_BYTES) {
        Err(HandoverError::Missing(_)) => return Err(BadOutput::NoFile),
        other => other?,
    };
    parse(&bytes, profile)
}

fn parse(bytes: &[u8], profile: &str) -> Result<Profile, BadOutput> {
    let mut facts: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| BadOutput::Malformed(error.to_string()))?;
    let profiles = facts.remove("profiles");
    let Some(Value::Object(own)) = profiles.and_then(|mut all| Some(all.get_mut(profile)?.take()))
    else {
        return Err(BadOutput::NoProfile);
    };
    let images = own.get("images").and_then(Value::as_array);
    let images: Vec<Image> = images
        .ok_or(BadOutput::NoProfile)?
        .iter()
        .take(MAX_IMAGES + 1)
        .map(image)
        .collect::<Option<_>>()
        .ok_or_else(|| BadOutput::Malformed("an image lacks its name or digest".into()))?;
    if images.is_empty() {
        return Err(BadOutput::NoProfile);
    }
    if images.len() > MAX_IMAGES {
        return Err(BadOutput::Malformed("it has too many images".into()));
    }
    facts.extend(own);
    Ok(Profile { facts, images })
}

fn image(value: &Value) -> Option<Image> {
    let name = value.get("name")?.as_str()?;
    let sha256 = value.get("sha256")?.as_str()?.parse().ok()?;
    is_plain_file_name(name).then(|| Image { name: name.to_owned(), sha256 })
}

/// Reads the file and hashes every image that it names, at most `limit` bytes of all.
///
/// # Errors
/// See [`BadOutput`].
pub fn check(output: &Folder, profile: &str, limit: u64) -> Result<Profile, BadOutput> {
    let profile = read(output, profile)?;
    let mut left = limit;
    for image in &profile.images {
        let (digest, size) = hash(output, &image.name, left)?;
        left = left.saturating_sub(size);
        if digest != image.sha256 {
            return Err(BadOutput::WrongImage(image.name.clone()));
        }
    }
    Ok(profile)
}

fn hash(output: &Folder, name: &str, limit: u64) -> Result<(Digest, u64), BadOutput> {
    let failed = |source| HandoverError::Io { name: name.to_owned(), source };
    let mut file = output.file(name)?.take(limit.saturating_add(1));
    let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0_u64, vec![0; 256 << 10]);
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        size = size.saturating_add(read as u64);
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
    if size > limit {
        let name = name.to_owned();
        return Err(HandoverError::TooLarge { name, limit }.into());
    }
    Ok((Digest::from_hasher(hasher), size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(image: &str) -> Vec<u8> {
        let digest = Digest::of(b"image");
        format!(
            r#"{{"target":"a/b","id":"outer","profiles":{{"p":{{"id":"inner","images":[{{"name":"{image}","sha256":"{digest}"}}]}}}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn data_of_the_profile_override_those_of_the_document() {
        let profile = parse(&document("x.bin"), "p").unwrap();
        assert_eq!(profile.facts["target"], "a/b");
        assert_eq!(profile.facts["id"], "inner");
        assert!(!profile.facts.contains_key("profiles"));
        assert_eq!(profile.images[0].name, "x.bin");
    }

    #[test]
    fn a_document_for_another_profile_is_a_failure() {
        assert!(matches!(parse(&document("x.bin"), "q"), Err(BadOutput::NoProfile)));
    }

    #[test]
    fn an_image_name_that_is_not_plain_is_refused() {
        assert!(parse(&document("../x.bin"), "p").is_err());
    }

    #[test]
    fn an_image_with_another_digest_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), document("x.bin")).unwrap();
        let output = Folder::open(folder.path()).unwrap();
        assert!(matches!(check(&output, "p", 99), Err(BadOutput::Handover(_))));
        std::fs::write(folder.path().join("x.bin"), "other").unwrap();
        assert!(matches!(check(&output, "p", 99), Err(BadOutput::WrongImage(_))));
        std::fs::write(folder.path().join("x.bin"), "image").unwrap();
        assert!(check(&output, "p", 99).is_ok());
        assert!(check(&output, "p", 4).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_documents_never_panic(text in "(?s).{0,200}") {
            let _ = parse(text.as_bytes(), "p");
        }
    }
}
