//! Checks and normalises the names of members. Nothing is written under a name that did not pass.

use super::error::{TarballError, shown};

/// Maximum length of a name in bytes: the system's maximum path without its NUL.
pub(super) const MAX_NAME: usize = 4095;

/// Maximum length of a component in bytes, as in all common file systems.
const MAX_COMPONENT: usize = 255;

/// Maximum number of components of a name.
pub(super) const MAX_DEPTH: usize = 64;

/// The name without `.` and empty components; empty for `./` itself.
pub(super) fn normalise(raw: &[u8]) -> Result<String, TarballError> {
    let text = text(raw)?;
    if text.starts_with('/') {
        return Err(TarballError::AbsoluteName { member: shown(text) });
    }
    let mut name = String::with_capacity(text.len());
    let mut depth = 0;
    for component in text.split('/') {
        match component {
            "" | "." => continue,
            ".." => return Err(TarballError::ParentComponent { member: shown(text) }),
            _ => check_length(text, component.len(), MAX_COMPONENT)?,
        }
        depth += 1;
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(component);
    }
    if depth > MAX_DEPTH {
        return Err(TarballError::TooDeep { member: shown(text), limit: MAX_DEPTH });
    }
    Ok(name)
}

/// The target of the symlink `member`. Any path is allowed: symlinks are created last and never
/// followed.
pub(super) fn symlink_target(member: &str, raw: &[u8]) -> Result<String, TarballError> {
    let bad = |problem| TarballError::BadName { member: shown(member), problem };
    let target = std::str::from_utf8(raw).map_err(|_| bad("its target is not UTF-8"))?;
    if target.is_empty() {
        return Err(bad("its target is empty"));
    }
    if target.contains('\0') {
        return Err(bad("its target has a NUL"));
    }
    check_length(member, target.len(), MAX_NAME)?;
    Ok(target.to_owned())
}

/// The folders above `name`, outermost first.
pub(super) fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}

/// The folder of `name` (`.` at the top) and its last component.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or((".", name))
}

fn text(raw: &[u8]) -> Result<&str, TarballError> {
    let bad = |problem| TarballError::BadName {
        member: shown(&String::from_utf8_lossy(raw.get(..MAX_NAME).unwrap_or(raw))),
        problem,
    };
    if raw.is_empty() {
        return Err(bad("it is empty"));
    }
    if raw.contains(&0) {
        return Err(bad("it has a NUL"));
    }
    let text = std::str::from_utf8(raw).map_err(|_| bad("it is not UTF-8"))?;
    check_length(text, text.len(), MAX_NAME)?;
    Ok(text)
}

fn check_length(member: &str, length: usize, limit: usize) -> Result<(), TarballError> {
    if length > limit {
        return Err(TarballError::NameTooLong { member: shown(member), length, limit });
    }
    Ok(())
}
