//! Tests that images are the same as those of `make image`, run by hand in an unpacked
//! ImageBuilder.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use asu_core::packages::image_name_part;
use asu_tests::given::{Generation, fixture};
use serde_json::Value;

use crate::bench::{Pod, folder};

/// Length of the end of each chunk that `fwtool` appends: magic, checksum, kind, length.
const TRAILER: usize = 16;
/// Kind of the chunk with a signature.
const SIGNATURE: u8 = 0;

/// An image without the signature at its end: each tree signs with its own key.
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

/// The files of a folder by name: images without their signatures, and files that list signed files
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

/// Unpacks the ImageBuilder, sets the mirror, makes the image by hand, and returns the files.
fn by_hand(
    generation: Generation,
    pod: &Pod,
    place: &Path,
    script: Option<&str>,
) -> BTreeMap<String, Vec<u8>> {
    let world = fixture(generation).0;
    let request = &pod.plan.request;
    let tarball = world.tarball(request.target.as_str());
    run(Command::new("tar").arg("--zstd").arg("-xf").arg(&tarball).arg("-C").arg(place));
    let name = tarball.file_name().expect("a name").to_string_lossy().into_owned();
    let tree = place.join(name.trim_end_matches(".tar.zst"));
    let feeds = tree.join(match generation {
        Generation::Apk | Generation::Snapshot => "repositories",
        _ => "repositories.conf",
    });
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
    let built = pod.built();
    files(&pod.path(&format!("store/artifacts/{}", built.build_key)))
}

const GENERATIONS: [Generation; 2] = [Generation::Opkg, Generation::Apk];

/// Checks that a pod and a build by hand give the same files, except for signatures.
fn same(generation: Generation, pod: &Pod, script: Option<&str>) {
    let place = folder();
    let ours = ours(pod);
    let theirs = by_hand(generation, pod, place.path(), script);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, bytes) in &ours {
        assert!(theirs.get(name) == Some(bytes), "{name} differs");
    }
    assert!(ours.keys().any(|name| name.ends_with(".manifest")));
}

fn router(generation: Generation, packages: &[&str]) -> Pod {
    Pod::of(generation, "testarch/small", "acme_router-a", packages)
}

#[test]
fn an_image_equals_that_of_make_image_except_for_the_signature() {
    for generation in GENERATIONS {
        same(generation, &router(generation, &["fixture-hello", "-mtd"]), None);
        same(generation, &router(generation, &[]), None);
    }
}

#[test]
fn an_image_with_a_partition_size_and_a_script_equals_that_of_make_image() {
    for generation in GENERATIONS {
        let mut pod = Pod::of(generation, "testarch/disk", "generic", &["fixture-hello"]);
        pod.plan.request.rootfs_size_mb = Some(9);
        let script = "uci set system.@system[0].hostname='x'\n";
        pod.defaults(script);
        same(generation, &pod, Some(script));
    }
}

#[test]
fn an_image_of_apk_has_no_signature_and_equals_that_of_make_image() {
    let pod = router(Generation::Apk, &["fixture-hello"]);
    let built = pod.built();
    let image = built.files.iter().find(|file| file.name.ends_with("-sysupgrade.bin"));
    let name = &image.expect("a sysupgrade image").name;
    let stored = pod.path(&format!("store/artifacts/{}/{name}", built.build_key));
    let bytes = fs::read(stored).expect("the image");
    assert_eq!(unsigned(&bytes).len(), bytes.len());
}

#[test]
fn another_package_makes_another_image() {
    let image = |packages: &[&str]| {
        let files = ours(&router(Generation::Opkg, packages));
        files
            .into_iter()
            .find(|(name, _)| name.ends_with("-sysupgrade.bin"))
            .map(|(_, bytes)| bytes)
    };
    assert!(image(&["fixture-hello"]) != image(&[]), "the comparison tells images apart");
}
