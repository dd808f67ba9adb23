//! A mirror that serves an old build of what is rebuilt under the same name: pure.

use asu_core::{
    catalog::{Distribution, Target},
    packages::revision_number,
};

use super::dereference::VersionRead;

/// Takes out what went back to an older revision than the catalog has, as something that could not be
/// read: the signature of an old build stays good for ever. `accepted` are revisions that the operator
/// of the system allows.
pub fn hold_older(read: &mut [VersionRead], last: Option<&Distribution>, accepted: &[&str]) {
    for version in read {
        let before = last.and_then(|last| last.version(&version.version));
        let (Ok(found), Some(before)) = (&mut version.read, before) else { continue };
        if !found.snapshot {
            continue;
        }
        for (name, old) in &before.ready {
            let Some(new) = found.ready.get(name) else { continue };
            if !is_older(new, old) || accepted.contains(&new.version_code.as_str()) {
                continue;
            }
            let problem = format!(
                "the mirror went back from revision {} to {}; annotate the Distribution with \
                 asu.dev/accept-revisions={} if that is meant",
                old.version_code, new.version_code, new.version_code
            );
            version.problems.insert(name.clone(), problem);
            found.ready.remove(name);
        }
    }
}

/// Revisions count the commits of a branch, so that a later one is never lower.
fn is_older(new: &Target, old: &Target) -> bool {
    match (revision_number(&new.version_code), revision_number(&old.version_code)) {
        (Some(new), Some(old)) => new < old,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use asu_core::{
        catalog::{ImageBuilder, Version},
        digest::Sha256Hex,
    };

    use super::*;

    const TARGET: &str = "ath79/generic";

    fn version(revision: &str, snapshot: bool) -> Version {
        let target = Target {
            name: TARGET.into(),
            arch: "mips_24kc".into(),
            version_code: revision.into(),
            source_date_epoch: 0,
            default_packages: vec![],
            profiles: vec![],
            image_builder: ImageBuilder { file: "ib".into(), sha256: Sha256Hex::of(b"ib") },
        };
        Version {
            name: "SNAPSHOT".into(),
            branch: "SNAPSHOT".into(),
            path: "snapshots".into(),
            snapshot,
            targets: [(TARGET.to_owned(), "mips_24kc".to_owned())].into(),
            ready: [(TARGET.to_owned(), target)].into(),
        }
    }

    /// Whether a target is held that went from one revision to another.
    fn held(old: &str, new: &str, snapshot: bool, accepted: &[&str]) -> bool {
        let last = Distribution {
            name: "openwrt".into(),
            revision: 1,
            offer: crate::distribution::offer(&asu_crds::examples::distribution().spec, &[]),
            versions: vec![version(old, snapshot)],
        };
        let mut read = [VersionRead {
            branch: "SNAPSHOT".into(),
            version: "SNAPSHOT".into(),
            read: Ok(version(new, snapshot)),
            problems: BTreeMap::new(),
        }];
        hold_older(&mut read, Some(&last), accepted);
        let [read] = read;
        assert_eq!(read.problems.contains_key(TARGET), read.read.unwrap().ready.is_empty());
        read.problems.get(TARGET).is_some_and(|it| it.contains(old) && it.contains(new))
    }

    #[test]
    fn a_snapshot_does_not_go_back_without_the_operators_word() {
        assert!(held("r10-b", "r9-a", true, &[]));
        assert!(held("r10-b", "r9-a", true, &["r8-a"]));
        assert!(!held("r10-b", "r9-a", true, &["r9-a"]));
        assert!(!held("r9-a", "r10-b", true, &[]));
        assert!(!held("r9-a", "r9-a", true, &[]));
        assert!(!held("unknown", "r9-a", true, &[]));
    }

    #[test]
    fn a_release_may_be_made_anew() {
        assert!(!held("r10-b", "r9-a", false, &[]));
    }
}
