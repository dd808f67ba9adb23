//! Finished builds: written once, read back whole.

use asu_core::{
    build_key::BuildKey,
    failure::{Failure, FailureReason},
};
use asu_store::{
    StoreError,
    model::{ArchiveOutcome, Ending},
};
use asu_tests::given::database;

use crate::samples::{at, failure, hash, of_request, private_success, success};

#[tokio::test]
async fn a_success_is_read_back_completely_by_hash_and_by_uid() {
    let (_database, store) = database().await;
    let build = success("u1", "k", 0);
    assert_eq!(store.archive(&build, 0).await.unwrap(), ArchiveOutcome::Archived);
    let record = store.newest_by_hash(&hash("request")).await.unwrap().unwrap();
    assert_eq!(record.facts, build.facts);
    assert_eq!(record.archived_at, build.archived_at);
    assert_eq!(record.files_deleted_at, None);
    assert_eq!(store.build_by_uid("u1").await.unwrap(), Some(record));
    assert_eq!(store.build_events("u1").await.unwrap(), build.events);
    assert_eq!(store.newest_by_hash(&hash("other")).await.unwrap(), None);
    assert_eq!(store.build_by_uid("u2").await.unwrap(), None);
}

#[tokio::test]
async fn the_order_of_keys_in_an_answer_is_kept() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    let record = store.build_by_uid("u1").await.unwrap().unwrap();
    let keys: Vec<&String> = record.facts.ending.built().unwrap().profile.keys().collect();
    assert_eq!(keys, ["version_code", "id", "arch", "b", "a"]);
}

#[tokio::test]
async fn a_failure_and_a_cancellation_are_read_back() {
    let (_database, store) = database().await;
    let mut cancelled = failure("u2", 1);
    cancelled.facts.ending =
        Ending::Failed(Failure::new(FailureReason::Cancelled, "deleted by somebody"));
    cancelled.facts.log = None;
    for build in [failure("u1", 0), cancelled] {
        store.archive(&build, 0).await.unwrap();
        let record = store.newest_by_hash(&hash("request")).await.unwrap().unwrap();
        assert_eq!(record.facts, build.facts);
    }
}

#[tokio::test]
async fn archiving_twice_changes_nothing() {
    let (_database, store) = database().await;
    let first = success("u1", "k", 0);
    store.archive(&first, 0).await.unwrap();
    let mut second = success("u1", "other-key", 5);
    second.events.clear();
    assert_eq!(store.archive(&second, 0).await.unwrap(), ArchiveOutcome::AlreadyArchived);
    let record = store.build_by_uid("u1").await.unwrap().unwrap();
    assert_eq!(record.facts, first.facts);
    assert_eq!(store.build_events("u1").await.unwrap(), first.events);
    assert_eq!(store.retention_rows().await.unwrap().sets.len(), 1);
}

