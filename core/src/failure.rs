//! Failure reasons of builds: a closed set, with the consequences for retries and for stored answers.
//! Used by the builder, the operator and the API.

use serde::{Deserialize, Serialize};

/// Who caused a failure, which decides whether it is retried and stored as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Disposition {
    /// The request caused it: the answer is stored and served again.
    Request,
    /// The infrastructure caused it: the build is retried, and the failure is never a stored answer.
    Infrastructure,
    /// A person cancelled or deleted the build.
    Cancelled,
}

/// Why a build failed. The name is the `reason` of conditions, events and history.
#[derive(
    Clone,
    Copy,
    Debug,
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
pub enum FailureReason {
    /// Scratch space ran out.
    NoSpace,
    /// A package index has no valid signature by a trusted key.
    IndexSignature,
    /// An index or a package could not be downloaded.
    DownloadFailed,
    /// A repository of the request could not be read, or is not signed by a trusted key.
    RepositoryFailed,
    /// The image is larger than the device's storage.
    ImageTooBig,
    /// A package's own script failed.
    PackageScript,
    /// A package is missing or conflicts with another.
    PackageSelection,
    /// A package has another version than the request requires.
    PackageVersion,
    /// The ImageBuilder has another revision than the request requires.
    RevisionMismatch,
    /// The ImageBuilder does not know the profile, or built no image for it.
    ProfileNotBuilt,
    /// make failed for any other reason.
    BuildFailed,
    /// The build exceeded its time limit.
    TimedOut,
    /// The outcome or the files of the container `build` break the rules that `publish` checks.
    BadHandover,
    /// The kernel killed a process of the build because memory ran out.
    OutOfMemory,
    /// The build was killed (signal 9), or ended without leaving an outcome.
    BuilderDied,
    /// The pod was evicted, its node was lost, or it could not be started.
    PodFailed,
    /// The first-boot script's Secret does not exist or does not match its digest.
    DefaultsMissing,
    /// The ImageBuilder could not be prepared.
    CacheFailed,
    /// The tree or its marker is missing on the cache's volume.
    TreeLost,
    /// The FirmwareBuild's own fields contradict each other or the catalog.
    Refused,
    /// It was created when too many builds waited.
    QueueFull,
    /// Cancelled or deleted before it ended.
    Cancelled,
    /// An error of this system.
    Internal,
}

impl FailureReason {
    /// Every reason, for tables and tests.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The CamelCase word for conditions, events and the database.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The reason with this word.
    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }

    /// Who caused it, which decides whether it is retried and stored.
    pub fn disposition(self) -> Disposition {
        match self {
            Self::RepositoryFailed
            | Self::ImageTooBig
            | Self::PackageScript
            | Self::PackageSelection
            | Self::PackageVersion
            | Self::RevisionMismatch
            | Self::ProfileNotBuilt
            | Self::BuildFailed
            | Self::TimedOut
            | Self::BadHandover
            | Self::Refused => Disposition::Request,
            Self::Cancelled => Disposition::Cancelled,
            Self::NoSpace
            | Self::IndexSignature
            | Self::DownloadFailed
            | Self::OutOfMemory
            | Self::BuilderDied
            | Self::PodFailed
            | Self::DefaultsMissing
            | Self::CacheFailed
            | Self::QueueFull
            | Self::TreeLost
            | Self::Internal => Disposition::Infrastructure,
        }
    }

    /// Whether the same packages in another order may give another result: a package manager installs
    /// the first provider that it finds, which may bring other packages and scripts.
    pub fn depends_on_order(self) -> bool {
        matches!(
            self,
            Self::PackageSelection
                | Self::PackageVersion
                | Self::PackageScript
                | Self::ImageTooBig
                | Self::BuildFailed
                | Self::BadHandover
        )
    }

    /// Whether another attempt of the same build may succeed.
    pub fn is_retried(self) -> bool {
        let ended = matches!(self, Self::DefaultsMissing | Self::QueueFull);
        self.disposition() == Disposition::Infrastructure && !ended
    }

    /// What it means and what to do, for `docs/OPERATIONS.md` and for clients.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoSpace => {
                "The build ran out of scratch space; it is tried again. Raise `builds.workBytes` if it stays."
            }
            Self::IndexSignature => {
                "A package index is not signed by a trusted key; it is tried again. Check the mirror."
            }
            Self::DownloadFailed => {
                "A package or its index could not be downloaded; it is tried again."
            }
            Self::RepositoryFailed => {
                "A repository of the request could not be read, or is not signed by a trusted key; the message names it. Ask again after five minutes."
            }
            Self::ImageTooBig => "Ask for fewer packages: the image exceeds the device's storage.",
            Self::PackageScript => {
                "A package's own script failed; see the log, and leave that package out."
            }
            Self::PackageSelection => {
                "Leave out the packages that the message names: they are missing or conflict."
            }
            Self::PackageVersion => {
                "The feed has another version now; ask again with the current one."
            }
            Self::RevisionMismatch => "The version was rebuilt upstream; read its revision again.",
            Self::ProfileNotBuilt => "The ImageBuilder made no image for this profile.",
            Self::BuildFailed => "See the log.",
            Self::TimedOut => {
                "The build took longer than it may; see the log for what it waited for."
            }
            Self::BadHandover => "A package left files that are not images; leave it out.",
            Self::OutOfMemory => {
                "A process of the build was killed for want of memory; it is tried again with twice as much, up to `builds.memoryMax`. The message says how much there was."
            }
            Self::BuilderDied => {
                "The build was killed, and not for want of memory as far as the kernel says; it is tried again."
            }
            Self::PodFailed => "The pod was evicted or its node lost; it is tried again.",
            Self::DefaultsMissing => {
                "The first-boot script did not arrive; send the request again."
            }
            Self::CacheFailed => {
                "The ImageBuilder could not be prepared; see its ImageBuilderCache."
            }
            Self::TreeLost => "The ImageBuilder was gone from its volume; it is made anew.",
            Self::Refused => "The object's fields contradict each other; the message names them.",
            Self::QueueFull => "More than `builds.maxPending` builds waited; ask again later.",
            Self::Cancelled => "Ask again to build it.",
            Self::Internal => "A fault of this system; see the operator's log.",
        }
    }
}

