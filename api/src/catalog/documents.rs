//! The documents of `/json/v1`, rendered once per catalog.

use asu_core::{catalog::Distribution, digest::Digest};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt as _};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{
    etag::{entity_tag, is_known},
    schema::{Latest, Overview, branches},
};
use crate::error::ApiError;

/// Clients may use a document for a minute without another request.
const MAX_AGE: &str = "public, max-age=60";

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// Everything for clients.
    Overview,
    /// The list of branches.
    Branches,
    /// The newest versions.
    Latest,
}

/// A document ready to be sent.
#[derive(Debug)]
pub struct JsonDocument {
    body: Bytes,
    etag: ETag,
}

impl JsonDocument {
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn of(document: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(document).map_err(|_| ApiError::Internal)?;
        let body = Bytes::from(body);
        let etag = entity_tag(&Digest::of(&body))?;
        Ok(Self { body, etag })
    }

    /// Bytes of its body.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// 200, which must not be cached: for routes of `/api`.
    pub fn plain(&self) -> Response {
        let mut response = Body::from(self.body.clone()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// 200 with a short lifetime, or 304 if the client has the current document: for routes of
    /// `/json/v1`.
    pub fn cached(&self, asked: &HeaderMap) -> Response {
        let mut response = if is_known(asked, &self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.plain()
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(MAX_AGE));
        headers.typed_insert(self.etag.clone());
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
    /// # Errors
    /// When a document cannot be written as JSON.
    pub(super) fn of(distribution: &Distribution, contact: &str) -> Result<Self, ApiError> {
        Ok(Self {
            overview: JsonDocument::of(&Overview::of(distribution, contact))?,
            branches: JsonDocument::of(&branches(distribution))?,
            latest: JsonDocument::of(&Latest { latest: &distribution.offer.latest })?,
        })
    }

    pub(super) fn get(&self, which: Document) -> &JsonDocument {
        match which {
            Document::Overview => &self.overview,
            Document::Branches => &self.branches,
            Document::Latest => &self.latest,
        }
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
