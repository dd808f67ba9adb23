//! What makes genuine trees fail, and what only the fixture refuses.

use std::path::PathBuf;

use asu_tests::given::Generation;

use crate::tree::Tree;

/// A folder with links to every program of the machine but one.
fn path_without(tree: &Tree, tool: &str) -> PathBuf {
    tree.shell("mkdir ../path; ln -sft ../path /usr/bin/* /bin/*");
    tree.shell(&format!("rm -f ../path/{tool}"));
    tree.top.parent().expect("a parent").join("path")
}

#[test]
fn a_wrong_umask_fails_the_prerequisites_and_later_builds() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let output = tree.command("077", &["image"]).output().expect("make");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{stdout}");
    assert!(stdout.contains("Checking 'proper-umask'... failed."), "{stdout}");
    assert!(stdout.contains("Prerequisite check failed. Use FORCE=1 to override."), "{stdout}");

    tree.warm_up();
    let output = tree.command("027", &["image"]).output().expect("make");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("FIXTURE: umask is 0027, not 0022"), "{stderr}");
}

#[test]
fn a_missing_tool_is_named() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let path = path_without(&tree, "unzip");
    let output = tree.command("022", &["image"]).env("PATH", path).output().expect("make");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{stdout}");
    assert!(stdout.contains("Checking 'unzip'... failed.\n"), "{stdout}");
    assert!(stdout.contains("Build dependency: Please install 'unzip'\n"), "{stdout}");
}

#[test]
fn an_undocumented_variable_is_refused() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let mut command = tree.command("022", &["info"]);
    let output = command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").output().expect("make");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("FIXTURE: undocumented variable: KUBERNETES_SERVICE_HOST"), "{stderr}");
    let run = tree.make(&["info", "BUILD_DIR=/tmp/elsewhere"]);
    assert!(run.stderr.contains("FIXTURE: undocumented variable: BUILD_DIR"), "{}", run.stderr);
}

#[test]
fn lost_modification_times_make_make_look_for_a_compiler() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.shell("touch scripts/mkhash.c");
    let path = path_without(&tree, "gcc");
    let output = tree.command("022", &["image"]).env("PATH", path).output().expect("make");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{stdout}");
    assert_eq!(stdout, "Prerequisite check failed. Use FORCE=1 to override.\n");
}

#[test]
fn a_write_into_the_shared_parts_is_found() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let farm = tree.farm();
    farm.shell("echo stray > scripts/stray; echo '#' >> rules.mk; echo >> include/image.mk");
    farm.image(&[]).fails_with(&[
        "FIXTURE: scripts/stray: written into the shared tree",
        "FIXTURE: include/image.mk: is ",
    ]);
}

#[test]
fn a_tree_that_was_warmed_up_elsewhere_breaks_on_its_absolute_links() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    tree.shell("mkdir ../moved && mv -T \"$PWD\" ../moved/tree");
    let moved = tree.top.parent().expect("a parent").join("moved/tree");
    let output = crate::tree::as_user(&moved, "022", &["make", "image"]).output().expect("make");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("staging_dir/host/bin/ldconfig: No such file or directory"),
        "{stderr}"
    );
}

#[test]
fn the_tarball_has_relative_absolute_and_dangling_links() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    let links = tree.shell("cd staging_dir/host && readlink usr/lib bin/python bin/m4");
    let targets: Vec<&str> = links.lines().collect();
    assert_eq!(targets[..2], ["../lib", "/usr/bin/python3"]);
    assert!(!std::path::Path::new(targets[2]).exists());
}

#[test]
fn the_local_index_follows_change_times() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let wanted = "PACKAGES=fixture-clash-a";
    tree.make(&["manifest", wanted]).ok();
    let index = tree.read("packages/Packages");
    assert!(index.is_empty(), "{index}");
    tree.shell("cp -p dl/fixture-clash-a_*.ipk packages/");
    let run = tree.make(&["manifest"]).ok();
    assert!(
        run.stderr.contains("Package list missing or not up-to-date, generating it."),
        "{}",
        run.stderr
    );
    assert!(tree.read("packages/Packages").contains("Filename: fixture-clash-a_"));
}
