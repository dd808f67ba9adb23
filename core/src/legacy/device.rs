//! Resolves the board and the model that a device of 2018 or 2019 reports to a profile. The order of the
//! rules is from exact to lenient, and an ambiguous name is an error, as in [`crate::profile`].

use std::collections::BTreeMap;

use crate::{
    catalog::{Profile, Target},
    names::{ProfileId, spelled},
    profile::{GENERIC, NoProfile},
};

/// Display names of the devices of a target, by id of the profile.
pub type Titles = BTreeMap<ProfileId, Vec<String>>;

/// How a device names itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// Name of the board, with commas or underscores.
    pub board: &'a str,
    /// The profile that the Distribution says is meant by the board.
    pub renamed: Option<&'a str>,
    /// Display name of the device.
    pub model: Option<&'a str>,
}

/// Returns the profile with the id `board` or else `renamed`, else the only one with such an alias, else the
/// only one with the display name `model`, else the generic profile if the target has no other.
///
/// # Errors
/// [`NoProfile`].
pub fn resolve<'a>(
    target: &'a Target,
    named: Named<'_>,
    titles: Option<&Titles>,
) -> Result<&'a Profile, NoProfile> {
    let board = spelled(named.board);
    let renamed = named.renamed.map(spelled);
    let spellings = || std::iter::once(board.as_str()).chain(renamed.as_deref());
    let profiles = || target.profiles.iter().map(|profile| &**profile);
    let exact = spellings().find_map(|name| profiles().find(|profile| profile.id == *name));
    if let Some(exact) = exact {
        return Ok(exact);
    }
    for name in spellings() {
        let claims = |profile: &&Profile| profile.aliases.iter().any(|alias| alias == name);
        if let Some(found) = only(profiles().filter(claims), name)? {
            return Ok(found);
        }
    }
    if let Some(model) = named.model.map(plain).filter(|model| !model.is_empty()) {
        let has_it = |profile: &&Profile| {
            let titles = titles.and_then(|titles| titles.get(&profile.id)).into_iter().flatten();
            titles.into_iter().any(|title| plain(title) == model)
        };
        if let Some(found) = only(profiles().filter(has_it), named.model.unwrap_or_default())? {
            return Ok(found);
        }
    }
    match &*target.profiles {
        [generic] if generic.id.as_str().eq_ignore_ascii_case(GENERIC) => Ok(&**generic),
        _ => Err(NoProfile::Unknown(board)),
    }
}

/// A name without regard to case and to the number of blanks.
fn plain(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn only<'a>(
    found: impl Iterator<Item = &'a Profile>,
    name: &str,
) -> Result<Option<&'a Profile>, NoProfile> {
    let found: Vec<&Profile> = found.collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let mut ids: Vec<ProfileId> = several.iter().map(|one| one.id.clone()).collect();
            ids.sort();
            ids.dedup();
            Err(NoProfile::Ambiguous { name: name.chars().take(128).collect(), ids })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::tests::target;

    fn titles(list: &[(&str, &str)]) -> Titles {
        let one = |&(id, title): &(&str, &str)| (id.parse().unwrap(), vec![title.to_owned()]);
        list.iter().map(one).collect()
    }

    #[test]
    fn names_are_tried_from_exact_to_lenient() {
        let target = target(&[("a_b", &["x"]), ("tl-wdr4300-v1", &["y", "z"]), ("c", &["z"])]);
        let titles = titles(&[
            ("a_b", "Some Router"),
            ("c", "TP-Link  TL-WDR4300 v1"),
            ("tl-wdr4300-v1", ""),
        ]);
        for (board, renamed, model, expected) in [
            ("a,b", Some("c"), Some("TP-Link TL-WDR4300 v1"), Some("a_b")),
            ("x", Some("c"), None, Some("c")),
            ("x", Some("gone"), Some("tp-link tl-wdr4300 V1"), Some("a_b")),
            ("old", Some("y"), None, Some("tl-wdr4300-v1")),
            ("old", None, Some("tp-link tl-wdr4300 V1"), Some("c")),
            ("old", None, Some(""), None),
            ("old", None, Some("other"), None),
        ] {
            let named = Named { board, renamed, model };
            let found = resolve(&target, named, Some(&titles));
            assert_eq!(found.ok().map(|found| found.id.as_str()), expected, "{board} {model:?}");
        }
        let ambiguous = Named { board: "z", ..Named::default() };
        assert!(matches!(resolve(&target, ambiguous, None), Err(NoProfile::Ambiguous { .. })));
    }

    #[test]
    fn a_model_that_two_devices_have_is_refused() {
        let target = target(&[("a", &[]), ("b", &[])]);
        let titles = titles(&[("a", "Router"), ("b", "router")]);
        let named = Named { board: "x", renamed: None, model: Some("ROUTER") };
        assert!(matches!(
            resolve(&target, named, Some(&titles)),
            Err(NoProfile::Ambiguous { ids, .. }) if ids.len() == 2
        ));
        assert!(matches!(resolve(&target, named, None), Err(NoProfile::Unknown(_))));
    }

    #[test]
    fn any_board_is_generic_only_if_the_target_has_no_other_profile() {
        let named = Named { board: "qemu-standard-pc", ..Named::default() };
        for id in ["generic", "Generic"] {
            let alone = target(&[(id, &[])]);
            assert_eq!(resolve(&alone, named, None).unwrap().id.as_str(), id);
            let accompanied = target(&[(id, &[]), ("other", &[])]);
            assert!(resolve(&accompanied, named, None).is_err());
        }
    }

    proptest! {
        #[test]
        fn an_id_always_resolves_to_its_own_profile_whatever_else_is_said(
            ids in proptest::collection::btree_set("[ab_]{1,3}", 1..6),
            renamed in "[ab_]{1,3}",
            model in "[ab ]{0,3}",
        ) {
            let profiles: Vec<(&str, &[&str])> = ids.iter().map(|id| (id.as_str(), &["a", "b"][..])).collect();
            let target = target(&profiles);
            for id in &ids {
                let named = Named { board: id, renamed: Some(&renamed), model: Some(&model) };
                prop_assert_eq!(resolve(&target, named, None).unwrap().id.as_str(), id);
            }
        }
    }
}
