//! What is no longer kept goes, and builds wait while there is no room.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use asu_core::{
    build_key::BuildKey,
    digest::Digest,
    request_hash::RequestHash,
    result::{StoredFile, store_keys},
    retention::Space,
};
use asu_crds::{BuildPhase, ImageBuilderCache};
use asu_store::model::Ending;
use asu_tests::given::{Operator, World, build, built, cache, record, request};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

const SHORT: [&str; 4] = [
    "--retention-interval=300ms",
    "--retention-grace=1s",
    "--retention-orphans=1h",
    "--history=1s",
];

fn days(n: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24 * n)
}

/// A build that was archived, with a file of 400 bytes that is two hours old. Its answer is stale.
async fn archived(world: &World, uid: &str, ended: Timestamp, keep_until: Timestamp) -> BuildKey {
    archived_fresh(world, uid, ended, ended, keep_until).await
}

/// The same, with the time until which its answer is given again.
async fn archived_fresh(
    world: &World,
    uid: &str,
    ended: Timestamp,
    fresh_until: Timestamp,
    keep_until: Timestamp,
) -> BuildKey {
    let key = BuildKey::of(uid.as_bytes());
    let file = StoredFile { name: "i.bin".into(), size: 400, sha256: Digest::of(b"i") };
    put_old(world, &store_keys::artifact(&key, &file.name), 2);
    put_old(world, &store_keys::log(uid), 2);
    let ending = Ending::Succeeded(built(key, vec![file]));
    let mut new = record(uid, request("device", &["luci"]), ending, ended);
    new.facts.request_hash = RequestHash::of(format!("request of {uid}").as_bytes());
    (new.facts.fresh_until, new.facts.keep_until) = (fresh_until, keep_until);
    world.pg_store().archive(&new, 0).await.unwrap();
    key
}

