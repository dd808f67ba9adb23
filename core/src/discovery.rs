//! Decides which versions of a branch are offered: the versions that the Distribution lists, and the
//! versions on the download server that the rules of the branch select. Called by the operator's
//! Distribution controller, which reads the server's list.

use std::{cmp::Ordering, collections::BTreeSet};

use crate::{
    pattern::Pattern,
    version::{SNAPSHOT, branch_of, newest_first, snapshot_of},
};

/// A kind of version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// A release, for example `24.10.7`.
    Release,
    /// A release candidate, for example `24.10.0-rc6`, offered until its release is published.
    Candidate,
    /// The head of the branch: `24.10-SNAPSHOT`, or `SNAPSHOT` of the development branch.
    Snapshot,
}

/// The rules that select versions of a branch. The default selects none.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Kinds of versions that are offered.
    pub channels: BTreeSet<Channel>,
    /// A version must match one of these patterns. Without patterns, every version is allowed.
    pub allow: Vec<Pattern>,
    /// Versions that match one of these patterns are not offered.
    pub deny: Vec<Pattern>,
    /// Maximum number of releases and candidates. The newest are offered.
    pub newest: usize,
}

impl Rules {
    /// Whether the rules select this version for the branch, if it is on the download server.
    pub fn select(&self, branch: &str, version: &str) -> bool {
        branch_of(version, |name| name == branch) == Some(branch)
            && channel_of(version).is_some_and(|channel| self.channels.contains(&channel))
            && (self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.fits(version)))
            && !self.deny.iter().any(|pattern| pattern.fits(version))
    }
}

/// The kind of a version; `None` for a bare branch name such as `24.10`.
pub fn channel_of(version: &str) -> Option<Channel> {
    if version == SNAPSHOT || snapshot_of(version).is_some() {
        return Some(Channel::Snapshot);
    }
    let numbered = version.matches('.').count() >= 2;
    if version.contains("-rc") {
        return Some(Channel::Candidate);
    }
    numbered.then_some(Channel::Release)
}

/// Returns the versions of a branch that are offered, newest first: all of `fixed`, and the versions in
/// `listed`, the list of the download server, that the rules select. This list never contains the head
/// of a branch, which is offered if the rules select it. A candidate is offered until a newer release
/// is.
pub fn offered(branch: &str, fixed: &[String], rules: &Rules, listed: &[String]) -> Vec<String> {
    let head =
        if branch == SNAPSHOT { SNAPSHOT.to_owned() } else { format!("{branch}-{SNAPSHOT}") };
    let mut found: Vec<&String> =
        listed.iter().filter(|version| rules.select(branch, version)).collect();
    found.sort_by(|a, b| newest_first(a, b));
    found.dedup();
    let release = found.iter().copied().find(|found| channel_of(found) == Some(Channel::Release));
    let superseded = |version: &String| {
        channel_of(version) == Some(Channel::Candidate)
            && release.is_some_and(|release| newest_first(release, version) == Ordering::Less)
    };
    found.retain(|version| !superseded(version) && **version != head);
    found.truncate(rules.newest);
    let head = Some(&head).filter(|head| rules.select(branch, head));
    let mut all: Vec<String> = fixed
        .iter()
        .chain(found)
        .chain(head)
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    all.sort_by(|a, b| newest_first(a, b));
    all
}

