//! Two replicas of the API and its crashes: one request is one build, whoever is asked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use asu_tests::{
    deploy::NAMESPACE,
    image::Rootfs,
    scenario::{System, WITHIN, Workload},
};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

/// Requests that are posted at one replica and asked for at the other.
const ROUNDS: usize = 12;

async fn replicas(system: &System) -> [String; 2] {
    let pods = system.pods_of(Workload::Api).await.unwrap();
    let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
    names.try_into().unwrap_or_else(|names| panic!("there must be two replicas: {names:?}"))
}

/// Deletes the builds of these hashes; their Jobs go with them.
async fn cancel(system: &System, hashes: &[String]) {
    for hash in hashes {
        let params = ListParams::default().fields(&format!("spec.requestHash={hash}"));
        for build in system.builds().list(&params).await.unwrap() {
            let name = build.name_any();
            system.builds().delete(&name, &DeleteParams::background()).await.unwrap();
        }
    }
    for hash in hashes {
        let params = ListParams::default().fields(&format!("spec.requestHash={hash}"));
        system
            .until("the build is gone", WITHIN, || async {
                let left = system.builds().list(&params).await?.items.pop();
                Ok(left.map_or(Ok(()), |build| Err(format!("{:?}", build.status))))
            })
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_one_replica_is_known_to_the_other_at_once() {
    let system = System::attach().await.unwrap();
    let [a, b] = replicas(&system).await;
    let mut hashes = Vec::new();
    let mut answers = Vec::new();
    for round in 0..ROUNDS {
        let (one, other) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let request = system.request(&["fixture-slow-60"]);
        let post = system.ask_pod(one, Method::POST, "/api/v1/build", Some(&request));
        let posted = post.await.unwrap();
        assert_eq!(posted.status, 202, "{}", posted.body);
        let hash = posted.text("request_hash").to_owned();
        let path = format!("/api/v1/build/{hash}");
        answers.push(system.ask_pod(other, Method::GET, &path, None).await.unwrap());
        hashes.push(hash);
    }
    cancel(&system, &hashes).await;
    for (answer, hash) in answers.iter().zip(&hashes) {
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(answer.text("request_hash"), hash);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_equal_requests_to_both_replicas_create_one_build() {
    let system = System::attach().await.unwrap();
    let [a, b] = replicas(&system).await;
    for _ in 0..5 {
        let request = system.request(&["fixture-slow-60"]);
        let post = |pod| system.ask_pod(pod, Method::POST, "/api/v1/build", Some(&request));
        let (one, other) = tokio::join!(post(&a), post(&b));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.status, other.status), (202, 202), "{} {}", one.body, other.body);
        let hash = one.text("request_hash").to_owned();
        assert_eq!(hash, other.text("request_hash"));
        let params = ListParams::default().fields(&format!("spec.requestHash={hash}"));
        assert_eq!(system.builds().list(&params).await.unwrap().items.len(), 1);
        let build = system.admitted(&one).await.unwrap();
        let selector = format!("asu.dev/build={}", build.name_any());
        let jobs = system.jobs().list(&ListParams::default().labels(&selector)).await.unwrap();
        assert_eq!(jobs.items.len(), 1);
        cancel(&system, &[hash]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_creates_a_missing_secret() {
    let system = System::attach().await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(system.client.clone(), NAMESPACE);
    let script = "#!/bin/sh\nuci set system.@system[0].hostname=healed-3d51\n";
    let mut request = system.request(&["fixture-hello"]);
    request["defaults"] = json!(script);
    // With nobody to build it, what an API leaves that dies between its two writes stands still:
    // the object without its Secret.
    let first = system
        .without(Workload::Operator, async {
            let posted = system.router.post(&request).await.unwrap();
            assert_eq!(posted.status, 202, "{}", posted.body);
            let build = system.build_of(&posted).await.unwrap().unwrap();
            let secret = build.spec.request.defaults.clone().unwrap().secret_name;
            secrets.delete(&secret, &DeleteParams::default()).await.unwrap();
            assert!(secrets.get_metadata_opt(&secret).await.unwrap().is_none());
            (build, secret)
        })
        .await
        .unwrap();
    let (build, secret) = first;
    let waiting = ["wait", "-n", NAMESPACE, "--timeout=60s"];
    let condition = "--for=jsonpath={.status.reason}=WaitingForDefaults";
    let name = format!("fwb/{}", build.name_any());
    let arguments: Vec<&str> = waiting.into_iter().chain([condition, name.as_str()]).collect();
    system.site.kubectl(&arguments).await.unwrap();
    let again = system.router.post(&request).await.unwrap();
    assert_eq!(again.status, 202, "{}", again.body);
    let made = secrets.get_metadata(&secret).await.unwrap();
    assert_eq!(made.metadata.owner_references.unwrap()[0].uid, build.uid().unwrap());
    let ended = system.end_of(again, WITHIN).await.unwrap();
    assert_eq!(ended.answer.status, 200, "{}", ended.answer.body);
    assert_eq!(ended.uid(), build.uid().unwrap(), "another build was made");
    let images = system.router.images(&ended.answer).await.unwrap();
    let image = images.iter().find(|image| image.name.contains("sysupgrade")).unwrap();
    let root = Rootfs::of(&image.bytes).await.unwrap();
    assert_eq!(root.text("etc/uci-defaults/99-asu-defaults").as_deref(), Some(script));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_succeed_while_a_replica_is_killed() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-slow-5"]);
    let posted = system.router.post(&request).await.unwrap();
    let pod = system.pods_of(Workload::Api).await.unwrap().remove(0);
    assert_eq!(system.kill(&pod).unwrap(), 1, "a replica has one process");
    // The ingress may still send to it for a moment; a client tries again.
    let ended = system
        .until("the build is answered", WITHIN, || async {
            Ok(match system.router.get(posted.text("request_hash")).await {
                Ok(answer) if answer.status == 200 => Ok(answer),
                Ok(answer) => Err(answer.body.to_string()),
                Err(error) => Err(error.to_string()),
            })
        })
        .await
        .unwrap();
    system.router.images(&ended).await.unwrap();
    let object = format!("pod/{}", pod.name_any());
    let wait = ["wait", "-n", NAMESPACE, "--for=condition=Ready", &object, "--timeout=120s"];
    system.site.kubectl(&wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_succeed_while_replicas_are_replaced() {
    let system = System::attach().await.unwrap();
    let restart = ["rollout", "restart", "-n", NAMESPACE, "deployment/asu-api"];
    system.site.kubectl(&restart).await.unwrap();
    let status = ["rollout", "status", "-n", NAMESPACE, "deployment/asu-api", "--timeout=120s"];
    let rollout = async {
        system.site.kubectl(&status).await.unwrap();
        // The old ones go on for a while.
        system
            .until("the old replicas are gone", WITHIN, || async {
                let left = system.pods_of(Workload::Api).await?.len();
                Ok(if left == 2 { Ok(()) } else { Err(format!("{left} pods")) })
            })
            .await
            .unwrap();
    };
    let asking = async {
        loop {
            let (status, text) = system.router.text("/json/v1/overview.json").await.unwrap();
            assert_eq!(status, 200, "{text}");
        }
    };
    tokio::select! {
        () = rollout => {}
        () = asking => {}
    }
}
