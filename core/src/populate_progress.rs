//! Progress of a populate pod. `populate` prints it as a line, the operator copies it to the
//! ImageBuilderCache.

/// What a populate pod is doing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString, strum::VariantArray,
)]
pub enum PopulateStep {
    /// The signed list of the target is checked.
    Verifying,
    /// The tarball is downloaded and hashed.
    Downloading,
    /// The tarball is unpacked.
    Unpacking,
    /// The tree is warmed up in its place.
    WarmingUp,
}

impl PopulateStep {
    /// All steps, in order.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The word in lines and statuses.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How far a populate pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The present step.
    pub step: PopulateStep,
    /// Number of bytes that the step has done.
    pub bytes: Option<u64>,
    /// Number of bytes of the whole step. Not less than `bytes`.
    pub of: Option<u64>,
}

/// Prefix of a progress line.
const PREFIX: &str = "asu-progress: ";

impl Progress {
    /// A step whose bytes are not counted.
    pub fn of(step: PopulateStep) -> Self {
        Self { step, bytes: None, of: None }
    }

    /// The line that `populate` prints on its standard output.
    pub fn log_line(&self) -> String {
        let numbers =
            [self.bytes, self.of].into_iter().flatten().map(|number| format!(" {number}"));
        format!("{PREFIX}{}{}", self.step.as_str(), numbers.collect::<String>())
    }

    /// Parses a line of `populate`'s standard output. `None` for other lines, and for contradictions.
    pub fn from_log_line(line: &str) -> Option<Self> {
        let mut words = line.trim_end().strip_prefix(PREFIX)?.split(' ');
        let step = words.next()?.parse().ok()?;
        let mut number = || words.next().map(str::parse::<u64>).transpose().ok();
        let (bytes, of) = (number()?, number()?);
        let is_whole = words.next().is_none() && of.is_none_or(|of| bytes <= Some(of));
        is_whole.then_some(Self { step, bytes, of })
    }
}

/// A number of bytes for people, in MB (1,000,000 bytes).
fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.step.as_str())?;
        match (self.bytes, self.of) {
            (Some(bytes), Some(of)) => write!(f, " {} of {} MB", megabytes(bytes), megabytes(of)),
            (Some(bytes), None) => write!(f, " {} MB", megabytes(bytes)),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_progress_line_is_parsed_back() {
        for &step in PopulateStep::ALL {
            for (bytes, of) in [(None, None), (Some(5), None), (Some(5), Some(u64::MAX))] {
                let progress = Progress { step, bytes, of };
                assert_eq!(Progress::from_log_line(&progress.log_line()), Some(progress));
            }
        }
    }

    #[test]
    fn contradictions_and_other_lines_are_no_progress() {
        for line in [
            "asu-progress: Downloading 6 5",
            "asu-progress: Downloading -1",
            "asu-progress: Downloading 1 2 3",
            "asu-progress: Downloading 99999999999999999999999",
            "asu-progress: Mining 1",
            "asu-progress: ",
            "Downloading 1 2",
        ] {
            assert_eq!(Progress::from_log_line(line), None, "{line}");
        }
    }

    #[test]
    fn people_read_megabytes() {
        let step = PopulateStep::Downloading;
        let progress = Progress { step, bytes: Some(12_345_678), of: Some(340_000_001) };
        assert_eq!(progress.to_string(), "Downloading 12 of 340 MB");
    }
}
