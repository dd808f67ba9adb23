use asu_crds::examples;

use super::*;
use crate::settings::parsed;

#[test]
fn a_build_pod_gives_its_volumes_to_no_group_which_would_make_the_work_folder_setgid() {
    let (build, distribution) = (examples::build(), examples::distribution());
    let request = build.spec.request.to_request().unwrap();
    let image_builder_sha256 = "a".repeat(64);
    let attempt = Attempt {
        build: &build,
        request: &request,
        hash: &Sha256Hex::of(b"r"),
        resolved: &Resolved { image_builder_sha256, ..Resolved::default() },
        distribution: &distribution.spec,
        place: &CachePlace { claim_name: "c".into(), sub_path: "t".into() },
        image: "i",
        workspace: Workspace::Copy,
        number: 1,
        settings: &parsed(&[]),
    };
    let plan = plan(&attempt).unwrap();
    assert_eq!(plan.workspace, Workspace::Copy, "as the cache says");
    let pod = job(&attempt).unwrap().spec.unwrap().template.spec.unwrap();
    let context = pod.security_context.unwrap();
    assert_eq!((context.fs_group, context.fs_group_change_policy), (None, None));
    assert_eq!(context.run_as_non_root, Some(true));
}
