//! Messages of both package managers, and the failure reason of each.

use proptest::prelude::*;

use super::*;

fn reason(text: &str) -> FailureReason {
    Classifier::read(text).failure().reason
}

fn detail(text: &str) -> String {
    Classifier::read(text).failure().detail
}

#[test]
fn an_unknown_package_is_named_in_both_generations() {
    let opkg = "Collected errors:\n * opkg_install_cmd: Cannot install package nosuchpkg.\n";
    assert_eq!(detail(opkg), "Impossible package selection: missing (nosuchpkg)");
    let apk = "ERROR: unable to select packages:\n  nosuchpkg (no such package):\n    required by: world[nosuchpkg]\n";
    assert_eq!(detail(apk), "Impossible package selection: missing (nosuchpkg)");
}

#[test]
fn a_missing_dependency_names_what_is_missing() {
    let opkg = " * pkg_hash_check_unresolved: cannot find dependency libx for needsx\n \
        * pkg_hash_fetch_best_installation_candidate: Packages for needsx found, but incompatible with the architectures configured\n \
        * opkg_install_cmd: Cannot install package needsx.\n";
    assert_eq!(detail(opkg), "Impossible package selection: missing (libx, needsx)");
}

#[test]
fn a_package_in_conflict_is_not_reported_as_missing() {
    let opkg = " * check_conflicts_for: The following packages conflict with wpad:\n \
        * check_conflicts_for: \thostapd * wpa-cli * \n \
        * opkg_install_cmd: Cannot install package wpad.\n";
    assert_eq!(detail(opkg), "Impossible package selection: conflicts (hostapd, wpa-cli, wpad)");
    let apk = "ERROR: unable to select packages:\n  wpad-basic-mbedtls-2024.09-r1:\n    breaks: wpad-openssl-2024.09-r1[!wpad-basic-mbedtls]\n    satisfies: world[wpad-basic-mbedtls]\n";
    assert_eq!(
        detail(apk),
        "Impossible package selection: conflicts (wpad-basic-mbedtls, wpad-openssl)"
    );
}

/// apk's message for a requested package that is not available. `world` is the list of requested
/// packages.
#[test]
fn the_list_of_requested_packages_is_not_a_conflict() {
    let apk = "ERROR: unable to select packages:\n  vim-9.1-r1:\n    breaks: world[vim<9]\n";
    assert_eq!(detail(apk), "Impossible package selection: conflicts (vim)");
}

#[test]
fn clashing_files_name_both_packages() {
    let opkg = " * check_data_file_clashes: Package confb wants to install file /w/root/usr/x\n\tBut that file is already provided by package  * confa\n * opkg_install_cmd: Cannot install package confb.\n";
    assert_eq!(detail(opkg), "Impossible package selection: conflicts (confa, confb)");
    let apk = "ERROR: clashb-1.0-r1: trying to overwrite usr/share/c/x owned by clasha-1.0-r1.";
    assert_eq!(detail(apk), "Impossible package selection: conflicts (clasha, clashb)");
}

#[test]
fn an_unreachable_index_is_not_reported_as_a_missing_package() {
    let opkg = " * opkg_download: Failed to download http://mirror/base/Packages.gz, wget returned 4.\n*** Failed to download the package list from http://mirror/a/base/Packages.gz\n\n * opkg_install_cmd: Cannot install package vim.\n";
    assert_eq!(reason(opkg), FailureReason::DownloadFailed);
    assert!(!detail(opkg).contains("mirror"), "{}", detail(opkg));
    let apk = "ERROR: wget: exited with error 4\nWARNING: updating and opening https://m/x/base/packages.adb: unexpected end of file\nERROR: unable to select packages:\n  vim (no such package):\n";
    assert_eq!(reason(apk), FailureReason::DownloadFailed);
    assert_eq!(detail(apk), "Could not download the index of x/base");
}

#[test]
fn a_missing_or_corrupt_package_file_is_a_failed_download() {
    for text in [
        " * opkg_download: Failed to download http://m/vim_1.ipk, wget returned 8.\n * opkg_install_pkg: Failed to download vim. Perhaps you need to run 'opkg update'?\n * opkg_install_cmd: Cannot install package vim.\n",
        " * opkg_install_pkg: Checksum or size mismatch for package vim. Either the opkg or the package index are corrupt.\n * opkg_install_cmd: Cannot install package vim.\n",
        "ERROR: wget: exited with error 8\nERROR: vim-9.1-r1: unexpected end of file\n",
        "ERROR: vim-9.1-r1: file integrity error\n",
    ] {
        assert_eq!(reason(text), FailureReason::DownloadFailed, "{text}");
        assert!(detail(text).contains("vim"), "{}", detail(text));
    }
}

