//! Builds that succeed.

use std::{fs, path::Path, process::Command};

use asu_core::{
    package_edits::{PackageEdit, apply_edits},
    plan::Workspace,
    request::Filesystem,
};
use asu_tests::given::Generation;

use crate::bench::{Cache, Pod, folder, requests};

/// Unpacks the squashfs of an image and lists it with modes.
pub(crate) fn unsquash(image: &Path, to: &Path) -> String {
    let bytes = fs::read(image).expect("the image");
    let offset = bytes.windows(4).position(|word| word == b"hsqs").expect("a squashfs");
    let run = |arguments: &[&str]| {
        let ran = Command::new("unsquashfs")
            .args(["-o", &offset.to_string()])
            .args(arguments)
            .arg(image)
            .output()
            .expect("unsquashfs");
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    run(&["-no-xattrs", "-d", &to.to_string_lossy()]);
    run(&["-lls"])
}

#[test]
fn a_request_becomes_an_image_with_its_package_and_its_first_boot_script() {
    let mut pod = Pod::new(&["fixture-hello"]);
    let script = "uci set system.secret='the-private-word'\n";
    pod.defaults(script);
    let built = pod.built();
    let image = built.files.iter().find(|file| file.name.ends_with("-sysupgrade.bin"));
    let image = &image.expect("a sysupgrade image").name;
    let artifacts = pod.path(&format!("store/artifacts/{}", built.build_key));
    let (place, root) = (folder(), "root");
    let listed = unsquash(&artifacts.join(image), &place.path().join(root));
    let root = place.path().join(root);
    assert!(root.join("usr/bin/hello").is_file());
    let laid = fs::read_to_string(root.join("etc/uci-defaults/99-asu-defaults"));
    assert_eq!(laid.expect("the script"), script);
    let setgid = |line: &&str| line.starts_with('d') && line.get(6..7) != Some("x");
    assert_eq!(listed.lines().find(setgid), None, "a setgid folder is in the image");

    let secret = "the-private-word";
    assert!(!pod.log().contains(secret));
    for name in pod.stored().iter().filter(|name| !name.starts_with("artifacts/")) {
        let bytes = fs::read(pod.path("store").join(name)).expect("an object");
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{name}");
    }
    let outcome = fs::read_to_string(pod.path("work/outcome.json")).expect("an outcome");
    assert!(!outcome.contains(secret));
}

#[test]
fn the_result_contains_the_data_for_clients() {
    let pod = Pod::new(&["fixture-hello"]);
    let built = pod.built();
    assert_eq!(built.manifest["fixture-hello"], "1.2-r3");
    assert!(built.manifest.contains_key("libfix"), "ABI suffixes are stripped");
    assert_eq!(built.profile["version_code"], pod.plan.version_code.as_str());
    assert!(built.profile["images"].as_array().is_some_and(|images| images.len() == 2));
    assert_eq!(built.commands[1][3], "PACKAGES=fixture-hello");
    for file in &built.files {
        let path = pod.path(&format!("store/artifacts/{}/{}", built.build_key, file.name));
        assert_eq!(fs::metadata(path).expect("the file").len(), file.size);
    }
    assert!(pod.stored().iter().all(|name| !name.starts_with("uploads")), "{:?}", pod.stored());
    assert!(pod.log().contains("Finalizing root filesystem"));
}

#[test]
fn a_package_that_the_operator_added_is_installed_beside_one_with_a_version_and_noted_in_the_log() {
    let mut pod = Pod::new(&["fixture-hello"]);
    let hello = "fixture-hello".parse().expect("a package");
    pod.plan.request.packages_versions = [(hello, "1.2-r3".to_owned())].into();
    let rule =
        PackageEdit { add: vec!["libfix".parse().expect("a package")], ..PackageEdit::default() };
    let edited = apply_edits(pod.plan.request.clone(), &[rule]);
    pod.plan.notes = edited.notes();
    pod.plan.request = edited.request;
    let built = pod.built();
    assert_eq!(built.commands[1][3], "PACKAGES=fixture-hello libfix");
    assert!(pod.log().contains("[asu] added libfix ("), "{}", pod.log());
}

#[test]
fn stages_are_printed_in_order_as_clients_know_them() {
    let pod = Pod::new(&[]);
    let ended = pod.run();
    let printed = String::from_utf8_lossy(&ended.publish.stdout).into_owned();
    let stages: Vec<&str> = printed.lines().filter_map(|l| l.strip_prefix("asu-stage: ")).collect();
    let order =
        ["init", "container_setup", "validate_revision", "validate_manifest", "building_image"];
    let places: Vec<_> = stages.iter().map(|s| order.iter().position(|o| o == s)).collect();
    assert!(places.is_sorted() && !places.contains(&None), "{printed}");
    assert_eq!(stages.last(), Some(&"building_image"));
}

#[test]
fn packages_are_downloaded_only_from_the_package_base() {
    let pod = Pod::new(&["fixture-hello"]);
    pod.built();
    let paths: Vec<String> = requests(&pod.upstream).into_iter().map(|r| r.path).collect();
    assert!(paths.iter().any(|path| path.contains("fixture-hello_")), "{paths:?}");
    let indexes = paths.iter().filter(|path| path.ends_with("/base/Packages.gz")).count();
    assert_eq!(indexes, 1, "packages are resolved once");
}

/// Builds the same plan in another way: the store refuses different bytes under the same key.
#[test]
fn every_way_of_building_gives_the_same_bytes() {
    let cache = Cache::filled(Generation::Opkg, "testarch/small");
    let mut pod = Pod::with(&cache, "testarch/small", "acme_router-a", &["fixture-hello"]);
    // Another server has another address, so the repositories file differs.
    let first = pod.built();
    let again = |pod: &mut Pod, uid: &str| {
        pod.next(uid);
        pod.built()
    };
    let farm = again(&mut pod, "uid-2");
    pod.plan.workspace = Workspace::Copy;
    let copy = again(&mut pod, "uid-3");
    let mut marker = cache.marker().expect("a marker");
    assert!(marker.single_resolution);
    marker.single_resolution = false;
    cache.set_marker(&marker);
    let public = again(&mut pod, "uid-4");
    for other in [&farm, &copy, &public] {
        assert_eq!(other.build_key, first.build_key);
        assert_eq!(other.files, first.files);
        assert_eq!(other.manifest, first.manifest);
    }
}

#[test]
fn an_absolute_package_set_removes_the_other_defaults() {
    let mut pod = Pod::new(&["base-files", "busybox", "libc", "netifd", "procd", "uci"]);
    pod.plan.request.diff_packages = true;
    let built = pod.built();
    assert!(built.packages.iter().any(|package| *package == "-dnsmasq"));
    assert!(!built.manifest.contains_key("dnsmasq"));
    assert!(built.manifest.contains_key("netifd"));
}

#[test]
fn the_filesystem_and_root_size_of_the_request_are_used() {
    let mut pod = Pod::on("testarch/disk", "generic", &[]);
    pod.plan.request.filesystem = Some(Filesystem::Ext4);
    pod.plan.request.rootfs_size_mb = Some(12);
    let built = pod.built();
    let images: Vec<&str> = built.files.iter().map(|file| file.name.as_str()).collect();
    assert!(images.iter().any(|name| name.ends_with("ext4-rootfs.img.gz")), "{images:?}");
    assert!(!images.iter().any(|name| name.contains("squashfs")), "{images:?}");
}

#[test]
fn matching_package_versions_succeed() {
    let mut pod = Pod::new(&[]);
    let versions = &mut pod.plan.request.packages_versions;
    versions.insert("fixture-hello".parse().unwrap(), "1.2-r3".into());
    assert_eq!(pod.built().packages, ["fixture-hello"]);
}

#[test]
fn a_log_that_is_too_long_keeps_its_beginning_and_its_end() {
    let mut pod = Pod::new(&["fixture-chatty"]);
    pod.plan.limits.log_bytes = 1 << 20;
    pod.built();
    let (log, stored) = (pod.log(), pod.result().log.expect("a stored log"));
    assert!(stored.truncated && stored.text_bytes < (1 << 20) + 4096);
    assert!(log.starts_with("[asu] $ make"));
    assert!(log.contains("Calculating checksums"));
}

#[test]
fn a_build_that_writes_to_the_tree_is_repeated_in_a_copy() {
    let root = rustix::process::geteuid().is_root();
    assert!(root, "with one user for all the tree is writable: run this test as root");
    let cache = Cache::filled(Generation::Opkg, "testarch/small");
    let makefile = cache.volume().join("tree/Makefile");
    let rules = fs::read_to_string(&makefile).expect("the Makefile");
    let writing = "prepare_rootfs: FORCE\n\techo x >> $(STAGING_DIR_HOST)/.prereq-build\n";
    fs::write(&makefile, rules.replace("prepare_rootfs: FORCE\n", writing)).expect("a Makefile");
    let stamp = cache.volume().join("tree/staging_dir/host/.prereq-build");
    let pod = Pod::with(&cache, "testarch/small", "acme_router-a", &[]);
    pod.built();
    assert!(pod.log().contains("building again in a copy"), "{}", pod.log());
    assert_eq!(fs::read(&stamp).expect("the stamp"), b"", "the tree itself was written to");
}
