//! Renders a FirmwareBuild with its hash and name, for `kubectl create`. Called by the command
//! `render-build`.

use asu_core::{
    request::Request,
    request_hash::{object_name, request_hash},
};
use asu_crds::{FirmwareBuild, FirmwareBuildSpec, RequestSpec, labels};
use kube::ResourceExt;

/// Why no object can be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The input is not a request in YAML or JSON.
    #[error("the request: {0}")]
    Malformed(#[from] serde_yaml::Error),
    /// A field breaks its bounds.
    #[error("the request: {0}")]
    Invalid(#[from] asu_crds::BadSpec),
    /// A first-boot script needs a Secret, which only the API makes.
    #[error("the request: defaults are not supported here; send the request to the API")]
    Defaults,
}

/// The YAML of the object for a request in YAML or JSON, with the fields of `spec.request`.
///
/// # Errors
/// [`RenderError`].
pub fn build(text: &str) -> Result<String, RenderError> {
    let spec: RequestSpec = serde_yaml::from_str(text)?;
    let request: Request = spec.to_request()?;
    if request.defaults.is_some() {
        return Err(RenderError::Defaults);
    }
    let hash = request_hash(&request);
    let spec = FirmwareBuildSpec {
        request: RequestSpec::from_request(&request, ""),
        request_hash: hash.to_string(),
        validated: None,
        cancel: false,
        priority: asu_crds::BuildPriority::default(),
        retention: None,
    };
    let mut build = FirmwareBuild::new(&object_name(&hash), spec);
    build.finalizers_mut().push(labels::ARCHIVE_FINALIZER.to_owned());
    Ok(serde_yaml::to_string(&build)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_derived_from_the_hash() {
        let text = "{distribution: openwrt, version: 24.10.7, target: ath79/generic, \
                    profile: 8dev_carambola2, packages: [vim, luci]}";
        let build: FirmwareBuild = serde_yaml::from_str(&build(text).unwrap()).unwrap();
        let request = build.spec.request.to_request().unwrap();
        assert_eq!(build.spec.request_hash, request_hash(&request).to_string());
        assert_eq!(build.name_any(), object_name(&request_hash(&request)));
        assert_eq!(build.spec.request.packages, ["vim", "luci"]);
    }

    #[test]
    fn an_unknown_or_bad_field_is_refused() {
        assert!(build("{distribution: a, version: 1, target: a, profile: p}").is_err());
    }
}
