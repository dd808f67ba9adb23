//! What was built most often.

use asu_core::{
    failure::{Failure, FailureReason},
    request::Request,
};
use asu_store::model::Ending;
use asu_tests::given::{database, record, request};
use jiff::Timestamp;

#[tokio::test]
async fn the_most_used_targets_of_some_versions_come_first_and_are_limited() {
    let (_database, store) = database().await;
    let built = [
        ("24.10.1", "a/rare"),
        ("24.10.1", "b/often"),
        ("24.10.0", "b/often"),
        ("24.10.0", "c/often"),
        ("24.10.1", "c/often"),
        ("23.05.5", "a/rare"),
        ("23.05.5", "a/rare"),
    ];
    for (at, (version, target)) in built.into_iter().enumerate() {
        let request = Request {
            version: version.to_owned(),
            target: target.parse().unwrap(),
            ..request("device", &["luci"])
        };
        let ending = Ending::Failed(Failure::new(FailureReason::Cancelled, "cancelled"));
        let new = record(&at.to_string(), request, ending, Timestamp::now());
        store.archive(&new, 0).await.unwrap();
    }
    let name = request("device", &[]).distribution;
    let branch = ["24.10.0".to_owned(), "24.10.1".to_owned()];
    let used = async |limit| store.most_used_targets(&name, &branch, limit).await.unwrap();
    assert_eq!(used(2).await, ["b/often", "c/often"]);
    assert_eq!(used(9).await, ["b/often", "c/often", "a/rare"]);
    assert_eq!(store.most_used_targets("other", &branch, 9).await.unwrap(), [""; 0]);
}
