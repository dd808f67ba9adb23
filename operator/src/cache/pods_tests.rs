use asu_core::plan::{PLAN_SCHEMA, PlanImage};
use asu_crds::examples;

use super::*;
use crate::{pods::GROUP, settings::parsed};

fn owns_its_volumes(job: Job) -> bool {
    let context = job.spec.unwrap().template.spec.unwrap().security_context.unwrap();
    context.fs_group == Some(GROUP)
        && context.fs_group_change_policy.as_deref() == Some("OnRootMismatch")
}

fn plan() -> PopulatePlan {
    PopulatePlan {
        schema: PLAN_SCHEMA,
        uid: "u".into(),
        version: "24.10.7".into(),
        target: "ath79/generic".into(),
        fetch_urls: vec![],
        target_path: "p".into(),
        keys: vec![],
        file: "ib.tar.zst".into(),
        sha256: asu_core::catalog::TarballDigest::of(b"ib"),
        builder_image: "i".into(),
        max_download_bytes: 1,
        max_tree_bytes: 1,
        max_entries: 1,
        seconds: 1,
        image: None,
    }
}

#[test]
fn populate_and_prune_pods_set_fs_group() {
    let (cache, settings) = (examples::cache(), parsed(&[]));
    let place = CachePlace { claim_name: "c".into(), sub_path: "t".into() };
    let populate = populate_job("p", &cache, &place, &plan(), None, &settings).unwrap();
    assert!(owns_its_volumes(populate));
    assert!(owns_its_volumes(prune_job("q", &cache, "c", "t", &settings)));
}

#[test]
fn the_oci_image_of_an_image_builder_is_mounted_read_only_and_only_if_there_is_one() {
    let (cache, settings) = (examples::cache(), parsed(&[]));
    let place = CachePlace { claim_name: "c".into(), sub_path: "t".into() };
    let pod = |plan: &PopulatePlan| {
        let job = populate_job("p", &cache, &place, plan, None, &settings).unwrap();
        job.spec.unwrap().template.spec.unwrap()
    };
    let without = pod(&plan());
    assert!(without.volumes.unwrap().iter().all(|volume| volume.image.is_none()));
    let image = PlanImage {
        reference: "r.example/ib:1".into(),
        path: "builder".into(),
        revision: Some("r1-a".into()),
        pull_policy: "Always".into(),
    };
    let with = pod(&PopulatePlan { image: Some(image), ..plan() });
    let volumes = with.volumes.unwrap();
    let volume = volumes.iter().find_map(|volume| volume.image.as_ref()).unwrap();
    assert_eq!(volume.reference.as_deref(), Some("r.example/ib:1"));
    assert_eq!(volume.pull_policy.as_deref(), Some("Always"));
    let mounts = with.containers[0].volume_mounts.as_ref().unwrap();
    let mount = mounts.iter().find(|mount| mount.mount_path == paths::IMAGE).unwrap();
    assert_eq!(mount.read_only, Some(true));
}
