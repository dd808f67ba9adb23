use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    board_rename::BoardRename,
    catalog::{Branch, Offer, PackageChange, Profile, TarballDigest, Version},
    profile::tests::target,
    repository_keys::tests::usign_key,
    request_hash::request_hash,
};

pub(crate) fn distribution() -> Distribution {
    let target = target(&[
        ("8dev_carambola2", &["8dev_carambola2-v1"]),
        ("other", &["twice"]),
        ("third", &["twice"]),
    ]);
    let branch = Branch {
        name: "24.10".into(),
        path: "releases/{version}".into(),
        snapshot: false,
        branch_off_rev: None,
        versions: vec!["24.10.7".into()],
    };
    Distribution {
        name: "openwrt".into(),
        revision: 7,
        offer: Offer {
            public_url: "https://downloads.example.org".into(),
            latest: vec!["24.10.7".into()],
            allow_defaults: true,
            max_defaults_length: 100,
            max_rootfs_size_mb: 1024,
            repository_allow_list: vec!["https://feeds.example.org/a".into()],
            package_changes: vec![],
            branches: vec![branch],
            board_renames: vec![],
            network_profiles: vec![],
            default_packages: vec![],
            title: String::new(),
            description: None,
            version_titles: std::collections::BTreeMap::new(),
        },
        versions: vec![Arc::new(Version {
            name: "24.10.7".into(),
            branch: "24.10".into(),
            path: "releases/24.10.7".into(),
            snapshot: false,
            targets: [
                ("ath79/generic".parse().unwrap(), "mips_24kc".to_owned()),
                ("ath79/nand".parse().unwrap(), "mips_24kc".to_owned()),
            ]
            .into(),
            ready: [("ath79/generic".parse().unwrap(), target)].into(),
        })],
    }
}

pub(crate) fn asked() -> RawRequest {
    RawRequest {
        version: "24.10.7".into(),
        target: "ath79/generic".into(),
        profile: "8dev,carambola2".into(),
        packages: vec!["vim".into(), "luci".into(), "vim".into(), String::new()],
        ..RawRequest::default()
    }
}

fn refusal(change: impl FnOnce(&mut RawRequest)) -> Refusal {
    let mut asked = asked();
    change(&mut asked);
    match accept(&asked, &distribution()) {
        Err(refusal) => refusal,
        Ok(acceptance) => acceptance.verdict.unwrap_err(),
    }
}

