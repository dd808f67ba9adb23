//! Failures: their texts, where they are printed, and with which exit code.

use asu_tests::{
    fixtures::Faults,
    given::{Generation, fixture},
};

use crate::tree::Tree;

/// Requests of package files that the server answered with content.
fn packages_served(log: &[asu_tests::fixtures::Logged]) -> usize {
    log.iter().filter(|entry| entry.path.contains(".ipk") && entry.status == 200).count()
}

#[test]
fn packages_that_cannot_be_installed_are_all_named() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let packages = "PACKAGES=nosuch-one nosuch-two fixture-hello=9.9-r1 fixture-missing-dep \
                    fixture-conflict-a fixture-conflict-b fixture-clash-a fixture-clash-b";
    let run = tree.image(&[packages]);
    run.fails_with(&[
        "Collected errors:\n * opkg_install_cmd: Cannot install package nosuch-one.\n",
        " * opkg_install_cmd: Cannot install package nosuch-two.\n",
        " * opkg_install_cmd: Cannot install package fixture-hello=9.9-r1.\n",
        " * pkg_hash_check_unresolved: cannot find dependency fixture-nowhere for fixture-missing-dep\n",
        " * pkg_hash_fetch_best_installation_candidate: Packages for fixture-missing-dep found, but \
         incompatible with the architectures configured\n",
        " * check_conflicts_for: The following packages conflict with fixture-conflict-b:\n \
         * check_conflicts_for: \tfixture-conflict-a * \n",
        " * check_data_file_clashes: Package fixture-clash-b wants to install file /",
        "/usr/share/fixture/clash\n\tBut that file is already provided by package  * fixture-clash-a\n",
        "package_install] Error 255\n",
        "_call_image] Error 2\n",
    ]);
    assert!(run.stdout.contains("Configuring fixture-conflict-a."), "{}", run.stdout);
}

#[test]
fn a_failing_package_script_fails_the_build() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    tree.image(&["PACKAGES=fixture-badpostinst"]).fails_with(&[
        " * pkg_run_script: package \"fixture-badpostinst\" postinst script returned status 3.\n",
        " * opkg_configure: fixture-badpostinst.postinst returned 3.\n",
    ]);
    tree.image(&["PACKAGES=fixture-badpostinst-late"]).fails_with(&[
        "postinst script ./usr/lib/opkg/info/fixture-badpostinst-late.postinst has failed with exit code 4\n",
        "prepare_rootfs] Error 1\n",
    ]);
}

#[test]
fn an_image_that_is_too_big_is_missing_although_make_succeeds() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let run = tree.image(&["PACKAGES=fixture-huge"]).ok();
    assert!(run.stderr.contains("    WARNING: Image file /"), "{}", run.stderr);
    assert!(run.stderr.contains(" > 524288\n"), "{}", run.stderr);
    assert!(run.stderr.contains("Failed to open firmware file"), "{}", run.stderr);
    assert!(run.stdout.contains("Skip JSON creation for non existing file "), "{}", run.stdout);
    let text = "JSON info file script could not find any JSON files for target";
    assert!(run.stdout.contains(text), "{}", run.stdout);
    let names = tree.images();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!names.contains(&"profiles.json".to_owned()), "{names:?}");
}

#[test]
fn an_ext4_root_that_does_not_fit_reports_out_of_space() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/disk");
    let out = format!("BIN_DIR={}", tree.out().display());
    tree.make(&["image", &out, "PACKAGES=fixture-huge", "ROOTFS_PARTSIZE=2"]).fails_with(&[
        "error: ext4_allocate_best_fit_partial: failed to allocate",
        "out of space?\n",
        "root.ext4]",
    ]);
}

#[tokio::test]
async fn a_wrong_index_signature_drops_the_feed() {
    let (tree, upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let faults =
        |pattern: &str| Faults { wrong_signature: vec![pattern.to_owned()], ..Faults::default() };
    upstream.knobs().set(&faults("*/base/Packages.sig")).await.expect("knobs");
    let run = tree.image(&["PACKAGES=fixture-hello"]);
    run.fails_with(&[
        "Signature check failed.\nRemove wrong Signature file.\n",
        " * opkg_install_cmd: Cannot install package fixture-hello.\n",
    ]);
    upstream.knobs().set(&faults("*/kmods/*/Packages.sig")).await.expect("knobs");
    let unused = "PACKAGES=-kmod-fixture-core -kmod-fixture-wifi";
    let run = tree.image(&[unused]).ok();
    assert!(run.stderr.contains("Signature check failed."), "{}", run.stderr);
}

#[tokio::test]
async fn an_unreachable_server_fails_a_cold_build_and_not_a_warm_one() {
    let (tree, upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let cold = tree.farm();
    tree.image(&[]).ok();
    let requests = upstream.knobs();
    requests.reset().await.expect("knobs");
    tree.image(&[]).ok();
    let log = requests.requests().await.expect("a log");
    assert_eq!(packages_served(&log), 0);
    assert_eq!(log.len(), 6, "indexes and signatures of three feeds: {log:?}");

    drop(upstream);
    let run = tree.image(&[]).ok();
    let url = "*** Failed to download the package list from http://127.0.0.1:";
    assert!(run.stderr.contains(url), "{}", run.stderr);
    cold.image(&[]).fails_with(&[
        ", wget returned 4.\n * opkg_download: Check your network settings and connectivity.\n",
        url,
        " * opkg_install_cmd: Cannot install package busybox.\n",
    ]);
}

#[tokio::test]
async fn missing_or_corrupt_packages_differ_from_unknown_ones() {
    let (tree, upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let pattern = vec!["*/fixture-hello_*".to_owned()];
    let gone = Faults { not_found: pattern.clone(), ..Faults::default() };
    upstream.knobs().set(&gone).await.expect("knobs");
    tree.image(&["PACKAGES=fixture-hello"]).fails_with(&[
        "fixture-hello_1.2-r3_testarch_generic.ipk, wget returned 8.\n",
        " * opkg_install_pkg: Failed to download fixture-hello. Perhaps you need to run 'opkg update'?\n",
        " * opkg_install_cmd: Cannot install package fixture-hello.\n",
    ]);
    let corrupt = Faults { corrupt: pattern, ..Faults::default() };
    upstream.knobs().set(&corrupt).await.expect("knobs");
    tree.image(&["PACKAGES=fixture-hello"]).fails_with(&[
        " * opkg_install_pkg: Checksum or size mismatch for package fixture-hello. Either the opkg or the \
         package index are corrupt. Try 'opkg update'.\n",
    ]);
}

#[test]
fn the_repositories_of_a_fresh_tree_cannot_be_reached() {
    let (world, upstream) = fixture(Generation::Opkg);
    let tree = Tree::unpack(&world, &upstream, "testarch/small");
    tree.warm_up();
    let repositories = tree.read("repositories.conf");
    tree.write("repositories.conf", &repositories.replace(&upstream.base_url(), &world.base_url));
    tree.make(&["manifest"]).fails_with(&["downloads.fixture.invalid", "wget returned 4."]);
}
