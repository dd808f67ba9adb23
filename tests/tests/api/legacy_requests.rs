//! Requests for images by clients of 2018 and 2019.

use asu_core::{
    failure::FailureReason, request::Request, request_hash::request_hash, result::Built,
    retention::Deletion,
};
use asu_crds::BuildCondition::{Accepted, Admitted, CacheReady};
use asu_store::model::Ending;
use asu_tests::{given, postgres::TestDatabase};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Replica, World, until},
    samples::{self, IMAGE, IMAGE_BYTES},
};

const UID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const SCRIPT: &str = "uci set system.@system[0].hostname=hunter2";

/// A client of 2019.
fn joined() -> Value {
    json!({"distro": "OpenWrt", "version": "24.10.7", "target": "ath79/generic", "board": "dev,a",
           "packages": ["busybox", "base-files"]})
}

/// A client of 2018.
fn split() -> Value {
    let mut body = joined();
    body["target"] = json!("ath79");
    body["subtarget"] = json!("generic");
    body
}

fn with(field: &str, value: Value) -> Value {
    let mut body = joined();
    body[field] = value;
    body
}

/// The canonical form of both.
fn request() -> Request {
    Request { diff_packages: true, ..given::request("dev_a", &["busybox", "base-files"]) }
}

async fn post(api: &Replica, path: &str, body: &Value) -> Answer {
    api.send(api.http.post(api.url(path)).json(body)).await
}

async fn archived(world: &World, ending: Ending) {
    let hash = request_hash(&request()).to_string();
    world.archive_with(UID, &hash, ending, |archive| archive.facts.request = request()).await;
}

