//! The answers of every route, byte for byte: a change of any of them is seen here, and accepted or
//! not. Times, lifetimes and ports are left out.

use std::fmt::Write as _;

use asu_core::{failure::FailureReason, request_hash::request_hash};
use asu_crds::BuildCondition;
use regex::Regex;
use serde_json::json;

use crate::{
    harness::{Answer, Replica, World, request, until},
    samples::{self, IMAGE, body, with},
};

/// What was asked and answered so far.
pub struct Recording<'a> {
    pub api: &'a Replica,
    pub text: String,
}

impl Recording<'_> {
    pub async fn get(&mut self, path: &str) {
        let answer = self.api.get(path).await;
        self.note(&format!("GET {path}"), &answer);
    }

    async fn post(&mut self, what: &str, body: &serde_json::Value) {
        let answer = self.api.post(body).await;
        self.note(&format!("POST /api/v1/build {what}"), &answer);
    }

    pub async fn with(&mut self, what: &str, request: reqwest::RequestBuilder) {
        let answer = self.api.send(request).await;
        self.note(what, &answer);
    }

    fn note(&mut self, what: &str, answer: &Answer) {
        let body = String::from_utf8_lossy(&answer.bytes);
        let stable = stable(&body);
        let same = stable == body;
        writeln!(self.text, "> {what}\n{}", answer.status).unwrap();
        let mut names: Vec<_> =
            answer.headers.keys().map(reqwest::header::HeaderName::as_str).collect();
        names.sort_unstable();
        for name in names {
            let value = match name {
                "date" | "last-modified" | "x-request-id" => "<changes>".to_owned(),
                // They follow a body that has times or ports.
                "etag" | "content-length" if !same => "<changes>".to_owned(),
                _ => self::stable(answer.header(name)),
            };
            writeln!(self.text, "{name}: {value}").unwrap();
        }
        writeln!(self.text, "\n{stable}\n").unwrap();
    }
}

