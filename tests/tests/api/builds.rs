//! POST and GET of builds.

use asu_core::{
    build_key::BuildKey, failure::FailureReason, request::Request, request_hash::request_hash,
    retention::Deletion,
};
use asu_crds::{BuildCondition, labels};
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::{
    harness::{World, request, until},
    samples::{self, body, in_minutes, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_post_creates_one_object_with_its_validation_data() {
    let (world, api) = World::with_replica().await;
    let answer = api.post(&body()).await;
    assert_eq!(answer.status, 202, "{}", answer.json);
    assert_eq!(answer.json["detail"], "queued");
    assert_eq!(answer.json["queue_position"], 0);
    assert_eq!(answer.header("x-imagebuilder-status"), "queued");
    assert_eq!(answer.header("x-queue-position"), "0");
    assert_eq!(answer.header("cache-control"), "no-store");
    let hash = answer.hash();
    assert_eq!(hash, request_hash(&request()).to_string());
    let object = world.object(&hash).await;
    assert_eq!(object.spec.request_hash, hash);
    assert_eq!(object.spec.request.to_request().unwrap(), request());
    let validated = object.spec.validated.unwrap();
    assert_eq!(validated.version_code, "r29197-ab4c7d6af7");
    assert_eq!(validated.catalog_revision, 1);
    assert_eq!(object.metadata.finalizers.unwrap(), [labels::ARCHIVE_FINALIZER]);
    // Another spelling of the same request.
    let again = api.post(&with("profile", json!("alias_a"))).await;
    assert_eq!((again.status, again.hash()), (202, hash.clone()));
    assert_eq!(api.state(&hash).await.status, 202);
    assert_eq!(world.objects().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_equal_posts_to_two_replicas_create_one_object() {
    let world = World::new().await;
    let (a, b) = (world.replica().await, world.replica().await);
    let body = body();
    let posts = (0..100).map(|n| if n % 2 == 0 { a.post(&body) } else { b.post(&body) });
    let answers = futures::future::join_all(posts).await;
    for answer in &answers {
        assert_eq!(answer.status, 202, "{}", answer.json);
        assert_eq!(answer.hash(), answers[0].hash());
    }
    assert_eq!(world.objects().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_build_has_a_stage_and_no_position() {
    let (world, api) = World::with_replica().await;
    let first = api.post(&body()).await.hash();
    let second = api.post(&with("packages", json!(["nano"]))).await;
    // Objects of the same second are in the order of their uids, and the watch may lag behind.
    until("two places in the queue", async || {
        let mut positions = Vec::new();
        for hash in [&first, &second.hash()] {
            positions.push(api.state(hash).await.json["queue_position"].as_u64()?);
        }
        positions.sort_unstable();
        (positions == [0, 1]).then_some(())
    })
    .await;
    world.set_status(&first, &[BuildCondition::Admitted], Some("building_image")).await;
    let answer = until("the stage", async || {
        let answer = api.state(&first).await;
        (answer.json["detail"] == "started").then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json["imagebuilder_status"], "building_image");
    assert_eq!(answer.json.get("queue_position"), None);
    assert_eq!(answer.header("x-imagebuilder-status"), "building_image");
    let head = api.send(api.http.head(api.url(&format!("/api/v1/build/{first}")))).await;
    assert_eq!((head.status, head.bytes.len()), (202, 0));
    assert_eq!(head.header("x-imagebuilder-status"), "building_image");
    assert_eq!(head.header("content-length"), answer.bytes.len().to_string());
    assert_eq!(api.state(&second.hash()).await.json["queue_position"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_have_their_status_and_create_nothing() {
    let (world, api) = World::with_replica().await;
    for (body, status, detail) in [
        (json!({}), 422, "version: is required; target: is required; profile: is required"),
        (json!([]), 422, "body: must be a JSON object"),
        (with("packages", json!(["$(id)"])), 422, "packages: \"$(id)\" is not a package name"),
        (with("rootfs_size_mb", json!(1025)), 422, "rootfs_size_mb: must be from 1 to 1024"),
        (with("distro", json!("other")), 400, "Unsupported distro: other"),
        (with("version", json!("1.2.3")), 400, "Unsupported branch: 1.2.3"),
        (with("version", json!("24.10.9")), 400, "Unsupported version: 24.10.9"),
        (
            with("repositories", json!({"a": "https://evil.example/x"})),
            400,
            "Repository not allowed: https://evil.example/x",
        ),
        (
            with("version_code", json!("r1-0000000000")),
            400,
            "version_code: Received incorrect version r29197-ab4c7d6af7 (requested r1-0000000000)",
        ),
        (
            with("repositories", json!({"openwrt_base": "https://evil.example/x"})),
            422,
            "repositories: openwrt_base is kept for the feeds of the distribution itself, choose another name",
        ),
        (
            with("repository_keys", json!(["this is no key"])),
            422,
            "repository_keys: there are no repositories that they could be for",
        ),
    ] {
        let answer = api.post(&body).await;
        assert_eq!((answer.status, answer.json["detail"].as_str().unwrap()), (status, detail));
    }
    for (field, value, part) in [
        ("target", "x86/64", "Unsupported target: x86/64."),
        ("profile", "no,such", "Unsupported profile: no_such."),
        ("profile", "shared,name", "choose one of: dev_a, dev_b"),
    ] {
        let answer = api.post(&with(field, json!(value))).await;
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(answer.status == 400 && detail.contains(part), "{}", answer.json);
    }
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_waiting_builds_than_allowed_refuse_new_requests_but_answer_known_ones() {
    let world = World::new().await;
    let api = world.ready_replica(&["--max-pending=1"]).await;
    let known = api.post(&body()).await;
    assert_eq!(known.status, 202);
    assert_eq!(api.post(&with("packages", json!(["a"]))).await.status, 202);
    let refused = api.post(&with("packages", json!(["b"]))).await;
    assert_eq!(refused.status, 529);
    assert_eq!(
        refused.json["detail"],
        "server overload, queue contains too many build requests: 2"
    );
    assert_eq!(api.post(&body()).await.status, 202);
    assert_eq!(world.objects().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_different_requests_do_not_exceed_the_limit() {
    let world = World::new().await;
    let api = world.ready_replica(&["--max-pending=3"]).await;
    let bodies: Vec<_> = (0..20).map(|n| with("packages", json!([format!("p{n}")]))).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| api.post(body))).await;
    let number = |status| answers.iter().filter(|answer| answer.status == status).count();
    // Refused when more than three wait.
    assert_eq!((number(202), number(529)), (4, 16));
    assert_eq!(world.objects().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_accepts_package_names_up_to_the_limit_and_longer_ones_are_422() {
    let (_world, api) = World::with_replica().await;
    for (name, status) in [
        ("a".repeat(128), 202),
        (format!("-{}", "a".repeat(127)), 202),
        ("a".repeat(129), 422),
        (format!("-{}", "a".repeat(128)), 422),
    ] {
        let answer = api.post(&with("packages", json!([name]))).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.json);
        let versioned = with("packages_versions", json!({name: "1".repeat(128)}));
        assert_eq!(api.post(&versioned).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_build_has_no_log_even_if_an_older_one_has() {
    let (world, api) = World::with_replica().await;
    let log = async |hash: &str| api.get(&format!("/api/v1/build/{hash}/log")).await;
    let hash = api.post(&body()).await.hash();
    let none = log(&hash).await;
    assert_eq!((none.status, &none.json["detail"]), (404, &json!("this build has no log yet")));
    world
        .archive_with("older", &hash, samples::success(), |archive| {
            archive.facts.fresh_until = in_minutes(-1);
        })
        .await;
    assert_eq!(log(&hash).await.json["detail"], "this build has no log yet");
    let unknown = log(&"0".repeat(64)).await;
    assert_eq!(unknown.json["detail"], "could not find provided request hash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_a_stalled_watch_reads_the_object_before_it_answers_404() {
    let world = World::new().await;
    let ahead = world.replica().await;
    // Neither lists nor watches.
    let blind = world.client_who_may("blind", "get,create").await;
    let behind = world.replica_with(blind, &[]).await;
    let hash = ahead.post(&body()).await.hash();
    assert_eq!(behind.state(&hash).await.status, 202);
    assert_eq!(behind.state(&"0".repeat(64)).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_malformed_hashes_are_404() {
    let (_world, api) = World::with_replica().await;
    for hash in ["0".repeat(64), "abc".into(), "A".repeat(64)] {
        let answer = api.state(&hash).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json["detail"], "could not find provided request hash");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_image_is_built_again_and_served_until_it_expires() {
    let (world, api) = World::with_replica().await;
    let hash = api.post(&body()).await.hash();
    let old = world.object(&hash).await.metadata.uid.unwrap();
    world
        .archive_with(&old, &hash, samples::success(), |archive| {
            archive.facts.fresh_until = in_minutes(-1);
        })
        .await;
    world.set_status(&hash, &[BuildCondition::Admitted, BuildCondition::Archived], None).await;
    world.release(&hash).await;
    until("the stored image", async || (api.state(&hash).await.status == 200).then_some(())).await;
    let answer = api.post(&body()).await;
    assert_eq!(answer.status, 202, "{}", answer.json);
    let new = world.object(&hash).await.metadata.uid.unwrap();
    assert_ne!(old, new);
    // The newest known build is the one on its way.
    assert_eq!(api.state(&hash).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_image_is_served_without_its_object_and_a_deleted_one_is_not() {
    let (world, api) = World::with_replica().await;
    let hash = world.stored(samples::success()).await;
    assert_eq!(api.post(&body()).await.status, 200);
    assert!(world.objects().await.is_empty());
    let deletion =
        Deletion { build_key: BuildKey::of(b"key"), bytes: 0, keep_until: in_minutes(1_000_000) };
    let taken = world.owner.begin_files_deletion(&deletion, samples::now(), world.epoch).await;
    taken.unwrap().expect("nothing else refers to the files");
    until("the image to be out of service", async || {
        (api.state(&hash).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(api.post(&body()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_build_of_a_removed_version_is_found_by_an_alias() {
    let (world, api) = World::with_replica().await;
    let former = Request { version: "24.10.1".into(), ..request() };
    let hash = request_hash(&former).to_string();
    let asked = |profile: &str| {
        let mut body = with("profile", json!(profile));
        body["version"] = json!("24.10.1");
        body
    };
    assert_eq!(api.post(&asked("alias_a")).await.status, 400);
    world
        .archive_with("uid-1", &hash, samples::success(), |archive| archive.facts.request = former)
        .await;
    for profile in ["dev_a", "alias_a"] {
        let answer = api.post(&asked(profile)).await;
        assert_eq!((answer.status, answer.hash()), (200, hash.clone()), "{}", answer.json);
    }
    assert_eq!(api.post(&asked("shared_name")).await.status, 400, "two devices claim it");
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_request_is_answered_again_and_an_infrastructure_failure_is_retried() {
    let (world, api) = World::with_replica().await;
    let hash = world.stored(samples::failure(FailureReason::PackageSelection)).await;
    let answer = api.post(&body()).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json["detail"], "Error: Impossible package selection: missing (nope)");
    assert_eq!(answer.json["imagebuilder_status"], "failed");
    assert_eq!(answer.json["stdout"], "line one\n");
    assert_eq!(answer.json["stderr"], "the build says why\n");
    assert_eq!(answer.hash(), hash);
    assert_eq!(answer.header("x-imagebuilder-status"), "failed");
    let log = api.get(&format!("/api/v1/build/{hash}/log")).await;
    assert_eq!((log.status, log.bytes.as_slice()), (200, &b"line one\nthe build says why\n"[..]));
    assert!(log.header("content-type").starts_with("text/plain"));
    world
        .archive_with("uid-2", &hash, samples::failure(FailureReason::NoSpace), |archive| {
            archive.facts.fresh_until = samples::now();
            archive.facts.times.finished = samples::now();
        })
        .await;
    until("the newer failure", async || (api.post(&body()).await.status == 202).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_the_name_but_another_hash_never_answers_for_a_request() {
    let (world, api) = World::with_replica().await;
    let hash = request_hash(&request());
    let mut foreign = asu_crds::examples::build();
    foreign.metadata.name = Some(asu_core::request_hash::object_name(&hash));
    world.builds().create(&PostParams::default(), &foreign).await.unwrap();
    assert_eq!(api.state(&hash.to_string()).await.status, 404);
    let refused = api.post(&body()).await;
    assert_eq!(refused.status, 500);
    assert_eq!(refused.json["detail"], "internal error");
    let name = foreign.metadata.name.unwrap();
    world.builds().delete(&name, &DeleteParams::default()).await.unwrap();
    assert_eq!(api.post(&body()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_the_hash_of_another_build_neither_hides_nor_ends_it() {
    let (world, api) = World::with_replica().await;
    let hash = api.post(&body()).await.hash();
    let mut copy = world.object(&hash).await;
    copy.metadata = kube::api::ObjectMeta { name: Some("copy".into()), ..Default::default() };
    copy.status = None;
    let made = world.builds().create(&kube::api::PostParams::default(), &copy).await.unwrap();
    assert_eq!(api.state(&hash).await.status, 202);
    let gone = kube::api::DeleteParams::default();
    world.builds().delete("copy", &gone).await.unwrap();
    // News of a later object comes after the news of the copy.
    let later = api.post(&with("packages", json!(["nano"]))).await.hash();
    assert_eq!(api.state(&later).await.status, 202);
    assert_eq!(api.state(&hash).await.status, 202, "{:?}", made.metadata.uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_hash_is_answered_as_soon_as_its_build_is_created() {
    let (_world, api) = World::with_replica().await;
    let hash = request_hash(&request()).to_string();
    assert_eq!(api.state(&hash).await.status, 404);
    assert_eq!(api.state(&hash).await.status, 404);
    assert_eq!(api.post(&body()).await.hash(), hash);
    assert_eq!(api.state(&hash).await.status, 202);
}
