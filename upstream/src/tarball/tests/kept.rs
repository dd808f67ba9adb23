//! Modes, times, links and names of a valid tarball are unpacked as they were packed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

#[test]
fn both_compressions_are_detected_by_their_first_bytes() {
    let tar = Archive::default().dir("top").file("top/a", "text").tar();
    for packed in [zstd::encode_all(&*tar, 20).unwrap(), xz(&tar)] {
        let place = Place::new();
        let answer = place.unpack_bytes(&packed, UnpackLimits::default()).unwrap();
        assert_eq!(answer, Unpacked { top_dir: "top".into(), entries: 2, bytes: 4 });
        assert_eq!(fs::read(place.dest().join("top/a")).unwrap(), b"text");
    }
}

#[test]
fn other_files_are_refused() {
    let place = Place::new();
    for bytes in [&b""[..], b"\x1f\x8b\x08", b"top"] {
        let error = place.unpack_bytes(bytes, UnpackLimits::default()).unwrap_err();
        assert!(matches!(error, TarballError::UnknownCompression), "{error}");
    }
}

#[test]
fn times_of_files_folders_and_symlinks_are_kept() {
    let archive = Archive::default()
        .dir("top/")
        .dir("top/dir/")
        .link("top/dir/link", "nowhere")
        .pax(b'x', &[("mtime", "1234567890.5")])
        .file("top/dir/file", "x")
        .file("top/late", "x");
    let (place, _) = unpacked(archive);
    let whole = (i64::try_from(TIME).unwrap(), 0);
    for name in ["top", "top/dir", "top/dir/link", "top/late"] {
        assert_eq!(time(&place.dest().join(name)), whole, "{name}");
    }
    assert_eq!(time(&place.dest().join("top/dir/file")), (1_234_567_890, 500_000_000));
}

#[test]
fn modes_are_kept_without_setuid_setgid_and_sticky() {
    let archive = Archive::default()
        .dir("top")
        .raw(b'5', b"top/dir", b"", 0o7550, b"")
        .raw(b'0', b"top/dir/tool", b"", 0o6755, b"x")
        .raw(b'0', b"top/private", b"", 0o600, b"x");
    let (place, _) = unpacked(archive);
    assert_eq!(mode(&place.dest().join("top/dir/tool")), 0o755);
    assert_eq!(mode(&place.dest().join("top/private")), 0o600);
    assert_eq!(mode(&place.dest().join("top/dir")), 0o750, "the owner may always write");
}

#[test]
fn a_setgid_destination_is_not_inherited() {
    let place = Place::new();
    fs::set_permissions(place.dest(), fs::Permissions::from_mode(0o2755)).unwrap();
    let archive = Archive::default().dir("top").file("top/implied/file", "x");
    place.unpack(&archive.tar()).unwrap();
    assert_eq!(mode(&place.dest().join("top")), 0o755);
    assert_eq!(mode(&place.dest().join("top/implied")), 0o755);
}

#[test]
fn owners_of_the_archive_are_ignored() {
    let (place, _) = unpacked(Archive::default().file("top/file", "x"));
    let file = fs::metadata(place.dest().join("top/file")).unwrap();
    assert_eq!(file.uid(), rustix::process::geteuid().as_raw());
}

#[test]
fn symlinks_with_any_target_are_allowed() {
    let targets = [
        ("relative", "../top/file"),
        ("absolute", "/usr/bin/gzip"),
        ("dangling", "nowhere/at/all"),
        ("outside", "../../../../etc/passwd"),
        ("folder", "/"),
        ("itself", "itself"),
    ];
    let archive = Archive::default().dir("top").file("top/file", "x");
    let archive = targets
        .iter()
        .fold(archive, |archive, (name, target)| archive.link(&format!("top/{name}"), target));
    let (place, _) = unpacked(archive);
    for (name, target) in targets {
        let link = place.dest().join("top").join(name);
        assert_eq!(fs::read_link(link).unwrap().to_str(), Some(target));
    }
}

#[test]
fn hard_links_to_earlier_files_share_their_inode() {
    let archive = Archive::default().file("./top/a", "x").hard("top/sub/b", "./top/a");
    let (place, _) = unpacked(archive);
    let inode = |name| fs::metadata(place.dest().join(name)).unwrap().ino();
    assert_eq!(inode("top/a"), inode("top/sub/b"));
}

#[test]
fn long_names_of_both_kinds_are_kept() {
    let component = "n".repeat(200);
    let gnu = format!("top/{component}/{component}");
    let pax = format!("top/{component}/pax");
    let archive = Archive::default()
        .pax(b'g', &[("comment", "made by git")])
        .long_name(gnu.as_bytes())
        .file("cut", "gnu")
        .pax(b'x', &[("path", &pax), ("linkpath", &gnu)])
        .link("cut", "cut");
    let (place, _) = unpacked(archive);
    assert_eq!(fs::read(place.dest().join(&gnu)).unwrap(), b"gnu");
    assert_eq!(fs::read_link(place.dest().join(pax)).unwrap().to_str(), Some(&*gnu));
}

#[test]
fn the_later_of_two_members_with_the_same_name_and_type_is_kept() {
    let archive = Archive::default()
        .dir("./")
        .dir("top")
        .file("top/a", "first")
        .hard("top/b", "top/a")
        .file("top/a", "second")
        .link("top/l", "one")
        .link("top/l", "two")
        .raw(b'5', b"top", b"", 0o711, b"");
    let (place, _) = unpacked(archive);
    assert_eq!(fs::read(place.dest().join("top/a")).unwrap(), b"second");
    assert_eq!(fs::read(place.dest().join("top/b")).unwrap(), b"first");
    assert_eq!(fs::read_link(place.dest().join("top/l")).unwrap().to_str(), Some("two"));
    assert_eq!(mode(&place.dest().join("top")), 0o711);
}
