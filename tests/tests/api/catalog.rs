//! The documents of the catalog.

use serde_json::json;

use crate::harness::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_is_the_same_at_all_its_paths_without_a_redirect() {
    let (_world, api) = World::with_replica().await;
    let overview = api.get("/json/v1/overview.json").await;
    assert_eq!(overview.status, 200);
    assert_eq!(overview.json["latest"], json!(["24.10.7"]));
    assert_eq!(
        overview.json["branches"]["24.10"]["targets"],
        json!({"ath79/generic": "mips_24kc"})
    );
    assert_eq!(overview.json["branches"]["24.10"]["path_packages"], "DEPRECATED");
    assert_eq!(overview.header("cache-control"), "public, max-age=60");
    for path in ["/api/v1/overview", "/api/overview", "/overview", "//api/v1/overview/?1"] {
        let same = api.get(path).await;
        assert_eq!((same.status, same.json), (200, overview.json.clone()), "{path}");
    }
    let known = api.http.get(api.url("/json/v1/overview.json"));
    let known = api.send(known.header("if-none-match", overview.header("etag"))).await;
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    let head = api.send(api.http.head(api.url("/json/v1/overview.json"))).await;
    assert_eq!(head.header("content-length"), overview.bytes.len().to_string());
    assert_eq!(api.get("/json/v1/latest.json").await.json, json!({"latest": ["24.10.7"]}));
    assert_eq!(api.get("/api/v1/latest").await.json, json!({"latest": ["24.10.7"]}));
    assert_eq!(api.get("/json/v1/branches.json").await.json[0]["name"], "24.10");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revision_comes_from_the_catalog() {
    let (_world, api) = World::with_replica().await;
    let revision = async |path: &str| api.get(&format!("/api/v1/revision/{path}")).await;
    let found = revision("24.10.7/ath79/generic").await;
    assert_eq!((found.status, found.json), (200, json!({"revision": "r29197-ab4c7d6af7"})));
    let unknown = revision("bogus/ath79/generic").await;
    assert_eq!(
        (unknown.status, &unknown.json["detail"]),
        (400, &json!("Unsupported version: bogus"))
    );
    assert_eq!(revision("24.10.7/no/such").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn catalog_routes_answer_for_the_distribution_in_the_path() {
    let (_world, api) = World::with_replica().await;
    for path in
        ["/api/v1/revision/24.10.7/ath79/generic", "/json/v1/overview.json", "/api/v1/overview"]
    {
        let default = api.get(path).await;
        let named = api.get(&format!("{path}?distro=openwrt")).await;
        assert_eq!((named.status, &named.json), (200, &default.json), "{path}");
        let unknown = api.get(&format!("{path}?distro=nothing")).await;
        let detail = (unknown.status, unknown.json["detail"].clone());
        assert_eq!(detail, (400, json!("Unsupported distro: nothing")), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_catalog_is_seen_without_a_restart() {
    let (mut world, api) = World::with_replica().await;
    world.publish(&["24.10.8"], json!({})).await;
    until("the new catalog", async || {
        (api.get("/json/v1/latest.json").await.json == json!({"latest": ["24.10.8"]})).then_some(())
    })
    .await;
    world.publisher().withdraw().await;
    until("the empty catalog", async || {
        (api.get("/json/v1/overview.json").await.status == 503).then_some(())
    })
    .await;
}
