use asu_core::catalog::{Branch, Offer, PackageChange, Version};
use serde_json::{Value, json};

use super::*;
use crate::catalog::schema;

fn overview(distribution: &Distribution, contact: &str) -> Value {
    serde_json::to_value(Overview::of(distribution, contact)).unwrap()
}

fn branches(distribution: &Distribution) -> Value {
    serde_json::to_value(schema::branches(distribution)).unwrap()
}

fn change(source: &str, revision: u32) -> PackageChange {
    PackageChange {
        source: source.parse().unwrap(),
        target: None,
        revision: Some(revision),
        version: None,
        mandatory: false,
        choices: vec![],
    }
}

fn of_a_version() -> PackageChange {
    PackageChange { revision: None, version: Some("17.01.0".into()), ..change("older", 0) }
}

fn version(name: &str, targets: &[(&str, &str)]) -> Version {
    Version {
        name: name.into(),
        branch: "24.10".into(),
        path: format!("releases/{name}"),
        snapshot: false,
        targets: targets.iter().map(|(a, b)| (a.parse().unwrap(), (*b).into())).collect(),
        ready: [].into(),
    }
}

fn distribution() -> Distribution {
    let branch = |name: &str, branch_off_rev, versions: &[&str]| Branch {
        name: name.into(),
        path: "releases/{version}".into(),
        snapshot: name == "SNAPSHOT",
        branch_off_rev,
        versions: versions.iter().map(|&name| name.into()).collect(),
    };
    Distribution {
        name: "openwrt".into(),
        revision: 1,
        offer: Offer {
            public_url: "https://downloads.example.org".into(),
            latest: vec!["24.10.1".into()],
            allow_defaults: true,
            max_defaults_length: 20480,
            max_rootfs_size_mb: 1024,
            repository_allow_list: vec![],
            package_changes: vec![change("old", 100), change("new", 30000), of_a_version()],
            branches: vec![
                branch("SNAPSHOT", None, &["SNAPSHOT"]),
                branch("24.10", Some(27990), &["24.10.1", "24.10.0"]),
            ],
            board_renames: vec![],
            network_profiles: vec![],
            default_packages: vec![],
            title: String::new(),
            description: None,
            version_titles: std::collections::BTreeMap::new(),
        },
        versions: vec![
            version("24.10.1", &[]).into(),
            version("24.10.0", &[("ath79/generic", "mips_24kc")]).into(),
        ],
    }
}

#[test]
fn the_overview_has_every_key_that_clients_require() {
    let overview = overview(&distribution(), "me@example.org");
    assert_eq!(overview["latest"], json!(["24.10.1"]));
    assert_eq!(overview["upstream_url"], "https://downloads.example.org");
    assert_eq!(overview["server"]["max_custom_rootfs_size_mb"], 1024);
    assert_eq!(overview["server"]["max_defaults_length"], 20480);
    let branch = &overview["branches"]["24.10"];
    assert_eq!(branch["name"], "24.10");
    assert_eq!(branch["enabled"], true);
    assert_eq!(branch["snapshot"], false);
    assert_eq!(branch["path"], "releases/{version}");
    assert_eq!(branch["path_packages"], "DEPRECATED");
    assert_eq!(branch["branch_off_rev"], 27990);
    assert_eq!(branch["versions"], json!(["24.10.1", "24.10.0"]));
}

#[test]
fn branches_is_a_list_in_the_order_of_the_catalog() {
    let branches = branches(&distribution());
    let names: Vec<_> = branches.as_array().unwrap().iter().map(|branch| &branch["name"]).collect();
    assert_eq!(names, ["SNAPSHOT", "24.10"]);
    assert_eq!(branches[0].get("branch_off_rev"), None);
}

#[test]
fn a_branch_has_the_package_changes_before_it_left_development() {
    let branches = branches(&distribution());
    assert_eq!(branches[0]["package_changes"].as_array().unwrap().len(), 2);
    assert_eq!(branches[1]["package_changes"], json!([{"source": "old", "revision": 100}]));
}

#[test]
fn the_targets_of_a_branch_are_those_of_its_newest_version_with_targets() {
    assert_eq!(branches(&distribution())[1]["targets"], json!({"ath79/generic": "mips_24kc"}));
    assert_eq!(branches(&distribution())[0]["targets"], json!({}));
}

#[test]
fn a_client_with_the_current_document_gets_304_without_a_body() {
    let document = JsonDocument::of(&json!({})).unwrap();
    let mut asked = HeaderMap::new();
    let fresh = document.cached(&asked);
    assert_eq!(fresh.status(), 200);
    assert_eq!(fresh.headers()[header::CACHE_CONTROL], MAX_AGE);
    asked.insert(header::IF_NONE_MATCH, fresh.headers()[header::ETAG].clone());
    let again = document.cached(&asked);
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()[header::ETAG], fresh.headers()[header::ETAG]);
    assert_eq!(document.plain().headers()[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_large_document_is_compressed_for_clients_that_accept_gzip_and_has_another_tag() {
    let document = JsonDocument::of(&json!({"packages": "a".repeat(2000)})).unwrap();
    let mut asked = HeaderMap::new();
    let plain = document.cached(&asked);
    assert_eq!(plain.headers().get(header::CONTENT_ENCODING), None);
    assert_eq!(plain.headers()[header::VARY], "accept-encoding");
    asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let gzip = document.cached(&asked);
    assert_eq!(gzip.headers()[header::CONTENT_ENCODING], "gzip");
    assert_ne!(gzip.headers()[header::ETAG], plain.headers()[header::ETAG]);
    asked.insert(header::IF_NONE_MATCH, gzip.headers()[header::ETAG].clone());
    assert_eq!(document.cached(&asked).status(), 304);
    let [plain, gzip] =
        [plain, gzip].map(|response| axum::body::to_bytes(response.into_body(), 1 << 20));
    let (plain, gzip) = (plain.await.unwrap(), gzip.await.unwrap());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*gzip), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(gzip.len() < plain.len());
}

#[test]
fn a_small_document_is_never_compressed() {
    let mut asked = HeaderMap::new();
    asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let small = JsonDocument::of(&json!({})).unwrap().cached(&asked);
    assert_eq!(small.headers().get(header::CONTENT_ENCODING), None);
}
