//! Generates the YAML of the CustomResourceDefinitions. Called by `cargo xtask crdgen` and by a test.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

use crate::{Distribution, FirmwareBuild, ImageBuilderCache};

/// The definitions of the three kinds: Distribution, ImageBuilderCache, FirmwareBuild.
pub fn crds() -> [CustomResourceDefinition; 3] {
    [Distribution::crd(), ImageBuilderCache::crd(), FirmwareBuild::crd()]
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