#[test]
fn a_bad_index_signature_has_its_own_reason() {
    let opkg = "Downloading http://m/packages/base/Packages.gz\nDownloading http://m/packages/base/Packages.sig\nSignature check failed.\nRemove wrong Signature file.\n * opkg_install_cmd: Cannot install package vim.\n";
    assert_eq!(reason(opkg), FailureReason::IndexSignature);
    assert!(detail(opkg).ends_with(": packages/base"), "{}", detail(opkg));
    let apk = "WARNING: updating and opening http://m/a/base/packages.adb: UNTRUSTED signature\n  vim (no such package):\n";
    assert_eq!(reason(apk), FailureReason::IndexSignature);
}

#[test]
fn a_failing_volume_is_an_infrastructure_failure() {
    for line in [
        "cp: error reading '/asu/imagebuilder/tree/dl/x.ipk': Input/output error",
        "make: stat: target/Makefile: Stale file handle",
        "ls: cannot access '/asu/imagebuilder': Transport endpoint is not connected",
    ] {
        let text = format!("{line}\nmake[1]: *** [Makefile:12: image] Error 1\n");
        assert_eq!(Classifier::read(&text).failure().reason, FailureReason::Internal, "{line}");
    }
}

#[test]
fn a_full_disk_takes_precedence_over_all_reasons() {
    let opkg = " * verify_pkg_installable: Only have 0kb available on filesystem /w/, pkg urngd needs 30\n * opkg_install_cmd: Cannot install package urngd.\n";
    assert_eq!(reason(opkg), FailureReason::NoSpace);
    let squash = "Write failed because No space left on device\nSignature check failed.\nFATAL ERROR: Failed to write to output filesystem\n";
    assert_eq!(reason(squash), FailureReason::NoSpace);
}

#[test]
fn a_full_root_partition_is_an_image_too_big() {
    let text =
        "error: ext4_allocate_best_fit_partial: failed to allocate 7 blocks, out of space?\n";
    assert_eq!(reason(text), FailureReason::ImageTooBig);
}

#[test]
fn an_image_too_big_shows_both_sizes() {
    let text = "    WARNING: Image file /w/x-sysupgrade.bin is too big: 24510468 > 16384000\nFailed to open firmware file\n";
    assert_eq!(detail(text), "Selected packages exceed device storage: 24510468 > 16384000 bytes");
}

#[test]
fn the_limit_comes_from_the_device_if_the_tool_prints_only_the_excess() {
    let mut classifier =
        Classifier::read("[mktplinkfw] *** error: images are too big by 8123 bytes\n");
    let words = "Selected packages exceed device storage: 8123 bytes";
    assert_eq!(classifier.failure().detail, format!("{words} too many"));
    assert!(classifier.lacks_image_size());
    classifier.limit_image_size(8_126_464);
    assert!(!classifier.lacks_image_size());
    let both = "more than the 8126464 bytes that an image may have";
    assert_eq!(classifier.failure().detail, format!("{words} {both}"));
}

#[test]
fn a_partition_too_small_is_an_image_too_big_with_its_limit() {
    let text = "file-system partition too big (more than 1048576 bytes): Success\n";
    assert_eq!(reason(text), FailureReason::ImageTooBig);
    assert!(detail(text).ends_with(": a partition has more than 1048576 bytes"));
    assert!(!Classifier::read(text).lacks_image_size());
}

#[test]
fn a_failing_script_names_its_package() {
    let opkg = " * pkg_run_script: package \"bad\" postinst script returned status 3.\n * opkg_configure: bad.postinst returned 3.\n";
    assert_eq!(detail(opkg), "A script of the package failed: bad");
    let rootfs = "postinst script ./usr/lib/opkg/info/bad.postinst has failed with exit code 3\n";
    assert_eq!(detail(rootfs), "A script of the package failed: bad");
    let apk =
        "postinst script ./lib/apk/db/bad-one-1.0-r1.post-install has failed with exit code 3\n";
    assert_eq!(detail(apk), "A script of the package failed: bad-one");
    // A version with a tilde, and the digest that apk 3 appends to the version.
    let apk = "postinst script ./lib/apk/db/x-2024.10.20~ef3ab8bc-r1.0123abcd.post-install has failed with exit code 3\n";
    assert_eq!(detail(apk), "A script of the package failed: x");
}

