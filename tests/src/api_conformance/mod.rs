//! Conformance suite of the server's API: sends what clients send, and checks what they need in the answers.
//! It needs nothing but a base URL, so that any server of the same API can be checked.
//!
//! The sections are those of the description of `asu` 0.2.0: 1 the routes, 2 privacy, 6 Chef, 7.1 auc, 7.2 LuCI,
//! 9 defects that must not return. Called by `cargo xtask conformance` and by tests.
#![expect(clippy::indexing_slicing, reason = "a missing member of a JSON value is null")]

mod auc;
mod chef;
mod clients;
mod conventions;
mod defects;
mod image_requests;
mod listings;
mod luci;
mod polls;
mod privacy;
mod subject;
mod upgrade_checks;
pub mod wire;

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

pub use subject::{Choice, Subject};

use crate::verdict::{Checked, Not, Verdict};

/// Why the suite cannot begin. A wrong answer is a [`Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be asked.
    #[error(transparent)]
    Wire(#[from] wire::Error),
    /// The server offers nothing to ask for.
    #[error("the server offers nothing to check with: {0}")]
    Nothing(String),
}

impl From<Not> for Error {
    fn from(not: Not) -> Self {
        let (Not::Expected(why) | Not::Applicable(why)) = not;
        Self::Nothing(why)
    }
}

/// What is checked.
#[derive(Debug)]
pub struct Options {
    /// Base URL of the server.
    pub url: String,
    /// What is asked for; what is left open is chosen from what the server offers.
    pub choice: Choice,
    /// Time limit of a build; without one, checks that need a build are skipped.
    pub builds_within: Option<Duration>,
}

/// One rule with its result.
#[derive(Clone, Debug)]
pub struct Line {
    /// Section of the description.
    pub section: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// Result of the check.
    pub verdict: Verdict,
    /// Duration of the check.
    pub took: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, rule, verdict, took } = self;
        match verdict {
            Verdict::Ok => write!(f, "ok   {section:<4} {rule} ({:.1} s)", took.as_secs_f64()),
            Verdict::Failed(why) => write!(f, "FAIL {section:<4} {rule}: {why}"),
            Verdict::NotApplicable(why) => write!(f, "n/a  {section:<4} {rule}: {why}"),
        }
    }
}

/// A check.
type Check = for<'a> fn(&'a Subject) -> BoxFuture<'a, Checked>;

/// A rule: section, name and check.
type Rule = (&'static str, &'static str, Check);

/// Lists rules, each with its section and the function that checks it.
macro_rules! rules {
    ($($section:literal $name:literal => $check:path,)*) => {
        pub(super) const RULES: &[super::Rule] =
            &[$(($section, $name, |subject| Box::pin($check(subject))),)*];
    };
}
use rules;

/// Every list of rules, in the order of the checks.
const RULES: &[&[Rule]] = &[
    conventions::RULES,
    upgrade_checks::RULES,
    image_requests::RULES,
    listings::RULES,
    privacy::RULES,
    defects::RULES,
    auc::RULES,
    luci::RULES,
    chef::RULES,
];

/// Checks all rules, one after the other. Calls `report` with each line when it is known.
///
/// # Errors
/// When the server cannot be asked, or offers nothing to check with.
pub async fn run(options: &Options, mut report: impl FnMut(&Line)) -> Result<Vec<Line>, Error> {
    let subject = Subject::discover(options).await?;
    let mut lines = Vec::new();
    for (section, rule, check) in RULES.iter().copied().flatten() {
        let started = Instant::now();
        let verdict = check(&subject).await.into();
        let line = Line { section, rule, verdict, took: started.elapsed() };
        report(&line);
        lines.push(line);
    }
    Ok(lines)
}
