//! The build key: the folder of a build's files in the artifact store, a hash of all inputs of the
//! build. Computed by `publish`.

use std::collections::BTreeMap;

use crate::{
    catalog::TarballDigest,
    digest::{Digest, FieldHasher, digest_of},
    names::{PackageSpec, ProfileId},
};

/// Everything that determines the content of an image. `publish` determines these values itself. Only
/// the index digests come from the untrusted container `build`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildKeyInput<'a> {
    /// Canonical profile.
    pub profile: &'a ProfileId,
    /// make's argument PACKAGES, in order.
    pub packages: &'a [PackageSpec],
    /// Content of the repositories file that make used.
    pub repositories_file: &'a str,
    /// Repository keys that were added to those of the tree, by file name.
    pub keys: &'a BTreeMap<String, String>,
    /// Digest of the private first-boot script, the only file of the overlay.
    pub defaults: Option<&'a Digest>,
    /// Size of the root partition in MiB.
    pub rootfs_size_mb: Option<u32>,
    /// Lines of `.config` that differ from the tree's.
    pub config_edits: &'a [String],
    /// make's argument EXTRA_IMAGE_NAME.
    pub extra_image_name: &'a str,
    /// Digest of the ImageBuilder's tarball.
    pub image_builder: &'a TarballDigest,
    /// Digest (or reference) of the builder image.
    pub builder_image: &'a str,
    /// Digest of the key that the tree made for itself and signs images with. Another tree of the same
    /// tarball has another one, and makes other bytes.
    pub tree_key: Option<&'a Digest>,
    /// Digests of the package indexes that the build read, by name.
    pub indexes: &'a BTreeMap<String, Digest>,
}

digest_of! {
    /// Names the files of a build: [`build_key`] of what made them.
    BuildKey
}

/// SHA-256 over a length-prefixed form of the whole input.
pub fn build_key(input: &BuildKeyInput<'_>) -> BuildKey {
    let mut hasher = FieldHasher::new("asu.dev/build-key/v2");
    hasher
        .field(input.profile.as_str())
        .list(input.packages.iter().map(PackageSpec::as_str))
        .field(input.repositories_file)
        .count(input.keys.len());
    for (name, key) in input.keys {
        hasher.field(name).field(key);
    }
    hasher
        .optional_digest(input.defaults)
        .optional(input.rootfs_size_mb.map(|size| size.to_string()).as_deref())
        .list(input.config_edits.iter().map(String::as_str))
        .field(input.extra_image_name)
        .digest(input.image_builder.digest())
        .field(input.builder_image)
        .optional_digest(input.tree_key)
        .count(input.indexes.len());
    for (name, digest) in input.indexes {
        hasher.field(name).digest(digest);
    }
    hasher.finish().into()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static PACKAGES: LazyLock<Vec<PackageSpec>> = LazyLock::new(|| vec!["vim".parse().unwrap()]);
    static PROFILE: LazyLock<ProfileId> = LazyLock::new(|| "router".parse().unwrap());
    static NO_KEYS: BTreeMap<String, String> = BTreeMap::new();
    static TARBALL: LazyLock<TarballDigest> = LazyLock::new(|| TarballDigest::of(b"tarball"));
    static INDEXES: LazyLock<BTreeMap<String, Digest>> =
        LazyLock::new(|| BTreeMap::from([("base".to_owned(), Digest::of(b"base"))]));

    fn key<'a>(change: impl FnOnce(&mut BuildKeyInput<'a>)) -> BuildKey {
        let mut input = BuildKeyInput {
            profile: &PROFILE,
            packages: PACKAGES.as_slice(),
            repositories_file: "src/gz base http://m/base\n",
            keys: &NO_KEYS,
            defaults: None,
            rootfs_size_mb: None,
            config_edits: &[],
            extra_image_name: "0123456789ab",
            image_builder: &TARBALL,
            builder_image: "builder@sha256:1",
            tree_key: None,
            indexes: &INDEXES,
        };
        change(&mut input);
        build_key(&input)
    }

    #[test]
    fn every_input_of_a_build_changes_the_key() {
        let packages = ["nano".parse().unwrap()];
        let edits = ["nano".to_owned()];
        let (profile, tarball) = ("other".parse().unwrap(), TarballDigest::of(b"other"));
        let keys = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let digest = Digest::of(b"other");
        let none = BTreeMap::new();
        let all = [
            key(|_| {}),
            key(|i| i.profile = &profile),
            key(|i| i.packages = &packages),
            key(|i| i.repositories_file = ""),
            key(|i| i.keys = &keys),
            key(|i| i.defaults = Some(&digest)),
            key(|i| i.rootfs_size_mb = Some(1)),
            key(|i| i.config_edits = &edits),
            key(|i| i.extra_image_name = ""),
            key(|i| i.image_builder = &tarball),
            key(|i| i.builder_image = "other"),
            key(|i| i.tree_key = Some(&digest)),
            key(|i| i.indexes = &none),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(key(|_| {}), key(|_| {}));
    }

    #[test]
    fn the_order_of_packages_is_part_of_the_key() {
        let one = ["a", "b"].map(|name| name.parse().unwrap());
        let other = ["b", "a"].map(|name| name.parse().unwrap());
        assert_ne!(key(|i| i.packages = &one), key(|i| i.packages = &other));
    }
}
