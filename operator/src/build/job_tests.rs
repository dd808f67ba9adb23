use asu_core::{packages::effective, request_hash::request_hash};
use asu_crds::{DefaultsSpec, PackageChange, PackageEdit, examples};
use serde_json::{Value, json};

use super::*;
use crate::settings::parsed;

/// The Job of a private build, as it is sent to the API server.
fn made(options: &[&str]) -> (BuildPlan, Value) {
    let mut build = examples::build();
    build.spec.request.defaults =
        Some(DefaultsSpec { sha256: "b".repeat(64), length: 5, secret_name: "s".into() });
    made_of(&build, &examples::distribution().spec, options)
}

fn made_of(
    build: &FirmwareBuild,
    distribution: &DistributionSpec,
    options: &[&str],
) -> (BuildPlan, Value) {
    let request = build.spec.request.to_request().unwrap();
    let image_builder_sha256 = "a".repeat(64);
    let attempt = Attempt {
        build,
        request: &request,
        hash: &request_hash(&request),
        resolved: &Resolved { image_builder_sha256, ..Resolved::default() },
        distribution,
        base: (distribution, &request.version),
        feeds: Vec::new(),
        place: &CachePlace { claim_name: "c".into(), sub_path: "t".into() },
        image: "i",
        workspace: Workspace::Copy,
        number: 1,
        memory: None,
        settings: &parsed(options),
    };
    (plan(&attempt).unwrap(), serde_json::to_value(job(&attempt).unwrap()).unwrap())
}

fn pod(job: &Value) -> &Value {
    &job["spec"]["template"]["spec"]
}

fn container<'a>(job: &'a Value, name: &str) -> &'a Value {
    let containers = pod(job)["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 2);
    containers.iter().find(|container| container["name"] == name).unwrap()
}

/// What a container sees of the pod's volumes: name and whether it may write.
fn mounts(job: &Value, name: &str) -> Vec<(String, bool)> {
    let mounts = container(job, name)["volumeMounts"].as_array().unwrap().iter();
    let mut mounts: Vec<_> = mounts
        .map(|mount| (mount["name"].as_str().unwrap().to_owned(), mount["readOnly"] != true))
        .collect();
    mounts.sort();
    mounts
}

#[test]
fn the_plan_of_the_largest_request_fits_into_an_annotation() {
    // Kubernetes' limit for all annotations of a pod together.
    const MAX_JOB: usize = 256 << 10;
    let (plan, job) = made(&[]);
    let rest = serde_json::to_string(&plan).unwrap().len();
    let keys = |object: &Value| object["metadata"]["annotations"].as_object().unwrap().len();
    assert_eq!(keys(&job["spec"]["template"]), 1);
    // Renamed packages may be longer than those that were asked for.
    let renamed = 512 * asu_core::names::MAX_PACKAGE_NAME;
    // Package edits add at most 64, and three lines of at most 32 names or pairs of names each.
    let edited = (64 + 4 * 32) * (asu_core::names::MAX_PACKAGE_NAME + 4);
    assert!(rest + asu_core::request::MAX_REQUEST + renamed + edited < MAX_JOB);
}

#[test]
fn the_plan_has_the_packages_after_changes_and_edits_and_the_hash_of_what_was_asked() {
    let mut distribution = examples::distribution().spec;
    let asked = ["vim", "auc"].map(str::to_owned);
    let mut builds = [examples::build(), examples::build()];
    builds[0].spec.request.packages = asked.to_vec();
    builds[1].spec.request.packages_order = asked.to_vec();
    builds[1].spec.request.packages_versions = asked.map(|name| (name, "1".to_owned())).into();
    let hashes: Vec<_> =
        builds.iter().map(|build| made_of(build, &distribution, &[]).0.request_hash).collect();
    distribution.branches[0].branch_off_rev = Some(20);
    distribution.package_changes = vec![PackageChange {
        source: "auc".into(),
        target: Some("owut".into()),
        revision: Some(10),
        version: None,
        mandatory: false,
        choices: vec![],
    }];
    let rule = PackageEdit {
        versions: vec!["24.10*".into()],
        targets: vec!["ath79/*".into()],
        ..PackageEdit::default()
    };
    distribution.package_edits = vec![
        PackageEdit { add: vec!["fitblk".into()], ..rule.clone() },
        // Edits come after changes: this one finds the new name.
        PackageEdit { remove: vec!["owu*".into()], ..rule },
    ];
    for (build, hash) in builds.iter().zip(hashes) {
        let (plan, _) = made_of(build, &distribution, &[]);
        assert_eq!(effective(&plan.request, &[], &[]), ["vim", "fitblk"]);
        assert!(plan.request.packages_versions.keys().all(|name| name == "vim"));
        assert_eq!(plan.request_hash, hash);
        let notes =
            ["added fitblk", "removed owut"].map(|done| format!("{done} (24.10.7, ath79/generic)"));
        assert_eq!(plan.notes, notes);
    }
}

#[test]
fn the_plan_contains_the_workspace_mode_of_the_cache() {
    let (plan, _) = made(&[]);
    assert_eq!(plan.workspace, Workspace::Copy);
}

#[test]
fn a_build_pod_sets_no_fs_group() {
    let (_, job) = made(&[]);
    let context = &pod(&job)["securityContext"];
    assert_eq!(context["fsGroup"], Value::Null);
    assert_eq!(context["fsGroupChangePolicy"], Value::Null);
    assert_eq!(context["runAsNonRoot"], true);
}

#[test]
fn the_build_container_mounts_the_tree_read_only_and_no_store() {
    let (_, job) = made(&[]);
    let own = |name: &str, writable| (name.to_owned(), writable);
    let build = ["defaults", "imagebuilder", "plan"].map(|name| own(name, false));
    let written = ["tmp", "work"].map(|name| own(name, true));
    assert_eq!(mounts(&job, "build"), [&build[..], &written[..]].concat());
}

