use std::sync::Arc;

use asu_core::{
    catalog::{ImageBuilder, Offer, Profile, TarballDigest, Target, Version},
    digest::Digest,
};
use asu_crds::{FirmwareBuildSpec, RequestSpec, Validated};

use super::*;

fn request() -> RequestSpec {
    RequestSpec {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        target: "ath79/generic".into(),
        profile: "device".into(),
        packages: vec!["luci".into()],
        ..RequestSpec::default()
    }
}

fn build(request: RequestSpec) -> FirmwareBuild {
    let hash = request_hash(&request.to_request().unwrap());
    let spec = FirmwareBuildSpec {
        request,
        request_hash: hash.to_string(),
        validated: None,
        cancel: false,
        priority: asu_crds::BuildPriority::Normal,
        retention: None,
    };
    FirmwareBuild::new(&object_name(&hash), spec)
}

fn offered() -> Offered {
    Offered { distribution: Some(distribution()), ..Offered::default() }
}

fn distribution() -> Distribution {
    let target = Target {
        sysupgrade: Some(true),
        name: "ath79/generic".parse().unwrap(),
        arch: "mips".into(),
        version_code: "r1-abc".into(),
        source_date_epoch: 0,
        profiles: vec![Profile {
            id: "device".parse().unwrap(),
            aliases: vec!["vendor_device".into()],
        }]
        .into(),
        image_builder: ImageBuilder { file: "ib".into(), sha256: TarballDigest::of(b"ib") },
    };
    Distribution {
        name: "openwrt".into(),
        revision: 7,
        offer: Offer {
            public_url: "https://p".into(),
            latest: vec![],
            allow_defaults: false,
            max_defaults_length: 10,
            max_rootfs_size_mb: 100,
            repository_allow_list: vec!["https://ok.example/a".into()],
            package_changes: vec![],
            branches: vec![],
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
            path: "p".into(),
            snapshot: false,
            targets: [].into(),
            ready: [("ath79/generic".parse().unwrap(), target)].into(),
        })],
    }
}

#[test]
fn a_request_is_resolved_with_the_catalog() {
    let accepted = validate(&build(request()), &offered()).unwrap();
    assert_eq!(accepted.resolved.catalog_revision, 7);
    assert_eq!(accepted.resolved.version_code, "r1-abc");
    assert_eq!(accepted.resolved.image_builder_sha256, Digest::of(b"ib").to_string());
}

#[test]
fn a_hash_of_another_request_is_refused() {
    let mut forged = build(request());
    forged.spec.request.packages = vec!["evil".into()];
    assert!(matches!(validate(&forged, &offered()), Err(Refused::Hash(_))));
}

#[test]
fn a_name_of_another_hash_is_refused() {
    let mut forged = build(request());
    forged.metadata.name = Some("fwb-other".into());
    assert!(matches!(validate(&forged, &offered()), Err(Refused::Name(_))));
}

fn frozen(sha256: &str) -> FirmwareBuild {
    let mut build = build(request());
    build.spec.validated = Some(Validated {
        catalog_revision: 3,
        version_code: "r0".into(),
        image_builder_sha256: sha256.repeat(64),
    });
    build
}

#[test]
fn the_hash_is_checked_even_with_validation_data() {
    let mut forged = frozen("1");
    forged.spec.request_hash = "0".repeat(64);
    assert!(matches!(validate(&forged, &offered()), Err(Refused::Hash(_))));
}

#[test]
fn validation_data_count_if_a_cache_of_the_image_builder_exists() {
    let known = Offered { known: true, ..offered() };
    let accepted = validate(&frozen("1"), &known).unwrap();
    let asked = request();
    let own = Base::of(None, &asked.distribution, &asked.version);
    assert_eq!(accepted.resolved.catalog_revision, 3);
    assert_eq!(accepted.resolved.version_code, "r0");
    assert_eq!(Some(accepted.resolved.cache_name), own.frozen_cache(&frozen("1")));
}

#[test]
fn validation_data_of_an_unknown_image_builder_are_ignored() {
    let accepted = validate(&frozen("1"), &offered()).unwrap();
    assert_eq!(accepted.resolved.version_code, "r1-abc");
    assert_eq!(accepted.resolved.image_builder_sha256, Digest::of(b"ib").to_string());
    assert!(matches!(validate(&frozen("g"), &offered()), Err(Refused::Validated(_))));
}

#[test]
fn validation_data_do_not_override_the_limits() {
    for known in [false, true] {
        let mut big = request();
        big.rootfs_size_mb = Some(101);
        let mut build = build(big);
        build.spec.validated = frozen("1").spec.validated;
        let offered = Offered { known, ..offered() };
        assert_eq!(field(validate(&build, &offered)), "rootfs_size_mb");
    }
}

fn field(validity: Result<Accepted, Refused>) -> &'static str {
    match validity {
        Err(Refused::Offer(refusal)) => refusal.field(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_that_is_not_offered_is_refused_by_name() {
    let refused = |change: fn(&mut RequestSpec)| {
        let mut request = request();
        change(&mut request);
        field(validate(&build(request), &offered()))
    };
    assert_eq!(refused(|r| r.version = "1.0".into()), "version");
    assert_eq!(refused(|r| r.target = "x86/64".into()), "target");
    assert_eq!(refused(|r| r.profile = "vendor_device".into()), "profile");
    assert_eq!(refused(|r| r.version_code = Some("r2".into())), "version_code");
    assert_eq!(refused(|r| r.rootfs_size_mb = Some(101)), "rootfs_size_mb");
    let script = |r: &mut RequestSpec| {
        let secret_name = "s".into();
        r.defaults =
            Some(asu_crds::DefaultsSpec { sha256: "0".repeat(64), length: 4, secret_name });
    };
    assert_eq!(refused(script), "defaults");
    let elsewhere = |r: &mut RequestSpec| {
        r.repositories = [("x".to_owned(), "https://bad.example/a".to_owned())].into();
    };
    assert_eq!(refused(elsewhere), "repositories");
    let nobody = Offered { known: true, ..Offered::default() };
    let none = validate(&build(request()), &nobody);
    assert!(matches!(none, Err(Refused::Distribution(_))));
    assert!(validate(&frozen("1"), &nobody).is_ok());
}

#[test]
fn a_build_of_a_child_uses_the_cache_of_its_parent() {
    let base = Base { distribution: "parent".into(), version: "23.05.5".into() };
    let offered = Offered { base: Some(base.clone()), ..offered() };
    let accepted = validate(&build(request()), &offered).unwrap();
    let sha256 = TarballDigest::of(b"ib").to_string();
    assert_eq!(accepted.resolved.cache_name, base.cache("ath79/generic", &sha256));
    assert!(accepted.resolved.cache_name.starts_with("parent-23-05-5-ath79-generic-"));
}
