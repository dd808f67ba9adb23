//! The operator is interrupted while builds run: each is finished once and archived once.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use asu_crds::BuildCondition;
use asu_tests::scenario::{Ended, Row, System, WITHIN, Workload, condition_of};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, EvictParams, Patch, PatchParams},
};
use serde_json::json;

/// What holds of every build that was interrupted: one object, one pod ever, one row.
async fn finished_once(system: &System, uid: &str, ended: &Ended) {
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!(ended.uid(), uid, "another build was made");
    assert_eq!(ended.attempt(), 1, "{:?}", ended.build.status);
    let pods = system.pods_ever(&ended.build).await.unwrap();
    assert_eq!(pods.len(), 1, "{pods:?}");
    let expected =
        Row { outcome: "Succeeded".into(), reason: String::new(), attempt: "1".into(), log: true };
    assert_eq!(system.row(uid).await.unwrap(), expected);
    system.router.images(&ended.answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_continues_a_build_when_the_leader_is_killed() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow"]).await.unwrap();
    let leader = system.leader().await.unwrap();
    assert_eq!(system.kill(&leader).unwrap(), 1, "the leader has one process");
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    finished_once(&system, &build.uid().unwrap(), &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_continues_when_every_operator_is_killed() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow"]).await.unwrap();
    for pod in system.pods_of(Workload::Operator).await.unwrap() {
        assert_eq!(system.kill(&pod).unwrap(), 1, "{} has one process", pod.name_any());
    }
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    finished_once(&system, &build.uid().unwrap(), &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_archived_once_if_the_leader_is_killed_after_its_result() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow-5"]).await.unwrap();
    // Without a database the result is in the store, and cannot be archived.
    system
        .without(Workload::Postgres, async {
            system
                .until_build("it waits for the database", &posted, WITHIN, |build| {
                    condition_of(build, BuildCondition::Archived).1 == "DatabaseUnavailable"
                })
                .await
                .unwrap();
            for pod in system.pods_of(Workload::Operator).await.unwrap() {
                system.kill(&pod).unwrap();
            }
        })
        .await
        .unwrap();
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    finished_once(&system, &build.uid().unwrap(), &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_build_whose_job_was_deleted_is_archived_and_not_built_again() {
    let system = System::attach().await.unwrap();
    let posted = system.router.post(&system.request(&["fixture-slow-5"])).await.unwrap();
    let build = system.admitted(&posted).await.unwrap();
    let job = build.status.as_ref().unwrap().job_name.clone().unwrap();
    system
        .without(Workload::Operator, async {
            system
                .until("the Job is complete", WITHIN, || async {
                    let status = system.jobs().get(&job).await?.status.unwrap_or_default();
                    let complete = status.completion_time.is_some();
                    Ok(if complete { Ok(()) } else { Err(format!("{status:?}")) })
                })
                .await
                .unwrap();
            system.jobs().delete(&job, &DeleteParams::background()).await.unwrap();
            system
                .until("Job and pod are gone", WITHIN, || async {
                    let job = system.jobs().get_opt(&job).await?.is_some();
                    let pods = system.pods_of_build(&build).await?.len();
                    let gone = !job && pods == 0;
                    Ok(if gone { Ok(()) } else { Err(format!("job: {job}, pods: {pods}")) })
                })
                .await
                .unwrap();
        })
        .await
        .unwrap();
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    finished_once(&system, &build.uid().unwrap(), &ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_running_job_starts_another_attempt() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow"]).await.unwrap();
    let job = build.status.as_ref().unwrap().job_name.clone().unwrap();
    system.jobs().delete(&job, &DeleteParams::background()).await.unwrap();
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!(ended.uid(), build.uid().unwrap());
    assert_eq!(ended.attempt(), 2, "{:?}", ended.build.status);
    assert_eq!(system.row(&ended.uid()).await.unwrap().outcome, "Succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn evicting_a_pod_starts_another_attempt() {
    let system = System::attach().await.unwrap();
    let (posted, build, pod) = system.started(&["fixture-slow"]).await.unwrap();
    system.pods().evict(&pod.name_any(), &EvictParams::default()).await.unwrap();
    let told = system
        .until_build("the next attempt", &posted, WITHIN, |build| {
            build.status.as_ref().is_some_and(|status| status.attempt == Some(2))
        })
        .await
        .unwrap();
    assert_eq!(told.uid(), build.uid());
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!((ended.uid(), ended.attempt()), (build.uid().unwrap(), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_build_has_no_place_and_continues_when_resumed() {
    let system = System::attach().await.unwrap();
    let (posted, build, _) = system.started(&["fixture-slow"]).await.unwrap();
    let job = build.status.as_ref().unwrap().job_name.clone().unwrap();
    let suspend = |on: bool| Patch::Merge(json!({ "spec": { "suspend": on } }));
    system.jobs().patch(&job, &PatchParams::default(), &suspend(true)).await.unwrap();
    system.no_pods_of_build(&build).await.unwrap();
    system
        .until_build("it has no place", &posted, WITHIN, |build| {
            let reason = build.status.as_ref().and_then(|status| status.reason.as_deref());
            let admitted = condition_of(build, BuildCondition::Admitted).0;
            (reason, admitted.as_str()) == (Some("Suspended"), "False")
        })
        .await
        .unwrap();
    system.jobs().patch(&job, &PatchParams::default(), &suspend(false)).await.unwrap();
    let ended = system.end_of(posted, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!((ended.uid(), ended.attempt()), (build.uid().unwrap(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_build_that_is_deleted_is_cancelled_and_its_log_kept() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-slow-60"]);
    let posted = system.router.post(&request).await.unwrap();
    let (build, _) = system.running(&posted).await.unwrap();
    system
        .until_build("make runs", &posted, WITHIN, |build| {
            let stage = build.status.as_ref().and_then(|status| status.stage.as_deref());
            stage == Some("building_image")
        })
        .await
        .unwrap();
    let name = build.name_any();
    let delete = ["delete", "fwb", &name, "-n", asu_tests::deploy::NAMESPACE, "--timeout=120s"];
    system.site.kubectl(&delete).await.unwrap();
    let row = system.row(&build.uid().unwrap()).await.unwrap();
    assert_eq!((row.outcome.as_str(), row.reason.as_str()), ("Cancelled", "Cancelled"));
    let hash = posted.text("request_hash");
    let (status, text) = system.log_of(hash).await.unwrap();
    assert!(row.log && status == 200 && !text.trim().is_empty(), "the log is not kept: {text}");
    let polled = system.router.get(hash).await.unwrap();
    assert_eq!(polled.status, 500, "{}", polled.body);
    assert_eq!(polled.body["reason"], json!("Cancelled"));
    system.no_pods_of_build(&build).await.unwrap();
    let again = system.router.post(&request).await.unwrap();
    assert_eq!(again.status, 202, "a cancelled build was kept as an answer: {}", again.body);
    let fresh = system.build_of(&again).await.unwrap().unwrap();
    assert_ne!(fresh.uid(), build.uid());
    system.site.kubectl(&delete).await.unwrap();
}
