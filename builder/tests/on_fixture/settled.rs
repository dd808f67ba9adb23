//! The object key of a build's files when its build key is already taken.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use asu_core::{digest::Digest, result::Built};

use crate::bench::Pod;

/// Longer ago than any test takes.
const LONG_AGO: Duration = Duration::from_hours(2);

fn place(pod: &Pod, built: &Built, name: &str) -> PathBuf {
    pod.path(&format!("store/artifacts/{}/{name}", built.build_key))
}

fn named(built: &Built, ending: &str) -> String {
    let file = built.files.iter().find(|file| file.name.ends_with(ending));
    file.unwrap_or_else(|| panic!("no {ending}")).name.clone()
}

/// Every stored file is the one that the result names, and the sums speak of them.
fn is_whole(pod: &Pod, built: &Built) {
    let read = |name: &str| fs::read(place(pod, built, name)).expect("a stored file");
    let sums = String::from_utf8(read("sha256sums")).expect("text");
    for file in &built.files {
        let bytes = read(&file.name);
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (file.sha256, file.size));
        let line = format!("{} *{}", file.sha256, file.name);
        assert!(file.name == "sha256sums" || sums.lines().any(|found| found == line), "{line}");
    }
}

/// Makes everything that is stored look old, as retention sees it.
#[expect(clippy::disallowed_methods, reason = "files have the time of the machine's clock")]
fn age(pod: &Pod) {
    for name in pod.stored() {
        let file = fs::File::options().write(true).open(pod.path("store").join(name));
        file.and_then(|file| file.set_modified(SystemTime::now() - LONG_AGO)).expect("an old file");
    }
}

fn is_young(pod: &Pod, built: &Built) {
    for file in &built.files {
        let info = fs::metadata(place(pod, built, &file.name)).expect("a stored file");
        let age = info.modified().expect("a time").elapsed().unwrap_or_default();
        assert!(age < LONG_AGO / 2, "{} looks old", file.name);
    }
}

#[test]
fn a_build_with_other_files_gets_a_key_of_its_own_and_keeps_the_first_files() {
    let mut pod = Pod::new(&["fixture-dated"]);
    let first = pod.built();
    pod.next("uid-2");
    let second = pod.built();
    assert_ne!(second.build_key, first.build_key);
    for built in [&first, &second] {
        is_whole(&pod, built);
    }
    let image = named(&first, "-sysupgrade.bin");
    let read = |built: &Built| fs::read(place(&pod, built, &image)).expect("an image");
    assert_ne!(read(&first), read(&second), "the images have the same time in them");
    let said = format!("other files of the same build are stored under {}", first.build_key);
    assert!(pod.log().contains(&said), "{}", pod.log());
    assert!(pod.stored().iter().all(|name| !name.starts_with("uploads")), "{:?}", pod.stored());
}

#[test]
fn the_same_files_are_shared_and_written_again() {
    let mut pod = Pod::new(&["fixture-hello"]);
    let first = pod.built();
    age(&pod);
    pod.next("uid-2");
    let second = pod.built();
    assert_eq!(second.build_key, first.build_key);
    assert_eq!(second.files, first.files);
    is_whole(&pod, &second);
    is_young(&pod, &second);
}

#[test]
fn a_stored_bill_of_materials_of_another_time_is_used_with_its_checksums() {
    let mut pod = Pod::new(&["fixture-hello"]);
    let first = pod.built();
    let (bom, sums) = (named(&first, ".bom.cdx.json"), place(&pod, &first, "sha256sums"));
    let before = first.files.iter().find(|file| file.name == bom).expect("the bill");
    let other = b"{\"metadata\":{\"timestamp\":\"then\"}}\n";
    fs::write(place(&pod, &first, &bom), other).expect("another bill");
    let text = fs::read_to_string(&sums).expect("the sums");
    let listed = text.replace(&before.sha256.to_string(), &Digest::of(other).to_string());
    fs::write(&sums, listed).expect("other sums");
    age(&pod);
    pod.next("uid-2");
    let second = pod.built();
    assert_eq!(second.build_key, first.build_key);
    assert_eq!(fs::read(place(&pod, &second, &bom)).expect("the bill"), other);
    is_whole(&pod, &second);
    is_young(&pod, &second);
}

/// A pod that died while it put its files in their places left some of them.
#[test]
fn files_of_a_killed_pod_are_completed_or_kept() {
    let mut pod = Pod::new(&["fixture-hello"]);
    let first = pod.built();
    let bom = named(&first, ".bom.cdx.json");
    let lose = |names: &[&str]| {
        for name in names {
            fs::remove_file(place(&pod, &first, name)).expect("a file that is not there");
        }
    };
    lose(&["profiles.json", "sha256sums"]);
    pod.next("uid-2");
    let second = pod.built();
    assert_eq!(second.build_key, first.build_key);
    is_whole(&pod, &second);

    fs::remove_file(place(&pod, &first, "sha256sums")).expect("a file that is not there");
    fs::write(place(&pod, &first, &bom), "of another time").expect("another bill");
    pod.next("uid-3");
    let third = pod.built();
    assert_ne!(third.build_key, first.build_key);
    is_whole(&pod, &third);
}

#[test]
fn files_of_a_committed_result_are_not_changed() {
    let mut pod = Pod::new(&["fixture-dated"]);
    let first = pod.built();
    let stored = |pod: &Pod| -> Vec<(String, Vec<u8>)> {
        let read = |name: String| (name.clone(), fs::read(pod.path("store").join(name)));
        pod.stored().into_iter().map(read).map(|(n, b)| (n, b.expect("a file"))).collect()
    };
    let before = stored(&pod);
    pod.next("uid-1");
    let again = pod.built();
    assert_eq!(again, first);
    assert!(stored(&pod) == before, "something was written");
}
