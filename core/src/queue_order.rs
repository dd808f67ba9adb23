//! The order in which waiting builds start, and the position of each build. The operator admits builds
//! in this order, and the API answers positions.
//!
//! The position of a waiting build only decreases, unless a build of a higher class is created, an
//! older build is raised into its class, or a build whose Job ended returns to the queue.

use std::{collections::HashMap, ops::Range, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::ranked::RankedSet;

/// Class of a build in the queue; a higher class starts first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// For builds that should wait for all others.
    Low,
    /// For requests of people.
    #[default]
    Normal,
    /// For builds that should start before all others.
    High,
}

/// A build that can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// uid of its FirmwareBuild.
    pub uid: String,
    /// Class, before it is raised by waiting.
    pub priority: Priority,
    /// Creation of the FirmwareBuild. Its waiting time counts from here, also across restarts.
    pub since: Timestamp,
    /// Number in the order of creation, see [`sequence`].
    pub sequence: u64,
}

/// Each time a build has waited this long, its class is raised by one, so that builds with the lowest
/// priority start eventually.
pub const AGEING: SignedDuration = SignedDuration::from_mins(30);

/// Number of a build in the order of creation. Creation times are whole seconds, in which dozens of
/// builds may be created; therefore the resource version at creation is used, which grows with every
/// write. `noted` is the value that the operator recorded when it first saw the build. Before that
/// only its creator wrote the object, so the present resource version, `version`, is that of its
/// creation.
pub fn sequence(noted: Option<i64>, version: Option<&str>) -> u64 {
    let noted = noted.and_then(|noted| u64::try_from(noted).ok());
    noted.or_else(|| version?.parse().ok()).unwrap_or_default()
}

/// Whether the queue is full for a build that is not accepted yet: more than `most` older builds wait.
pub fn is_beyond(earlier: usize, most: usize) -> bool {
    earlier > most
}

fn class(priority: Priority, since: Timestamp, now: Timestamp) -> i64 {
    let waited = now.duration_since(since).as_secs().max(0);
    let raised = waited.checked_div(AGEING.as_secs()).unwrap_or(0);
    (priority as i64).saturating_add(raised).min(Priority::High as i64)
}

/// Builds with this priority are in `class`, or a higher one, if they were created until the returned
/// time. `None` when no build with this priority can be in it.
fn raised_since(priority: Priority, class: i64, now: Timestamp) -> Option<Timestamp> {
    if class > Priority::High as i64 {
        return None;
    }
    let raises = i32::try_from(class.saturating_sub(priority as i64)).ok()?;
    if raises <= 0 {
        return Some(Timestamp::MAX);
    }
    now.checked_sub(AGEING.checked_mul(raises)?).ok()
}

/// Sort key for the order of creation: sequence, creation time, uid.
type Age = (u64, Timestamp, Arc<str>);

/// Waiting builds in the order in which they start: by class, raised by waiting time, then by creation.
/// Finding the next build or a position takes logarithmic time.
///
/// The builds of each priority are one set in the order of creation. Builds that are raised by their
/// waiting time are at the front of the set, because creation times grow with the sequence, except for
/// the second that a request may take.
#[derive(Clone, Debug, Default)]
pub struct QueueOrder {
    classes: [RankedSet<Age>; 3],
    known: HashMap<Arc<str>, (Priority, u64, Timestamp)>,
}

impl QueueOrder {
    /// Inserts a build, or replaces its facts. A build that is already known keeps its lower sequence,
    /// in case another client wrote the object before the operator recorded the sequence.
    pub fn insert(&mut self, build: &Waiting) {
        let facts = (build.priority, self.sequence(build), build.since);
        if self.known.get(&*build.uid) == Some(&facts) {
            return;
        }
        self.remove(&build.uid);
        let uid: Arc<str> = Arc::from(&*build.uid);
        self.class_mut(build.priority).insert((facts.1, build.since, uid.clone()));
        self.known.insert(uid, facts);
    }

    /// Removes a build. Returns whether it was in the queue.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some((uid, (priority, sequence, since))) = self.known.remove_entry(uid) else {
            return false;
        };
        self.class_mut(priority).remove(&(sequence, since, uid))
    }

    fn class_mut(&mut self, priority: Priority) -> &mut RankedSet<Age> {
        let [low, normal, high] = &mut self.classes;
        match priority {
            Priority::Low => low,
            Priority::Normal => normal,
            Priority::High => high,
        }
    }

    fn each(&self) -> [(Priority, &RankedSet<Age>); 3] {
        let [low, normal, high] = &self.classes;
        [(Priority::Low, low), (Priority::Normal, normal), (Priority::High, high)]
    }

    /// The sequence of a build, which need not be in the queue.
    pub fn sequence(&self, build: &Waiting) -> u64 {
        self.known.get(&*build.uid).map_or(build.sequence, |known| known.1.min(build.sequence))
    }

    fn age<'a>(&self, build: &'a Waiting) -> (u64, Timestamp, &'a str) {
        (self.sequence(build), build.since, &build.uid)
    }

    /// Number of waiting builds.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no build waits.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// uids of the first `count` builds in the present order.
    pub fn first(&self, count: usize, now: Timestamp) -> Vec<&str> {
        let mut first = Vec::new();
        for class in (Priority::Low as i64..=Priority::High as i64).rev() {
            let mut runs = self.each().map(|(priority, ages)| Run::of(priority, ages, class, now));
            while first.len() < count {
                let heads = runs.iter_mut().filter_map(|run| Some((run.head()?, run)));
                let Some((age, run)) = heads.min_by(|(a, _), (b, _)| a.cmp(b)) else { break };
                run.left.next();
                first.push(&*age.2);
            }
        }
        first
    }

    /// The position of a build, which need not be in the queue: how many builds start before it in the
    /// present order.
    pub fn before(&self, build: &Waiting, now: Timestamp) -> usize {
        let (class, mine) = (class(build.priority, build.since, now), self.age(build));
        let ahead = self.each().map(|(priority, ages)| {
            let run = Run::of(priority, ages, class, now);
            older(ages, mine).min(run.left.end).max(run.left.start)
        });
        ahead.into_iter().sum()
    }

    /// Number of waiting builds of any class that were created before this build.
    pub fn earlier(&self, build: &Waiting) -> usize {
        let mine = self.age(build);
        self.each().map(|(_, ages)| older(ages, mine)).into_iter().sum()
    }
}

/// Number of keys that are lower than `than`.
fn older(ages: &RankedSet<Age>, than: (u64, Timestamp, &str)) -> usize {
    ages.partition_point(|(sequence, since, uid)| (*sequence, *since, &**uid) < than)
}

/// The builds of one priority that are now in one class: an index range of their set.
struct Run<'a> {
    ages: &'a RankedSet<Age>,
    left: Range<usize>,
}

impl<'a> Run<'a> {
    fn of(priority: Priority, ages: &'a RankedSet<Age>, class: i64, now: Timestamp) -> Self {
        let of_class = |class| match raised_since(priority, class, now) {
            None => 0,
            Some(time) => ages.partition_point(|(_, since, _)| *since <= time),
        };
        Self { ages, left: of_class(class.saturating_add(1))..of_class(class) }
    }

    fn head(&self) -> Option<&'a Age> {
        let at = Some(self.left.start).filter(|_| !self.left.is_empty())?;
        self.ages.get(at)
    }
}

#[cfg(test)]
#[path = "queue_order_tests.rs"]
mod tests;
