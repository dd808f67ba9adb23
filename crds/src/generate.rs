//! Generates the YAML of the CustomResourceDefinitions. Called by `cargo xtask crdgen` and by a test.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON,
};
use kube::CustomResourceExt as _;

use serde_json::json;

use crate::{Distribution, FirmwareBuild, ImageBuilderCache};

/// `observedGeneration` of an object that no controller has seen; generations begin with 1.
const UNOBSERVED: i64 = -1;

/// The definitions of the three kinds: Distribution, ImageBuilderCache, FirmwareBuild.
pub fn crds() -> [CustomResourceDefinition; 3] {
    let mut crds = [Distribution::crd(), ImageBuilderCache::crd(), FirmwareBuild::crd()];
    for crd in &mut crds {
        unobserved_at_first(crd);
    }
    crds
}

/// Gives an object without a status one that no controller has written. Otherwise tools would regard a new
/// object, which has no conditions yet, as ready.
fn unobserved_at_first(crd: &mut CustomResourceDefinition) {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        let properties = schema.and_then(|schema| schema.properties.as_mut());
        if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(json!({ "observedGeneration": UNOBSERVED })));
        }
    }
}

/// Name and content of each file in `crds/generated/`.
///
/// # Errors
/// When a definition cannot be written as YAML.
pub fn yaml_files() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    let header = "# Generated from crds/src by `cargo xtask crdgen`; do not edit.\n";
    crds()
        .into_iter()
        .map(|crd| {
            let yaml = serde_yaml::to_string(&crd)?;
            Ok((format!("{}.yaml", crd.spec.names.plural), format!("{header}{yaml}")))
        })
        .collect()
}
