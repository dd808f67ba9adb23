//! Errors of the older API: their statuses, headers and sentences. [`super::form`] writes their bodies.

use asu_core::offered::Refusal;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue};

use crate::{
    error::{ApiError, error_response},
    v1::refusal,
};

/// Names the missing parameter.
pub const MISSING: HeaderName = HeaderName::from_static("x-missing-param");
/// Names the unknown packages. auc ends if a 422 does not have it.
pub const UNKNOWN: HeaderName = HeaderName::from_static("x-unknown-package");

/// Maximum length of a header with names, in bytes. Clients have buffers of a few kilobytes.
const MAX_HEADER: usize = 4096;
/// Maximum number of characters of one name in a header.
const MAX_NAME: usize = 128;

/// An error that is answered to a client of the older API.
#[derive(Clone, Debug)]
pub enum LegacyError {
    /// A parameter is missing.
    Missing(&'static str),
    /// The body or a parameter is malformed.
    Malformed(String),
    /// The distribution, version, target or device is not offered.
    NotOffered(String),
    /// The first-boot script is too long.
    Defaults(String),
    /// Packages that do not exist.
    Unknown(Vec<String>),
    /// An error that all dialects have.
    Other(ApiError),
}

impl LegacyError {
    /// HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Missing(_) | Self::Malformed(_) => 400,
            Self::NotOffered(_) => 412,
            Self::Defaults(_) => 420,
            Self::Unknown(_) => 422,
            Self::Other(error) => error.status(),
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Missing(parameter) => format!("the parameter {parameter} is missing"),
            Self::Malformed(text) | Self::NotOffered(text) | Self::Defaults(text) => text.clone(),
            Self::Unknown(names) => format!("unknown packages: {}", listed(names)),
            Self::Other(error) => error.to_string(),
        }
    }
}

impl From<ApiError> for LegacyError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::NotOffered(refusal) => refusal.into(),
            ApiError::Fields(text) => Self::Malformed(text),
            other => Self::Other(other),
        }
    }
}

impl From<Refusal> for LegacyError {
    fn from(refused: Refusal) -> Self {
        let text = refusal::detail(&refused);
        match refused {
            Refusal::Field(invalid) if invalid.field == "defaults" => Self::Defaults(text),
            Refusal::Field(_) | Refusal::Defaults | Refusal::Repository(_) => Self::Malformed(text),
            _ => Self::NotOffered(text),
        }
    }
}

impl IntoResponse for LegacyError {
    fn into_response(self) -> Response {
        let named = match &self {
            Self::Missing(parameter) => Some((MISSING, (*parameter).to_owned())),
            Self::Unknown(names) => Some((UNKNOWN, listed(names))),
            Self::Other(error) => return error.clone().into_response(),
            _ => None,
        };
        let mut response = error_response(self.status(), None, &self.sentence());
        if let Some((name, value)) = named
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Names for a header, separated as clients expect: only characters that a header may have, and no more
/// than fit.
fn listed(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
        let name: String = name.chars().take(MAX_NAME).map(plain).collect();
        if text.len().saturating_add(name.len()).saturating_add(2) > MAX_HEADER {
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(if name.is_empty() { "?" } else { &name });
    }
    text
}

#[cfg(test)]
mod tests {
    use asu_core::{profile::NoProfile, request::InvalidField};

    use super::*;

    #[test]
    fn names_in_a_header_are_plain_and_bounded_and_never_empty() {
        let names = ["a", "$(shell id)", "b\r\nX: y", "", "ü"].map(str::to_owned);
        assert_eq!(listed(&names), "a, $(shell?id), b??X:?y, ?, ?");
        let many: Vec<String> = (0..10_000).map(|n| format!("package-{n}")).collect();
        assert!(listed(&many).len() <= MAX_HEADER && listed(&many).len() > MAX_HEADER / 2);
        assert_eq!(listed(&["x".repeat(9999)]).len(), MAX_NAME);
    }

    #[test]
    fn every_refusal_has_the_status_of_its_cause() {
        let field = |field| Refusal::Field(InvalidField { field, problem: "x".into() });
        for (refusal, status) in [
            (field("defaults"), 420),
            (field("packages"), 400),
            (Refusal::Defaults, 400),
            (Refusal::Branch("1".into()), 412),
            (Refusal::Version("1".into()), 412),
            (Refusal::Target("a/b".parse().unwrap()), 412),
            (Refusal::Profile(NoProfile::Unknown("x".into())), 412),
        ] {
            assert_eq!(LegacyError::from(refusal.clone()).status(), status, "{refusal:?}");
            assert_eq!(LegacyError::from(ApiError::NotOffered(refusal)).status(), status);
        }
    }
}
