use asu_core::{
    catalog::{ImageBuilder, Offer},
    digest::Digest,
};
use asu_crds::ImageBuilderCacheSpec;

use super::*;
use crate::distribution::documents_read::{ArchFeeds, DocumentsRead};

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn version(code: &str) -> Version {
    let target = Target {
        sysupgrade: Some(true),
        name: "a/b".parse().unwrap(),
        arch: "x".into(),
        version_code: code.into(),
        source_date_epoch: 1,
        profiles: vec![].into(),
        image_builder: ImageBuilder { file: "ib".into(), sha256: digest(code).into() },
    };
    Version {
        name: "1.2.3".into(),
        branch: "1.2".into(),
        path: "releases/1.2.3".into(),
        snapshot: false,
        targets: [("a/b".parse().unwrap(), "x".into())].into(),
        ready: [("a/b".parse().unwrap(), target)].into(),
    }
}

fn target(profiles: &str, packages: Option<&str>) -> TargetDocuments {
    TargetDocuments { profiles: digest(profiles), packages: packages.map(digest) }
}

fn feeds(feeds: &[(&str, &str)]) -> Feeds {
    feeds.iter().map(|(feed, content)| ((*feed).to_owned(), digest(content))).collect()
}

/// What is offered after a reading that found these documents.
fn decision(code: &str, read: DocumentsRead) -> Decision {
    let offer: Offer = serde_json::from_value(serde_json::json!({
        "publicUrl": "", "latest": [], "allowDefaults": true, "maxDefaultsLength": 1,
        "maxRootfsSizeMb": 1, "repositoryAllowList": [], "packageChanges": [], "branches": [],
    }))
    .unwrap();
    Decision {
        offer,
        versions: vec![version(code)],
        problems: vec![],
        pinned: BTreeMap::new(),
        successors: BTreeMap::new(),
        documents: [("1.2.3".to_owned(), read)].into(),
    }
}

fn read(documents: TargetDocuments) -> DocumentsRead {
    DocumentsRead {
        targets: [("a/b".parse().unwrap(), documents)].into(),
        ..DocumentsRead::default()
    }
}

fn read_feeds(listed: Option<&[&str]>, found: &[(&str, &str)]) -> DocumentsRead {
    let listed = listed.map(|listed| listed.iter().map(|&feed| feed.to_owned()).collect());
    let feeds = ArchFeeds { listed, feeds: feeds(found), problems: BTreeMap::new() };
    DocumentsRead { feeds: [("x".to_owned(), feeds)].into(), ..DocumentsRead::default() }
}

/// The catalog before, of revision `r1`.
fn last() -> (Distribution, CatalogDocuments) {
    let decision = decision("r1", DocumentsRead::default());
    let distribution = Distribution {
        name: "d".into(),
        revision: 1,
        offer: decision.offer,
        versions: decision.versions.into_iter().map(Into::into).collect(),
    };
    let documents = CatalogDocuments {
        targets: [("1.2.3".into(), [("a/b".parse().unwrap(), target("old", Some("old")))].into())]
            .into(),
        feeds: [("1.2".into(), [("x".into(), feeds(&[("base", "old"), ("luci", "old")]))].into())]
            .into(),
    };
    (distribution, documents)
}

fn decided(decision: &Decision) -> CatalogDocuments {
    let (last, before) = last();
    documents(decision, Some(&last), &before)
}

fn target_after(decision: &Decision) -> TargetDocuments {
    *decided(decision).of_target("1.2.3", "a/b").unwrap()
}

#[test]
fn new_documents_replace_the_former_ones() {
    let new = target("new", Some("new"));
    assert_eq!(target_after(&decision("r1", read(new))), new);
}

#[test]
fn a_target_that_was_not_read_keeps_its_documents() {
    let nothing = decision("r1", DocumentsRead::default());
    assert_eq!(target_after(&nothing), target("old", Some("old")));
}

#[test]
fn packages_that_could_not_be_read_are_kept_only_from_the_same_build() {
    let new = read(target("new", None));
    assert_eq!(target_after(&decision("r1", new)), target("new", Some("old")));
    let new = read(target("new", None));
    assert_eq!(target_after(&decision("r2", new)), target("new", None));
}

#[test]
fn a_target_that_keeps_its_former_image_builder_keeps_its_documents() {
    let mut held = decision("r1", read(target("new", Some("new"))));
    let next = ImageBuilderCacheSpec {
        distribution: "d".into(),
        version: "1.2.3".into(),
        target: "a/b".into(),
        ..asu_crds::examples::cache().spec
    };
    held.successors.insert("next".into(), next);
    assert_eq!(target_after(&held), target("old", Some("old")));
}

#[test]
fn a_version_that_is_no_longer_offered_has_no_documents() {
    let mut nothing = decision("r1", DocumentsRead::default());
    nothing.versions.clear();
    assert_eq!(decided(&nothing), CatalogDocuments::default());
}

#[test]
fn a_feed_that_could_not_be_read_is_kept_and_one_that_is_no_longer_listed_is_removed() {
    let after = |read| decided(&decision("r1", read)).of_arch("1.2", "x").cloned().unwrap();
    let broken = read_feeds(Some(&["base", "luci"]), &[("base", "new")]);
    assert_eq!(after(broken), feeds(&[("base", "new"), ("luci", "old")]));
    let gone = read_feeds(Some(&["base", "video"]), &[("base", "new"), ("video", "new")]);
    assert_eq!(after(gone), feeds(&[("base", "new"), ("video", "new")]));
    let unlisted = read_feeds(None, &[]);
    assert_eq!(after(unlisted), feeds(&[("base", "old"), ("luci", "old")]));
    assert_eq!(after(DocumentsRead::default()), feeds(&[("base", "old"), ("luci", "old")]));
}

#[test]
fn each_problem_names_its_target_or_its_feed() {
    let mut read = read_feeds(None, &[]);
    read.unread_packages.insert("a/b".parse().unwrap(), "it is unavailable".into());
    let feeds = read.feeds.get_mut("x").unwrap();
    feeds.problems.insert("luci".into(), "http://m/luci does not exist".into());
    assert_eq!(
        read.problems("1.2.3"),
        [
            "1.2.3 a/b is offered, but its packages are not known: it is unavailable",
            "x luci: http://m/luci does not exist",
        ]
    );
}
