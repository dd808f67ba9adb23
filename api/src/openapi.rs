//! The OpenAPI document: made of the same list of routes that is served.

use std::collections::BTreeMap;

use axum::{
    Extension,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa::{OpenApi, ToSchema};

/// Title and description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Attended Sysupgrade Server",
        description = "Firmware images made to order. Every error has an integer `status` and a string `detail`.",
        license(name = "Apache-2.0")
    ),
    tags(
        (name = "build", description = "Asking for images"),
        (name = "store", description = "Finished images"),
        (name = "catalog", description = "What is offered"),
        (name = "people", description = "Pages")
    )
)]
pub struct Document;

/// The document as it is sent.
#[derive(Clone, Debug)]
pub struct OpenApiJson(pub Bytes);

/// This document
#[utoipa::path(
    method(get, head),
    path = "/openapi.json",
    tag = "people",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub async fn openapi_get(Extension(OpenApiJson(document)): Extension<OpenApiJson>) -> Response {
    let mut response = Body::from(document).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    response
}

/// What is asked for. Unknown fields are ignored; numbers and booleans may come as strings.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes what parse.rs reads by hand, so that no error repeats a value"
)]
pub struct BuildRequest {
    /// Name of the Distribution.
    #[schema(default = "openwrt")]
    distro: Option<String>,
    /// For example 24.10.7.
    version: String,
    /// Revision that the image must have; empty for any.
    version_code: Option<String>,
    /// target/subtarget.
    target: String,
    /// Profile id, alias or board name; commas mean underscores.
    profile: String,
    /// Packages to add, or to remove when they begin with a minus.
    packages: Option<Vec<String>>,
    /// Packages with the version each must have; wins over `packages`.
    packages_versions: Option<BTreeMap<String, String>>,
    /// Whether the list is the absolute set.
    diff_packages: Option<bool>,
    /// The one root file system to build.
    filesystem: Option<String>,
    /// Size of the root partition in MiB.
    rootfs_size_mb: Option<u32>,
    /// First-boot script. It is in no answer, and its image is reachable by its full hash only.
    defaults: Option<String>,
    /// Third-party repositories, name to URL.
    repositories: Option<BTreeMap<String, String>>,
    /// `append` or `replace`.
    repositories_mode: Option<String>,
    /// Public keys of third-party repositories.
    repository_keys: Option<Vec<String>>,
    /// Name and version of the client.
    client: Option<String>,
}

/// A build on its way.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answers/waiting.rs renders")]
pub struct Pending {
    /// 202.
    status: u16,
    /// `queued` or `started`.
    detail: String,
    /// Builds before it, while it is queued.
    queue_position: Option<u32>,
    /// Stage, once it is started.
    imagebuilder_status: Option<String>,
    /// When it was asked for.
    enqueued_at: String,
    /// Names the request from now on.
    request_hash: String,
}

/// A finished image. Also has what the ImageBuilder's profiles.json says of the profile.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answers/success.rs renders")]
pub struct Finished {
    /// 200.
    status: u16,
    /// `done`.
    detail: String,
    /// `done`.
    imagebuilder_status: String,
    /// Names the request.
    request_hash: String,
    /// Folder of exactly these images below /store. Not the request hash.
    bin_dir: String,
    /// Canonical profile.
    id: String,
    /// target/subtarget.
    target: String,
    /// Version of the image.
    version_number: String,
    /// Revision of the image.
    version_code: String,
    /// Time of the sources.
    build_at: String,
    /// The images.
    images: Vec<Image>,
    /// Package name to version.
    manifest: BTreeMap<String, String>,
    /// Command that made it.
    build_cmd: Vec<String>,
    /// The request in canonical form.
    request: serde_json::Value,
}

/// One image.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answers/success.rs renders")]
pub struct Image {
    /// File name.
    name: String,
    /// For example sysupgrade.
    r#type: String,
    /// For example squashfs.
    filesystem: Option<String>,
    /// Digest of the file.
    sha256: String,
    /// Digest before signatures were added.
    sha256_unsigned: String,
}

/// A failed build.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what answers/failed.rs renders")]
pub struct Failed {
    /// 500.
    status: u16,
    /// One sentence.
    detail: String,
    /// Closed word.
    reason: String,
    /// `failed`.
    imagebuilder_status: String,
    /// Names the request.
    request_hash: String,
    /// When it was asked for.
    enqueued_at: String,
    /// The request in canonical form.
    request: serde_json::Value,
    /// End of the log.
    stdout: String,
    /// Empty.
    stderr: String,
}

/// Any other error.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what error.rs renders")]
pub struct Error {
    /// HTTP status.
    status: u16,
    /// Heading, where clients show one.
    title: Option<String>,
    /// One sentence.
    detail: String,
}
