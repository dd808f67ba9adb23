//! The data that the API keeps for each FirmwareBuild. It has no package lists, to save memory.

use asu_core::{
    failure::FailureReason,
    queue_order::{Priority, Waiting, sequence},
    request_hash::RequestHash,
    request_hash::object_name,
    stage::Stage,
};
use asu_crds::{BuildCondition, BuildPriority, FirmwareBuild};
use jiff::Timestamp;
use kube::{Resource, api::ObjectMeta};
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer as _};

/// The fields of a FirmwareBuild that the API needs. Enumerations are strings, because a newer operator
/// may write values that this program does not know, and such an object must not break the watch.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Resource)]
#[resource(inherit = FirmwareBuild)]
pub struct SeenBuild {
    /// Name, uid, resource version and times.
    pub metadata: ObjectMeta,
    /// The spec.
    #[serde(default)]
    pub spec: SeenSpec,
    /// The status.
    #[serde(default)]
    pub status: Option<SeenStatus>,
}

/// See [`SeenBuild`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenSpec {
    pub request_hash: String,
    #[serde(deserialize_with = "known_or_default")]
    pub priority: BuildPriority,
    pub request: SeenRequest,
}

/// See [`SeenBuild`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenRequest {
    pub defaults: Option<SeenDefaults>,
}

/// See [`SeenBuild`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenDefaults {
    pub secret_name: String,
}

/// See [`SeenBuild`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenStatus {
    pub stage: Option<String>,
    pub sequence: Option<i64>,
    pub conditions: Vec<SeenCondition>,
}

/// See [`SeenBuild`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenCondition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
    pub reason: String,
    pub message: String,
}

/// Reads an enumeration. An unknown value becomes the default.
fn known_or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    let word = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    let known: Result<T, serde::de::value::Error> = T::deserialize(word.into_deserializer());
    Ok(known.unwrap_or_default())
}

impl SeenBuild {
    /// The same fields of a build that this process created.
    pub fn of(build: &FirmwareBuild) -> Self {
        let defaults = build.spec.request.defaults.as_ref();
        let defaults =
            defaults.map(|defaults| SeenDefaults { secret_name: defaults.secret_name.clone() });
        Self {
            metadata: build.metadata.clone(),
            spec: SeenSpec {
                request_hash: build.spec.request_hash.clone(),
                priority: build.spec.priority,
                request: SeenRequest { defaults },
            },
            status: None,
        }
    }

    fn condition(&self, wanted: BuildCondition) -> Option<&SeenCondition> {
        let conditions = self.status.as_ref().map_or(&[][..], |status| &status.conditions);
        conditions.iter().find(|condition| condition.type_ == wanted.as_str())
    }
}

/// Why a build was refused although a repeated request may be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// Too many older builds waited.
    QueueFull,
    /// Upstream does not have the requested revision. Contains one sentence that names both revisions.
    Revision(Box<str>),
}

impl TurnedAway {
    fn of(verdict: &SeenCondition, accepted: bool) -> Option<Self> {
        match FailureReason::parse(&verdict.reason)? {
            FailureReason::QueueFull => Some(Self::QueueFull),
            FailureReason::RevisionMismatch if !accepted => {
                Some(Self::Revision(verdict.message.as_str().into()))
            }
            _ => None,
        }
    }
}

/// A FirmwareBuild.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "conditions are independent of each other")]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resource version, a precondition of its deletion.
    pub resource_version: String,
    /// Its request hash, from the spec.
    pub hash: RequestHash,
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
    /// Whether the ImageBuilder is there that it needs.
    pub cache_ready: bool,
    /// Whether it was admitted.
    pub admitted: bool,
    /// Why it was refused, if a repeated request may be accepted.
    pub turned_away: Option<TurnedAway>,
    /// Whether its record is in the database.
    pub archived: bool,
    /// Whether the database notified of its record after its last watch event.
    pub maybe_archived: bool,
    /// Its stage.
    pub stage: Stage,
    /// Name of the Secret with its first-boot script, if it has one.
    pub secret: Option<String>,
}

impl Entry {
    /// Reads an object. `None` if a field is missing that the API server always sets, or if its name is
    /// not derived from its request hash: a user who copies a hash into another object must not hide the
    /// build of that hash.
    pub fn of(build: &SeenBuild) -> Option<Self> {
        let hash: RequestHash = build.spec.request_hash.parse().ok()?;
        let name = build.metadata.name.clone().filter(|name| *name == object_name(&hash))?;
        let status = build.status.as_ref();
        let holds = |wanted: BuildCondition| {
            build.condition(wanted).is_some_and(|condition| condition.status == "True")
        };
        let verdict = build.condition(BuildCondition::Succeeded);
        let stage = status.and_then(|status| Stage::parse(status.stage.as_deref()?));
        let defaults = build.spec.request.defaults.as_ref();
        Some(Self {
            name,
            uid: build.metadata.uid.clone()?,
            sequence: sequence(
                status.and_then(|status| status.sequence),
                build.metadata.resource_version.as_deref(),
            ),
            resource_version: build.metadata.resource_version.clone()?,
            hash,
            created: build.metadata.creation_timestamp.as_ref()?.0,
            priority: build.spec.priority.into(),
            deleting: build.metadata.deletion_timestamp.is_some(),
            accepted: holds(BuildCondition::Accepted),
            turned_away: verdict
                .and_then(|verdict| TurnedAway::of(verdict, holds(BuildCondition::Accepted))),
            cache_ready: holds(BuildCondition::CacheReady),
            admitted: holds(BuildCondition::Admitted),
            archived: holds(BuildCondition::Archived),
            maybe_archived: false,
            stage: stage.unwrap_or_default(),
            secret: defaults.map(|defaults| defaults.secret_name.clone()),
        })
    }

