//! Each kind of attack or damage has its own error, which contains the member's name.

use super::*;

macro_rules! assert_refused {
    ($archive:expr, $member:expr, $pattern:pat) => {
        let error = refusal($archive);
        assert!(matches!(error, $pattern), "{error:?}");
        assert_eq!(error.member(), Some($member), "{error}");
    };
}

fn top() -> Archive {
    Archive::default().dir("top")
}

#[test]
fn absolute_names() {
    assert_refused!(top().file("/etc/evil", "x"), "/etc/evil", TarballError::AbsoluteName { .. });
    assert_refused!(top().dir("/"), "/", TarballError::AbsoluteName { .. });
}

#[test]
fn parent_components_at_any_position() {
    for name in ["../evil", "top/../../evil", "top/a/..", ".."] {
        assert_refused!(top().file(name, "x"), name, TarballError::ParentComponent { .. });
        assert_refused!(top().dir(name), name, TarballError::ParentComponent { .. });
        assert_refused!(top().link(name, "x"), name, TarballError::ParentComponent { .. });
    }
}

#[test]
fn parent_components_in_long_and_pax_names() {
    let archive = top().long_name(b"top/../../evil").file("top/x", "x");
    assert_refused!(archive, "top/../../evil", TarballError::ParentComponent { .. });
    let archive = top().pax(b'x', &[("path", "/evil")]).file("top/x", "x");
    assert_refused!(archive, "/evil", TarballError::AbsoluteName { .. });
}

#[test]
fn devices_fifos_and_unknown_types() {
    for kind in [b'3', b'4'] {
        let archive = top().raw(kind, b"top/x", b"", 0o644, b"");
        assert_refused!(archive, "top/x", TarballError::Device { .. });
    }
    let archive = top().raw(b'6', b"top/x", b"", 0o644, b"");
    assert_refused!(archive, "top/x", TarballError::Fifo { .. });
    for kind in [b'7', b'D', b'M', b'V', b'Z', b's', 0xff] {
        let archive = top().raw(kind, b"top/x", b"", 0o644, b"");
        assert_refused!(archive, "top/x", TarballError::UnknownType { .. });
    }
}

#[test]
fn sparse_files_of_both_kinds() {
    let archive = top().raw(b'S', b"top/x", b"", 0o644, b"");
    assert_refused!(archive, "top/x", TarballError::Sparse { .. });
    let archive = top().pax(b'x', &[("GNU.sparse.major", "1")]).file("top/x", "x");
    assert_refused!(archive, "top/x", TarballError::Sparse { .. });
}

#[test]
fn a_member_below_an_earlier_symlink() {
    let through = |archive| {
        assert_refused!(archive, "top/l/x", TarballError::ThroughSymlink { .. });
    };
    through(top().link("top/l", "/tmp").file("top/l/x", "x"));
    through(top().link("top/l", ".").dir("top/l/x"));
    through(top().link("top/l", "../..").link("top/l/x", "x"));
    through(top().link("top/l", "nowhere").file("top/f", "x").hard("top/l/x", "top/f"));
    let deep = top().link("top/l", "/").file("top/l/a/b", "x");
    assert_refused!(deep, "top/l/a/b", TarballError::ThroughSymlink { .. });
}

#[test]
fn a_member_below_a_later_symlink() {
    let archive = top().file("top/l/x", "x").link("top/l", "/tmp");
    assert_refused!(archive, "top/l/x", TarballError::ThroughSymlink { .. });
    let archive = top().dir("top/l").file("top/l/x", "x").link("top/l", "/tmp");
    assert_refused!(archive, "top/l/x", TarballError::ThroughSymlink { .. });
}

#[test]
fn a_symlink_at_the_top() {
    let archive = Archive::default().link("top", "/tmp").file("top/x", "x");
    assert_refused!(archive, "top", TarballError::TopNotFolder { .. });
}

#[test]
fn hard_links_to_anything_but_an_earlier_regular_member() {
    for (archive, why) in [
        (top().hard("top/h", "top/later").file("top/later", "x"), "later"),
        (top().hard("top/h", "/etc/passwd"), "absolute"),
        (top().hard("top/h", "../neighbour"), "parent"),
        (top().hard("top/h", "top"), "folder"),
        (top().link("top/l", "/etc/passwd").hard("top/h", "top/l"), "symlink"),
        (top().link("top/l", "/etc").hard("top/h", "top/l/passwd"), "through a symlink"),
        (top().file("top/a", "x").hard("top/b", "top/a").hard("top/h", "top/b"), "hard link"),
        (top().file("top/h", "x").hard("top/h", "top/h"), "itself"),
        (top().hard("top/h", ""), "nothing"),
    ] {
        let error = refusal(archive);
        assert!(matches!(error, TarballError::HardLink { .. }), "{why}: {error:?}");
        assert_eq!(error.member(), Some("top/h"), "{why}");
    }
}

