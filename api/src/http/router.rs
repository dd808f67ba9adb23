//! The list of routes, and the OpenAPI document that is made of it.

use axum::{
    Extension, Router,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    catalog::{branches_get, latest_get, overview_get},
    error::{ApiError, error_response},
    openapi, openapi_headers, root,
    state::AppState,
    store, v1,
};

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(v1::build_post::build_post))
        .routes(routes!(v1::build_get::build_get))
        .routes(routes!(v1::log_get::log_get))
        .routes(routes!(v1::latest_get::latest_get))
        .routes(routes!(v1::revision_get::revision_get))
        .routes(routes!(store::file_get::file_get))
        .routes(routes!(overview_get::overview_get))
        .routes(routes!(overview_get::overview_v1))
        .routes(routes!(overview_get::overview_old))
        .routes(routes!(overview_get::overview_oldest))
        .routes(routes!(branches_get::branches_get))
        .routes(routes!(latest_get::latest_get))
        .routes(routes!(openapi::openapi_get))
        .routes(routes!(root::root_get))
}

fn parts() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, mut document) = routes().split_for_parts();
    openapi_headers::add(&mut document);
    (router, document)
}

/// The document as JSON.
pub fn document() -> String {
    parts().1.to_pretty_json().unwrap_or_default()
}

/// Every route, without what [`super::front`] adds.
pub fn router(state: AppState) -> Router {
    let (router, document) = parts();
    let document = document.to_json().unwrap_or_default();
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(Extension(openapi::OpenApiJson(Bytes::from(document))))
        .with_state(state)
}

async fn not_found() -> Response {
    ApiError::NotFound("Not Found").into_response()
}

async fn not_allowed() -> Response {
    error_response(405, None, "Method Not Allowed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_openapi_document_is_the_one_that_was_reviewed() {
        insta::assert_snapshot!(super::document());
    }
}
