//! Packages that attack the work folder, and pods that are killed during a build.

use std::{
    fs,
    process::Child,
    time::{Duration, Instant},
};

use asu_core::failure::FailureReason as Reason;
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::Pod;

/// Waits until the build installs its slow package.
fn wait_for_slow_script(pod: &Pod) {
    pod.wait_for_log("Finalizing root filesystem");
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, signal).expect("a signal");
}

#[test]
fn an_attack_on_the_handover_fails_with_its_own_reason_and_stores_nothing() {
    let pod = Pod::new(&["fixture-attack-files"]);
    let artifact = pod.path("store/artifacts/other/image.bin");
    fs::create_dir_all(artifact.parent().expect("a folder")).expect("another artifact's folder");
    fs::write(&artifact, "other").expect("another artifact");
    let ended = pod.run();
    let failure = pod.result().failure.expect("a failure");
    assert_eq!(failure.reason, Reason::BadHandover, "{}", failure.detail);
    assert_eq!(ended.publish.status.code(), Some(42));
    assert!(pod.log().contains("fixture-attack: modes"), "{}", pod.log());
    let artifacts = pod.stored().into_iter().filter(|name| !name.starts_with("logs"));
    let expected = ["artifacts/other/image.bin", "results/uid-1.json"];
    assert_eq!(artifacts.collect::<Vec<_>>(), expected);
    assert_eq!(fs::read(&artifact).expect("the other artifact"), b"other");
}

#[test]
fn processes_that_a_script_started_end_with_the_build() {
    let pod = Pod::new(&["fixture-attack-files"]);
    pod.run();
    let work = pod.path("work").to_string_lossy().into_owned();
    let alive = || {
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        entries
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .filter(|line| String::from_utf8_lossy(line).contains(&work))
            .count()
    };
    assert_eq!(alive(), 0);
}

#[test]
fn a_build_that_dies_is_noticed_at_once() {
    let pod = Pod::new(&["fixture-slow"]);
    let mut killed_at = Instant::now();
    let ended = pod.run_with(|build, _| {
        wait_for_slow_script(&pod);
        signal(build, Signal::KILL);
        killed_at = Instant::now();
    });
    assert_eq!(ended.publish.status.code(), Some(3));
    assert_eq!(pod.result().failure.expect("a failure").reason, Reason::BuilderDied);
    assert!(pod.log().contains("Finalizing root filesystem"));
    assert!(!pod.is_final());
}

#[test]
fn a_pod_that_is_stopped_keeps_its_log() {
    let pod = Pod::new(&["fixture-slow-60"]);
    let started = Instant::now();
    let ended = pod.run_with(|build, publish| {
        wait_for_slow_script(&pod);
        signal(build, Signal::TERM);
        signal(publish, Signal::TERM);
    });
    assert!(started.elapsed() < Duration::from_secs(55), "it waited for the package");
    assert_eq!(ended.publish.status.code(), Some(3));
    assert_eq!(pod.result().failure.expect("a failure").reason, Reason::PodFailed);
    assert!(pod.log().contains("Finalizing root filesystem"));
}

#[test]
fn a_build_that_reports_a_lost_tree_is_checked_against_the_volume() {
    let pod = Pod::new(&["nosuch"]);
    pod.run();
    let said = pod.path("work/outcome.json");
    let forged = fs::read_to_string(&said).expect("an outcome");
    fs::write(&said, forged.replace("PackageSelection", "TreeLost")).expect("a forged outcome");
    for stored in ["store/results/uid-1.json", "store/logs/uid-1.zst"] {
        fs::remove_file(pod.path(stored)).expect("a removed file");
    }
    pod.publish();
    let failure = pod.result().failure.expect("a failure");
    assert_eq!(failure.reason, Reason::BadHandover, "{}", failure.detail);
}

#[test]
fn output_beyond_its_limits_is_refused() {
    let mut pod = Pod::new(&[]);
    pod.plan.limits.output_bytes = 100_000;
    pod.run();
    assert_eq!(pod.result().failure.expect("a failure").reason, Reason::BadHandover);
    let mut pod = Pod::new(&[]);
    pod.plan.limits.output_files = 3;
    pod.run();
    assert_eq!(pod.result().failure.expect("a failure").reason, Reason::BadHandover);
}

#[test]
fn an_existing_result_is_kept() {
    let pod = Pod::new(&["nosuch"]);
    pod.run();
    let first = fs::read(pod.path("store/results/uid-1.json")).expect("a result");
    for name in ["build.lock", "build.log", "outcome.json", "stage"] {
        fs::remove_file(pod.path("work").join(name)).expect("a removed file");
    }
    fs::remove_dir_all(pod.path("work/home")).expect("a removed folder");
    let mut pod = pod;
    pod.plan.request.packages.clear();
    let ended = pod.run();
    assert_eq!(ended.publish.status.code(), Some(42), "the exit code is the stored result's");
    assert_eq!(fs::read(pod.path("store/results/uid-1.json")).expect("a result"), first);
}
