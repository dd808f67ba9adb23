//! Finished answers in memory, bounded by bytes and by time.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use asu_core::{answer::Ask, digest::Sha256Hex};
use jiff::{SignedDuration, Timestamp};

use super::FinishedAnswer;

/// Longest time without another look into history: retention may have taken the files since, and
/// its hint may have been lost.
const TRUSTED: SignedDuration = SignedDuration::from_secs(30);
/// The same for an answer that another build may overtake at any time: enough that clients who
/// poll do not cost a look each.
const OVERTAKEN: SignedDuration = SignedDuration::from_secs(5);
/// What an entry costs besides its body.
const OVERHEAD: usize = 256;

/// See the module. What was put in first goes first.
#[derive(Debug)]
pub struct AnswerCache {
    bytes: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    entries: HashMap<Sha256Hex, Entry>,
    order: VecDeque<(u64, Sha256Hex)>,
    bytes: usize,
    /// Number of the next entry: tells an entry from an earlier one of the same hash.
    next: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    until: Timestamp,
    /// Whether it keeps a POST from creating a build.
    counts: bool,
    answer: Arc<FinishedAnswer>,
}

impl AnswerCache {
    /// Holds up to `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self { bytes, held: Mutex::default() }
    }

    /// The answer of a hash for who wants `ask`, while it is trusted.
    pub fn get(&self, hash: &Sha256Hex, ask: Ask, now: Timestamp) -> Option<Arc<FinishedAnswer>> {
        let held = self.lock();
        let entry = held.entries.get(hash)?;
        // A failure of another order is no answer.
        let fits = now < entry.until
            && (entry.counts || ask == Ask::Look)
            && ask.takes(entry.answer.order);
        fits.then(|| entry.answer.clone())
    }

    /// Puts an answer in that counts until `fresh_until`.
    pub fn put(
        &self,
        hash: Sha256Hex,
        answer: Arc<FinishedAnswer>,
        fresh_until: Timestamp,
        now: Timestamp,
    ) {
        self.insert(hash, answer, fresh_until, true, now);
    }

    /// Puts an answer in that is only for who looks, and only until `keep_until`.
    pub fn put_stale(
        &self,
        hash: Sha256Hex,
        answer: Arc<FinishedAnswer>,
        keep_until: Timestamp,
        now: Timestamp,
    ) {
        self.insert(hash, answer, keep_until, false, now);
    }

    fn insert(
        &self,
        hash: Sha256Hex,
        answer: Arc<FinishedAnswer>,
        end: Timestamp,
        counts: bool,
        now: Timestamp,
    ) {
        let size = answer.body.len().saturating_add(OVERHEAD);
        if size > self.bytes {
            return;
        }
        let trusted = if counts { TRUSTED } else { OVERTAKEN };
        let until = now.checked_add(trusted).map_or(end, |trusted| trusted.min(end));
        let mut held = self.lock();
        held.remove(&hash);
        while held.bytes.saturating_add(size) > self.bytes && held.drop_oldest() {}
        let number = held.next;
        held.next = number.saturating_add(1);
        held.bytes = held.bytes.saturating_add(size);
        held.order.push_back((number, hash.clone()));
        held.entries.insert(hash, Entry { number, until, counts, answer });
    }

    /// Forgets the answer of a hash.
    pub fn forget(&self, hash: &Sha256Hex) {
        self.lock().remove(hash);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, hash: &Sha256Hex) {
        if let Some(entry) = self.entries.remove(hash) {
            self.bytes =
                self.bytes.saturating_sub(entry.answer.body.len().saturating_add(OVERHEAD));
        }
        // Numbers of removed entries are dropped when their turn comes, or when they abound.
        if self.order.len() > self.entries.len().saturating_mul(2).saturating_add(64) {
            let entries = &self.entries;
            self.order
                .retain(|(number, hash)| entries.get(hash).is_some_and(|it| it.number == *number));
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((number, hash)) = self.order.pop_front() else {
            return false;
        };
        if self.entries.get(&hash).is_some_and(|entry| entry.number == number) {
            self.remove(&hash);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use asu_core::{answer::Order, request::Request};
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    fn answer(size: usize) -> Arc<FinishedAnswer> {
        Arc::new(FinishedAnswer {
            status: StatusCode::OK,
            stage: "done",
            uid: "uid".into(),
            order: None,
            body: vec![b'x'; size].into(),
        })
    }

    fn order(names: &[&str]) -> Order {
        let packages = names.iter().map(|&name| name.to_owned()).collect();
        Order::of(&Request {
            packages,
            ..asu_crds::examples::build().spec.request.to_request().unwrap()
        })
    }

    /// Somebody who wants the image.
    fn build() -> Ask {
        Ask::Build(order(&["a", "b"]))
    }

    #[test]
    fn a_failure_of_one_order_is_no_answer_to_another() {
        let cache = AnswerCache::new(10_000);
        let hash = Sha256Hex::of(b"a");
        let failed = FinishedAnswer { order: Some(order(&["b", "a"])), ..(*answer(10)).clone() };
        cache.put(hash.clone(), Arc::new(failed), at(20), at(0));
        assert!(cache.get(&hash, build(), at(1)).is_none());
        assert!(cache.get(&hash, Ask::Build(order(&["b", "a"])), at(1)).is_some());
        assert!(cache.get(&hash, Ask::Look, at(1)).is_some());
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_answer_is_given_until_it_is_stale() {
        let cache = AnswerCache::new(10_000);
        let hash = Sha256Hex::of(b"a");
        cache.put(hash.clone(), answer(10), at(20), at(0));
        assert!(cache.get(&hash, build(), at(19)).is_some());
        assert!(cache.get(&hash, build(), at(20)).is_none());
    }

    #[test]
    fn history_is_looked_at_again_even_while_an_answer_is_fresh() {
        let cache = AnswerCache::new(10_000);
        let hash = Sha256Hex::of(b"a");
        cache.put(hash.clone(), answer(10), at(1_000_000), at(0));
        assert!(cache.get(&hash, build(), at(29)).is_some());
        assert!(cache.get(&hash, build(), at(30)).is_none());
    }

    #[test]
    fn a_stale_answer_is_for_who_looks_and_for_a_few_seconds() {
        let cache = AnswerCache::new(10_000);
        let hash = Sha256Hex::of(b"a");
        cache.put_stale(hash.clone(), answer(10), at(1_000_000), at(0));
        assert!(cache.get(&hash, Ask::Look, at(4)).is_some());
        assert!(cache.get(&hash, build(), at(4)).is_none());
        assert!(cache.get(&hash, Ask::Look, at(5)).is_none());
        cache.put_stale(hash.clone(), answer(10), at(2), at(0));
        assert!(cache.get(&hash, Ask::Look, at(2)).is_none());
    }

    proptest! {
        #[test]
        fn the_bytes_are_bounded_and_the_last_answer_is_there(
            puts in proptest::collection::vec((0_u8..20, 0_usize..3000, any::<bool>()), 1..200),
        ) {
            let cache = AnswerCache::new(8000);
            for (key, size, forget) in puts {
                let hash = Sha256Hex::of(&[key]);
                cache.put(hash.clone(), answer(size), at(9), at(0));
                prop_assert!(cache.get(&hash, build(), at(0)).is_some());
                if forget {
                    cache.forget(&hash);
                    prop_assert!(cache.get(&hash, build(), at(0)).is_none());
                }
                let held = cache.lock();
                let real: usize = held.entries.values().map(|it| it.answer.body.len() + OVERHEAD).sum();
                prop_assert_eq!(real, held.bytes);
                prop_assert!(held.bytes <= 8000 && held.order.len() <= 200);
            }
        }
    }
}