/// The text of a refusal because of a field.
fn field(refusal: Refusal) -> String {
    match refusal {
        Refusal::Field(invalid) => invalid.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_request_is_validated_with_the_current_catalog() {
    let acceptance = accept(&asked(), &distribution()).unwrap();
    let basis = acceptance.verdict.unwrap();
    assert_eq!(basis.catalog_revision, 7);
    assert_eq!(basis.version_code, "r29197-ab4c7d6af7");
    assert_eq!(basis.image_builder_sha256, TarballDigest::of(b"ib"));
    assert_eq!(acceptance.request.profile, "8dev_carambola2");
    assert_eq!(acceptance.request.packages, ["vim", "luci"]);
}

#[test]
fn an_alias_and_the_id_of_its_profile_have_the_same_hash() {
    let hash = |profile: &str| {
        let asked = RawRequest { profile: profile.into(), ..asked() };
        request_hash(&accept(&asked, &distribution()).unwrap().request)
    };
    assert_eq!(hash("8dev,carambola2-v1"), hash("8dev_carambola2"));
    assert_ne!(hash("other"), hash("third"));
}

#[test]
fn an_alias_of_a_version_that_is_no_longer_offered_is_resolved_by_the_other_versions() {
    let former = |profile: &str, distribution: &Distribution| {
        let asked = RawRequest { version: "24.10.1".into(), profile: profile.into(), ..asked() };
        let acceptance = accept(&asked, distribution).unwrap();
        assert!(acceptance.verdict.is_err(), "no build may be created");
        assert_eq!(
            acceptance.request.profile.as_str(),
            spelled(profile),
            "the requested name stays"
        );
        acceptance.by_alias.map(|request| request.profile.to_string())
    };
    let mut distribution = distribution();
    assert_eq!(former("8dev,carambola2-v1", &distribution).as_deref(), Some("8dev_carambola2"));
    assert_eq!(former("8dev_carambola2", &distribution), None);
    assert_eq!(former("nothing", &distribution), None);
    // Another version in which two devices claim the name.
    let mut other = (*distribution.versions[0]).clone();
    for target in other.ready.values_mut() {
        let mut all: Vec<Profile> =
            target.profiles.iter().map(|profile| (**profile).clone()).collect();
        all.push(Profile { id: "twin".parse().unwrap(), ..all[0].clone() });
        target.profiles = all.into();
    }
    distribution.versions.push(other.into());
    assert_eq!(former("8dev,carambola2-v1", &distribution), None);
}

#[test]
fn a_refusal_names_the_first_thing_that_is_not_offered() {
    assert_eq!(refusal(|a| a.version = "21.02.1".into()), Refusal::Branch("21.02.1".into()));
    for version in ["24.10.9", "24.10"] {
        assert_eq!(refusal(|a| a.version = version.into()), Refusal::Version(version.into()));
    }
    assert_eq!(refusal(|a| a.target = "x86/64".into()), Refusal::Target("x86/64".parse().unwrap()));
    let unknown = NoProfile::Unknown("foo_bar".into());
    assert_eq!(refusal(|a| a.profile = "foo,bar".into()), Refusal::Profile(unknown));
    let ids = ["other", "third"].map(|id| id.parse().unwrap()).into();
    let ambiguous = NoProfile::Ambiguous { name: "twice".into(), ids };
    assert_eq!(refusal(|a| a.profile = "twice".into()), Refusal::Profile(ambiguous));
}

#[test]
fn a_revision_that_the_target_does_not_have_is_refused() {
    let refused = Refusal::Revision { offered: "r29197-ab4c7d6af7".into(), asked: "r1-a".into() };
    assert_eq!(refusal(|a| a.version_code = "r1-a".into()), refused);
    let asked = RawRequest { version_code: "r29197-ab4c7d6af7".into(), ..asked() };
    assert!(accept(&asked, &distribution()).unwrap().verdict.is_ok());
}

#[test]
fn a_renamed_device_gets_the_profile_that_the_distribution_names() {
    let mut distribution = distribution();
    let id = distribution.versions[0].ready["ath79/generic"].profiles[0].id.clone();
    distribution.offer.board_renames = vec![BoardRename {
        board: "old,board".into(),
        profile: id.to_string(),
        versions: vec!["24.10.*".into()],
    }];
    let of = |profile: &str| {
        let asked = RawRequest { profile: profile.into(), ..asked() };
        accept(&asked, &distribution).unwrap()
    };
    let renamed = of("old,board");
    assert_eq!(renamed.request.profile, id);
    assert!(renamed.verdict.is_ok());
    assert_eq!(request_hash(&renamed.request), request_hash(&of(id.as_str()).request));
}

#[test]
fn repositories_and_keys_that_a_pod_would_refuse_are_refused_with_their_field() {
    let repository = |name: &str| {
        let pair = (name.to_owned(), "https://feeds.example.org/a".to_owned());
        move |a: &mut RawRequest| a.repositories = [pair].into()
    };
    let text = field(refusal(repository("openwrt_base")));
    assert!(text.starts_with("repositories: openwrt_base is kept"), "{text}");
    for keys in [
        vec!["this is no key".to_owned()],
        vec![usign_key(1, 1), usign_key(1, 2)],
        vec![usign_key(1, 1), "-----BEGIN PUBLIC KEY-----".to_owned()],
    ] {
        let text = field(refusal(|a| {
            repository("mine")(a);
            a.repository_keys = keys;
        }));
        assert!(text.starts_with("repository_keys: "), "{text}");
    }
    let text = field(refusal(|a| a.repository_keys = vec![usign_key(1, 1)]));
    assert!(text.starts_with("repository_keys: there are no"), "{text}");
}

#[test]
fn different_spellings_of_a_repository_key_or_package_have_the_same_hash() {
    let mut distribution = distribution();
    distribution.offer.package_changes = vec![PackageChange {
        source: "old".parse().unwrap(),
        target: Some("new".parse().unwrap()),
        revision: Some(10),
        version: None,
        mandatory: false,
        choices: vec![],
    }];
    let hash = |url: &str, key: &str, package: &str, versioned: bool| {
        let asked = RawRequest {
            repositories: [("mine".to_owned(), url.to_owned())].into(),
            repository_keys: vec![key.to_owned()],
            packages: vec![package.to_owned()],
            packages_versions: vec![(package.to_owned(), "1".to_owned()); versioned.into()],
            ..asked()
        };
        let acceptance = accept(&asked, &distribution).unwrap();
        assert!(acceptance.verdict.is_ok());
        request_hash(&acceptance.request)
    };
    let (url, key) = ("https://feeds.example.org/a", usign_key(1, 1));
    let known = hash(url, &key, "new", false);
    assert_eq!(hash("HTTPS://Feeds.example.org:443/a/", &key, "new", false), known);
    assert_eq!(hash(url, &format!("untrusted comment: mine\n{key}\n"), "new", false), known);
    assert_eq!(hash(url, &key, "old", false), known);
    assert_eq!(hash(url, &key, "old", true), hash(url, &key, "new", true));
}

#[test]
fn a_listed_target_that_could_not_be_read_is_refused() {
    assert_eq!(
        refusal(|a| a.target = "ath79/nand".into()),
        Refusal::Target("ath79/nand".parse().unwrap())
    );
}

#[test]
fn a_value_above_a_limit_of_the_distribution_is_refused_with_its_field() {
    assert_eq!(
        field(refusal(|a| a.rootfs_size_mb = Some(1025))),
        "rootfs_size_mb: must be from 1 to 1024"
    );
    assert_eq!(
        field(refusal(|a| a.defaults = Some("é".repeat(51)))),
        "defaults: at most 100 bytes are allowed"
    );
    field(refusal(|a| a.packages = vec!["$(id)".into()]));
}

#[test]
fn first_boot_scripts_need_permission_and_an_empty_one_counts_as_absent() {
    let mut closed = distribution();
    closed.offer.allow_defaults = false;
    let with = |text: &str| RawRequest { defaults: Some(text.into()), ..asked() };
    let verdict = accept(&with("uci set"), &closed).unwrap().verdict;
    assert_eq!(verdict, Err(Refusal::Defaults));
    let empty = accept(&with(""), &closed).unwrap();
    assert_eq!(empty, accept(&asked(), &closed).unwrap());
}

#[test]
fn a_repository_that_is_not_on_the_allow_list_is_refused_with_its_url() {
    let url = "https://feeds.example.org/a/../b";
    let good = "https://feeds.example.org/a/b";
    let with = |url: &str| {
        let url = url.to_owned();
        move |a: &mut RawRequest| {
            a.repositories.insert("feed".into(), url);
        }
    };
    field(refusal(with(url)));
    let elsewhere = "https://feeds.example.org/b";
    assert_eq!(refusal(with(elsewhere)), Refusal::Repository(elsewhere.into()));
    let mut asked = asked();
    with(good)(&mut asked);
    assert!(accept(&asked, &distribution()).unwrap().verdict.is_ok());
}

#[test]
fn a_refused_request_has_the_same_hash_as_when_it_was_offered() {
    let known = accept(&asked(), &distribution()).unwrap().request;
    let mut closed = distribution();
    closed.versions.clear();
    let refused = accept(&asked(), &closed).unwrap();
    assert_eq!(request_hash(&refused.request), request_hash(&known));
    assert!(refused.verdict.is_err());
}

#[test]
fn a_first_boot_script_never_shows_in_debug_output() {
    let asked = RawRequest { defaults: Some("hunter2".into()), ..asked() };
    let acceptance = accept(&asked, &distribution()).unwrap();
    assert!(!format!("{asked:?} {acceptance:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn the_hash_does_not_depend_on_the_order_of_packages(
        mut names in proptest::collection::vec("[a-z]{1,6}", 0..10),
    ) {
        let of = |names: &[String]| {
            let asked = RawRequest { packages: names.to_vec(), ..asked() };
            accept(&asked, &distribution()).unwrap()
        };
        let once = of(&names);
        prop_assert!(names.iter().all(|name| once.request.packages.iter().any(|package| package == name.as_str())));
        names.reverse();
        names.extend(names.clone());
        let again = of(&names);
        prop_assert_eq!(request_hash(&once.request), request_hash(&again.request));
        prop_assert_eq!(once.verdict, again.verdict);
    }

    #[test]
    fn a_refusal_never_contains_the_first_boot_script(text in "[a-z]{12,200}", version in "[0-9.]{0,9}") {
        let asked = RawRequest { defaults: Some(text.clone()), version, ..asked() };
        let said = match accept(&asked, &distribution()) {
            Err(refusal) => refusal.to_string(),
            Ok(acceptance) => format!("{acceptance:?}"),
        };
        prop_assert!(!said.contains(&text));
    }
}
