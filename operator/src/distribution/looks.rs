//! Targets for which builds require a revision that the catalog does not have. Builds ask here, the
//! Distribution controller reads the target from upstream, and the builds get the answer. Kept in the
//! memory of the leader.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use asu_core::offered::Basis;

/// Minimum time between two readings of one target because of builds.
const INTERVAL: Duration = Duration::from_mins(1);
/// Time after which the question of a build that did not fetch its answer is forgotten.
const FORGET: Duration = Duration::from_mins(15);

/// The target of a build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought {
    /// Name of the Distribution.
    pub distribution: String,
    /// Version.
    pub version: String,
    /// Board and subtarget.
    pub target: String,
}

/// Answer to a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Upstream is asked.
    Asked,
    /// What upstream had when it was read after the build had asked.
    Read(Basis),
}

/// The targets and what was read of them.
#[derive(Debug, Default)]
pub struct Looks(Mutex<BTreeMap<Sought, Look>>);

#[derive(Debug, Default)]
struct Look {
    /// When each build asked, by uid, with its name.
    builds: BTreeMap<String, (Instant, String)>,
    /// When the last reading began.
    began: Option<Instant>,
    /// Whether it has not ended.
    reading: bool,
    /// What it found.
    read: Option<Basis>,
}

impl Look {
    /// Whether a build asked after the last reading began.
    fn is_wanted(&self) -> bool {
        self.builds.values().any(|(asked, _)| self.began.is_none_or(|began| began < *asked))
    }

    fn due(&self) -> Option<Instant> {
        self.began.and_then(|began| began.checked_add(INTERVAL))
    }
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sought, Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer for a build, which is asked for at most once a minute per target.
    pub fn ask(&self, sought: &Sought, uid: &str, name: &str) -> Answer {
        self.ask_at(sought, uid, name, Instant::now())
    }

    fn ask_at(&self, sought: &Sought, uid: &str, name: &str, now: Instant) -> Answer {
        let mut looks = self.lock();
        let look = looks.entry(sought.clone()).or_default();
        let asked = look.builds.get(uid).map(|(asked, _)| *asked);
        let is_after = |asked: Instant| look.began.is_some_and(|began| began >= asked);
        let is_answered = !look.reading && asked.is_some_and(is_after);
        if is_answered && let Some(basis) = &look.read {
            return Answer::Read(basis.clone());
        }
        if asked.is_none() || is_answered {
            // The last reading failed, so it is asked again.
            look.builds.insert(uid.to_owned(), (now, name.to_owned()));
        }
        Answer::Asked
    }

    /// The targets of a distribution that may be read now.
    pub fn due(&self, distribution: &str) -> Vec<Sought> {
        self.due_at(distribution, Instant::now())
    }

    fn due_at(&self, distribution: &str, now: Instant) -> Vec<Sought> {
        let looks = self.lock();
        let wanted = looks.iter().filter(|(sought, look)| {
            sought.distribution == distribution
                && look.is_wanted()
                && look.due().is_none_or(|due| due <= now)
        });
        wanted.map(|(sought, _)| sought.clone()).collect()
    }

    /// Time until a target of a distribution may be read.
    pub fn next(&self, distribution: &str) -> Option<Duration> {
        let now = Instant::now();
        let looks = self.lock();
        let of = looks.iter().filter(|(sought, _)| sought.distribution == distribution);
        let wanted = of.filter(|(_, look)| look.is_wanted());
        wanted.map(|(_, look)| look.due().map_or(Duration::ZERO, |due| due - now)).min()
    }

    /// A reading begins.
    pub fn begin(&self, sought: &Sought) {
        self.begin_at(sought, Instant::now());
    }

    fn begin_at(&self, sought: &Sought, now: Instant) {
        let mut looks = self.lock();
        let look = looks.entry(sought.clone()).or_default();
        (look.read, look.began, look.reading) = (None, Some(now), true);
        look.builds.retain(|_, (asked, _)| now.duration_since(*asked) < FORGET);
    }

    /// A reading ended; `None` if it failed. Returns the names of the builds that asked.
    pub fn end(&self, sought: &Sought, read: Option<Basis>) -> Vec<String> {
        let mut looks = self.lock();
        let Some(look) = looks.get_mut(sought) else { return Vec::new() };
        (look.read, look.reading) = (read, false);
        look.builds.values().map(|(_, name)| name.clone()).collect()
    }

    /// Forgets a deleted build. A target for which no build asks is forgotten when it may be read again.
    pub fn forget(&self, uid: &str) {
        let now = Instant::now();
        self.lock().retain(|_, look| {
            look.builds.remove(uid);
            !look.builds.is_empty() || look.due().is_some_and(|due| due > now)
        });
    }
}

#[cfg(test)]
#[path = "looks_tests.rs"]
mod tests;
