//! Makes the Jobs of builds and caches from what these have in common: the restricted Pod Security
//! Standard, no token, no service links, the plan as a file, and placement. Called by
//! `build/job.rs` and `cache/pods.rs`; nothing is created here.

pub mod placement;
pub mod verdict;

use std::collections::BTreeMap;

use asu_core::plan::{PLAN_ANNOTATION, paths};
use asu_crds::labels;
use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::{
            Capabilities, Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource,
            EmptyDirVolumeSource, ImageVolumeSource, LocalObjectReference, ObjectFieldSelector,
            PersistentVolumeClaimVolumeSource, PodAffinityTerm, PodSecurityContext, PodSpec,
            PodTemplateSpec, SeccompProfile, SecurityContext, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference},
    },
};

use crate::settings::{ClaimMode, PodSettings, Settings};

/// Group of all pods, so that each of them can read the files of the artifact store.
pub const GROUP: i64 = 2000;
/// User of the container `build`: what it runs is not trusted.
pub const BUILD_USER: i64 = 2001;
/// User of the containers `populate` and `publish`, which run only our own code: owns the trees and
/// the stored files.
pub const TRUSTED_USER: i64 = 2002;

const PLAN_VOLUME: &str = "plan";

/// One Job with one pod.
pub struct PodJob<'a> {
    /// Name of the Job.
    pub name: String,
    /// Value of the component label: `build` or `populate`.
    pub component: &'static str,
    /// More labels.
    pub labels: Vec<(&'static str, String)>,
    /// Annotations of the Job; its pod does not get them.
    pub annotations: BTreeMap<String, String>,
    /// The object that owns the Job.
    pub owner: OwnerReference,
    /// JSON of the plan.
    pub plan: String,
    /// Containers.
    pub containers: Vec<Container>,
    /// Volumes besides the plan.
    pub volumes: Vec<Volume>,
    /// The Job's `activeDeadlineSeconds`.
    pub deadline: i64,
    /// The pod's `terminationGracePeriodSeconds`.
    pub grace: i64,
    /// The Job's `podFailurePolicy`.
    pub failure_policy: Option<k8s_openapi::api::batch::v1::PodFailurePolicy>,
    /// Whether the pod has an `fsGroup`, which makes a new volume writable. Never for a pod with a
    /// work folder: its folders, and so those in images, would get the setgid bit.
    pub own_volumes: bool,
    /// The operator's settings.
    pub settings: &'a Settings,
}

impl PodJob<'_> {
    fn job_labels(&self) -> BTreeMap<String, String> {
        let own = self.labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        own.chain([
            (labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned()),
            (labels::COMPONENT.to_owned(), self.component.to_owned()),
        ])
        .collect()
    }

    /// Makes the Job. It has no `ttlSecondsAfterFinished`: the operator deletes it once its outcome
    /// is recorded.
    pub fn into_job(self) -> Job {
        let job_labels = self.job_labels();
        let mut labels = job_labels.clone();
        if let Some((key, value)) = colocation(&self.settings.pods) {
            labels.insert(key.to_owned(), value.to_owned());
        }
        let mut volumes = vec![plan_volume()];
        volumes.extend(self.volumes);
        let placement = &self.settings.pods.pod_placement;
        let template = PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(placement.labels(labels)),
                annotations: Some(
                    placement.annotations([(PLAN_ANNOTATION.to_owned(), self.plan)].into()),
                ),
                ..ObjectMeta::default()
            }),
            spec: Some(placement.place(
                together(self.settings, &job_labels),
                PodSpec {
                    containers: self.containers,
                    volumes: Some(volumes),
                    termination_grace_period_seconds: Some(self.grace),
                    security_context: Some(pod_security(self.own_volumes)),
                    ..pod_spec(&self.settings.pods)
                },
            )),
        };
        Job {
            metadata: ObjectMeta {
                name: Some(self.name),
                labels: Some(job_labels),
                annotations: Some(self.annotations).filter(|annotations| !annotations.is_empty()),
                owner_references: Some(vec![self.owner]),
                ..ObjectMeta::default()
            },
            spec: Some(JobSpec {
                parallelism: Some(1),
                completions: Some(1),
                // Kubernetes must not retry: the operator decides on another attempt, because
                // admission and results depend on it.
                backoff_limit: Some(0),
                active_deadline_seconds: Some(self.deadline),
                pod_failure_policy: self.failure_policy,
                pod_replacement_policy: Some("Failed".to_owned()),
                template,
                ..JobSpec::default()
            }),
            status: None,
        }
    }
}