#[test]
fn the_containers_build_and_publish_share_only_the_work_folder_for_writing() {
    let (_, job) = made(&[]);
    let build = mounts(&job, "build");
    let publish = mounts(&job, "publish");
    let also = |mount: &&(String, bool)| mount.1 && build.contains(mount);
    let shared: Vec<_> = publish.iter().filter(also).map(|(name, _)| name.as_str()).collect();
    assert_eq!(shared, ["work"]);
    assert!(publish.iter().all(|(name, _)| name != "defaults"), "{publish:?}");
    let user = |name| container(&job, name)["securityContext"]["runAsUser"].as_i64().unwrap();
    assert_ne!(user("build"), user("publish"));
}

#[test]
fn a_build_pod_has_no_token_no_rights_and_shares_no_processes() {
    let (_, job) = made(&["--host-users=false"]);
    let pod = pod(&job);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], "asu-builder");
    for shared in ["shareProcessNamespace", "hostPID", "hostIPC", "hostNetwork"] {
        assert!(pod[shared].is_null(), "{shared}");
    }
    assert_eq!(pod["hostUsers"], false);
    for name in ["build", "publish"] {
        let context = &container(&job, name)["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{name}");
        assert_eq!(container(&job, name)["env"], Value::Null, "{name}");
    }
}

#[test]
fn with_a_one_node_store_pods_run_on_the_same_node() {
    let (_, job) = made(&["--colocate=asu.dev/store=here"]);
    let template = &job["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["asu.dev/store"], "here");
    let affinity = &pod(&job)["affinity"]["podAffinity"];
    let terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"].as_array().unwrap();
    assert_eq!(terms[0]["labelSelector"]["matchLabels"], json!({"asu.dev/store": "here"}));
    let (_, free) = made(&["--cache-access-mode=ReadWriteMany"]);
    assert_eq!(pod(&free)["affinity"], Value::Null);
}

#[test]
fn with_a_one_node_cache_pods_of_an_image_builder_run_on_the_same_node() {
    let near = |options: &[&str]| {
        let (_, job) = made(options);
        let affinity = &pod(&job)["affinity"]["podAffinity"];
        let terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"].clone();
        let wanted = terms[0]["labelSelector"]["matchLabels"].as_object().unwrap().clone();
        let own = job["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
        // The first of these pods starts although there is no other.
        assert!(wanted.iter().all(|(key, value)| own.get(key) == Some(value)));
        wanted.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(near(&[]), [labels::CACHE]);
    assert_eq!(near(&["--cache-claim-mode=shared"]), [labels::MANAGED_BY]);
}

#[test]
fn every_failure_and_disruption_of_a_pod_fails_its_job() {
    let (_, job) = made(&[]);
    let spec = &job["spec"];
    assert_eq!(spec["backoffLimit"], 0);
    assert_eq!(spec["podReplacementPolicy"], "Failed");
    assert_eq!(spec["ttlSecondsAfterFinished"], Value::Null);
    let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
    assert_eq!(rules[0]["action"], "FailJob");
    let disrupted = json!([{"type": "DisruptionTarget", "status": "True"}]);
    assert_eq!(rules[0]["onPodConditions"], disrupted);
    let ends: Vec<_> = rules[1..]
        .iter()
        .map(|rule| (rule["action"].as_str().unwrap(), rule["onExitCodes"].clone()))
        .collect();
    let exit = |name| json!({"containerName": name, "operator": "In", "values": [REQUEST_FAULT]});
    assert_eq!(ends, [("FailJob", exit("build")), ("FailJob", exit("publish"))]);
}

#[test]
fn requests_never_exceed_the_limits() {
    let (_, job) = made(&["--build-cpu=50m", "--build-memory=100Mi"]);
    let resources = &container(&job, "build")["resources"];
    assert_eq!(resources["requests"], resources["limits"]);
    let (_, job) = made(&["--build-cpu=2", "--build-memory=1Gi"]);
    let resources = &container(&job, "build")["resources"];
    assert_eq!(resources["requests"], json!({ "cpu": "100m", "memory": "128Mi" }));
}

#[test]
fn the_placement_setting_applies_to_build_pods_and_keeps_the_plan() {
    let placement = json!({
        "priorityClassName": "low", "runtimeClassName": "gvisor",
        "nodeSelector": { "pool": "builds" },
        "tolerations": [{ "key": "builds", "operator": "Exists" }],
        "podAnnotations": { "a": "b" }, "podLabels": { "team": "c" },
    });
    let option = format!("--pod-placement={placement}");
    let (plan, job) = made(&[&option, "--colocate=asu.dev/store-node=asu"]);
    let spec = pod(&job);
    assert_eq!(spec["priorityClassName"], "low");
    assert_eq!(spec["runtimeClassName"], "gvisor");
    assert_eq!(spec["nodeSelector"], json!({ "kubernetes.io/arch": "amd64", "pool": "builds" }));
    assert_eq!(spec["tolerations"][0]["key"], "builds");
    assert!(spec["affinity"]["podAffinity"].is_object(), "it still shares the store's node");
    let metadata = &job["spec"]["template"]["metadata"];
    assert_eq!(
        (&metadata["labels"]["team"], &metadata["annotations"]["a"]),
        (&json!("c"), &json!("b"))
    );
    assert_eq!(metadata["labels"][labels::COMPONENT], "build");
    let plan = serde_json::to_string(&plan).unwrap();
    assert_eq!(metadata["annotations"][asu_core::plan::PLAN_ANNOTATION], plan);
}
