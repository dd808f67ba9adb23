//! Checks which object owns another.

use kube::ResourceExt;

/// Whether an object with this uid owns `object`. The name alone does not suffice: another object
/// may have been created with it after the first was deleted.
pub fn is_owned_by(object: &impl ResourceExt, uid: Option<&str>) -> bool {
    object.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid)
}
