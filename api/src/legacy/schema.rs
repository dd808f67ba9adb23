//! Bodies of requests for the OpenAPI document. [`super::object`] parses them by hand.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// What an image is asked for with. Unknown fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what object.rs reads by hand")]
pub struct LegacyImageRequest {
    /// Name of the distribution, without regard to case.
    distro: String,
    /// For example 18.06.2, without regard to case.
    version: String,
    /// target/subtarget, or only the target if there is a `subtarget`.
    target: String,
    /// Its presence asks for absolute URLs.
    subtarget: Option<String>,
    /// Name of the device.
    board: String,
    /// Display name of the device, if its board is not known.
    model: Option<String>,
    /// The complete list of packages, or an object with their names as keys.
    packages: Option<Vec<String>>,
    /// First-boot script.
    defaults: Option<String>,
    /// Asks for the state of this request; then nothing else is read.
    request_hash: Option<String>,
}

/// What a device says of itself. Unknown fields are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what object.rs reads by hand")]
pub struct LegacyCheckRequest {
    /// Name of the distribution, without regard to case.
    distro: String,
    /// Installed version.
    version: Option<String>,
    /// target/subtarget, or only the target if there is a `subtarget`.
    target: Option<String>,
    /// See `target`.
    subtarget: Option<String>,
    /// Versions of the installed packages. Clients of 2018 name the field `packages`.
    installed: Option<BTreeMap<String, String>>,
    /// 1 to compare packages although the version is current.
    upgrade_packages: Option<u8>,
    /// Revision of the installed version.
    revision: Option<String>,
}
