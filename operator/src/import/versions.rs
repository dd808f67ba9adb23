//! What a configuration says of each version: the version file on top of the distribution's file.

use asu_core::version::SNAPSHOT;
use serde_yaml::Value;
use url::Url;

use super::{
    folder::{Files, ImportError},
    seed::Config,
};

/// Keys of version files. Those that the distribution's file may have too are used from there if the version
/// file has none.
const KNOWN: &[&str] = &[
    "version",
    "parent_distro",
    "parent_version",
    "targets_url",
    "repos",
    "snapshots",
    "version_alias",
    "version_description",
    "transformations",
    "board_rename",
];

/// One version.
#[derive(Clone, Debug)]
pub struct Version<'a> {
    /// Its own file.
    pub own: Config<'a>,
    /// Name that clients use: `SNAPSHOT` for `snapshots`.
    pub name: String,
    /// Name of the branch.
    pub branch: String,
    /// The parent's name and version, if it has a parent.
    pub parent: Option<(String, String)>,
    /// Server and folder, if it has no parent.
    pub server: Option<(String, String)>,
    /// Whether upstream rebuilds it under the same name.
    pub snapshot: bool,
    /// The repositories file.
    pub repos: Option<&'a str>,
}

/// The versions that a distribution lists, in its order, and warnings about unused keys and files.
///
/// # Errors
/// The key that cannot be understood.
pub fn read<'a>(
    name: &str,
    files: &'a Files,
    empty: &'a serde_yaml::Mapping,
) -> Result<(Vec<Version<'a>>, Vec<String>), ImportError> {
    let config = Config::new(format!("{name}/distro_config.yml"), &files.config);
    let listed = config.texts("versions")?;
    if listed.is_empty() {
        return Err(config.error("versions is missing: list the versions, in quotes".to_owned()));
    }
    let (mut versions, mut warnings) = (Vec::new(), Vec::new());
    for seed in &listed {
        let keys = files.versions.get(*seed).unwrap_or(empty);
        let own = Config::new(format!("{name}/{seed}.yml"), keys);
        warnings.extend(own.unknown(KNOWN));
        versions.push(version(seed, own, &config)?);
    }
    for file in files.versions.keys().filter(|file| !listed.contains(&file.as_str())) {
        warnings.push(format!("{name}/{file}.yml: versions does not list {file}; it was left out"));
    }
    Ok((versions, warnings))
}

fn version<'a>(
    seed: &str,
    own: Config<'a>,
    distribution: &Config<'a>,
) -> Result<Version<'a>, ImportError> {
    let text = |key: &str| match own.text(key)? {
        Some(text) => Ok(Some(text)),
        None => distribution.text(key),
    };
    let parent = match (text("parent_distro")?, text("parent_version")?) {
        (Some(parent), Some(version)) => Some((parent.to_lowercase(), name_of(version))),
        (None, None) => None,
        _ => {
            let message = "parent_distro and parent_version belong together: add the other one";
            return Err(own.error(message.to_owned()));
        }
    };
    let server = match (&parent, text("targets_url")?) {
        (Some(_), _) => None,
        (None, Some(url)) => Some(server(seed, url).map_err(|message| own.error(message))?),
        (None, None) => {
            let message = "targets_url is missing: the download server, or give a parent_version";
            return Err(own.error(message.to_owned()));
        }
    };
    let snapshot = own.flag("snapshots")? || name_of(seed) == SNAPSHOT;
    Ok(Version {
        name: name_of(seed),
        branch: branch_of(seed),
        parent,
        server,
        snapshot,
        repos: text("repos")?,
        own,
    })
}

/// The development version had three spellings.
pub fn name_of(seed: &str) -> String {
    match seed.to_lowercase().as_str() {
        "snapshot" | "snapshots" => SNAPSHOT.to_owned(),
        _ => seed.to_owned(),
    }
}

/// The first two numbers of a release, else the whole name.
fn branch_of(seed: &str) -> String {
    let numbers: Vec<&str> = seed.split('.').collect();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    match numbers.as_slice() {
        [major, minor, rest, ..] if is_number(major) && is_number(minor) && !rest.is_empty() => {
            format!("{major}.{minor}")
        }
        _ => name_of(seed),
    }
}

/// Server and folder of `targets_url`, below which each version had a folder with its own name.
fn server(seed: &str, url: &str) -> Result<(String, String), String> {
    let wrong = |what: &str| format!("targets_url {url:?} {what}");
    let parsed = Url::parse(url).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(wrong("must begin with https:// or http:// and a host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("must not contain a user or password"));
    }
    let origin = parsed.origin().ascii_serialization();
    let folder = url.get(origin.len()..).unwrap_or_default().trim_matches('/');
    let last = if name_of(seed) == SNAPSHOT { seed } else { "{version}" };
    let path = match folder {
        "" => last.to_owned(),
        folder if folder.contains("{version}") => folder.to_owned(),
        folder => format!("{folder}/{last}"),
    };
    Ok((origin, path))
}

/// Renames of boards in a file: board and profile.
///
/// # Errors
/// When a value is not a text.
pub fn renames<'a>(config: &Config<'a>) -> Result<Vec<(&'a str, &'a str)>, ImportError> {
    let renames = config.mapping("board_rename")?;
    renames
        .into_iter()
        .map(|(board, value): (&str, &Value)| {
            Ok((board, config.as_text(&format!("board_rename.{board}"), value)?))
        })
        .collect()
}