#[tokio::test]
async fn archiving_the_same_build_at_the_same_time_writes_it_once() {
    let (_database, store) = database().await;
    let build = success("u1", "k", 0);
    let both = tokio::join!(store.archive(&build, 0), store.archive(&build, 0));
    let mut outcomes = [both.0.unwrap(), both.1.unwrap()];
    outcomes.sort_by_key(|outcome| *outcome == ArchiveOutcome::AlreadyArchived);
    assert_eq!(outcomes, [ArchiveOutcome::Archived, ArchiveOutcome::AlreadyArchived]);
    assert_eq!(store.build_events("u1").await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_uid_with_another_request_and_a_key_with_other_files_are_refused() {
    let (_database, store) = database().await;
    store.archive(&success("u1", "k", 0), 0).await.unwrap();
    let foreign = of_request(success("u1", "k", 0), "another");
    assert!(matches!(store.archive(&foreign, 0).await, Err(StoreError::Conflict(_))));
    for change in 0..3 {
        let mut other = success("u2", "k", 0);
        if let Ending::Succeeded(built) = &mut other.facts.ending {
            match change {
                0 => built.files[0].sha256 = hash("other bytes"),
                1 => drop(built.files.pop()),
                _ => built.files[0].name = "renamed".into(),
            }
        }
        assert!(matches!(store.archive(&other, 0).await, Err(StoreError::Conflict(_))));
        assert_eq!(store.build_by_uid("u2").await.unwrap(), None, "all or nothing");
    }
}

#[tokio::test]
async fn the_newest_build_of_a_hash_is_returned() {
    let (_database, store) = database().await;
    store.archive(&success("new", "k2", 8), 0).await.unwrap();
    store.archive(&success("old", "k1", 2), 0).await.unwrap();
    let newest = store.newest_by_hash(&hash("request")).await.unwrap().unwrap();
    assert_eq!(newest.facts.uid, "new");
}

#[tokio::test]
async fn the_newest_build_does_not_depend_on_the_clock_of_a_node() {
    let (_database, store) = database().await;
    let mut ahead = failure("ahead", 8);
    ahead.archived_at = at(2);
    store.archive(&ahead, 0).await.unwrap();
    let mut later = success("later", "k1", 4);
    later.archived_at = at(4);
    store.archive(&later, 0).await.unwrap();
    let newest = store.newest_by_hash(&hash("request")).await.unwrap().unwrap();
    assert_eq!(newest.facts.uid, "later");
}

#[tokio::test]
async fn files_are_found_by_build_key_and_name_only() {
    let (_database, store) = database().await;
    let build = success("u1", "k", 0);
    store.archive(&build, 0).await.unwrap();
    store.archive(&failure("u2", 1), 0).await.unwrap();
    let found = store.artifact(&hash("k"), "openwrt-sysupgrade.bin").await.unwrap().unwrap();
    assert_eq!(found.size, 9);
    assert_eq!(
        found.object_key,
        format!("artifacts/{}/openwrt-sysupgrade.bin", hash::<BuildKey>("k"))
    );
    assert_eq!(found.sha256, build.facts.ending.built().unwrap().files[1].sha256);
    assert_eq!((found.private, found.finished_at), (false, at(0)));
    assert_eq!(found.request_hash, hash("request"));
    for name in ["openwrt", "../openwrt-sysupgrade.bin", "", "\0", "%"] {
        let found = store.artifact(&hash("k"), name).await;
        assert!(matches!(found, Ok(None)), "{name:?}: {found:?}");
    }
    assert_eq!(store.artifact(&hash("request"), "openwrt-sysupgrade.bin").await.unwrap(), None);
}

#[tokio::test]
async fn two_builds_of_a_request_keep_their_files_apart() {
    let (_database, store) = database().await;
    let builds = [success("u1", "k1", 0), success("u2", "k2", 5)];
    for (build, key) in builds.iter().zip(["k1", "k2"]) {
        store.archive(build, 0).await.unwrap();
        let file = &build.facts.ending.built().unwrap().files[0];
        let found = store.artifact(&hash(key), &file.name).await.unwrap().unwrap();
        assert_eq!((found.sha256, found.request_hash), (file.sha256, hash("request")));
    }
    assert!(store.artifact(&hash("k1"), "openwrt-factory.bin").await.unwrap().is_some());
}

#[tokio::test]
async fn shared_files_are_private_if_one_build_is_and_as_old_as_the_first() {
    let (_database, store) = database().await;
    store.archive(&private_success("u1", "k", 0), 0).await.unwrap();
    store.archive(&of_request(success("u2", "k", 5), "other"), 0).await.unwrap();
    let found = store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap().unwrap();
    assert_eq!((found.private, found.finished_at), (true, at(0)));
    assert_eq!(found.request_hash, hash("other"));
}

#[tokio::test]
async fn a_private_build_is_marked_and_keeps_only_the_digest_of_its_script() {
    let (_database, store) = database().await;
    let build = private_success("u1", "k", 0);
    store.archive(&build, 0).await.unwrap();
    let record = store.build_by_uid("u1").await.unwrap().unwrap();
    assert!(record.facts.is_private());
    let found = store.artifact(&hash("k"), "openwrt-factory.bin").await.unwrap();
    assert!(found.unwrap().private);
}

#[tokio::test]
async fn a_build_with_nul_characters_is_archived() {
    let (_database, store) = database().await;
    let mut failed = failure("u1", 0);
    // As an older program may have written it: today none of these characters comes so far.
    let detail = "a\0b".to_owned();
    failed.facts.ending = Ending::Failed(Failure { reason: FailureReason::BuildFailed, detail });
    failed.events[0].message = "c\0".into();
    store.archive(&failed, 0).await.unwrap();
    let mut succeeded = success("u2", "k", 1);
    if let Ending::Succeeded(built) = &mut succeeded.facts.ending {
        built.profile.insert("x\0".into(), "\0".into());
        built.manifest.insert("\0".into(), "\0".into());
    }
    store.archive(&succeeded, 0).await.unwrap();
    let record = store.build_by_uid("u1").await.unwrap().unwrap();
    assert_eq!(record.facts.ending.failure().unwrap().detail, "a\u{fffd}b");
}

#[tokio::test]
async fn served_counters_of_the_api_update_the_builds() {
    let (database, store) = database().await;
    let epoch = store.raise_epoch().await.unwrap();
    store.archive(&success("u1", "k", 0), epoch).await.unwrap();
    let api = database.api_store().unwrap();
    let batch = [(hash("request"), at(5)), (hash("request"), at(7)), (hash("unknown"), at(9))];
    api.touch_served(&batch).await.unwrap();
    api.touch_served(&[]).await.unwrap();
    assert_eq!(store.fold_served(epoch).await.unwrap(), 1);
    let served = |record: asu_store::model::BuildRecord| record.last_served;
    let read = || async { served(store.build_by_uid("u1").await.unwrap().unwrap()) };
    assert_eq!(read().await, Some(at(7)));
    api.touch_served(&batch[..1]).await.unwrap();
    store.fold_served(epoch).await.unwrap();
    assert_eq!(read().await, Some(at(7)), "never backwards");
}
