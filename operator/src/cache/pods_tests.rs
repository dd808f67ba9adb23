use asu_core::plan::PLAN_SCHEMA;
use asu_crds::examples;

use super::*;
use crate::{pods::GROUP, settings::parsed};

fn owns_its_volumes(job: Job) -> bool {
    let context = job.spec.unwrap().template.spec.unwrap().security_context.unwrap();
    context.fs_group == Some(GROUP)
        && context.fs_group_change_policy.as_deref() == Some("OnRootMismatch")
}

#[test]
fn populate_and_prune_pods_set_fs_group() {
    let (cache, settings) = (examples::cache(), parsed(&[]));
    let place = CachePlace { claim_name: "c".into(), sub_path: "t".into() };
    let plan = PopulatePlan {
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
    };
    let populate = populate_job("p", &cache, &place, &plan, None, &settings).unwrap();
    assert!(owns_its_volumes(populate));
    assert!(owns_its_volumes(prune_job("q", &cache, "c", "t", &settings)));
}
