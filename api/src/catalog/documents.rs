//! The documents of `/json/v1`, rendered once per catalog.

use asu_core::{
    catalog::{Branch, Distribution, PackageChange, Version},
    digest::Sha256Hex,
};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::etag;

/// Seconds for which a document may be used without asking again.
const MAX_AGE: &str = "public, max-age=60";

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// Everything for clients.
    Overview,
    /// The list of branches.
    Branches,
    /// The newest versions.
    Latest,
}

/// What the overview says of the server besides its distribution.
#[derive(Debug)]
pub(super) struct Server<'a> {
    /// Who runs it.
    pub(super) contact: &'a str,
}

/// A document ready to be sent.
#[derive(Debug)]
pub struct JsonDocument {
    body: Bytes,
    etag: String,
}

impl JsonDocument {
    fn of(value: &Value) -> Self {
        let body = value.to_string();
        let etag = format!("\"{}\"", Sha256Hex::of(body.as_bytes()));
        Self { body: Bytes::from(body), etag }
    }

    /// 200, never to be stored: for routes of `/api`.
    pub fn plain(&self) -> Response {
        let mut response = Body::from(self.body.clone()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// 200 with a short lifetime, or 304 for who has it already: for routes of `/json/v1`.
    pub fn cached(&self, asked: &HeaderMap) -> Response {
        let mut response = if etag::matches(asked, &self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.plain()
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(MAX_AGE));
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}

/// The documents of one distribution.
#[derive(Debug)]
pub(super) struct Documents {
    overview: JsonDocument,
    branches: JsonDocument,
    latest: JsonDocument,
}

impl Documents {
    pub(super) fn of(distribution: &Distribution, server: &Server<'_>) -> Self {
        Self {
            overview: JsonDocument::of(&overview(distribution, server)),
            branches: JsonDocument::of(&branches(distribution)),
            latest: JsonDocument::of(&json!({"latest": distribution.offer.latest})),
        }
    }

    pub(super) fn get(&self, which: Document) -> &JsonDocument {
        match which {
            Document::Overview => &self.overview,
            Document::Branches => &self.branches,
            Document::Latest => &self.latest,
        }
    }
}

fn overview(distribution: &Distribution, server: &Server<'_>) -> Value {
    let offer = &distribution.offer;
    let by_name: Map<String, Value> =
        offer.branches.iter().map(|it| (it.name.clone(), branch(distribution, it))).collect();
    json!({
        "latest": offer.latest,
        "branches": by_name,
        "upstream_url": offer.public_url,
        "server": {
            "version": env!("CARGO_PKG_VERSION"),
            "contact": server.contact,
            "allow_defaults": offer.allow_defaults,
            "repository_allow_list": offer.repository_allow_list,
            "max_custom_rootfs_size_mb": offer.max_rootfs_size_mb,
            "max_defaults_length": offer.max_defaults_length,
        },
    })
}

fn branches(distribution: &Distribution) -> Value {
    let all = distribution.offer.branches.iter();
    Value::Array(all.map(|it| branch(distribution, it)).collect())
}

fn branch(distribution: &Distribution, branch: &Branch) -> Value {
    let mut value = json!({
        "name": branch.name,
        "enabled": true,
        "snapshot": branch.snapshot,
        "path": branch.path,
        // An old client (auc) drops every branch that lacks it.
        "path_packages": "DEPRECATED",
        "package_changes": changes(&distribution.offer.package_changes, branch.branch_off_rev),
        "versions": branch.versions,
        "targets": targets(distribution, branch),
    });
    if let (Some(revision), Some(object)) = (branch.branch_off_rev, value.as_object_mut()) {
        object.insert("branch_off_rev".to_owned(), json!(revision));
    }
    value
}

/// Those that had happened when the branch left development; all for the development branch.
fn changes(all: &[PackageChange], branch_off: Option<u32>) -> Vec<&PackageChange> {
    let before = |change: &&PackageChange| branch_off.is_none_or(|off| change.revision <= off);
    all.iter().filter(before).collect()
}

/// Targets of the first version of the branch that has any.
fn targets(distribution: &Distribution, branch: &Branch) -> Value {
    let versions = branch.versions.iter().filter_map(|name| distribution.version(name));
    let first = versions.map(|version: &Version| &version.targets).find(|it| !it.is_empty());
    first.map_or_else(|| json!({}), |targets| json!(targets))
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
