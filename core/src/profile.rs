//! Resolves the name of a device to a profile of a target. An image for another device can brick a
//! router, so an ambiguous name is an error. Called when requests are accepted.

use crate::{
    catalog::{Profile, Target},
    names::{ProfileId, spelled},
};

/// Id of the profile for all devices of a target that has no other profile.
pub const GENERIC: &str = "generic";

/// Why a name could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProfile {
    /// No profile has this id or alias.
    #[error("the target has no profile {0}")]
    Unknown(String),
    /// Several profiles have this alias.
    #[error("several profiles claim the name {name}: {}", joined(ids))]
    Ambiguous {
        /// The requested name.
        name: String,
        /// Ids of these profiles, sorted.
        ids: Vec<ProfileId>,
    },
}

fn joined(ids: &[ProfileId]) -> String {
    ids.iter().map(ProfileId::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns the profile with the id `name`, else the one with the id `renamed`, which the Distribution says
/// is meant, else the only profile with the alias `name`, else `generic` if the target has no other
/// profile.
///
/// # Errors
/// [`NoProfile`].
pub fn resolve<'a>(
    target: &'a Target,
    name: &str,
    renamed: Option<&str>,
) -> Result<&'a Profile, NoProfile> {
    let name = spelled(name);
    let profiles = || target.profiles.iter().map(|profile| &**profile);
    let with_id = |id: &str| profiles().find(|profile| profile.id == *id);
    if let Some(exact) = with_id(&name).or_else(|| with_id(renamed?)) {
        return Ok(exact);
    }
    let claims: Vec<&Profile> =
        profiles().filter(|profile| profile.aliases.contains(&name)).collect();
    match (claims.as_slice(), &*target.profiles) {
        ([only], _) => Ok(only),
        ([], [generic]) if generic.id == GENERIC => Ok(&**generic),
        ([], _) => Err(NoProfile::Unknown(name)),
        (several, _) => {
            let mut ids: Vec<ProfileId> =
                several.iter().map(|profile| profile.id.clone()).collect();
            ids.sort();
            ids.dedup();
            Err(NoProfile::Ambiguous { name, ids })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{ImageBuilder, TarballDigest};

    /// A target with these profiles and their aliases.
    pub(crate) fn target(profiles: &[(&str, &[&str])]) -> Target {
        Target {
            sysupgrade: Some(true),
            name: "ath79/generic".parse().unwrap(),
            arch: "mips_24kc".into(),
            version_code: "r29197-ab4c7d6af7".into(),
            source_date_epoch: 1,
            profiles: profiles
                .iter()
                .map(|(id, aliases)| Profile {
                    id: id.parse().unwrap(),
                    aliases: aliases.iter().map(|&alias| alias.into()).collect(),
                })
                .collect(),
            image_builder: ImageBuilder {
                file: "ib.tar.zst".into(),
                sha256: TarballDigest::of(b"ib"),
            },
        }
    }

    fn id(target: &Target, name: &str) -> Result<String, NoProfile> {
        resolve(target, name, None).map(|profile| profile.id.to_string())
    }

    #[test]
    fn commas_are_read_as_underscores() {
        let target = target(&[("openwrt_one", &[])]);
        assert_eq!(id(&target, "openwrt,one").unwrap(), "openwrt_one");
    }

    #[test]
    fn an_id_has_priority_over_the_alias_of_another_profile() {
        let target = target(&[("a_a", &["b_b"]), ("b_b", &[])]);
        assert_eq!(id(&target, "b,b").unwrap(), "b_b");
    }

    #[test]
    fn an_alias_is_resolved_if_exactly_one_profile_has_it() {
        let target = target(&[("a_a", &["x_y", "z"]), ("b_b", &["z"])]);
        assert_eq!(id(&target, "x,y").unwrap(), "a_a");
        let error = id(&target, "z").unwrap_err();
        assert_eq!(
            error,
            NoProfile::Ambiguous {
                name: "z".into(),
                ids: ["a_a", "b_b"].map(|id| id.parse().unwrap()).into()
            }
        );
        assert!(error.to_string().contains("a_a, b_b"));
    }

    #[test]
    fn a_rename_has_priority_over_aliases_and_none_over_ids() {
        let target = target(&[("a_a", &["x"]), ("b_b", &[])]);
        let renamed = |name, renamed| resolve(&target, name, Some(renamed)).unwrap().id.to_string();
        assert_eq!(renamed("x", "b_b"), "b_b");
        assert_eq!(renamed("a,a", "b_b"), "a_a");
        assert_eq!(
            renamed("x", "gone"),
            "a_a",
            "a rename to a profile that is not there is ignored"
        );
    }

    #[test]
    fn any_name_resolves_to_generic_only_if_it_is_the_only_profile() {
        let alone = target(&[("generic", &[])]);
        assert_eq!(id(&alone, "qemu-standard-pc").unwrap(), "generic");
        let accompanied = target(&[("generic", &[]), ("other", &[])]);
        assert!(matches!(id(&accompanied, "qemu-standard-pc"), Err(NoProfile::Unknown(_))));
        let other = target(&[("only", &[])]);
        assert!(matches!(id(&other, "qemu-standard-pc"), Err(NoProfile::Unknown(_))));
    }

    proptest! {
        #[test]
        fn an_id_always_resolves_to_its_own_profile(
            ids in proptest::collection::btree_set("[ab_]{1,3}", 1..6),
            aliases in proptest::collection::vec("[ab_]{1,3}", 0..6),
        ) {
            let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
            let profiles: Vec<(&str, &[&str])> =
                ids.iter().map(|id| (id.as_str(), aliases.as_slice())).collect();
            let target = target(&profiles);
            for name in &ids {
                prop_assert_eq!(&id(&target, name).unwrap(), name);
            }
        }

        #[test]
        fn a_resolved_profile_has_the_name_or_is_the_only_generic_one(
            ids in proptest::collection::btree_set("[ab]{1,2}|generic", 1..4),
            aliases in proptest::collection::vec("[ab]{1,2}", 0..3),
            name in "[abc,]{1,2}",
        ) {
            let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
            let profiles: Vec<(&str, &[&str])> =
                ids.iter().map(|id| (id.as_str(), aliases.as_slice())).collect();
            let target = target(&profiles);
            if let Ok(profile) = resolve(&target, &name, None) {
                let name = spelled(&name);
                let claims = profile.id == *name || profile.aliases.contains(&name);
                prop_assert!(claims || (profile.id == GENERIC && target.profiles.len() == 1));
            }
        }
    }
}
