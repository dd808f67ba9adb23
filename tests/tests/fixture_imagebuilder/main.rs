//! Golden behaviours of an ImageBuilder, on the miniature one: what the genuine ones were measured to do.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at its first surprise"
)]

mod apk;
mod failing;
mod hostile;
mod images;
mod strictness;
mod tree;

use asu_tests::given::{Generation, fixture};
use tree::Tree;

#[test]
fn info_has_a_block_for_each_profile() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let run = tree.make(&["info"]).ok();
    for line in [
        "Current Target: \"testarch/small\"",
        "Current Architecture: \"testarch\"",
        "Current Revision: \"r29107-f1c57ee107\"",
        "Available Profiles:\n\nacme_router-a:\n    Acme Router A\n    Packages: kmod-fixture-wifi\n",
        "    hasImageMetadata: 1\n    SupportedDevices: acme,router-b acme,router-rev1\n",
    ] {
        assert!(run.stdout.contains(line), "{line:?} is missing in\n{}", run.stdout);
    }
    assert!(tree.top.join(".profiles.mk").is_file());
}

#[test]
fn a_manifest_is_sorted_and_contains_packages_without_an_index() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let run = tree.make(&["manifest", "PROFILE=acme_router-b", "PACKAGES=-logd -nosuch"]).ok();
    let lines: Vec<&str> = run.stdout.lines().collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(lines, sorted);
    assert!(lines.iter().all(|line| line.split(" - ").count() == 2), "{}", run.stdout);
    for name in ["kernel", "libc", "libfix20260101", "libfix2-7", "kmod-fixture-wifi"] {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{name} - "))), "{name}");
    }
    for removed in ["logd", "mtd"] {
        assert!(!lines.iter().any(|line| line.starts_with(removed)), "{removed}");
    }
    assert!(run.stderr.contains("Generate local signing keys..."));

    let stripped = tree.make(&["manifest", "PROFILE=acme_router-b", "STRIP_ABI=1"]).ok();
    assert!(stripped.stdout.contains("\nlibfix - 2026"), "{}", stripped.stdout);
    assert!(stripped.stdout.contains("\nlibfix2 - 2.1.12-r2"), "{}", stripped.stdout);
}

#[test]
fn an_unknown_profile_is_refused_without_network() {
    let (tree, upstream) = Tree::served(Generation::Opkg, "testarch/small");
    drop(upstream);
    let run = tree.make(&["image", "PROFILE=nope"]);
    assert_eq!(run.code, 2);
    let texts = "Profile \"nope\" does not exist!\nUse \"make info\" to get a list of available profile names.\n";
    assert_eq!(run.stdout, texts);
}

#[test]
fn a_package_variable_is_expanded_by_make() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let proof = tree.top.join("injected");
    let packages = format!("PACKAGES=$(shell touch {})", proof.display());
    tree.make(&["manifest", "PROFILE=acme_router-a", &packages]);
    assert!(proof.exists());
}

#[test]
fn debian_signify_verifies_the_checksums_of_the_world() {
    let (world, _upstream) = fixture(Generation::Opkg);
    let sums = world.dir.join("www").join(world.target_path("testarch/small")).join("sha256sums");
    let output = std::process::Command::new("signify-openbsd")
        .arg("-V")
        .arg("-p")
        .arg(world.dir.join("keys/release.pub"))
        .arg("-m")
        .arg(&sums)
        .arg("-x")
        .arg(sums.with_extension("sig"))
        .output()
        .expect("signify-openbsd");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_server_shows_its_faults_and_its_log() {
    use asu_tests::fixtures::Faults;
    let (world, upstream) = fixture(Generation::Opkg);
    let knobs = upstream.knobs();
    let url = format!("{}/.versions.json", upstream.base_url());
    let once = Faults { status_503_times: 1, ..Faults::default() };
    knobs.set(&once).await.expect("knobs");
    let codes = [reqwest::get(&url).await, reqwest::get(&url).await];
    let codes: Vec<u16> =
        codes.into_iter().map(|answer| answer.expect("an answer").status().as_u16()).collect();
    assert_eq!(codes, [503, 200]);

    let prefix = format!("/{}", world.target_path("testarch/small"));
    let bad = Faults {
        substitute: [(prefix.clone(), "bad/fifo".to_owned())].into(),
        ..Faults::default()
    };
    knobs.set(&bad).await.expect("knobs");
    let sums = reqwest::get(format!("{}{prefix}sha256sums", upstream.base_url()))
        .await
        .expect("an answer");
    let expected = std::fs::read(world.dir.join("bad/fifo/sha256sums")).expect("sums");
    assert_eq!(sums.bytes().await.expect("a body"), expected);
    assert_eq!(knobs.requests().await.expect("a log").len(), 3);
    knobs.reset().await.expect("knobs");
    assert_eq!(knobs.faults().await.expect("knobs"), Faults::default());
    assert!(knobs.requests().await.expect("a log").is_empty());
}
