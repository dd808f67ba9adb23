//! Compares a feed with a revision. The version of the package `base-files` contains the commit that a
//! feed was built from: `1704~f5dae5ece4` since 24.10, `1568-r24106-10cc5fcd00` before. Feeds of
//! another revision than the ImageBuilder's do not fit it.

/// Minimum number of digits that identify a commit.
const MIN_COMMIT: usize = 7;

/// Whether a version of `base-files` contains a commit.
pub fn names_revision(version: &str) -> bool {
    commit_of_version(version).is_some()
}

/// Whether a version of `base-files` has the commit of the revision, for example `r33051-f5dae5ece4`.
/// The two may abbreviate the commit to different lengths.
pub fn is_of_revision(version: &str, revision: &str) -> bool {
    let commit =
        revision.rsplit_once('-').map(|(_, commit)| commit).filter(|commit| is_commit(commit));
    match (commit_of_version(version), commit) {
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
        _ => false,
    }
}

fn commit_of_version(version: &str) -> Option<&str> {
    let since_24_10 = version.split_once('~');
    let (release, commit) = since_24_10.or_else(|| {
        let (release, revision) = version.split_once("-r")?;
        Some((release, revision.split_once('-')?.1))
    })?;
    let is_number = !release.is_empty() && release.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && is_commit(commit)).then_some(commit)
}

fn is_commit(text: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() >= MIN_COMMIT && text.bytes().all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_base_files_matches_the_revision_with_its_commit() {
        for (version, revision) in [
            ("1704~f5dae5ece4", "r33051-f5dae5ece4"),
            ("1704~f5dae5ece4", "r33051+3-f5dae5ece4abc"),
            ("1568-r24106-10cc5fcd00", "r24106-10cc5fcd00"),
        ] {
            assert!(names_revision(version) && is_of_revision(version, revision), "{version}");
        }
        assert!(!is_of_revision("1704~f5dae5ece4", "r33052-0123456789"));
    }

    #[test]
    fn a_version_in_another_format_matches_no_revision() {
        for version in
            ["", "1704", "1704~zz", "1704~f5dae5", "6.6.110~0d1e2f3a4b-r1", "1.2~0123456789"]
        {
            assert!(!names_revision(version), "{version}");
        }
    }
}