fn put_old(world: &World, key: &str, hours: u64) {
    world.put(key, &[0; 400]);
    let file = File::options().write(true).open(world.store.path().join(key)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
}

fn there(world: &World, key: &str) -> bool {
    world.store.path().join(key).exists()
}

fn artifact(key: &BuildKey) -> String {
    store_keys::artifact(key, "i.bin")
}

async fn until_gone(world: &World, key: &str) {
    world.until(&format!("{key} is gone"), async || (!there(world, key)).then_some(())).await;
}

fn used(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(info) if info.is_dir() => used(&entry.path()),
        Ok(info) => info.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_log_and_history_are_deleted_when_they_expire() {
    let world = World::new().await;
    let over = archived(&world, "over", days(-3), days(-2)).await;
    let kept = archived(&world, "kept", days(-3), days(2)).await;
    put_old(&world, "uploads/dead.1/i.bin", 2);
    put_old(&world, "uploads/killed.1/i.bin#1", 2);
    put_old(&world, "results/dead.1.json", 2);
    put_old(&world, "logs/young.zst", 0);
    let orphan = BuildKey::of(b"orphan");
    put_old(&world, &artifact(&orphan), 2);
    let _operator = world.operator("a", &SHORT).await;
    until_gone(&world, &artifact(&over)).await;
    for key in ["uploads/dead.1/i.bin", "uploads/killed.1", "results/dead.1.json", "logs/over.zst"]
    {
        until_gone(&world, key).await;
    }
    until_gone(&world, &artifact(&orphan)).await;
    world
        .until("the row is gone", async || {
            world.pg_store().build_by_uid("over").await.ok()?.is_none().then_some(())
        })
        .await;
    assert!(there(&world, &artifact(&kept)) && there(&world, "logs/kept.zst"));
    assert!(there(&world, "logs/young.zst"), "its build may not be seen yet");
    assert_eq!(world.pg_store().unfinished_deletions().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recently_written_files_are_kept_until_their_build_is_recorded() {
    let world = World::new().await;
    let shared = archived(&world, "over", days(-3), days(-2)).await;
    let other = archived(&world, "other", days(-3), days(-2)).await;
    // Another build has just found the same files, and written them again.
    world.put(&artifact(&shared), &[0; 400]);
    let _operator = world.operator("a", &SHORT).await;
    until_gone(&world, &artifact(&other)).await;
    assert!(there(&world, &artifact(&shared)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_high_water_mark_the_least_recently_served_files_are_deleted() {
    let world = World::new().await;
    let long_ago = archived(&world, "long-ago", days(-9), days(9)).await;
    let lately = archived(&world, "lately", days(-2), days(9)).await;
    let folder = world.store.path().join("artifacts");
    let fill = Arc::new(move || Space { used: used(&folder), capacity: 1000 });
    let options = [&SHORT[..], &["--store-high-water=70", "--store-low-water=50"]].concat();
    let _operator = world.operator_with("a", &options, fill).await;
    until_gone(&world, &artifact(&long_ago)).await;
    assert!(there(&world, &artifact(&lately)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_full_of_fresh_images_deletes_the_oldest_and_builds_continue() {
    let world = World::new().await;
    let old = archived_fresh(&world, "old", days(-9), days(9), days(9)).await;
    let young = archived_fresh(&world, "young", days(0), days(9), days(9)).await;
    let folder = world.store.path().join("artifacts");
    let fill = Arc::new(move || Space { used: used(&folder), capacity: 820 });
    let options = [&SHORT[..], &["--store-high-water=90", "--store-low-water=50"]].concat();
    let _operator = world.operator_with("a", &options, fill).await;
    world.ready_cache().await;
    until_gone(&world, &artifact(&old)).await;
    world.admitted("luci").await;
    assert!(there(&world, &artifact(&young)), "it is younger than the minimum");
}

/// A world with a ready cache whose store is full to 96 of 100 bytes, which the test may change.
async fn nearly_full() -> (World, Arc<AtomicU64>, Operator) {
    let world = World::new().await;
    let percent = Arc::new(AtomicU64::new(96));
    let said = percent.clone();
    let fill = Arc::new(move || Space { used: said.load(Ordering::Relaxed), capacity: 100 });
    let operator = world.operator_with("a", &SHORT, fill).await;
    world.ready_cache().await;
    (world, percent, operator)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_and_end_of_a_pause_of_admission_are_events_of_the_distributions() {
    let (world, percent, _operator) = nearly_full().await;
    let told = async |reason: &'static str| {
        let events = world.api::<k8s_openapi::api::events::v1::Event>();
        world
            .until(&format!("an event says {reason}"), async || {
                let list = events.list(&kube::api::ListParams::default()).await.ok()?;
                let found = list.items.into_iter().find(|event| {
                    let on = event.regarding.as_ref().and_then(|on| on.kind.as_deref());
                    event.reason.as_deref() == Some(reason) && on == Some("Distribution")
                });
                found?.note
            })
            .await
    };
    assert!(told("AdmissionPaused").await.contains("96 of 100 bytes"));
    // One that waits before the store fills up again hears of it, and of the end.
    let build = world.create(&build("luci")).await;
    world.status(&build, "it is paused", |status| status.reason.as_deref() == Some("Paused")).await;
    percent.store(50, Ordering::Relaxed);
    told("AdmissionResumed").await;
    world.job_of(&build).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_wait_while_the_store_is_nearly_full_and_continue_later() {
    let (world, percent, _operator) = nearly_full().await;
    let build = world.create(&build("luci")).await;
    let paused = world
        .status(&build, "it is paused", |status| status.reason.as_deref() == Some("Paused"))
        .await;
    assert_eq!(paused.phase, Some(BuildPhase::Queued));
    percent.store(50, Ordering::Relaxed);
    world.job_of(&build).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_nothing_uses_is_deleted() {
    let options = [&SHORT[..], &["--cache-max-idle=2s"]].concat();
    let (world, _operator) = World::with_operator(&options).await;
    let cache = world.create(&cache()).await;
    world
        .until("the cache is being deleted, or gone", async || {
            let found = world.api::<ImageBuilderCache>().get_opt(&cache.name_any()).await.ok()?;
            found.is_none_or(|found| found.metadata.deletion_timestamp.is_some()).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_whose_files_are_gone_is_built_again() {
    let (world, operator) = World::with_ready_cache(&[]).await;
    let (build, job) = world.admitted("luci").await;
    world.status(&build, "it runs", |status| status.phase == Some(BuildPhase::Running)).await;
    drop(operator);
    let result = world.commit(&build, "k");
    let key = store_keys::artifact(&result.built.unwrap().build_key, "i.bin");
    std::fs::remove_file(world.store.path().join(key)).unwrap();
    world.pod(&job, "publish", 0, None).await;
    world.complete(&job).await;
    let _second = world.operator("b", &[]).await;
    let again = world.second_job_of(&build).await;
    let left = store_keys::result(&build.uid().unwrap());
    assert!(!there(&world, &left), "the result is dropped");
    world.commit(&build, "k");
    world.pod(&again, "publish", 0, None).await;
    world.complete(&again).await;
    let status = world.archived(&build).await;
    assert_eq!((status.phase, status.attempt), (Some(BuildPhase::Succeeded), Some(2)));
}
