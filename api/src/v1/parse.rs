//! Parses the body of a build request.

use asu_core::{
    acceptance::RawRequest,
    request::{Filesystem, RepositoriesMode},
};

use super::fields::Fields;
use crate::error::ApiError;

/// Maximum length of the field `client`.
const MAX_CLIENT: usize = 1024;

/// A parsed request.
#[derive(Debug)]
pub struct BuildRequest {
    /// `distro`.
    pub distribution: Option<String>,
    /// `client`.
    pub client: Option<String>,
    /// All fields that affect the image.
    pub asked: RawRequest,
}

/// Parses a body. Unknown fields are ignored, because clients rely on it.
///
/// # Errors
/// [`ApiError::Fields`], which names all wrong fields but contains no values.
pub fn parse(body: &[u8]) -> Result<BuildRequest, ApiError> {
    let mut fields = Fields::of(body).map_err(ApiError::Fields)?;
    let distribution = fields.text("distro").filter(|name| !name.is_empty());
    let asked = RawRequest {
        version: fields.required("version"),
        version_code: fields.text("version_code").unwrap_or_default(),
        target: fields.required("target"),
        profile: fields.required("profile"),
        packages: fields.texts("packages"),
        packages_versions: fields.pairs("packages_versions"),
        diff_packages: fields.flag("diff_packages"),
        filesystem: filesystem(&mut fields),
        rootfs_size_mb: fields.number("rootfs_size_mb"),
        defaults: fields.nullable_text("defaults").filter(|text| !text.is_empty()),
        repositories: fields.pairs("repositories").into_iter().collect(),
        repositories_mode: mode(&mut fields),
        repository_keys: fields.texts("repository_keys"),
    };
    let client = fields.nullable_text("client");
    if client.as_ref().is_some_and(|client| client.len() > MAX_CLIENT) {
        fields.problem("client", "is too long");
    }
    fields.finish().map_err(ApiError::Fields)?;
    Ok(BuildRequest { distribution, client, asked })
}

/// Parses `filesystem`. Clients send the type of the running root file system, which may be one that no
/// ImageBuilder makes (tmpfs, f2fs). Such a type is ignored.
fn filesystem(fields: &mut Fields) -> Option<Filesystem> {
    let word = fields.nullable_text("filesystem")?;
    let plain = word.len() <= 32
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain {
        let known =
            Filesystem::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
        fields.problem("filesystem", &format!("must be one of {known}, or null"));
    }
    Filesystem::parse(&word)
}

fn mode(fields: &mut Fields) -> RepositoriesMode {
    match fields.text("repositories_mode").as_deref() {
        None | Some("replace") => RepositoriesMode::Replace,
        Some("append") => RepositoriesMode::Append,
        Some(_) => {
            fields.problem("repositories_mode", "must be append or replace");
            RepositoriesMode::default()
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
