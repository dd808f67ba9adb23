//! Files of builds for clients of 2018 and 2019.

use asu_core::request_hash::request_hash;
use serde_json::json;

use crate::{
    harness::{World, request},
    samples::{self, IMAGE, IMAGE_BYTES},
};

const UID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_build_are_listed_and_sent_from_one_folder() {
    let (world, api) = World::with_replica().await;
    let hash = request_hash(&request()).to_string();
    world.archive(UID, &hash, samples::success()).await;
    let listing = api.get(&format!("/json/{UID}/")).await;
    assert_eq!(listing.status, 200, "{}", listing.json);
    let rows = listing.json.as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let log = format!("buildlog-{UID}.txt");
    assert_eq!(names, [log.as_str(), IMAGE, "packages.manifest", "sha256sums"]);
    for row in rows {
        assert_eq!(row["type"], "file");
        assert!(row["mtime"].as_str().unwrap().ends_with(" GMT"), "{row}");
        assert!(row["size"].as_u64().unwrap() > 0, "{row}");
    }
    for folder in ["json", "download"] {
        let path = format!("/{folder}/{UID}");
        let file = api.get(&format!("{path}/{IMAGE}")).await;
        assert_eq!((file.status, file.bytes.as_slice()), (200, IMAGE_BYTES));
        assert_eq!(file.header("content-length"), IMAGE_BYTES.len().to_string());
        let part = api.http.get(api.url(&format!("{path}/{IMAGE}"))).header("range", "bytes=0-1");
        let part = api.send(part).await;
        assert_eq!((part.status, part.bytes.as_slice()), (206, &IMAGE_BYTES[..2]));
        let sums = api.get(&format!("{path}/sha256sums")).await;
        assert!(String::from_utf8(sums.bytes).unwrap().ends_with(&format!(" *{IMAGE}\n")));
        let manifest = api.get(&format!("{path}/packages.manifest")).await;
        assert_eq!(manifest.bytes, b"luci - 1\n");
        let text = api.get(&format!("{path}/{log}")).await;
        assert_eq!(text.bytes, b"line one\nthe build says why\n");
        for unknown in ["other.bin", "%2e%2e%2fx", "buildlog-x.txt"] {
            assert_eq!(api.get(&format!("{path}/{unknown}")).await.status, 404, "{unknown}");
        }
    }
    let page = api.get(&format!("/download/{UID}/")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(String::from_utf8(page.bytes).unwrap().contains(&format!("/download/{UID}/{IMAGE}")));
    for path in
        ["/json", "/json/nope", "/json/nope/x", "/download", "/json/custom", "/json/v1/nope"]
    {
        assert_eq!(api.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_described_with_its_manifest_and_packages() {
    let (world, api) = World::with_replica().await;
    let hash = request_hash(&request()).to_string();
    world.archive(UID, &hash, samples::success()).await;
    let image = api.get(&format!("/api/image/{UID}")).await;
    assert_eq!(image.status, 200, "{}", image.json);
    assert_eq!(image.json["distro"], "openwrt");
    assert_eq!(
        (&image.json["target"], &image.json["subtarget"]),
        (&json!("ath79/generic"), &json!("generic"))
    );
    assert_eq!((&image.json["model"], &image.json["sysupgrade"]), (&json!("Dev A"), &json!(IMAGE)));
    assert_eq!(image.json["files"], UID);
    let manifest = image.json["manifest_hash"].as_str().unwrap();
    assert_eq!(api.get(&format!("/api/manifest/{manifest}")).await.json, json!({"luci": "1"}));
    let packages = image.json["packages_hash"].as_str().unwrap();
    let packages = api.get(&format!("/api/v1/packages_hash/{packages}")).await;
    assert_eq!(packages.json, json!(["vim", "luci"]));
    for path in ["/api/image/nope", "/api/manifest/nope", "/api/v1/packages_hash/nope"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.json["error"].is_string()), (404, true), "{path}");
    }
}
