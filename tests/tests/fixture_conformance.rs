//! The golden behaviours, checked on the miniature ImageBuilders through the code that pods run, as
//! `cargo xtask ib-conformance --fixture` does; and that a broken tree does not pass.
#![expect(clippy::unwrap_used, reason = "a failing step ends its test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use asu_tests::{
    fixtures::Upstream,
    given::{Generation, fixture},
    imagebuilder_conformance::{self, Line, Options},
    verdict::Verdict,
};

/// Checks an ImageBuilder of the fixture's.
async fn check(upstream: &Upstream, source: PathBuf) -> Vec<Line> {
    let options = Options {
        program: imagebuilder_conformance::builder_program().await.unwrap(),
        source,
        package_base_url: Some(upstream.base_url()),
        profile: None,
        packages: vec!["fixture-hello".parse().unwrap()],
        upstream: Some(upstream),
        seconds: 300,
    };
    imagebuilder_conformance::run(&options, |line| println!("{line}")).await.unwrap()
}

fn failed(lines: &[Line]) -> Vec<String> {
    let failed = lines.iter().filter(|line| matches!(line.verdict, Verdict::Failed(_)));
    failed.map(ToString::to_string).collect()
}

/// Numbers of what could not be checked.
fn not_applicable(lines: &[Line]) -> Vec<u8> {
    let lines = lines.iter().filter(|line| matches!(line.verdict, Verdict::NotApplicable(_)));
    lines.map(|line| line.number).collect()
}

/// Unpacks a tarball with its times and modes.
fn unpack(tarball: &Path, to: &Path) -> PathBuf {
    run(Command::new("tar").arg("--zstd").arg("-xf").arg(tarball).arg("-C").arg(to));
    to.join(tarball.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.zst"))
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Checks the router target of a generation: it has all that a router can have.
async fn router_has_every_behaviour(generation: Generation) {
    let (world, upstream) = fixture(generation);
    let lines = check(&upstream, world.tarball("testarch/small")).await;
    assert_eq!(failed(&lines), Vec::<String>::new());
    // No ext4 on a router.
    assert_eq!(not_applicable(&lines), [13]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_target_has_every_behaviour() {
    router_has_every_behaviour(Generation::Opkg).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_target_of_the_apk_generation_has_every_behaviour() {
    router_has_every_behaviour(Generation::Apk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_target_has_every_behaviour_and_an_unpacked_tree_is_only_read() {
    let (world, upstream) = fixture(Generation::Opkg);
    let folder = tempfile::tempdir().unwrap();
    let tree = unpack(&world.tarball("testarch/disk"), folder.path());
    run(Command::new("chmod").args(["-R", "a-w"]).arg(&tree));
    let listing = |tree: &Path| {
        let found = Command::new("find").arg(tree).args(["-printf", "%P %i %C@ %s\\n"]).output();
        String::from_utf8(found.unwrap().stdout).unwrap()
    };
    let before = listing(&tree);
    let lines = check(&upstream, tree.clone()).await;
    assert_eq!(failed(&lines), Vec::<String>::new());
    // No size limit of a device, no second profile.
    assert_eq!(not_applicable(&lines), [12, 12, 20]);
    assert!(listing(&tree) == before, "the given tree was written to");
    run(Command::new("chmod").args(["-R", "u+w"]).arg(&tree));
}

/// What loses modification times makes genuine trees call a compiler that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_lost_its_modification_times_fails() {
    let (world, upstream) = fixture(Generation::Opkg);
    let folder = tempfile::tempdir().unwrap();
    let tree = unpack(&world.tarball("testarch/small"), folder.path());
    run(Command::new("find").arg(&tree).args(["-exec", "touch", "-h", "{}", "+"]));
    let lines = check(&upstream, tree).await;
    let failed = failed(&lines);
    // The miniature does not fall back to a compiler; it says which file is not as it was packed.
    assert!(failed.iter().any(|line| line.contains("was packed as")), "{failed:?}");
}

/// A link that leads nowhere where a rule needs a program.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_lost_a_host_tool_fails_and_says_where() {
    let (world, upstream) = fixture(Generation::Opkg);
    let folder = tempfile::tempdir().unwrap();
    let tree = unpack(&world.tarball("testarch/small"), folder.path());
    std::fs::remove_file(tree.join("staging_dir/host/bin/mksquashfs")).unwrap();
    let failed = failed(&check(&upstream, tree).await);
    assert!(!failed.is_empty(), "no behaviour failed");
}
