//! The request hash, and the name of the FirmwareBuild that is derived from it. Used by the API and the
//! operator.

use std::collections::BTreeSet;

use crate::{
    digest::{FieldHasher, digest_of},
    names::PackageSpec,
    request::Request,
};

/// Prefix of the name of a FirmwareBuild.
pub const NAME_PREFIX: &str = "fwb-";

digest_of! {
    /// The hash of a canonical request, see [`request_hash`].
    RequestHash
}

/// SHA-256 over a length-prefixed form of every field that changes the image or what is asserted
/// about it. The request must be in canonical form (see [`Request::canonical`]). The order of the
/// packages is not part of the hash.
pub fn request_hash(request: &Request) -> RequestHash {
    let mut hasher = FieldHasher::new("asu.dev/request/v1");
    let named = request.packages.iter().filter(|_| request.packages_versions.is_empty());
    let packages: BTreeSet<&str> = named.map(PackageSpec::as_str).collect();
    hasher
        .field(&request.distribution)
        .field(&request.version)
        .optional(request.version_code.as_deref())
        .field(request.target.as_str())
        .field(request.profile.as_str())
        .list(packages.into_iter())
        .count(request.packages_versions.len());
    for (name, version) in &request.packages_versions {
        hasher.field(name.as_str()).field(version);
    }
    hasher
        .field(if request.diff_packages { "diff" } else { "add" })
        .optional(request.filesystem.map(crate::request::Filesystem::as_str))
        .optional(request.rootfs_size_mb.map(|size| size.to_string()).as_deref())
        .optional_digest(request.defaults.as_ref().map(|script| &script.sha256))
        .count(request.repositories.len());
    for (name, url) in &request.repositories {
        hasher.field(name).field(url);
    }
    hasher
        .field(request.repositories_mode.as_str())
        .list(request.repository_keys.iter().map(String::as_str));
    hasher.finish().into()
}

/// Name of the FirmwareBuild of a request: `fwb-` and all 256 bits of the hash in lower-case
/// base32 without padding, 56 characters. Nothing is cut off: a server that cut its hashes could
/// be made to serve one request's image for another (CVE-2024-54143).
pub fn object_name(hash: &RequestHash) -> String {
    let digits = data_encoding::BASE32_NOPAD.encode(hash.digest().bytes()).to_ascii_lowercase();
    format!("{NAME_PREFIX}{digits}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        digest::Digest,
        request::{DefaultsDigest, Filesystem, RepositoriesMode, tests::example},
    };

    #[test]
    fn the_hash_of_the_example_never_changes() {
        assert_eq!(
            request_hash(&example()).to_string(),
            "35efa9b95157ca66b37b59712f18f981f2a2d0d19ac2fe816c4cb9389d3180ca"
        );
    }

    #[test]
    fn every_field_changes_the_hash() {
        let base = example();
        let changes: Vec<fn(&mut Request)> = vec![
            |r| r.distribution = "other".into(),
            |r| r.version = "24.10.6".into(),
            |r| r.version_code = Some("r1-a".into()),
            |r| r.target = "ath79/nand".parse().unwrap(),
            |r| r.profile = "other".parse().unwrap(),
            |r| {
                r.packages.push("nano".parse().unwrap());
            },
            |r| {
                r.packages_versions.insert("luci".parse().unwrap(), "1".into());
            },
            |r| r.diff_packages = true,
            |r| r.filesystem = Some(Filesystem::Squashfs),
            |r| r.rootfs_size_mb = Some(100),
            |r| {
                r.defaults = Some(DefaultsDigest { sha256: Digest::of(b"echo"), length: 4 });
            },
            |r| {
                r.repositories.insert("a".into(), "https://example.org/a".into());
            },
            |r| r.repositories_mode = RepositoriesMode::Append,
            |r| {
                r.repository_keys.insert("key".into());
            },
        ];
        let mut seen = vec![request_hash(&base)];
        for change in changes {
            let mut request = base.clone();
            change(&mut request);
            let hash = request_hash(&request);
            assert!(!seen.contains(&hash));
            seen.push(hash);
        }
    }

    proptest! {
        #[test]
        fn names_are_valid_and_differ_when_hashes_differ(a in any::<[u8; 8]>(), b in any::<[u8; 8]>()) {
            let (a, b) = (RequestHash::of(&a), RequestHash::of(&b));
            let name = object_name(&a);
            prop_assert_eq!(name.len(), 56);
            prop_assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-'));
            prop_assert_eq!(a == b, name == object_name(&b));
        }
    }
}
