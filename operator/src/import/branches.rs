//! Adds what a configuration says of one version to a Distribution.

use asu_crds::{BoardRename, Branch, DistributionSpec, ParentVersion, Signatures, VersionTitle};

use super::{
    changes,
    folder::ImportError,
    repositories,
    versions::{self, Version},
};

/// Folder of a version whose parent decides it.
const PARENTS_PATH: &str = "releases/{version}";

/// Adds a version to its branch, which is created if it does not exist.
///
/// # Errors
/// The key that cannot be understood.
pub fn add(
    spec: &mut DistributionSpec,
    version: &Version<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), ImportError> {
    let Some(branch) = branch_of(spec, version) else { return Ok(()) };
    let name = version.name.as_str();
    branch.versions.push(name.to_owned());
    if let Some((_, parent)) = version.parent.as_ref().filter(|(_, parent)| parent != name) {
        let named = ParentVersion { version: name.to_owned(), parent: parent.clone() };
        branch.parent_versions.push(named);
    }
    let text = |key: &str| -> Result<Option<String>, ImportError> {
        let text = version.own.text(key)?.map(str::trim);
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let (title, description) = (text("version_alias")?, text("version_description")?);
    if title.is_some() || description.is_some() {
        branch.version_titles.push(VersionTitle { version: name.to_owned(), title, description });
    }
    let branch = branch.name.clone();
    add_feeds(spec, version, &branch, warnings);
    for (board, profile) in versions::renames(&version.own)? {
        spec.board_renames.push(BoardRename {
            board: board.to_owned(),
            profile: profile.to_owned(),
            versions: vec![name.to_owned()],
        });
    }
    changes::add(spec, version, warnings)
}

/// The branch of a version. A version with another folder than its branch has one of its own.
fn branch_of<'s>(spec: &'s mut DistributionSpec, version: &Version<'_>) -> Option<&'s mut Branch> {
    let path = version.server.as_ref().map_or(PARENTS_PATH, |(_, path)| path.as_str());
    let fits = |branch: &Branch| {
        branch.name == version.branch && branch.path == path && branch.snapshot == version.snapshot
    };
    let found = spec.branches.iter().position(fits);
    let found = found.unwrap_or_else(|| {
        let taken = spec.branches.iter().any(|branch| branch.name == version.branch);
        let name = if taken { &version.name } else { &version.branch };
        spec.branches.push(empty(name, path, version));
        spec.branches.len().saturating_sub(1)
    });
    spec.branches.get_mut(found)
}

fn empty(name: &str, path: &str, version: &Version<'_>) -> Branch {
    Branch {
        name: name.to_owned(),
        path: path.to_owned(),
        versions: Vec::new(),
        version_titles: Vec::new(),
        parent_versions: Vec::new(),
        discover: None,
        latest: None,
        end_of_life: None,
        snapshot: version.snapshot,
        branch_off_rev: None,
        keys: Vec::new(),
        // Signatures cannot be required without a key; a warning asks for the keys.
        signatures: match version.parent {
            Some(_) => Signatures::Required,
            None => Signatures::NotChecked,
        },
    }
}

/// Adds the feeds of the repositories file that the ImageBuilder does not have itself.
fn add_feeds(
    spec: &mut DistributionSpec,
    version: &Version<'_>,
    branch: &str,
    warnings: &mut Vec<String>,
) {
    let Some(text) = version.repos else { return };
    let file = &version.own.file;
    if version.parent.is_none() {
        warnings.push(version.own.no_place("repos"));
        return;
    }
    let (feeds, others) = repositories::feeds(text, branch);
    for line in others {
        warnings.push(format!("{file}: the line {line:?} of repos is no feed and was left out"));
    }
    for feed in feeds {
        let known = spec.feeds.iter_mut().find(|known| known.name == feed.name);
        match known {
            Some(known) if known.url == feed.url => {
                if !known.branches.iter().any(|name| name == branch) {
                    known.branches.push(branch.to_owned());
                }
            }
            Some(known) => warnings.push(format!(
                "{file}: the feed {} has two URLs, {} and {}; the second one was left out: give it another \
                 name",
                feed.name, known.url, feed.url
            )),
            None => {
                warnings.push(format!(
                    "{file}: add the usign key of the feed {} to spec.feeds",
                    feed.name
                ));
                spec.feeds.push(feed);
            }
        }
    }
}
