//! Statistics that outlive the history of builds.

use std::sync::Arc;

use asu_core::{
    failure::{Failure, FailureReason},
    request::{DefaultsDigest, Request},
};
use asu_store::{
    PgStore,
    model::{Counter, CounterKind, Ending, ImageTotals},
};
use asu_tests::given::{database, record, request};
use jiff::{SignedDuration, Timestamp};

async fn archive(store: &PgStore, uid: &str, request: Request) {
    let ending = Ending::Failed(Failure::new(FailureReason::Cancelled, "no"));
    store.archive(&record(uid, request, ending, Timestamp::now()), 0).await.unwrap();
}

#[tokio::test]
async fn packages_of_builds_are_counted_once_per_build_and_survive_the_history() {
    let (_database, store) = database().await;
    for (uid, packages) in [("1", ["luci", "vim"]), ("2", ["luci", "-ppp"])] {
        archive(&store, uid, request("device", &packages)).await;
    }
    // The same build again changes nothing.
    archive(&store, "2", request("device", &["luci", "-ppp"])).await;
    let counts = async |limit| {
        let popular = store.popular_packages(limit).await.unwrap();
        popular.into_iter().map(|count| (count.package, count.builds)).collect::<Vec<_>>()
    };
    let expected = [("luci".to_owned(), 2), ("-ppp".to_owned(), 1), ("vim".to_owned(), 1)];
    assert_eq!(counts(9).await, expected);
    assert_eq!(counts(1).await, expected[..1]);
    let far = Timestamp::now().checked_add(SignedDuration::from_hours(9999)).unwrap();
    store.mark_logs_deleted(&["1".to_owned(), "2".to_owned()], far, 0).await.unwrap();
    assert_eq!(store.delete_expired(far, 10, 0).await.unwrap(), 2);
    assert_eq!(counts(9).await, expected);
}

#[tokio::test]
async fn builds_with_a_private_script_are_not_counted() {
    let (_database, store) = database().await;
    let script = DefaultsDigest { sha256: asu_core::digest::Digest::of(b"x"), length: 1 };
    let private = Request { defaults: Some(script), ..request("device", &["secret-package"]) };
    archive(&store, "1", private).await;
    assert_eq!(store.popular_packages(9).await.unwrap(), []);
    assert_eq!(store.image_totals().await.unwrap(), ImageTotals::default());
}

#[tokio::test]
async fn programs_of_clients_are_added_up_by_day_and_old_days_are_deleted() {
    let (_database, store) = database().await;
    let counter = |client: Option<&str>, count| Counter {
        at: Timestamp::now(),
        kind: CounterKind::Client,
        request_hash: None,
        client: client.map(Arc::from),
        count,
    };
    store.record_counters(&[counter(Some("owut/1"), 2), counter(Some("a\0b"), 1)]).await.unwrap();
    assert_eq!(store.fold_clients(0).await.unwrap(), 2);
    store.record_counters(&[counter(Some("owut/1"), 3)]).await.unwrap();
    assert_eq!(store.fold_clients(0).await.unwrap(), 1);
    assert_eq!(store.fold_clients(0).await.unwrap(), 0);
    let yesterday = Timestamp::now().checked_sub(SignedDuration::from_hours(24)).unwrap();
    assert_eq!(store.delete_old_statistics(yesterday, 0).await.unwrap(), 0);
    let tomorrow = Timestamp::now().checked_add(SignedDuration::from_hours(24)).unwrap();
    assert_eq!(store.delete_old_statistics(tomorrow, 0).await.unwrap(), 2);
}

#[tokio::test]
async fn packages_and_builds_of_a_day_are_counted_by_branch_and_version() {
    let (_database, store) = database().await;
    let of = |version: &str, packages: &[&str]| Request {
        version: version.into(),
        ..request("device", packages)
    };
    archive(&store, "1", of("24.10.7", &["luci", "-ppp"])).await;
    archive(&store, "2", of("24.10-SNAPSHOT", &["luci", "vim"])).await;
    archive(&store, "3", of("25.12.1", &["vim"])).await;
    let top = async |branch| {
        let top = store.top_packages(branch, 30, 9).await.unwrap();
        top.into_iter().map(|count| (count.package, count.builds)).collect::<Vec<_>>()
    };
    let named = |name: &str, builds| (name.to_owned(), builds);
    assert_eq!(top(None).await, [named("luci", 2), named("vim", 2)]);
    assert_eq!(top(Some("24.10")).await, [named("luci", 2), named("vim", 1)]);
    assert_eq!(top(Some("%")).await, []);
    let counter = Counter {
        at: Timestamp::now(),
        kind: CounterKind::Client,
        request_hash: None,
        client: None,
        count: 7,
    };
    store.record_counters(&[counter]).await.unwrap();
    store.fold_clients(0).await.unwrap();
    let days = store.days(30).await.unwrap();
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].days_ago, days[0].requests, days[0].builds), (0, 7, 3));
    assert_eq!(store.weeks(26).await.unwrap(), [], "no build made an image");
    assert_eq!(store.images_of_a_day().await.unwrap(), 0);
}

#[tokio::test]
async fn packages_of_days_that_no_answer_needs_are_deleted() {
    let (_database, store) = database().await;
    let days_ago =
        |days: i64| Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    for (uid, days) in [("1", 40), ("2", 1)] {
        let ending = Ending::Failed(Failure::new(FailureReason::Cancelled, "no"));
        let build = record(uid, request("device", &["luci"]), ending, days_ago(days));
        store.archive(&build, 0).await.unwrap();
    }
    assert_eq!(store.delete_old_statistics(days_ago(400), 0).await.unwrap(), 1);
    assert_eq!(store.top_packages(None, 31, 9).await.unwrap()[0].builds, 1);
    assert_eq!(store.days(30).await.unwrap().len(), 1);
}
