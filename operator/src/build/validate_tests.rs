use asu_core::{
    catalog::{ImageBuilder, Offer, Profile, Version},
    digest::Sha256Hex,
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

fn offered() -> Distribution {
    let target = Target {
        name: "ath79/generic".into(),
        arch: "mips".into(),
        version_code: "r1-abc".into(),
        source_date_epoch: 0,
        default_packages: vec![],
        profiles: vec![Profile {
            id: "device".into(),
            aliases: vec!["vendor_device".into()],
            titles: serde_json::json!([]),
            device_packages: vec![],
        }],
        image_builder: ImageBuilder { file: "ib".into(), sha256: Sha256Hex::of(b"ib") },
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
        },
        versions: vec![Version {
            name: "24.10.7".into(),
            branch: "24.10".into(),
            path: "p".into(),
            snapshot: false,
            targets: [].into(),
            ready: [("ath79/generic".to_owned(), target)].into(),
        }],
    }
}

fn refused(change: impl FnOnce(&mut RequestSpec)) -> Refused {
    let mut request = request();
    change(&mut request);
    validate(&build(request), Some(&offered())).unwrap_err()
}

#[test]
fn what_the_catalog_offers_is_resolved() {
    let accepted = validate(&build(request()), Some(&offered())).unwrap();
    assert_eq!(accepted.resolved.catalog_revision, 7);
    assert_eq!(accepted.resolved.version_code, "r1-abc");
    assert_eq!(accepted.resolved.image_builder_sha256, Sha256Hex::of(b"ib").as_str());
}

#[test]
fn a_hash_of_another_request_is_refused() {
    let mut forged = build(request());
    forged.spec.request.packages = vec!["evil".into()];
    assert!(matches!(validate(&forged, Some(&offered())), Err(Refused::Hash(_))));
}

#[test]
fn a_name_of_another_hash_is_refused() {
    let mut forged = build(request());
    forged.metadata.name = Some("fwb-other".into());
    assert!(matches!(validate(&forged, Some(&offered())), Err(Refused::Name(_))));
}

#[test]
fn a_hash_is_checked_even_when_the_api_says_it_validated() {
    let mut forged = build(request());
    forged.spec.validated = Some(Validated {
        catalog_revision: 1,
        version_code: "r1".into(),
        image_builder_sha256: "0".repeat(64),
    });
    forged.spec.request_hash = "0".repeat(64);
    assert!(matches!(validate(&forged, None), Err(Refused::Hash(_))));
}

#[test]
fn what_the_api_validated_is_frozen() {
    let mut build = build(request());
    build.spec.validated = Some(Validated {
        catalog_revision: 3,
        version_code: "r0".into(),
        image_builder_sha256: "1".repeat(64),
    });
    let accepted = validate(&build, Some(&offered())).unwrap();
    assert_eq!(accepted.resolved.catalog_revision, 3);
    assert_eq!(accepted.resolved.version_code, "r0");
}

#[test]
fn what_the_catalog_does_not_offer_is_refused() {
    assert!(matches!(refused(|r| r.version = "1.0".into()), Refused::Version(_)));
    assert!(matches!(refused(|r| r.target = "x86/64".into()), Refused::Target(_)));
    assert!(matches!(refused(|r| r.profile = "vendor_device".into()), Refused::Profile(_)));
    assert!(matches!(refused(|r| r.version_code = Some("r2".into())), Refused::Revision(_)));
    assert!(matches!(refused(|r| r.rootfs_size_mb = Some(101)), Refused::Limit(_)));
    let defaults =
        asu_crds::DefaultsSpec { sha256: "0".repeat(64), length: 4, secret_name: "s".into() };
    assert!(matches!(refused(|r| r.defaults = Some(defaults)), Refused::Limit(_)));
    let repository = || ("x".to_owned(), "https://bad.example/a".to_owned());
    assert!(matches!(refused(|r| r.repositories = [repository()].into()), Refused::Repository(_)));
    let none = validate(&build(request()), None);
    assert!(matches!(none, Err(Refused::Distribution(_))));
}
