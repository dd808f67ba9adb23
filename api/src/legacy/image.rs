//! Translates the request for an image to the request that all dialects share.

use asu_core::{
    acceptance::{self, Acceptance, RawRequest},
    board_rename,
    catalog::{Distribution, Target, Version},
    legacy::{
        check,
        device::{self, Named},
        key::{Kind, Manner},
    },
    names::{ProfileId, TargetName, spelled},
    profile::NoProfile,
};

use super::{error::LegacyError, indexes, object::Object, offer};
use crate::{catalog::Snapshot, error::ApiError, state::AppState};

/// Maximum length of a first-boot script in bytes.
const MAX_DEFAULTS: usize = 10_240;

/// A request for an image.
pub struct AskedImage {
    /// The request in the form of all dialects.
    pub acceptance: Acceptance,
    /// First-boot script. It must be stored only in its Secret.
    pub script: Option<String>,
    /// How it is answered.
    pub manner: Manner,
}

/// What was asked for, with its place in the catalog.
struct Place<'a> {
    catalog: &'a Snapshot,
    distribution: &'a Distribution,
    version: &'a Version,
    target: &'a Target,
    target_name: TargetName,
}

/// Reads a request for an image.
///
/// # Errors
/// Why it is refused.
pub async fn read(
    state: &AppState,
    mut object: Object,
    kind: Kind,
) -> Result<AskedImage, LegacyError> {
    let catalog = state.catalog.current()?;
    let distribution = object.required("distro")?;
    let version = object.required("version")?;
    let asked = object.target()?.ok_or(LegacyError::Missing("target"))?;
    let board = board(&object)?;
    let distribution = offer::distribution(&catalog, distribution)?;
    let version = offer::version(distribution, version)?;
    let (target_name, target) = offer::target(version, &asked)?;
    if kind == Kind::Upgrade && offer::has_sysupgrade(target) == Some(false) {
        let text = format!("devices of the target {target_name} cannot be upgraded");
        return Err(LegacyError::NotOffered(text));
    }
    let place = Place { catalog: &catalog, distribution, version, target, target_name };
    let model = object.text("model")?.map(str::to_owned);
    let script = object.script("defaults")?;
    if script.as_ref().is_some_and(|script| script.len() > MAX_DEFAULTS) {
        let text = format!("defaults: at most {MAX_DEFAULTS} bytes are allowed");
        return Err(LegacyError::Defaults(text));
    }
    let packages = packages(state, &place, object.names("packages")?).await?;
    let profile = profile(state, &place, &board, model.as_deref()).await?;
    let raw = RawRequest {
        version: version.name.clone(),
        target: place.target_name.to_string(),
        profile: profile.to_string(),
        diff_packages: !packages.is_empty(),
        packages,
        defaults: script.clone(),
        ..RawRequest::default()
    };
    let acceptance = acceptance::accept(&raw, distribution)?;
    Ok(AskedImage { acceptance, script, manner: Manner { style: asked.style, kind } })
}

/// Chef also sends `profile`, and LuCI `board_name`.
fn board(object: &Object) -> Result<String, LegacyError> {
    for field in ["board", "profile", "board_name"] {
        if let Some(board) = object.text(field)? {
            return Ok(board.to_owned());
        }
    }
    Err(LegacyError::Missing("board"))
}

/// The packages after renames and drops, because auc sends the packages of its old version. Names that no
/// index has are refused, if the indexes are known.
async fn packages(
    state: &AppState,
    place: &Place<'_>,
    asked: Vec<String>,
) -> Result<Vec<String>, LegacyError> {
    if asked.is_empty() {
        return Ok(asked);
    }
    let Place { catalog, distribution, version, target_name, .. } = place;
    let names = check::transformed(&asked, distribution, version, target_name);
    match indexes::indexes(state, catalog, distribution, version, target_name).await {
        Ok(Some(indexes)) => {
            check::installable(&names, indexes.available()).map_err(LegacyError::Unknown)
        }
        // Without them, the build tells.
        Ok(None) | Err(ApiError::Away(_) | ApiError::Busy) => malformed(names),
        Err(error) => Err(error.into()),
    }
}

fn malformed(names: Vec<String>) -> Result<Vec<String>, LegacyError> {
    let bad = |name: &&String| name.parse::<asu_core::names::PackageSpec>().is_err();
    let unknown: Vec<String> = names.iter().filter(bad).cloned().collect();
    if unknown.is_empty() { Ok(names) } else { Err(LegacyError::Unknown(unknown)) }
}

async fn profile(
    state: &AppState,
    place: &Place<'_>,
    board: &str,
    model: Option<&str>,
) -> Result<ProfileId, LegacyError> {
    let Place { catalog, distribution, version, target, target_name } = place;
    let listed = &distribution.offer.board_renames;
    let renamed = board_rename::meant(listed, &spelled(board), &version.name);
    let named = Named { board, renamed, model };
    let without_titles = device::resolve(target, Named { model: None, ..named }, None);
    let found = match (without_titles, model) {
        (Err(NoProfile::Unknown(_)), Some(_)) => {
            let devices =
                indexes::devices(state, catalog, distribution, version, target_name).await?;
            device::resolve(target, named, devices.as_ref().map(|devices| &devices.titles))
        }
        (found, _) => found,
    };
    found.map(|profile| profile.id.clone()).map_err(not_offered)
}

fn not_offered(none: NoProfile) -> LegacyError {
    LegacyError::NotOffered(match none {
        NoProfile::Unknown(name) => format!("unknown device {}", offer::shown(&name)),
        NoProfile::Ambiguous { name, ids } => {
            let ids = ids.iter().map(ProfileId::as_str).collect::<Vec<_>>().join(", ");
            format!("several devices have the name {}: {ids}", offer::shown(&name))
        }
    })
}
