//! The branch of a version, and the order of versions from newest to oldest.

use std::{cmp::Ordering, cmp::Reverse};

/// Name of the development version.
pub const SNAPSHOT: &str = "SNAPSHOT";
const SNAPSHOT_SUFFIX: &str = "-SNAPSHOT";

/// The branch of a version: the version itself if it is a branch, else the part before `-SNAPSHOT`,
/// else the part before the last dot: `24.10.0-rc6` belongs to `24.10`. `None` when this is not a
/// branch. The public server (`asu`) has the same rule.
pub fn branch_of(version: &str, is_branch: impl Fn(&str) -> bool) -> Option<&str> {
    if is_branch(version) {
        return Some(version);
    }
    let branch = match snapshot_of(version) {
        Some(branch) => branch,
        None => version.rsplit_once('.')?.0,
    };
    is_branch(branch).then_some(branch)
}

/// The branch that the name of a version means, without regard to what is offered: `24.10` of `24.10.0-rc6`. A
/// name without a branch is its own.
pub fn branch_name(version: &str) -> &str {
    let before_dot = || version.rsplit_once('.').map(|(branch, _)| branch);
    snapshot_of(version).or_else(before_dot).filter(|name| !name.is_empty()).unwrap_or(version)
}

/// The branch whose head a version is: `24.10` of `24.10-SNAPSHOT`.
pub fn snapshot_of(version: &str) -> Option<&str> {
    version.strip_suffix(SNAPSHOT_SUFFIX)
}

/// Sort key of a version: compared field by field; the greater key is the newer version.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Age<'v> {
    development: bool,
    /// Numbers of the branch; empty for names without numbers, which are the oldest.
    branch: Vec<u64>,
    /// True for releases and release candidates, false for the branch's snapshot.
    released: bool,
    /// Numbers after those of the branch.
    patch: Vec<u64>,
    /// True for releases, which are newer than their candidates.
    last: bool,
    candidate: u64,
    name: &'v str,
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

fn age(name: &str) -> Age<'_> {
    let mut age = Age {
        development: name == SNAPSHOT,
        branch: Vec::new(),
        released: false,
        patch: Vec::new(),
        last: false,
        candidate: 0,
        name,
    };
    if let Some(branch) = snapshot_of(name) {
        age.branch = numbers(branch).unwrap_or_default();
        return age;
    }
    let (numbered, candidate) = match name.split_once("-rc") {
        Some((numbered, candidate)) => (numbered, candidate.parse().ok()),
        None => (name, None),
    };
    let Some(mut parts) = numbers(numbered) else {
        return age;
    };
    age.patch = parts.split_off(parts.len().min(2));
    age.branch = parts;
    age.released = true;
    age.last = candidate.is_none();
    age.candidate = candidate.unwrap_or(0);
    age
}

/// Compares versions, newest first: `SNAPSHOT`, then for each branch its releases, each before its
/// candidates, then the branch's snapshot. Numbers are compared as numbers: `23.05.10` is newer than
/// `23.05.9`.
pub fn newest_first(a: &str, b: &str) -> Ordering {
    Reverse(age(a)).cmp(&Reverse(age(b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_name_of_a_version_means_its_branch() {
        for (version, branch) in [
            ("24.10.7", "24.10"),
            ("24.10.0-rc6", "24.10"),
            ("24.10-SNAPSHOT", "24.10"),
            ("SNAPSHOT", "SNAPSHOT"),
            ("2024.1", "2024"),
            ("master", "master"),
            (".1", ".1"),
        ] {
            assert_eq!(branch_name(version), branch, "{version}");
        }
    }

    #[test]
    fn the_branch_is_the_part_before_the_last_dot_or_snapshot() {
        let known = |name: &str| ["SNAPSHOT", "24.10", "23.05"].contains(&name);
        for (version, branch) in [
            ("SNAPSHOT", Some("SNAPSHOT")),
            ("24.10.0-rc6", Some("24.10")),
            ("24.10.7", Some("24.10")),
            ("23.05-SNAPSHOT", Some("23.05")),
            ("23.05", Some("23.05")),
            ("22.03.7", None),
            ("snapshot", None),
            ("", None),
        ] {
            assert_eq!(branch_of(version, known), branch, "{version}");
        }
    }

    const NEWEST_FIRST: [&str; 12] = [
        "SNAPSHOT",
        "25.12.0-rc10",
        "25.12.0-rc9",
        "24.10.1",
        "24.10.0",
        "24.10.0-rc6",
        "24.10-SNAPSHOT",
        "23.05.10",
        "23.05.9",
        "23.05-SNAPSHOT",
        "9.07.1",
        "trunk",
    ];

    #[test]
    fn releases_precede_their_candidates_and_these_the_snapshot() {
        let mut mixed = NEWEST_FIRST.to_vec();
        mixed.reverse();
        mixed.sort_by(|a, b| newest_first(a, b));
        assert_eq!(mixed, NEWEST_FIRST);
    }

    proptest! {
        #[test]
        fn the_order_is_total_and_only_equal_names_are_equal(
            a in "[0-9.rcSNAPSHOT-]{0,12}", b in "[0-9.rcSNAPSHOT-]{0,12}",
        ) {
            prop_assert_eq!(newest_first(&a, &b), newest_first(&b, &a).reverse());
            prop_assert_eq!(newest_first(&a, &b) == Ordering::Equal, a == b);
        }

        #[test]
        fn a_higher_patch_number_is_newer(major in 0_u64..99, minor in 0_u64..99, patch in 0_u64..999) {
            let older = format!("{major}.{minor}.{patch}");
            let newer = format!("{major}.{minor}.{}", patch + 1);
            prop_assert_eq!(newest_first(&newer, &older), Ordering::Less);
        }
    }
}
