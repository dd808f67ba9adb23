//! Says why a build cannot get a Job or a cache. Called by the controller.

use asu_core::failure::{Failure, FailureReason};
use asu_crds::RequestSpec;

use super::{base::Base, dereference};
use crate::context::Context;

/// Why a build cannot get a Job or cache: its version is no longer offered, or the parent, without which
/// nothing can be built, is missing.
pub fn unavailable(context: &Context, request: &RequestSpec) -> Failure {
    let (distribution, version) = (&request.distribution, &request.version);
    let object = dereference::distribution(context, distribution);
    let base = Base::of(object.as_deref(), distribution, version).distribution;
    if base == *distribution || dereference::distribution(context, &base).is_some() {
        return Failure::new(FailureReason::CacheFailed, "The version is no longer offered");
    }
    let problem = format!("The Distribution {base}, the parent of {distribution}, is missing");
    Failure::new(FailureReason::CacheFailed, problem)
}
