//! Whether the claims of a cache's trees are there: looked at in every pass, for as long as the cache
//! lives.

use asu_crds::{CachePlace, ImageBuilderCache, ImageBuilderCacheStatus};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{ResourceExt, runtime::reflector::ObjectRef};

use super::validate::{Validated, own_name};
use crate::{context::Context, runtime::owner::is_owned_by};

/// What a claim is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// There is none.
    #[default]
    Absent,
    /// It has the name of a cache's own claim and is another object's.
    Foreign,
    /// It is being deleted: no new pod gets it.
    Deleting,
    /// Its volume is gone.
    Lost,
    /// Pods can mount it. With its uid.
    Usable(String),
}

impl Claim {
    /// What is wrong with a claim of that name, on which a tree was made when it had that uid.
    pub fn problem(&self, name: &str, uid: Option<&str>) -> Option<String> {
        let what = match self {
            Self::Absent => "is gone",
            Self::Foreign => "is another object's",
            Self::Deleting => "is being deleted",
            Self::Lost => "has lost its volume",
            Self::Usable(now) if uid.is_some_and(|uid| uid != now) => "was made anew, and is empty",
            Self::Usable(_) => return None,
        };
        Some(format!("the claim {name} {what}"))
    }

    /// Its uid, when it is usable.
    pub fn uid(&self) -> Option<&String> {
        match self {
            Self::Usable(uid) => Some(uid),
            _ => None,
        }
    }
}

/// The claims of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// That on which its tree belongs.
    pub wanted: Claim,
    /// That of the tree that builds use, when there is one.
    pub kept: Claim,
}

fn kept(status: Option<&ImageBuilderCacheStatus>) -> Option<&CachePlace> {
    status.and_then(|status| status.place.as_ref())
}

/// What the watch shows, which may be behind: whatever is not usable is asked for again.
///
/// # Errors
/// Those of the API server.
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
            owner().controller_owner_ref(&()).map(|owner| vec![owner]);
        change(&mut claim);
        read(Some(&claim), &owner())
    }

    #[test]
    fn a_claim_is_usable_before_it_is_bound_and_not_once_it_is_lost_deleted_or_another_s() {
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
    fn a_claim_that_was_made_anew_under_its_name_is_empty() {
        let claim = Claim::Usable("new".into());
        assert_eq!(claim.problem("c", Some("new")), None);
        assert_eq!(claim.problem("c", None), None);
        assert!(claim.problem("c", Some("old")).is_some());
    }
}
