//! Results of the checks of the conformance suites.

/// Result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The behaviour is as expected.
    Ok,
    /// It is not; the text has the expected and the actual result.
    Failed(String),
    /// It cannot be checked here, for this reason.
    NotApplicable(String),
}

/// Number of verdicts that are ok, failed, and not applicable.
pub fn count<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> (usize, usize, usize) {
    verdicts.fold((0, 0, 0), |(ok, failed, not_applicable), verdict| match verdict {
        Verdict::Ok => (ok + 1, failed, not_applicable),
        Verdict::Failed(_) => (ok, failed + 1, not_applicable),
        Verdict::NotApplicable(_) => (ok, failed, not_applicable + 1),
    })
}

/// Why a check did not pass.
#[derive(Debug)]
pub enum Not {
    /// The result differs from the expected one.
    Expected(String),
    /// The behaviour cannot be checked here.
    Applicable(String),
}

/// Result of a check.
pub type Checked = Result<(), Not>;

impl From<Checked> for Verdict {
    fn from(checked: Checked) -> Self {
        match checked {
            Ok(()) => Self::Ok,
            Err(Not::Expected(why)) => Self::Failed(why),
            Err(Not::Applicable(why)) => Self::NotApplicable(why),
        }
    }
}

/// Fails a check, with the expected and the actual result.
///
/// # Errors
/// Always.
pub fn expected<T>(what: &str, seen: impl std::fmt::Display) -> Result<T, Not> {
    Err(Not::Expected(format!("expected {what}; seen: {seen}")))
}

/// Skips a check, with the reason.
///
/// # Errors
/// Always.
pub fn not_here<T>(why: &str) -> Result<T, Not> {
    Err(Not::Applicable(why.to_owned()))
}
