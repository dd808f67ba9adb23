use std::collections::BTreeMap;

use asu_core::catalog::Version;
use asu_crds::{Feed, VersionTitle, examples};
use jiff::civil::date;

use super::*;

#[test]
fn titles_of_offered_versions_and_names_of_feeds_of_profiles_reach_the_clients() {
    let mut spec = examples::distribution().spec;
    let name = spec.branches[0].versions[0].clone();
    let title = |version: &str| VersionTitle {
        version: version.to_owned(),
        title: Some("Stable".into()),
        description: None,
    };
    spec.description = Some("The base".into());
    spec.branches[0].version_titles = vec![title(&name), title("1.0")];
    let feed = |name: &str, network_profiles| Feed {
        name: name.into(),
        url: "https://feed.example".into(),
        keys: vec![],
        branches: vec![],
        network_profiles,
    };
    spec.feeds = vec![feed("mesh", false), feed("profiles", true)];
    let version = Version {
        name: name.clone(),
        branch: spec.branches[0].name.clone(),
        path: String::new(),
        snapshot: false,
        targets: BTreeMap::new(),
        ready: BTreeMap::new(),
    };
    let offer = offer(&spec, &[], &[version], date(2026, 1, 1));
    assert_eq!((offer.title.as_str(), offer.description.as_deref()), ("OpenWrt", Some("The base")));
    assert_eq!(offer.network_profiles, ["profiles"]);
    assert_eq!(offer.version_titles.keys().collect::<Vec<_>>(), [&name]);
    assert_eq!(offer.version_titles[&name].title.as_deref(), Some("Stable"));
}