    /// Whether it waits in the queue. A build that is being deleted does not.
    pub fn is_waiting(&self) -> bool {
        !self.admitted && !self.archived && !self.deleting
    }

    /// The data that determine its position in the queue.
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
    use serde_json::{Value, json};

    use super::*;

    /// A waiting build with this hash text and age in seconds.
    pub(crate) fn entry(text: &str, created: i64) -> Entry {
        Entry {
            name: format!("fwb-{text}"),
            uid: format!("uid-{text}"),
            resource_version: "1".into(),
            hash: RequestHash::of(text.as_bytes()),
            created: Timestamp::from_second(created).unwrap(),
            sequence: u64::try_from(created).unwrap(),
            priority: Priority::Normal,
            deleting: false,
            accepted: false,
            cache_ready: false,
            admitted: false,
            turned_away: None,
            archived: false,
            maybe_archived: false,
            stage: Stage::Init,
            secret: None,
        }
    }

    /// An object as the API server sends it, with this change.
    fn object(change: impl FnOnce(&mut Value)) -> SeenBuild {
        let hash = RequestHash::of(b"a");
        let mut object = serde_json::to_value(asu_crds::examples::build()).unwrap();
        let metadata = json!({
            "name": object_name(&hash), "uid": "u", "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z"
        });
        object.as_object_mut().unwrap().insert("metadata".to_owned(), metadata);
        *object.pointer_mut("/spec/requestHash").unwrap() = json!(hash.to_string());
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn put(object: &mut Value, parent: &str, key: &str, value: Value) {
        object.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value);
    }

    #[test]
    fn an_unknown_stage_is_shown_as_init_and_no_status_as_waiting() {
        assert!(Entry::of(&object(|_| {})).unwrap().is_waiting());
        let later = object(|object| put(object, "", "status", json!({"stage": "signing_images"})));
        assert_eq!(Entry::of(&later).unwrap().stage, Stage::Init);
    }

    #[test]
    fn unknown_values_of_a_newer_version_do_not_hide_a_build() {
        let newer = object(|object| {
            put(
                object,
                "",
                "status",
                json!({
                    "phase": "Paused", "reason": "Unheard", "stage": "signing_images", "more": {"a": 1},
                    "conditions": [
                        {"type": "Unheard", "status": "Maybe", "reason": "Of", "message": ""},
                        {"type": "Admitted", "status": "True", "reason": "Soon", "message": "",
                         "severity": "High"},
                        {"type": "Archived", "status": "Perhaps", "reason": "Of", "message": ""}
                    ]
                }),
            );
            put(object, "/spec", "priority", json!("Urgent"));
            put(object, "/spec", "retention", json!({"kind": "ForEver"}));
            put(object, "/spec/request", "filesystem", json!("btrfs"));
            put(object, "/spec/request", "imageKind", json!(["Iso"]));
        });
        let entry = Entry::of(&newer).unwrap();
        assert_eq!(entry.priority, Priority::Normal);
        assert!(entry.admitted && !entry.archived);
    }

    #[test]
    fn a_created_build_has_the_same_entry_as_in_the_watch() {
        let shown = object(|_| {});
        let mut created = asu_crds::examples::build();
        created.metadata = shown.metadata.clone();
        created.spec.request_hash = shown.spec.request_hash.clone();
        assert_eq!(Entry::of(&SeenBuild::of(&created)), Entry::of(&shown));
    }

    #[test]
    fn a_revision_that_upstream_lacks_turns_only_a_build_away_that_was_never_accepted() {
        let refused = |accepted: &str| {
            let conditions = json!([
                {"type": "Accepted", "status": accepted, "reason": "RevisionMismatch", "message": ""},
                {"type": "Succeeded", "status": "False", "reason": "RevisionMismatch",
                 "message": "it has r2-b"}
            ]);
            let build =
                object(|object| put(object, "", "status", json!({"conditions": conditions})));
            Entry::of(&build).unwrap().turned_away
        };
        assert_eq!(refused("False"), Some(TurnedAway::Revision("it has r2-b".into())));
        assert_eq!(refused("True"), None);
    }

    #[test]
    fn an_object_with_a_malformed_hash_is_ignored() {
        let bad = object(|object| put(object, "/spec", "requestHash", json!("x")));
        assert_eq!(Entry::of(&bad), None);
    }

    #[test]
    fn an_object_with_the_hash_of_another_is_ignored() {
        let copy = object(|object| put(object, "/metadata", "name", json!("mine")));
        assert_eq!(Entry::of(&copy), None);
    }
}
