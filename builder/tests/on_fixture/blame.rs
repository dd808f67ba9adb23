//! Tests that a failure gets the right cause: an OOM kill, a repository of the request, or the
//! infrastructure.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use asu_core::{failure::FailureReason as Reason, result::PopulateFailure};
use asu_tests::fixtures::Faults;

use crate::{
    bench::{Cache, Pod, fail},
    faults::failed,
};

/// Writes the control group of a pod, of which `of` is a folder below `/asu`, with this number of
/// OOM kills.
fn killed_for_memory(of: &Path, kills: u32) {
    let root = of.parent().and_then(Path::parent).expect("a root");
    let group = root.join("sys/fs/cgroup");
    fs::create_dir_all(&group).expect("the control group");
    for (file, text) in [
        ("memory.max", "1073741824\n".to_owned()),
        ("memory.peak", "1073741824\n".to_owned()),
        ("memory.events", format!("low 0\nmax 7\noom {kills}\noom_kill {kills}\n")),
    ] {
        // By rename, because it may be read at the same time.
        fs::write(group.join(".new"), text).expect("a file of the control group");
        fs::rename(group.join(".new"), group.join(file)).expect("a file of the control group");
    }
}

#[test]
fn a_killed_script_or_child_is_an_infrastructure_failure() {
    for package in ["fixture-killed", "fixture-killed-child", "fixture-killed-late"] {
        let detail = failed(&Pod::new(&[package]), Reason::BuilderDied);
        let said =
            format!("A process of the build was killed by signal 9, in a script of {package}");
        assert_eq!(detail, said);
    }
}

const OUT_OF_MEMORY: &str =
    "A process was killed for want of memory: used 1024 MiB, limit 1024 MiB";

/// Runs a build with an OOM kill, and returns its failure.
fn killed(pod: &Pod) -> asu_core::failure::Failure {
    killed_for_memory(&pod.path("work"), 3);
    pod.run_with(|_, _| {
        pod.wait_for_log("$ make");
        killed_for_memory(&pod.path("work"), 4);
    });
    pod.result().failure.expect("a failure")
}

#[test]
fn an_oom_kill_is_detected_for_any_end_of_the_build() {
    // A success, a failure of the request, and one that looks like a kill.
    for package in ["fixture-hello", "fixture-badpostinst", "fixture-killed-late"] {
        let pod = Pod::new(&[package]);
        let failure = killed(&pod);
        assert_eq!(failure.reason, Reason::OutOfMemory, "{package}\n{}", pod.log());
        assert_eq!(failure.detail, OUT_OF_MEMORY);
        assert!(!pod.is_final(), "it is tried again");
        assert!(!pod.result().memory_unknown);
    }
}

#[test]
fn without_an_oom_kill_a_failure_of_the_request_is_kept() {
    let pod = Pod::new(&["fixture-badpostinst"]);
    killed_for_memory(&pod.path("work"), 3);
    failed(&pod, Reason::PackageScript);
    assert!(!pod.result().memory_unknown);
    let pod = Pod::new(&["fixture-badpostinst"]);
    failed(&pod, Reason::PackageScript);
    assert!(pod.result().memory_unknown, "without a control group nothing can be said");
}

/// An OOM kill while a tree is made may leave it incomplete.
#[test]
fn a_tree_whose_warm_up_was_oom_killed_is_not_ready() {
    let (cache, plan, _upstream) = Cache::to_fill("testarch/small");
    killed_for_memory(&cache.volume(), 3);
    let until = Instant::now() + Duration::from_mins(1);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while cache.names().is_empty() {
                assert!(Instant::now() < until, "it never began");
                std::thread::sleep(Duration::from_millis(5));
            }
            killed_for_memory(&cache.volume(), 4);
        });
        cache.populate(&plan)
    });
    assert_eq!(result.failure, Some(PopulateFailure::OutOfMemory), "{}", result.detail);
    assert_eq!(result.detail, OUT_OF_MEMORY);
    assert!(cache.marker().is_none());
    assert_eq!(cache.populate(&plan).failure, None, "the next one is another");
}

/// A build with a package of a repository that the request brings.
fn with_repository(path: &str) -> Pod {
    let mut pod = Pod::new(&["fixture-third"]);
    let url = format!("{}/{path}", pod.upstream.base_url());
    pod.repository("mine", &url);
    pod
}

fn paths(pattern: &str) -> Vec<String> {
    vec![pattern.to_owned()]
}

fn both(pattern: &str) -> Vec<String> {
    vec![pattern.to_owned(), "*/base/Packages*".to_owned()]
}

#[test]
fn a_repository_of_the_request_that_works_is_used() {
    let pod = with_repository("third-party");
    let built = pod.built();
    assert!(built.manifest.contains_key("fixture-third"));
}

#[test]
fn a_repository_of_the_request_that_fails_is_the_requests_own_fault() {
    for (faults, says) in [
        (
            Faults { status_503: paths("/third-party/*"), ..Faults::default() },
            "its package index could not be read",
        ),
        (
            Faults { not_found: paths("/third-party/Packages.gz"), ..Faults::default() },
            "its package index could not be read",
        ),
        (
            Faults { not_found: paths("/third-party/*.sig"), ..Faults::default() },
            "its package index could not be read",
        ),
        (
            Faults { wrong_signature: paths("/third-party/*"), ..Faults::default() },
            "its package index is not signed by a trusted key",
        ),
        (
            Faults { corrupt: paths("/third-party/Packages.gz"), ..Faults::default() },
            "its package index could not be read",
        ),
        (
            Faults { not_found: paths("/third-party/*.ipk"), ..Faults::default() },
            "it did not serve fixture-third",
        ),
        (
            Faults { corrupt: paths("/third-party/*.ipk"), ..Faults::default() },
            "it did not serve fixture-third",
        ),
    ] {
        let pod = with_repository("third-party");
        fail(&pod.upstream, &faults);
        let detail = failed(&pod, Reason::RepositoryFailed);
        assert!(detail.contains("mine") && detail.contains(says), "{detail}");
    }
}

#[test]
fn an_unreachable_repository_of_the_request_is_a_failure_of_the_request() {
    let mut pod = Pod::new(&["fixture-hello"]);
    // A port without a server.
    pod.repository("mine", "http://127.0.0.1:1/feed");
    failed(&pod, Reason::RepositoryFailed);
    let mut pod = Pod::new(&["fixture-hello"]);
    pod.repository("mine", "http://nowhere.invalid/feed");
    failed(&pod, Reason::RepositoryFailed);
}

#[test]
fn a_hanging_repository_of_the_request_is_a_failure_of_the_request() {
    let mut pod = with_repository("third-party");
    pod.plan.limits.seconds = 6;
    let slow = [("/third-party/*".to_owned(), 1)].into();
    fail(&pod.upstream, &Faults { slow, ..Faults::default() });
    let detail = failed(&pod, Reason::RepositoryFailed);
    assert!(detail.contains("mine") && detail.contains("within the time"), "{detail}");
}

#[test]
fn failures_of_feeds_and_repositories_are_an_infrastructure_failure() {
    for faults in [
        Faults { status_503: both("/third-party/*"), ..Faults::default() },
        Faults { status_503: vec!["*".to_owned()], ..Faults::default() },
    ] {
        let pod = with_repository("third-party");
        fail(&pod.upstream, &faults);
        failed(&pod, Reason::DownloadFailed);
    }
}
