//! Counts requests in memory, and writes the counters to the database every few seconds. The number of
//! counters is limited: while the database is unavailable, new counters are dropped. Requests never
//! wait for the database here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asu_core::{client, request_hash::RequestHash};
use asu_store::{
    PgStore,
    model::{Counter, CounterKind},
};
use http::{HeaderMap, header::USER_AGENT};
use jiff::Timestamp;

/// Maximum number of different counters in memory.
const MAX_COUNTERS: usize = 10_000;
/// Time between two writes.
const WRITE_EVERY: Duration = Duration::from_secs(5);

type Key = (CounterKind, Option<RequestHash>, Option<Arc<str>>);

/// The counters that are not written yet.
#[derive(Debug, Default)]
pub struct Counters(Mutex<HashMap<Key, (Timestamp, u32)>>);

impl Counters {
    /// Counts one event.
    pub fn add(&self, kind: CounterKind, hash: Option<&RequestHash>, at: Timestamp) {
        self.merge((kind, hash.copied(), None), at, 1);
    }

    /// Counts a build request for the program that sent it. `field` is what the body says of it.
    pub fn add_client(&self, field: Option<&str>, headers: &HeaderMap, at: Timestamp) {
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let name = client::name(field, agent);
        self.merge((CounterKind::Client, None, Some(name.into())), at, 1);
    }

    fn merge(&self, key: Key, at: Timestamp, count: u32) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MAX_COUNTERS && !held.contains_key(&key) {
            return;
        }
        let counter = held.entry(key).or_insert((at, 0));
        counter.0 = counter.0.max(at);
        counter.1 = counter.1.saturating_add(count);
    }

    fn drain(&self) -> Vec<Counter> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.drain()
            .map(|((kind, request_hash, client), (at, count))| Counter {
                at,
                kind,
                request_hash,
                client,
                count,
            })
            .collect()
    }
}

/// Writes the counters. If this fails, they are kept for the next time.
pub async fn write(held: &Counters, database: &PgStore) {
    let counters = held.drain();
    if counters.is_empty() {
        return;
    }
    if let Err(error) = database.record_counters(&counters).await {
        tracing::warn!(%error, "cannot write counters, keeping them");
        for counter in counters {
            let key = (counter.kind, counter.request_hash, counter.client);
            held.merge(key, counter.at, counter.count);
        }
    }
}

/// Writes the counters at intervals, until the future is dropped.
pub async fn follow(held: &Counters, database: &PgStore) {
    loop {
        tokio::time::sleep(WRITE_EVERY).await;
        write(held, database).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_events_share_a_counter_and_the_number_of_counters_is_limited() {
        let counters = Counters::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        counters.add(CounterKind::Request, None, at(2));
        counters.add(CounterKind::Request, None, at(1));
        let expected = Counter {
            at: at(2),
            kind: CounterKind::Request,
            request_hash: None,
            client: None,
            count: 2,
        };
        assert_eq!(counters.drain(), [expected]);
        for n in 0..MAX_COUNTERS + 5 {
            counters.add(CounterKind::Served, Some(&RequestHash::of(&n.to_be_bytes())), at(0));
        }
        assert_eq!(counters.drain().len(), MAX_COUNTERS);
    }
}
