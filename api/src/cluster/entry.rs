//! What the API keeps of a FirmwareBuild: enough to answer for it, without its package list.

use asu_core::{
    digest::Sha256Hex,
    failure::FailureReason,
    line::sequence,
    queue::{Priority, Waiting},
    stage::Stage,
};
use asu_crds::{BuildCondition, BuildPriority, FirmwareBuild, condition, is_true};
use jiff::Timestamp;
use kube::ResourceExt as _;

/// One FirmwareBuild.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "conditions are independent of each other")]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its version, for deleting exactly this one.
    pub resource_version: String,
    /// Hash of its request, as its spec says.
    pub hash: Sha256Hex,
    /// When it was created.
    pub created: Timestamp,
    /// Number in the order of creation.
    pub sequence: u64,
    /// Class in the queue.
    pub priority: Priority,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether the operator has accepted it.
    pub accepted: bool,
    /// Whether it left the queue.
    pub admitted: bool,
    /// Whether it ended at once, because too many waited.
    pub turned_away: bool,
    /// Whether it ended and its record is in the database.
    pub archived: bool,
    /// Whether somebody said since the last news of it that its record is in the database.
    pub doubted: bool,
    /// How far it is.
    pub stage: Stage,
    /// Secret of its first-boot script, when it has one.
    pub secret: Option<String>,
}

impl Entry {
    /// Reads an object; nothing when it lacks what the API server always sets, or its hash is
    /// malformed.
    pub fn of(build: &FirmwareBuild) -> Option<Self> {
        let status = build.status.as_ref();
        let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
        let holds = |condition: BuildCondition| is_true(conditions, condition.as_str());
        let verdict = condition(conditions, BuildCondition::Succeeded.as_str());
        let stage = status.and_then(|status| Stage::parse(status.stage.as_deref()?));
        Some(Self {
            name: build.metadata.name.clone()?,
            uid: build.metadata.uid.clone()?,
            sequence: sequence(
                status.and_then(|status| status.sequence),
                build.metadata.resource_version.as_deref(),
            ),
            resource_version: build.resource_version()?,
            hash: build.spec.request_hash.parse().ok()?,
            created: build.creation_timestamp()?.0,
            priority: match build.spec.priority {
                BuildPriority::Low => Priority::Low,
                BuildPriority::Normal => Priority::Normal,
                BuildPriority::High => Priority::High,
            },
            deleting: build.metadata.deletion_timestamp.is_some(),
            accepted: holds(BuildCondition::Accepted),
            turned_away: verdict.is_some_and(|it| it.reason == FailureReason::QueueFull.as_str()),
            admitted: holds(BuildCondition::Admitted),
            archived: holds(BuildCondition::Archived),
            doubted: false,
            stage: stage.unwrap_or_default(),
            secret: build.spec.request.defaults.as_ref().map(|it| it.secret_name.clone()),
        })
    }

    /// Whether it waits for its turn. One that is being deleted never has one.
    pub fn waits(&self) -> bool {
        !self.admitted && !self.archived && !self.deleting
    }

    /// What its place depends on.
    pub fn waiting(&self) -> Waiting {
        Waiting {
            uid: self.uid.clone(),
            priority: self.priority,
            since: self.created,
            sequence: self.sequence,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A waiting build with this hash text and age in seconds.
    pub(crate) fn entry(text: &str, created: i64) -> Entry {
        Entry {
            name: format!("fwb-{text}"),
            uid: format!("uid-{text}"),
            resource_version: "1".into(),
            hash: Sha256Hex::of(text.as_bytes()),
            created: Timestamp::from_second(created).unwrap(),
            sequence: u64::try_from(created).unwrap(),
            priority: Priority::Normal,
            deleting: false,
            accepted: false,
            admitted: false,
            turned_away: false,
            archived: false,
            doubted: false,
            stage: Stage::Init,
            secret: None,
        }
    }

    #[test]
    fn an_unknown_stage_is_shown_as_init_and_no_status_as_waiting() {
        let mut build = asu_crds::examples::build();
        build.metadata.uid = Some("u".into());
        build.metadata.resource_version = Some("1".into());
        build.metadata.creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        assert!(Entry::of(&build).unwrap().waits());
        build.status = Some(asu_crds::FirmwareBuildStatus {
            stage: Some("signing_images".into()),
            ..Default::default()
        });
        assert_eq!(Entry::of(&build).unwrap().stage, Stage::Init);
    }

    #[test]
    fn an_object_with_a_malformed_hash_answers_for_nothing() {
        let mut build = asu_crds::examples::build();
        build.metadata.uid = Some("u".into());
        build.spec.request_hash = "x".into();
        assert_eq!(Entry::of(&build), None);
    }
}