impl std::fmt::Display for FailureReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure with the message that clients see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The reason, from a closed set.
    pub reason: FailureReason,
    /// Message with names of packages or sizes. Never contains times, paths or first-boot scripts.
    pub detail: String,
}

impl Failure {
    /// A failure with a message, which is cut to [`MAX_DETAIL`] and freed from characters that control
    /// a terminal or a page (see [`plain_text`]).
    pub fn new(reason: FailureReason, detail: impl AsRef<str>) -> Self {
        Self { reason, detail: plain_text(detail.as_ref(), MAX_DETAIL) }
    }

    /// A failure that the container `build` reported. It is untrusted, because scripts of packages run
    /// as the same user: reasons that only the operator or the cluster can determine are replaced.
    pub fn from_build(reason: FailureReason, detail: &str) -> Self {
        use FailureReason as R;
        match reason {
            R::Cancelled | R::QueueFull => Self::new(
                R::BadHandover,
                format!("The build says of itself what only others can: {reason}"),
            ),
            // An error of the program `build` itself. `Internal` is reserved for trusted programs.
            R::Internal => Self::new(R::BuilderDied, detail),
            _ => Self::new(reason, detail),
        }
    }
}

/// Makes untrusted text safe for conditions, events and answers: cut to `most` characters, with a
/// space in place of control characters (which terminals interpret), invisible characters, and
/// characters that change the direction of text.
pub fn plain_text(text: &str, most: usize) -> String {
    let plain = |c: char| {
        let unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || unseen { ' ' } else { c }
    };
    text.chars().take(most).map(plain).collect()
}

/// Maximum length of a failure's message in characters.
pub const MAX_DETAIL: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_serialized_as_its_word_and_parsed_back() {
        for &reason in FailureReason::ALL {
            assert_eq!(FailureReason::parse(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert!(!reason.remedy().is_empty());
        }
    }

    #[test]
    fn control_characters_are_removed_from_failure_texts() {
        let failure = Failure::new(FailureReason::BuildFailed, "a\x1b[2Jb\u{9b}c\u{202e}d\re\nf");
        assert_eq!(failure.detail, "a [2Jb c d e f");
        assert_eq!(Failure::new(FailureReason::BuildFailed, "ä – ✓").detail, "ä – ✓");
    }

    #[test]
    fn reasons_that_only_the_operator_decides_are_replaced_when_a_build_reports_them() {
        for reason in [FailureReason::Cancelled, FailureReason::QueueFull] {
            let failure = Failure::from_build(reason, "x");
            assert_eq!(failure.reason, FailureReason::BadHandover, "{reason}");
            assert_eq!(failure.reason.disposition(), Disposition::Request);
        }
        let internal = Failure::from_build(FailureReason::Internal, "x");
        assert_eq!(internal, Failure::new(FailureReason::BuilderDied, "x"));
        // `build` reports `PodFailed` when its pod is being terminated.
        for reason in [FailureReason::PackageScript, FailureReason::PodFailed] {
            assert_eq!(Failure::from_build(reason, "x"), Failure::new(reason, "x"));
        }
    }

    /// The table that `docs/OPERATIONS.md` must contain.
    fn table() -> String {
        let rows = FailureReason::ALL.iter().map(|reason| {
            let fault = match reason.disposition() {
                Disposition::Request => "request",
                Disposition::Infrastructure => "infrastructure",
                Disposition::Cancelled => "–",
            };
            format!("| `{reason}` | {fault} | {} |\n", reason.remedy())
        });
        "| reason | whose fault | what to do |\n| --- | --- | --- |\n".to_owned()
            + &rows.collect::<String>()
    }

    #[test]
    fn the_documentation_contains_the_current_table_of_reasons() {
        let documentation = include_str!("../../docs/OPERATIONS.md");
        assert!(documentation.contains(&table()), "the table is now:\n{}", table());
    }

    #[test]
    fn only_infrastructure_is_retried() {
        for &reason in FailureReason::ALL {
            if reason.is_retried() {
                assert_eq!(reason.disposition(), Disposition::Infrastructure);
            }
        }
    }
}
