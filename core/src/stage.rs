//! Stages of a running build, as the API answers them. `publish` prints the present stage, the operator
//! copies it to the FirmwareBuild.

use serde::{Deserialize, Serialize};

/// A stage of a running build. Clients look these words up in fixed tables (LuCI's
/// `imagebuilder_status`), so the API must not send any other word.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The build is waiting; no pod has started.
    #[default]
    Init,
    /// The pod is starting and creates its workspace.
    ContainerSetup,
    /// The ImageBuilder's revision is compared with the request.
    ValidateRevision,
    /// Packages are resolved and installed.
    ValidateManifest,
    /// The image is made.
    BuildingImage,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The word in answers of the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The stage with this word.
    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }

    /// The line that `publish` prints on its standard output when a stage begins.
    pub fn log_line(self) -> String {
        format!("{STAGE_LINE_PREFIX}{}", self.as_str())
    }

    /// Parses a line of `publish`'s standard output. `None` for other lines.
    pub fn from_log_line(line: &str) -> Option<Self> {
        line.trim_end().strip_prefix(STAGE_LINE_PREFIX).and_then(Self::parse)
    }
}

/// The line that `publish` prints when the result is in the store. The operator reads it a second or
/// two before it sees the end of the pod.
pub const COMMITTED_LINE: &str = "asu-result: committed";

/// Prefix of a stage line.
pub const STAGE_LINE_PREFIX: &str = "asu-stage: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_stage_line_is_parsed_back() {
        for &stage in Stage::ALL {
            assert_eq!(Stage::from_log_line(&stage.log_line()), Some(stage));
        }
        assert_eq!(Stage::from_log_line("asu-stage: rm -rf"), None);
        assert_eq!(Stage::from_log_line("building_image"), None);
    }
}
