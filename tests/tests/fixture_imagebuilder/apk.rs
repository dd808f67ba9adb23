//! What differs in the apk generation: texts, exit codes and caches.

use asu_tests::{fixtures::Faults, given::Generation};

use crate::tree::{Run, Tree};

/// A tree that is warmed up, and its server.
fn tree() -> (Tree, asu_tests::fixtures::Upstream) {
    let (tree, upstream) = Tree::served(Generation::Apk, "testarch/small");
    tree.warm_up();
    (tree, upstream)
}

fn paths(log: &[asu_tests::fixtures::Logged], part: &str) -> usize {
    log.iter().filter(|entry| entry.path.contains(part)).count()
}

#[test]
fn a_manifest_has_the_format_of_opkg_and_an_image_no_signature() {
    let (tree, _upstream) = tree();
    let listed = tree.make(&["manifest", "PACKAGES=fixture-hello -mtd -nosuch"]).ok().stdout;
    assert!(listed.contains("fixture-hello - 1.2-r3\n"), "{listed}");
    assert!(listed.contains("libfix20260101 - ") && !listed.contains("mtd - "), "{listed}");
    let stripped = tree.make(&["manifest", "STRIP_ABI=1"]).ok().stdout;
    assert!(stripped.contains("libfix - 2026"), "{stripped}");
    let run = tree.image(&["PACKAGES=fixture-hello"]).ok();
    assert!(run.stdout.contains("( 1/18) Installing libc (1.2.5-r4)\n"), "{}", run.stdout);
    let image = tree.output("-sysupgrade.bin");
    let kind = image[image.len() - 8];
    assert_eq!(kind, 1, "the last chunk is the metadata");
}

#[test]
fn a_failed_selection_names_the_packages_and_their_dependents() {
    let (tree, _upstream) = tree();
    tree.image(&["PACKAGES=nosuch-one nosuch-two"]).fails_with(&[
        "ERROR: unable to select packages:\n",
        "  nosuch-one (no such package):\n    required by: world[nosuch-one]\n",
        "  nosuch-two (no such package):\n    required by: world[nosuch-two]\n",
        "package_install] Error 2\n",
    ]);
    tree.image(&["PACKAGES=fixture-missing-dep"]).fails_with(&[
        "  fixture-nowhere (no such package):\n    required by: fixture-missing-dep-1.0-r1[fixture-nowhere]\n",
        "package_install] Error 1\n",
    ]);
    tree.image(&["PACKAGES=fixture-conflict-a fixture-conflict-b"])
        .fails_with(&["    breaks: fixture-conflict-b-1.0-r1[!fixture-conflict-a]\n"]);
    tree.image(&["PACKAGES=fixture-clash-a fixture-clash-b"]).fails_with(&[
        "ERROR: fixture-clash-b-1.0-r1: trying to overwrite usr/share/fixture/clash owned by fixture-clash-a-1.0-r1.\n",
    ]);
    tree.image(&["PACKAGES=fixture-hello=9.9-r1"]).fails_with(&["(no such package):\n"]);
}

#[test]
fn scripts_run_while_the_root_is_finalised() {
    let (tree, _upstream) = tree();
    tree.image(&["PACKAGES=fixture-badpostinst"]).fails_with(&[
        "postinst script ./lib/apk/db/fixture-badpostinst-1.0-r1.post-install has failed with exit code 3\n",
        "prepare_rootfs] Error 1\n",
    ]);
}

/// The image under these faults, in a tree without anything in its cache.
async fn under(faults: &Faults, packages: &str) -> Run {
    let (tree, upstream) = tree();
    upstream.knobs().set(faults).await.expect("faults");
    tree.image(&[packages])
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_server_have_the_messages_of_apk() {
    let hello = "PACKAGES=fixture-hello";
    let (tree, away) = tree();
    drop(away);
    tree.image(&[hello]).fails_with(&[
        "ERROR: wget: exited with error 4\nWARNING: updating and opening http://",
        "packages.adb: unexpected end of file\n",
        "fixture-hello (no such package):",
    ]);
    let faults =
        Faults { wrong_signature: vec!["*/base/packages.adb".into()], ..Faults::default() };
    under(&faults, hello).await.fails_with(&["/base/packages.adb: UNTRUSTED signature\n"]);
    let faults = Faults { not_found: vec!["*/fixture-hello-*".into()], ..Faults::default() };
    under(&faults, hello).await.fails_with(&[
        "ERROR: wget: exited with error 8\nERROR: fixture-hello-1.2-r3: unexpected end of file\n",
    ]);
    let faults = Faults { corrupt: vec!["*/fixture-hello-*".into()], ..Faults::default() };
    under(&faults, hello)
        .await
        .fails_with(&["ERROR: fixture-hello-1.2-r3: file integrity error\n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_packages_are_not_downloaded_again() {
    let (tree, upstream) = tree();
    tree.image(&["PACKAGES=fixture-hello"]).ok();
    let log = upstream.knobs().requests().await.expect("the log");
    assert!(paths(&log, "packages.adb") == 3 && paths(&log, ".apk") > 10, "{log:?}");
    drop(upstream);
    tree.image(&["PACKAGES=fixture-hello"]).ok();
}