/// Returns the version of a branch that is recommended: the newest release, or the newest candidate if
/// there is no release. A head is never recommended, because clients would offer it to routers that
/// have a release.
pub fn latest<'v>(versions: impl IntoIterator<Item = &'v str>) -> Option<&'v str> {
    let mut versions: Vec<&str> = versions.into_iter().collect();
    versions.sort_by(|a, b| newest_first(a, b));
    let first = |channel| versions.iter().copied().find(|version| channel_of(version) == channel);
    first(Some(Channel::Release))
        .or_else(|| first(Some(Channel::Candidate)))
        .or_else(|| first(None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(channels: &[Channel], allow: &[&str], deny: &[&str]) -> Rules {
        let patterns = |list: &[&str]| list.iter().map(|pattern| Pattern::new(pattern)).collect();
        Rules {
            channels: channels.iter().copied().collect(),
            allow: patterns(allow),
            deny: patterns(deny),
            newest: usize::MAX,
        }
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    const LISTED: [&str; 8] = [
        "25.12.0-rc5",
        "25.12.0-rc4",
        "24.10.10",
        "24.10.9",
        "24.10.0",
        "24.10.0-rc7",
        "24.1.1",
        "17.01.1",
    ];

    fn found(branch: &str, rules: &Rules) -> Vec<String> {
        offered(branch, &[], rules, &texts(&LISTED))
    }

    const ALL: [Channel; 3] = [Channel::Release, Channel::Candidate, Channel::Snapshot];

    #[test]
    fn releases_of_the_branch_are_offered_newest_first() {
        let rules = rules(&[Channel::Release], &[], &[]);
        assert_eq!(found("24.10", &rules), ["24.10.10", "24.10.9", "24.10.0"]);
        assert_eq!(found("24.1", &rules), ["24.1.1"]);
        assert_eq!(found("25.12", &rules), [""; 0]);
    }

    #[test]
    fn a_candidate_is_offered_until_its_release_is_listed() {
        let rules = rules(&[Channel::Release, Channel::Candidate], &[], &[]);
        assert_eq!(found("25.12", &rules), ["25.12.0-rc5", "25.12.0-rc4"]);
        assert_eq!(found("24.10", &rules), ["24.10.10", "24.10.9", "24.10.0"]);
    }

    #[test]
    fn the_head_of_a_branch_is_offered_although_no_server_lists_it() {
        let rules = rules(&[Channel::Snapshot], &[], &[]);
        assert_eq!(found("24.10", &rules), ["24.10-SNAPSHOT"]);
        assert_eq!(found("SNAPSHOT", &rules), ["SNAPSHOT"]);
    }

    #[test]
    fn a_denied_version_is_not_offered_even_when_it_is_allowed() {
        let rules = rules(&ALL, &["24.10.*", "*-SNAPSHOT"], &["*.0", "24.10.9"]);
        assert_eq!(found("24.10", &rules), ["24.10.10", "24.10-SNAPSHOT"]);
    }

    #[test]
    fn the_limit_keeps_the_newest_versions_and_does_not_count_the_head() {
        let rules = Rules { newest: 1, ..rules(&ALL, &[], &[]) };
        assert_eq!(found("24.10", &rules), ["24.10.10", "24.10-SNAPSHOT"]);
    }

    #[test]
    fn fixed_versions_are_offered_even_if_the_rules_deny_them() {
        let rules = rules(&[], &[], &["*"]);
        let fixed = texts(&["24.10.2", "24.10.10"]);
        assert_eq!(offered("24.10", &fixed, &rules, &texts(&LISTED)), ["24.10.10", "24.10.2"]);
    }

    #[test]
    fn the_newest_release_is_recommended_then_the_newest_candidate_and_never_a_head() {
        let newest = |list: &[&str]| latest(list.iter().copied()).map(str::to_owned);
        assert_eq!(newest(&["24.10-SNAPSHOT", "24.10.9", "24.10.10"]).unwrap(), "24.10.10");
        assert_eq!(
            newest(&["25.12-SNAPSHOT", "25.12.0-rc4", "25.12.0-rc5"]).unwrap(),
            "25.12.0-rc5"
        );
        assert_eq!(newest(&["24.10-SNAPSHOT", "SNAPSHOT"]), None);
        assert_eq!(newest(&["2024.1"]).unwrap(), "2024.1");
    }

    proptest! {
        #[test]
        fn every_offered_version_is_fixed_or_selected(
            listed in prop::collection::vec("24\\.10\\.[0-9]{1,2}(-rc[0-9])?|23\\.05\\.[0-9]", 0..9),
            fixed in prop::collection::vec("24\\.10\\.[0-9]", 0..3),
            newest in 0_usize..4,
        ) {
            let rules = Rules { newest, ..rules(&ALL, &[], &["*9"]) };
            let offered = offered("24.10", &fixed, &rules, &listed);
            for version in &offered {
                prop_assert!(fixed.contains(version) || rules.select("24.10", version));
            }
            prop_assert!(offered.windows(2).all(|pair| newest_first(&pair[0], &pair[1]).is_lt()));
            prop_assert!(fixed.iter().all(|version| offered.contains(version)));
        }
    }
}
