//! Names that devices report and that no profile has, with the profile that is meant: a device that was
//! renamed between versions, or that an old release reports under another name. Called when the profile of
//! a request is resolved.

use serde::{Deserialize, Serialize};

use crate::{names::spelled, pattern::fits_list};

/// One renamed device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BoardRename {
    /// Name that the device reports.
    pub board: String,
    /// Id of the profile that is meant.
    pub profile: String,
    /// Patterns of which the requested version must fit one. If empty, any version fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

impl BoardRename {
    fn concerns(&self, board: &str, version: &str) -> bool {
        spelled(&self.board) == board && fits_list(&self.versions, version)
    }
}

/// The profile that is meant by the name of a device, in a version. The first rename that fits is used.
pub fn meant<'a>(renames: &'a [BoardRename], board: &str, version: &str) -> Option<&'a str> {
    let found = renames.iter().find(|rename| rename.concerns(board, version));
    found.map(|rename| rename.profile.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rename_that_fits_the_name_and_the_version_is_used() {
        let rename = |board: &str, profile: &str, versions: &[&str]| BoardRename {
            board: board.to_owned(),
            profile: profile.to_owned(),
            versions: versions.iter().map(|&version| version.to_owned()).collect(),
        };
        let renames = [
            rename("raspberrypi,3-model-b", "rpi-3", &["18.06.*"]),
            rename("raspberrypi,3-model-b", "rpi", &[]),
        ];
        let meant = |version| meant(&renames, "raspberrypi_3-model-b", version);
        assert_eq!(meant("18.06.2"), Some("rpi-3"));
        assert_eq!(meant("19.07.1"), Some("rpi"));
        assert_eq!(super::meant(&renames, "other", "19.07.1"), None);
    }
}
