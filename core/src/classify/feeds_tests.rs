use proptest::prelude::*;

use super::super::Classifier;
use super::*;

const OWN: &str = "https://own.example/feed";
const OTHER: &str = "http://mirror/releases/packages/base";

/// A classifier for a build with one repository of the request and, if `appended`, the Distribution's
/// feeds.
fn classifier(appended: bool, text: &str) -> Classifier {
    let own = [("mine".to_owned(), format!("{OWN}/"))];
    let others = appended.then(|| OTHER.to_owned());
    let mut classifier = Classifier::of(Origins::new(own, others));
    for line in text.lines() {
        classifier.line(line);
    }
    classifier
}

fn failure(text: &str) -> Failure {
    classifier(true, text).failure()
}

/// opkg's output when it cannot download the index of `feed`.
fn opkg_index(feed: &str) -> String {
    format!(
        "Downloading {feed}/Packages.gz\n*** Failed to download the package list from {feed}/Packages.gz\n\n \
         * opkg_download: Failed to download {feed}/Packages.gz, wget returned 4.\n * opkg_install_cmd: Cannot install package vim.\n"
    )
}

fn opkg_unsigned(feed: &str) -> String {
    format!(
        "Downloading {feed}/Packages.gz\nUpdated list of available packages in dl/mine\nDownloading {feed}/Packages.sig\nSignature check failed.\nRemove wrong Signature file.\n"
    )
}

/// Name of a package that only this feed has.
fn package_of(feed: &str) -> &'static str {
    if feed == OWN { "vim" } else { "nano" }
}

fn opkg_package(feed: &str) -> String {
    let package = package_of(feed);
    format!(
        " * opkg_download: Failed to download {feed}/{package}_9.1-r1_all.ipk, wget returned 8.\n \
         * opkg_install_pkg: Failed to download {package}. Perhaps you need to run 'opkg update'?\n * opkg_install_cmd: Cannot install package {package}.\n"
    )
}

fn opkg_mismatch(feed: &str) -> String {
    let package = package_of(feed);
    format!(
        "Downloading {feed}/{package}_9.1-r1_all.ipk\n * opkg_install_pkg: Checksum or size mismatch for package {package}. Either the opkg or the package index are corrupt. Try 'opkg update'.\n * opkg_install_cmd: Cannot install package {package}.\n"
    )
}

fn apk_index(feed: &str, fault: &str) -> String {
    format!(
        "ERROR: wget: exited with error 4\nWARNING: updating and opening {feed}/packages.adb: {fault}\nERROR: unable to select packages:\n  vim (no such package):\n"
    )
}

fn all(feed: &str) -> Vec<String> {
    vec![
        opkg_index(feed),
        opkg_unsigned(feed),
        opkg_package(feed),
        opkg_mismatch(feed),
        format!(" * opkg_update: {feed}/Packages.gz: Not a gzipped file.\n"),
        format!("Downloading {feed}/Packages.sig\nSignature file download failed.\n"),
        apk_index(feed, "unexpected end of file"),
        apk_index(feed, "UNTRUSTED signature"),
        apk_index(feed, "BAD signature"),
        apk_index(feed, "ADB schema error"),
        format!("WARNING: fetching {feed}/packages.adb: operation timed out\n"),
        format!("WARNING: updating {feed}/packages.adb: IO ERROR\n"),
        format!("WARNING: opening from cache {feed}/packages.adb: No such file or directory\n"),
    ]
}

#[test]
fn a_failed_repository_of_the_request_is_a_fault_of_the_request_in_both_generations() {
    for text in all(OWN) {
        let failure = failure(&text);
        assert_eq!(failure.reason, FailureReason::RepositoryFailed, "{text}");
        assert!(failure.detail.contains("mine"), "{}", failure.detail);
        assert!(!failure.detail.contains("own.example"), "{}", failure.detail);
    }
}

#[test]
fn a_failed_feed_of_the_distribution_is_infrastructure_despite_repositories() {
    for text in all(OTHER) {
        let reason = failure(&text).reason;
        let infrastructure = [FailureReason::DownloadFailed, FailureReason::IndexSignature];
        assert!(infrastructure.contains(&reason), "{reason}: {text}");
    }
}

#[test]
fn failures_of_a_feed_and_a_repository_are_an_infrastructure_failure() {
    for own in all(OWN) {
        for other in all(OTHER) {
            for text in [format!("{own}{other}"), format!("{other}{own}")] {
                assert_ne!(failure(&text).reason, FailureReason::RepositoryFailed, "{text}");
            }
        }
    }
}

