//! Packages that attack the hand-over of a build from inside: their own build may fail, and nothing
//! else is touched.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use asu_tests::{
    router::{Answer, Image},
    scenario::{Ended, System, WITHIN},
};

/// Three attempts of a build that dies.
const LONG: Duration = Duration::from_mins(7);

/// An image that was built before an attack.
struct Bystander {
    answer: Answer,
    images: Vec<Image>,
}

impl Bystander {
    async fn build(system: &System) -> Self {
        let request = system.request(&["fixture-hello"]);
        let answer = system.router.build(&request, WITHIN, |_| {}).await.unwrap();
        let images = system.router.images(&answer).await.unwrap();
        assert!(!images.is_empty(), "{}", answer.body);
        Self { answer, images }
    }

    async fn is_untouched(&self, system: &System) {
        // Every digest is checked against the first answer while it is downloaded.
        let now = system.router.images(&self.answer).await.unwrap();
        let digests = |images: &[Image]| -> Vec<(String, String)> {
            images.iter().map(|image| (image.name.clone(), image.sha256.clone())).collect()
        };
        assert_eq!(digests(&now), digests(&self.images));
    }
}

/// Builds with an attacking package and checks what must hold whatever the attack achieved.
async fn attack(package: &str, reasons: &[&str]) {
    let system = System::attach().await.unwrap();
    let bystander = Bystander::build(&system).await;
    let request = system.request(&[package]);
    let ended = system.end(&request, LONG).await.unwrap();
    match ended.answer.status {
        200 => only_its_own_files(&system, &ended).await,
        _ => assert!(reasons.contains(&ended.reason()), "{}", ended.answer.body),
    }
    let (status, text) = system.log_of(ended.hash()).await.unwrap();
    assert_eq!(status, 200, "the log is not kept: {text}");
    assert!(text.contains("fixture-attack"), "the log does not tell of the attack:\n{text}");
    assert!(!text.contains("root:x:0:0"), "the log holds a file of the container:\n{text}");
    bystander.is_untouched(&system).await;
    system.no_pods_of_build(&ended.build).await.unwrap();
    let after = system.request(&["fixture-hello"]);
    system.router.build(&after, WITHIN, |_| {}).await.unwrap();
}

/// A success has the files that make made for this profile, with the digests that were promised.
async fn only_its_own_files(system: &System, ended: &Ended) {
    let images = system.router.images(&ended.answer).await.unwrap();
    assert!(!images.is_empty(), "{}", ended.answer.body);
    for image in images {
        assert!(image.name.starts_with("openwrt-24.10.7-"), "{}", image.name);
        assert!(!image.bytes.starts_with(b"root:"), "{} is a file of the container", image.name);
    }
    let text = ended.answer.body.to_string();
    for forged in ["forged", "evil", "passwd"] {
        assert!(!text.contains(forged), "{forged} got into the answer: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_links_fifos_and_forged_outcomes_affect_no_other_build() {
    let reasons = ["BadHandover", "BuilderDied", "BuildFailed", "PackageScript"];
    attack("fixture-attack-files", &reasons).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_builder_ends_its_own_build_only() {
    attack("fixture-attack-kill", &["BuilderDied", "BuildFailed", "BadHandover"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_builder_with_forged_files_ends_its_own_build_only() {
    let reasons = ["BadHandover", "BuilderDied", "BuildFailed", "PackageScript"];
    attack("fixture-attack", &reasons).await;
}
