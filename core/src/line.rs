//! The one order in which waiting builds start, and the place of each of them: the operator admits by
//! it, and the API tells it.
//!
//! A place only falls while a build waits, unless a build of a higher class comes, an older one is
//! raised into its class, or one that had begun gets back in line.

use std::{cmp::Reverse, collections::HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::queue::{Priority, Waiting};

/// Waiting this long raises a build by one class.
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

/// What waiting builds are sorted by: class, raised by age, then the order of creation.
pub fn rank(
    build: &Waiting,
    ageing: SignedDuration,
    now: Timestamp,
) -> (Reverse<i64>, u64, Timestamp, &str) {
    let class = class(build.priority, build.since, ageing, now);
    (Reverse(class), build.sequence, build.since, &build.uid)
}

fn class(priority: Priority, since: Timestamp, ageing: SignedDuration, now: Timestamp) -> i64 {
    let waited = now.duration_since(since).as_secs().max(0);
    let raised = waited.checked_div(ageing.as_secs()).unwrap_or(0);
    (priority as i64).saturating_add(raised).min(Priority::High as i64)
}

/// What the order of creation depends on.
type Age = (u64, Timestamp, String);

/// Builds that wait, kept in order: a place costs no look at all of them.
///
/// Each class is a line of its own in the order of creation, in which age raises only a part at the
/// front: times of creation grow with the sequence, but for the second in which a request is on its
/// way.
#[derive(Clone, Debug, Default)]
pub struct Line {
    classes: [Vec<Age>; 3],
    known: HashMap<String, (Priority, u64, Timestamp)>,
}

impl Line {
    /// Puts a build in line, or what is known of it by now in place of what was. It keeps its number
    /// in the order of creation, should somebody have written the object before the operator.
    pub fn insert(&mut self, build: &Waiting) {
        let facts = (build.priority, self.sequence(build), build.since);
        match self.known.insert(build.uid.clone(), facts) {
            Some(before) if before == facts => return,
            Some(before) => self.take_out(&build.uid, before),
            None => {}
        }
        let age = self.age(build);
        let class = self.class_mut(build.priority);
        let at = class.partition_point(|other| *other < age);
        class.insert(at, age);
    }

    /// Takes a build out. Gives whether it was in line.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some(facts) = self.known.remove(uid) else { return false };
        self.take_out(uid, facts);
        true
    }

    fn take_out(&mut self, uid: &str, (priority, sequence, since): (Priority, u64, Timestamp)) {
        let class = self.class_mut(priority);
        let age = (sequence, since, uid.to_owned());
        if let Ok(at) = class.binary_search(&age) {
            class.remove(at);
        }
    }

    fn class_mut(&mut self, priority: Priority) -> &mut Vec<Age> {
        let [low, normal, high] = &mut self.classes;
        match priority {
            Priority::Low => low,
            Priority::Normal => normal,
            Priority::High => high,
        }
    }

    fn each(&self) -> [(Priority, &Vec<Age>); 3] {
        let [low, normal, high] = &self.classes;
        [(Priority::Low, low), (Priority::Normal, normal), (Priority::High, high)]
    }

    /// The number of a build, in line or not, in the order of creation.
    pub fn sequence(&self, build: &Waiting) -> u64 {
        self.known.get(&build.uid).map_or(build.sequence, |known| known.1.min(build.sequence))
    }

    fn age(&self, build: &Waiting) -> Age {
        (self.sequence(build), build.since, build.uid.clone())
    }

    /// Number of builds in line.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How many start before this build, in line or not, as things stand.
    pub fn before(&self, build: &Waiting, ageing: SignedDuration, now: Timestamp) -> usize {
        let class_of = |priority, since| class(priority, since, ageing, now);
        let (mine, my_age) = (class_of(build.priority, build.since), self.age(build));
        let ahead = self.each().map(|(priority, line)| {
            let higher = line.partition_point(|it| class_of(priority, it.1) > mine);
            let older = line.partition_point(|it| class_of(priority, it.1) >= mine && *it < my_age);
            higher.max(older)
        });
        ahead.into_iter().sum()
    }

    /// How many in line are older than this build, whatever their class.
    pub fn earlier(&self, build: &Waiting) -> usize {
        let my_age = self.age(build);
        let older = self.each().map(|(_, line)| line.partition_point(|it| *it < my_age));
        older.into_iter().sum()
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
