//! Converts one distribution of the folder to the spec of a Distribution.

use asu_crds::{BoardRename, Distribution, DistributionSpec, Limits, Parent, Upstream};
use serde_yaml::Mapping;

use super::{
    branches,
    folder::{Folder, ImportError},
    seed::Config,
    versions::{self, Version},
};
use crate::distribution::validate::validate;

/// Keys of `distro_config.yml` that are used, also by version files.
const KNOWN: &[&str] = &[
    "distro",
    "distro_alias",
    "distro_description",
    "latest",
    "versions",
    "parent_distro",
    "parent_version",
    "active_targets",
    "ignore_targets",
    "targets_url",
    "board_rename",
    "repos",
];
/// Maximum length of first-boot scripts in asu 0.2.0, in bytes.
const MAX_DEFAULTS: u32 = 10_240;

/// The spec of a distribution, and what it does not contain.
pub struct Converted {
    /// The spec.
    pub spec: DistributionSpec,
    /// One sentence for each field that has no place.
    pub warnings: Vec<String>,
}

/// Converts a distribution.
///
/// # Errors
/// The key that cannot be understood.
pub fn convert(name: &str, folder: &Folder) -> Result<Converted, ImportError> {
    let files = folder.get(name).cloned().unwrap_or_default();
    let config = Config::new(format!("{name}/distro_config.yml"), &files.config);
    let empty = Mapping::new();
    let (versions, mut warnings) = versions::read(name, &files, &empty)?;
    warnings.extend(config.unknown(KNOWN));
    let (parent, versions) = of_one_source(&config, versions, &mut warnings)?;
    let mut spec = bare(config.text("distro_alias")?.unwrap_or(name));
    spec.description = config.text("distro_description")?.map(str::to_owned);
    spec.targets = owned(config.texts("active_targets")?);
    spec.excluded_targets = owned(config.texts("ignore_targets")?);
    if let Some(parent) = parent {
        if !folder.contains_key(&parent) {
            warnings.push(format!(
                "{}: parent_distro {parent} has no folder; create its Distribution",
                config.file
            ));
        }
        spec.parent = Some(Parent { distribution: parent });
    } else {
        spec.upstream = versions.first().and_then(|version| version.server.as_ref()).map(upstream);
        warnings.push(format!("{name}: add the usign keys of each branch and set signatures to Required; asu 0.2.0 had keys for gpg only"));
    }
    let latest = config.text("latest")?.map(versions::name_of);
    let latest = latest.or_else(|| versions.last().map(|version| version.name.clone()));
    for version in &versions {
        branches::add(&mut spec, version, &mut warnings)?;
    }
    spec.board_renames.extend(inherited_renames(&config, folder, spec.parent.as_ref())?);
    recommend(&mut spec, latest, &config, &mut warnings);
    check(name, &spec, &mut warnings);
    Ok(Converted { spec, warnings })
}

fn bare(title: &str) -> DistributionSpec {
    DistributionSpec {
        suspend: false,
        title: title.to_owned(),
        description: None,
        upstream: None,
        parent: None,
        feeds: Vec::new(),
        default_packages: Vec::new(),
        branches: Vec::new(),
        targets: Vec::new(),
        excluded_targets: Vec::new(),
        board_renames: Vec::new(),
        package_changes: Vec::new(),
        package_edits: Vec::new(),
        limits: Limits {
            allow_defaults: true,
            max_defaults_length: MAX_DEFAULTS,
            ..Limits::default()
        },
        image_builder_images: Vec::new(),
        pinned_caches: Vec::new(),
        prewarm: None,
    }
}

/// Keeps the versions with the parent or the download server of the first one: a Distribution has one of them.
fn of_one_source<'a>(
    config: &Config<'_>,
    versions: Vec<Version<'a>>,
    warnings: &mut Vec<String>,
) -> Result<(Option<String>, Vec<Version<'a>>), ImportError> {
    let source = |version: &Version<'_>| match (&version.parent, &version.server) {
        (Some((parent, _)), _) => (true, parent.clone()),
        (None, Some((server, _))) => (false, server.clone()),
        (None, None) => (false, String::new()),
    };
    let first = versions.first().map(source);
    let Some((is_parent, from)) = first.clone() else {
        return Err(config.error("versions is empty: list the versions, in quotes".to_owned()));
    };
    let (kept, others): (Vec<_>, Vec<_>) =
        versions.into_iter().partition(|version| Some(source(version)) == first);
    for other in others {
        warnings.push(format!(
            "{}: version {} does not use {from} as the first version does and was left out; make a \
             Distribution of its own for it",
            other.own.file, other.name
        ));
    }
    Ok((is_parent.then_some(from), kept))
}

fn upstream((server, _): &(String, String)) -> Upstream {
    Upstream {
        fetch_urls: vec![server.clone()],
        package_base_url: None,
        public_url: server.clone(),
    }
}

/// Renames of the distribution's file, or of the nearest parent that has some, which applied to all versions.
fn inherited_renames(
    config: &Config<'_>,
    folder: &Folder,
    parent: Option<&Parent>,
) -> Result<Vec<BoardRename>, ImportError> {
    let mut renames = versions::renames(config)?;
    let parent = parent.and_then(|parent| Some((parent, folder.get(&parent.distribution)?)));
    if let (true, Some((parent, files))) = (renames.is_empty(), parent) {
        let file = format!("{}/distro_config.yml", parent.distribution);
        renames = versions::renames(&Config::new(file, &files.config))?;
    }
    let rename = |(board, profile): (&str, &str)| BoardRename {
        board: board.to_owned(),
        profile: profile.to_owned(),
        versions: Vec::new(),
    };
    Ok(renames.into_iter().map(rename).collect())
}

/// The branch of the recommended version comes first: clients upgrade to the first recommended version.
fn recommend(
    spec: &mut DistributionSpec,
    latest: Option<String>,
    config: &Config<'_>,
    warnings: &mut Vec<String>,
) {
    let Some(latest) = latest else { return };
    let has = |versions: &[String]| versions.contains(&latest);
    match spec.branches.iter().position(|branch| has(&branch.versions)) {
        Some(found) => {
            let mut branch = spec.branches.remove(found);
            branch.latest = Some(latest);
            spec.branches.insert(0, branch);
        }
        None => warnings.push(format!(
            "{}: latest {latest} is no version that was imported; set latest in one of the branches",
            config.file
        )),
    }
}

/// Reports what the API server or the operator would refuse.
fn check(name: &str, spec: &DistributionSpec, warnings: &mut Vec<String>) {
    if let Err(error) = Distribution::new(name, spec.clone()).validate_cel() {
        warnings.push(format!("{name}: the Distribution would be refused: {error}"));
    } else if let Err(error) = validate(spec) {
        warnings.push(format!("{name}: the Distribution would not be read: {error}"));
    }
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}