fn stable(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, with) in [
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "<time>"),
        (r"\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d GMT", "<date>"),
        (r"127\.0\.0\.1:\d+", "<address>"),
        (r"max-age=\d{4,5}, immutable", "max-age=<seconds>, immutable"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

async fn catalog(recording: &mut Recording<'_>) {
    for path in [
        "/",
        "/json/v1/overview.json",
        "/json/v1/overview.json?distro=openwrt",
        "/json/v1/overview.json?distro=nothing",
        "/api/v1/overview",
        "/api/overview",
        "/overview",
        "/json/v1/branches.json",
        "/json/v1/latest.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/index.json",
        "/json/v1/releases/24.10.7/packages/mips_24kc-index.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/dev_a.json",
        "/json/v1/releases/24.10.9/targets/ath79/generic/index.json",
        "/json/v1/releases/24.10.7/targets/ath79/other/index.json",
        "/json/v1/releases/24.10.7/packages/x86_64-index.json",
        "/json/v1/releases/24.10.7/targets/ath79/generic/alias_a.json",
        "/api/v1/latest",
        "/api/v1/revision/24.10.7/ath79/generic",
        "/api/v1/revision/24.10.9/ath79/generic",
        "/api/v1/revision/bogus/ath79/generic",
        "/api/v1/revision/24.10.7/no/such",
        "//api//v1/latest/?1",
        "/no/such/route",
        "/api/v1/build",
    ] {
        recording.get(path).await;
    }
}

async fn methods(recording: &mut Recording<'_>) {
    let (http, api) = (recording.api.http.clone(), recording.api);
    let url = |path: &str| api.url(path);
    for (what, request) in [
        ("HEAD /json/v1/latest.json", http.head(url("/json/v1/latest.json"))),
        ("DELETE /json/v1/latest.json", http.delete(url("/json/v1/latest.json"))),
        ("OPTIONS /api/v1/build", http.request(reqwest::Method::OPTIONS, url("/api/v1/build"))),
        (
            "OPTIONS /api/v1/build of a browser",
            http.request(reqwest::Method::OPTIONS, url("/api/v1/build"))
                .header("origin", "https://firmware.example.org")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type"),
        ),
        (
            "GET /json/v1/latest.json of a browser",
            http.get(url("/json/v1/latest.json")).header("origin", "https://firmware.example.org"),
        ),
    ] {
        recording.with(what, request).await;
    }
}

async fn refusals(recording: &mut Recording<'_>) {
    for (what, body) in [
        ("of no object", json!([])),
        ("without fields", json!({})),
        ("with fields of other types", with("packages", json!(7))),
        ("of an unknown distribution", with("distro", json!("nothing"))),
        ("of an unknown branch", with("version", json!("1.2.3"))),
        ("of an unknown version", with("version", json!("24.10.9"))),
        ("of an unknown target", with("target", json!("no/such"))),
        ("of an unknown profile", with("profile", json!("no_such"))),
        ("of another revision", with("version_code", json!("r1-abc"))),
        ("with a bad package name", with("packages", json!(["a b"]))),
        ("with a repository that is not allowed", with("repositories", json!({"x": "http://h/x"}))),
        ("with a script that is too long", with("defaults", json!("x".repeat(2000)))),
        ("with a root partition that is too large", with("rootfs_size_mb", json!(999_999))),
        ("of too many bytes", with("defaults", json!("x".repeat(300 * 1024)))),
    ] {
        recording.post(what, &body).await;
    }
}

async fn builds(recording: &mut Recording<'_>, world: &World) {
    recording.post("of something new", &body()).await;
    let hash = request_hash(&request()).to_string();
    recording.get(&format!("/api/v1/build/{hash}")).await;
    recording.get(&format!("/api/v1/build/{hash}/log")).await;
    world.set_status(&hash, &[BuildCondition::Admitted], Some("building_image")).await;
    until("the stage", async || {
        (recording.api.state(&hash).await.json["detail"] == "started").then_some(())
    })
    .await;
    recording.get(&format!("/api/v1/build/{hash}")).await;
    recording.post("of something that is being built", &body()).await;
    for unknown in ["0".repeat(64), "nonsense".to_owned()] {
        recording.get(&format!("/api/v1/build/{unknown}")).await;
        recording.get(&format!("/api/v1/build/{unknown}/log")).await;
    }
}

async fn failure(recording: &mut Recording<'_>, world: &World) {
    let mut failed = request();
    failed.packages = vec!["nope".parse().unwrap()];
    let hash = request_hash(&failed).to_string();
    let ending = samples::failure(FailureReason::PackageSelection);
    let change = |archive: &mut asu_store::model::NewArchive| archive.facts.request = failed;
    world.archive_with("uid-failed", &hash, ending, change).await;
    recording.post("of something that failed", &with("packages", json!(["nope"]))).await;
    recording.get(&format!("/api/v1/build/{hash}")).await;
    recording.get(&format!("/api/v1/build/{hash}/log")).await;
}

async fn image(recording: &mut Recording<'_>, world: &World) {
    let mut made = request();
    made.packages = vec!["nano".parse().unwrap()];
    made.rootfs_size_mb = Some(300);
    let hash = request_hash(&made).to_string();
    let change = |archive: &mut asu_store::model::NewArchive| archive.facts.request = made;
    world.archive_with("uid-made", &hash, samples::success(), change).await;
    let mut body = with("packages", json!(["nano"]));
    body["rootfs_size_mb"] = json!("300");
    recording.post("of a finished image", &body).await;
    recording.get(&format!("/api/v1/build/{hash}")).await;
    recording.get(&format!("/api/v1/build/{hash}/log")).await;
    let file = format!("/store/{}/{IMAGE}", samples::key());
    recording.get(&file).await;
    recording.get(&format!("/store/{}/other.bin", samples::key())).await;
    let (http, url) = (recording.api.http.clone(), recording.api.url(&file));
    let tag = format!("\"{}\"", asu_core::digest::Digest::of(samples::IMAGE_BYTES));
    for (what, request) in [
        ("HEAD of the file", http.head(&url)),
        ("GET of the file's bytes 2-4", http.get(&url).header("range", "bytes=2-4")),
        ("GET of the file's last 3 bytes", http.get(&url).header("range", "bytes=-3")),
        ("GET of two ranges of the file", http.get(&url).header("range", "bytes=0-1,3-4")),
        ("GET of bytes that the file has not", http.get(&url).header("range", "bytes=99-")),
        ("GET of a file that the client has", http.get(&url).header("if-none-match", &tag)),
        (
            "GET of a part of another file",
            http.get(&url).header("range", "bytes=2-4").header("if-range", "\"other\""),
        ),
    ] {
        recording.with(what, request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_every_route_are_those_that_were_reviewed() {
    let (world, api) = World::with_replica().await;
    let mut recording = Recording { api: &api, text: String::new() };
    catalog(&mut recording).await;
    methods(&mut recording).await;
    refusals(&mut recording).await;
    builds(&mut recording, &world).await;
    failure(&mut recording, &world).await;
    image(&mut recording, &world).await;
    insta::assert_snapshot!(recording.text);
}
