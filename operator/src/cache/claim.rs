//! Reads the state of the claims that hold a cache's trees. Called in every pass over a cache, for
//! as long as it exists.

use asu_crds::{CachePlace, ImageBuilderCache, ImageBuilderCacheStatus};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{ResourceExt, runtime::reflector::ObjectRef};

use super::validate::{Validated, own_name};
use crate::{context::Context, runtime::owner::is_owned_by};

/// The state of a claim, as far as trees depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// It does not exist.
    #[default]
    Absent,
    /// It has the name of the cache's own claim, and another object owns it.
    Foreign,
    /// It is being deleted: new pods cannot mount it.
    Deleting,
    /// Its volume is gone (phase `Lost`).
    Lost,
    /// Pods can mount it. Contains its uid.
    Usable(String),
}

impl Claim {
    /// What is wrong with the claim `name`; `None` if it is usable. `uid` is the claim's uid when
    /// the tree was made on it: a claim that was created again is empty.
    pub fn problem(&self, name: &str, uid: Option<&str>) -> Option<String> {
        let what = match self {
            Self::Absent => "does not exist",
            Self::Foreign => "is another object's",
            Self::Deleting => "is being deleted",
            Self::Lost => "has lost its volume",
            Self::Usable(now) if uid.is_some_and(|uid| uid != now) => {
                "was created again, and is empty"
            }
            Self::Usable(_) => return None,
        };
        Some(format!("the claim {name} {what}"))
    }

    /// The uid of a usable claim.
    pub fn uid(&self) -> Option<&String> {
        match self {
            Self::Usable(uid) => Some(uid),
            _ => None,
        }
    }
}

/// The claims that a pass over a cache depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The claim on which a new tree is made.
    pub wanted: Claim,
    /// The claim of the tree that builds use, if there is one.
    pub kept: Claim,
}

fn kept(status: Option<&ImageBuilderCacheStatus>) -> Option<&CachePlace> {
    status.and_then(|status| status.place.as_ref())
}

/// Reads the claims from the watch cache. A claim that is not usable there is read again from the
/// API server, because the watch may lag behind.
///
/// # Errors
/// When a request to the API server fails.
pub async fn claims(
    context: &Context,
    cache: &ImageBuilderCache,
    valid: &Validated,
) -> Result<Claims, kube::Error> {
    let wanted = claim(context, cache, &valid.place.claim_name).await?;
    let kept = match kept(cache.status.as_ref()) {
        None => Claim::Absent,
        Some(place) if place.claim_name == valid.place.claim_name => wanted.clone(),
        Some(place) => claim(context, cache, &place.claim_name).await?,
    };
    Ok(Claims { wanted, kept })
}

async fn claim(
    context: &Context,
    cache: &ImageBuilderCache,
    name: &str,
) -> Result<Claim, kube::Error> {
    let reference = ObjectRef::new(name).within(&context.settings.namespace);
    let shown = context.stores.claims.get(&reference);
    let shown = read(shown.as_deref(), cache);
    if shown.uid().is_some() {
        return Ok(shown);
    }
    let found = context.api::<PersistentVolumeClaim>().get_opt(name).await?;
    Ok(read(found.as_ref(), cache))
}

fn read(claim: Option<&PersistentVolumeClaim>, cache: &ImageBuilderCache) -> Claim {
    let Some(claim) = claim else { return Claim::Absent };
    let own = claim.name_any() == own_name(&cache.name_any());
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if claim.metadata.deletion_timestamp.is_some() {
        Claim::Deleting
    } else if own && !is_owned_by(claim, cache.uid().as_deref()) {
        Claim::Foreign
    } else if phase == Some("Lost") {
        Claim::Lost
    } else {
        Claim::Usable(claim.uid().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use asu_crds::examples;
    use kube::Resource;
    use serde_json::json;

    use super::*;

    fn owner() -> ImageBuilderCache {
        let mut cache = examples::cache();
        cache.metadata.name = Some("n".into());
        cache.metadata.uid = Some("u".into());
        cache
    }

    fn seen(change: impl Fn(&mut PersistentVolumeClaim)) -> Claim {
        let mut claim: PersistentVolumeClaim =
            serde_json::from_value(json!({"metadata": {"name": "ibc-n", "uid": "c"}})).unwrap();
        claim.metadata.owner_references =
            owner().controller_owner_ref(&()).map(|reference| vec![reference]);
        change(&mut claim);
        read(Some(&claim), &owner())
    }

    #[test]
    fn an_unbound_claim_is_usable_and_a_lost_deleted_or_foreign_claim_is_not() {
        assert_eq!(seen(|_| {}), Claim::Usable("c".into()));
        let phase = |phase: &str| {
            seen(|claim| claim.status.get_or_insert_default().phase = Some(phase.into()))
        };
        assert_eq!(phase("Pending"), Claim::Usable("c".into()));
        assert_eq!(phase("Lost"), Claim::Lost);
        assert_eq!(seen(|claim| claim.metadata.owner_references = None), Claim::Foreign);
        let deleted = serde_json::from_str("\"2026-01-01T00:00:00Z\"").ok();
        assert_eq!(
            seen(|claim| claim.metadata.deletion_timestamp.clone_from(&deleted)),
            Claim::Deleting
        );
        // One for all caches is nobody's.
        let shared = |claim: &mut PersistentVolumeClaim| {
            claim.metadata.name = Some("asu-cache".into());
            claim.metadata.owner_references = None;
        };
        assert_eq!(seen(shared), Claim::Usable("c".into()));
        assert_eq!(read(None, &owner()), Claim::Absent);
    }

    #[test]
    fn a_claim_that_was_created_again_is_not_usable() {
        let claim = Claim::Usable("new".into());
        assert_eq!(claim.problem("c", Some("new")), None);
        assert_eq!(claim.problem("c", None), None);
        assert!(claim.problem("c", Some("old")).is_some());
    }
}
