//! Renamed devices of a Distribution: their schema.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A name that devices report and that no profile has, with the profile that is meant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct BoardRename {
    /// Name that the device reports, for example raspberrypi,3-model-b.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_+][A-Za-z0-9_.,+-]*$"))]
    pub board: String,
    /// Id of the profile that is meant, for example rpi-3. If the target has no such profile, the rename is
    /// ignored.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9_+][A-Za-z0-9_.+-]*$"))]
    pub profile: String,
    /// Patterns of which the requested version must fit one, for example 18.06.*. If empty, any version
    /// fits.
    #[serde(default)]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_.*-]+$"))
    )]
    pub versions: Vec<String>,
}
