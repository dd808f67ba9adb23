//! Our images are those of `make image`, run by hand in a tree of one's own.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use asu_core::packages::image_name_part;
use serde_json::Value;

use crate::bench::{Pod, folder};

/// Length of the end of each chunk that `fwtool` appends: magic, checksum, kind, length.
const TRAILER: usize = 16;
/// Kind of the chunk with a signature.
const SIGNATURE: u8 = 0;

/// An image without the signature at its end: each tree signs with a key that it made for itself.
fn unsigned(image: &[u8]) -> &[u8] {
    let end = image.len().checked_sub(TRAILER).and_then(|at| image.get(at..));
    match end {
        Some([b'F', b'W', b'x', b'0', _, _, _, _, SIGNATURE, _, _, _, length @ ..]) => {
            let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
            let length = usize::try_from(length).expect("a length");
            image.get(..image.len() - length).expect("a chunk in the image")
        }
        _ => image,
    }
}

/// The files of a folder by name: images without their signatures, and what tells of signed files
/// without their digests.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("a file");
        match name.as_str() {
            "sha256sums" => {}
            "profiles.json" => {
                let mut document: Value = serde_json::from_slice(&bytes).expect("JSON");
                without_digests(&mut document);
                files.insert(name, serde_json::to_vec(&document).expect("JSON"));
            }
            _ => {
                files.insert(name, unsigned(&bytes).to_vec());
            }
        }
    }
    files
}

fn without_digests(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("sha256");
            map.values_mut().for_each(without_digests);
        }
        Value::Array(list) => list.iter_mut().for_each(without_digests),
        _ => {}
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("a start");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&text));
}

/// What somebody gets who unpacks the ImageBuilder, points it to the mirror, and makes the image.
fn by_hand(pod: &Pod, place: &Path, script: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    let world = crate::bench::world().0;
    let request = &pod.plan.request;
    let tarball = world.tarball(&request.target);
    run(Command::new("tar").arg("--zstd").arg("-xf").arg(&tarball).arg("-C").arg(place));
    let name = tarball.file_name().expect("a name").to_string_lossy().into_owned();
    let tree = place.join(name.trim_end_matches(".tar.zst"));
    let feeds = tree.join("repositories.conf");
    let text = fs::read_to_string(&feeds).expect("a tree of one's own");
    fs::write(&feeds, text.replace(&world.base_url, &pod.upstream.base_url()))
        .expect("a tree of one's own");
    let output = place.join("bin");
    let mut make = Command::new("make");
    make.args(["-s", "image"]).current_dir(&tree).env_clear();
    make.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", place).env("LC_ALL", "C");
    make.arg(format!("PROFILE={}", request.profile));
    make.arg(format!("PACKAGES={}", request.packages.join(" ")));
    make.arg(format!("EXTRA_IMAGE_NAME={}", image_name_part(&request.packages)));
    make.arg(format!("BIN_DIR={}", output.display()));
    if let Some(size) = request.rootfs_size_mb {
        make.arg(format!("ROOTFS_PARTSIZE={size}"));
    }
    if let Some(script) = script {
        make.arg(format!("FILES={}", overlay(place, script).display()));
    }
    run(&mut make);
    files(&output)
}

fn overlay(place: &Path, script: &str) -> PathBuf {
    let folder = place.join("files");
    let scripts = folder.join("etc/uci-defaults");
    fs::create_dir_all(&scripts).expect("a tree of one's own");
    let file = scripts.join("99-asu-defaults");
    fs::write(&file, script).expect("a tree of one's own");
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("a tree of one's own");
    folder
}

fn ours(pod: &Pod) -> BTreeMap<String, Vec<u8>> {
    pod.run();
    let built = pod.result().built.unwrap_or_else(|| panic!("no image: {}", pod.log()));
    files(&pod.path(&format!("store/artifacts/{}", built.build_key)))
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&String> {
    files.keys().collect()
}

/// The same files, but for signatures; gives them.
fn same(pod: &Pod, script: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    let place = folder();
    let (ours, theirs) = (ours(pod), by_hand(pod, place.path(), script));
    assert_eq!(names(&ours), names(&theirs));
    for (name, bytes) in &ours {
        assert!(theirs.get(name) == Some(bytes), "{name} differs");
    }
    ours
}

#[test]
fn an_image_is_that_of_make_image_but_for_the_signature_of_the_tree() {
    let files = same(&Pod::new(&["fixture-hello", "-mtd"]), None);
    assert!(names(&files).iter().any(|name| name.ends_with("-sysupgrade.bin")));
}

#[test]
fn an_image_without_a_wish_is_that_of_make_image() {
    same(&Pod::new(&[]), None);
}

#[test]
fn an_image_with_a_partition_size_and_a_first_boot_script_is_that_of_make_image() {
    let mut pod = Pod::on("testarch/disk", "generic", &["fixture-hello"]);
    pod.plan.request.rootfs_size_mb = Some(9);
    let script = "uci set system.@system[0].hostname='x'\n";
    pod.defaults(script);
    same(&pod, Some(script));
}

#[test]
fn another_package_makes_another_image() {
    let place = folder();
    let pod = Pod::new(&["fixture-hello"]);
    let ours = ours(&pod);
    let mut other = Pod::new(&[]);
    other.plan.request.packages.clear();
    let theirs = by_hand(&other, place.path(), None);
    let image = |files: &BTreeMap<String, Vec<u8>>| {
        let name = files
            .keys()
            .find(|name| name.ends_with("-sysupgrade.bin"))
            .expect("a tree of one's own");
        files.get(name).cloned()
    };
    assert!(image(&ours) != image(&theirs), "the comparison tells images apart");
}
