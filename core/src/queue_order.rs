//! The one order in which waiting builds start, and the place of each of them: the operator admits by
//! it, and the API tells it.
//!
//! A place only falls while a build waits, unless a build of a higher class comes, an older one is
//! raised into its class, or one that had begun gets back in line.

use std::{collections::HashMap, ops::Range, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::ranked::RankedSet;

/// Class of a build in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// What people ask for.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

/// A build that could start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// uid of its FirmwareBuild.
    pub uid: String,
    /// Its class.
    pub priority: Priority,
    /// When it was created. Time in the queue counts from there, across restarts.
    pub since: Timestamp,
    /// Number in the order of creation, see [`sequence`].
    pub sequence: u64,
}

/// Waiting this long raises a build by one class, so that the lowest runs one day.
pub const AGEING: SignedDuration = SignedDuration::from_mins(30);

/// Number of a build in the order of creation. Times of creation are whole seconds, in which dozens
/// may come; versions of objects grow with every write. `noted` is what the operator wrote down when
/// it first saw the build. Before that nobody but its creator wrote the object, so that its present
/// version is that of its creation.
pub fn sequence(noted: Option<i64>, version: Option<&str>) -> u64 {
    let noted = noted.and_then(|noted| u64::try_from(noted).ok());
    noted.or_else(|| version?.parse().ok()).unwrap_or_default()
}

/// Whether a build that nobody accepted yet comes too late: more than `most` that are older wait.
pub fn is_beyond(earlier: usize, most: usize) -> bool {
    earlier > most
}

fn class(priority: Priority, since: Timestamp, now: Timestamp) -> i64 {
    let waited = now.duration_since(since).as_secs().max(0);
    let raised = waited.checked_div(AGEING.as_secs()).unwrap_or(0);
    (priority as i64).saturating_add(raised).min(Priority::High as i64)
}

/// Builds of this priority are of that class, or of a higher one, when they were created by then.
/// Nothing when none ever is.
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

/// What the order of creation depends on.
type Age = (u64, Timestamp, Arc<str>);

/// Builds that wait, kept in the order in which they start: class, raised by age, then the order of
/// creation. Neither the next one nor a place costs a look at all of them.
///
/// Each class is a set of its own in the order of creation, in which age raises only a part at the
/// front: times of creation grow with the sequence, but for the second in which a request is on its
/// way.
#[derive(Clone, Debug, Default)]
pub struct QueueOrder {
    classes: [RankedSet<Age>; 3],
    known: HashMap<Arc<str>, (Priority, u64, Timestamp)>,
}

impl QueueOrder {
    /// Puts a build in, or what is known of it by now in place of what was. It keeps its number in
    /// the order of creation, should somebody have written the object before the operator.
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

    /// Takes a build out. Gives whether it was there.
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

    /// The number of a build, whether it waits or not, in the order of creation.
    pub fn sequence(&self, build: &Waiting) -> u64 {
        self.known.get(&*build.uid).map_or(build.sequence, |known| known.1.min(build.sequence))
    }

    fn age<'a>(&self, build: &'a Waiting) -> (u64, Timestamp, &'a str) {
        (self.sequence(build), build.since, &build.uid)
    }

    /// Number of builds that wait.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// uids of the `count` builds that start first, as things stand, in their order.
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

    /// How many start before this build, whether it waits or not, as things stand.
    pub fn before(&self, build: &Waiting, now: Timestamp) -> usize {
        let (class, mine) = (class(build.priority, build.since, now), self.age(build));
        let ahead = self.each().map(|(priority, ages)| {
            let run = Run::of(priority, ages, class, now);
            older(ages, mine).min(run.left.end).max(run.left.start)
        });
        ahead.into_iter().sum()
    }

    /// How many that wait are older than this build, whatever their class.
    pub fn earlier(&self, build: &Waiting) -> usize {
        let mine = self.age(build);
        self.each().map(|(_, ages)| older(ages, mine)).into_iter().sum()
    }
}

/// How many of these are older than that.
fn older(ages: &RankedSet<Age>, than: (u64, Timestamp, &str)) -> usize {
    ages.partition_point(|(sequence, since, uid)| (*sequence, *since, &**uid) < than)
}

/// Builds of one priority that are of one class by now.
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