fn pod_spec(settings: &PodSettings) -> PodSpec {
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        service_account_name: Some(settings.build_service_account.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        // Only `false` is written, because a cluster without user namespaces may not know the
        // field.
        host_users: (!settings.host_users).then_some(false),
        image_pull_secrets: settings
            .image_pull_secret
            .clone()
            .map(|name| vec![LocalObjectReference { name }]),
        ..PodSpec::default()
    }
}

/// The group is set for each container, beside its user: containerd refuses a group of the pod
/// without a user.
fn pod_security(own_volumes: bool) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(seccomp()),
        fs_group: own_volumes.then_some(GROUP),
        // A tree has up to 120,000 files: their owner is changed once, not at the start of every
        // pod.
        fs_group_change_policy: own_volumes.then(|| "OnRootMismatch".to_owned()),
        ..PodSecurityContext::default()
    }
}

fn seccomp() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }
}

/// The restricted profile for one user.
pub fn restricted(user: i64) -> SecurityContext {
    SecurityContext {
        run_as_user: Some(user),
        run_as_group: Some(GROUP),
        run_as_non_root: Some(true),
        read_only_root_filesystem: Some(true),
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        seccomp_profile: Some(seccomp()),
        ..SecurityContext::default()
    }
}

fn colocation(settings: &PodSettings) -> Option<(&str, &str)> {
    settings.colocate.as_deref()?.split_once('=')
}

/// The pods with which a pod must share its node: those that mount the same ReadWriteOnce volume.
fn together(settings: &Settings, labels: &BTreeMap<String, String>) -> Option<PodAffinityTerm> {
    if let Some((key, value)) = colocation(&settings.pods) {
        return Some(same_node(key, value));
    }
    if settings.caches.cache_access_mode == "ReadWriteMany" {
        return None;
    }
    let key = match settings.caches.cache_claim_mode {
        ClaimMode::PerCache => labels::CACHE,
        ClaimMode::Shared => labels::MANAGED_BY,
    };
    labels.get(key).map(|value| same_node(key, value))
}

/// The affinity term for the node of the pods with this label.
fn same_node(key: &str, value: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some([(key.to_owned(), value.to_owned())].into()),
            match_expressions: None,
        }),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    }
}

fn plan_volume() -> Volume {
    let item = DownwardAPIVolumeFile {
        path: "plan.json".to_owned(),
        field_ref: Some(ObjectFieldSelector {
            field_path: format!("metadata.annotations['{PLAN_ANNOTATION}']"),
            api_version: None,
        }),
        ..DownwardAPIVolumeFile::default()
    };
    Volume {
        name: PLAN_VOLUME.to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(vec![item]),
            default_mode: Some(0o444),
        }),
        ..Volume::default()
    }
}

/// The mount of the plan in each container.
pub fn plan_mount() -> VolumeMount {
    let folder = paths::PLAN.trim_end_matches("/plan.json");
    mount(PLAN_VOLUME, folder, true)
}

/// A mount of a whole volume.
pub fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    }
}

/// A volume that mounts a claim.
pub fn claim(volume: &str, claim: &str) -> Volume {
    Volume {
        name: volume.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.to_owned(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// A volume with the content of an OCI image, read-only.
pub fn image_volume(volume: &str, reference: &str, pull_policy: &str) -> Volume {
    Volume {
        name: volume.to_owned(),
        image: Some(ImageVolumeSource {
            pull_policy: Some(pull_policy.to_owned()),
            reference: Some(reference.to_owned()),
        }),
        ..Volume::default()
    }
}

/// An `emptyDir` volume of at most `bytes`.
pub fn scratch(volume: &str, bytes: u64) -> Volume {
    Volume {
        name: volume.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(bytes.to_string())),
            medium: None,
        }),
        ..Volume::default()
    }
}

/// Resource quantities by name.
pub fn quantities(pairs: &[(&str, &str)]) -> BTreeMap<String, Quantity> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned()))).collect()
}
