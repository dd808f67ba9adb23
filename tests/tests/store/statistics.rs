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
