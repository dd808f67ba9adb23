//! The OpenAPI document, generated from the list of routes.

use axum::{
    Extension,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa::OpenApi;

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
        (name = "statistics", description = "What was built"),
        (name = "legacy", description = "The API of clients of 2018 and 2019; errors also have `error`"),
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
