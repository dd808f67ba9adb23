//! The form of all answers of the older API: errors are objects with `error`, a server that cannot answer
//! asks for five minutes, and web pages may read the headers.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Detail;

/// First parts of the paths of the older API below `/api/`.
const PATHS: [&str; 13] = [
    "build-request",
    "upgrade-request",
    "upgrade-check",
    "image",
    "manifest",
    "distros",
    "versions",
    "models",
    "packages_image",
    "default_packages",
    "distributions",
    "v1/supported",
    "v1/packages_hash",
];

/// Time after which a client should try again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("300");

/// Headers that web pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-Imagebuilder-Status, X-Build-Queue-Position, X-Unknown-Package, X-Missing-Param, X-Request-Hash",
);

/// An error of the older API. Clients of 2018 and 2019 show `error`.
#[derive(Serialize, ToSchema)]
pub struct LegacyProblem<'a> {
    /// One sentence.
    error: &'a str,
    /// HTTP status.
    status: u16,
    /// The same sentence, as in the answers of all other routes.
    detail: &'a str,
}

/// Gives the answers of the older API their form. Other answers stay as they are.
pub async fn in_legacy_form(request: Request, next: Next) -> Response {
    let legacy = is_legacy(request.uri().path());
    let mut response = next.run(request).await;
    if !legacy {
        return response;
    }
    let detail = response.extensions_mut().remove::<Detail>();
    if response.status().as_u16() == 529 {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    let Some(Detail(detail)) = detail else { return response };
    let problem =
        LegacyProblem { error: &detail, status: response.status().as_u16(), detail: &detail };
    if let Ok(body) = serde_json::to_vec(&problem) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    response
}

fn is_legacy(path: &str) -> bool {
    let Some(path) = path.strip_prefix("/api/") else { return false };
    let below = |part: &str| {
        path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    PATHS.iter().any(|part| below(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_older_api_have_its_form() {
        for path in ["/api/upgrade-check", "/api/build-request/abc", "/api/v1/supported"] {
            assert!(is_legacy(path), "{path}");
        }
        for path in ["/api/v1/build", "/api/v1/latest", "/api/overview", "/api/imagex", "/json/x"] {
            assert!(!is_legacy(path), "{path}");
        }
    }
}
