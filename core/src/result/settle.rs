//! Chooses the object key of a build's files when its build key is already taken. Called by `publish`.
//!
//! The build key is a hash of the inputs, and the same inputs should give the same files. Real
//! ImageBuilders do not guarantee that: `profiles.json` lists images in the order of a folder, and the
//! bill of materials and some vendors' images contain a date. A stored file must never be replaced,
//! because earlier answers contain its digest. A build with different files therefore gets its own key.

use super::StoredFile;
use crate::{build_key::BuildKey, digest::FieldHasher};

/// Name of the file with the digests of all others. It is stored last: a set without it is incomplete,
/// because its pod was killed.
pub const SUMS: &str = "sha256sums";
/// Maximum size in bytes of a stored file that is adopted, because adopting it means reading it.
pub const MAX_ADOPTED: u64 = 16 << 20;

/// Where the files of a build are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Under the build key. Stored files with other content replace the build's own ones.
    Shared {
        /// Names of the files for which the stored file is used.
        adopted: Vec<String>,
    },
    /// Under a separate key for this attempt, see [`own_key`].
    Own,
}

/// Decides where the files `made` by a build are stored. `stored` are the files under the build key,
/// `sums` is the content of the stored [`SUMS`].
pub fn settle(made: &[StoredFile], stored: &[StoredFile], sums: &str) -> Settlement {
    let other =
        |file: &&StoredFile| stored.iter().any(|known| known.name == file.name && known != *file);
    let differing: Vec<&StoredFile> = made.iter().filter(other).collect();
    if differing.iter().any(|file| !may_differ(&file.name)) {
        return Settlement::Own;
    }
    let whole = stored.iter().any(|file| file.name == SUMS);
    // An incomplete set is completed with the new files. Then all stored files must be equal to the new
    // ones, because the new sums list these.
    let fits = if whole { same_names(made, stored) } else { differing.is_empty() };
    let good = |file: &StoredFile| {
        is_listed(file, sums) && (!may_differ(&file.name) || file.size <= MAX_ADOPTED)
    };
    if !fits || (!differing.is_empty() && !stored.iter().all(good)) {
        return Settlement::Own;
    }
    Settlement::Shared { adopted: differing.into_iter().map(|file| file.name.clone()).collect() }
}

/// Whether a file may differ between two builds with the same inputs: it contains the time of the
/// build, and is not flashed, so the stored one can be used instead.
fn may_differ(name: &str) -> bool {
    name.ends_with(".bom.cdx.json") || name == SUMS
}

fn same_names(made: &[StoredFile], stored: &[StoredFile]) -> bool {
    made.len() == stored.len()
        && made.iter().all(|file| stored.iter().any(|known| known.name == file.name))
}

/// Whether the sums list this file with its digest. True for the sums themselves, which are not listed.
fn is_listed(file: &StoredFile, sums: &str) -> bool {
    let line = format!("{} *{}", file.sha256, file.name);
    file.name == SUMS || sums.lines().any(|found| found == line)
}

/// The key of one attempt's own for files that may not lie under `build_key`. Two attempts of a build
/// may both run: the state of a node that is cut off is unknown.
pub fn own_key(build_key: &BuildKey, uid: &str, attempt: u32) -> BuildKey {
    let mut hasher = FieldHasher::new("asu.dev/own-build-key/v1");
    hasher.digest(build_key.digest()).field(uid).field(&attempt.to_string());
    hasher.finish().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn file(name: &str, content: &str) -> StoredFile {
        let sha256 = Digest::of(content.as_bytes());
        StoredFile { name: name.into(), size: content.len() as u64, sha256 }
    }

    /// A set of files and the content of its sums.
    fn set(image: &str, bom: &str) -> (Vec<StoredFile>, String) {
        let mut files = vec![file("x.bin", image), file("x.bom.cdx.json", bom)];
        let line = |file: &StoredFile| format!("{} *{}\n", file.sha256, file.name);
        let sums: String = files.iter().map(line).collect();
        files.push(file(SUMS, &sums));
        (files, sums)
    }

    fn shared(adopted: &[&str]) -> Settlement {
        Settlement::Shared { adopted: adopted.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn an_empty_folder_and_the_same_content_can_be_used() {
        let (made, sums) = set("image", "bom");
        assert_eq!(settle(&made, &[], ""), shared(&[]));
        assert_eq!(settle(&made, &made, &sums), shared(&[]));
    }

    #[test]
    fn a_different_image_gets_a_key_of_its_own() {
        let (made, _) = set("image", "bom");
        let (stored, sums) = set("another", "bom");
        assert_eq!(settle(&made, &stored, &sums), Settlement::Own);
    }

    #[test]
    fn a_complete_set_that_differs_only_in_times_is_used() {
        let (made, _) = set("image", "now");
        let (stored, sums) = set("image", "then");
        assert_eq!(settle(&made, &stored, &sums), shared(&["x.bom.cdx.json", SUMS]));
    }

    #[test]
    fn an_incomplete_set_is_completed_only_with_the_same_files() {
        let (made, _) = set("image", "now");
        assert_eq!(settle(&made, &made[..2], ""), shared(&[]));
        let (other, _) = set("image", "then");
        assert_eq!(settle(&made, &other[..2], ""), Settlement::Own);
    }

    #[test]
    fn a_stored_set_with_checksums_of_other_files_is_not_used() {
        let (made, _) = set("image", "now");
        let (mut stored, sums) = set("image", "then");
        stored[1] = file("x.bom.cdx.json", "later");
        assert_eq!(settle(&made, &stored, &sums), Settlement::Own);
    }

    #[test]
    fn a_complete_set_with_other_names_is_not_used() {
        let (made, sums) = set("image", "bom");
        let mut stored = made.clone();
        stored.push(file("y.bin", "more"));
        assert_eq!(settle(&made, &stored, &sums), Settlement::Own);
    }

    #[test]
    fn the_own_key_is_different_for_each_build() {
        let key = BuildKey::of(b"key");
        assert_ne!(own_key(&key, "a", 1), own_key(&key, "b", 1));
        assert_ne!(own_key(&key, "a", 1), own_key(&key, "a", 2));
        assert_ne!(own_key(&key, "a", 1), key);
    }
}
