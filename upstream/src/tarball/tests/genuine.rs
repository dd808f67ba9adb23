//! Unpacks a tree that was packed by GNU tar, as ImageBuilders are, and compares both trees.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use super::*;

/// A tree with the kinds of entries that real ImageBuilders have: tools, all kinds of links, long names.
fn plant(root: &Path) {
    let bin = root.join("top/staging_dir/host/bin");
    let long = root.join("top").join("n".repeat(120)).join("m".repeat(120));
    for folder in [&bin, &long, &root.join("top/empty")] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(bin.join("tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(bin.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(bin.join("tool"), bin.join("same-tool")).unwrap();
    fs::write(long.join("file"), vec![b'x'; 100_000]).unwrap();
    symlink("../lib", root.join("top/staging_dir/host/usr-lib")).unwrap();
    symlink("/usr/bin/gzip", bin.join("gzip")).unwrap();
    symlink("t".repeat(150), bin.join("dangling")).unwrap();
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Path, type, mode, time, size and link target of every entry.
fn listing(folder: &Path) -> Vec<String> {
    let format = "%p %y %#m %T@ %l %i\n";
    let text = run("find", &["top", "-printf", format], folder);
    let mut inodes = Vec::new();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    for line in &mut lines {
        // Inode numbers differ, but hard links must share an inode in both trees.
        let (rest, inode) = line.rsplit_once(' ').unwrap();
        let known = inodes.iter().position(|known| known == inode).unwrap_or_else(|| {
            inodes.push(inode.to_owned());
            inodes.len() - 1
        });
        *line = format!("{rest} {known}");
    }
    lines
}

#[test]
fn a_tree_packed_by_gnu_tar_in_any_format_is_unpacked_unchanged() {
    let source = tempfile::tempdir().unwrap();
    plant(source.path());
    for (format, time) in [("gnu", "@1782737960"), ("pax", "@1782737960.123456789")] {
        let format = format!("--format={format}");
        let time = format!("--mtime={time}");
        run("find", &["top", "-exec", "touch", "-h", "-d", &time[8..], "{}", "+"], source.path());
        let pack = [&format, &time, "--sort=name", "--owner=0", "-cf", "packed.tar", "top"];
        run("tar", &pack, source.path());
        let tar = fs::read(source.path().join("packed.tar")).unwrap();
        let place = Place::new();
        place.unpack(&tar).unwrap();
        assert_eq!(listing(&place.dest()), listing(source.path()), "{format}");
        let here = place.dest().join("top").to_str().unwrap().to_owned();
        run("diff", &["-r", "--no-dereference", "top", &here], source.path());
    }
}
