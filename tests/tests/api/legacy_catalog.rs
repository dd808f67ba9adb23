//! What is offered, for clients of 2018 and 2019.

use serde_json::json;

use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn distributions_and_versions_have_the_names_of_both_years() {
    let (_world, api) = World::with_replica().await;
    let distros = api.get("/api/distros").await;
    assert_eq!(distros.status, 200);
    let row = &distros.json[0];
    assert_eq!((&row["name"], &row["distro"]), (&json!("openwrt"), &json!("openwrt")));
    assert_eq!(row["latest"], "24.10.7");
    for path in ["/api/versions", "/api/versions?distro=OpenWrt"] {
        let row = &api.get(path).await.json[0];
        assert_eq!((&row["version"], &row["distro"]), (&json!("24.10.7"), &json!("openwrt")));
        assert_eq!(row["snapshots"], false);
    }
    assert_eq!(api.get("/api/versions?distro=other").await.json, json!([]));
    let all = api.get("/api/distributions").await.json;
    assert_eq!(all["openwrt"]["latest"], "24.10.7");
    assert!(all["openwrt"]["versions"]["24.10.7"].is_object());
    let supported = api.get("/api/v1/supported").await.json;
    assert_eq!(
        (&supported[0]["target"], &supported[0]["supported"]),
        (&json!("ath79/generic"), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_searched_without_case_and_else_by_names() {
    let (_world, api) = World::with_replica().await;
    let models = async |query: &str| {
        let answer = api.get(&format!("/api/models?distro=openwrt&version=24.10.7{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        let rows = answer.json.as_array().unwrap().clone();
        rows.iter().map(|row| row["profile"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(models("").await, ["dev_a", "dev_b"]);
    assert_eq!(models("&model_search=DEV%20a").await, ["dev_a"]);
    assert_eq!(models("&model_search=ath79").await, ["dev_a", "dev_b"]);
    assert!(models("&model_search=nothing").await.is_empty());
    let row = &api.get("/api/models?distro=openwrt&version=24.10.7").await.json[0];
    assert_eq!((&row["model"], &row["target"]), (&json!("Dev A"), &json!("ath79/generic")));
    for (path, missing) in [("/api/models", "distro"), ("/api/models?distro=openwrt", "version")] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.header("x-missing-param")), (400, missing));
        assert!(answer.json["error"].is_string());
    }
    let other = api.get("/api/models?distro=openwrt&version=1").await;
    assert_eq!((other.status, other.json), (200, json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn default_packages_are_found_in_both_forms_of_the_target() {
    let (_world, api) = World::with_replica().await;
    let of = "distro=openwrt&version=24.10.7";
    for target in
        ["target=ath79/generic", "target=ath79%2Fgeneric", "target=ath79&subtarget=generic"]
    {
        let answer = api.get(&format!("/api/packages_image?{of}&{target}&profile=dev_a")).await;
        assert_eq!((answer.status, answer.json), (200, json!(["base-files"])), "{target}");
    }
    let older =
        api.get(&format!("/api/default_packages?{of}&target=ath79/generic&profile=dev_a")).await;
    assert_eq!(older.json, json!({"packages": ["base-files"]}));
    let unknown = api.get(&format!("/api/packages_image?{of}&target=no/such&profile=x")).await;
    assert_eq!((unknown.status, unknown.json), (200, json!([])));
    for (query, missing) in [
        ("", "distro"),
        ("distro=openwrt", "version"),
        (of, "target"),
        ("distro=openwrt&version=24.10.7&target=a/b", "profile"),
        ("distro=openwrt&version=24.10.7&target=a&profile=x", "subtarget"),
    ] {
        let answer = api.get(&format!("/api/packages_image?{query}")).await;
        assert_eq!((answer.status, answer.header("x-missing-param")), (400, missing), "{query}");
    }
}
