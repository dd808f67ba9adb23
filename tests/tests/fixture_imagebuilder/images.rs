//! What a successful build leaves.

use std::{fs, path::Path, process::Command};

use asu_core::digest::Digest;
use asu_tests::given::Generation;
use serde_json::Value;

use crate::tree::Tree;

fn sha256(content: &[u8]) -> String {
    Digest::of(content).to_string()
}

/// The images of a profile, each with the right hash.
fn checked_images(tree: &Tree, profile: &str) -> Vec<String> {
    let profiles: Value = serde_json::from_slice(&tree.output("profiles.json")).expect("JSON");
    let images = profiles["profiles"][profile]["images"].as_array().expect("images").clone();
    images
        .iter()
        .map(|image| {
            let name = image["name"].as_str().expect("a name").to_owned();
            assert_eq!(image["sha256"], sha256(&tree.output(&name)), "{name}");
            name
        })
        .collect()
}

/// Unpacks the squashfs that lies at `offset` of an image.
fn unsquash(image: &Path, offset: u64, target: &Path) {
    let output = Command::new("unsquashfs")
        .args(["-no-progress", "-offset", &offset.to_string(), "-dest"])
        .arg(target)
        .arg(image)
        .output()
        .expect("unsquashfs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The chunks at the end of an image, last first: (type, data).
fn trailer(image: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = image;
    let mut chunks = Vec::new();
    while let Some(body) = rest.len().checked_sub(16).filter(|end| &rest[*end..*end + 4] == b"FWx0")
    {
        let number = |at: usize| {
            u32::from_be_bytes(rest[body + at..body + at + 4].try_into().expect("four"))
        };
        let (kind, size) = (rest[body + 8], number(12) as usize);
        assert_eq!(number(4), crc(&rest[..body]), "checksum of a chunk of type {kind}");
        let header = if kind == 1 { 8 } else { 0 };
        chunks.push((kind, rest[rest.len() - size + header..body].to_vec()));
        rest = &rest[..rest.len() - size];
    }
    chunks
}

/// CRC-32 without the final inversion.
fn crc(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}

#[test]
fn an_image_contains_packages_overlay_and_service_links() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.shell("mkdir -p files/etc/uci-defaults; echo first-boot > files/etc/uci-defaults/99-own");
    let run = tree.image(&[
        "PACKAGES=fixture-hello -logd",
        "FILES=files",
        "DISABLED_SERVICES=dropbear",
        "EXTRA_IMAGE_NAME=My_Name X",
    ]);
    let run = run.ok();
    for stage in
        ["Building images for testarch - Acme Router A", "Disabling dropbear", "Enabling dnsmasq"]
    {
        assert!(run.stdout.contains(stage), "{stage}");
    }
    let names = checked_images(&tree, "acme_router-a");
    let prefix = "openwrt-24.10.7-my-name-x-testarch-small-acme_router-a";
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with(prefix)), "{names:?}");
    let own = tree.shell("cd ../out && sha256sum -c sha256sums && ls");
    assert!(own.contains(&format!("{prefix}.manifest: OK")), "{own}");
    assert!(own.contains(&format!("{prefix}.bom.cdx.json: OK")), "{own}");

    let root = tree.out().join("root");
    // The kernel of this device fills one block of 64 KiB and a half.
    unsquash(&tree.out().join(format!("{prefix}-squashfs-sysupgrade.bin")), 2 << 16, &root);
    for path in
        ["usr/bin/hello", "etc/rc.d/S19dnsmasq", "etc/rc.d/K85dnsmasq", "etc/uci-defaults/99-own"]
    {
        assert!(fs::symlink_metadata(root.join(path)).is_ok(), "{path}");
    }
    for path in ["usr/sbin/logd", "etc/rc.d/S19dropbear", "etc/rc.d/K50dropbear"] {
        assert!(fs::symlink_metadata(root.join(path)).is_err(), "{path}");
    }
    let overlay = fs::read_to_string(root.join("etc/uci-defaults/99-own")).expect("the overlay");
    assert_eq!(overlay, "first-boot\n");
}

