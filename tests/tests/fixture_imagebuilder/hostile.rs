//! Hostile packages and tarballs, and folders that make harm by their mode.

use std::{
    fs,
    os::unix::fs::FileTypeExt,
    process::Command,
    time::{Duration, Instant},
};

use asu_tests::given::{Generation, fixture};

use crate::tree::Tree;

#[test]
fn the_attack_reaches_the_work_folder_and_outlives_its_script() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let farm = tree.farm();
    // The folder above the farm is a work folder as soon as it has the build's lock.
    farm.shell("touch ../build.lock ../build.log");
    let work = farm.top.parent().expect("a parent").to_owned();
    let run = farm.image(&["PACKAGES=fixture-attack-files"]);
    assert!(run.stdout.contains("fixture-attack: modes files"), "{}", run.stdout);

    let kind = |name: &str| fs::symlink_metadata(work.join(name)).expect(name).file_type();
    assert!(kind("evil-link.bin").is_symlink());
    assert!(kind("evil-fifo.bin").is_fifo());
    assert!(kind("build.log").is_fifo());
    let forged = fs::read_to_string(work.join("outcome.json")).expect("an outcome");
    assert!(forged.contains("\"forged\""), "{forged}");

    fs::remove_file(work.join("outcome.json")).expect("removed");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !work.join("outcome.json").exists() {
        assert!(Instant::now() < deadline, "nothing wrote the outcome after the build's end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_setgid_work_folder_reaches_the_image() {
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let farm = tree.farm();
    farm.shell("chmod g+s build_dir/*");
    farm.image(&[]).ok();
    let image = farm.shell("realpath ../out/*sysupgrade.bin");
    let listing = Command::new("unsquashfs")
        .args(["-offset", "131072", "-lls", image.trim()])
        .output()
        .expect("unsquashfs");
    let listing = String::from_utf8_lossy(&listing.stdout);
    assert!(listing.contains("drwxr-sr-x root/root"), "{listing}");
}

#[test]
fn a_full_disk_has_the_message_of_the_kernel() {
    let root = rustix::process::getuid().is_root();
    assert!(root, "this test mounts a small file system: run it as root");
    let (tree, _upstream) = Tree::served(Generation::Opkg, "testarch/small");
    tree.warm_up();
    let farm = tree.farm();
    // The folder of everything generated becomes a small file system of its own.
    let script = "mkdir kept && mv build_dir/target-*/linux-* kept/ \
         && mount -t tmpfs -o size=1400k small build_dir/target-* \
         && cp -dR kept/* build_dir/target-*/ && chown -R 65534:65534 build_dir/target-* \
         && umask 022 && exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \
         env -i PATH=/usr/sbin:/usr/bin HOME=/nonexistent make image PACKAGES=fixture-huge";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .current_dir(&farm.top)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("unshare");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(" * verify_pkg_installable: Only have "), "{stderr}");
    assert!(stderr.contains("pkg fixture-huge needs 2048\n"), "{stderr}");
    assert!(stderr.contains("Cannot install package fixture-huge."), "{stderr}");
}

#[test]
fn every_broken_tarball_is_signed_except_the_one_for_signatures() {
    let (world, _upstream) = fixture(Generation::Opkg);
    assert_eq!(world.bad_tarballs.len(), 15, "{:?}", world.bad_tarballs);
    for case in &world.bad_tarballs {
        let folder = world.dir.join("bad").join(case);
        let status = Command::new("signify-openbsd")
            .args(["-V", "-q", "-m", "sha256sums", "-x", "sha256sums.sig", "-p"])
            .arg(world.dir.join("keys/release.pub"))
            .current_dir(&folder)
            .output()
            .expect("signify-openbsd")
            .status;
        assert_eq!(status.success(), case != "wrong-signature", "{case}");
        let sums = fs::read_to_string(folder.join("sha256sums")).expect("sums");
        let own = sums.lines().filter(|line| line.contains("imagebuilder-")).count();
        assert_eq!((own, sums.contains("*profiles.json\n")), (1, true), "{case}");
    }
}
