//! ImageBuilder tarballs that must be refused: the condition names why, nothing is written outside,
//! caches that are there stay in use, and it is tried again later and later.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{collections::BTreeMap, path::PathBuf};

use asu_core::digest::Digest;
use asu_crds::{
    CacheWorkspace, ImageBuilderCache, ImageBuilderCacheSpec, ImageBuilderCacheStatus, condition,
};
use asu_tests::{
    fixtures::{Faults, World},
    scenario::{Error, System, WITHIN},
    toolchain::cache_dir,
};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
};

/// A tarball, the reason for refusing it, and what the message must name.
type Case = (&'static str, &'static str, &'static str);

const TARBALL: &str = "openwrt-imagebuilder-24.10.7-testarch-small.Linux-x86_64.tar.zst";

/// Caches of broken tarballs: made by hand, served below folders of their own.
struct Broken {
    system: System,
    cases: &'static [Case],
}

impl Broken {
    async fn offer(cases: &'static [Case]) -> Self {
        let system = System::attach().await.unwrap();
        system.reset_faults().await.unwrap();
        let substitute: BTreeMap<String, String> = cases
            .iter()
            .map(|(case, ..)| (format!("/{}/", folder(case)), format!("bad/{case}")))
            .collect();
        system.set_faults(&Faults { substitute, ..Faults::default() }).await.unwrap();
        let world = World::ensure_all(&cache_dir()).unwrap();
        for (case, ..) in cases {
            remove(&system, case).await;
            let cache = ImageBuilderCache::new(&name(case), spec(&world, case));
            system.caches().create(&PostParams::default(), &cache).await.unwrap();
        }
        Self { system, cases }
    }

    /// The status of each after so many failures in a row.
    async fn after(&self, failures: u32) -> Vec<(Case, ImageBuilderCacheStatus)> {
        let mut all = Vec::new();
        for case in self.cases {
            let name = name(case.0);
            let status = self
                .system
                .until(&format!("{name} failed {failures} times"), WITHIN, || async {
                    let status = self.system.caches().get_status(&name).await?.status;
                    let status = status.unwrap_or_default();
                    let enough = status.failures.unwrap_or_default() >= failures;
                    // The next attempt may have begun while another case was waited for.
                    let failed = enough && status.job_name.is_none();
                    Ok(if failed { Ok(status) } else { Err(format!("{status:?}")) })
                })
                .await;
            all.push((*case, status));
        }
        // Only now: the others must be taken away even when one is not as it should be.
        all.into_iter().map(|(case, status)| (case, status.unwrap())).collect()
    }

    async fn nothing_was_written(&self) {
        for (case, ..) in self.cases {
            let files = self.system.files_of_claim(&format!("ibc-{}", name(case))).await.unwrap();
            for forbidden in ["fixture-escape", "marker.json", "Makefile", "null", "pipe", "passwd"]
            {
                let found: Vec<_> = files
                    .iter()
                    .filter(|file| file.rsplit('/').next() == Some(forbidden))
                    .collect();
                assert!(found.is_empty(), "{case}: {found:?} was left behind");
            }
        }
        let usable = self.usable().await;
        let files = self.system.files_of_claim(&format!("ibc-{usable}")).await.unwrap();
        assert!(files.iter().any(|file| file.ends_with("/marker.json")), "{files:?}");
        for outside in ["/tmp/fixture-escape", "/fixture-escape"] {
            assert!(!PathBuf::from(outside).exists(), "{outside} was written");
        }
    }

    /// The cache that builds use.
    async fn usable(&self) -> String {
        let caches = self.system.caches().list(&ListParams::default()).await.unwrap();
        let ready = |cache: &&ImageBuilderCache| {
            let status = cache.status.as_ref();
            cache.spec.distribution == "openwrt"
                && status.is_some_and(|status| status.place.is_some())
        };
        caches.iter().find(ready).unwrap().name_any()
    }

    async fn remove(self) {
        self.system.reset_faults().await.unwrap();
        for (case, ..) in self.cases {
            remove(&self.system, case).await;
        }
    }
}

fn name(case: &str) -> String {
    format!("bad-{case}")
}

fn folder(case: &str) -> String {
    format!("releases/24.10.7/targets/bad/{case}")
}

/// What the catalog would say of such a tarball: its digest in its `sha256sums`.
fn spec(world: &World, case: &str) -> ImageBuilderCacheSpec {
    let bytes = std::fs::read(world.dir.join("bad").join(case).join(TARBALL)).unwrap();
    let sha256 = match case {
        "wrong-sha256" => "0".repeat(64),
        _ => Digest::of(&bytes).to_string(),
    };
    ImageBuilderCacheSpec {
        distribution: "openwrt".into(),
        version: "24.10.7".into(),
        target: "testarch/small".into(),
        sha256,
        file: TARBALL.into(),
        target_path: folder(case),
        revision: None,
        pinned: false,
        suspend: false,
        workspace: CacheWorkspace::default(),
    }
}

async fn remove(system: &System, case: &str) {
    let name = name(case);
    match system.caches().delete(&name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return,
        other => drop(other.unwrap()),
    }
    system
        .until("the cache is gone", WITHIN, || async {
            let left = system.caches().get_opt(&name).await.map_err(Error::from)?;
            Ok(left.map_or(Ok(()), |cache| Err(format!("{:?}", cache.metadata))))
        })
        .await
        .unwrap();
}

/// Every case is refused with its reason, and tried again later.
async fn are_refused(cases: &'static [Case]) {
    let broken = Broken::offer(cases).await;
    let first = broken.after(1).await;
    broken.nothing_was_written().await;
    let built = usable_cache_serves(&broken.system).await;
    broken.remove().await;
    for ((case, reason, names), status) in first {
        assert_eq!(status.reason.as_deref(), Some(reason), "{case}: {status:?}");
        let message = status.message.clone().unwrap_or_default();
        assert!(message.contains(names), "{case}: {message:?} does not name {names:?}");
        let ready = condition(&status.conditions, "Ready").unwrap();
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", reason), "{case}");
        assert!(status.place.is_none(), "{case} is offered to builds: {status:?}");
    }
    assert_eq!(built, 200, "the cache that is there did not serve");
}

/// Status of a build with the cache that was there before.
async fn usable_cache_serves(system: &System) -> u16 {
    let ended = system.end(&system.request(&["fixture-hello"]), WITHIN).await.unwrap();
    ended.answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tarball_with_another_digest_is_refused() {
    are_refused(&[
        ("wrong-sha256", "BadChecksum", TARBALL),
        ("wrong-signature", "BadSignature", "sha256sums"),
        ("truncated", "BadArchive", "too early"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn member_names_that_lead_outside_are_refused() {
    are_refused(&[
        ("absolute-name", "HostileArchive", "/tmp/fixture-escape"),
        ("dotdot-name", "HostileArchive", "fixture-escape"),
        ("dotdot-start", "HostileArchive", "../fixture-escape"),
        ("other-top", "HostileArchive", "elsewhere"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_written_through_a_symlink_are_refused() {
    are_refused(&[
        ("through-symlink", "HostileArchive", "escape"),
        ("through-symlink-file", "HostileArchive", "victim"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_nodes_and_fifos_are_refused() {
    are_refused(&[("device-node", "HostileArchive", "null"), ("fifo", "HostileArchive", "pipe")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_links_to_anything_but_an_earlier_regular_member_are_refused() {
    are_refused(&[
        ("hardlink-outside", "HostileArchive", "passwd"),
        ("hardlink-dotdot", "HostileArchive", "passwd"),
        ("hardlink-later", "HostileArchive", "early"),
        ("hardlink-symlink", "HostileArchive", "hard"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tarball_is_downloaded_again_after_growing_pauses() {
    let broken = Broken::offer(&[("truncated", "BadArchive", "")]).await;
    let mut pauses = Vec::new();
    for failures in [1, 2, 3] {
        let (_, status) = broken.after(failures).await.remove(0);
        assert!(status.failures >= Some(failures));
        let ready = condition(&status.conditions, "Ready").unwrap();
        let reconciling = condition(&status.conditions, "Reconciling").unwrap();
        assert_eq!((ready.status.as_str(), reconciling.status.as_str()), ("False", "True"));
        pauses.push(status.retry_at.unwrap().0.duration_since(jiff::Timestamp::now()).as_secs());
    }
    broken.remove().await;
    // Seen a moment after it was written, on a busy machine.
    assert!(pauses[0] <= 10 && pauses[1] > 10 && pauses[2] > 20, "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tarball_that_was_corrected_upstream_fills_the_cache() {
    let broken = Broken::offer(&[("wrong-signature", "BadSignature", "")]).await;
    broken.after(1).await;
    let world = World::ensure_all(&cache_dir()).unwrap();
    let cache = broken.system.caches().get(&name("wrong-signature")).await.unwrap();
    assert!(
        cache.finalizers().iter().any(|finalizer| finalizer == asu_crds::labels::VOLUME_FINALIZER)
    );
    broken.remove().await;
    // The same object with what the server has now.
    let system = System::attach().await.unwrap();
    let mended = ImageBuilderCacheSpec {
        sha256: Digest::of(&std::fs::read(world.tarball("testarch/small")).unwrap()).to_string(),
        target_path: world.target_path("testarch/small").trim_end_matches('/').to_owned(),
        ..cache.spec
    };
    let cache = ImageBuilderCache::new("bad-mended", mended);
    remove(&system, "mended").await;
    system.caches().create(&PostParams::default(), &cache).await.unwrap();
    let ready = system
        .until("the cache is ready", WITHIN, || async {
            let status = system.caches().get_status("bad-mended").await?.status.unwrap_or_default();
            let place = status.place.is_some();
            Ok(if place { Ok(status) } else { Err(format!("{status:?}")) })
        })
        .await;
    remove(&system, "mended").await;
    assert_eq!(ready.unwrap().reason.as_deref(), Some("Ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_claim_is_created_again_with_its_tree_and_a_build_waits() {
    let system = System::attach().await.unwrap();
    system.reset_faults().await.unwrap();
    assert_eq!(usable_cache_serves(&system).await, 200);
    let caches = system.caches().list(&ListParams::default()).await.unwrap();
    let used = caches.into_iter().find(|cache| {
        let status = cache.status.as_ref();
        cache.spec.target == "testarch/small" && status.is_some_and(|status| status.place.is_some())
    });
    let used = used.unwrap();
    let (name, claim) = (used.name_any(), used.status.unwrap().place.unwrap().claim_name);
    let claims: kube::Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> =
        kube::Api::namespaced(system.client.clone(), asu_tests::deploy::NAMESPACE);
    let old = claims.get(&claim).await.unwrap();
    claims.delete(&claim, &DeleteParams::default()).await.unwrap();
    system
        .until("the loss is named", WITHIN, || async {
            let status = system.caches().get_status(&name).await?.status.unwrap_or_default();
            let lost = status.losses >= Some(1);
            Ok(if lost { Ok(()) } else { Err(format!("{status:?}")) })
        })
        .await
        .unwrap();
    assert_eq!(usable_cache_serves(&system).await, 200);
    assert_ne!(claims.get(&claim).await.unwrap().uid(), old.uid());
}

/// Reads the Distribution again, as its next turn would: a change of its title.
async fn read_again(system: &System, title: &str) {
    let api: kube::Api<asu_crds::Distribution> =
        kube::Api::namespaced(system.client.clone(), asu_tests::deploy::NAMESPACE);
    let patch = kube::api::Patch::Merge(serde_json::json!({ "spec": { "title": title } }));
    api.patch("openwrt", &kube::api::PatchParams::default(), &patch).await.unwrap();
    system
        .until("the Distribution is read", WITHIN, || async {
            let object = api.get("openwrt").await?;
            let status = object.status.unwrap_or_default();
            let read = status.observed_generation == object.metadata.generation;
            Ok(if read { Ok(()) } else { Err(format!("{status:?}")) })
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_new_image_builder_keeps_the_old_one_in_use() {
    let system = System::attach().await.unwrap();
    system.reset_faults().await.unwrap();
    // There is a cache of the present one.
    assert_eq!(usable_cache_serves(&system).await, 200);
    let world = World::ensure_all(&cache_dir()).unwrap();
    let place = format!("/{}/", world.target_path("testarch/small").trim_matches('/'));
    let substitute = [(place, "bad/truncated".to_owned())].into();
    system.set_faults(&Faults { substitute, ..Faults::default() }).await.unwrap();
    read_again(&system, "OpenWrt (truncated)").await;
    let broken = spec(&world, "truncated").sha256;
    let successor = system
        .until("the successor failed", WITHIN, || async {
            let caches = system.caches().list(&ListParams::default()).await?;
            let found = caches.items.into_iter().find(|cache| cache.spec.sha256 == broken);
            let failed = found.filter(|cache| {
                cache.status.as_ref().is_some_and(|status| status.failures >= Some(1))
            });
            Ok(failed.ok_or_else(|| "no cache of its digest has failed".to_owned()))
        })
        .await;
    let built = usable_cache_serves(&system).await;
    system.reset_faults().await.unwrap();
    read_again(&system, "OpenWrt (fixture)").await;
    let successor = successor.unwrap();
    system.caches().delete(&successor.name_any(), &DeleteParams::default()).await.unwrap();
    assert_eq!(built, 200, "the former ImageBuilder did not serve");
    assert_eq!(successor.status.unwrap().reason.as_deref(), Some("BadArchive"));
}