#[test]
fn the_trailer_has_metadata_and_signature_and_a_rebuild_has_the_same_bytes() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.image(&[]).ok();
    let first = tree.output("sysupgrade.bin");
    let chunks = trailer(&first);
    assert_eq!(chunks.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [0, 1]);
    let metadata: Value = serde_json::from_slice(&chunks[1].1).expect("JSON");
    let devices: Vec<&str> = metadata["supported_devices"]
        .as_array()
        .expect("devices")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(devices, ["acme,router-a", "acme,router-rev1", "router-a"]);
    tree.image(&[]).ok();
    assert_eq!(sha256(&first), sha256(&tree.output("sysupgrade.bin")));
}

#[test]
fn a_disk_target_makes_every_file_system_and_ext4_can_be_dropped() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/disk");
    let out = format!("BIN_DIR={}", tree.out().display());
    tree.make(&["image", &out, "PACKAGES=fixture-hello"]).ok();
    assert_eq!(checked_images(&tree, "generic").len(), 4);
    for ending in ["generic-kernel.bin", "generic-rootfs.tar.gz", "ext4-combined.img.gz"] {
        assert!(!tree.output(ending).is_empty(), "{ending}");
    }
    let listing = tree.shell(
        "gzip -dc ../out/*ext4-rootfs.img.gz > ../root.ext4; /sbin/e2fsck -fn ../root.ext4 2>&1; \
         /sbin/debugfs -R 'ls -l /usr/bin' ../root.ext4 2>&1",
    );
    assert!(listing.contains("hello"), "{listing}");

    fs::remove_dir_all(tree.out()).expect("the images");
    let config = tree.read(".config");
    tree.write(".config", &config.replace("CONFIG_TARGET_ROOTFS_EXT4FS=y\n", ""));
    tree.make(&["image", &out]).ok();
    assert_eq!(checked_images(&tree, "generic").len(), 2);
}

#[test]
fn a_relative_output_folder_loses_the_images_and_a_used_one_is_merged() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.make(&["image", "PROFILE=acme_router-a", "BIN_DIR=lost", "FILES=/nonexistent"]).ok();
    let names = tree.shell("cd lost && ls");
    assert_eq!(names.split_whitespace().collect::<Vec<_>>(), ["profiles.json", "sha256sums"]);

    tree.image(&[]).ok();
    let out = format!("BIN_DIR={}", tree.out().display());
    tree.make(&["image", "PROFILE=acme_router-b", &out]).ok();
    assert_eq!(checked_images(&tree, "acme_router-a").len(), 2);
    assert_eq!(checked_images(&tree, "acme_router-b").len(), 1);
}

#[test]
fn the_goals_behind_manifest_and_image_give_the_same_bytes() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    tree.image(&["PACKAGES=fixture-hello", "EXTRA_IMAGE_NAME=abc"]).ok();
    let public = tree.output("sysupgrade.bin");
    let manifest =
        tree.make(&["manifest", "PROFILE=acme_router-a", "PACKAGES=fixture-hello", "STRIP_ABI=1"]);

    let farm = tree.farm();
    let out = format!("BIN_DIR={}", farm.out().display());
    let variables = [
        "USER_PROFILE=DEVICE_acme_router-a",
        "USER_PACKAGES=fixture-hello",
        &out,
        "EXTRA_IMAGE_NAME=abc",
    ];
    let goal = |name: &str| {
        let mut arguments = vec![name];
        arguments.extend(variables);
        farm.make(&arguments).ok()
    };
    let mut arguments = vec!["_call_manifest", "STRIP_ABI=1"];
    arguments.extend(variables);
    assert_eq!(farm.make(&arguments).ok().stdout, manifest.ok().stdout);
    for name in ["prepare_rootfs", "build_image", "json_overview_image_info", "checksum"] {
        goal(name);
    }
    assert_eq!(checked_images(&farm, "acme_router-a").len(), 2);
    assert_eq!(sha256(&public), sha256(&farm.output("sysupgrade.bin")));
}

#[test]
fn two_link_farms_over_a_read_only_tree_build_the_same_bytes_at_once() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    tree.freeze();
    let before = tree.shell("find . -printf '%p %m %T@ %C@\\n' | sort");
    let farms = [tree.farm(), tree.farm()];
    std::thread::scope(|scope| {
        for farm in &farms {
            scope.spawn(|| farm.image(&["PACKAGES=fixture-hello"]).ok());
        }
    });
    let [one, two] = farms.each_ref().map(|farm| sha256(&farm.output("sysupgrade.bin")));
    assert_eq!(one, two);
    assert_eq!(before, tree.shell("find . -printf '%p %m %T@ %C@\\n' | sort"));
    tree.thaw();
}
