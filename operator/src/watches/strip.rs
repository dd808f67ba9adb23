//! Removes fields that the watch caches do not need: 10,000 builds must fit into 100 MiB.

use asu_core::plan::PLAN_ANNOTATION;
use asu_crds::{Distribution, FirmwareBuild, ImageBuilderCache};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::ResourceExt;

/// Removes the fields that the stores do not need. Code that needs them reads the whole object from
/// the API server.
pub trait Strip {
    /// Removes them in place.
    fn strip(&mut self);
}

impl Strip for FirmwareBuild {
    fn strip(&mut self) {
        self.managed_fields_mut().clear();
        let request = &mut self.spec.request;
        request.packages = Vec::new();
        request.packages_versions.clear();
        request.packages_order = Vec::new();
        request.repositories.clear();
        request.repository_keys = Vec::new();
    }
}

impl Strip for ImageBuilderCache {
    fn strip(&mut self) {
        self.managed_fields_mut().clear();
    }
}

impl Strip for Distribution {
    fn strip(&mut self) {
        self.managed_fields_mut().clear();
    }
}

impl Strip for Job {
    fn strip(&mut self) {
        self.managed_fields_mut().clear();
        if let Some(template) = self.spec.as_mut().and_then(|spec| spec.template.metadata.as_mut())
            && let Some(annotations) = &mut template.annotations
        {
            annotations.remove(PLAN_ANNOTATION);
        }
    }
}

impl Strip for PersistentVolumeClaim {
    fn strip(&mut self) {
        self.managed_fields_mut().clear();
        self.spec = None;
    }
}

impl Strip for Pod {
    fn strip(&mut self) {
        self.managed_fields_mut().clear();
        self.annotations_mut().remove(PLAN_ANNOTATION);
        self.spec = None;
    }
}
