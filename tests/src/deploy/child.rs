//! Values of the child distribution on the fixture's world: a miniature of LibreMesh on OpenWrt.

use asu_crds::{DistributionSpec, Feed, Parent};

use super::{Error, upstream};
use crate::fixtures::{World, child};

/// Name of the child.
pub const NAME: &str = "libremesh";

/// The child of `parent`, whose spec is the fixture's.
///
/// # Errors
/// When the world has no keys of the feed.
pub fn spec(world: &World, mut spec: DistributionSpec) -> Result<DistributionSpec, Error> {
    "LibreMesh (fixture)".clone_into(&mut spec.title);
    spec.upstream = None;
    spec.parent = Some(Parent { distribution: "openwrt".into() });
    spec.pinned_caches.clear();
    for branch in &mut spec.branches {
        branch.keys.clear();
    }
    spec.feeds = vec![Feed {
        name: child::FEED.into(),
        url: format!("{}/{}", upstream::URL, child::PATH),
        keys: world.child_keys()?,
        branches: vec![],
        network_profiles: true,
    }];
    spec.default_packages = vec![child::PACKAGE.into()];
    Ok(spec)
}
