//! Which object belongs to which.

use kube::ResourceExt;

/// Whether an object of that uid owns it. A name alone may be that of another object, made after the
/// first was deleted.
pub fn is_owned_by(object: &impl ResourceExt, uid: Option<&str>) -> bool {
    object.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid)
}
