//! Writes statuses and finalizers, and classifies the errors of such writes. A status is written as
//! a patch of what changed. Called by all controllers.

use std::fmt::Debug;

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// The merge patch (RFC 7396) from `old` to `new`; `None` if they are equal.
pub fn difference(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut changes = Map::new();
            for (key, value) in new {
                if let Some(change) = difference(old.get(key).unwrap_or(&Value::Null), value) {
                    changes.insert(key.clone(), change);
                }
            }
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                changes.insert(key.clone(), Value::Null);
            }
            (!changes.is_empty()).then_some(Value::Object(changes))
        }
        _ => (old != new).then(|| new.clone()),
    }
}

/// Writes the difference from the status `old` to `new`; makes no call if they are equal. Returns
/// the written object.
///
/// # Errors
/// When a request to the API server fails.
pub async fn write_status<K, S>(
    api: &Api<K>,
    name: &str,
    manager: &str,
    old: Option<&S>,
    new: &S,
) -> Result<Option<K>, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
    S: Serialize,
{
    let value = |status| serde_json::to_value(status).map_err(kube::Error::SerdeError);
    let old = old.map_or(Ok(json!({})), value)?;
    let Some(change) = difference(&old, &value(new)?) else {
        return Ok(None);
    };
    let patch = Patch::Merge(json!({ "status": change }));
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    api.patch_status(name, &params, &patch).await.map(Some)
}

/// Sets the finalizers of an object if it still has the resourceVersion that was read.
///
/// # Errors
/// When a request to the API server fails, with 409 if the object has changed.
pub async fn set_finalizers<K>(
    api: &Api<K>,
    name: &str,
    version: Option<&str>,
    finalizers: &[String],
) -> Result<K, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let metadata = json!({ "finalizers": finalizers, "resourceVersion": version });
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    api.patch(name, &PatchParams::default(), &patch).await
}

/// Whether the object does not exist (404).
pub fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether a permission or quota is missing (403).
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Whether the API server refuses the object for good, so that a retry is useless.
pub fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 413 | 422))
}

/// Whether another client wrote first, or the name is taken (409).
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merge(target: &mut Value, patch: &Value) {
        let Value::Object(changes) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        let object = target.as_object_mut().unwrap();
        for (key, change) in changes {
            if change.is_null() {
                object.remove(key);
            } else {
                merge(object.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![any::<u8>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        let inner = leaf.prop_recursive(3, 16, 4, |inner| {
            proptest::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        proptest::collection::btree_map("[a-d]", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn applying_the_patch_to_the_old_status_gives_the_new_one(old in documents(), new in documents()) {
            let mut patched = old.clone();
            if let Some(patch) = difference(&old, &new) {
                merge(&mut patched, &patch);
            }
            // A merge patch cannot distinguish an absent object from an empty one below a leaf.
            prop_assert_eq!(difference(&patched, &new).filter(|_| patched != new), None);
        }

        #[test]
        fn nothing_is_written_when_nothing_changed(same in documents()) {
            prop_assert_eq!(difference(&same, &same), None);
        }
    }
}