#[test]
fn a_file_that_wget_cannot_write_means_no_space() {
    let opkg = " * opkg_download: Failed to download http://m/a.ipk, wget returned 3.\n";
    assert_eq!(reason(opkg), FailureReason::NoSpace);
}

#[test]
fn an_unknown_profile_and_an_unknown_failure_have_different_reasons() {
    assert_eq!(reason("Profile \"nope\" does not exist!\n"), FailureReason::ProfileNotBuilt);
    assert_eq!(reason("make: *** [x] Error 2\n"), FailureReason::BuildFailed);
}

#[test]
fn a_good_log_has_no_infrastructure_fault() {
    let text = "Downloading http://m/base/Packages.gz\nUpdated list\nSignature check passed.\nInstalling vim (1) to root...\n";
    assert_eq!(Classifier::read(text).failure_despite_success(), None);
}

/// Messages of programs that waited for a killed child, and of shells.
#[test]
fn a_process_ended_by_signal_9_is_not_a_fault_of_the_request() {
    for text in [
        "make[2]: *** [Makefile:234: package_install] Killed\nmake: *** [Makefile:12: image] Error 2\n",
        "bash: line 1: 77 Killed   xz -9e\nmake[3]: *** [image.mk:9: root.squashfs] Error 137\n",
        " * pkg_run_script: package \"hog\" postinst script returned status 137.\n * opkg_configure: hog.postinst returned 137.\n",
        " * pkg_run_script: package \"hog\" postinst script returned status -9.\n",
        "postinst script ./usr/lib/opkg/info/hog.postinst has failed with exit code 137\n",
        "postinst script ./lib/apk/db/hog-1.0-r1.post-install has failed with exit code 137\n",
        " * xsystem: gunzip: Child killed by signal 9.\n * opkg_install_cmd: Cannot install package vim.\n",
        "xargs: touch: terminated by signal 9\nmake: *** [Makefile:12: image] Error 2\n",
        // The script continues after the kill and fails with another exit code.
        "./usr/lib/opkg/info/hog.postinst: line 2: 77 Killed tail /dev/zero\npostinst script ./usr/lib/opkg/info/hog.postinst has failed with exit code 1\n",
        "Killed\n * pkg_run_script: package \"hog\" postinst script returned status 1.\n",
        "Killed\nmake: *** [Makefile:12: image] Error 1\n",
    ] {
        assert_eq!(reason(text), FailureReason::BuilderDied, "{text}");
    }
    let text = "postinst script ./usr/lib/opkg/info/hog.postinst has failed with exit code 137\n";
    assert_eq!(detail(text), "A process of the build was killed by signal 9, in a script of hog");
}

/// A shell prints `Killed` for every killed child, also for one that its script killed on purpose.
#[test]
fn a_killed_child_does_not_replace_a_known_reason() {
    let noise = "./x.postinst: line 3: 77 Killed sleep 60\n";
    let missing = " * opkg_install_cmd: Cannot install package vim.\n";
    assert_eq!(reason(&format!("{noise}{missing}")), FailureReason::PackageSelection);
    let big = "WARNING: Image file /x is too big: 2 > 1\n";
    assert_eq!(reason(&format!("{noise}{big}")), FailureReason::ImageTooBig);
    assert_eq!(
        Classifier::read(noise).failure_despite_success(),
        None,
        "a success is not spoiled by it"
    );
    for text in
        ["exit code 13\nscript returned status 13.\n", "Installing killed-137 (9) to root\n"]
    {
        assert_eq!(reason(text), FailureReason::BuildFailed, "{text}");
    }
}

#[test]
fn a_program_without_memory_means_out_of_memory() {
    for text in [
        "sh: fork: Cannot allocate memory\nmake: *** [Makefile:12: image] Error 2\n",
        "FATAL ERROR: Out of memory (create_inode)\nmake: *** [Makefile:12: image] Error 1\n",
        "xz: Cannot allocate memory\npostinst script ./usr/lib/opkg/info/x.postinst has failed with exit code 1\n",
    ] {
        assert_eq!(reason(text), FailureReason::OutOfMemory, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_reason_without_panic(text in "(?s).{0,400}") {
        let _ = Classifier::read(&text).failure();
    }

    #[test]
    fn an_infrastructure_failure_takes_precedence_at_any_position(before in 0..3usize, after in 0..3usize) {
        let user = " * opkg_install_cmd: Cannot install package vim.\n    WARNING: Image file /x is too big: 2 > 1\n";
        let text = format!("{}write: No space left on device\n{}", user.repeat(before), user.repeat(after));
        prop_assert_eq!(reason(&text), FailureReason::NoSpace);
    }
}