#[test]
fn two_members_with_the_same_name_and_different_types() {
    for archive in [
        top().file("top/x", "x").link("top/x", "/tmp"),
        top().link("top/x", "/tmp").file("top/x", "x"),
        top().dir("top/x").file("top/x", "x"),
        top().file("top/x", "x").dir("top/x"),
        top().link("top/x", "/tmp").dir("top/x"),
        top().dir("top/x").link("top/x", "/tmp"),
    ] {
        assert_refused!(archive, "top/x", TarballError::TypeConflict { .. });
    }
}

#[test]
fn a_member_below_a_file() {
    let archive = top().file("top/f", "x").file("top/f/x", "x");
    assert_refused!(archive, "top/f/x", TarballError::BelowFile { .. });
}

#[test]
fn more_than_one_folder_at_the_top() {
    assert_refused!(top().dir("other"), "other", TarballError::SecondTop { .. });
    assert_refused!(top().file("other/x", "x"), "other/x", TarballError::SecondTop { .. });
    assert_refused!(top().file("stray", "x"), "stray", TarballError::SecondTop { .. });
    let stray = Archive::default().file("stray", "x");
    assert_refused!(stray, "stray", TarballError::TopNotFolder { .. });
    assert!(matches!(refusal(Archive::default()), TarballError::Empty));
    assert!(matches!(refusal(Archive::default().dir("./")), TarballError::Empty));
}

#[test]
fn invalid_names() {
    let nul = top().long_name(b"top/a\0b").file("top/x", "x");
    assert!(matches!(refusal(nul), TarballError::BadName { .. }));
    let latin = top().raw(b'0', b"top/\xe4", b"", 0o644, b"");
    assert!(matches!(refusal(latin), TarballError::BadName { .. }));
    let target = top().raw(b'2', b"top/l", b"\xe4", 0o777, b"");
    assert!(matches!(refusal(target), TarballError::BadName { .. }));
    assert!(matches!(refusal(top().link("top/l", "")), TarballError::BadName { .. }));
    assert!(matches!(refusal(top().file("", "x")), TarballError::BadName { .. }));
    assert!(matches!(refusal(top().file("top/x/", "x")), TarballError::BadName { .. }));
    assert!(matches!(refusal(top().file(".", "x")), TarballError::BadName { .. }));
}

#[test]
fn names_that_are_too_long_or_too_deep() {
    let long = format!("top/{}", "n/".repeat(2100));
    let archive = top().long_name(long.as_bytes()).file("top/x", "x");
    assert!(matches!(refusal(archive), TarballError::NameTooLong { .. }));
    let component = format!("top/{}", "n".repeat(256));
    let archive = top().long_name(component.as_bytes()).file("top/x", "x");
    assert!(matches!(refusal(archive), TarballError::NameTooLong { .. }));
    let deep = format!("top{}", "/n".repeat(64));
    let archive = top().long_name(deep.as_bytes()).file("top/x", "x");
    assert!(matches!(refusal(archive), TarballError::TooDeep { .. }));
}

#[test]
fn misleading_extension_headers() {
    for archive in [
        top().pax(b'x', &[("size", "0")]).file("top/x", "text"),
        top().pax(b'x', &[("size", "many")]).file("top/x", "text"),
        top().pax(b'x', &[("mtime", "soon")]).file("top/x", "text"),
        top().pax(b'g', &[("path", "top/y")]).file("top/x", "text"),
        top().raw(b'x', b"pax", b"", 0o644, b"99 path=top/y\n").file("top/x", "text"),
        top().long_name(b"top/a").long_name(b"top/b").file("top/x", "text"),
        top().long_name(&b"a".repeat(70_000)).file("top/x", "text"),
    ] {
        let error = refusal(archive);
        assert!(matches!(error, TarballError::Extension { .. }), "{error:?}");
    }
}

#[test]
fn a_message_escapes_control_characters() {
    let error = refusal(top().raw(b'6', b"top/\x1b[2J\n", b"", 0o644, b"")).to_string();
    assert!(!error.contains('\x1b') && !error.contains('\n'), "{error:?}");
}