#[test]
fn the_message_contains_the_failure_of_the_repository() {
    let said = |text: &str| failure(text).detail;
    let begin = "The request's own repository failed: mine";
    let unread = format!("{begin} (its package index could not be read)");
    assert_eq!(said(&opkg_index(OWN)), unread);
    assert_eq!(said(&apk_index(OWN, "unexpected end of file")), unread);
    let unsigned = format!("{begin} (its package index is not signed by a trusted key)");
    assert_eq!(said(&opkg_unsigned(OWN)), unsigned);
    let lacks = format!("{begin} (it did not serve vim_9.1-r1_all.ipk as its index says)");
    assert_eq!(said(&opkg_package(OWN)), lacks);
}

/// make may succeed without the index, but the image could have other packages than requested.
#[test]
fn a_failed_repository_fails_a_build_although_make_succeeded() {
    let spoiled = classifier(true, &opkg_unsigned(OWN)).failure_despite_success().unwrap();
    assert_eq!(spoiled.reason, FailureReason::RepositoryFailed);
}

/// The output may not contain a package's origin: opkg's output may be discarded, and apk never prints
/// it.
#[test]
fn a_package_of_unknown_origin_belongs_to_the_request_only_if_no_feed_can_have_it() {
    for text in [
        " * opkg_install_pkg: Checksum or size mismatch for package vim. Either the opkg or the package index are corrupt.\n",
        "ERROR: wget: exited with error 8\nERROR: vim-9.1-r1: unexpected end of file\n",
        "ERROR: vim-9.1-r1: file integrity error\n",
        "ERROR: vim-9.1-r1: BAD signature\n",
    ] {
        let mut appended = classifier(true, text);
        assert_eq!(appended.failure().reason, FailureReason::DownloadFailed, "{text}");
        assert_eq!(appended.packages_of_unknown_feed(), ["vim"]);
        appended.place("vim".into(), "mine".into());
        assert_eq!(appended.failure().reason, FailureReason::RepositoryFailed, "{text}");
        assert!(appended.packages_of_unknown_feed().is_empty());
        let alone = classifier(false, text);
        assert_eq!(alone.failure().reason, FailureReason::RepositoryFailed, "{text}");
    }
    let nameless = "ERROR: wget: exited with error 8\n";
    assert_eq!(failure(nameless).reason, FailureReason::DownloadFailed);
    assert_eq!(classifier(false, nameless).failure().reason, FailureReason::RepositoryFailed);
}

#[test]
fn a_download_without_end_is_a_failure_of_its_server() {
    let stalled = |urls: &[&str]| {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        classifier(true, "").stalled(&urls).reason
    };
    let (own, other) = (format!("{OWN}/Packages.gz"), format!("{OTHER}/Packages.gz"));
    assert_eq!(stalled(&[&own]), FailureReason::RepositoryFailed);
    assert_eq!(stalled(&[&other]), FailureReason::DownloadFailed);
    assert_eq!(stalled(&[&own, &other]), FailureReason::DownloadFailed);
    assert_eq!(stalled(&[]), FailureReason::DownloadFailed);
}

#[test]
fn a_url_belongs_to_the_request_only_at_or_below_its_repository() {
    let own = |name: &str, url: &str| (name.to_owned(), url.to_owned());
    let others = ["https://d.example/a".to_owned(), "https://m.example/x/deep".to_owned()];
    let origins = Origins::new(
        [own("m", "https://m.example/x"), own("same", "https://d.example/a/")],
        others,
    );
    assert_eq!(origins.owner("https://m.example/x/Packages.gz"), Some("m"));
    assert_eq!(origins.owner("https://m.example/x"), Some("m"));
    for url in [
        "https://m.example/xy/Packages.gz",
        "https://m.example/x/deep/Packages.gz",
        "https://d.example/a/Packages.gz",
        "http://m.example/x/Packages.gz",
    ] {
        assert_eq!(origins.owner(url), None, "{url}");
    }
}

proptest! {
    #[test]
    fn without_repositories_of_the_request_no_failure_belongs_to_them(
        text in proptest::collection::vec(0..26_usize, 0..6),
    ) {
        let texts = [all(OWN), all(OTHER)].concat();
        let text: String = text.iter().map(|&index| texts[index].as_str()).collect();
        prop_assert_ne!(Classifier::read(&text).failure().reason, FailureReason::RepositoryFailed);
    }
}
