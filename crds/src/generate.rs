//! The generated YAML of the three kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

use crate::{Distribution, FirmwareBuild, ImageBuilderCache};

/// The definitions, in the order in which they are installed.
pub fn crds() -> [CustomResourceDefinition; 3] {
    [Distribution::crd(), ImageBuilderCache::crd(), FirmwareBuild::crd()]
}

/// File name and text of each definition, as committed below `crds/generated/`.
///
/// # Errors
/// A definition that cannot be written as YAML, which would be a fault of this crate.
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
