//! A request on the deployed system, from POST to the bytes of the image.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use std::time::Duration;

use asu_tests::{deploy::NAMESPACE, image::Rootfs, router::Answer, scenario::System};
use futures::future::join_all;
use kube::api::ListParams;
use reqwest::Method;
use serde_json::{Value, json};

/// A cache may have to be filled first, on a machine that does other things.
const WITHIN: Duration = Duration::from_mins(4);

async fn built(system: &System, request: &Value) -> Answer {
    system.router.build(request, WITHIN, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_the_requested_package_and_the_first_boot_script() {
    let system = System::attach().await.unwrap();
    let script = "#!/bin/sh\nuci set system.@system[0].hostname=private-7f1c\n";
    let mut request = system.request(&["fixture-hello"]);
    request["defaults"] = json!(script);
    let answer = built(&system, &request).await;
    let images = system.router.images(&answer).await.unwrap();
    let image = images.iter().find(|image| image.name.contains("sysupgrade")).unwrap();
    let root = Rootfs::of(&image.bytes).await.unwrap();
    assert!(root.path("usr/bin/hello").exists());
    assert_eq!(root.text("etc/uci-defaults/99-asu-defaults").as_deref(), Some(script));
    assert_eq!(root.set_ids().unwrap(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_log_or_table_contains_the_text_of_a_first_boot_script() {
    let system = System::attach().await.unwrap();
    let secret = "swordfish-91aa04";
    let mut request = system.request(&["fixture-hello"]);
    request["defaults"] = json!(format!("echo {secret} > /etc/secret\n"));
    let posted = system.router.post(&request).await.unwrap();
    system
        .until_build("the build has a Job", &posted, WITHIN, |build| {
            build.status.as_ref().is_some_and(|status| status.job_name.is_some())
        })
        .await
        .unwrap();
    let during = everything(&system).await;
    let answer = built(&system, &request).await;
    for (what, text) in during {
        assert!(!text.contains(secret), "{what} tells the script");
    }
    nothing_tells(&system, &answer, secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_private_build_does_not_reveal_its_script() {
    let system = System::attach().await.unwrap();
    let secret = "swordfish-0c77e2";
    let mut request = system.request(&["fixture-badpostinst"]);
    request["defaults"] = json!(format!("echo {secret} > /etc/secret\n"));
    let ended = system.end(&request, WITHIN).await.unwrap();
    assert_eq!((ended.answer.status, ended.reason()), (500, "PackageScript"));
    nothing_tells(&system, &ended.answer, secret).await;
}

/// Nothing that is left of a build has the secret, but its images, into which it belongs.
async fn nothing_tells(system: &System, answer: &Answer, secret: &str) {
    for (what, text) in everything(system).await {
        assert!(!text.contains(secret), "{what} tells the script");
    }
    assert!(!answer.body.to_string().contains(secret), "the answer tells the script");
    let (status, log) = system.log_of(answer.text("request_hash")).await.unwrap();
    assert_eq!(status, 200);
    assert!(!log.contains(secret), "the log tells the script");
    let folder = system.folder_of_claim("asu-store").await.unwrap();
    let results = folder.join("results");
    let mut seen = 0;
    for entry in std::fs::read_dir(&results).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(secret), "a result tells the script");
        seen += 1;
    }
    assert!(seen > 0, "{} has no result", results.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_with_two_slashes_reach_the_same_route_through_the_ingress() {
    let system = System::attach().await.unwrap();
    let answer = built(&system, &system.request(&["fixture-hello"])).await;
    let path = format!("//api/v1/build/{}", answer.text("request_hash"));
    let same = system.router.ask(Method::GET, &path, None).await.unwrap();
    assert_eq!((same.status, same.text("bin_dir")), (200, answer.text("bin_dir")));
}

/// Texts in which nothing private may be.
async fn everything(system: &System) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for kind in ["fwb", "jobs", "pods", "events", "configmaps"] {
        let text =
            system.site.kubectl(&["get", kind, "-n", NAMESPACE, "-o", "yaml"]).await.unwrap();
        texts.push((format!("kubectl get {kind}"), text));
    }
    for pod in system.pods().list(&ListParams::default()).await.unwrap() {
        let name = pod.metadata.name.unwrap_or_default();
        let args = ["logs", "-n", NAMESPACE, &name, "--all-containers", "--ignore-errors"];
        // A pod that goes meanwhile has no log to leak.
        let text = system.site.kubectl(&args).await.unwrap_or_default();
        texts.push((format!("log of {name}"), text));
    }
    let dump = system
        .site
        .kubectl(&[
            "exec",
            "-n",
            NAMESPACE,
            "statefulset/asu-postgres",
            "--",
            "sh",
            "-c",
            "pg_dump -U \"$POSTGRES_USER\" \"$POSTGRES_DB\"",
        ])
        .await
        .unwrap();
    assert!(dump.contains("CREATE TABLE"), "the dump is empty");
    texts.push(("pg_dump".to_owned(), dump));
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_build_is_answered_at_once_and_without_a_second_job() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-hello"]);
    let first = built(&system, &request).await;
    let again = system.router.post(&request).await.unwrap();
    assert_eq!(again.status, 200);
    assert_eq!(again.text("request_hash"), first.text("request_hash"));
    let polled = system.router.get(first.text("request_hash")).await.unwrap();
    assert_eq!(polled.status, 200);
    assert_eq!(polled.body["images"], first.body["images"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_and_its_profile_are_one_build() {
    let system = System::attach().await.unwrap();
    let mut request = system.request(&[]);
    request["profile"] = json!("acme,router-b");
    let by_alias = system.router.post(&request).await.unwrap();
    request["profile"] = json!("acme_router-b");
    let by_id = system.router.post(&request).await.unwrap();
    assert_eq!(by_alias.status, 202, "{}", by_alias.body);
    assert_eq!(by_alias.text("request_hash"), by_id.text("request_hash"));
    let answer = built(&system, &request).await;
    assert_eq!(answer.text("id"), "acme_router-b");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_with_a_reason_and_make_no_object() {
    let system = System::attach().await.unwrap();
    let base = system.request(&[]);
    let with = |field: &str, value: Value| {
        let mut request = base.clone();
        request[field] = value;
        request
    };
    let cases = [
        (with("version", json!("1.2.3")), 400, "1.2.3"),
        (with("target", json!("no/such")), 400, "no/such"),
        (with("profile", json!("nothing")), 400, "nothing"),
        (with("profile", json!("acme,router-rev1")), 400, "acme_router-a"),
        (with("distro", json!("other")), 400, "other"),
        (with("packages", json!(["$(id)"])), 422, "packages"),
        (with("packages", json!("luci")), 422, "packages"),
        (with("rootfs_size_mb", json!(0)), 422, "rootfs_size_mb"),
        (with("repositories", json!({"x": "https://example.org/x"})), 400, "https://example.org/x"),
        (json!([]), 422, ""),
    ];
    let before = system.builds().list(&ListParams::default()).await.unwrap().items.len();
    for (request, status, mentions) in cases {
        let answer = system.router.post(&request).await.unwrap();
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
        assert_eq!(answer.body["status"], json!(status), "{request}");
        assert!(answer.text("detail").contains(mentions), "{request}: {}", answer.body);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
    let large = with("defaults", json!("x".repeat(300 * 1024)));
    assert_eq!(system.router.post(&large).await.unwrap().status, 413);
    let after = system.builds().list(&ListParams::default()).await.unwrap().items.len();
    assert!(after <= before, "a refused request made an object");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_identical_requests_are_one_build_and_one_job() {
    let system = System::attach().await.unwrap();
    let request = system.request(&["fixture-slow-5"]);
    let answers = join_all((0..200).map(|_| system.router.post(&request))).await;
    let hashes: std::collections::BTreeSet<String> = answers
        .into_iter()
        .map(|answer| {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 202, "{}", answer.body);
            answer.text("request_hash").to_owned()
        })
        .collect();
    assert_eq!(hashes.len(), 1);
    let posted = system.router.post(&request).await.unwrap();
    let build = system
        .until_build("the build has a Job", &posted, WITHIN, |build| {
            build.status.as_ref().is_some_and(|status| status.job_name.is_some())
        })
        .await
        .unwrap();
    let selector = format!("asu.dev/build={}", build.metadata.name.unwrap());
    let jobs = system.jobs().list(&ListParams::default().labels(&selector)).await.unwrap();
    assert_eq!(jobs.items.len(), 1);
    built(&system, &request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_served_completely_in_parts_and_for_head() {
    let system = System::attach().await.unwrap();
    let answer = built(&system, &system.request(&["fixture-hello"])).await;
    let image = system.router.images(&answer).await.unwrap().remove(0);
    let base = system.site.url().await.unwrap();
    let url = format!("{base}/store/{}/{}?1763930000000", answer.text("bin_dir"), image.name);
    let http = reqwest::Client::new();
    let head = http.head(&url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], image.bytes.len().to_string().as_str());
    assert!(head.headers()["etag"].to_str().unwrap().contains(&image.sha256));
    let part = http.get(&url).header("range", "bytes=4-11").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), image.bytes.slice(4..12));
    let beyond = http.get(&url).header("range", "bytes=999999999-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    let etag = head.headers()["etag"].clone();
    let same = http.get(&url).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(same.status(), 304);
    for outside in ["../results", "%2e%2e/logs", "no-such-file"] {
        let path = format!("/store/{}/{outside}", answer.text("bin_dir"));
        let missing = system.router.ask(Method::GET, &path, None).await.unwrap();
        assert_eq!(missing.status, 404, "{outside}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_waits_for_a_build_and_shows_its_progress() {
    let system = System::attach().await.unwrap();
    let posted = system.router.post(&system.request(&["fixture-slow-5"])).await.unwrap();
    let build = system.until_build("the object is there", &posted, WITHIN, |_| true).await.unwrap();
    let name = format!("fwb/{}", build.metadata.name.unwrap());
    let wait = ["wait", "-n", NAMESPACE, "--for=condition=Ready", &name, "--timeout=240s"];
    system.site.kubectl(&wait).await.unwrap();
    let row = system.site.kubectl(&["get", &name, "-n", NAMESPACE, "-o", "wide"]).await.unwrap();
    assert!(row.contains("Succeeded"), "{row}");
    let table =
        system.site.kubectl(&["get", "dist,ibc", "-n", NAMESPACE, "-o", "wide"]).await.unwrap();
    assert!(table.contains("Ready"), "{table}");
    let events = system.site.kubectl(&["describe", &name, "-n", NAMESPACE]).await.unwrap();
    for step in ["Admitted", "Succeeded"] {
        assert!(events.contains(step), "{step} is missing in\n{events}");
    }
}
