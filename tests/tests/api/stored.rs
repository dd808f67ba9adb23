//! Finished images: their answers and their files.

use asu_core::{
    build_key::BuildKey, digest::Digest, failure::FailureReason, request::DefaultsDigest,
    request_hash::request_hash,
};
use serde_json::json;

use crate::{
    harness::{Answer, Replica, World, request, until},
    samples::{self, IMAGE, IMAGE_BYTES, body},
};

async fn finished() -> (World, Replica, String) {
    let (world, api) = World::with_replica().await;
    let hash = world.stored(samples::success()).await;
    (world, api, hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_for_an_image_has_the_fields_of_all_clients() {
    let (_world, api, hash) = finished().await;
    let post = api.post(&body()).await;
    let get = api.state(&hash).await;
    assert_eq!((post.status, &post.json), (200, &get.json));
    assert_eq!(post.header("x-imagebuilder-status"), "done");
    assert_eq!(post.header("x-queue-position"), "0");
    let digest = Digest::of(IMAGE_BYTES);
    for (key, value) in [
        ("status", json!(200)),
        ("detail", json!("done")),
        ("imagebuilder_status", json!("done")),
        ("request_hash", json!(hash)),
        ("bin_dir", json!(samples::key())),
        ("id", json!("dev_a")),
        ("target", json!("ath79/generic")),
        ("version_number", json!("24.10.7")),
        ("version_code", json!("r29197-ab4c7d6af7")),
        ("build_at", json!("2025-04-13T16:38:32.000000Z")),
        ("titles", json!([{"vendor": "Dev", "model": "A"}])),
        ("build_cmd", json!(["make", "image"])),
        ("manifest", json!({"luci": "1"})),
        ("stdout", json!("")),
        ("stderr", json!("")),
        // Of what is stored, with the digests of what is stored.
        (
            "images",
            json!([{"name": IMAGE, "type": "sysupgrade", "filesystem": "squashfs",
                           "sha256": digest, "sha256_unsigned": digest}]),
        ),
    ] {
        assert_eq!(get.json[key], value, "{key}");
    }
    assert_eq!(get.json.get("queue_position"), None);
    let request = &get.json["request"];
    assert_eq!(request["version_code"], "");
    assert_eq!(request["profile"], "dev_a");
    assert_eq!(request["rootfs_size_mb"], json!(null));
    assert_eq!(request["defaults"], json!(null));
    let head = api.send(api.http.head(api.url(&format!("/api/v1/build/{hash}")))).await;
    assert_eq!((head.status, head.header("x-imagebuilder-status")), (200, "done"));
    assert_eq!(head.header("content-length"), get.bytes.len().to_string());
}

async fn file(api: &Replica, headers: &[(&str, &str)]) -> Answer {
    let mut request = api.http.get(api.url(&format!("/store/{}/{IMAGE}", samples::key())));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_completely_in_part_or_as_304() {
    let (_world, api, _) = finished().await;
    let etag = format!("\"{}\"", Digest::of(IMAGE_BYTES));
    let whole = file(&api, &[]).await;
    assert_eq!((whole.status, whole.bytes.as_slice()), (200, IMAGE_BYTES));
    for (name, value) in [
        ("content-length", IMAGE_BYTES.len().to_string().as_str()),
        ("content-type", "application/octet-stream"),
        ("content-disposition", format!("attachment; filename=\"{IMAGE}\"").as_str()),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        ("etag", etag.as_str()),
        ("transfer-encoding", ""),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    // It is kept for a day, and no cache keeps it longer.
    let cached = whole.header("cache-control");
    let seconds = cached.strip_prefix("public, max-age=").unwrap().strip_suffix(", immutable");
    assert!((86_000..=86_400).contains(&seconds.unwrap().parse::<u32>().unwrap()), "{cached}");
    let modified = whole.header("last-modified").to_owned();
    assert!(modified.ends_with(" GMT"), "{modified}");

    let part = file(&api, &[("range", "bytes=6-8")]).await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, b"ima".as_slice()));
    assert_eq!(part.header("content-range"), "bytes 6-8/11");
    assert_eq!(part.header("content-length"), "3");
    let part = file(&api, &[("range", "bytes=6-"), ("if-range", &etag)]).await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, b"image".as_slice()));
    let part = file(&api, &[("range", "bytes=6-"), ("if-range", &modified)]).await;
    assert_eq!(part.status, 206);
    let other = file(&api, &[("range", "bytes=6-"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status, other.bytes.as_slice()), (200, IMAGE_BYTES));
    let beyond = file(&api, &[("range", "bytes=11-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */11"));
    let known = file(&api, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.bytes.len(), known.header("etag")), (304, 0, etag.as_str()));
    let head =
        api.send(api.http.head(api.url(&format!("/store/{}/{IMAGE}", samples::key())))).await;
    assert_eq!((head.status, head.header("content-length")), (200, "11"));
    assert_eq!(head.header("etag"), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_with_a_row_have_a_url() {
    let (world, api, hash) = finished().await;
    let key = samples::key();
    world.put("results/uid-1.json", b"{}");
    world.put(&format!("artifacts/{key}/profiles.json"), b"{}");
    for path in [
        format!("/store/{key}"),
        format!("/store/{key}/"),
        "/store".into(),
        format!("/store/{hash}/{IMAGE}"),
        format!("/store/{key}/profiles.json"),
        format!("/store/{key}/..%2f..%2fresults%2fuid-1.json"),
        format!("/store/{key}/%2e%2e/{IMAGE}"),
        "/store/results/uid-1.json".into(),
        "/store/logs/uid-1.zst".into(),
        format!("/store/{}/{IMAGE}", &key.to_string()[..63]),
        format!("/store/{key}/%00{IMAGE}"),
        format!("/store/{key}/%ff"),
    ] {
        let answer = api.get(&path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
    assert_eq!(api.get(&format!("//store//{key}//{IMAGE}?123")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_image_is_never_kept_by_proxies_and_its_script_is_a_placeholder() {
    let (world, api) = World::with_replica().await;
    let mut private = request();
    private.defaults = Some(DefaultsDigest { sha256: Digest::of(b"hunter2"), length: 7 });
    let hash = request_hash(&private).to_string();
    world
        .archive_with("uid-1", &hash, samples::success(), |archive| archive.facts.request = private)
        .await;
    let answer = api.state(&hash).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["request"]["defaults"], asu_api::v1::answers::PLACEHOLDER);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(file(&api, &[]).await.header("cache-control"), "private, no-store");
    let known = file(&api, &[("if-none-match", "*")]).await;
    assert_eq!((known.status, known.header("cache-control")), (304, "private, no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_files_are_counted() {
    let (world, api, _) = finished().await;
    api.post(&body()).await;
    api.post(&body()).await;
    file(&api, &[]).await;
    api.running.stop().await;
    let folded = world.owner.fold_served(world.epoch).await;
    assert_eq!(folded.unwrap(), 1);
    let record = world.owner.build_by_uid("uid-1").await.unwrap();
    assert!(record.unwrap().last_served.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_of_an_older_answer_keep_their_bytes_after_another_build() {
    let (world, api, hash) = finished().await;
    let old = api.state(&hash).await.json;
    let key = BuildKey::of(b"another key");
    world
        .archive_with("uid-2", &hash, samples::success_of(&key, b"other image bytes"), |archive| {
            archive.facts.times.finished = samples::now();
        })
        .await;
    world.put(&format!("artifacts/{key}/{IMAGE}"), b"other image bytes");
    let new = until("the newer answer", async || {
        let answer = api.state(&hash).await.json;
        (answer["bin_dir"] == json!(key)).then_some(answer)
    })
    .await;
    assert_eq!(old["images"][0]["name"], new["images"][0]["name"]);
    for answer in [old, new] {
        let (folder, digest) =
            (answer["bin_dir"].as_str().unwrap(), &answer["images"][0]["sha256"]);
        let file = api.get(&format!("/store/{folder}/{IMAGE}")).await;
        assert_eq!((file.status, &json!(Digest::of(&file.bytes))), (200, digest));
        assert_eq!(file.header("etag"), format!("\"{}\"", digest.as_str().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_beyond_the_limit_are_503() {
    let world = World::new().await;
    // A quarter of the requests may be downloads.
    let api = world.ready_replica(&["--max-requests=16"]).await;
    // More than sockets hold.
    let (key, bytes) = (BuildKey::of(b"large"), vec![7; 24 << 20]);
    let hash = world.stored(samples::success_of(&key, &bytes)).await;
    world.put(&format!("artifacts/{key}/{IMAGE}"), &bytes);
    let path = format!("/store/{key}/{IMAGE}");
    let mut slow = Vec::new();
    for _ in 0..4 {
        let begun = api.http.get(api.url(&path)).send().await.unwrap();
        assert_eq!(begun.status(), 200);
        slow.push(begun);
    }
    let refused = api.get(&path).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(api.send(api.http.head(api.url(&path))).await.status, 200);
    assert_eq!(api.state(&hash).await.status, 200);
    drop(slow);
    until("the place of the client that hung up", async || {
        (api.get(&path).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_holds_its_permit_until_it_was_received() {
    let (world, api, hash) = finished().await;
    let log = samples::zstd_of(&"a line of a long log\n".repeat(1_200_000));
    world
        .archive_with("uid-2", &hash, samples::failure(FailureReason::BuildFailed), |archive| {
            archive.facts.times.finished = samples::now();
            archive.facts.log.as_mut().unwrap().size = log.len() as u64;
        })
        .await;
    world.put("logs/uid-2.zst", &log);
    let path = format!("/api/v1/build/{hash}/log");
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(api.http.get(api.url(&path)).send().await.unwrap());
    }
    let refused = api.get(&path).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    // The end of the log in a stored failure has places of its own.
    assert_eq!(api.state(&hash).await.status, 500);
    drop(slow);
    until("a place", async || (api.get(&path).await.status == 200).then_some(())).await;
}
