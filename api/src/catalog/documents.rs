//! The documents of `/json/v1`, rendered once per catalog.

use std::io::Write as _;

use asu_core::{catalog::Distribution, digest::Digest};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use headers::{ETag, HeaderMapExt as _};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{
    encoding::accepts_gzip,
    etag::{entity_tag, is_known},
    schema::{Latest, Overview, branches},
};
use crate::error::ApiError;

/// Clients may use a document for a minute without another request.
const MAX_AGE: &str = "public, max-age=60";

/// Size from which a body is compressed, in bytes.
const MIN_COMPRESSED: usize = 1024;

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
    /// The body compressed with gzip, unless that is not worth it.
    gzip: Option<(Bytes, ETag)>,
}

impl JsonDocument {
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn of(document: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(document).map_err(|_| ApiError::Internal)?;
        let digest = Digest::of(&body);
        let gzip = if body.len() < MIN_COMPRESSED {
            None
        } else {
            Some((gzip(&body)?, entity_tag(&format!("{digest}-gzip"))?))
        };
        Ok(Self { body: body.into(), etag: entity_tag(&digest.to_string())?, gzip })
    }

    /// Size in memory, in bytes.
    pub(super) fn len(&self) -> usize {
        self.body.len().saturating_add(self.gzip.as_ref().map_or(0, |(body, _)| body.len()))
    }

    /// 200, which must not be cached: for routes of `/api`.
    pub fn plain(&self) -> Response {
        Self::with(&self.body)
    }

    fn with(body: &Bytes) -> Response {
        let mut response = Body::from(body.clone()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// 200 with a short lifetime, compressed if the client accepts that, or 304 if the client has the
    /// current document: for routes of `/json/v1`.
    pub fn cached(&self, asked: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| accepts_gzip(asked));
        let etag = gzip.map_or(&self.etag, |(_, etag)| etag);
        let mut response = match gzip {
            _ if is_known(asked, etag) => StatusCode::NOT_MODIFIED.into_response(),
            Some((body, _)) => {
                let mut response = Self::with(body);
                let encoding = HeaderValue::from_static("gzip");
                response.headers_mut().insert(header::CONTENT_ENCODING, encoding);
                response
            }
            None => self.plain(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(MAX_AGE));
        if self.gzip.is_some() {
            headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        headers.typed_insert(etag.clone());
        response
    }
}

fn gzip(body: &[u8]) -> Result<Bytes, ApiError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.map(Bytes::from).map_err(|_| ApiError::Internal)
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
