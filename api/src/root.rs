//! `/` and `/stats`: pages for people.

use axum::response::{Html, IntoResponse, Response};

const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Attended Sysupgrade Server</title></head>
<body>
<h1>Attended Sysupgrade Server</h1>
<p>This server builds firmware images for OpenWrt and distributions based on it.
Use it with <code>owut</code>, LuCI's Attended Sysupgrade, or the firmware selector.</p>
<ul>
<li><a href=\"json/v1/overview.json\">What is offered</a></li>
<li><a href=\"stats\">What is built</a></li>
<li><a href=\"openapi.json\">The API as OpenAPI</a></li>
</ul>
</body>
</html>
";

/// A page for people
#[utoipa::path(
    method(get, head),
    path = "/",
    tag = "people",
    responses((status = 200, description = "A page that leads on", body = String, content_type = "text/html"))
)]
pub async fn root_get() -> Response {
    Html(PAGE).into_response()
}

/// Shows the statistics of the API, which it reads by relative URLs.
const STATISTICS: &str = include_str!("stats.html");

/// Statistics for people
#[utoipa::path(
    method(get, head),
    path = "/stats",
    tag = "people",
    responses((status = 200, description = "A page with tables", body = String, content_type = "text/html"))
)]
pub async fn statistics_page_get() -> Response {
    Html(STATISTICS).into_response()
}
