//! The database goes away and comes back: builds end, records follow, and every route of the API
//! answers for itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use asu_crds::BuildCondition;
use asu_tests::{
    router::Answer,
    scenario::{System, WITHIN, Workload, condition_of},
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::json;

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What a route answers that cannot do without the database.
fn says_to_come_back(route: &str, answer: &Answer) {
    assert_eq!(answer.status, 503, "{route}: {}", answer.body);
    assert_eq!(answer.body["status"], json!(503), "{route}");
    assert!(answer.text("detail").contains("database"), "{route}: {}", answer.body);
    let seconds = answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap();
    assert!(seconds > 0, "{route}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_ends_without_the_database_is_archived_later() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow-5"]).await.unwrap();
    let hash = posted.text("request_hash").to_owned();
    system
        .without(Workload::Postgres, async {
            let waits = system
                .until_build("it waits for the database", &posted, WITHIN, |build| {
                    condition_of(build, BuildCondition::Archived).1 == "DatabaseUnavailable"
                })
                .await
                .unwrap();
            assert_eq!(condition_of(&waits, BuildCondition::Archived).0, "False");
            assert_eq!(condition_of(&waits, BuildCondition::Succeeded).0, "True");
            // Its outcome is not known to the API before it is archived.
            let polled = system.router.get(&hash).await.unwrap();
            assert_eq!(polled.status, 202, "{}", polled.body);
        })
        .await
        .unwrap();
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!((ended.uid(), ended.attempt()), (build.uid().unwrap(), 1));
    assert_eq!(system.row(&ended.uid()).await.unwrap().outcome, "Succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_only_routes_that_need_it_fail_and_all_replicas_stay_ready() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-hello"]);
    let before = system.router.build(&request, WITHIN, |_| {}).await.unwrap();
    let restarts = restarts(&system).await;
    system
        .without(Workload::Postgres, async {
            let posted = system.router.post(&system.request(&[])).await.unwrap();
            says_to_come_back("POST of a new request", &posted);
            let unknown = system.router.get(&"0".repeat(64)).await.unwrap();
            says_to_come_back("GET of an unknown hash", &unknown);
            let log = format!("/api/v1/build/{}/log", before.text("request_hash"));
            let log = system.router.ask(reqwest::Method::GET, &log, None).await.unwrap();
            says_to_come_back("GET of a log", &log);
            let refused = system.router.post(&json!({"version": "1.2.3"})).await.unwrap();
            assert!(matches!(refused.status, 400 | 422), "{}", refused.body);
            let overview = system.router.text("/json/v1/overview.json").await.unwrap();
            assert_eq!(overview.0, 200, "{}", overview.1);
            for pod in system.pods_of(Workload::Api).await.unwrap() {
                assert!(is_ready(&pod), "{} is not ready", pod.name_any());
            }
        })
        .await
        .unwrap();
    let again = system
        .until("the API answers again", WITHIN, || async {
            let answer = system.router.post(&request).await?;
            if answer.status != 200 {
                return Ok(Err(answer.body.to_string()));
            }
            // Each replica finds the database again by itself, and files need it more than answers.
            let images = system.router.images(&answer).await;
            Ok(images.map(|_| answer).map_err(|error| error.to_string()))
        })
        .await
        .unwrap();
    assert_eq!(again.body["images"], before.body["images"]);
    assert_eq!(restarts, self::restarts(&system).await, "a replica of the API was restarted");
}

/// Restarts of every replica of the API.
async fn restarts(system: &System) -> Vec<(String, i32)> {
    let pods = system.pods_of(Workload::Api).await.unwrap();
    let mut all: Vec<(String, i32)> = pods
        .iter()
        .map(|pod| {
            let statuses =
                pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
            (
                pod.name_any(),
                statuses.unwrap_or_default().iter().map(|status| status.restart_count).sum(),
            )
        })
        .collect();
    all.sort();
    all
}
