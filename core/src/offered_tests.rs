use std::sync::Arc;

use super::*;
use crate::{
    acceptance::{
        accept,
        tests::{asked, distribution},
    },
    catalog::TarballDigest,
    digest::Digest,
    request::DefaultsDigest,
};

fn request() -> Request {
    accept(&asked(), &distribution()).unwrap().request
}

fn old() -> Basis {
    Basis {
        catalog_revision: 3,
        version_code: "r1-old".into(),
        image_builder_sha256: TarballDigest::of(b"old"),
    }
}

fn settled(request: &Request, basis: &Basis, known: bool) -> Result<Basis, Refusal> {
    settle(request, Some(Frozen { basis, known }), &distribution())
}

#[test]
fn validation_data_is_used_if_it_is_offered_or_a_cache_confirms_it() {
    let now = basis(&request(), &distribution()).unwrap();
    let frozen = Basis { catalog_revision: 5, ..now.clone() };
    assert_eq!(settled(&request(), &frozen, false), Ok(frozen.clone()));
    assert_eq!(settled(&request(), &old(), true), Ok(old()));
}

#[test]
fn unconfirmed_validation_data_is_replaced_by_the_current_catalog() {
    let now = basis(&request(), &distribution());
    assert_eq!(settled(&request(), &old(), false), now);
    let future = Basis { catalog_revision: 99, ..now.clone().unwrap() };
    assert_eq!(settled(&request(), &future, false), now);
}

#[test]
fn validation_data_never_overrides_a_rule() {
    let now = basis(&request(), &distribution()).unwrap();
    let mut closed = distribution();
    closed.offer.allow_defaults = false;
    let script = |length| Some(DefaultsDigest { sha256: Digest::of(b""), length });
    let elsewhere = ("mine".to_owned(), "https://elsewhere.example/a".to_owned());
    for (change, field) in [
        (Request { defaults: script(4), ..request() }, "defaults"),
        (Request { defaults: script(101), ..request() }, "defaults"),
        (Request { rootfs_size_mb: Some(1025), ..request() }, "rootfs_size_mb"),
        (Request { repositories: [elsewhere].into(), ..request() }, "repositories"),
        (Request { profile: "nobody".parse().unwrap(), ..request() }, "profile"),
        (Request { version_code: Some("r2-b".into()), ..request() }, "version_code"),
    ] {
        for (basis, known) in [(&now, false), (&now, true), (&old(), true), (&old(), false)] {
            let refusal = settle(&change, Some(Frozen { basis, known }), &closed).unwrap_err();
            assert_eq!(refusal.field(), field);
        }
        assert_eq!(settle(&change, None, &closed).unwrap_err().field(), field);
    }
}

#[test]
fn a_request_may_require_a_replaced_revision_if_a_cache_confirms_it() {
    let insists = Request { version_code: Some("r1-old".into()), ..request() };
    assert_eq!(settled(&insists, &old(), true), Ok(old()));
    assert_eq!(settled(&insists, &old(), false).unwrap_err().field(), "version_code");
}

#[test]
fn a_revision_that_upstream_may_have_is_not_read_yet_for_versions_that_it_rebuilds() {
    // The target has r29197-ab4c7d6af7.
    let verdict = |asked: &str, snapshot| {
        let mut offered = distribution();
        for version in &mut offered.versions {
            Arc::make_mut(version).snapshot = snapshot;
        }
        let request = Request { version_code: Some(asked.to_owned()), ..request() };
        basis(&request, &offered)
    };
    let may_come = |asked| matches!(verdict(asked, true), Err(Refusal::NotReadYet { .. }));
    for asked in ["r29198-aaaaaaaaaa", "r29197-aaaaaaaaaa", "r29197+1-ab4c7d6af7"] {
        assert!(may_come(asked), "{asked}");
        assert!(matches!(verdict(asked, false), Err(Refusal::Revision { .. })), "{asked}");
    }
    for asked in ["r29196-aaaaaaaaaa", "r1-a", "newest", "29198", ""] {
        assert!(matches!(verdict(asked, true), Err(Refusal::Revision { .. })), "{asked}");
    }
    assert!(verdict("r29197-ab4c7d6af7", true).is_ok());
}
