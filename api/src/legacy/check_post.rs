//! `POST /api/upgrade-check`: what a device can be upgraded to.

use axum::{extract::State, response::Response};
use bytes::Bytes;

use super::{
    check, error::LegacyError, form::LegacyProblem, known_checks::AskedCheck, object::Object,
    schema,
};
use crate::{error::ApiError, state::AppState};

/// What a device can be upgraded to, for clients of 2018 and 2019
#[utoipa::path(
    post,
    path = "/api/upgrade-check",
    tag = "legacy",
    request_body = schema::LegacyCheckRequest,
    responses(
        (status = 200, description = "There are upgrades", body = check::LegacyUpgrades),
        (status = 204, description = "There are none; `X-Request-Hash` names the check"),
        (status = 400, description = "A parameter is missing, see `X-Missing-Param`, or malformed", body = LegacyProblem<'_>),
        (status = 412, description = "The distribution, version or target is not offered", body = LegacyProblem<'_>),
        (status = 422, description = "Unknown packages, see `X-Unknown-Package`", body = LegacyProblem<'_>),
        (status = 503, description = "A dependency is away, see `Retry-After`", body = LegacyProblem<'_>),
    )
)]
pub async fn upgrade_check_post(
    State(state): State<AppState>,
    body: Bytes,
) -> Result<Response, LegacyError> {
    let asked = read(Object::of(&body)?)?;
    drop(body);
    let hash = asked.hash().map_err(|_| ApiError::Internal)?;
    let response = check::answer(&state, &asked, hash).await?;
    state.checks.put(hash, asked);
    Ok(response)
}

/// Clients of 2018 send `packages` instead of `installed`.
fn read(mut object: Object) -> Result<AskedCheck, LegacyError> {
    let installed = object.versions("installed")?;
    let installed = match installed {
        Some(installed) => Some(installed),
        None => object.versions("packages")?,
    };
    Ok(AskedCheck {
        distro: object.required("distro")?.to_owned(),
        version: object.text("version")?.map(str::to_owned),
        target: object.target()?,
        installed,
        upgrade_packages: object.flag("upgrade_packages")?,
        revision: object.text("revision")?.map(str::to_owned),
    })
}
