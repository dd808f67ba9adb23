//! The list of routes, from which the OpenAPI document is generated.
//!
//! Routes are grouped by their needs: whether they read a body, and which budget they share. Each route
//! belongs to one group, so that no route is without limits.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    error_handling::HandleErrorLayer,
    extract::{DefaultBodyLimit, Request},
    middleware::{from_fn, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceBuilder, timeout::TimeoutLayer, util::MapRequestLayer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{layers, path, request_id};
use crate::{
    budgets::Budget,
    catalog::{
        arch_index_get, branches_get, latest_get, network_profiles_get, overview_get, profile_get,
        target_index_get,
    },
    error::{ApiError, error_response},
    legacy,
    metrics::Metrics,
    openapi, openapi_headers, root,
    state::AppState,
    statistics::{
        build_errors_get, charts_get, fails_latest_get, image_stats_get, images_latest_get,
        packages_get, popular_packages_get, popular_targets_get, queue_get, top_packages_get,
    },
    store, v1,
};

/// Routes that read a body.
fn with_body() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(v1::build_post::build_post))
        .routes(routes!(legacy::request_post::build_request_post))
        .routes(routes!(legacy::request_post::upgrade_request_post))
        .routes(routes!(legacy::check_post::upgrade_check_post))
}

/// Routes that wait for the database row and the first bytes of a file.
fn files() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(store::file_get::file_get))
        .routes(routes!(legacy::files::json_file_get))
        .routes(routes!(legacy::files::json_private_file_get))
        .routes(routes!(legacy::files::download_file_get))
        .routes(routes!(legacy::files::download_private_file_get))
        .routes(routes!(legacy::listing::json_listing_get))
        .routes(routes!(legacy::listing::json_private_listing_get))
        .routes(routes!(legacy::listing::download_listing_get))
        .routes(routes!(legacy::listing::download_private_listing_get))
}

/// Routes without a body that are answered from memory, or that take a permit of a budget themselves.
fn without_body() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(v1::build_get::build_get))
        .routes(routes!(v1::log_get::log_get))
        .routes(routes!(v1::latest_get::latest_get))
        .routes(routes!(v1::revision_get::revision_get))
        .routes(routes!(overview_get::overview_get))
        .routes(routes!(overview_get::overview_v1))
        .routes(routes!(overview_get::overview_old))
        .routes(routes!(overview_get::overview_oldest))
        .routes(routes!(branches_get::branches_get))
        .routes(routes!(latest_get::latest_get))
        .routes(routes!(target_index_get::target_index_get))
        .routes(routes!(profile_get::profile_get))
        .routes(routes!(network_profiles_get::network_profiles_get))
        .routes(routes!(arch_index_get::arch_index_get))
        .merge(statistics())
        .merge(older())
        .routes(routes!(openapi::openapi_get))
        .routes(routes!(root::root_get))
        .routes(routes!(root::statistics_page_get))
}

/// Statistics.
fn statistics() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(image_stats_get::image_stats_get))
        .routes(routes!(image_stats_get::images_get))
        .routes(routes!(images_latest_get::images_latest_get))
        .routes(routes!(fails_latest_get::fails_latest_get))
        .routes(routes!(packages_get::packages_get))
        .routes(routes!(popular_packages_get::popular_packages_get))
        .routes(routes!(popular_targets_get::popular_targets_get))
        .routes(routes!(queue_get::queue_get))
        .routes(routes!(queue_get::summary_get))
        .routes(routes!(charts_get::builds_per_day_get))
        .routes(routes!(charts_get::builds_by_version_get))
        .routes(routes!(top_packages_get::top_packages_get))
        .routes(routes!(build_errors_get::build_errors_get))
}

/// Routes without a body of the API of 2018 and 2019.
fn older() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(legacy::request_get::build_request_get))
        .routes(routes!(legacy::request_get::upgrade_request_get))
        .routes(routes!(legacy::check_get::upgrade_check_get))
        .routes(routes!(legacy::image_get::image_get))
        .routes(routes!(legacy::image_get::manifest_get))
        .routes(routes!(legacy::image_get::packages_hash_get))
        .routes(routes!(legacy::distributions_get::distros_get))
        .routes(routes!(legacy::distributions_get::versions_get))
        .routes(routes!(legacy::distributions_get::distributions_get))
        .routes(routes!(legacy::models_get::models_get))
        .routes(routes!(legacy::packages_get::packages_image_get))
        .routes(routes!(legacy::packages_get::default_packages_get))
        .routes(routes!(legacy::supported_get::supported_get))
        .routes(routes!(legacy::logs_get::faillog_get))
}

/// The OpenAPI document.
pub fn document() -> OpenApi {
    let mut routes = with_body().merge(without_body()).merge(files());
    let mut document = openapi::Document::openapi();
    document.merge(routes.to_openapi());
    openapi_headers::add(&mut document);
    document
}

/// All routes with their layers.
///
/// # Errors
/// When the OpenAPI document cannot be written.
pub fn router(state: &AppState) -> Result<Router, serde_json::Error> {
    let groups = Groups {
        with_body: with_body(),
        without_body: without_body().merge(
            files().layer(from_fn_with_state(state.budgets.semaphore(Budget::File), layers::bound)),
        ),
    };
    let document = document().to_json()?;
    let routes = bounded(groups, state)
        .layer(Extension(openapi::OpenApiJson(Bytes::from(document))))
        .with_state(state.clone());
    Ok(surrounded(routes, &state.metrics, layers::ANSWER_WITHIN))
}

/// Routes with and without a body.
struct Groups {
    with_body: OpenApiRouter<AppState>,
    without_body: OpenApiRouter<AppState>,
}

/// Limits the number of requests in progress. Bodies are read before.
fn bounded(groups: Groups, state: &AppState) -> Router<AppState> {
    let places = Arc::new(Semaphore::new(state.settings.max_requests));
    let bound = from_fn_with_state(places, layers::bound);
    let with_body = groups
        .with_body
        .layer(bound.clone())
        .layer(from_fn_with_state(state.bodies.clone(), layers::read_body));
    // A route that reads a body but is in the wrong group fails with "too large".
    let without_body = groups.without_body.layer(bound).layer(DefaultBodyLimit::max(0));
    Router::from(with_body.merge(without_body))
}

/// Adds the layers that all routes share, outermost first.
fn surrounded(routes: Router, metrics: &Metrics, answer_within: Duration) -> Router {
    let around = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(from_fn_with_state(metrics.clone(), layers::observe))
        .layer(from_fn(layers::preflight_without_content))
        .layer(layers::cors())
        .layer(from_fn(legacy::form::in_legacy_form))
        .layer(map_response(layers::errors_in_json))
        .layer(HandleErrorLayer::new(layers::too_late))
        .layer(TimeoutLayer::new(answer_within))
        .layer(CatchPanicLayer::custom(layers::panicked(metrics.clone())));
    let app = routes.fallback(not_found).method_not_allowed_fallback(not_allowed).layer(around);
    // Paths are normalized before the router matches them.
    Router::new().fallback_service(MapRequestLayer::new(clean).layer(app))
}

fn clean(mut request: Request) -> Request {
    if let Some(clean) = path::normalised(request.uri()) {
        *request.uri_mut() = clean;
    }
    request_id::remove_unless_plain(request.headers_mut());
    request
}

async fn not_found() -> Response {
    ApiError::NotFound("Not Found").into_response()
}

async fn not_allowed() -> Response {
    error_response(405, None, "Method Not Allowed")
}

#[cfg(test)]
#[path = "router_tests.rs"]
pub(super) mod tests;
