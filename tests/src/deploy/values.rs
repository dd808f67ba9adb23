//! Values of the charts for installations by the harness.

use std::path::Path;

use asu_crds::{
    Branch, CacheWorkspace, DistributionSpec, Limits, PinnedCache, Signatures, Upstream,
};
use serde_json::{Value, json};

use super::{Error, child, images::Images, upstream};
use crate::fixtures::World;

/// Values of the chart `asu`: the images of this checkout, small volumes, any host. `overrides` take
/// precedence.
pub(super) fn system(images: &Images, fixture: bool, overrides: &Value) -> Value {
    // NetworkPolicies apply to the ports of pods, not to those of Services.
    let ports = [80, 443, upstream::PORT];
    let mut values = json!({
        "images": { "registry": images.registry, "tag": images.tag },
        "store": { "size": "5Gi" },
        "postgres": { "size": "1Gi" },
        "networkPolicy": {
            "upstream": { "ports": ports },
            "builds": { "blocks": [{ "cidr": "0.0.0.0/0" }], "ports": ports },
        },
    });
    if fixture {
        // Only for the fixture's miniature ImageBuilders; real ones need the chart's default size.
        merge(&mut values, &json!({ "cache": { "size": "1Gi" } }));
    }
    merge(&mut values, overrides);
    values
}

/// Adds values for features of the local cluster that other clusters may lack: user namespaces, and
/// Middlewares of Traefik.
pub(super) fn local(values: &mut Value) {
    let own = json!({ "builds": { "hostUsers": false }, "ingress": { "errorPages": "traefik" } });
    merge(values, &own);
}

/// Values for tests, with shorter times and less space than in production.
pub(super) fn short_times() -> Value {
    json!({
        "builds": { "workBytes": 1 << 30, "memory": "512Mi", "memoryMax": "1Gi" },
        "operator": { "extraEnv": [{ "name": "ASU_RETRY_PAUSE", "value": "2s" }] },
    })
}

fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, over) => *base = over.clone(),
    }
}

/// Values of the distribution that the upstream fixture serves, and with `with_child` of its child.
///
/// # Errors
/// When the world has no keys of the child's feed.
pub(super) fn fixture_distribution(world: &World, with_child: bool) -> Result<Value, Error> {
    let spec = DistributionSpec {
        suspend: false,
        title: "OpenWrt (fixture)".into(),
        description: None,
        upstream: Some(Upstream {
            fetch_urls: vec![upstream::URL.into()],
            package_base_url: None,
            public_url: world.base_url.clone(),
        }),
        parent: None,
        feeds: vec![],
        default_packages: vec![],
        branches: vec![Branch {
            name: "24.10".into(),
            path: "releases/{version}".into(),
            versions: vec![world.version().to_owned()],
            snapshot: false,
            branch_off_rev: None,
            keys: vec![world.public_key.clone()],
            signatures: Signatures::Required,
            parent_versions: vec![],
            version_titles: vec![],
            discover: None,
            latest: None,
            end_of_life: None,
        }],
        targets: vec![],
        excluded_targets: vec![],
        board_renames: vec![],
        package_changes: vec![],
        package_edits: vec![],
        limits: Limits { allow_defaults: true, ..Limits::default() },
        image_builder_images: Vec::new(),
        pinned_caches: vec![PinnedCache {
            version: world.version().to_owned(),
            target: "testarch/small".into(),
            workspace: CacheWorkspace::default(),
        }],
        prewarm: None,
    };
    let mut values = json!({ "openwrt": { "spec": spec } });
    if with_child {
        let spec = child::spec(world, spec)?;
        merge(&mut values, &json!({ child::NAME: { "enabled": true, "spec": spec } }));
    }
    Ok(values)
}

/// Reads a Distribution from a file.
///
/// # Errors
/// When the file cannot be read, is not a Distribution, or has no name.
pub fn read_distribution(path: &Path) -> Result<asu_crds::Distribution, Error> {
    let problem = |problem: String| Error::Distribution { path: path.into(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let object: asu_crds::Distribution =
        serde_yaml::from_str(&text).map_err(|error| problem(error.to_string()))?;
    if object.metadata.name.is_none() {
        return Err(problem("it has no metadata.name".into()));
    }
    Ok(object)
}

/// A Distribution from a file, as values of the chart.
pub(super) fn distribution_file(path: &Path) -> Result<Value, Error> {
    let object = read_distribution(path)?;
    let name = object.metadata.name.unwrap_or_default();
    // The chart enables OpenWrt by default.
    let mut values = json!({ "openwrt": { "enabled": false } });
    merge(&mut values, &json!({ name: { "enabled": true, "spec": object.spec } }));
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_win_and_the_rest_stays() {
        let mut values = json!({ "a": { "b": 1, "c": 2 } });
        merge(&mut values, &json!({ "a": { "b": 3 }, "d": 4 }));
        assert_eq!(values, json!({ "a": { "b": 3, "c": 2 }, "d": 4 }));
    }
}