/// The keys of a body, sorted.
fn keys(answer: &Answer) -> Vec<&str> {
    let mut keys: Vec<&str> = answer.json.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_both_families_ask_for_is_one_build() {
    let (world, api) = World::with_replica().await;
    let first = post(&api, "/api/build-request", &joined()).await;
    assert_eq!(first.status, 202, "{}", first.json);
    assert_eq!(keys(&first), ["request_hash"]);
    assert_eq!(first.header("x-imagebuilder-status"), "queue");
    assert_eq!(first.header("x-build-queue-position"), "1");
    let exposed = first.header("access-control-expose-headers");
    assert!(exposed.contains("X-Build-Queue-Position") && exposed.contains("X-Request-Hash"));
    let modern = api
        .post(&json!({"version": "24.10.7", "target": "ath79/generic", "profile": "dev_a",
                      "packages": ["busybox", "base-files"], "diff_packages": true}))
        .await;
    assert_eq!(modern.status, 202);
    assert!(modern.headers.get("access-control-expose-headers").is_none());
    let mut hashes = vec![first.hash()];
    for (path, body) in [
        ("/api/upgrade-request", joined()),
        ("/api/build-request", split()),
        ("/api/upgrade-request", split()),
        ("/api/build-request", with("packages", json!({"base-files": "1", "busybox": "2"}))),
        ("/api/build-request", with("target", json!("ath79/generic"))),
    ] {
        let answer = post(&api, path, &body).await;
        assert_eq!(answer.status, 202, "{path} {}", answer.json);
        hashes.push(answer.hash());
    }
    for hash in &hashes {
        assert_eq!(hash[..64], modern.hash(), "the whole request hash is in the key");
        assert_eq!(hash.len(), 65);
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 4, "one key for each dialect and kind");
    assert_eq!(world.objects().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_waits_is_initialized_and_runs_as_old_clients_know_it() {
    let (world, api) = World::with_replica().await;
    let key = post(&api, "/api/upgrade-request", &joined()).await.hash();
    let hash = key[..64].to_owned();
    let path = format!("/api/upgrade-request/{key}");
    let seen = async |wanted: &str| {
        until(wanted, async || {
            let answer = api.get(&path).await;
            (answer.header("x-imagebuilder-status") == wanted).then_some(answer)
        })
        .await
    };
    world.set_status(&hash, &[Accepted], None).await;
    assert_eq!(seen("initialize").await.status, 202);
    world.set_status(&hash, &[Accepted, CacheReady], None).await;
    assert_eq!(seen("queue").await.header("x-build-queue-position"), "1");
    world.set_status(&hash, &[Accepted, CacheReady, Admitted], Some("building_image")).await;
    let building = seen("building").await;
    assert_eq!(building.json, json!({"request_hash": key}));
    assert!(building.headers.get("x-build-queue-position").is_none());
    let by_post = post(&api, "/api/upgrade-request", &json!({"request_hash": key})).await;
    assert_eq!((by_post.status, by_post.json), (202, building.json));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_image_is_answered_in_the_dialect_of_its_key() {
    let (world, api) = World::with_replica().await;
    archived(&world, samples::success()).await;
    let c = post(&api, "/api/upgrade-request", &joined()).await;
    assert_eq!(c.status, 200, "{}", c.json);
    assert_eq!(keys(&c), ["files", "image_hash", "log", "request_hash", "sysupgrade"]);
    assert_eq!(c.json["sysupgrade"], IMAGE);
    assert_eq!(c.json["files"], format!("/json/{UID}/"));
    assert_eq!(c.json["log"], format!("/download/{UID}/buildlog-{UID}.txt"));
    assert_eq!(c.json["image_hash"], UID);
    let server = api.url("");
    let s = post(&api, "/api/upgrade-request", &split()).await;
    assert_eq!(s.json["sysupgrade"], format!("{server}/download/{UID}/{IMAGE}"));
    assert_eq!(s.json["files"], format!("{server}/json/{UID}/"));
    assert_eq!(s.json["log"], format!("{server}/download/{UID}/buildlog-{UID}.txt"));
    for answer in [&c, &s] {
        let poll = api.get(&format!("/api/upgrade-request/{}", answer.hash())).await;
        assert_eq!((poll.status, &poll.json), (200, &answer.json));
        let length = server.len() + c.json["files"].as_str().unwrap().len() + IMAGE.len();
        assert!(length < 256, "auc has a buffer of 256 bytes");
    }
    let by_image = api.get(&format!("/api/build-request/{UID}")).await;
    assert_eq!((by_image.status, &by_image.json["files"]), (200, &c.json["files"]));
    let secure = api.http.get(api.url(&format!("/api/upgrade-request/{}", s.hash())));
    let secure = api.send(secure.header("x-forwarded-proto", "https")).await;
    assert!(secure.json["files"].as_str().unwrap().starts_with("https://"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hash_of_a_deleted_image_is_404_and_the_next_post_builds_again() {
    let (world, api) = World::with_replica().await;
    archived(&world, samples::success()).await;
    let done = post(&api, "/api/build-request", &joined()).await;
    assert_eq!(done.status, 200, "{}", done.json);
    let deletion = Deletion {
        build_key: samples::key(),
        bytes: 0,
        keep_until: samples::in_minutes(1_000_000),
    };
    let taken = world.owner.begin_files_deletion(&deletion, samples::now(), world.epoch).await;
    taken.unwrap().expect("nothing else refers to the files");
    let path = format!("/api/build-request/{}", done.hash());
    until("404", async || (api.get(&path).await.status == 404).then_some(())).await;
    assert_eq!(api.get(done.json["files"].as_str().unwrap()).await.status, 404);
    assert_eq!(api.get(&format!("/api/image/{UID}")).await.status, 404);
    assert_eq!(post(&api, "/api/build-request", &joined()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_upgrade_needs_a_file_for_sysupgrade() {
    let (world, api) = World::with_replica().await;
    let name = "openwrt-24.10.7-ath79-generic-dev_a-squashfs-factory.img";
    let built = given::built(samples::key(), vec![given::file(name, b"x")]);
    world.put(&format!("artifacts/{}/{name}", samples::key()), b"x");
    archived(&world, Ending::Succeeded(Built { ..built })).await;
    let any = post(&api, "/api/build-request", &joined()).await;
    assert_eq!(any.status, 200, "{}", any.json);
    assert_eq!(keys(&any), ["files", "image_hash", "log", "request_hash"]);
    let upgrade = post(&api, "/api/upgrade-request", &joined()).await;
    assert_eq!(upgrade.status, 501);
    assert!(upgrade.json["error"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_the_statuses_of_their_reasons_and_a_log() {
    for (reason, status) in [
        (FailureReason::PackageSelection, 409),
        (FailureReason::ImageTooBig, 413),
        (FailureReason::BuildFailed, 500),
    ] {
        let (world, api) = World::with_replica().await;
        archived(&world, samples::failure(reason)).await;
        let failed = post(&api, "/api/build-request", &joined()).await;
        assert_eq!(failed.status, status, "{}", failed.json);
        assert_eq!(keys(&failed), ["detail", "error", "log", "request_hash", "status"]);
        let log = failed.json["log"].as_str().unwrap();
        assert_eq!(log, format!("/download/faillogs/faillog-{}.txt", failed.hash()));
        let text = api.get(log).await;
        assert_eq!(text.status, 200);
        assert_eq!(text.bytes, b"line one\nthe build says why\n");
        let s = post(&api, "/api/build-request", &split()).await;
        assert!(s.json["log"].as_str().unwrap().starts_with(&api.url("/download/faillogs/")));
        assert_eq!(api.get("/download/faillogs").await.status, 404, "they are not listed");
    }
}

/// Bodies with the status and the header of their refusals.
fn refusals() -> Vec<(Value, u16, (&'static str, &'static str))> {
    vec![
        (json!({}), 400, ("x-missing-param", "distro")),
        (with("distro", json!("")), 400, ("x-missing-param", "distro")),
        (with("version", json!(null)), 400, ("x-missing-param", "version")),
        (with("target", json!(null)), 400, ("x-missing-param", "target")),
        (with("target", json!("ath79")), 400, ("x-missing-param", "subtarget")),
        (with("board", json!(null)), 400, ("x-missing-param", "board")),
        (with("distro", json!("nothing")), 412, ("", "")),
        (with("version", json!("1.2.3")), 412, ("", "")),
        (with("target", json!("no/such")), 412, ("", "")),
        (with("target", json!("../x")), 412, ("", "")),
        (with("board", json!("no,such")), 412, ("", "")),
        (with("board", json!("shared_name")), 412, ("", "")),
        (with("defaults", json!("x".repeat(1001))), 420, ("", "")),
        (with("defaults", json!("x".repeat(10_241))), 420, ("", "")),
        (
            with("packages", json!(["nope", "busybox", "-other"])),
            422,
            ("x-unknown-package", "nope, -other"),
        ),
        (with("packages", json!(["$(reboot)"])), 422, ("x-unknown-package", "$(reboot)")),
        (with("packages", json!(["a\nb"])), 422, ("x-unknown-package", "a?b")),
        (with("packages", json!("luci")), 400, ("", "")),
        (with("packages", json!([1])), 400, ("", "")),
        (with("distro", json!(1)), 400, ("", "")),
        (with("version", json!([])), 400, ("", "")),
        (with("target", json!({})), 400, ("", "")),
        (with("subtarget", json!(false)), 400, ("", "")),
        (with("board", json!(1.5)), 400, ("", "")),
        (with("model", json!([])), 400, ("", "")),
        (with("defaults", json!([])), 400, ("", "")),
        (with("request_hash", json!(1)), 400, ("", "")),
        (with("request_hash", json!("07704ea93930")), 404, ("", "")),
        (json!([]), 400, ("", "")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_says_what_is_wrong_and_creates_nothing() {
    let (world, api) = World::with_replica().await;
    for (body, status, header) in refusals() {
        for path in ["/api/build-request", "/api/upgrade-request"] {
            let answer = post(&api, path, &body).await;
            assert_eq!(answer.status, status, "{body}: {}", answer.json);
            assert!(answer.json["error"].is_string(), "{body}");
            assert_eq!(answer.header("content-type"), "application/json");
            if !header.0.is_empty() {
                assert_eq!(answer.header(header.0), header.1, "{body}");
            }
        }
    }
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_and_other_methods_are_refused_in_json() {
    let (world, api) = World::with_replica().await;
    let many: Vec<String> = (0..100_000).map(|n| format!("p{n}")).collect();
    let many = post(&api, "/api/build-request", &with("packages", json!(many))).await;
    assert_eq!(many.status, 413);
    assert!(many.json["error"].as_str().unwrap().contains("bytes"));
    let broken = api.http.post(api.url("/api/build-request")).body("{\"distro\": ");
    let broken = api.send(broken.header("content-type", "text/json")).await;
    assert_eq!((broken.status, broken.json["error"].is_string()), (400, true));
    assert_eq!(api.get("/api/build-request/nope").await.status, 404);
    assert_eq!(api.get("/api/build-request").await.status, 405);
    assert_eq!(api.get("/api/no-such").await.status, 404);
    assert!(world.objects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_found_by_board_alias_and_model() {
    let (world, api) = World::with_replica().await;
    for body in [
        with("board", json!("dev_a")),
        with("board", json!("alias,a")),
        json!({"distro": "openwrt", "version": "24.10.7", "target": "ath79/generic",
               "board": "other", "model": "dev A", "packages": ["busybox", "base-files"]}),
        json!({"distro": "openwrt", "version": "24.10.7", "target": "ath79/generic",
               "profile": "dev,a", "packages": ["-nothing", "busybox", "base-files"]}),
    ] {
        let answer = post(&api, "/api/build-request", &body).await;
        let unknown = body["packages"][0] == "-nothing";
        assert_eq!(answer.status, if unknown { 422 } else { 202 }, "{body}: {}", answer.json);
    }
    assert_eq!(world.objects().await.len(), 1);
    for packages in [json!([]), json!(""), json!(null)] {
        assert_eq!(post(&api, "/api/build-request", &with("packages", packages)).await.status, 202);
    }
    let objects = world.objects().await;
    assert_eq!(objects.len(), 2, "no packages mean one default image");
    assert!(objects.iter().any(|object| !object.spec.request.diff_packages));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_build_is_only_found_by_its_whole_request_hash() {
    let (world, api) = World::with_replica().await;
    let body = with("defaults", json!(SCRIPT));
    let waiting = post(&api, "/api/build-request", &body).await;
    assert_eq!(waiting.status, 202, "{}", waiting.json);
    let hash = waiting.hash()[..64].to_owned();
    let object = world.object(&hash).await;
    let private = object.spec.request.to_request().unwrap();
    let uid = object.metadata.uid.clone().unwrap();
    let change = |archive: &mut asu_store::model::NewArchive| archive.facts.request = private;
    world.archive_with(&uid, &hash, samples::success(), change).await;
    let done = until("the image", async || {
        let answer = api.get(&format!("/api/build-request/{}", waiting.hash())).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(done.json["files"], format!("/json/custom/{hash}/"));
    assert_eq!(done.json["image_hash"], hash);
    let file = api.get(&format!("/json/custom/{hash}/{IMAGE}")).await;
    assert_eq!((file.status, file.bytes.as_slice()), (200, IMAGE_BYTES));
    assert_eq!(file.header("cache-control"), "private, no-store");
    for path in [
        format!("/json/{uid}"),
        format!("/json/{hash}"),
        format!("/json/{uid}/{IMAGE}"),
        format!("/json/custom/{uid}"),
        "/json/custom".to_owned(),
        "/download/custom/".to_owned(),
        format!("/api/image/{uid}"),
        format!("/api/build-request/{uid}"),
    ] {
        assert_eq!(api.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_answer_asks_for_five_minutes() {
    let own = TestDatabase::own().await.unwrap();
    let mut world = World::on(given::plane().await, own).await;
    let api = world.ready_replica(&["--max-pending=1"]).await;
    let lists = [json!(["busybox"]), json!(["base-files"]), json!(["kmod-usb2"])];
    let mut answers = Vec::new();
    for packages in lists {
        answers.push(post(&api, "/api/build-request", &with("packages", packages)).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [202, 202, 503], "at most one build more than the limit waits");
    assert_eq!(answers[1].header("x-build-queue-position"), "2");
    assert_eq!(answers[2].header("retry-after"), "300");
    assert!(answers[2].json["error"].as_str().unwrap().contains("overload"));
    world.database.stop().unwrap();
    let away = until("the database to be away", async || {
        let answer = api.get(&format!("/api/build-request/{}0", "0".repeat(64))).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(away.header("retry-after"), "300");
    assert!(away.json["error"].is_string());
}
